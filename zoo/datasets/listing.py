"""Walking through a folder of files that nobody vouches for."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
from pathlib import Path
from typing import NamedTuple


class SkippedFile(NamedTuple):
    """A file, or a whole folder, that is not used.

    Attributes:
        path: within the folder that was scanned.
        reason: a few words.
    """

    path: str
    reason: str


@dataclasses.dataclass(frozen=True)
class FoundFile:
    """A regular file that may be an image.

    Attributes:
        path: within the folder, parts joined by "/".
        size: in bytes.
        stamps: times of the last change of its content and of its state, in nanoseconds.
    """

    path: str
    size: int
    stamps: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Listing:
    """All that lies in a folder, in the order of the bytes of the paths."""

    files: tuple[FoundFile, ...]
    skipped: tuple[SkippedFile, ...]

    def digest(self) -> str:
        """SHA-256 that changes when any file comes, goes, or is written, renamed or re-permitted.

        It is made from names, sizes and times, so no file is read for it.
        """
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(os.fsencode(file.path) + f"\0{file.size}\0{file.stamps}\n".encode())
        for path, reason in self.skipped:
            digest.update(os.fsencode(path) + f"\0{reason}\n".encode())
        return digest.hexdigest()

    def only_below(self, folders: tuple[str, ...]) -> Listing:
        """The same, but files outside of these folders are skipped."""
        reason = f"outside of the folders {', '.join(folders)}"
        inside, outside = [], []
        for file in self.files:
            (inside if file.path.startswith(tuple(f"{f}/" for f in folders)) else outside).append(
                file
            )
        skipped = (*self.skipped, *(SkippedFile(file.path, reason) for file in outside))
        return Listing(tuple(inside), tuple(sorted(skipped, key=_by_bytes)))


def list_files(root: Path) -> Listing:
    """Lists a folder and all below it, through links too, each real folder once.

    Raises:
        OSError: if `root` itself can't be read.
    """
    files: list[FoundFile] = []
    skipped: list[SkippedFile] = []
    visited: set[tuple[int, int]] = set()
    # Links come last, so that what has a place of its own in the folder is listed there.
    folders, links = [""], []
    while folders or links:
        folder = folders.pop() if folders else links.pop()
        try:
            if _is_visited(root / folder, visited):
                skipped.append(SkippedFile(folder, "link to a folder that is scanned already"))
                continue
            with os.scandir(root / folder) as entries:
                names = sorted((entry.name for entry in entries), key=os.fsencode)
        except OSError as error:
            if not folder:
                raise
            skipped.append(SkippedFile(folder, f"folder can't be read: {error.strerror}"))
            continue
        for name in names:
            path = f"{folder}/{name}" if folder else name
            found = _look_at(root, path)
            if isinstance(found, FoundFile):
                files.append(found)
            elif isinstance(found, SkippedFile):
                skipped.append(found)
            else:
                (links if os.path.islink(root / path) else folders).append(path)
    return Listing(tuple(sorted(files, key=_by_bytes)), tuple(sorted(skipped, key=_by_bytes)))


def _is_visited(folder: Path, visited: set[tuple[int, int]]) -> bool:
    status = os.stat(folder)
    identity = (status.st_dev, status.st_ino)
    if identity in visited:
        return True
    visited.add(identity)
    return False


def _look_at(root: Path, path: str) -> FoundFile | SkippedFile | None:
    """Tells what stands at a path; None is a folder to go through."""
    if path.rpartition("/")[2].startswith("."):
        return SkippedFile(path, "hidden: its name begins with a dot")
    try:
        status = os.stat(root / path)
    except OSError as error:
        is_link = os.path.islink(root / path)
        return SkippedFile(path, f"{'broken link' if is_link else 'unreadable'}: {error.strerror}")
    if stat.S_ISDIR(status.st_mode):
        return None
    if not stat.S_ISREG(status.st_mode):
        # To open a pipe would be to wait for ever.
        return SkippedFile(path, "not a regular file")
    return FoundFile(path, status.st_size, (status.st_mtime_ns, status.st_ctime_ns))


def _by_bytes(file: FoundFile | SkippedFile) -> bytes:
    return os.fsencode(file.path)
