"""Decoded images kept on disk, so that they are decoded once and may be more than memory holds.

Each entry is a folder below `data_dir/zoo_decoded`, written beside and then renamed. Two processes
that want the same entry wait for one another. An entry can be deleted at any time: it is made anew.
Files there are the fingerprints'.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from zoo.common import files

DataDir = str | os.PathLike[str] | None


def data_dir_or_default(data_dir: DataDir) -> Path:
    """Gives the folder that TFDS would take."""
    chosen = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return Path(os.path.expanduser(chosen)).absolute()


def check_writable(folder: str | os.PathLike[str]) -> None:
    """Makes the folder; raises a ValueError if it can't be written."""
    try:
        os.makedirs(folder, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ValueError(
            f"data_dir={os.fspath(folder)!r} can't be written ({error.strerror}); give another "
            "data_dir, or set TFDS_DATA_DIR."
        ) from error


def find_entry(
    data_dir: DataDir,
    key: str,
    *,
    is_current: Callable[[Path], bool],
    fill: Callable[[Path], None],
    num_bytes: int,
) -> Path:
    """Gives the folder of an entry, after making or remaking it if need be.

    Args:
        data_dir: where data sets are kept.
        key: name of the entry.
        is_current: whether the entry, which exists, can be used.
        fill: writes the entry's files into an empty folder.
        num_bytes: how large it may become.

    Raises:
        ValueError: if `data_dir` can't be written.
        RuntimeError: if the disk has no room for it.
    """
    data_dir = data_dir_or_default(data_dir)
    root = data_dir / "zoo_decoded"
    entry = root / key
    # Of data that many share, the folder may be there to be read only.
    if entry.is_dir() and not os.access(root, os.W_OK) and is_current(entry):
        return entry
    check_writable(data_dir)
    root.mkdir(exist_ok=True)
    with _locked(root / f"{key}.lock"):
        if entry.is_dir() and is_current(entry):
            return entry
        _remove_leftovers(root, key)
        free = shutil.disk_usage(root).free
        if num_bytes > free:
            raise RuntimeError(_no_room(num_bytes, free, data_dir))
        try:
            with files.replaced_folder(entry) as folder:
                fill(folder)
        except OSError as error:
            raise RuntimeError(
                f"Decoded images can't be kept in {root} ({error.strerror or error}); give "
                "another data_dir."
            ) from error
    return entry


def _no_room(num_bytes: int, free: int, data_dir: Path) -> str:
    return (
        f"The decoded images need up to {num_bytes / 1e9:.1f} GB, and {data_dir} has "
        f"{free / 1e9:.1f} GB left; free some, give another data_dir, or use a smaller image_size."
    )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:  # on Windows: two processes at once may do the same work twice
        yield
        return
    with open(path, "w") as file:
        # Released by the system if the process is killed.
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_leftovers(root: Path, key: str) -> None:
    """Deletes what a killed process left of this entry; those of others may be at work."""
    for leftover in root.glob(f".{key}.*"):
        if files.is_partial(leftover):
            shutil.rmtree(leftover, ignore_errors=True)


# === Arrays ===


@dataclasses.dataclass(frozen=True)
class StoredImages:
    """Images in a file of nothing but their bytes, one after the other.

    Attributes:
        path: of the file.
        shape: (num_images, height, width, channels).
    """

    path: Path
    shape: tuple[int, int, int, int]

    @property
    def num_bytes(self) -> int:
        """Of the whole file."""
        return math.prod(self.shape)

    def is_whole(self) -> bool:
        """Whether the file is there and as long as it must be."""
        return self.path.is_file() and self.path.stat().st_size == self.num_bytes

    def mapped(self) -> np.ndarray:
        """Maps the file into memory; what is written to the array never reaches the file."""
        return np.memmap(self.path, np.uint8, "c", shape=self.shape)

    def read(self, rows: np.ndarray | None) -> np.ndarray:
        """Reads the images of those numbers, or all: uint8 `(n, height, width, channels)`."""
        return np.array(self.mapped()) if rows is None else self.mapped()[rows]
