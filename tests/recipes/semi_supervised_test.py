"""The semi-supervised recipe from the first flag to the last file."""

import csv
import dataclasses
import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

import export
from recipes import semi_supervised
from recipes.common import training
from tests.case import state_of
from tests.datasets.picture_files import save_pictures
from tests.recipes.command import REPOSITORY, Ended, contents, run_recipe
from zoo import datasets
from zoo.runs import load_model


@pytest.fixture
def recipe(tmp_path: Path, data_dir: Path):
    """Runs the recipe in an empty folder."""
    return lambda *arguments: run_recipe(
        "semi_supervised", *arguments, folder=tmp_path, data_dir=data_dir
    )


@pytest.fixture(scope="module")
def smoke(tmp_path_factory, data_dir) -> tuple[Path, Ended]:
    """The folder that a smoke run left, and what it said."""
    cwd = tmp_path_factory.mktemp("cwd")
    ended = run_recipe("semi_supervised", "--smoke", folder=cwd, data_dir=data_dir)
    assert ended.code == 0, ended.err
    (folder,) = (cwd / "runs").iterdir()
    return folder, ended


def test_error(folder: Path) -> str:
    """The test error as the table shows it, from results.json."""
    results = json.loads((folder / "results.json").read_text())
    wrong = round(results["test_error"] * results["num_test_images"])
    return f"{results['test_error']:.2%} ({wrong} of {results['num_test_images']})"


test_error.__test__ = False


# === A run from end to end ===


def test_run_leaves_exactly_these_files(smoke):
    folder, _ = smoke
    assert re.fullmatch(r"semi_supervised-\d{8}-\d{6}", folder.name)
    assert {path.name for path in folder.iterdir()} == {
        *("config.json", "environment.json", "model.json", "history.csv", "curves.png", "samples"),
        *("samples.gif", "checkpoints", "tensorboard", "export", "report.html", "results.json"),
        *("health.json", "run.lock"),
    }
    assert {path.name for path in (folder / "samples").iterdir()} == {
        *("step-0000000.png", "epoch-0001.png", "epoch-0002.png")
    }
    assert {str(path.relative_to(folder)) for path in (folder / "checkpoints").rglob("*.*")} == {
        f"checkpoints/epoch-000{epoch}/{name}"
        for epoch in (1, 2)
        for name in ("model.weights.h5", "state.json")
    }
    assert {path.name for path in (folder / "export").iterdir()} == {"1", "1.about"}
    with open(folder / "history.csv", newline="") as file:
        assert [(row["epoch"], row["step"]) for row in csv.DictReader(file)] == [
            ("1", "3"),
            ("2", "6"),
        ]


def test_table_results_and_report_agree(smoke):
    folder, ended = smoke
    results = json.loads((folder / "results.json").read_text())
    share = test_error(folder)
    wrong = round(results["baseline_test_error"] * 500)
    baseline = f"{results['baseline_test_error']:.2%} ({wrong} of 500)"
    rows = {
        "semi-supervised GAN": share,
        "supervised baseline": baseline,
        "Salimans et al. 2016 on mnist": "0.93 ± 0.07 %",
    }
    lines = ended.out.splitlines()
    page = html.unescape(re.sub(r"<[^>]+>", " ", (folder / "report.html").read_text()))
    page = " ".join(page.split())
    for name, value in rows.items():
        (line,) = [line for line in lines if line.startswith(name)]
        assert value in line and "100 labels" in line
        assert f"{name} {value} 100 labels" in page
    assert f"{share} of the test images named wrongly; {baseline} by the baseline." in page
    assert results["stop_reason"] == "all 2 epochs done"
    assert "Why it stopped: all 2 epochs done" in page
    relative = Path("runs") / folder.name
    assert lines[-1] == (
        f"Stopped: all 2 epochs done. Everything is in {relative}; open {relative}/report.html"
    )
    assert f"--workdir={relative} --resume --epochs=..." in page
    assert "its scores are not scores on MNIST" in page
    assert results["smoke"] is True
    stamp = {"num_real": 500, "num_generated": 0, "split": "mnist_small test", "extractor": "none"}
    assert results["stamps"].keys() == {"test_error", "baseline_test_error"}
    assert all(stamp.items() <= each.items() for each in results["stamps"].values())


