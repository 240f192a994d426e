"""Packs an export into one file, for TF-Hub or to hand on."""

import gzip
import io
import os
import tarfile
from pathlib import Path

from zoo.common.exports import check_files, files_in, version_of
from zoo.common.files import write_atomically


def pack(folder: str | os.PathLike[str], archive: str | os.PathLike[str]) -> Path:
    """Packs an export as a `.tar.gz` whose root is that of the SavedModel, as TF-Hub takes it.

    Equal exports give equal archives, bit for bit: they hold no times, owners or names of folders.
    What lies about the export stays out.

    Args:
        folder: as for `export.load`, which refuses what is damaged.
        archive: the file to write, whose name ends in `.tar.gz`.

    Returns:
        Its path.

    Raises:
        FileNotFoundError: if there is no export.
        FileExistsError: if the file exists already.
        ValueError: if the export is damaged, or the name another.
        OSError: if the file can't be written.
    """
    archive = Path(archive)
    if not archive.name.endswith(".tar.gz"):
        raise ValueError(f"`archive` must end in .tar.gz. Received: archive={str(archive)!r}")
    if os.path.lexists(archive):
        raise FileExistsError(f"{archive} exists already, and nothing is overwritten.")
    version = version_of(folder)
    check_files(version)
    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name in files_in(version):
            member = tarfile.TarInfo(name)
            member.size = (version / name).stat().st_size
            with open(version / name, "rb") as content:
                tar.addfile(member, content)
    write_atomically(archive, packed.getvalue())
    return archive
