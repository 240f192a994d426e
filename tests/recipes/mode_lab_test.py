"""The mode lab's recipe, from the first flag to the last file."""

import csv
import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import export
import zoo
from recipes import mode_lab
from recipes.common import runner
from recipes.common.family import RunData
from recipes.common.modes import DATASETS
from recipes.mode_lab import METHODS, RECIPE, preset, settings_of
from tests.recipes.command import Ended, run_recipe
from zoo import metrics
from zoo.common.noise import DecayingGaussianNoise
from zoo.common.spectral import SpectralNormalization
from zoo.common.virtual_batch_norm import VirtualBatchNormalization


@pytest.fixture(scope="module")
def smoke(tmp_path_factory) -> tuple[Path, Ended]:
    """The folder that a smoke run with some cures left, and what it said."""
    cwd = tmp_path_factory.mktemp("cwd")
    ended = run_recipe(
        "mode_lab",
        *("--smoke", "--dataset=grid", "--workdir=run"),
        *("--set=packing=2", "--set=penalty=r1", "--set=unrolled_steps=1", "--set=num_samples=500"),
        folder=cwd,
        data_dir=cwd,
    )
    assert ended.code == 0, ended.err
    return cwd / "run", ended


def test_table_results_and_history_agree(smoke):
    folder, ended = smoke
    results = json.loads((folder / "results.json").read_text())
    assert (results["num_modes"], results["num_samples"]) == (25, 500)
    assert 0 <= results["modes"] <= 25
    assert results["divergence_floor"] == 24 / 1000
    stamp = metrics.Stamp("none", "none", 0, 500, "grid", None)
    stamps = {log: metrics.Stamp(**each) for log, each in results["stamps"].items()}
    logs = ("modes", "high_quality", "mode_divergence", "mode_spread")
    assert stamps == dict.fromkeys(logs, stamp)
    assert results["peak_memory_megabytes"] > 100
    (line,) = [line for line in ended.out.splitlines() if line.startswith("modes covered")]
    assert line.split()[2:] == [f"{results['modes']:.0f}", "of", "25"]
    assert f"Scores: {results['protocol']}." in ended.out
    with open(folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["3", "6"]
    measures = {"modes", "high_quality", "mode_divergence", "mode_spread"}
    assert {f"val_{measure}" for measure in measures} | {"gradient_penalty"} <= rows[0].keys()


def test_pictures_of_the_plane_become_a_film(smoke):
    folder, _ = smoke
    pictures = {path.name for path in (folder / "samples").iterdir()}
    assert pictures == {"step-0000000.png", "epoch-0001.png", "epoch-0002.png"}
    with Image.open(folder / "samples" / "epoch-0002.png") as picture:
        assert picture.size == (480, 480)
    with Image.open(folder / "samples.gif") as film:
        assert film.n_frames == 3


def test_the_export_gives_points(smoke):
    loaded = export.load(smoke[0] / "export")
    points = loaded.generate(np.int32(5), np.int64(0), np.float32(1.0))["points"]
    assert points.shape == (5, 2)


@pytest.mark.slow
def test_two_digits_are_stacked_named_and_shown_in_colours(tmp_path, data_dir):
    ended = run_recipe(
        "mode_lab",
        *("--smoke", "--epochs=1", "--dataset=two_digits", "--workdir=run", "--batch_size=4"),
        *("--set=num_samples=50", "--set=generator_width=8", "--set=discriminator_width=4"),
        folder=tmp_path,
        data_dir=data_dir,
    )
    assert ended.code == 0, ended.err
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert (results["num_modes"], results["mode_spread"]) == (100, None)
    assert 0 <= results["real_high_quality"] < 1  # of a classifier of ten steps
    assert "classifier of mnist_small" in results["protocol"]
    digests = {stamp["extractor"] for stamp in results["stamps"].values()}
    assert len(digests) == 1 and digests != {"none"}
    with Image.open(tmp_path / "run" / "samples" / "epoch-0001.png") as picture:
        assert (picture.mode, picture.size) == ("RGB", (8 * 28, 8 * 28))


def test_another_data_set_is_refused_by_name(tmp_path):
    ended = run_recipe("mode_lab", "--dataset=mnist", folder=tmp_path, data_dir=tmp_path)
    assert ended.code == 2
    assert "dataset must be one of ring, grid, two_digits, three_digits" in ended.err
    assert not list(tmp_path.iterdir())


# === Presets ===


def test_the_preset_paper_is_lin_et_al_s():
    values = preset("paper", "ring")
    assert (values.epochs * values.steps_per_epoch, values.batch_size) == (400_000, 100)
    assert (values.latent_dim, values.architecture, values.num_samples) == (2, "published", 2500)
    assert (values.generator_learning_rate, values.adam_beta_1) == (1e-4, 0.8)
    stacks = preset("paper", "three_digits")
    assert (stacks.num_samples, stacks.discriminator_width, stacks.latent_dim) == (25_600, 8, 256)
    assert (stacks.adam_beta_1, stacks.adam_beta_2, stacks.batch_size) == (0.5, 0.99, 128)
    assert stacks.architecture == "published"


def test_three_digits_are_for_the_comparison_of_the_paper_in_fewer_steps():
    paper, quick = (preset(name, "three_digits") for name in ("paper", "quick"))
    same = ("architecture", "generator_width", "discriminator_width", "latent_dim", "batch_size")
    for name in (*same, "num_samples", "objective", "adam_beta_1", "adam_beta_2"):
        assert getattr(quick, name) == getattr(paper, name), name
    assert 25 * quick.epochs * quick.steps_per_epoch == paper.epochs * paper.steps_per_epoch


@pytest.mark.parametrize("dataset", DATASETS)
def test_rates_of_a_quick_run_fall_eightfold_at_least_and_not_to_nothing(dataset):
    values = preset("quick", dataset)
    assert 1e-3 < values.learning_rate_decay**values.epochs < 0.15


@pytest.mark.parametrize("dataset", ["ring", "grid"])
def test_a_quick_run_has_at_most_25_000_steps(dataset):
    values = preset("quick", dataset)
    assert values.epochs * values.steps_per_epoch <= 25_000


class NoData(RunData):
    """The shape of samples, and none of them."""

    steps_per_epoch = 5

    def __init__(self, shape):
        self.model_arguments = {"image_shape": shape}

    def train_from(self, step):
        """Gives nothing."""

    def some_samples(self, num_samples):
        """Gives samples to adapt to."""
        shape = (num_samples, *self.model_arguments["image_shape"])
        return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def built_with(
    dataset="ring", shape=(2,), **changes
) -> tuple[zoo.ModeLabGAN, mode_lab.HyperParameters]:
    small = {"generator_width": 8, "discriminator_width": 8}
    values = dataclasses.replace(preset("quick", dataset), **small, **changes)
    RECIPE.check(values)
    return runner.build_model(RECIPE, values, NoData(shape)), values


def kinds_in(network: keras.Model) -> list[type]:
    return [type(layer) for layer in network._flatten_layers()]


_OF_THE_MODEL = ("penalty", "packing", "minibatch_kernels", "replay_size", "unrolled_steps")


@pytest.mark.parametrize(
    "method",
    [name for name, settings in METHODS.items() if {*settings} - {"objective", "label_noise"}],
)
def test_methods_that_change_the_model_can_be_built(method):
    model, values = built_with(**settings_of(method, "ring"))
    assert all(getattr(model, name) == getattr(values, name) for name in _OF_THE_MODEL)
    assert model.objective.name == values.objective
    assert model.objective.zero_sum == bool(values.zero_sum)


@pytest.mark.parametrize("method", ["unrolled 5 steps", "WGAN-GP", "spectral norm"])
def test_methods_can_be_built_for_stacks(method):
    model, values = built_with("two_digits", (28, 28, 2), **settings_of(method, "two_digits"))
    assert model.image_shape == (28, 28, 2)
    assert all(getattr(model, name) == getattr(values, name) for name in _OF_THE_MODEL)


def test_by_itself_no_network_is_changed():
    keras.utils.set_random_seed(0)
    own = zoo.ModeLabGAN((2,), generator_width=8, discriminator_width=8)
    model, _ = built_with(latent_dim=16)
    for name in ("generator", "discriminator"):
        of_ours, of_its_own = (getattr(each, name).get_weights() for each in (model, own))
        for ours, its_own in zip(of_ours, of_its_own, strict=True):
            np.testing.assert_array_equal(ours, its_own)


def test_stabilisers_change_the_discriminator_of_any_method():
    normed, _ = built_with(spectral_norm="discriminator", packing=2, decaying_noise=0.3)
    kinds = kinds_in(normed.discriminator)
    assert kinds.count(SpectralNormalization) == kinds.count(keras.layers.Dense) == 6
    assert DecayingGaussianNoise in kinds
    clipped, _ = built_with(weight_clipping=0.1, historical_averaging=0.5)
    layers = [x for x in clipped.discriminator.layers if isinstance(x, keras.layers.Dense)]
    assert [layer.bias_constraint.limit for layer in layers] == [0.1] * 6
    assert clipped.discriminator_optimizer.weight == 0.5


def test_units_of_a_normalised_first_layer_bend_where_they_did():
    normed, _ = built_with(spectral_norm="discriminator")
    first = next(x for x in normed.discriminator.layers if isinstance(x, SpectralNormalization))
    largest = np.linalg.norm(first.kernel.numpy(), ord=2)
    assert largest > 5
    biases = np.abs(first.layer.bias.numpy()) * largest
    assert 2.5 < biases.max() <= 4.5 * (1 + 1e-5)


@pytest.mark.parametrize("changes", [{"spectral_norm": "discriminator"}, {"decaying_noise": 0.3}])
def test_pictures_leave_the_discriminator_as_it_is(changes):
    model, _ = built_with(**changes)
    before = [np.copy(variable.numpy()) for variable in model.discriminator.variables]
    samples = tf.constant(np.random.default_rng(0).normal(size=(6, 2)), tf.float32)
    assert np.abs(model.pulls(samples, samples + 0.5)).max() > 0
    for one, variable in zip(before, model.discriminator.variables, strict=True):
        np.testing.assert_array_equal(one, variable.numpy())


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {
            **{"spectral_norm": "discriminator", "decaying_noise": 0.3, "penalty": "r1_r2"},
            **{"packing": 2, "unrolled_steps": 1},
        },
        {
            **{"weight_clipping": 0.1, "objective": "wasserstein", "historical_averaging": 0.1},
            **{"discriminator_steps": 2, "penalty": "wgan_gp"},
        },
        {"objective": "f_kl", "zero_sum": True, "minibatch_kernels": 4, "replay_size": 16},
    ],
)
def test_stabilisers_train_with_what_else_there_is(changes):
    model, values = built_with(**changes)
    samples = np.random.default_rng(0).normal(
        size=(8 * values.packing * values.discriminator_steps, 2)
    )
    batches = tf.data.Dataset.from_tensors(samples.astype(np.float32)).repeat()
    logs = model.fit(batches, steps_per_epoch=3, verbose=0).history
    assert all(np.isfinite(values).all() for values in logs.values())


