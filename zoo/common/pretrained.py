"""Trained models by name: those that come with the zoo, and any export, wherever it lies."""

import dataclasses
import importlib
import json
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.common import archives, exports
from zoo.common.files import sha256_of
from zoo.common.messages import listed

# What comes with the zoo: an index, and a package for each name.
SHIPPED = Path(__file__).resolve().parent.parent / "weights"
INDEX = "index.json"
# The weights of a package: those of the SavedModel, by their names in its checkpoint, in halves.
HALVES = "weights.npz"

_HUBS = {
    "hf://": ("huggingface_hub", "snapshot_download"),
    "kaggle://": ("kagglehub", "model_download"),
}


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """A trained model that comes with the zoo.

    Attributes:
        name: by which it is loaded, such as "vanilla_gan/mnist_small".
        model: its class.
        trained_on: its data set.
        data_license: of that, in words; "not known" where its builder states none.
        size: of its package, in bytes.
        difference: largest absolute difference between what its functions gave before its weights
            were rounded to half precision, and after.
        digest: SHA-256 of its package.
        file: the package, below the folder of the index.
    """

    name: str
    model: str
    trained_on: str
    data_license: str
    size: int
    difference: float
    digest: str
    file: str


def pretrained() -> list[Pretrained]:
    """Lists the trained models that come with the zoo, by name."""
    index = SHIPPED / INDEX
    if not index.is_file():
        return []
    entries = json.loads(index.read_text(encoding="utf-8"))
    return [Pretrained(name, **entry) for name, entry in sorted(entries.items())]


def is_known(source: str) -> bool:
    """Whether it is a name of `pretrained()`, or a handle that a library downloads."""
    return source.startswith(tuple(_HUBS)) or source in {each.name for each in pretrained()}


def load_pretrained(source: str) -> Any:
    """Loads a trained model, as `export.load` does.

        model = zoo.load_pretrained("vanilla_gan/mnist_small")
        images = model.generate(16, 0, 1.0)["images"]     # num, seed, truncation; in [0, 1]

    Args:
        source: one of

            - a name of `zoo.pretrained()`, which needs no network: weights in half precision,
              checked by their SHA-256, computed with in single precision;
            - the folder of an export, or a `.tar.gz` of one;
            - `hf://OWNER/REPOSITORY`, or with `/FOLDER` behind it, on Hugging Face: takes
              `pip install huggingface_hub`;
            - `kaggle://OWNER/MODEL/FRAMEWORK/VARIATION`: takes `pip install kagglehub`.

    Returns:
        The loaded SavedModel; see `export.load`.

    Raises:
        ValueError: if there is no such name, or what is found is damaged.
        FileNotFoundError: if there is no export.
        ImportError: if a library is missing.
    """
    known = {each.name: each for each in pretrained()}
    if source in known:
        return _load_package(known[source])
    for prefix, (library, download) in _HUBS.items():
        if source.startswith(prefix):
            return exports.load(_downloaded(source, prefix, library, download))
    path = Path(source).expanduser()
    if path.is_file():
        return _load_unpacked(path)
    if path.is_dir():
        return exports.load(path)
    raise ValueError(
        f"There is no trained model {source!r}, nor a folder or .tar.gz of that name. These come "
        f"with the zoo: {listed(known)}"
    )


def unpack(archive: str | os.PathLike[str], folder: str | os.PathLike[str]) -> Path:
    """Unpacks an export, or a package that comes with the zoo, to a SavedModel.

    Args:
        archive: its `.tar.gz`.
        folder: to make.

    Returns:
        The folder.

    Raises:
        ArchiveError: as `zoo.common.archives.unpack`.
        OSError: if the folder exists, or can't be written.
    """
    folder = archives.unpack(archive, folder)
    if (folder / HALVES).is_file():
        try:
            in_single_precision(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return folder


def _load_package(package: Pretrained) -> Any:
    path = SHIPPED / package.file
    if not path.is_file() or sha256_of(path) != package.digest:
        raise ValueError(
            f"{path} is not what came with the zoo (SHA-256), or missing: install the zoo again."
        )
    return _load_unpacked(path)


def _load_unpacked(archive: Path) -> Any:
    """Loads an export out of an archive, whose assets stay on disk while it is in use."""
    temporary = tempfile.mkdtemp()
    try:
        loaded = exports.load(unpack(archive, Path(temporary) / "1"))
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    weakref.finalize(loaded, shutil.rmtree, temporary, ignore_errors=True)
    return loaded


def _downloaded(source: str, prefix: str, library: str, download: str) -> Path:
    try:
        module = importlib.import_module(library)
    except ImportError as error:
        raise ImportError(f"To load {source} takes {library}: pip install {library}") from error
    handle = source.removeprefix(prefix)
    if prefix == "hf://":
        owner, repository, *folder = handle.split("/", 2)
        return Path(getattr(module, download)(f"{owner}/{repository}"), *folder)
    return Path(getattr(module, download)(handle))


# === Half precision ===


def to_half_precision(folder: Path) -> None:
    """Puts `weights.npz` in place of a SavedModel's `variables`, with numbers in half precision.

    Raises:
        ValueError: if a weight is too large for that.
    """
    reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    arrays = {}
    for name in sorted(reader.get_variable_to_dtype_map()):
        value = reader.get_tensor(name)
        if isinstance(value, bytes):  # how objects hang together
            value = np.frombuffer(value, np.uint8)
        elif value.dtype == np.float32:
            with np.errstate(over="ignore"):
                value = value.astype(np.float16)
            if not np.isfinite(value).all():
                raise ValueError(f"The weights {name} are too large for half precision.")
        arrays[name] = value
    np.savez(folder / HALVES, **arrays)
    for path in (folder / "variables").iterdir():
        path.unlink()
    (folder / "variables").rmdir()


def in_single_precision(folder: Path) -> None:
    """Undoes `to_half_precision`, but for what rounding took."""
    names, tensors = [], []
    with np.load(folder / HALVES) as arrays:
        for name in sorted(arrays.files):
            value = arrays[name]
            if value.dtype == np.uint8:
                value = value.tobytes()
            elif value.dtype == np.float16:
                value = value.astype(np.float32)
            names.append(name)
            tensors.append(value)
    (folder / "variables").mkdir()
    tf.raw_ops.SaveV2(
        prefix=str(folder / "variables" / "variables"),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(tensor) for tensor in tensors],
    )
    (folder / HALVES).unlink()
