"""A recipe as its user meets it: words on a command line in, an exit code and two streams out."""

import contextlib
import dataclasses
import hashlib
import io
import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import keras
import pytest
import tensorflow_datasets as tfds
from absl import flags, logging

from zoo import datasets

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def run_recipe(recipe: str, *arguments: str, folder: Path, data_dir: Path) -> Ended:
    """Runs a recipe as if typed in `folder`; see `run_script`."""
    return run_script(f"recipes/{recipe}.py", *arguments, folder=folder, data_dir=data_dir)


def run_script(path: str, *arguments: str, folder: Path, data_dir: Path) -> Ended:
    """Runs a command of the repository within this process, which spares it the imports."""
    script = str(REPOSITORY / path)
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        own_process(script, arguments),
        # TFDS read its environment when it was imported.
        mock.patch.object(tfds.core.constants, "DATA_DIR", str(data_dir)),
        mock.patch.dict(os.environ, {"TFDS_DATA_DIR": str(data_dir)}),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        runpy.run_path(script, run_name="__main__")
    return Ended(ended.value.code or 0, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def own_process(script: str, arguments: tuple[str, ...]) -> Iterator[None]:
    """Undoes what a recipe leaves in its process: flags, level of the log, Keras's policy."""
    policy, verbosity = keras.config.dtype_policy(), logging.get_verbosity()
    datasets.clear_memory()
    try:
        with mock.patch.object(sys, "argv", [script, *arguments]):
            yield
    finally:
        datasets.clear_memory()
        for flag in flags.FLAGS.flags_by_module_dict().pop(script, []):
            delattr(flags.FLAGS, flag.name)
        flags.FLAGS.unparse_flags()
        logging.set_verbosity(verbosity)
        keras.config.set_dtype_policy(policy)


def contents(folder: Path) -> dict[str, str]:
    """A digest of each file below `folder`, by its path."""
    return {
        os.path.relpath(path, folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
