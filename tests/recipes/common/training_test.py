"""`fit` as recipes use it: an interrupted run, resumed, ends where an unbroken one does."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow_datasets as tfds

from recipes import semi_supervised
from recipes.common import classification, runner, training
from tests.recipes.command import REPOSITORY, contents
from zoo.runs.checkpoints import RunCheckpoint
from zoo.runs.folder import HyperParameter, RunFolder
from zoo.runs.progress import read_history
from zoo.runs.training_state import state_variables, steps_done

# Dies as a kill -9 has it, in the middle of the third epoch.
KILLED_IN_EPOCH_3 = """
import os, runpy, signal, sys
from recipes.common import classification, runner, training

def kill(self, batch, logs=None, go_on=training.ProgressBar.on_train_batch_end):
    go_on(self, batch, logs)
    if self._epoch == 2 and batch == 1:
        os.kill(os.getpid(), signal.SIGKILL)

training.ProgressBar.on_train_batch_end = kill
sys.argv = ["recipes/semi_supervised.py", *sys.argv[1:]]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(autouse=True, scope="module")
def _prepared_data(data_dir):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfds.core.constants, "DATA_DIR", str(data_dir))
        patch.setenv("TFDS_DATA_DIR", str(data_dir))  # of subprocesses
        yield


def hyper_parameters(**changes) -> semi_supervised.HyperParameters:
    quick = semi_supervised.preset("quick", "mnist_small")
    # A decay that shows: a schedule that began anew would give other weights.
    changes = {"learning_rate_decay": 0.5, "evaluate_every": 1, **changes}
    return dataclasses.replace(quick, smoke=True, **changes)


def trained(folder: Path, epochs: int, **changes) -> training.Outcome:
    """Trains the recipe's model in a folder up to `epochs`, from where it is."""
    values = hyper_parameters(epochs=epochs, **changes)
    described = {name: HyperParameter(value) for name, value in vars(values).items()}
    start = RunFolder.resume if (folder / "config.json").exists() else RunFolder.start
    run = start(folder, "semi_supervised", described)
    data = classification.ClassificationData(values)
    return training.fit(
        runner.build_model(semi_supervised.RECIPE, values, data),
        data.train_from,
        run,
        epochs=epochs,
        steps_per_epoch=data.steps_per_epoch,
        validation_data=data.validation,
        monitor="val_error",
        patience=values.early_stopping_patience,
        evaluate_every=values.evaluate_every,
        num_samples=100,
    )


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    trained(folder, epochs=4)
    return folder