def test_configuration_says_where_each_value_comes_from(smoke):
    folder, _ = smoke
    config = json.loads((folder / "config.json").read_text())["hyper_parameters"]
    assert set(config) == {f.name for f in dataclasses.fields(semi_supervised.HyperParameters)}
    assert config["smoke"] == {"value": True, "source": "command line"}
    assert config["epochs"] == {"value": 2, "source": "command line"}
    assert config["average_decay"] == {"value": 0.998, "source": "preset quick"}
    assert config["adam_beta_1"] == {"value": 0.5, "source": "code of Salimans et al. 2016"}
    assert json.loads((folder / "environment.json").read_text())["dataset_fingerprint"]


def test_export_is_what_was_tested(smoke, data_dir):
    folder, _ = smoke
    loaded = export.load(folder / "export")
    images = datasets.load(
        "mnist_small", "test", batch_size=500, with_labels=True, data_dir=data_dir
    )
    images, labels = next(images.as_numpy_iterator())
    answers = loaded.signatures["classify"](images=(images + 1) / 2)["labels"].numpy()
    wrong = np.count_nonzero(answers.astype(str) != labels.astype(str))
    assert f"({wrong} of 500)" in test_error(folder)


@pytest.mark.slow
def test_finished_run_is_reported_again_by_resume(smoke, data_dir):
    folder, ended = smoke
    before = contents(folder)
    again = run_recipe(
        "semi_supervised",
        f"--workdir={Path('runs') / folder.name}",
        "--resume",
        folder=folder.parent.parent,
        data_dir=data_dir,
    )
    assert (again.code, again.out) == (0, ended.out)
    after = contents(folder)
    for name in ("results.json", "history.csv", "samples/epoch-0002.png"):
        assert before[name] == after[name]


@pytest.mark.slow
def test_interrupted_run_goes_on(recipe, tmp_path, monkeypatch):
    go_on = training.ProgressBar.on_epoch_begin

    def interrupt(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt
        go_on(self, epoch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(training.ProgressBar, "on_epoch_begin", interrupt)
        ended = recipe("--smoke", "--set=early_stopping_patience=1", "--workdir=a run")
    assert (ended.code, ended.out) == (130, "")
    last_line = ended.err.splitlines()[-1]
    assert last_line.startswith("semi_supervised.py: interrupted; epochs saved: 1.")
    assert last_line.endswith("semi_supervised.py '--workdir=a run' --resume")
    ended = recipe("--workdir=a run", "--resume", "--epochs=30", "--set=learning_rate=0.003")
    assert ended.code == 0, ended.err
    results = json.loads((tmp_path / "a run" / "results.json").read_text())
    assert results["stop_reason"].startswith("val_error has not improved on ")
    assert f"Stopped: {results['stop_reason']}." in ended.out
    named = "averaged weights of the epoch with the least error on the validation labels"
    assert results["weights"] == named and named in ended.out
    assert named in (tmp_path / "a run" / "report.html").read_text()


# === What can't be trained on ===


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num_labels=7"], "num_labels=7 can't be shared equally among 10 classes; use a mult"),
        (["--num_labels=40000"], "num_labels=40000 is more than the 4000 images there are; use"),
        (["--num_labels=4000"], "num_labels=4000 leaves no image of split='train' without a lab"),
        (["--dataset=celeb_a"], "'celeb_a' has no labels, only attributes; "),
        (["--dataset=mnits"], "There is no data set 'mnits'. Did you mean 'mnist'? "),
        (["--set=test_split=tset"], "'mnist_small' has no split 'tset'; choose from 'train', "),
        (["--set=architecture=convolutional"], "The convolutional networks need sides that are "),
        (["--set=architecture=deep"], "`architecture` must be "),
        (["--set=average_decay=2"], "average_decay must be at least 0 and below 1. "),
        (["--set=learning_rate_schedule=cosine"], "learning_rate_schedule must be one of const"),
        (["--set=learning_rate=0"], "learning_rate must be positive. Received: 0.0"),
        (["--set=epochs=0"], "epochs must be positive. Received: 0"),
        (["--set=seed=-1"], "seed must be at least 0 and below 2**32. Received: -1"),
        (["--set=early_stopping_patience=0"], "early_stopping_patience must be none or at least"),
        (
            [
                "--set=train_split=train",
                "--set=validation_split=train[90%:]",
                "--set=early_stopping_patience=3",
            ],
            "early_stopping_patience needs validation images that are not trained on",
        ),
        (["--set=adam_beta_1=1"], "adam_beta_1 must be at least 0 and below 1. Received: 1.0"),
    ],
)
def test_refused_before_anything_is_written(recipe, tmp_path, arguments, message):
    ended = recipe(*arguments, f"--workdir={tmp_path}/run")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("\n") == 1
    assert ended.err.startswith(f"semi_supervised.py: error: {message}")
    assert list(tmp_path.iterdir()) == []


