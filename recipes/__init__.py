"""Recipes: one short script a variant and data set, all of one shape, run from the command line."""

import os
import re
import sys
import tempfile

# What TensorFlow's C++ writes whenever it is imported, before it reads any setting of its log.
_CHATTER = re.compile(rb"[IW]0000 |WARNING: All log messages before absl::InitializeLog|To enable")


def _import_tensorflow_quietly() -> None:
    """Imports the zoo, and TensorFlow with it, and passes on only what is no chatter."""
    sys.stderr.flush()
    standard_error = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            import zoo  # noqa: F401
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)
            captured.seek(0)
            kept = [line for line in captured if not _CHATTER.match(line)]
            sys.stderr.write(b"".join(kept).decode(errors="replace"))


# A recipe's screen is for the run: what goes wrong is raised, and `training.fit` names the devices.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
_import_tensorflow_quietly()
