"""The recipes that do nothing but generate, from the first flag to the last file."""

import csv
import dataclasses
import html
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

import export
from recipes.common.generation import GenerationData
from recipes.common.measures import GENERATION
from tests.recipes.command import REPOSITORY, Ended, contents, run_recipe
from zoo import datasets, metrics
from zoo.common.checked_json import checked_json, read_checked_json
from zoo.common.measure_logs import directions_of

# A data set for each recipe that is small and needs no network.
SMALL = {"vanilla_mnist": "mnist_small", "dcgan_svhn": "drawn_house_numbers/tiny"}
ORIGINALS = {"vanilla_mnist": "mnist", "dcgan_svhn": "svhn_cropped"}


@pytest.fixture(
    scope="module", params=["vanilla_mnist", pytest.param("dcgan_svhn", marks=pytest.mark.slow)]
)
def name(request) -> str:
    return request.param


@pytest.fixture
def recipe(name: str, tmp_path: Path, data_dir: Path):
    """Runs the recipe in an empty folder."""
    return lambda *arguments: run_recipe(
        name, f"--dataset={SMALL[name]}", *arguments, folder=tmp_path, data_dir=data_dir
    )


@pytest.fixture(scope="module")
def smoke(name: str, tmp_path_factory, data_dir) -> tuple[Path, Ended]:
    """The folder that a smoke run left, and what it said."""
    cwd = tmp_path_factory.mktemp("cwd")
    ended = run_recipe(name, f"--dataset={SMALL[name]}", "--smoke", folder=cwd, data_dir=data_dir)
    assert ended.code == 0, ended.err
    (folder,) = (cwd / "runs").iterdir()
    return folder, ended


def results_of(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())


# === A run from end to end ===


def test_run_leaves_exactly_these_files(name, smoke):
    folder, _ = smoke
    assert re.fullmatch(rf"{name}-\d{{8}}-\d{{6}}", folder.name)
    assert {path.name for path in folder.iterdir()} == {
        *("config.json", "environment.json", "model.json", "history.csv", "curves.png", "samples"),
        *("samples.gif", "checkpoints", "tensorboard", "export", "report.html", "results.json"),
        *("nearest.png", "health.json", "run.lock"),
    }
    with open(folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "3"), ("2", "6")]
    measures = ("frechet_distance", "kernel_distance", "mean_confidence", "class_imbalance")
    assert {f"val_{measure}" for measure in measures} <= set(rows[0])


def test_table_results_and_report_agree(smoke):
    folder, ended = smoke
    results = results_of(folder)
    page = html.unescape(re.sub(r"<[^>]+>", " ", (folder / "report.html").read_text()))
    page = " ".join(page.split())
    rows = {
        "Fréchet distance": f"{results['frechet_distance']:.2f}",
        "that of training images": f"{results['real_frechet_distance']:.2f}",
        "kernel distance × 1000": f"{1000 * results['kernel_distance']:.2f}",
        "mean confidence": f"{results['mean_confidence']:.1%}",
        "class imbalance": f"{results['class_imbalance']:.2f}",
        "coverage": f"{results['coverage']:.3g}",
        "sliced Wasserstein distance": f"{results['sliced_wasserstein']:.3g}",
        "that of patches × 1000": f"{results['pyramid_wasserstein']:.3g}",
        "authenticity": f"{results['authenticity']:.3g}",
        "data copying": f"{results['data_copying']:.3g}",
    }
    for row, value in rows.items():
        (line,) = [line for line in ended.out.splitlines() if line.startswith(row)]
        assert value in line
        assert f"{row} {value}" in page
    assert "its scores are not" in page
    assert f"Scores: {results['protocol']}." in page
    assert results["smoke"] is True


def test_every_score_says_what_it_was_taken_on(name, smoke):
    results = results_of(smoke[0])
    scores = {*GENERATION.scores, *GENERATION.optional_scores} - {"real_frechet_distance"}
    assert scores <= results["stamps"].keys()
    assert all(results[score] is not None for score in scores)
    stamps = [metrics.Stamp(**stamp) for stamp in results["stamps"].values()]
    split = importlib.import_module(f"recipes.{name}").preset("quick", SMALL[name]).test_split
    assert {stamp.split for stamp in stamps} == {f"{SMALL[name]} {split}"}
    assert {stamp.num_real for stamp in stamps} == {results["num_images"]}
    of_neighbours = metrics.Stamp(**results["stamps"]["coverage"])
    assert (of_neighbours.seed, of_neighbours.settings) == (0, "k=5")
    assert "coverage" in results["standard_errors"]


