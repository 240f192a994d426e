"""TensorFlow's chatter at its import, which no setting of its log turns off."""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

# What its C++ writes whenever it is imported, before it reads that setting.
_CHATTER = re.compile(rb"[IW]0000 |WARNING: All log messages before absl::InitializeLog|To enable")


@contextlib.contextmanager
def without_chatter_at_level_3() -> Iterator[None]:
    """Within it TensorFlow is imported, quietly if `TF_CPP_MIN_LOG_LEVEL` is 3; errors remain."""
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "3" or sys.stderr is None:
        yield
        return
    sys.stderr.flush()
    standard_error = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)
            captured.seek(0)
            kept = [line for line in captured if not _CHATTER.match(line)]
            sys.stderr.write(b"".join(kept).decode(errors="replace"))
