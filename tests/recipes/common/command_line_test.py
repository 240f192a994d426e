"""The command line of a recipe: help, and one line for each thing that can't be done as asked."""

import re
import subprocess
from pathlib import Path

import pytest

from recipes import semi_supervised
from recipes.common import runner, training
from tests.datasets.picture_files import save_pictures
from tests.recipes.command import REPOSITORY, Ended, contents, run_recipe
from zoo.runs.folder import HyperParameter, RunFolder

SHARED_FLAGS = (
    *("dataset", "preset", "epochs", "batch_size", "seed", "workdir", "resume", "strategy"),
    *("precision", "smoke", "set"),
    *("checkpoint_every_steps", "checkpoint_every_minutes", "keep_checkpoints"),
)


@pytest.fixture
def recipe(tmp_path: Path, data_dir: Path):
    """Runs the semi-supervised recipe in an empty folder."""
    (tmp_path / "cwd").mkdir()

    def run(*arguments: str) -> Ended:
        folder = tmp_path / "cwd"
        return run_recipe("semi_supervised", *arguments, folder=folder, data_dir=data_dir)

    return run


def error_of(ended: Ended) -> str:
    """The one line that a command failed with."""
    assert ended.code == 2
    assert ended.out == ""
    lines = ended.err.splitlines()
    assert len(lines) == 1, ended.err
    assert lines[0].startswith("semi_supervised.py: error: ")
    return lines[0].removeprefix("semi_supervised.py: error: ")


# === Help ===


@pytest.mark.parametrize("flag", ["--help", "--helpshort", "--helpfull"])
def test_help_shows_the_docstring_and_every_flag_of_the_recipe(recipe, flag):
    ended = recipe(flag)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("Trains a semi-supervised GAN on a few labels")
    for name in (*SHARED_FLAGS, "num_labels", "label_seed"):
        assert re.search(rf"^  --(\[no\])?{name}: ", ended.out, re.MULTILINE), name
    assert ("--pdb_post_mortem" in ended.out) == (flag == "--helpfull")


def test_help_tells_defaults(recipe):
    text = " ".join(recipe("--help").out.split())
    epochs = [semi_supervised.preset(name, "mnist_small").epochs for name in ("quick", "paper")]
    shown = "{} in quick, {} in paper".format(*epochs)
    assert f"By default the preset's: {shown} for mnist_small." in text
    assert "By default the preset's: 100 for mnist_small." in text
    assert "learning_rate=0.003" in text and "learning_rate_schedule=constant" in text
    assert "(default: 'mnist_small')" in text
    assert "(default: 'quick')" in text


# === Mistakes in the flags ===


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nope"], "Unknown command line flag 'nope'. See --help."),
        (["--epohcs=3"], "Unknown command line flag 'epohcs'. Did you mean: epochs? See --help."),
        (["--epochs"], "Missing value for flag --epochs. See --help."),
        (["--epochs=abc"], "flag --epochs=abc: should be a whole number. See --help."),
        (["--epochs=0"], "flag --epochs=0: 0 is not a positive integer. See --help."),
        (["--seed=-1"], "flag --seed=-1: -1 is not a non-negative integer. See --help."),
        (["--smoke=maybe"], "flag --smoke=maybe: should be true or false. See --help."),
        (
            ["--preset=slow"],
            "flag --preset=slow: value should be one of <quick|paper>. See --help.",
        ),
        (["digits"], "Only flags are taken; see --help. Received: digits"),
        (["--set", "learning_rate"], "--set takes name=value. Received: --set learning_rate"),
        (
            ["--set", "epochs=x"],
            "--set epochs=x: epochs should be a whole number. Received: 'x'",
        ),
        (
            ["--set=learning_rate=nan"],
            "--set learning_rate=nan: learning_rate should be a finite number. Received: 'nan'",
        ),
        (["--set", "smoke=1"], "--set smoke=1: smoke should be true or false. Received: '1'"),
        (
            ["--set", "early_stopping_patience=x"],
            "--set early_stopping_patience=x: early_stopping_patience should be a whole number or "
            "none. Received: 'x'",
        ),
        (
            ["--set", "dataset=mnist"],
            "--set dataset=mnist: the data set has a flag of its own; use --dataset=mnist",
        ),
        (
            ["--set", "jit=both"],
            "jit must be one of auto, on, off. Received: 'both'",
        ),
        (
            # That a name may be none is no mistake.
            ["--set=watched=None", "--set=early_stopping_patience=none", "--set=jit=both"],
            "jit must be one of auto, on, off. Received: 'both'",
        ),
        (["--set=watched=losses"], "watched must be one of error. Received: 'losses'"),
        (["--resume"], "--resume needs --workdir=FOLDER, the run to go on with."),
        (["--workdir="], "--workdir should name a folder. Received an empty one."),
    ],
)
def test_mistaken_flag(recipe, tmp_path, arguments, message):
    assert error_of(recipe(*arguments)) == message
    assert contents(tmp_path) == {}
    assert list((tmp_path / "cwd").iterdir()) == []


@pytest.mark.parametrize(
    ("assignment", "hint"), [("nmae=3", ""), ("learning_rates=3", " Did you mean learning_rate?")]
)
def test_wrong_name_lists_the_right_ones(recipe, assignment, hint):
    message = error_of(recipe("--set", assignment))
    name = assignment.partition("=")[0]
    assert message.startswith(
        f"--set {assignment}: there is no hyper-parameter '{name}'.{hint} There are: dataset, "
    )
    for known in ("num_labels", "learning_rate_schedule", "early_stopping_patience", "smoke"):
        assert f"{known}, " in message or message.endswith(f"{known}.")