def test_nearest_training_images_stand_below_generated_ones(name, smoke):
    side = 28 if name == "vanilla_mnist" else 32
    grid = np.asarray(Image.open(smoke[0] / "nearest.png"))
    # 32 pairs, six beside each other in six rows.
    assert grid.shape[:2] == (6 * 2 * side, 6 * side)
    pictures = (smoke[0] / "report.html").read_text()
    assert "each above the training image nearest to it" in pictures


def test_protocol_says_what_was_compared_with_what(name, smoke, data_dir):
    folder, ended = smoke
    results = results_of(folder)
    values = importlib.import_module(f"recipes.{name}").preset("quick", SMALL[name])
    num_images = datasets.describe(SMALL[name], data_dir=data_dir).num_examples[values.test_split]
    assert results["num_images"] == num_images
    assert results["protocol"].startswith(
        f"{num_images:,} generated images against as many real ones, {SMALL[name]} "
        f"{values.test_split}; 64 features of the zoo's classifier of {SMALL[name]} ("
    )
    assert f"Scores: {results['protocol']}." in ended.out
    assert results["weights"] == "averaged weights of the last step"


def test_real_images_score_far_better_than_six_steps_do(smoke):
    results = results_of(smoke[0])
    assert 0 <= results["real_frechet_distance"] < 0.2 * results["frechet_distance"]


def test_export_generates_what_the_last_grid_shows(name, smoke):
    folder, _ = smoke
    loaded = export.load(folder / "export")
    images = loaded.generate(np.int32(64), np.int64(0), np.float32(1.0))["images"].numpy()
    grid = np.asarray(Image.open(folder / "samples" / "epoch-0002.png"))
    side = 28 if name == "vanilla_mnist" else 32
    for number, image in enumerate(images):
        top, left = side * (number // 8), side * (number % 8)
        shown = grid[top : top + side, left : left + side].reshape(image.shape)
        np.testing.assert_allclose(shown / 255, image, atol=0.51 / 255)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vanilla_mnist"], indirect=True, scope="module")
def test_finished_run_is_reported_again_by_resume(name, smoke, data_dir):
    folder, ended = smoke
    before = contents(folder)
    again = run_recipe(
        name,
        f"--dataset={SMALL[name]}",
        f"--workdir={Path('runs') / folder.name}",
        "--resume",
        folder=folder.parent.parent,
        data_dir=data_dir,
    )
    assert (again.code, again.out) == (0, ended.out)
    after = contents(folder)
    for file in ("results.json", "history.csv", "samples/epoch-0002.png"):
        assert before[file] == after[file]


# === What is watched ===


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vanilla_mnist"], indirect=True, scope="module")
def test_the_best_weights_of_a_watched_measure_are_kept(name, recipe, tmp_path):
    ended = recipe(
        "--smoke",
        *("--set=watched=classifier_score", "--set=early_stopping_patience=1"),
        f"--workdir={tmp_path}/run",
    )
    assert ended.code == 0, ended.err
    assert "val_classifier_score" in ended.err
    results = results_of(tmp_path / "run")
    assert (
        results["weights"] == "averaged weights of the epoch with the largest val_classifier_score"
    )
    with open(tmp_path / "run" / "history.csv", newline="") as file:
        values = [float(row["val_classifier_score"]) for row in csv.DictReader(file)]
    state = json.loads(next((tmp_path / "run" / "checkpoints").glob("*/state.json")).read_text())
    assert max(values) == pytest.approx(state["states"]["stop_on_quality"]["best"])

    # Had the classifier been trained anew since, the best value would be one on other features.
    newest = max((tmp_path / "run" / "checkpoints").glob("*/state.json"))
    state = read_checked_json(newest.read_bytes())
    state["states"]["stop_on_quality"]["stamp"]["extractor"] = "another"
    newest.write_text(checked_json(state))
    again = recipe("--resume", f"--workdir={tmp_path}/run")
    assert again.code != 0
    assert "can't go on from its best value" in again.err
    assert "extractor is 'another' in the best epoch and" in again.err


@pytest.mark.slow
def test_each_measure_that_can_be_watched_knows_which_way_is_better(data_dir, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(data_dir))
    values = importlib.import_module("recipes.vanilla_mnist").preset("quick", "mnist_small")
    for watched in values.watchable:
        values = dataclasses.replace(values, watched=watched, smoke=True)
        measures = GenerationData(values).compile_arguments()["quality_measures"]
        (way,) = [
            way for each in measures for log, way in directions_of(each).items() if log == watched
        ]
        assert way in ("min", "max")


@pytest.mark.slow
@pytest.mark.parametrize("watched", ["mean_confidence", "classifier_score"])
def test_measures_of_classes_are_refused_where_there_are_none(watched, data_dir, monkeypatch):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(data_dir))
    values = importlib.import_module("recipes.face_generation").preset("quick", "drawn_faces/tiny")
    with pytest.raises(ValueError, match=f"watched={watched} takes images with labels"):
        GenerationData(dataclasses.replace(values, watched=watched))


