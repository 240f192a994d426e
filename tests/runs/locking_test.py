"""One process at a time in a folder, and none that is gone."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoo.runs import folder, locking
from zoo.runs.folder import HyperParameter, RunFolder, RunFolderError
from zoo.runs.locking import FolderLock, LockedError

# Holds the lock as another program would, without the seconds that imports of ours take.
HOLDER = """
import fcntl, os, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
file.write("process 7 on elsewhere\\n")
file.flush()
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen]:
    """Another process that holds the folder until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder / locking.LOCK_FILE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen]:
    with held(tmp_path) as process:
        yield process


def test_another_process_is_refused_until_the_owner_is_gone(tmp_path: Path, holder) -> None:
    with pytest.raises(LockedError, match="process 7 on elsewhere is at work there"):
        FolderLock(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    FolderLock(tmp_path).sign()
    assert (tmp_path / locking.LOCK_FILE).read_text().startswith(f"process {os.getpid()} on ")


def test_claims_of_one_process_are_one_and_end_with_it(tmp_path: Path) -> None:
    def can_lock() -> bool:
        code = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        command = [sys.executable, "-c", code, str(tmp_path / locking.LOCK_FILE)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    del first
    assert not can_lock()
    del second
    assert can_lock()


def test_a_folder_made_anew_is_locked_anew(tmp_path: Path) -> None:
    file = tmp_path / locking.LOCK_FILE
    old = FolderLock(tmp_path)
    file.unlink()
    new = FolderLock(tmp_path)
    old.sign()  # the file that is gone
    assert file.read_text() == ""
    new.sign()
    assert file.read_text().startswith(f"process {os.getpid()} on ")


@pytest.mark.parametrize("fcntl", [None, "refused"])
def test_a_system_without_locks_is_told_of(tmp_path: Path, monkeypatch, fcntl) -> None:
    class Refusing:
        LOCK_EX = LOCK_NB = 0

        @staticmethod
        def flock(descriptor, operation) -> None:
            raise OSError(37, "No locks available")

    monkeypatch.setattr(locking, "fcntl", fcntl and Refusing)
    with pytest.warns(UserWarning, match=r"can't be locked \((No locks|this system)"):
        FolderLock(tmp_path)


# === Runs ===

CONFIG = {"epochs": HyperParameter(4)}


def started(path: Path) -> RunFolder:
    return RunFolder.start(path, "dcgan", CONFIG).begin()


def test_a_run_is_refused_to_another_process(tmp_path: Path, holder) -> None:
    message = r"is in use: process 7 on elsewhere is at work there. Wait for its end, or give an"
    with pytest.raises(RunFolderError, match=message):
        started(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [locking.LOCK_FILE]


def test_a_resume_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    started(tmp_path)
    with held(tmp_path), pytest.raises(RunFolderError, match="process 7 on elsewhere is at work"):
        RunFolder.resume(tmp_path, "another")
    assert RunFolder.resume(tmp_path, "dcgan").begin().has_begun


def test_a_folder_with_nothing_but_a_lock_is_empty(tmp_path: Path) -> None:
    FolderLock(tmp_path)
    assert folder.LOCK_FILE in {entry.name for entry in tmp_path.iterdir()}
    assert started(tmp_path).has_begun