def test_refused_before_a_folder_of_its_own_is_made(recipe, tmp_path):
    assert recipe("--set=learning_rate=0").code == 2
    assert list(tmp_path.iterdir()) == []


# === Presets ===


def test_paper_preset_has_the_paper_s_numbers():
    svhn = semi_supervised.preset("paper", "svhn_cropped")
    assert (svhn.num_labels, svhn.epochs, svhn.base_filters) == (1000, 900, 64)
    assert (svhn.learning_rate, svhn.learning_rate_schedule) == (3e-4, "salimans")
    mnist = semi_supervised.preset("paper", "mnist")
    assert (mnist.num_labels, mnist.epochs, mnist.learning_rate) == (100, 300, 3e-3)
    assert mnist.average_decay == 0.9999 and mnist.learning_rate_schedule == "constant"


def test_quick_preset_needs_no_decay_that_the_paper_lacks():
    for dataset in ("mnist_small", "mnist", "svhn_cropped", "cifar10", "fashion_mnist"):
        paper, quick = (semi_supervised.preset(name, dataset) for name in ("paper", "quick"))
        assert quick.dataset == dataset
        assert quick.learning_rate_schedule == paper.learning_rate_schedule
        assert quick.epochs < paper.epochs


@pytest.mark.parametrize(
    ("dataset", "test_split"),
    [("drawn_house_numbers", "extra[:4000]"), ("drawn_house_numbers/tiny", "test")],
)
def test_stand_ins_take_the_values_of_what_they_stand_for(dataset, test_split):
    quick = semi_supervised.preset("quick", dataset)
    assert (quick.dataset, quick.architecture, quick.num_labels) == (dataset, "convolutional", 1000)
    assert (quick.train_split, quick.validation_split) == ("train", "validation")
    paper = semi_supervised.preset("paper", dataset)
    svhn = semi_supervised.preset("paper", "svhn_cropped")
    splits = {"validation_split": "validation", "test_split": test_split}
    assert paper == dataclasses.replace(svhn, dataset=dataset, **splits)


def test_data_sets_that_the_paper_lacks_are_not_compared_with_it():
    results = {"test_error": 0.125, "baseline_test_error": 0.5, "num_test_images": 200}
    results["weights"] = "last"
    for dataset, num_rows in (("mnist_small", 3), ("cifar10", 3), ("fashion_mnist", 2)):
        values = semi_supervised.HyperParameters(dataset=dataset, num_labels=30)
        rows = semi_supervised.RECIPE.family.table(values, results)
        assert len(rows) == num_rows
        assert rows[0][1:] == ("12.50% (25 of 200)", "30 labels, last")
        assert [row[1] for row in rows[2:]] == ["not quoted"] * (num_rows - 2)


# === Other data, strategies and precisions ===


@pytest.mark.parametrize(
    ("dataset", "num_labels"),
    [("mnist", 100), ("svhn_cropped", 1000)],
)
@pytest.mark.slow
def test_data_sets_of_tfds(recipe, tmp_path, dataset, num_labels):
    with tfds.testing.mock_data(num_examples=1200):
        ended = recipe(
            "--smoke",
            "--epochs=1",
            f"--dataset={dataset}",
            "--set=validation_split=train[-100:]",
            f"--workdir={tmp_path}/run",
        )
    assert ended.code == 0, ended.err
    assert f"{num_labels} labels" in ended.out
    assert "of 1200)" in ended.out
    assert f"Salimans et al. 2016 on {dataset} " in ended.out


