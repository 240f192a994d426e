"""What README.md tells a newcomer to type, and what it claims, is so."""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_python_blocks_run_one_after_another(tmp_path, data_dir):
    script = tmp_path / "readme.py"
    script.write_text("\n".join(blocks("python")), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        cwd=tmp_path,
        env=_environment(data_dir),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert (tmp_path / "digits" / "1" / "saved_model.pb").is_file()
    assert "error: 0." in result.stdout


def _environment(data_dir) -> dict[str, str]:
    return os.environ | {"TFDS_DATA_DIR": str(data_dir), "PYTHONPATH": str(REPOSITORY)}


def recipe_commands() -> list[list[str]]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    commands = [line.rpartition("&& ")[2] for line in lines]
    return [shlex.split(command) for command in commands if command.startswith("python ")]


def test_commands_name_files_that_exist_and_flags_that_parse():
    commands = recipe_commands()
    assert ["python", "recipes/semi_supervised.py"] in commands
    for command in commands:
        assert (REPOSITORY / command[1]).is_file(), command
    flags = {word.partition("=")[0] for command in commands for word in command if "--" in word}
    result = subprocess.run(
        [sys.executable, "recipes/semi_supervised.py", "--help"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    for flag in flags - {"--help"}:
        assert re.search(rf"{flag}\b|--\[no\]{flag[2:]}\b", result.stdout), flag


@pytest.mark.parametrize("command", ["pip install -e '.[test]' && pytest"])
def test_the_continuous_integration_runs_the_test_command_of_the_readme(command):
    assert command in README
    script = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    install, test = command.removeprefix("pip install -e ").split(" && ")
    assert f"pip install --quiet --disable-pip-version-check --editable {install}" in script
    assert f"\n{test}\n" in script


def test_every_row_of_results_is_one_of_the_generated_page():
    generated = (REPOSITORY / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    section = README.partition("## Results\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    assert len(rows) > 2
    for row in rows:
        assert row in generated.splitlines(), row


def test_links_and_pictures_lead_to_files():
    targets = re.findall(r"\]\((?!https?://)([^)#]+)\)", README)
    assert targets
    for target in targets:
        assert (REPOSITORY / target).exists(), target


@pytest.mark.slow
def test_the_tutorial_runs(tmp_path, data_dir):
    notebook = json.loads((REPOSITORY / "docs" / "tutorial.ipynb").read_text(encoding="utf-8"))
    cells = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    code = "\n".join("".join(source) for source in cells)
    script = tmp_path / "tutorial.py"
    script.write_text(code, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        cwd=tmp_path,
        env=_environment(data_dir) | {"MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    wrong = re.search(r"averaged weights: ([\d.]+)% wrong", result.stdout)
    assert float(wrong[1]) < 35
