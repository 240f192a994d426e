"""BUILD, MODULE.bazel and the lock keep step with the files, their imports and setup.cfg.

Both files are Starlark that is Python too: they are run with stand-ins for what Bazel brings.

Bazel's own word on BUILD needs no network. In a copy of the repository with an empty WORKSPACE:

    bazel query --noimplicit_deps 'deps(//...)' --override_repository=rules_python=RULES \\
        --override_repository=pypi=HUB --override_repository=remote_coverage_tools=COVERAGE

The three are folders with an empty WORKSPACE. In RULES, `python/defs.bzl` defines the three rules
with the attributes used here; in HUB, a folder for each distribution holds a BUILD with an empty
`py_library` of its name; in COVERAGE, BUILD has a `filegroup` named `coverage_report_generator`,
on which Bazel makes every test depend. Bazel 4.2.3, as Debian has it, loads all targets so.
"""

import ast
import configparser
import dataclasses
import functools
import importlib.metadata
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parent.parent
ROOMS = ("zoo", "recipes", "export", "benchmarks", "tests")
RULES = ("py_library", "py_binary", "py_test")
LIBRARIES = ("zoo", "export", "recipes", "benchmarks", "testlib")
# What checks the files from outside: nothing imports it.
TOOLS = {"ruff"}
# Modules of extras that stand in no lock, for only a comparison or a conversion needs them.
OPTIONAL = {"torch"}


def files(pattern: str) -> set[str]:
    paths = (path for path in REPOSITORY.glob(pattern) if path.is_file())
    return {path.relative_to(REPOSITORY).as_posix() for path in paths}


def python_files() -> set[str]:
    return set().union(*(files(f"{room}/**/*.py") for room in ROOMS))


def files_of_tests() -> set[str]:
    return files("tests/**/*_test.py")


def glob(include: list[str], exclude: list[str] = (), allow_empty: bool = False) -> list[str]:
    """Bazel's, for the patterns that BUILD uses; `bazel` itself refuses one that finds nothing."""
    for pattern in include:
        assert allow_empty or files(pattern), f"BUILD: no file is like {pattern}"
    return sorted(set().union(*map(files, include)).difference(*map(files, exclude)))


@functools.cache
def targets() -> dict[str, dict[str, Any]]:
    """The Python targets of BUILD by name: their attributes, and the `rule` that makes them."""
    found: dict[str, dict[str, Any]] = {}

    def define(rule: str, *, name: str, **attributes: Any) -> None:
        assert name not in found, f"two targets are named {name}"
        found[name] = {"rule": rule, "srcs": [], "data": [], "deps": [], **attributes}

    rules = {rule: functools.partial(define, rule) for rule in RULES}
    others = {"glob": glob, "load": ignore, "package": ignore}
    exec((REPOSITORY / "BUILD").read_text(encoding="utf-8"), others | rules)
    return found


def ignore(*arguments: Any, **attributes: Any) -> None:
    pass


def of_rule(rule: str) -> dict[str, dict[str, Any]]:
    return {name: target for name, target in targets().items() if target["rule"] == rule}


@functools.cache
def trees(library: str) -> dict[str, ast.Module]:
    """The files of a library, parsed; the tests themselves count among those of `testlib`."""
    sources = files("tests/**/*.py") if library == "testlib" else targets()[library]["srcs"]
    return {file: ast.parse((REPOSITORY / file).read_text(encoding="utf-8")) for file in sources}


