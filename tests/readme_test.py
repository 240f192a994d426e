"""What README.md and the other documents tell a newcomer to type, and what they claim, is so."""

import importlib.util
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.registry import RECIPES
from tests.recipes.command import run_recipe

REPOSITORY = Path(__file__).resolve().parent.parent
README = REPOSITORY / "README.md"
DOCUMENTS = [README, *sorted((REPOSITORY / "docs").rglob("*.md"))]
# Their Python is for a reader to run; that of a variant's page only shows its arguments.
TAUGHT = [README, REPOSITORY / "docs" / "usage.md"]


def blocks(document: Path, language: str) -> list[str]:
    text = document.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run_python(code: str, folder: Path, data_dir: Path, **environment: str) -> str:
    """Runs code in a process of its own; returns what it printed."""
    script = folder / "script.py"
    script.write_text(code, encoding="utf-8")
    paths = {"TFDS_DATA_DIR": str(data_dir), "PYTHONPATH": str(REPOSITORY)}
    result = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        cwd=folder,
        env=os.environ | paths | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


# Trains a classifier that is not kept yet for 3 steps. What the README saves, the page of use
# verifies: once is enough.
FEW_STEPS = """
import functools
import zoo
import export
zoo.metrics.load_classifier = functools.partial(zoo.metrics.load_classifier, training_steps=3)
export.save = functools.partial(export.save, verify=False)
"""


@pytest.mark.parametrize("as_typed", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_python_blocks_run_one_after_another(tmp_path, data_dir, as_typed):
    code = "\n".join(block for document in TAUGHT for block in blocks(document, "python"))
    if not as_typed:
        code, shortened = re.subn(r"steps_per_epoch=\d+", "steps_per_epoch=2", code)
        assert shortened == code.count(".fit(")
        code = re.sub(r'"(validation|test)"', r'"\1[:100]"', code)
        code = FEW_STEPS + code
    output = run_python(code, tmp_path, data_dir)
    assert (tmp_path / "digits" / "1" / "saved_model.pb").is_file()
    assert "error: 0." in output
    assert "val_frechet_distance: " in output


@pytest.mark.slow
@pytest.mark.parametrize("page", ["from_keras.md", "health.md", "tricks.md"])
def test_python_blocks_of_a_page_run(tmp_path, data_dir, page):
    run_python("\n".join(blocks(REPOSITORY / "docs" / page, "python")), tmp_path, data_dir)


# === Commands ===


def commands() -> list[list[str]]:
    """The words of each command of every document that runs Python."""
    lines = [
        line
        for document in DOCUMENTS
        for block in blocks(document, "sh")
        for line in block.splitlines()
    ]
    recipes = [line.rpartition("&& ")[2] for line in lines]
    # Lines within the quotes of a shell script are no commands of their own.
    typed = [line for line in recipes if line.startswith("python ") and line.count("'") % 2 == 0]
    return [shlex.split(line.partition(" $(")[0], comments=True) for line in typed]


def recipe_commands() -> list[list[str]]:
    return [command for command in commands() if command[1] != "-m"]


def test_commands_name_recipes_that_exist_and_flags_that_parse(tmp_path):
    shared_flags = run_recipe("semi_supervised", "--help", folder=tmp_path, data_dir=tmp_path).out
    typed = recipe_commands()
    assert ["python", "recipes/semi_supervised.py"] in typed
    for command in typed:
        assert (REPOSITORY / command[1]).is_file(), command
    flags = {word.partition("=")[0] for command in typed for word in command if "--" in word}
    for flag in flags - {"--help"}:
        assert re.search(rf"{flag}\b|--\[no\]{flag[2:]}\b", shared_flags), flag


def test_commands_name_modules_that_exist():
    named = {command[2] for command in commands() if command[1] == "-m"}
    assert "export" in named
    assert all(importlib.util.find_spec(module) for module in named)


def test_commands_set_hyper_parameters_that_the_recipe_has():
    for command in recipe_commands():
        recipe = RECIPES[Path(command[1]).stem]
        values = vars(recipe.preset("quick", recipe.dataset))
        names = [
            word.partition("=")[0]
            for before, word in itertools.pairwise(command)
            if before == "--set"
        ]
        assert set(names) <= values.keys(), command


@pytest.mark.parametrize("command", ["pip install -e '.[test]' && pytest"])
def test_the_continuous_integration_runs_the_test_command_of_the_readme(command):
    assert command in README.read_text(encoding="utf-8")
    script = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    install, test = command.removeprefix("pip install -e ").split(" && ")
    assert f"pip install --quiet --disable-pip-version-check --editable {install}" in script
    assert f"\n{test}\n" in script


# === Claims ===


def test_readme_is_short():
    # 150 lines with six variants, each of which has a row in both tables that are made.
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 138 + 2 * len(RECIPES)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_and_pictures_lead_to_files_and_headings(document):
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", text):
        name, _, anchor = target.partition("#")
        path = document.parent / name if name else document
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), target


def anchors(text: str) -> set[str]:
    """The names that GitHub gives to headings."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.slow
def test_the_tutorial_runs(tmp_path, data_dir):
    notebook = json.loads((REPOSITORY / "docs" / "tutorial.ipynb").read_text(encoding="utf-8"))
    cells = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    code = "\n".join("".join(source) for source in cells)
    output = run_python(code, tmp_path, data_dir, MPLBACKEND="Agg")
    wrong = re.search(r"averaged weights: ([\d.]+)% wrong", output)
    assert float(wrong[1]) < 35
