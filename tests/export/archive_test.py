"""Packed exports: what is in them, and that equal ones are equal."""

import shutil
import tarfile

import pytest
import tensorflow as tf

import export
from tests.export.small_export import small_model
from zoo.common.exports import files_in


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    export.save(small_model(), folder, verify=False)
    return folder


def test_the_root_of_the_archive_is_that_of_the_saved_model(folder, tmp_path):
    path = export.pack(folder, tmp_path / "model.tar.gz")
    with tarfile.open(path) as tar:
        assert tar.getnames() == files_in(folder / "1")
        tar.extractall(tmp_path / "unpacked", filter="data")
    loaded = tf.saved_model.load(str(tmp_path / "unpacked"))
    assert loaded.generate(2, 1, 1.0)["images"].shape[0] == 2


def test_equal_exports_give_equal_bytes_and_no_owner(folder, tmp_path):
    first = export.pack(folder, tmp_path / "first.tar.gz")
    copy = shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
    (copy / "1" / "saved_model.pb").chmod(0o600)
    second = export.pack(copy / "1", tmp_path / "second.tar.gz")
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as tar:
        assert {(each.mtime, each.uid, each.uname, each.gname) for each in tar} == {(0, 0, "", "")}


def test_what_cannot_be_packed_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match=r"must end in .tar.gz. Received: archive='.*model.zip'"):
        export.pack(folder, tmp_path / "model.zip")
    (tmp_path / "taken.tar.gz").write_bytes(b"")
    with pytest.raises(FileExistsError, match="taken.tar.gz exists already"):
        export.pack(folder, tmp_path / "taken.tar.gz")
    with pytest.raises(FileNotFoundError, match="No export in"):
        export.pack(tmp_path, tmp_path / "none.tar.gz")
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "1" / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ValueError, match="saved_model.pb is not what was saved"):
        export.pack(copy, tmp_path / "damaged.tar.gz")
