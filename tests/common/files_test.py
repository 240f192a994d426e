"""Files and folders are old or new, never half."""

import hashlib
import os
import signal
import warnings
from pathlib import Path

import pytest

from zoo.common.files import (
    free_path,
    new_folders,
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


def test_a_missing_folder_is_named_and_not_the_partial_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        write_atomically(tmp_path / "missing" / "file", "text")
    assert raised.value.filename == str(tmp_path / "missing")


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


def test_a_free_path_is_the_first(tmp_path: Path) -> None:
    path = tmp_path / "a.b"
    assert free_path(path) == path
    path.touch()
    (tmp_path / "a.b-2").symlink_to(tmp_path / "nothing")
    assert free_path(path).name == "a.b-3"


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


def test_new_folders_appear_together(tmp_path: Path) -> None:
    paths = tmp_path / "deep" / "1.about", tmp_path / "deep" / "1"
    with new_folders(*paths) as (about, version):
        assert not any(path.exists() for path in paths)
        (about / "manifest").write_text("of 1")
        (version / "model").touch()
    assert sorted(path.name for path in paths[0].parent.iterdir()) == ["1", "1.about"]
    assert (paths[0] / "manifest").read_text() == "of 1" and (paths[1] / "model").is_file()


def test_what_a_kill_left_of_new_folders_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = tmp_path / "1.about", tmp_path / "1"
    real_rename = os.rename

    def rename(source, target):
        if Path(target).name == "1":
            raise KeyboardInterrupt
        real_rename(source, target)

    with monkeypatch.context() as killed:
        killed.setattr(os, "rename", rename)
        with pytest.raises(KeyboardInterrupt), new_folders(*paths) as (about, _):
            (about / "old").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["1.about"]
    with new_folders(*paths) as (about, _):
        (about / "new").touch()
    assert [path.name for path in paths[0].iterdir()] == ["new"] and paths[1].is_dir()
    assert len(list(tmp_path.iterdir())) == 2


def test_the_first_of_two_that_write_new_folders_has_them(tmp_path: Path) -> None:
    paths = tmp_path / "1.about", tmp_path / "1"
    with pytest.raises(FileExistsError, match="1 exists already"), new_folders(*paths) as late:
        with new_folders(*paths) as (about, _):
            (about / "first").touch()
        (late[0] / "second").touch()
    assert [path.name for path in paths[0].iterdir()] == ["first"]
    assert len(list(tmp_path.iterdir())) == 2


def test_what_a_killed_process_left_unfinished_is_removed_and_what_a_living_one_does_is_not(
    tmp_path: Path,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forks of a process with threads
        process = os.fork()
    if not process:
        try:
            with new_folders(tmp_path / "1") as (folder,):
                (folder / "half").touch()
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert (left / "1" / "half").exists()
    with new_folders(tmp_path / "2") as (folder,):
        assert not left.exists()
        with new_folders(tmp_path / "3"):
            pass
        assert folder.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "3"]


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
