"""Unpacks a `.tar.gz` of somebody else's: whole and within bounds, or not at all."""

import contextlib
import gzip
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from zoo.common.files import replaced_folder
from zoo.common.messages import first_line

MOST_BYTES = 2**31
MOST_MEMBERS = 1000
# Long names are members of their own, which tarfile reads whole.
_LONGEST_HEADER = 2**16
_CHUNK = 2**20
_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class ArchiveError(ValueError):
    """An archive that is damaged, or holds what is not unpacked."""


def unpack(
    archive: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    most_bytes: int = MOST_BYTES,
    most_members: int = MOST_MEMBERS,
) -> Path:
    """Unpacks a `.tar.gz` of files and folders.

    All of it is read first, and nothing written unless all is as it should be. What it holds is
    counted as it is read, for an archive may say of itself what it likes.

    Args:
        archive: the file.
        folder: a folder to make, which must not exist; its files belong to whoever unpacks.
        most_bytes: bound on what the archive unpacks to, its own headers included. Defaults to
            2 GiB.
        most_members: bound on its files and folders. Defaults to 1,000.

    Returns:
        The folder.

    Raises:
        ArchiveError: naming the member that lies outside the folder, is neither file nor folder,
            or is in the archive twice; or if there is too much of it, or it is damaged.
        FileExistsError: if `folder` exists.
        OSError: if the archive can't be read, or the folder not written.
    """
    archive, folder = Path(archive), Path(folder)
    _refuse_existing(folder)
    with open(archive, "rb") as file, _named(archive):
        _check(file, most_bytes, most_members)
        with replaced_folder(folder) as temporary:
            for member, content in _members(file, most_bytes):
                _write(member, content, temporary)
    return folder


def _refuse_existing(path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(f"{path} exists already, and nothing is overwritten. Name another.")


def _check(file: BinaryIO, most_bytes: int, most_members: int) -> None:
    kinds: dict[PurePosixPath, bool] = {}
    for member, content in _members(file, most_bytes):
        path = _path_of(member)
        if not (member.isreg() or member.isdir()) or member.issparse():
            raise ArchiveError(
                f"{member.name!r} is {_kind_of(member)}, and only files are unpacked"
            )
        if path in kinds:
            raise ArchiveError(f"it holds {member.name!r} twice")
        kinds[path] = member.isdir()
        if len(kinds) > most_members:
            raise ArchiveError(f"it holds more than {most_members:,} files")
        while content is not None and content.read(_CHUNK):
            pass
    if not kinds:
        raise ArchiveError("it is empty")
    for path in kinds:
        for parent in path.parents:
            if not kinds.get(parent, True):
                raise ArchiveError(f"{str(path)!r} lies in {str(parent)!r}, which is a file")


def _path_of(member: tarfile.TarInfo) -> PurePosixPath:
    path = PurePosixPath(member.name)
    # A backslash or colon leads elsewhere on other systems.
    if path.is_absolute() or ".." in path.parts or set(member.name) & set("\\:\0"):
        raise ArchiveError(f"{member.name!r} does not lie in the folder that it is unpacked to")
    if path == PurePosixPath(".") and not member.isdir():
        raise ArchiveError(f"{member.name!r} is no name of a file")
    return path


def _kind_of(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return f"a link to {member.linkname!r}"
    if member.ischr() or member.isblk() or member.isfifo():
        return "a device"
    return "neither file nor folder"


def _write(member: tarfile.TarInfo, content: BinaryIO | None, folder: Path) -> None:
    path = folder / _path_of(member)
    (path if member.isdir() else path.parent).mkdir(parents=True, exist_ok=True)
    if content is not None:
        with open(path, "xb") as file:
            shutil.copyfileobj(content, file)


# === Reading ===


class _Bounded:
    """The unpacked bytes of an archive, up to a bound."""

    def __init__(self, file: BinaryIO, most_bytes: int) -> None:
        self._file = file
        self._most_bytes = most_bytes
        self._left = most_bytes

    def read(self, size: int) -> bytes:
        content = self._file.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise ArchiveError(f"it unpacks to more than {self._most_bytes:,} bytes")
        return content


class _Header(tarfile.TarInfo):
    """A header of a member, whose name fits into memory."""

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        header = super().frombuf(buf, encoding, errors)
        if header.type in _HEADERS and header.size > _LONGEST_HEADER:
            raise ArchiveError(f"it has a header of {header.size:,} bytes")
        return header


def _members(file: BinaryIO, most_bytes: int) -> Iterator[tuple[tarfile.TarInfo, BinaryIO | None]]:
    """Gives each member with its content, to be read before the next."""
    file.seek(0)
    with (
        gzip.GzipFile(fileobj=file) as unpacked,
        tarfile.open(fileobj=_Bounded(unpacked, most_bytes), mode="r|", tarinfo=_Header) as archive,
    ):
        for member in archive:
            if member.size > most_bytes:
                raise ArchiveError(f"{member.name!r} is of more than {most_bytes:,} bytes")
            yield member, archive.extractfile(member) if member.isreg() else None


@contextlib.contextmanager
def _named(archive: Path) -> Iterator[None]:
    """Has each error say which archive it is about."""
    try:
        yield
    except ArchiveError as error:
        raise ArchiveError(f"{archive} is not unpacked: {error}.") from error
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ArchiveError(f"{archive} is no .tar.gz, or damaged: {first_line(error)}.") from error