# === What can't be trained on ===


@pytest.mark.slow
def test_too_few_images_to_watch_are_refused_before_the_run_begins(recipe, tmp_path):
    splits = "--set=validation_split=validation[:3]"
    ended = recipe("--smoke", "--set=watched=density", splits, "--workdir=run")
    assert ended.code == 2, ended.err
    assert "density takes 6 images or more, " in ended.err.splitlines()[-1]
    assert "'validation[:3]' of '" in ended.err and "has 3; use more" in ended.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--set=objective=wgan", "objective must be one of non_saturating, "),
        ("--set=label_smoothing=2", "`label_smoothing` should be in [0, 1). "),
        ("--set=learning_rate_schedule=cosine", "learning_rate_schedule must be one of const"),
        ("--set=generator_learning_rate=0", "generator_learning_rate must be positive. Received"),
        ("--set=discriminator_learning_rate=-1", "discriminator_learning_rate must be positive."),
        ("--set=early_stopping_patience=0", "early_stopping_patience must be none or at least"),
        ("--set=watched=beauty", "watched must be one of frechet_distance, kernel_distance, "),
        ("--set=latent_dim=0", "latent_dim must be positive. Received: 0"),
        ("--set=seed=-1", "seed must be at least 0 and below 2**32. Received: -1"),
        ("--set=train_split=tset", "has no split 'tset'; choose from"),
        ("--set=average_decay=2", "average_decay must be at least 0 and below 1. "),
    ],
)
def test_refused_before_anything_is_written(name, recipe, tmp_path, argument, message):
    ended = recipe("--smoke", argument)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("\n") == 1
    assert ended.err.startswith(f"{name}.py: error: ")
    assert message in ended.err
    assert list(tmp_path.iterdir()) == []


# === Presets ===


def test_paper_presets_have_the_papers_numbers():
    vanilla = importlib.import_module("recipes.vanilla_mnist").preset("paper", "mnist")
    assert (vanilla.optimizer, vanilla.momentum, vanilla.batch_size) == ("sgd", 0.5, 100)
    assert vanilla.generator_learning_rate == vanilla.discriminator_learning_rate == 0.1
    assert (vanilla.input_noise, vanilla.label_smoothing, vanilla.average_decay) == (0, 0, 0)
    dcgan = importlib.import_module("recipes.dcgan_svhn").preset("paper", "svhn_cropped")
    assert dcgan.generator_learning_rate == dcgan.discriminator_learning_rate == 2e-4
    assert (dcgan.adam_beta_1, dcgan.batch_size, dcgan.latent_dim) == (0.5, 128, 100)
    assert (dcgan.kernel_size, dcgan.average_decay, dcgan.label_smoothing) == (5, 0, 0)
    faces = importlib.import_module("recipes.face_generation").preset("paper", "celeb_a")
    assert (faces.gradient_penalty_weight, faces.batch_size, faces.latent_dim) == (10, 64, 256)
    # RMSprop at 1e-4 is Adam without momentum, but for the correction of the first steps.
    assert (faces.adam_beta_1, faces.adam_beta_2, faces.average_decay) == (0, 0.99, 0.999)
    assert faces.generator_learning_rate == faces.discriminator_learning_rate == 1e-4


def test_quick_presets_decay_the_rates(name):
    module = importlib.import_module(f"recipes.{name}")
    for dataset in (SMALL[name], ORIGINALS[name], "fashion_mnist", "folder:/pictures"):
        quick = module.preset("quick", dataset)
        assert quick.dataset == dataset
        assert quick.learning_rate_schedule == "exponential" and quick.learning_rate_decay < 1


# === Other data ===