def imports(tree: ast.Module) -> set[str]:
    """The dotted names that a file imports, in functions too; relative imports are its own room."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def imported_top_levels(library: str) -> set[str]:
    names = set().union(*map(imports, trees(library).values()))
    return {name.split(".")[0] for name in names} - sys.stdlib_module_names


distributions_of_modules = functools.cache(importlib.metadata.packages_distributions)


def imported_distributions(library: str) -> set[str]:
    modules = imported_top_levels(library) - set(ROOMS) - OPTIONAL
    names = {name for module in modules for name in distributions_of_modules()[module]}
    return {canonicalize_name(name) for name in names}


def distributions(library: str) -> set[str]:
    """The distributions that BUILD names for a library itself."""
    labels = (label for label in targets()[library]["deps"] if label.startswith("@"))
    return {canonicalize_name(label.removeprefix("@pypi//")) for label in labels}


def rooms(library: str) -> set[str]:
    deps = targets()[library]["deps"]
    return {label.removeprefix(":") for label in deps if label.startswith(":")}


def brought_by_rooms(library: str) -> set[str]:
    """The distributions of the rooms that a library depends on, and of those below them."""
    return set().union(*(distributions(room) | brought_by_rooms(room) for room in rooms(library)))


@functools.cache
def setup_cfg() -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(REPOSITORY / "setup.cfg", encoding="utf-8")
    return config


def extras() -> list[str]:
    return list(setup_cfg()["options.extras_require"])


def requirements(*sections: str) -> list[Requirement]:
    """What setup.cfg requires always (`install_requires`) or in an extra."""
    values = {**setup_cfg()["options"], **setup_cfg()["options.extras_require"]}
    lines = "\n".join(values[section] for section in sections).splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def declared(*sections: str) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in requirements(*sections)}


@functools.cache
def lock() -> dict[str, Requirement]:
    """The pins of the lock, by name of the distribution."""
    lines = (REPOSITORY / "requirements_lock.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line.rstrip(" \\")) for line in lines if re.match(r"\w", line)]
    return {canonicalize_name(pin.name): pin for pin in pins}


def is_command(tree: ast.Module) -> bool:
    guards = (node.test for node in tree.body if isinstance(node, ast.If))
    return any(ast.unparse(guard) == "__name__ == '__main__'" for guard in guards)


def test_each_file_is_in_exactly_one_target() -> None:
    sources = [source for target in targets().values() for source in target["srcs"]]
    assert len(sources) == len(set(sources)), "a file is in two targets"
    assert set(sources) == python_files()


def test_each_test_file_is_a_test_that_pytest_runs() -> None:
    tests = of_rule("py_test")
    assert tests.keys() == {file.removesuffix(".py") for file in files_of_tests()}
    for name, target in tests.items():
        assert target["srcs"] == [f"{name}.py"]
        assert target["args"][-1] == f"{name}.py"
        assert target["main_module"] == "pytest"
        assert target["deps"] == [":testlib"]


def test_arguments_run_slow_tests_too_in_one_process(tmp_path: Path) -> None:
    """Bazel splits an argument into words as a shell does."""
    arguments = targets()["tests/build_file_test"]["args"][:-1]
    options = [word for argument in arguments for word in shlex.split(argument)]
    (tmp_path / "slow_test.py").write_text(
        "import os, pytest\n\n\n@pytest.mark.slow\ndef test_it():\n"
        "    assert 'PYTEST_XDIST_WORKER' not in os.environ\n",
        encoding="utf-8",
    )
    config = f"--config-file={REPOSITORY / 'pyproject.toml'}"
    command = [sys.executable, "-m", "pytest", config, *options, "slow_test.py"]
    environment = {"PATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "xdist"}
    finished = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "1 passed" in finished.stdout
    assert not (tmp_path / ".pytest_cache").exists()


def test_each_command_is_a_binary() -> None:
    commands = {
        file.removesuffix(".py"): file.split("/")[0]
        for library in LIBRARIES
        for file, tree in trees(library).items()
        if is_command(tree)
    }
    binaries = of_rule("py_binary")
    assert {name: target["deps"] for name, target in binaries.items()} == {
        name: [f":{room}"] for name, room in commands.items()
    }
    assert all(target["main_module"] == name.replace("/", ".") for name, target in binaries.items())


def test_no_test_imports_another() -> None:
    """Bazel lays beside a test what `testlib` holds, and no other test."""
    modules = {file.removesuffix(".py").replace("/", ".") for file in files_of_tests()}
    for file, tree in trees("testlib").items():
        names = imports(tree) | {name.rpartition(".")[0] for name in imports(tree)}
        assert not names & modules, f"{file}: move what is shared to a file that is no test"


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_depends_on_the_rooms_it_imports(library: str) -> None:
    room = "tests" if library == "testlib" else library
    assert rooms(library) == (imported_top_levels(library) & set(ROOMS)) - {room}


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_names_the_distributions_that_the_rooms_below_do_not_bring(library: str) -> None:
    needed = imported_distributions(library)
    if library == "zoo":
        # Setup.cfg says why these are needed though nothing here imports them.
        imported = set().union(*map(imported_distributions, LIBRARIES))
        needed |= declared("install_requires") - imported
    if library == "testlib":
        needed |= declared("test") - TOOLS
    assert distributions(library) == needed - brought_by_rooms(library)


def test_what_setup_requires_is_what_the_rooms_depend_on() -> None:
    """A program may do without an optional one, but Bazel knows no extras: it is always there."""
    required = declared("install_requires")
    assert required <= brought_by_rooms("testlib") <= required | declared(*extras())


def test_builders_have_beside_them_what_the_package_ships() -> None:
    package_data = setup_cfg()["options.package_data"]
    shipped = {
        file
        for package in package_data
        for pattern in package_data[package].split()
        for file in files(f"{package.replace('.', '/')}/{pattern}")
    }
    assert shipped
    assert set(targets()["zoo"]["data"]) == shipped


def test_named_data_exists() -> None:
    for name, target in targets().items():
        for file in target["data"]:
            assert (REPOSITORY / file).is_file(), f"{name}: {file}"


def test_there_is_no_other_build_file() -> None:
    """One in a folder would hide that folder's files from the patterns of this one."""
    assert {file for room in (*ROOMS, "docs") for file in files(f"{room}/**/BUILD*")} == set()


