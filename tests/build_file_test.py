"""BUILD keeps step with the files: each in one target, whose deps are what it imports.

The checks read BUILD and the imports themselves, apart from the first: they share no code with the
tool that writes it.
"""

import ast
import configparser
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
ROOMS = ("zoo", "recipes", "export", "benchmarks", "tests")
PYTHON_RULES = ("py_library", "py_binary", "py_test")


def read_targets() -> dict[str, dict[str, Any]]:
    """The Python targets of BUILD by name: their attributes, and the `rule` that makes them."""
    targets: dict[str, dict[str, Any]] = {}
    for statement in ast.parse((REPOSITORY / "BUILD").read_text(encoding="utf-8")).body:
        assert isinstance(statement, ast.Expr)
        assert isinstance(statement.value, ast.Call)
        rule = ast.unparse(statement.value.func)
        if rule not in PYTHON_RULES:
            continue
        attributes = {
            keyword.arg: ast.literal_eval(keyword.value) for keyword in statement.value.keywords
        }
        assert attributes["name"] not in targets, f"two targets are named {attributes['name']}"
        targets[attributes["name"]] = {"rule": rule, "data": [], "deps": [], **attributes}
    return targets


@pytest.fixture(scope="module")
def targets() -> dict[str, dict[str, Any]]:
    return read_targets()


def present_files() -> set[str]:
    return {
        path.relative_to(REPOSITORY).as_posix()
        for room in ROOMS
        for path in REPOSITORY.glob(f"{room}/**/*.py")
    }


def module_files() -> dict[str, str]:
    """The file of each module of the repository, by dotted name."""
    return {
        file.removesuffix(".py").removesuffix("/__init__").replace("/", "."): file
        for file in present_files()
    }


def imported_files(file: str) -> set[str]:
    """The files of the repository that a file imports, in functions too."""
    modules = module_files()
    found = set()
    for node in ast.walk(ast.parse((REPOSITORY / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                folder = Path(file).parents[node.level - 1].as_posix().replace("/", ".")
                base = f"{folder}.{base}".rstrip(".")
            names = {f"{base}.{alias.name}" for alias in node.names}
            found |= names & modules.keys()
            if names - modules.keys():
                found.add(base)
    return {modules[name] for name in found if name in modules} - {file}


def imported_top_levels(file: str) -> set[str]:
    """The first names of what a file imports from outside the repository and Python's library."""
    found = set()
    for node in ast.walk(ast.parse((REPOSITORY / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.split(".")[0])
    return {name for name in found if name not in ROOMS and name not in sys.stdlib_module_names}


def declared_distributions() -> set[str]:
    """What setup.cfg requires, in any extra, as names in the form of labels."""
    config = configparser.ConfigParser()
    config.read(REPOSITORY / "setup.cfg", encoding="utf-8")
    lines = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    names = re.findall(r"^[A-Za-z0-9._-]+", "\n".join(lines), flags=re.MULTILINE)
    return {re.sub(r"[-_.]+", "_", name).lower() for name in names}


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "update_build", REPOSITORY / ".ci" / "update_build.py"
    )
    tool = importlib.util.module_from_spec(spec)
    # Dataclasses look their own module up by name.
    sys.modules[spec.name] = tool
    spec.loader.exec_module(tool)
    return tool


def test_build_is_what_the_tool_writes() -> None:
    tool = load_tool()
    written = (REPOSITORY / "BUILD").read_text(encoding="utf-8")
    expected = tool.render(tool.make_targets(REPOSITORY))
    assert written == expected, "run `python .ci/update_build.py`"


def test_each_file_is_in_exactly_one_target(targets: dict[str, dict[str, Any]]) -> None:
    sources = [source for target in targets.values() for source in target["srcs"]]
    assert len(sources) == len(set(sources)), "a file is in two targets"
    assert set(sources) == present_files()


def test_named_files_exist(targets: dict[str, dict[str, Any]]) -> None:
    for name, target in targets.items():
        for file in (*target["srcs"], *target["data"]):
            assert file == ":repository" or (REPOSITORY / file).is_file(), f"{name}: {file}"


def test_labels_resolve(targets: dict[str, dict[str, Any]]) -> None:
    known = {f":{name}" for name in targets} | {
        f"@pypi//{distribution}" for distribution in declared_distributions()
    }
    unknown = {
        (name, dependency)
        for name, target in targets.items()
        for dependency in target["deps"]
        if dependency not in known
    }
    assert not unknown, "no such target in BUILD, or no such requirement in setup.cfg"


def test_deps_are_the_imports(targets: dict[str, dict[str, Any]]) -> None:
    target_of_file = {file: name for name, target in targets.items() for file in target["srcs"]}
    for name, target in targets.items():
        expected = {
            ":" + target_of_file[imported]
            for file in target["srcs"]
            for imported in imported_files(file)
        }
        deps = {dependency for dependency in target["deps"] if dependency.startswith(":")}
        # pytest loads these; nothing imports them.
        conftests = {dependency for dependency in deps if dependency.endswith("/conftest")}
        assert deps - conftests == expected - conftests, name
        assert not conftests or target["rule"] == "py_test"


def test_third_party_deps_are_as_many_as_the_imports(targets: dict[str, dict[str, Any]]) -> None:
    for name, target in targets.items():
        outside = {dependency for dependency in target["deps"] if dependency.startswith("@")}
        imported = set().union(*(imported_top_levels(file) for file in target["srcs"]))
        if target["rule"] == "py_test":
            imported.add("pytest")
        assert len(outside) == len(imported), f"{name}: {outside} for {imported}"


def test_no_target_depends_on_itself(targets: dict[str, dict[str, Any]]) -> None:
    """Bazel refuses circles: takes away what depends on nothing left, until nothing is left."""
    remaining = {name: {dep[1:] for dep in target["deps"]} for name, target in targets.items()}
    while remaining:
        free = {name for name, deps in remaining.items() if not deps & remaining.keys()}
        assert free, f"imports run in a circle among {sorted(remaining)}"
        remaining = {name: deps for name, deps in remaining.items() if name not in free}


def test_rules_fit_their_files(targets: dict[str, dict[str, Any]]) -> None:
    for name, target in targets.items():
        (file,) = target["srcs"]
        if file.endswith("_test.py"):
            assert target["rule"] == "py_test", name
            assert target["args"] == [file], name
        else:
            assert target["rule"] != "py_test", name
        if file.startswith("recipes/") and not file.endswith("__init__.py"):
            has_guard = "__main__" in (REPOSITORY / file).read_text(encoding="utf-8")
            assert (target["rule"] == "py_binary") == has_guard, name