def folder_of_noise(folder: Path, num_images: int) -> Path:
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(num_images):
        side = 30 + number % 7
        pixels = random.integers(0, 256, (side, 2 * side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"picture {number}.png")
    return folder


def test_what_the_model_refuses_is_refused_before_a_classifier_is_trained(tmp_path):
    pictures = folder_of_noise(tmp_path / "pictures", 20)
    ended = run_recipe(
        "face_generation",
        f"--dataset=folder:{pictures}",
        "--set=image_size=100",
        "--smoke",
        folder=tmp_path,
        data_dir=tmp_path / "data",
    )
    assert ended.code == 2
    assert "must be 32, 64, 128 or 256. Received: 100" in ended.err
    assert "classifier" not in ended.err
    assert not list(tmp_path.glob("data/**/*.npz"))


def test_few_images_to_test_on_are_told(tmp_path):
    module = importlib.import_module("recipes.face_generation")
    dataset = f"folder:{folder_of_noise(tmp_path / 'pictures', 40)}"
    values = dataclasses.replace(module.preset("quick", dataset), image_size=32)
    assert "4 images to test on, and 3 to watch: distances from" in GenerationData(values).advice
    assert GenerationData(dataclasses.replace(values, smoke=True)).advice == ""


@pytest.mark.slow
# The recipes share all that other data take another way.
@pytest.mark.parametrize("name", ["vanilla_mnist"], indirect=True, scope="module")
def test_a_folder_of_ones_own(name, tmp_path, data_dir):
    folder = folder_of_noise(tmp_path / "pictures", 60)
    (folder / "notes.png").write_text("no picture")
    before = contents(folder)
    ended = run_recipe(
        name,
        "--smoke",
        f"--dataset=folder:{folder}",
        "--set=image_size=28",
        f"--workdir={tmp_path}/run",
        folder=tmp_path,
        data_dir=data_dir,
    )
    assert ended.code == 0, ended.err
    assert "60 images used, 1 file skipped; " in ended.err
    skipped = (tmp_path / "run" / "skipped_images.csv").read_text().splitlines()
    assert skipped[0] == "path,used,remark"
    assert skipped[1].startswith("notes.png,no,")
    assert len(skipped) == 2
    results = results_of(tmp_path / "run")
    assert results["mean_confidence"] is None and "mean confidence" not in ended.out
    assert np.isfinite(results["frechet_distance"])
    assert contents(folder) == before


@pytest.mark.slow
def test_faces_have_no_classes_to_count(tmp_path, data_dir):
    ended = run_recipe(
        "face_generation",
        "--smoke",
        "--dataset=drawn_faces/tiny",
        f"--workdir={tmp_path}/run",
        folder=tmp_path,
        data_dir=data_dir,
    )
    assert ended.code == 0, ended.err
    results = results_of(tmp_path / "run")
    assert results["mean_confidence"] is None and results["class_imbalance"] is None
    assert np.isfinite([results["frechet_distance"], results["kernel_distance"]]).all()
    assert "attributes of drawn_faces/tiny" in results["protocol"]
    assert "mean confidence" not in ended.out
    loaded = export.load(tmp_path / "run" / "export")
    images = loaded.generate(np.int32(2), np.int64(0), np.float32(1.0))["images"]
    assert images.shape == (2, 64, 64, 3)


@pytest.mark.slow
def test_one_replica_of_a_strategy_trains_the_classifier_outside_of_it(tmp_path, data_dir):
    # A process of its own: the strategy of another test numbers its collectives likewise.
    ended = subprocess.run(
        [
            *(sys.executable, REPOSITORY / "recipes" / "vanilla_mnist.py"),
            *("--smoke", "--strategy=mirrored", f"--workdir={tmp_path}/run"),
        ],
        env=os.environ | {"TFDS_DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "Stopped: all 2 epochs done" in ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dcgan_svhn"], indirect=True, scope="module")
def test_the_original_data_set_by_name(name, tmp_path, data_dir):
    with tfds.testing.mock_data(num_examples=300):
        ended = run_recipe(
            name,
            "--smoke",
            "--epochs=1",
            f"--dataset={ORIGINALS[name]}",
            *("--set=train_split=train[:200]", "--set=validation_split=train[200:]"),
            "--set=test_split=test",
            f"--workdir={tmp_path}/run",
            folder=tmp_path,
            data_dir=data_dir,
        )
    assert ended.code == 0, ended.err
    assert results_of(tmp_path / "run")["num_images"] == 300
    assert "val_frechet_distance" in (tmp_path / "run" / "history.csv").read_text()