def test_virtual_batch_norm_takes_the_place_of_the_published_generators():
    model, _ = built_with(virtual_batch_norm="generator", architecture="published")
    kinds = kinds_in(model.generator)
    assert kinds.count(VirtualBatchNormalization) == 4
    assert keras.layers.BatchNormalization not in kinds


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"virtual_batch_norm": "generator"}, "of which the plain generator of points has none"),
        (
            {"architecture": "published", "spectral_norm": "discriminator"},
            "has layers of maxout: set architecture=plain",
        ),
        ({"architecture": "published", "weight_clipping": 0.1}, "has layers of maxout"),
        ({"minibatch_kernels": 4, "weight_clipping": 0.1}, "can't reach the weights of minibatch"),
        ({"unrolled_steps": 1, "historical_averaging": 0.1}, "leave one of the two out"),
        ({"objective": "hinge", "zero_sum": True}, "`zero_sum` is for f_kl, "),
    ],
)
def test_refuses_what_has_no_place_in_the_networks(changes, message):
    with pytest.raises(ValueError, match=message):
        built_with(**changes)


def test_stacks_have_rates_and_weights_of_their_own():
    of_points = settings_of("unrolled 5 steps", "ring")
    assert of_points["discriminator_learning_rate"] == 1e-4
    assert settings_of("unrolled 5 steps", "two_digits") == {
        "objective": "minimax",
        "adam_beta_1": 0.5,
        "unrolled_steps": 5,
    }
    weights = [settings_of("WGAN-GP", each)["penalty_weight"] for each in ("grid", "two_digits")]
    assert weights == [0.1, 10.0]


def test_a_published_number_belongs_to_one_plain_setting():
    configuration = dataclasses.asdict(preset("quick", "ring"))
    fitting = [each for each in mode_lab.RECIPE.reported if each.belongs_to(configuration)]
    assert [each.value for each in fitting] == ["0.45 (6.3 ± 0.5 modes, 98.2 %)"]
    older = {name: value for name, value in configuration.items() if name != "spectral_norm"}
    assert fitting == [each for each in mode_lab.RECIPE.reported if each.belongs_to(older)]
    rows = {"plain", "packs of 2", "packs of 3", "packs of 4"}
    for method in METHODS.keys() - rows:
        others = configuration | settings_of(method, "ring")
        assert not [each for each in mode_lab.RECIPE.reported if each.belongs_to(others)], method
