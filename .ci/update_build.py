"""Writes BUILD from the Python files and what they import. Run it after changing either.

    python .ci/update_build.py [--check]

One target a file: a `py_test` for each `*_test.py`, a `py_binary` for what runs as a script, a
`py_library` for the rest. A target is named like its file, without the suffix; a package's
`__init__.py` like its folder. With `--check` nothing is written, and the exit status is 1 if BUILD
is out of date.
"""

import ast
import dataclasses
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOMS = ("zoo", "recipes", "export", "benchmarks", "tests")

# Distributions whose name is not that of the module they bring.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "absl": "absl_py",
    "pkg_resources": "setuptools",
    "sklearn": "scikit_learn",
}

# Tests that read the repository itself, and so need all of it beside them.
TESTS_OF_THE_REPOSITORY = (
    "tests/benchmarks/measure_test",
    "tests/benchmarks/results_test",
    "tests/build_file_test",
    "tests/imports_test",
    "tests/readme_test",
)

HEADER = """\
# Written by .ci/update_build.py: run it after adding a file or an import.

load("@rules_python//python:defs.bzl", "py_binary", "py_library", "py_test")

package(default_visibility = ["//visibility:public"])

licenses(["notice"])

exports_files(["LICENSE"])

filegroup(
    name = "repository",
    srcs = glob(
        ["**"],
        exclude = [
            "**/__pycache__/**",
            ".git/**",
            "bazel-*/**",
        ],
    ),
)
"""


@dataclasses.dataclass(frozen=True)
class Target:
    """A rule of BUILD, made from one Python file."""

    rule: str
    name: str
    src: str
    data: tuple[str, ...]
    deps: tuple[str, ...]


def python_files(repository: Path) -> list[str]:
    """The Python files of all rooms, as sorted paths relative to the repository."""
    return sorted(
        path.relative_to(repository).as_posix()
        for room in ROOMS
        for path in (repository / room).rglob("*.py")
    )


def target_name(file: str) -> str:
    """`zoo/common/layers.py` makes `zoo/common/layers`; `zoo/__init__.py` makes `zoo`."""
    return file.removesuffix(".py").removesuffix("/__init__")


def imported_modules(tree: ast.AST, package: str, modules: set[str]) -> Iterator[str]:
    """Yields the dotted names that a file imports, anywhere in it.

    Args:
        tree: the file, parsed.
        package: dotted name of the package that holds the file, for relative imports.
        modules: the repository's modules: of `from a import b`, b is either one of these or
            something in a.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            source = ".".join([*(parents if node.level else []), *filter(None, [node.module])])
            for alias in node.names:
                submodule = f"{source}.{alias.name}"
                yield submodule if submodule in modules else source


def label(module: str, modules: set[str]) -> str | None:
    """The label of the target that holds a module; None for the standard library."""
    if module in modules:
        return ":" + module.replace(".", "/")
    top_level = module.split(".")[0]
    # A room without `__init__.py` holds nothing that can be imported by its own name.
    if top_level in ROOMS or top_level in sys.stdlib_module_names:
        return None
    distribution = DISTRIBUTIONS.get(top_level, top_level)
    return "@pypi//" + re.sub(r"[-_.]+", "_", distribution).lower()


def make_targets(repository: Path) -> list[Target]:
    """Makes the target of each Python file, in the order of the files."""
    files = python_files(repository)
    modules = {target_name(file).replace("/", ".") for file in files}
    return [_make_target(repository, file, files, modules) for file in files]


def _make_target(repository: Path, file: str, files: list[str], modules: set[str]) -> Target:
    tree = ast.parse((repository / file).read_text(encoding="utf-8"))
    name = target_name(file)
    package = file.rpartition("/")[0].replace("/", ".")
    labels = {label(module, modules) for module in imported_modules(tree, package, modules)}
    rule = _rule(file, tree)
    if rule == "py_test":
        labels |= {"@pypi//pytest", *_conftest_labels(file, files)}
    return Target(
        rule=rule,
        name=name,
        src=file,
        data=_data(repository, file, rule),
        deps=tuple(sorted(labels - {None, f":{name}"}, key=_buildifier_order)),
    )


def _rule(file: str, tree: ast.Module) -> str:
    if file.endswith("_test.py"):
        return "py_test"
    return "py_binary" if any(_is_main_guard(node) for node in tree.body) else "py_library"


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def _conftest_labels(file: str, files: list[str]) -> set[str]:
    """pytest loads the `conftest.py` of each folder above a test; no import says so."""
    conftests = {f"{folder.as_posix()}/conftest.py" for folder in Path(file).parents}
    return {":" + target_name(conftest) for conftest in conftests.intersection(files)}


def _data(repository: Path, file: str, rule: str) -> tuple[str, ...]:
    if rule == "py_test":
        reads_all = target_name(file) in TESTS_OF_THE_REPOSITORY
        return (":repository",) if reads_all else ("pyproject.toml",)
    if not file.startswith("zoo/datasets/"):
        return ()
    # TFDS reads a builder's description, citation and tags from files beside it.
    return tuple(
        sorted(
            path.relative_to(repository).as_posix()
            for path in (repository / file).parent.iterdir()
            if path.suffix in (".md", ".bib", ".txt")
        )
    )


def _buildifier_order(dependency: str) -> tuple[bool, str]:
    return dependency.startswith("@"), dependency


def render(targets: list[Target]) -> str:
    """Returns the text of BUILD."""
    return "\n".join([HEADER, *(_render_target(target) for target in targets)])


def _render_target(target: Target) -> str:
    lines = [f"{target.rule}(", f'    name = "{target.name}",']
    if target.rule != "py_test" and target.src.startswith("tests/"):
        lines.append("    testonly = True,")
    lines += _render_list("srcs", (target.src,))
    if target.rule == "py_test":
        # pytest finds the tests in a file; run as a script, the file would pass without any.
        lines += _render_list("args", (target.src,))
    lines += _render_list("data", target.data)
    if target.rule == "py_test":
        lines.append('    main_module = "pytest",')
    lines += _render_list("deps", target.deps)
    return "\n".join([*lines, ")", ""])


def _render_list(attribute: str, values: tuple[str, ...]) -> list[str]:
    if not values:
        return []
    if len(values) == 1:
        return [f'    {attribute} = ["{values[0]}"],']
    return [f"    {attribute} = [", *(f'        "{value}",' for value in values), "    ],"]


def main(arguments: list[str]) -> int:
    """Writes or checks BUILD; returns the exit status."""
    repository = Path(__file__).resolve().parent.parent
    build_file = repository / "BUILD"
    text = render(make_targets(repository))
    up_to_date = build_file.exists() and build_file.read_text(encoding="utf-8") == text
    if "--check" in arguments:
        if not up_to_date:
            print("BUILD is out of date: run `python .ci/update_build.py`.", file=sys.stderr)
        return 0 if up_to_date else 1
    build_file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
