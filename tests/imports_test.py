"""Imports point one way, and `import zoo` brings in no more than it needs."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
ROOMS = ("zoo", "recipes", "export", "benchmarks", "tests")

# Libraries that only some uses need, and that take seconds to import.
NOT_WITH_ZOO = (
    "matplotlib",
    "sklearn",
    "tensorflow_datasets",
    "tensorflow_gan",
    "tensorflow_probability",
)


def files_of(room: str) -> list[str]:
    return sorted(
        path.relative_to(REPOSITORY).as_posix() for path in REPOSITORY.glob(f"{room}/**/*.py")
    )


def module_name(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


MODULES = {module_name(file) for room in ROOMS for file in files_of(room)}


@functools.cache
def imports(file: str) -> set[str]:
    """The dotted names that a file imports, in functions too, relative ones made absolute."""
    found = set()
    for node in ast.walk(ast.parse((REPOSITORY / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                folder = Path(file).parents[node.level - 1].as_posix().replace("/", ".")
                base = f"{folder}.{base}".rstrip(".")
            for alias in node.names:
                name = f"{base}.{alias.name}"
                found.add(name if name in MODULES else base)
    return found


def is_inside(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def is_variant(module: str) -> bool:
    """A module straight in `zoo`: `zoo.dcgan`, but no folder and not `zoo` itself."""
    return (REPOSITORY / (module.replace(".", "/") + ".py")).is_file() and (
        module.startswith("zoo.") and module.count(".") == 1
    )


@pytest.mark.parametrize("file", files_of("zoo"))
def test_zoo_imports_nothing_that_uses_it(file: str) -> None:
    upward = {
        name
        for name in imports(file)
        if is_inside(name, "recipes", "export", "benchmarks", "tests")
    }
    assert not upward


@pytest.mark.parametrize("file", [file for file in files_of("zoo") if file != "zoo/__init__.py"])
def test_only_the_root_of_zoo_imports_variants(file: str) -> None:
    """No variant imports another, nothing below imports a variant, nor all of them as `zoo`."""
    assert not {name for name in imports(file) if is_variant(name) or name == "zoo"}


@pytest.mark.parametrize(
    "file",
    [
        file
        for file in files_of("zoo")
        if not file.startswith(("zoo/runs/", "zoo/explore/", "zoo/__init__"))
    ],
)
def test_only_the_root_of_zoo_and_explore_import_runs(file: str) -> None:
    """A run knows nothing of variants, as the test above holds; so nor do they of runs."""
    assert not {name for name in imports(file) if is_inside(name, "zoo.runs")}


@pytest.mark.parametrize("file", files_of("export"))
def test_export_does_not_import_scripts(file: str) -> None:
    assert not {name for name in imports(file) if is_inside(name, "recipes", "benchmarks", "tests")}


@pytest.mark.parametrize("file", [*files_of("recipes"), *files_of("benchmarks")])
def test_scripts_do_not_import_tests(file: str) -> None:
    assert not {name for name in imports(file) if is_inside(name, "tests")}


def test_one_file_imports_tfgan() -> None:
    importers = {
        file
        for room in ROOMS
        for file in files_of(room)
        if any(is_inside(name, "tensorflow_gan") for name in imports(file))
    }
    assert importers == {"zoo/common/tfgan.py"}


@pytest.fixture(scope="module")
def keras_before_zoo() -> subprocess.CompletedProcess:
    """A process that imports Keras, with oneDNN off, and then the zoo; it prints what that adds."""
    script = (
        "import os; os.environ['TF_ENABLE_ONEDNN_OPTS'] = '0'\n"
        "import sys, keras\n"
        "del os.environ['TF_ENABLE_ONEDNN_OPTS']\n"
        "before = set(sys.modules)\n"
        "import zoo\n"
        "print(*set(sys.modules) - before)"
    )
    command = [sys.executable, "-W", "always::UserWarning", "-c", script]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=REPOSITORY)
    assert finished.returncode == 0, finished.stderr[-2000:]
    return finished


@pytest.fixture(scope="module")
def added_by_zoo(keras_before_zoo) -> set[str]:
    """The modules that `import zoo` adds to those that Keras brings."""
    return set(keras_before_zoo.stdout.split())


def test_warns_of_a_tensorflow_that_came_first_without_onednn(keras_before_zoo) -> None:
    assert "Import zoo first" in keras_before_zoo.stderr


def test_importing_zoo_adds_nothing_slow_to_keras(added_by_zoo: set[str]) -> None:
    """Keras brings some of these itself, for its scikit-learn wrappers."""
    assert not added_by_zoo & set(NOT_WITH_ZOO)


def test_importing_zoo_registers_all_that_a_saved_model_may_name(added_by_zoo: set[str]) -> None:
    registering = {
        module_name(file)
        for file in files_of("zoo")
        if "register_keras_serializable" in (REPOSITORY / file).read_text(encoding="utf-8")
    }
    assert registering and registering <= added_by_zoo
