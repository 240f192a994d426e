"""Files and folders written whole: after a kill or a full disk there is the old one or the new."""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PARTIAL_SUFFIX = ".partial"
# Of folders that are locked as long as their process lives.
_LOCKED_SUFFIX = f".new{_PARTIAL_SUFFIX}"


def write_atomically(path: str | os.PathLike[str], data: str | bytes) -> None:
    """Writes a file beside its place, syncs it to disk, and renames it into place.

    Args:
        path: the file to create or replace. Its folder must exist.
        data: the whole content; a `str` is stored as UTF-8.

    Raises:
        OSError: if the file cannot be written; what stood at `path` is untouched.
    """
    path = Path(path)
    if not path.parent.is_dir():  # named, in place of the partial file
        raise FileNotFoundError(errno.ENOENT, "There is no such folder", str(path.parent))
    partial = _partial_path(path)
    try:
        with open(partial, "wb") as file:
            file.write(data.encode("utf-8") if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


@contextlib.contextmanager
def replaced_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a temporary folder to fill, which becomes `path` when the block ends without error.

    A new folder appears in one rename. To replace an existing one takes two, so a kill between
    them leaves neither in place.

    Args:
        path: the folder to create or replace. Missing parents are made.

    Yields:
        The temporary folder, beside `path`.

    Raises:
        OSError: if the folder cannot be written; what stood at `path` is untouched.
    """
    path = Path(path)
    partial = _partial_path(path)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        _sync_tree(partial)
        _move_into_place(partial, path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    _sync_folder(path.parent)


@contextlib.contextmanager
def new_folders(*paths: str | os.PathLike[str]) -> Iterator[list[Path]]:
    """Gives temporary folders to fill, which appear when the block ends without error.

    The last is what counts: the others are in place before it, so where it is, all are. Where it is
    not, a kill may have left the others, and they are replaced. Processes that write the same
    folders at once do not disturb each other: the first to end has them. What a killed process left
    unfinished in the parent is removed.

    Args:
        *paths: new folders in one parent, which is made if it is missing.

    Yields:
        The temporary folders, in one of their own beside them, under the same names.

    Raises:
        FileExistsError: if the last exists, maybe since a moment ago; nothing is changed then.
        OSError: if the folders cannot be written.
    """
    *others, last = map(Path, paths)
    last.parent.mkdir(parents=True, exist_ok=True)
    with _locked_partial(last) as partial:
        filled = [partial / path.name for path in (*others, last)]
        for folder in filled:
            folder.mkdir()
        yield filled
        _sync_tree(partial)
        with _locked(last.parent):
            if os.path.lexists(last):
                raise FileExistsError(f"{last} exists already")
            # Those before the last are left by a kill, or the last would be there.
            for folder, path in zip(filled, (*others, last), strict=True):
                if path.exists():
                    os.rename(path, partial / f"old {path.name}")
                os.rename(folder, path)
        _sync_folder(last.parent)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keeps other processes out that do the same; the lock of a killed process is gone."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some shared disks have no locks; there the renames alone decide.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _locked_partial(path: Path) -> Iterator[Path]:
    """Gives a temporary folder beside `path`, and removes those of processes that were killed."""
    with contextlib.ExitStack() as lock:
        with _locked(path.parent):
            for entry in path.parent.glob(f".*{_LOCKED_SUFFIX}"):
                _remove_unlocked(entry)
            partial = tempfile.mkdtemp(
                prefix=f".{path.name}.", suffix=_LOCKED_SUFFIX, dir=path.parent
            )
            lock.enter_context(_locked(Path(partial)))
        try:
            yield Path(partial)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _remove_unlocked(folder: Path) -> None:
    # Where there are no locks nothing tells who is alive, and it stays.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
        finally:
            os.close(descriptor)


def free_path(path: str | os.PathLike[str]) -> Path:
    """Returns `path`, or if something is there, the first of `path-2`, `path-3`, … that is free."""
    free, number = Path(path), 1
    while os.path.lexists(free):
        number += 1
        free = Path(f"{path}-{number}")
    return free


def remove_folder(path: str | os.PathLike[str]) -> None:
    """Deletes a folder so that a kill half-way leaves only what `remove_partials` cleans.

    Args:
        path: the folder to delete.

    Raises:
        OSError: if it cannot be renamed or deleted.
    """
    partial = _partial_path(Path(path))
    os.replace(path, partial)
    shutil.rmtree(partial)


def remove_partials(folder: str | os.PathLike[str]) -> None:
    """Deletes what a kill in the middle of a write left in `folder`.

    Args:
        folder: the folder to clean; one that does not exist is clean.
    """
    folder = Path(folder)
    leftovers = (
        [entry for entry in folder.iterdir() if is_partial(entry)] if folder.is_dir() else []
    )
    for leftover in leftovers:
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def is_partial(path: str | os.PathLike[str]) -> bool:
    """Whether `path` has the name of a file or folder that was still being written."""
    name = Path(path).name
    return name.startswith(".") and name.endswith(_PARTIAL_SUFFIX)


def sha256_of(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's content, in hexadecimal.

    Args:
        path: the file to read.

    Returns:
        64 lower-case hexadecimal digits.

    Raises:
        OSError: if it cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _partial_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}{_PARTIAL_SUFFIX}")


def _move_into_place(partial: Path, path: Path) -> None:
    if not path.exists():
        os.replace(partial, path)
        return
    aside = partial.with_name(f".{path.name}.{os.getpid()}.old{_PARTIAL_SUFFIX}")
    os.replace(path, aside)
    try:
        os.replace(partial, path)
    except BaseException:
        os.replace(aside, path)
        raise
    shutil.rmtree(aside)


def _sync_tree(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        for path in (os.path.join(parent, name) for name in names):
            if not os.path.islink(path):  # which may lead nowhere
                with open(path, "rb") as file:
                    os.fsync(file.fileno())
        _sync_folder(Path(parent))


def _sync_folder(folder: Path) -> None:
    # A rename is only safe from a power cut once the folder that records it is on disk.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