class Extension:
    """What `use_extension` gives: it notes the attributes of each call of a tag."""

    def __init__(self, label: str, name: str) -> None:
        self.label = label
        self.name = name
        self.calls: dict[str, list[dict[str, Any]]] = {}

    def __getattr__(self, tag: str) -> Any:
        return lambda **attributes: self.calls.setdefault(tag, []).append(attributes)


@dataclasses.dataclass
class Module:
    """What MODULE.bazel says."""

    name: str = ""
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    extensions: dict[str, Extension] = dataclasses.field(default_factory=dict)
    hubs: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    def use_extension(self, label: str, name: str) -> Extension:
        return self.extensions.setdefault(name, Extension(label, name))


@functools.cache
def module() -> Module:
    said = Module()
    exec(
        (REPOSITORY / "MODULE.bazel").read_text(encoding="utf-8"),
        {
            "module": lambda name: setattr(said, "name", name),
            "bazel_dep": lambda name, version: said.versions.update({name: version}),
            "use_extension": said.use_extension,
            "use_repo": lambda extension, hub: said.hubs.append((extension.name, hub)),
        },
    )
    return said


def test_module_brings_what_the_build_file_loads() -> None:
    text = (REPOSITORY / "BUILD").read_text(encoding="utf-8")
    loaded = set(re.findall(r'load\("@(\w+)//', text))
    assert module().name == setup_cfg()["metadata"]["name"].replace("-", "_")
    assert loaded == module().versions.keys() == {"rules_python"}
    assert {hub for _, hub in module().hubs} == set(re.findall(r'"@(\w+)//', text)) - loaded


def test_module_takes_the_distributions_from_the_lock() -> None:
    (toolchain,) = module().extensions["python"].calls["toolchain"]
    (parse,) = module().extensions["pip"].calls["parse"]
    assert parse["requirements_lock"] == "//:requirements_lock.txt"
    assert module().hubs == [("pip", parse["hub_name"])]
    assert toolchain["python_version"] == parse["python_version"]
    assert parse["python_version"] in SpecifierSet(setup_cfg()["options"]["python_requires"])
    for extension in module().extensions.values():
        assert extension.label == f"@rules_python//python/extensions:{extension.name}.bzl"


@pytest.mark.parametrize("requirement", requirements("install_requires", "heic", "test"), ids=str)
def test_lock_pins_what_setup_requires(requirement: Requirement) -> None:
    pin = lock()[canonicalize_name(requirement.name)]
    (specifier,) = pin.specifier
    assert specifier.operator == "=="
    assert specifier.version in requirement.specifier
    assert pin.extras >= requirement.extras


def test_lock_pins_all_that_the_build_file_names() -> None:
    assert set().union(*map(distributions, LIBRARIES)) <= lock().keys()


def test_lock_has_hashes_and_names_no_index() -> None:
    text = (REPOSITORY / "requirements_lock.txt").read_text(encoding="utf-8")
    pins = re.findall(r"^\w.*(?:\n +--hash=sha256:[0-9a-f]{64}(?: \\)?)+", text, re.MULTILINE)
    assert len(pins) == len(lock()) == len(re.findall(r"^\w", text, re.MULTILINE))
    assert "://" not in text
    assert "index-url" not in text
