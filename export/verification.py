"""Proof that an export gives, in a process without the zoo, what the model gave."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from export import fresh_process
from zoo.common import exports

_PROGRAM = """
import runpy, sys
sys.modules.update(dict.fromkeys(("zoo", "export", "recipes")))  # an import of one fails now
sys.path += [path for path in sys.argv[4:] if path not in sys.path]
sys.exit(runpy.run_path(sys.argv[1])["main"](*sys.argv[2:4]))
"""


class VerificationError(ValueError):
    """An export that is not what was saved; the message is one line and says what differs."""


def verify(folder: str | os.PathLike[str]) -> None:
    """Sees to it that an export is whole and gives what the model gave when it was saved.

    Its files are compared with their digests. Then a fresh process, which has no copy of the zoo
    and no GPU, loads it, and calls each signature and the model itself with batches of 1, 3 and 8:
    what they give must be what was recorded, within 1e-4 of the largest output, or 1e-2 of a model
    that computes in half precision. To start the process and TensorFlow takes most of the time: 6
    to 10 s on two idle cores (docs/exports.md), 20 to 40 s and more on busy ones.

    Args:
        folder: as for `export.load`.

    Raises:
        FileNotFoundError: if there is no export.
        VerificationError: if a file or an output differs, or nothing was recorded.
    """
    version = exports.version_of(folder)
    try:
        manifest = exports.check_files(version)
    except ValueError as error:
        raise VerificationError(str(error)) from error
    about = exports.about_of(version)
    if manifest is None:
        raise VerificationError(
            f"{version} can't be verified: {about}, with what was recorded of the model, is not "
            "there. Export the model again, or bring that folder too."
        )
    script = Path(fresh_process.__file__).resolve()
    # Where TensorFlow may lie, other than in this Python's own folders.
    elsewhere = [path for path in sys.path if path and Path(path).resolve() != script.parents[1]]
    quiet = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryDirectory() as empty:
        finished = subprocess.run(
            [sys.executable, "-I", "-c", _PROGRAM, script, version.absolute(), about, *elsewhere],
            env=os.environ | quiet,
            cwd=empty,
            capture_output=True,
            text=True,
            check=False,
        )
    if finished.returncode:
        said = f"the process that loaded it ended with {finished.returncode}"
        if finished.returncode == 1:
            said = finished.stderr.strip().splitlines()[-1]
        raise VerificationError(f"{version} is not what was saved: {said}. Export the model again.")