@pytest.mark.slow
def test_mirrored_strategy_with_one_replica_changes_nothing(smoke, tmp_path, data_dir):
    # A process of its own: the strategy of another test numbers its collectives likewise.
    script = REPOSITORY / "recipes" / "semi_supervised.py"
    ended = subprocess.run(
        [sys.executable, script, "--smoke", "--strategy=mirrored", f"--workdir={tmp_path}/run"],
        env=os.environ | {"TFDS_DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[:-1] == smoke[1].out.splitlines()[:-1]


@pytest.mark.slow
def test_a_folder_of_classes(recipe, tmp_path):
    pictures = tmp_path / "pictures"
    for number, place in enumerate(("train/cat", "train/dog", "Val/cat", "Val/dog")):
        save_pictures(pictures / place, 14, first_seed=20 * number)
    (pictures / "train" / "cat" / "notes.png").write_text("no picture")
    before = contents(pictures)
    options = ("--smoke", "--epochs=1", "--num_labels=4", "--set=image_size=16")
    options += ("--set=base_filters=2", f"--workdir={tmp_path}/run")
    ended = recipe(f"--dataset=folder:{pictures}", *options)
    assert ended.code == 0, ended.err
    read = "56 images used (train 28, validation 28 of 'Val'), 2 classes ('cat', 'dog'), 1 file sk"
    assert len([line for line in ended.err.splitlines() if read in line]) == 1
    # A folder without `test` is tested on what it has.
    config = json.loads((tmp_path / "run" / "config.json").read_text())["hyper_parameters"]
    assert config["validation_split"]["value"] == config["test_split"]["value"] == "validation"
    assert config["train_split"]["value"] == "train"
    assert "of 28)" in ended.out and "4 labels" in ended.out
    assert "train/cat/notes.png,no," in (tmp_path / "run" / "skipped_images.csv").read_text()
    loaded = export.load(tmp_path / "run" / "export")
    answers = loaded.signatures["classify"](images=np.zeros((1, 16, 16, 3), np.float32))
    assert answers["labels"].numpy()[0].decode() in ("cat", "dog")
    assert contents(pictures) == before


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (("", ""), "has no labels, for it has no folders of classes; sort all images into a "),
        (("cat", ""), "has no labels, for it has 14 images (of 28) in no class's folder, such"),
        (("train/cat", "val/dog"), "has no labels, for 'val' has a class 'dog', which 'train'"),
        (("a", "b", "c"), "num_labels=100 can't be shared equally among 3 classes; use a multi"),
        (("val/cat", "test/cat"), "has no split 'train', for its images lie in 'val', 'test'; "),
    ],
)
def test_a_folder_without_classes_to_learn_is_refused(recipe, tmp_path, places, message):
    for number, place in enumerate(places):
        save_pictures(tmp_path / "pictures" / place, 14, first_seed=20 * number)
    ended = recipe(f"--dataset=folder:{tmp_path}/pictures", f"--workdir={tmp_path}/run")
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err.splitlines()[-1]
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_goes_on_bit_for_bit_when_its_folder_was_moved(recipe, tmp_path):
    for number, place in enumerate(("train/cat", "train/dog", "val/cat", "val/dog")):
        save_pictures(tmp_path / "old" / place, 14, first_seed=20 * number)
    unbroken, moved = (tmp_path / name for name in ("unbroken", "moved"))
    options = ("--smoke", "--num_labels=4", "--set=image_size=16", "--set=base_filters=2")
    options += ("--set=early_stopping_patience=5",)  # whose best epoch is of the folder, too
    ended = recipe(f"--dataset=folder:{tmp_path}/old", *options, f"--workdir={unbroken}")
    assert ended.code == 0, ended.err
    shutil.copytree(unbroken, moved)
    shutil.rmtree(moved / "checkpoints" / "epoch-0002")
    (tmp_path / "old").rename(tmp_path / "new")
    ended = recipe(f"--workdir={moved}", "--resume", f"--dataset=folder:{tmp_path}/new")
    assert ended.code == 0, ended.err
    states = [state_of(load_model(run, "newest")) for run in (moved, unbroken)]
    for one, other in zip(*states, strict=True):
        np.testing.assert_array_equal(one, other)
    results = [json.loads((run / "results.json").read_text()) for run in (moved, unbroken)]
    assert results[0] == results[1]


# Of both half precisions the one with state to resume, the scale of its losses.
@pytest.mark.slow
def test_half_precision(recipe, tmp_path):
    ended = recipe("--smoke", "--precision=mixed_float16", f"--workdir={tmp_path}/run")
    assert ended.code == 0, ended.err
    assert (tmp_path / "run" / "report.html").exists()
    ended = recipe(f"--workdir={tmp_path}/run", "--resume", "--epochs=3")
    assert ended.code == 0, ended.err
    assert "Stopped: all 3 epochs done" in ended.out
