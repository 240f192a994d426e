"""One process at a time in a run's folder."""

import contextlib
import errno
import os
import socket
import warnings
import weakref
from pathlib import Path

try:
    import fcntl
except ImportError:  # a system without locks
    fcntl = None

LOCK_FILE = "run.lock"


class LockedError(OSError):
    """A folder that another process is at work in; the message says which."""


class FolderLock:
    """A claim to a folder, which ends with this object, or with the process, however it ends.

    It is the system's lock on the file `run.lock` (`flock`), so a file that a killed process left
    behind holds nobody up. All claims of one process are one. Where there are no such locks, as on
    some network file systems, a warning says so and the folder is not guarded.

    Args:
        folder: must exist.

    Raises:
        LockedError: if another process holds it.
        OSError: if the file can't be opened.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path = Path(folder) / LOCK_FILE
        self._claim = _claim_of(self.path)

    def sign(self) -> None:
        """Writes into the file who holds it, for the message that another process gets."""
        owner = f"process {os.getpid()} on {socket.gethostname()}\n".encode()
        with contextlib.suppress(OSError):  # nobody but that message needs it
            os.ftruncate(self._claim.descriptor, 0)
            os.lseek(self._claim.descriptor, 0, os.SEEK_SET)
            os.write(self._claim.descriptor, owner)


class _Claim:
    """An open file with a lock; several descriptors of one process would lock each other out."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        weakref.finalize(self, os.close, self.descriptor)
        if fcntl is None:
            _warn(path, "this system has no flock")
            return
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                _warn(path, error.strerror)
                return
            owner = os.read(self.descriptor, 200).decode("utf-8", "replace").strip()
            raise LockedError(
                error.errno, f"{owner or 'another process'} is at work there"
            ) from error


_claims: weakref.WeakValueDictionary[tuple[Path, int], _Claim] = weakref.WeakValueDictionary()


def _claim_of(path: Path) -> _Claim:
    # A forked child has its parent's claims, and is another process.
    key = (path.resolve(), os.getpid())
    claim = _claims.get(key)
    if claim is None or not _is_same_file(claim.descriptor, path):
        claim = _claims[key] = _Claim(path)
    return claim


def _is_same_file(descriptor: int, path: Path) -> bool:
    """Whether the file is still the one that was locked; its folder may have been made anew."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False


def _warn(path: Path, reason: str) -> None:
    warnings.warn(
        f"{path.parent} can't be locked ({reason}): see that no other process trains there",
        stacklevel=5,
    )