# === Folders ===


def test_folder_that_cannot_be(recipe, tmp_path):
    (tmp_path / "file").write_text("kept")
    below = error_of(recipe(f"--workdir={tmp_path}/file/run"))
    assert below.startswith(f"--workdir={tmp_path}/file/run cannot be written: Not a directory.")
    assert "is a file. Give another --workdir." in error_of(recipe(f"--workdir={tmp_path}/file"))
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("kept")
    message = error_of(recipe(f"--workdir={tmp_path}/letters"))
    assert message == (
        f"--workdir={tmp_path}/letters holds something else: a.txt. "
        "Give a folder that is empty or does not exist yet."
    )
    assert set(contents(tmp_path)) == {"file", "letters/a.txt"}


def test_read_only_disk(recipe, tmp_path):
    (tmp_path / "disk").mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "ro", "none", str(tmp_path / "disk")],
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip("mounting takes root")
    try:
        message = error_of(recipe(f"--workdir={tmp_path}/disk/run"))
    finally:
        subprocess.run(["umount", str(tmp_path / "disk")], check=True)
    assert message == (
        f"--workdir={tmp_path}/disk/run cannot be written: Read-only file system. "
        "Give a folder on a disk that you may write to."
    )


# Of a run only config.json is read before a difference is found, so these need no training.


@pytest.fixture
def interrupted(recipe, monkeypatch):
    """Runs the recipe until its first step would come, and is interrupted there."""

    def interrupt(self, logs=None):
        raise KeyboardInterrupt

    def run(*arguments: str) -> Ended:
        with monkeypatch.context() as patch:
            patch.setattr(training.ProgressBar, "on_train_begin", interrupt)
            return recipe("--smoke", *arguments)

    return run


@pytest.fixture
def earlier_run(interrupted, tmp_path) -> Path:
    """The folder of a run that was interrupted before its first epoch."""
    ended = interrupted("--num_labels=20", f"--workdir={tmp_path}/run")
    assert ended.code == 130
    assert ended.err.endswith(f"epochs saved: 0. Go on with: {resume_of(tmp_path)}\n")
    return tmp_path / "run"


def resume_of(tmp_path: Path) -> str:
    return f"python {REPOSITORY}/recipes/semi_supervised.py --workdir={tmp_path}/run --resume"


def test_mistakes_with_an_earlier_run_change_nothing_in_it(recipe, earlier_run):
    before = contents(earlier_run)
    workdir = f"--workdir={earlier_run}"
    assert error_of(recipe(workdir)) == (
        f"{workdir} holds a run already. Add --resume to go on with it, or give another --workdir."
    )
    different = error_of(recipe(workdir, "--resume", "--num_labels=30", "--set=learning_rate=0.1"))
    assert different == (
        f"--resume continues {earlier_run} with its own hyper-parameters, but these differ: "
        "num_labels was 20, now 30; learning_rate was 0.003, now 0.1. "
        "Give the old values, or another --workdir for a new run."
    )
    different = error_of(recipe(workdir, "--resume", "--preset=paper", "--num_labels=20"))
    assert "average_decay was 0.998, now 0.9999" in different
    assert "smoke was true, now false" in different
    assert "num_labels" not in different and "epochs" not in different
    missing = error_of(recipe(f"{workdir}-2", "--resume"))
    assert missing.startswith("--resume needs the folder of an earlier run, with its config.json.")
    assert contents(earlier_run) == before
    assert not Path(f"{earlier_run}-2").exists()


def test_run_of_another_recipe(recipe, tmp_path):
    run = RunFolder.start(tmp_path / "run", "dcgan", {"epochs": HyperParameter(3)}).begin()
    before = contents(run.path)
    assert error_of(recipe(f"--workdir={run.path}", "--resume")) == (
        f"{run.path} holds a run of the recipe dcgan. Received: semi_supervised. "
        "Resume it with dcgan, or give another --workdir."
    )
    assert contents(run.path) == before


def test_a_folder_of_data_that_was_moved(interrupted, tmp_path):
    for number, place in enumerate(("old/a", "old/b", "other/a", "other/b")):
        save_pictures(tmp_path / place, 20, first_seed=20 * number)
    run = f"--workdir={tmp_path}/run"
    options = ("--num_labels=4", "--set=image_size=16", "--set=base_filters=2")
    assert interrupted(f"--dataset=folder:{tmp_path}/old", *options, run).code == 130
    (tmp_path / "old").rename(tmp_path / "new")
    before = contents(tmp_path / "run")
    missing = error_of(interrupted(run, "--resume"))
    assert missing.endswith(f"{tmp_path}/old does not exist; give the path of a folder of images.")
    ended = interrupted(run, "--resume", f"--dataset=folder:{tmp_path}/other")
    assert ended.code == 2
    assert f"{tmp_path}/other does not hold what folder:{tmp_path}/old held." in ended.err
    assert contents(tmp_path / "run") == before
    assert interrupted(run, "--resume", f"--dataset=folder:{tmp_path}/new").code == 130
    assert interrupted(run, "--resume").code == 130  # it knows the new place by now


# === Ctrl-C ===


def test_interrupted_before_training(recipe, tmp_path, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "build_model", interrupt)
    ended = recipe("--smoke", f"--workdir={tmp_path}/run")
    assert (ended.code, ended.out) == (130, "")
    assert ended.err == (
        "semi_supervised.py: interrupted before training; there is no run to resume.\n"
    )
    assert not (tmp_path / "run").exists()
