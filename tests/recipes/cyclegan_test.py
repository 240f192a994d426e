"""The CycleGAN recipe, from the first flag to the last file."""

import csv
import dataclasses
import html
import json
import re
import types
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

import export
from recipes import cyclegan
from recipes.common import runner, translation
from recipes.common.training import TrainingError
from recipes.common.translation_scores import (
    PAIRED_SCORES,
    TRUTH_SCORES,
    scores_against_truth,
)
from tests.recipes.command import Ended, contents, run_recipe
from zoo import datasets
from zoo.runs.folder import HyperParameter, RunFolder

TINY = "drawn_horse2zebra/tiny"
SMALL_MODEL = ("--set=base_filters=2", "--set=num_blocks=1")


@pytest.fixture
def recipe(tmp_path: Path, data_dir: Path):
    """Runs the recipe in an empty folder."""
    return lambda *arguments: run_recipe("cyclegan", *arguments, folder=tmp_path, data_dir=data_dir)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory, data_dir) -> tuple[Path, Ended]:
    """The folder that a smoke run left, and what it said."""
    cwd = tmp_path_factory.mktemp("cwd")
    arguments = (f"--dataset={TINY}", "--smoke", "--set=paired_epochs=1", *SMALL_MODEL)
    ended = run_recipe("cyclegan", *arguments, folder=cwd, data_dir=data_dir)
    assert ended.code == 0, ended.err
    (folder,) = (cwd / "runs").iterdir()
    return folder, ended


@pytest.fixture
def prepared(data_dir, monkeypatch) -> None:
    """Has data sets lie where those of all tests do."""
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(data_dir))


def results_of(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())


# === A run from end to end ===


@pytest.mark.slow
def test_run_leaves_exactly_these_files(smoke):
    folder, _ = smoke
    assert re.fullmatch(r"cyclegan-\d{8}-\d{6}", folder.name)
    assert {path.name for path in folder.iterdir()} == {
        *("config.json", "environment.json", "model.json", "history.csv", "curves.png", "samples"),
        *("samples.gif", "checkpoints", "tensorboard", "export", "report.html", "results.json"),
        *("health.json", "run.lock"),
    }
    with open(folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "3"), ("2", "6")]
    assert {"val_cycle_loss", "val_identity_loss", "adversarial_loss"} <= set(rows[0])


@pytest.mark.slow
def test_table_results_and_report_agree(smoke):
    folder, ended = smoke
    results = results_of(folder)
    page = html.unescape(re.sub(r"<[^>]+>", " ", (folder / "report.html").read_text()))
    page = " ".join(page.split())
    rows = {
        "A → B: blurred error in the animal": f"{results['a_to_b_blurred_error_inside']:.4f}",
        "A → B: error around it": f"{results['a_to_b_error_outside']:.4f}",
        "B → A: error in the animal": f"{results['b_to_a_error_inside']:.4f}",
        "B → A: taken for A": f"{results['b_to_a_taken_for_target']:.1%}",
        "cycle loss": f"{results['cycle_loss']:.3f}",
        "identity loss": f"{results['identity_loss']:.3f}",
    }
    for row, value in rows.items():
        (line,) = [line for line in ended.out.splitlines() if line.startswith(row)]
        assert line.removeprefix(row).split()[0] == value
        assert f"{row} {value}" in page
    assert "its scores are not scores on horse2zebra" in page
    assert f"{results['a_to_b_taken_for_target']:.1%} of the translations taken for B" in page
    assert results["weights"] == "weights of the last step"
    stamps = results["stamps"]
    assert {"cycle_loss", "identity_loss", "a_to_b_error_inside"} <= stamps.keys()
    assert stamps["b_to_a_taken_for_target"]["extractor"] not in ("none", "")
    assert stamps["b_to_a_error_inside"]["extractor"] == "none"
    assert {each["num_real"] for each in stamps.values()} == {translation.SMOKE_PAIRS}
    assert results["smoke"] is True and results["num_pairs"] == translation.SMOKE_PAIRS


@pytest.mark.slow
def test_scores_stand_beside_those_of_doing_nothing(smoke):
    results = results_of(smoke[0])
    assert {*TRUTH_SCORES, *PAIRED_SCORES} <= set(results)
    for direction in datasets.DIRECTIONS:
        assert results[f"untranslated_{direction}_error_outside"] == 0
        assert results[f"untranslated_{direction}_error_inside"] > 0.1
        assert results[f"silhouette_{direction}_error_outside"] == 0
        # After six steps a generator paints noise, where its mask lets it.
        assert results[f"paired_{direction}_error_outside"] > 0.02
        assert results[f"{direction}_error_outside"] > 0.02


