"""SavedModels out of the zoo's models, and back: `export.save` and `export.load`.

A SavedModel stands alone: it is called from Python, TF Serving or TF-Hub with no copy of the zoo.
"""

from export.saved_model import load, save

__all__ = ["load", "save"]
