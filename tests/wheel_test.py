"""The wheel: all of the rooms and what they read, and no tests."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
ROOMS = ("zoo", "recipes", "export", "benchmarks")
# What rooms have beside Python that no program reads at its user's.
NOT_SHIPPED = ("benchmarks",)


@pytest.fixture(scope="module")
def names(tmp_path_factory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for room in ROOMS:
        shutil.copytree(
            REPOSITORY / room, source / room, ignore=shutil.ignore_patterns("__pycache__")
        )
    (source / "tests").mkdir()
    (source / "tests" / "some_test.py").write_text("")
    for file in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / file, source)
    command = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [sys.executable, *command, "--no-index", "--wheel-dir", str(folder), str(source)],
        check=True,
        cwd=folder,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_no_test(names):
    modules = {
        path.relative_to(REPOSITORY).as_posix()
        for room in ROOMS
        for path in (REPOSITORY / room).rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == modules
    assert not {name for name in names if name.startswith("tests/")}


@pytest.mark.slow
def test_the_wheel_holds_what_modules_read(names):
    read = {
        path.relative_to(REPOSITORY).as_posix()
        for room in ROOMS
        if room not in NOT_SHIPPED
        for path in (REPOSITORY / room).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert "zoo/datasets/drawn_faces/README.md" in read
    assert {name for name in names if not name.endswith(".py")} == read
