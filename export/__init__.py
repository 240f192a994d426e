"""SavedModels out of the zoo's models, and back: `export.save`, `export.load`, `export.verify`.

A SavedModel stands alone: it is called from Python, TF Serving or TF-Hub with no copy of the zoo.
`export.pack` makes one file of it, `export.convert` ONNX and LiteRT files. All are commands too:
`python -m export`.
"""

from export.archive import pack
from export.conversion import FORMATS, Conversion, ConversionError, convert
from export.model_card import Details, details_of_run
from export.saved_model import save
from export.verification import VerificationError, verify
from zoo.common.exports import load

__all__ = [
    "FORMATS",
    "Conversion",
    "ConversionError",
    "Details",
    "VerificationError",
    "convert",
    "details_of_run",
    "load",
    "pack",
    "save",
    "verify",
]