@pytest.mark.slow
def test_protocol_says_how_was_scored(smoke):
    folder, ended = smoke
    protocol = results_of(folder)["protocol"]
    assert protocol.startswith(f"4 test images of each domain of {TINY}; ")
    assert f"the zoo's classifier of {TINY} (test accuracy " in protocol
    assert f"Scores: {protocol}." in ended.out


@pytest.mark.slow
def test_samples_show_there_and_back_for_both_domains(smoke, prepared):
    folder, _ = smoke
    grid = np.asarray(Image.open(folder / "samples" / "epoch-0002.png"))
    assert grid.shape == (6 * 64, 6 * 64, 3)
    stored = {
        split: [example["image"] for example in tfds.as_numpy(tfds.load(TINY, split=split))]
        for split in ("testA", "testB")
    }
    loaded = export.load(folder / "export")
    for row in range(translation.SMOKE_PAIRS):
        cells = [grid[64 * row :, 64 * column :][:64, :64] for column in range(6)]
        np.testing.assert_array_equal(cells[0], stored["testA"][row])
        np.testing.assert_array_equal(cells[3], stored["testB"][row])
        for cell, signature in ((0, loaded.a_to_b), (3, loaded.b_to_a)):
            images = tf.constant(cells[cell][np.newaxis] / np.float32(255))
            np.testing.assert_allclose(
                cells[cell + 1], 255 * signature(images)["images"][0], atol=1
            )
    assert not grid[64 * translation.SMOKE_PAIRS :].any()


# Of what recipes share here, the quicker ones are asked without `slow`.
@pytest.mark.slow
def test_finished_run_is_reported_again_by_resume(smoke, data_dir):
    folder, ended = smoke
    before = contents(folder)
    again = run_recipe(
        "cyclegan",
        f"--dataset={TINY}",
        f"--workdir={Path('runs') / folder.name}",
        "--resume",
        folder=folder.parent.parent,
        data_dir=data_dir,
    )
    assert (again.code, again.out) == (0, ended.out)
    after = contents(folder)
    for file in ("results.json", "history.csv", "samples/epoch-0002.png"):
        assert before[file] == after[file]


@pytest.mark.slow
def test_failed_training_on_pairs_costs_neither_scores_nor_report(prepared, tmp_path, monkeypatch):
    values = dataclasses.replace(
        cyclegan.preset("quick", TINY),
        **{"smoke": True, "epochs": 1, "base_filters": 2, "num_blocks": 1, "paired_epochs": 1},
        average_decay=0.9,
    )
    data = translation.TranslationData(values)
    model = runner.build_model(cyclegan.RECIPE, values, data)
    model.run_eagerly = True  # three steps take less than to trace one
    parameters = {name: HyperParameter(v) for name, v in dataclasses.asdict(values).items()}
    run = RunFolder.start(tmp_path / "run", "cyclegan", parameters)

    def fail(*_, **__):
        raise TrainingError("on pairs")

    monkeypatch.setattr(translation, "train_on_pairs", fail)
    with pytest.raises(TrainingError):
        runner.train_and_report(cyclegan.RECIPE, values, data, model, run)
    results = results_of(run.path)
    assert results["paired_a_to_b_error_inside"] is None
    of_averages, of_players = (
        scores_against_truth(networks, data.classifier, translation.SMOKE_PAIRS)
        for networks in (model.translators, model.players["generator"])
    )
    assert {name: results[name] for name in of_averages} == pytest.approx(of_averages, rel=1e-5)
    assert of_averages["a_to_b_error_inside"] != of_players["a_to_b_error_inside"]
    assert f"{results['a_to_b_error_inside']:.4f}" in run.report_html.read_text()
    assert export.load(run.export.parent)


