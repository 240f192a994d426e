"""Files and folders are old or new, never half."""

import hashlib
import os
from pathlib import Path

import pytest

from zoo.common.files import (
    remove_folder,
    remove_partials,
    replaced_folder,
    sha256_of,
    write_atomically,
)


def refuse_to_rename(monkeypatch: pytest.MonkeyPatch) -> None:
    def replace(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", replace)


@pytest.mark.parametrize("data", ["é\n", b"\x00\xff"])
def test_writes_text_and_bytes(tmp_path: Path, data: str | bytes) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")
    write_atomically(path, data)
    assert path.read_bytes() == (data if isinstance(data, bytes) else data.encode("utf-8"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")
    refuse_to_rename(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_folder_appears_only_when_complete(tmp_path: Path) -> None:
    with replaced_folder(tmp_path / "new") as partial:
        (partial / "a").write_text("1")
        assert not (tmp_path / "new").exists()
    assert (tmp_path / "new" / "a").read_text() == "1"


def test_folder_is_replaced_whole(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with replaced_folder(tmp_path / "folder") as partial:
            (partial / name).touch()
    assert [entry.name for entry in (tmp_path / "folder").iterdir()] == ["second"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_error_in_the_block_keeps_the_old_folder(tmp_path: Path) -> None:
    with replaced_folder(tmp_path / "folder") as partial:
        (partial / "old").touch()
    with pytest.raises(KeyError), replaced_folder(tmp_path / "folder") as partial:
        (partial / "new").touch()
        raise KeyError
    assert [entry.name for entry in (tmp_path / "folder").iterdir()] == ["old"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_failed_second_rename_puts_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with replaced_folder(tmp_path / "folder") as partial:
        (partial / "old").touch()
    real_replace, calls = os.replace, []

    def replace(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        real_replace(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="Input/output"), replaced_folder(tmp_path / "folder"):
        pass
    assert [entry.name for entry in (tmp_path / "folder").iterdir()] == ["old"]


def test_only_leftovers_are_cleaned(tmp_path: Path) -> None:
    (tmp_path / ".folder.99.partial").mkdir()
    (tmp_path / ".file.99.partial").touch()
    (tmp_path / "kept.partial").touch()
    remove_partials(tmp_path)
    remove_partials(tmp_path / "missing")
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept.partial"]


def test_removed_folder_is_gone(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    remove_folder(tmp_path / "folder")
    assert not any(tmp_path.iterdir())


def test_digest_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256_of(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()
