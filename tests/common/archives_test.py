"""Archives of somebody else's: what is in order is unpacked, and of the rest nothing is written."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from zoo.common import archives


def member(name: str, content: bytes = b"x", **attributes) -> tuple[tarfile.TarInfo, bytes]:
    header = tarfile.TarInfo(name)
    header.size = len(content)
    for attribute, value in attributes.items():
        setattr(header, attribute, value)
    return header, content


def folder_named(name: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, b"", type=tarfile.DIRTYPE)


@pytest.fixture
def written(tmp_path):
    """Returns what writes an archive of members."""

    def write(*members: tuple[tarfile.TarInfo, bytes]) -> Path:
        path = tmp_path / "a.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for header, content in members:
                archive.addfile(header, io.BytesIO(content))
        return path

    return write


def refused(archive: Path, **bounds) -> str:
    """Unpacks to a new folder, sees that nothing is written, and returns the message."""
    before = sorted(archive.parent.iterdir())
    with pytest.raises(archives.ArchiveError) as raised:
        archives.unpack(archive, archive.parent / "out", **bounds)
    assert sorted(archive.parent.iterdir()) == before
    return str(raised.value)


def test_files_and_folders_are_unpacked(written, tmp_path):
    archive = written(
        folder_named("."),
        member("./model.pb", b"graph", mode=0o6777, uid=12345),
        member("variables/deep/data", b"weights"),
        folder_named("assets"),
    )
    assert archives.unpack(archive, tmp_path / "new" / "out") == tmp_path / "new" / "out"
    out = tmp_path / "new" / "out"
    assert (out / "model.pb").read_bytes() == b"graph"
    assert (out / "variables" / "deep" / "data").read_bytes() == b"weights"
    assert (out / "assets").is_dir()
    assert not (out / "model.pb").stat().st_mode & 0o7111, "rights are not taken from an archive"


@pytest.mark.parametrize(
    "bad",
    [
        member("../evil"),
        member("a/../../evil"),
        member("/tmp/evil"),
        member("..\\evil"),
        member("C:evil"),
        member("."),
        member("link", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("link", b"", type=tarfile.LNKTYPE, linkname="good"),
        member("device", b"", type=tarfile.CHRTYPE),
        member("device", b"", type=tarfile.BLKTYPE),
        member("pipe", b"", type=tarfile.FIFOTYPE),
        member("good"),
        member("./good"),
        member("good/below"),
    ],
    ids=lambda bad: f"{bad[0].name} {bad[0].type.decode()}",
)
def test_bad_members_are_named_and_nothing_is_written(written, bad):
    message = refused(written(member("good"), bad, member("later")))
    assert repr(bad[0].name) in message or repr(bad[0].name.removeprefix("./")) in message


def test_a_bomb_is_refused_by_what_it_unpacks_to(written):
    archive = written(member("zeros", bytes(3_000_000)))
    assert archive.stat().st_size < 10_000
    assert "more than 1,000,000 bytes" in refused(archive, most_bytes=1_000_000)
    archives.unpack(archive, archive.parent / "enough", most_bytes=3_100_000)


def test_a_header_that_lies_about_its_size_is_refused(tmp_path):
    path = tmp_path / "a.tar.gz"
    for size, message in ((2**40, "'zeros' is of more than 2,147,483,648 bytes"), (999, "damaged")):
        header = member("zeros")[0]
        header.size = size
        path.write_bytes(gzip.compress(header.tobuf() + bytes(512)))
        assert message in refused(path)


def test_a_sparse_file_is_refused(tmp_path):
    header = member("holes", b"", type=tarfile.GNUTYPE_SPARSE)[0]
    block = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    block[483:495] = b"77777777777\0"  # its size with the holes
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(bytes(block) + bytes(1024)))
    assert "'holes'" in refused(path)


def test_a_name_too_long_to_read_is_refused(written):
    assert "a header of" in refused(written(member("a/" * 50_000 + "b")))


def test_too_many_files_are_refused(written):
    archive = written(*(member(str(number)) for number in range(6)))
    assert "more than 5 files" in refused(archive, most_members=5)


def test_what_is_no_archive_is_refused(written, tmp_path):
    archive = written(member("a", bytes(range(256)) * 100))
    whole = archive.read_bytes()
    for content in (b"", b"no archive", whole[: len(whole) // 2], gzip.compress(b"text" * 999)):
        archive.write_bytes(content)
        assert str(archive) in refused(archive)
    empty = written()
    assert "empty" in refused(empty)


def test_nothing_is_overwritten(written, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(FileExistsError, match="out exists already"):
        archives.unpack(written(member("a")), tmp_path / "out")
