"""SavedModels out of the zoo's models, and back: `export.save`, `export.load`, `export.verify`.

A SavedModel stands alone: it is called from Python, TF Serving or TF-Hub with no copy of the zoo.
"""

from export.archive import pack
from export.model_card import Details, details_of_run
from export.saved_model import save
from export.verification import VerificationError, verify
from zoo.common.exports import load

__all__ = ["Details", "VerificationError", "details_of_run", "load", "pack", "save", "verify"]
