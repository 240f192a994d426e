"""`python -m zoo.explore`: where it writes, what it says, and that it refuses in one line."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from benchmarks.registry import RECIPES
from tests.datasets.picture_files import save_pictures
from tests.explore.small_runs import saved_run, small_dcgan
from zoo.explore.__main__ import main

REPOSITORY = Path(__file__).resolve().parent.parent.parent
COMMANDS = (
    "probe",
    "walk",
    "arithmetic",
    "neighbours",
    "guided",
    "forget",
    "project",
    "edit",
    "truncation",
)
QUICK_PROBE = ["--num_labels=20", "--num_draws=1", "--num_supervised_draws=0"]


@pytest.fixture(scope="module")
def run(tmp_path_factory, data_dir) -> Path:
    return saved_run(tmp_path_factory.mktemp("runs") / "digits", small_dcgan())


@pytest.fixture(autouse=True)
def _own_data_dir(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))


@pytest.fixture(autouse=True)
def _own_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest"])


def refused(capsys, *arguments: str) -> str:
    """Runs a command that ends with exit code 2 and one line, which it returns."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("zoo.explore: error: ")
    return line


def test_the_answer_lies_in_the_run_and_one_line_says_where(run: Path, capsys) -> None:
    main(["probe", str(run), *QUICK_PROBE])
    (line,) = capsys.readouterr().out.splitlines()
    folder = run / "explore" / "probe"
    assert line.startswith("Of the test images named wrongly:") and line.endswith(str(folder))
    facts = json.loads((folder / "probe.json").read_text())
    assert (facts["recipe"], facts["trained_on"], facts["training_seed"]) == (
        "dcgan_svhn",
        "mnist_small",
        0,
    )
    assert facts["dataset"] == "mnist_small"
    assert (folder / "probe.png").is_file()


def test_a_second_answer_lies_beside_the_first_or_where_it_is_sent(run, tmp_path, capsys) -> None:
    quick = ["walk", str(run), "--num_walks=1", "--num_places=1", "--frames_between=1"]
    for name in ("walk", "walk-2"):
        main(quick)
        assert capsys.readouterr().out.endswith(f"{run / 'explore' / name}\n")
    main([*quick, f"--out={tmp_path / 'here'}"])
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == [
        "walk.gif",
        "walk.json",
        "walk.png",
    ]


def test_commands_that_need_images_take_those_of_the_run(run: Path, tmp_path, capsys) -> None:
    classifier = "--classifier_steps=40"
    main(["neighbours", str(run), "--num_images=10", "--features", classifier])
    facts = json.loads((run / "explore" / "neighbours" / "neighbours.json").read_text())
    assert (facts["dataset"], facts["distances_in"]) == ("mnist_small", "feature_extractor")
    main(["truncation", str(run), "--num_images=20", classifier])
    facts = json.loads((run / "explore" / "truncation" / "truncation.json").read_text())
    assert facts["num_images"] == 20
    assert "of 'mnist_small' none are" in refused(capsys, "arithmetic", str(run))


def test_what_is_wrong_is_said_in_one_line_and_nothing_is_written(run, tmp_path, capsys) -> None:
    out = f"--out={tmp_path / 'out'}"
    assert "Give the folder of a run" in refused(capsys, "probe", str(tmp_path / "none"), out)
    assert "no_such_set" in refused(capsys, "probe", str(run), "--dataset=no_such_set", out)
    assert "can't be shared equally" in refused(capsys, "probe", str(run), "--num_labels=7", out)
    vanilla = saved_run(tmp_path / "vanilla", compiled(zoo.VanillaGAN((28, 28, 1))))
    assert "Features are of a network's convolutions" in refused(capsys, "probe", str(vanilla), out)
    assert not (tmp_path / "out").exists() and not (vanilla / "explore").exists()
    assert "nothing is overwritten" in refused(
        capsys, "probe", str(run), *QUICK_PROBE, f"--out={vanilla}"
    )


def test_where_nothing_can_be_written_nothing_is_asked(run, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(zoo.explore, "walk", lambda *_, **__: pytest.fail("it was asked"))
    (tmp_path / "file").touch()
    for path in ("file/out", "new/" + 300 * "x", "/proc/new/out"):
        message = refused(capsys, "walk", str(run), f"--out={tmp_path / path}")
        assert f"Nothing can be written to {tmp_path / path}: " in message
        assert message.endswith("Name a folder by --out where you may write.")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_numbers_that_can_not_be_are_refused_before_a_classifier_is_trained(
    run, data_dir, capsys
) -> None:
    steps = "--classifier_steps=3"
    kept = set(data_dir.rglob("*.keras"))  # by other tests
    for command, wrong in (
        ("truncation", "--num_images=1"),
        ("truncation", "--num_images=-1"),
        ("truncation", "--seed=-1"),
        ("neighbours", "--num_neighbours=100000"),
    ):
        features = ["--features"] if command == "neighbours" else []
        line = refused(capsys, command, str(run), wrong, steps, *features)
        assert f"Received: {wrong.removeprefix('--')}" in line
    assert set(data_dir.rglob("*.keras")) == kept


def test_the_classifier_that_training_kept_is_taken(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    save_pictures(tmp_path / "pictures", 24)
    dataset = f"folder:{tmp_path / 'pictures'}"
    values = {"image_size": 16, "value_range": "0,4095"}
    of_recipe = RECIPES["dcgan_svhn"].preset("quick", dataset)
    options = dataclasses.replace(of_recipe, **values).image_options
    zoo.metrics.load_classifier(dataset, training_steps=1, **options)
    kept = sorted((tmp_path / "data" / "zoo_classifiers").iterdir())
    run = saved_run(tmp_path / "run", compiled(zoo.VanillaGAN((16, 16, 3))), dataset, **values)
    main(["neighbours", str(run), "--features", "--num_images=2", "--classifier_steps=1"])
    assert sorted((tmp_path / "data" / "zoo_classifiers").iterdir()) == kept


def compiled(model):
    model.compile()
    return model


def test_help_answers_from_a_shell() -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "zoo.explore", "--help"],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=REPOSITORY,
        env={name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"},
    )
    assert finished.returncode == 0
    assert finished.stderr == ""  # nothing of TensorFlow's
    for command in COMMANDS:
        assert command in finished.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_that_tells_defaults(command: str, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert "(default: best)" in capsys.readouterr().out


def test_strokes_are_told_in_numbers(run: Path, capsys) -> None:
    main(["edit", str(run), "--stroke=0,0,1,0.2,0.9", "--stroke=0,0.8,1,1,0.1", "--iterations=1"])
    facts = json.loads((run / "explore" / "edit" / "edit.json").read_text())
    assert [stroke["colour"] for stroke in facts["strokes"]] == [[0.9], [0.1]]
    for wrong in ("--stroke=0,0,1", "--stroke=0,0,1,red,1"):
        with pytest.raises(SystemExit) as ended:
            main(["edit", str(run), wrong])
        assert ended.value.code == 2 and "is no stroke" in capsys.readouterr().err
    assert "of 'mnist_small' none are" in refused(capsys, "edit", str(run), "--attribute=Smiling")