# === What can't be trained on ===


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--set=learning_rate_schedule=cosine", "learning_rate_schedule must be one of constant, "),
        ("--set=generator_learning_rate=0", "generator_learning_rate must be positive. Received"),
        ("--set=discriminator_learning_rate=-1", "discriminator_learning_rate must be positive."),
        ("--set=validation_pairs=0", "validation_pairs must be positive. Received: 0"),
        ("--set=load_scale=0.9", "load_scale must be at least 1, at which nothing is cut off."),
        ("--set=adam_beta_1=1", "adam_beta_1 must be at least 0 and below 1. Received: 1.0"),
        ("--set=seed=-1", "seed must be at least 0 and below 2**32. Received: -1"),
        ("--dataset=folder:nowhere", "nowhere does not exist; give the path of a folder of "),
        ("--dataset=folder:a,b,c", "names 3 folders; write 'folder:PATH,PATH', one a domain."),
        ("--dataset=mnist_small", "has no split 'testA'; choose from"),
        (
            "--set=architecture=resnet",
            "architecture must be one of residual, residual_skip, attention, u_net.",
        ),
        ("--set=cycle_terms=none", "cycle_terms must be one of both, forward, backward. Received"),
        ("--set=discriminator_scales=0", "discriminator_scales must be positive. Received: 0"),
        ("--set=base_filters=0", "base_filters must be positive. Received: 0"),
        pytest.param(
            "--set=image_size=30",
            "must give images of the shape that it takes, (30, 30, 3)",
            marks=pytest.mark.slow,  # a classifier of such images is trained before
        ),
        ("--set=forward_cycle_weight=-1", "forward_cycle_weight must be 0 or more. Received: -1.0"),
        ("--set=average_decay=1", "average_decay must be at least 0 and below 1. Received"),
        ("--set=pool_size=-1", "pool_size must be 0 or more. Received: -1"),
    ],
)
def test_refused_before_anything_is_written(recipe, tmp_path, argument, message):
    ended = recipe("--smoke", f"--dataset={TINY}", argument)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err.splitlines()[-1]
    assert ended.err.splitlines()[-1].startswith("cyclegan.py: error: ")
    assert list(tmp_path.iterdir()) == []


# === Presets ===


def test_settings_of_the_model_reach_it():
    settings = {
        "architecture": "residual_skip",
        "base_filters": 4,
        "num_blocks": 2,
        "discriminator_scales": 1,
        "cycle_terms": "forward",
        "cycle_weight": 7.0,
        "forward_cycle_weight": 0.3,
        "identity_weight": 0.2,
        "pool_size": 5,
        "average_decay": 0.4,
        "seed": 3,
    }
    values = dataclasses.replace(cyclegan.preset("quick", TINY), **settings)
    data = types.SimpleNamespace(
        model_arguments={"image_shape": (32, 32, 3)},
        steps_per_epoch=10,
        prepare_compiling=lambda: None,
        compile_arguments=dict,
    )
    model = runner.build_model(cyclegan.RECIPE, values, data)
    assert {name: getattr(model, name) for name in settings} == settings
    # Patches of 34×34 pixels would be 6 a side.
    assert model.discriminator_a(np.zeros((1, 32, 32, 3), np.float32)).shape == (1, 14, 14, 1)


def test_paper_preset_has_the_papers_numbers():
    paper = cyclegan.preset("paper", "cycle_gan/horse2zebra")
    assert (paper.image_size, paper.num_blocks, paper.base_filters) == (256, 9, 64)
    assert round(paper.load_scale * paper.image_size) == 286 and paper.random_flip
    assert (paper.epochs, paper.learning_rate_schedule, paper.batch_size) == (200, "cyclegan", 1)
    assert paper.generator_learning_rate == paper.discriminator_learning_rate == 2e-4
    assert (paper.adam_beta_1, paper.cycle_weight, paper.identity_weight) == (0.5, 10, 0.5)
    assert (paper.pool_size, paper.architecture) == (50, "residual")


def test_learning_rate_of_the_paper_falls_in_the_second_half():
    paper = cyclegan.preset("paper", "cycle_gan/horse2zebra")
    rate = paper.optimizer_of("generator", steps_per_epoch=10)._learning_rate
    expected = {0: 2e-4, 1000: 2e-4, 1500: 1e-4, 2000: 0.0}
    for step, value in expected.items():
        assert float(rate(step)) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(
    "dataset", [TINY, "drawn_horse2zebra", "cycle_gan/apple2orange", "folder:"]
)
def test_quick_preset_is_small_and_decays_the_rates(dataset):
    quick = cyclegan.preset("quick", dataset)
    assert quick.dataset == dataset
    assert quick.learning_rate_schedule == "exponential" and quick.learning_rate_decay < 1
    assert quick.image_size == (None if dataset.startswith("drawn") else 64)


@pytest.mark.parametrize(
    ("dataset", "architecture"),
    [
        (TINY, "attention"),
        ("cycle_gan/horse2zebra", "attention"),
        ("cycle_gan/horse2zebra:3.0.0", "attention"),
        ("cycle_gan/summer2winter_yosemite", "residual_skip"),
        ("folder:drawn_horse2zebra", "residual_skip"),
    ],
)
def test_quick_preset_has_a_mask_where_scenes_stay(dataset, architecture):
    quick = cyclegan.preset("quick", dataset)
    assert quick.architecture == architecture
    # With a mask there is nothing that it would have to keep.
    assert quick.identity_weight == (0.0 if architecture == "attention" else 0.5)
