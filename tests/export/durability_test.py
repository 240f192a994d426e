"""Saves that are killed, and saves at once: each version is there whole or not at all."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import export
from zoo.common.exports import check_files

REPOSITORY = Path(__file__).resolve().parents[2]

# TensorFlow is imported once, and starts to work in the forks alone.
FORKS = """
import json, os, random, shutil, signal, sys, time, traceback
import export, zoo
from pathlib import Path
from tests.export.small_export import small_model
from zoo.common.exports import check_files

folder = Path(sys.argv[2])

def fork(work):
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        work()
        code = 0
    except FileExistsError as error:
        code = 17 if "exists already" in str(error) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)

def ended(process):
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

def save(version, model=None):
    return export.save(model or small_model(), folder, version=version, verify=False)

def kills():
    reader, writer = os.pipe()
    def tell_and_save():
        model = small_model()
        os.write(writer, b".")
        save(2, model)
    assert ended(fork(lambda: save(1))) == 0
    process = fork(tell_and_save)
    os.read(reader, 1)
    start = time.monotonic()
    assert ended(process) == 0
    seconds = time.monotonic() - start
    left = {"whole": 0, "none": 0}
    moments = random.Random(0)
    for number in range(20):
        if (folder / "2").exists():
            shutil.rmtree(folder / "2")  # its about stays, as if killed between the two
        process = fork(tell_and_save)
        os.read(reader, 1)
        time.sleep(moments.uniform(0.0, 1.2) * seconds)
        os.kill(process, signal.SIGKILL)
        ended(process)
        if (folder / "2").exists():
            assert check_files(folder / "2").body["version"] == 2
            left["whole"] += 1
        else:
            left["none"] += 1
        assert check_files(folder / "1").body["version"] == 1
    if (folder / "2").exists():
        shutil.rmtree(folder / "2")
    assert ended(fork(lambda: save(2))) == 0
    return left

def at_once():
    def save_twenty(first):
        model = small_model()
        for number in range(20):
            save(first + 2 * number, model)
    pairs = [fork(lambda: save_twenty(1)), fork(lambda: save_twenty(2))]
    assert [ended(process) for process in pairs] == [0, 0]
    same = [fork(lambda: save(41)) for _ in range(2)]
    return sorted(ended(process) for process in same)

print(json.dumps({"kills": kills, "at_once": at_once}[sys.argv[1]]()))
"""


def forked(what: str, folder: Path) -> str:
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKS, what, str(folder)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    return finished.stdout.splitlines()[-1]


@pytest.mark.slow
def test_after_a_kill_there_is_the_whole_version_or_none(tmp_path):
    left = json.loads(forked("kills", tmp_path))
    assert left["whole"] + left["none"] == 20
    for version in (1, 2):
        assert check_files(tmp_path / str(version)).body["version"] == version
    # The last save has cleared up what the killed ones left.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "1.about", "2", "2.about"]
    assert export.load(tmp_path).generate(2, 1, 1.0)["images"].shape == (2, 28, 28, 1)


@pytest.mark.slow
def test_processes_that_save_at_once_get_their_own_versions_or_are_told(tmp_path):
    assert forked("at_once", tmp_path) == "[0, 17]"
    for version in range(1, 42):
        assert check_files(tmp_path / str(version)).body["version"] == version
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        name for version in range(1, 42) for name in (f"{version}", f"{version}.about")
    )
