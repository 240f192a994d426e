"""SavedModels out of the zoo's models, and back: `export.save`, `export.load`, `export.verify`.

A SavedModel stands alone: it is called from Python, TF Serving or TF-Hub with no copy of the zoo.
`export.convert` makes ONNX and LiteRT files of one.
"""

from export.conversion import FORMATS, Conversion, ConversionError, convert
from export.saved_model import save
from export.verification import VerificationError, verify
from zoo.common.exports import load

__all__ = [
    "FORMATS",
    "Conversion",
    "ConversionError",
    "VerificationError",
    "convert",
    "load",
    "save",
    "verify",
]