@pytest.fixture(scope="module")
def half(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("half") / "run"
    trained(folder, epochs=2)
    return folder


def newest_checkpoint(folder: Path) -> Path:
    return RunCheckpoint.latest(folder / "checkpoints")


def state_of(folder: Path) -> list[tuple[str, bytes]]:
    """All that the newest checkpoint holds of the model: each variable's path and its bytes."""
    values = hyper_parameters()
    data = classification.ClassificationData(values)
    model = runner.build_model(semi_supervised.RECIPE, values, data)
    RunCheckpoint.restore(model, folder / "checkpoints")
    return [(v.path, v.numpy().tobytes()) for v in state_variables(model)]


def assert_equal_runs(folder: Path, expected: Path) -> None:
    # Keras numbers its layers through the process, so the paths differ.
    pairs = zip(state_of(folder), state_of(expected), strict=True)
    assert [path for (_, value), (path, expected) in pairs if value != expected] == []
    assert newest_checkpoint(folder).name == newest_checkpoint(expected).name
    assert (folder / "history.csv").read_bytes() == (expected / "history.csv").read_bytes()
    assert (folder / "health.json").read_bytes() == (expected / "health.json").read_bytes()
    assert contents(folder / "samples") == contents(expected / "samples")


@pytest.mark.parametrize(
    ("is_broken", "keeps_best", "are_averaged", "expected"),
    [
        (False, False, False, "weights of the last step"),
        (False, True, True, "averaged weights of the epoch with the least error"),
        (True, True, False, "weights of the epoch with the least error; the run broke"),
        (True, False, False, "weights of the last good state; the run broke"),
    ],
)
def test_outcome_says_which_weights_were_scored(is_broken, keeps_best, are_averaged, expected):
    outcome = training.Outcome("", 2, [], is_broken, keeps_best)
    assert outcome.describe_weights(are_averaged, "the least error") == expected


def test_epochs_between_are_neither_validated_nor_saved(tmp_path):
    outcome = trained(tmp_path / "run", epochs=4, evaluate_every=3)
    assert [row["epoch"] for row in outcome.history if "val_error" in row] == [1, 3, 4]
    assert [row["epoch"] for row in outcome.history] == [1, 2, 3, 4]
    saved = {path.name for path in (tmp_path / "run" / "checkpoints").iterdir()}
    assert saved == {"epoch-0003", "epoch-0004"}
    assert json.loads((tmp_path / "run" / "health.json").read_text())["looks"] == 3


@pytest.mark.slow
def test_a_run_that_looks_less_often_trains_and_resumes_the_same(unbroken, tmp_path):
    trained(tmp_path / "run", epochs=3, evaluate_every=3)
    trained(tmp_path / "run", epochs=4, evaluate_every=3)
    pairs = zip(state_of(tmp_path / "run"), state_of(unbroken), strict=True)
    assert [path for (path, value), (_, expected) in pairs if value != expected] == []


@pytest.mark.slow
def test_checkpoint_holds_both_optimizers_averages_and_seeds(unbroken):
    weights = (newest_checkpoint(unbroken) / "model.weights.h5").read_bytes()
    for part in ("generator_optimizer", "discriminator_optimizer", "averaged_discriminator"):
        assert part.encode() in weights
    assert b"random_state_0" in weights
    paths = " ".join(path for path, _ in state_of(unbroken))
    for part in ("momentum", "velocity", "iteration", "seed_generator_state", "/step"):
        assert part in paths
    assert [row["epoch"] for row in read_history(unbroken / "history.csv")] == [1, 2, 3, 4]
    assert set(contents(newest_checkpoint(unbroken))) == {"model.weights.h5", "state.json"}


@pytest.mark.slow
def test_more_epochs_after_a_finished_run(unbroken, half, tmp_path):
    shutil.copytree(half, tmp_path / "run")
    outcome = trained(tmp_path / "run", epochs=4)
    assert (outcome.stop_reason, outcome.epochs) == ("all 4 epochs done", 4)
    assert_equal_runs(tmp_path / "run", unbroken)
    assert RunFolder.open(tmp_path / "run").resumes == [{"from_epoch": 2, "epochs": 4}]


@pytest.mark.slow
def test_killed_and_resumed(unbroken, tmp_path):
    flags = ["--smoke", "--epochs=4", "--set=learning_rate_decay=0.5", f"--workdir={tmp_path}/run"]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_IN_EPOCH_3, *flags],
        cwd=REPOSITORY,
        env={name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    # What it trains on, a line for about each tenth of the run, and nothing of TensorFlow's.
    first, *others = killed.stderr.splitlines()
    assert first.startswith("Training on "), killed.stderr
    assert others and all("%: epoch " in line for line in others), killed.stderr
    assert newest_checkpoint(tmp_path / "run").name == "epoch-0002"
    trained(tmp_path / "run", epochs=4)
    assert_equal_runs(tmp_path / "run", unbroken)


@pytest.mark.slow
def test_several_steps_in_a_call_are_the_same_steps(unbroken, tmp_path):
    trained(tmp_path / "run", epochs=4, steps_per_execution=3)
    assert_equal_runs(tmp_path / "run", unbroken)


@pytest.mark.slow
def test_ended_by_a_signal_within_an_epoch(unbroken, tmp_path, monkeypatch, capsys):
    class EndAtThree(training.ProgressBar):
        def on_train_batch_begin(self, batch, logs=None):
            if steps_done(self.model) == 3:
                os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(training, "ProgressBar", EndAtThree)
        trained(tmp_path / "run", epochs=4)
    assert ended.value.code == 75
    assert "SIGTERM: stopped at step 4, saved in " in capsys.readouterr().err
    assert newest_checkpoint(tmp_path / "run").name == "epoch-0001-step-0000004"
    trained(tmp_path / "run", epochs=4)
    assert_equal_runs(tmp_path / "run", unbroken)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.weights.h5", "state.json"])
def test_damaged_checkpoint_is_set_aside(half, unbroken, tmp_path, name, capsys):
    shutil.copytree(half, tmp_path / "run")
    damaged = tmp_path / "run" / "checkpoints" / "epoch-0002" / name
    content = bytearray(damaged.read_bytes())
    if name == "state.json":
        del content[100:]
    else:
        content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    assert trained(tmp_path / "run", epochs=2).epochs == 2
    lines = capsys.readouterr().err.splitlines()
    (warning,) = [line for line in lines if line.startswith("Warning: ")]
    assert warning.startswith(f"Warning: checkpoint {damaged.parent} is damaged: {name} ")
    assert warning.endswith("; it is now epoch-0002.corrupt, and epoch-0001 is used instead")
    assert_equal_runs(tmp_path / "run", half)


@pytest.mark.slow
def test_run_that_stopped_on_quality_stays_stopped(tmp_path):
    # So small a rate changes no answer, so no epoch is better than the first.
    changes = {"early_stopping_patience": 1, "learning_rate": 1e-30}
    outcome = trained(tmp_path / "run", epochs=9, **changes)
    assert outcome.epochs == 2
    assert outcome.stop_reason.startswith("val_error has not improved on 0.")
    assert outcome.stop_reason.endswith(" (epoch 1) for 1 epoch")
    before = contents(tmp_path / "run" / "checkpoints")
    assert trained(tmp_path / "run", epochs=12, **changes) == outcome
    assert contents(tmp_path / "run" / "checkpoints") == before


@pytest.mark.slow
def test_run_that_breaks_says_so(tmp_path):
    outcome = trained(tmp_path / "run", epochs=3, learning_rate=1e30)
    assert outcome.is_broken and outcome.history == [] and outcome.epochs == 0
    assert outcome.stop_reason.startswith("non-finite log ")
    assert RunFolder.open(tmp_path / "run").latest_checkpoint is None


def test_an_export_made_anew_leaves_what_others_put_beside_it(unbroken, tmp_path):
    shutil.copytree(unbroken, tmp_path / "run")
    run = RunFolder.resume(tmp_path / "run", "semi_supervised")
    values = hyper_parameters()
    data = classification.ClassificationData(values)
    model = runner.build_model(semi_supervised.RECIPE, values, data)
    outcome = training.Outcome("all done", 4, read_history(run.history_csv), False, False)

    def report():
        told = {"title": "", "headline": "", "table": [], "resume_command": ""}
        training.export_and_report(model, run, outcome, **told)

    report()
    exports = run.export.parent
    assert sorted(path.name for path in exports.iterdir()) == ["1", "1.about"]
    (exports / "2").mkdir()
    (exports / "2" / "saved_model.pb").touch()
    (exports / "notes.txt").write_text("mine")
    (exports / "latest").symlink_to("1")
    (exports / "gone").symlink_to("nowhere")
    for text in ("first", "second"):
        (exports / "1.about" / "model_card.md").write_text(text)
        training.keep_earlier_cards(run.export)
        report()
        assert text not in (exports / "1.about" / "model_card.md").read_text()
    assert (exports / "2" / "saved_model.pb").exists()
    assert (exports / "notes.txt").read_text() == "mine"
    assert [os.readlink(exports / name) for name in ("latest", "gone")] == ["1", "nowhere"]
    cards = [exports / f"1.about.earlier{number}" / "model_card.md" for number in ("", "-2")]
    assert [card.read_text() for card in cards] == ["first", "second"]


def test_table():
    rows = [("a", "1.00%", "first"), ("longer", "2", "")]
    assert training.format_table(("", "error", "how"), rows).splitlines() == [
        "        error  how",
        "------  -----  -----",
        "a       1.00%  first",
        "longer  2",
    ]
