"""Measuring: which runs, how they are asked for, what is kept of them, and what a failure does."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from benchmarks import measure as measuring
from benchmarks.measure import (
    Run,
    RunFailedError,
    has_record,
    measure,
    plan_runs,
    steps_per_second,
)
from benchmarks.records import read_records, write_record
from recipes import semi_supervised
from recipes.common.measures import FURTHER_SCORES
from tests.benchmarks.hand_made import generating_preset
from tests.recipes.command import run_script
from zoo.runs.folder import HyperParameter, RunFolder

REPOSITORY = Path(__file__).resolve().parent.parent.parent
RESULTS = {
    "test_error": 0.03,
    "baseline_test_error": 0.2,
    "num_test_images": 500,
    "weights": "averaged weights of the last step",
    "stop_reason": "all epochs done",
    "epochs": semi_supervised.preset("quick", "mnist_small").epochs,
    "smoke": False,
}
README = """\
<!-- variants: made by `python -m benchmarks.pages` -->
<!-- end of variants -->
<!-- results: made by `python -m benchmarks.pages` -->
<!-- end of results -->
"""
GENERATING_RESULTS = {
    **dict.fromkeys(FURTHER_SCORES),
    "frechet_distance": 12.5,
    "kernel_distance": -0.001,
    "mean_confidence": 0.75,
    "class_imbalance": 1.5,
    "real_frechet_distance": 0.5,
    "num_images": 2000,
    "protocol": "distances on test in 64 features",
    "weights": "averaged weights",
    "stop_reason": "all epochs done",
    "is_broken": False,
    "epochs": 20,
    "smoke": False,
}


def planned(**changes) -> list[Run]:
    hyper_parameters = dataclasses.replace(
        semi_supervised.preset("quick", "mnist_small"), **changes
    )
    numbers = {"num_labels": [20, 100], "label_seeds": [0, 1]}
    return plan_runs("semi_supervised", "quick", hyper_parameters, numbers)


def planned_generating(**changes) -> list[Run]:
    hyper_parameters = dataclasses.replace(
        generating_preset("quick", "drawn_house_numbers"), **changes
    )
    return plan_runs("made_by_hand", "quick", hyper_parameters, {"seeds": [0, 1]})


class StubbedRecipe:
    """Leaves the folder of a run at once.

    Args:
        results: what the run finds.
        fails_on: seed of the runs that fail.
    """

    def __init__(self, results: dict = RESULTS, fails_on: int | None = None) -> None:
        self.results = results
        self.fails_on = fails_on
        self.runs: list[Run] = []

    def __call__(self, run: Run, workdir: Path, show: Callable[[str], None]) -> None:
        self.runs.append(run)
        show("10%: epoch 15/150")
        if run.configuration["seed"] == self.fails_on:
            raise RunFailedError("its process ended with exit code 1\nMemoryError")
        parameters = {name: HyperParameter(value) for name, value in run.configuration.items()}
        folder = RunFolder.start(workdir, run.recipe, parameters).begin("ab" * 32)
        folder.write_results(self.results)


# === Which runs ===


def test_one_seed_is_measured_after_the_other() -> None:
    settings = [
        tuple(run.configuration[name] for name in ("num_labels", "label_seed", "seed"))
        for run in planned()
    ]
    assert settings == [(20, 0, 0), (100, 0, 0), (20, 1, 1), (100, 1, 1)]


def test_seeds_of_a_recipe_that_generates_are_measured() -> None:
    runs = planned_generating(objective="hinge")
    assert [(run.recipe, run.configuration["seed"]) for run in runs] == [
        ("made_by_hand", 0),
        ("made_by_hand", 1),
    ]
    assert {run.configuration["objective"] for run in runs} == {"hinge"}


def test_numbers_given_twice_are_measured_once() -> None:
    hyper_parameters = semi_supervised.preset("quick", "mnist_small")
    numbers = {"num_labels": [20, 20], "label_seeds": [3, 3]}
    assert len(plan_runs("semi_supervised", "quick", hyper_parameters, numbers)) == 1


def test_recipe_gets_every_value() -> None:
    run = planned_generating(learning_rate=1e-5, smoke=True)[1]
    assert run.arguments() == [
        *("--preset=quick", "--dataset=drawn_house_numbers", "--set=test_split=test"),
        *("--set=epochs=20", "--set=batch_size=64", "--set=seed=1"),
        *("--set=objective=non_saturating", "--set=learning_rate=1e-05", "--set=patience=None"),
        *("--set=precision=float32", "--set=smoke=True"),
    ]


def test_values_that_the_recipe_refuses_are_refused_before_any_run() -> None:
    with pytest.raises(ValueError, match="learning_rate must be positive"):
        planned(learning_rate=-1.0)


# === Records ===


def test_scores_and_configuration_are_recorded(tmp_path: Path) -> None:
    (run, *_) = planned()
    assert measure([run], tmp_path, StubbedRecipe()) == []
    (record,) = read_records(tmp_path)
    assert record.scores == {"test_error": 0.03, "baseline_test_error": 0.2}
    assert record.configuration == run.configuration
    assert (record.recipe, record.preset, record.smoke) == ("semi_supervised", "quick", False)
    assert record.protocol == (
        "test error on mnist_small test (500 images), averaged weights of the last step"
    )
    assert record.details == {
        name: RESULTS[name] for name in ("num_test_images", "weights", "stop_reason", "epochs")
    }
    assert record.versions["tensorflow"] == tf.__version__
    assert record.dataset_fingerprint == "ab" * 32


def test_scores_of_generation_are_recorded(tmp_path: Path) -> None:
    (run, *_) = planned_generating()
    assert measure([run], tmp_path, StubbedRecipe(GENERATING_RESULTS)) == []
    (record,) = read_records(tmp_path)
    assert record.scores == {
        "frechet_distance": 12.5,
        "kernel_distance": -0.001,
        "mean_confidence": 0.75,
        "class_imbalance": 1.5,
        "real_frechet_distance": 0.5,
    }
    assert record.protocol == GENERATING_RESULTS["protocol"]
    assert record.details == {
        name: GENERATING_RESULTS[name]
        for name in ("num_images", "weights", "stop_reason", "is_broken", "epochs")
    }


def test_scores_of_classes_are_left_out_where_there_are_none(tmp_path: Path) -> None:
    (run, *_) = planned_generating()
    unlabelled = {"mean_confidence": None, "class_imbalance": None}
    assert measure([run], tmp_path, StubbedRecipe(GENERATING_RESULTS | unlabelled)) == []
    (record,) = read_records(tmp_path)
    assert record.scores.keys() & unlabelled == set()
    assert record.details.keys() & unlabelled == set()


@pytest.mark.parametrize("name", ["frechet_distance", "stop_reason", "mean_confidence"])
def test_results_that_lack_an_entry_are_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    lacking = {key: value for key, value in GENERATING_RESULTS.items() if key != name}
    assert len(measure(planned_generating()[:1], tmp_path, StubbedRecipe(lacking))) == 1
    assert name in capsys.readouterr().out
    assert read_records(tmp_path) == []


def test_runs_with_a_record_are_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = planned()
    recipe = StubbedRecipe()
    measure(runs[:1], tmp_path, recipe)
    measure(runs, tmp_path, recipe)
    assert recipe.runs == runs
    assert "1 of 4 runs have a record already." in capsys.readouterr().out
    measure(runs, tmp_path, recipe)
    assert len(recipe.runs) == 4


def test_a_record_from_before_a_setting_that_is_off_or_changes_nothing_is_one(tmp_path) -> None:
    run, other, *_ = planned()
    measure([run], tmp_path, StubbedRecipe())
    (path,) = tmp_path.glob("*/*.json")
    (record,) = read_records(tmp_path)
    path.unlink()
    older = {**record.configuration, "strategy": "none"}
    for later in ("jit", "early_stopping_patience"):
        older.pop(later)
    write_record(dataclasses.replace(record, configuration=older), tmp_path)
    assert has_record(run, tmp_path)
    assert not has_record(other, tmp_path)
    changed = {**run.configuration, "early_stopping_patience": 3}
    assert not has_record(dataclasses.replace(run, configuration=changed), tmp_path)


def test_smoke_run_does_not_stand_for_a_real_one(tmp_path: Path) -> None:
    recipe = StubbedRecipe()
    measure(planned(smoke=True), tmp_path, recipe)
    measure(planned(), tmp_path, recipe)
    assert len(recipe.runs) == 8
    assert sorted(record.smoke for record in read_records(tmp_path)) == [False] * 4 + [True] * 4


def test_failing_run_is_shown_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = planned()
    assert measure(runs, tmp_path, StubbedRecipe(fails_on=0)) == runs[:2]
    assert len(read_records(tmp_path)) == 2
    output = capsys.readouterr().out
    assert "1/4 semi_supervised on mnist_small, label_seed 0, num_labels 20: FAILED" in output
    assert "\n    MemoryError\n" in output
    assert (
        "3/4 semi_supervised on mnist_small, label_seed 1, num_labels 20: test_error 0.03" in output
    )


def test_score_that_is_not_finite_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = StubbedRecipe({**RESULTS, "test_error": float("nan")})
    assert len(measure(planned()[:1], tmp_path, recipe)) == 1
    assert "scores should be dict[str, float], with finite numbers" in capsys.readouterr().out


def test_run_with_another_configuration_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stub = StubbedRecipe()

    def with_other_epochs(run: Run, workdir: Path, show: Callable[[str], None]) -> None:
        stub(
            dataclasses.replace(run, configuration=run.configuration | {"epochs": 1}), workdir, show
        )

    assert len(measure(planned()[:1], tmp_path, with_other_epochs)) == 1
    assert f"epochs was 1, not {RESULTS['epochs']}" in capsys.readouterr().out
    assert read_records(tmp_path) == []


def test_run_without_results_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(measure(planned()[:1], tmp_path, lambda *_: None)) == 1
    assert "its run folder can't be used" in capsys.readouterr().out


# === Speed ===


def test_speed_comes_from_the_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Event:
        def __init__(self, step: int, wall_time: float) -> None:
            self.step, self.wall_time = step, wall_time

    class Loader:
        def __init__(self, path: str) -> None:
            self.path = path

        def Load(self) -> list[Event]:  # noqa: N802 - TensorBoard's name
            return [Event(0, 1.0), Event(1, 10.0), Event(1, 12.0), Event(21, 17.0)]

    (tmp_path / "events.out").touch()
    monkeypatch.setattr(measuring, "EventFileLoader", Loader)
    assert steps_per_second(tmp_path) == (21 - 1) / (17.0 - 12.0)


def test_events_that_tensorflow_writes_are_read(tmp_path: Path) -> None:
    assert steps_per_second(tmp_path) is None
    writer = tf.summary.create_file_writer(str(tmp_path))
    with writer.as_default():
        for step in (1, 5):
            tf.summary.scalar("loss", 0.5, step=step)
            writer.flush()
    writer.close()
    assert steps_per_second(tmp_path) > 0


# === Command ===


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    # The tests let TensorFlow write errors; the commands choose for themselves.
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=REPOSITORY,
        env=environment,
    )


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--set=seed=3", "--set seed=3: here that is --label_seeds."),
        ("--seed=3", "--seed is for a single run."),
        ("--set=epoch=3", "there is no hyper-parameter 'epoch'"),
        ("--num_labels=20,many", "should be whole numbers such as 0,1,2"),
        ("--label_seeds=", "should be whole numbers such as 0,1,2"),
        ("--label_seeds=4294967296", "seed must be at least 0 and below 2**32"),
        ("--seeds=3", "Unknown command line flag 'seeds'"),
        ("--recipe=pix2pix", "should be one of <cyclegan|"),
    ],
)
def test_wrong_flag_ends_with_one_line(tmp_path: Path, argument: str, message: str) -> None:
    ended = run_script(
        "benchmarks/measure.py",
        f"--records={tmp_path}",
        argument,
        folder=tmp_path,
        data_dir=tmp_path,
    )
    assert ended.code == 2
    assert message in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.slow
def test_smoke_run_from_command_to_page(tmp_path: Path) -> None:
    """One number of labels can be measured, the other is not a multiple of the classes."""
    records, repository = tmp_path / "records", tmp_path / "repository"
    repository.mkdir()
    (repository / "README.md").write_text(README, encoding="utf-8")
    finished = run_command(
        *("benchmarks.measure", "--smoke", f"--records={records}"),
        *("--num_labels=25,20", "--label_seeds=4", "--set=average_decay=0.5"),
    )
    assert finished.returncode == 1, finished.stderr
    assert "label_seed 4, num_labels 25: FAILED" in finished.stdout
    assert "semi_supervised.py: error:" in finished.stdout
    assert "1 of 2 runs failed." in finished.stderr
    (record,) = read_records(records)
    assert record.smoke
    assert record.configuration["average_decay"] == 0.5
    assert record.configuration["label_seed"] == record.configuration["seed"] == 4
    assert record.details["epochs"] == 2
    assert record.steps_per_second > 0
    finished = run_command("benchmarks.pages", f"--records={records}", f"--repository={repository}")
    assert finished.returncode == 0, finished.stderr
    for page in ("benchmarks/RESULTS.md", "docs/variants/semi_supervised_gan.md"):
        assert "No run is recorded yet." in (repository / page).read_text(encoding="utf-8")
    assert "`zoo.SemiSupervisedGAN`" in (repository / "README.md").read_text(encoding="utf-8")
