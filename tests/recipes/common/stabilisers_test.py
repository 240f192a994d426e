"""Stabilisers by hyper-parameter: each is where it belongs, and nothing is by itself."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from recipes.common import runner
from recipes.common.family import RunData
from recipes.dcgan_svhn import RECIPE
from zoo.common.batch_layers import MinibatchDiscrimination, MinibatchStandardDeviation
from zoo.common.historical_averaging import HistoricalAveraging
from zoo.common.noise import DecayingGaussianNoise
from zoo.common.spectral import SpectralNormalization
from zoo.common.virtual_batch_norm import VirtualBatchNormalization

SHAPE = (28, 28, 1)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (8, *SHAPE)).astype(np.float32)


class FewImages(RunData):
    """Eight images, over and over."""

    model_arguments = {"image_shape": SHAPE}  # noqa: RUF012
    steps_per_epoch = 5

    def train_from(self, step):
        """Gives the batches."""
        return tf.data.Dataset.from_tensors(IMAGES).repeat()


def values_with(**changes):
    preset = RECIPE.preset("quick", "drawn_house_numbers")
    small = {"base_filters": 4, "latent_dim": 6, "batch_size": 8, "epochs": 4, "average_decay": 0.0}
    return dataclasses.replace(preset, **small, **changes)


def model_with(**changes):
    values = values_with(**changes)
    RECIPE.check(values)
    return runner.build_model(RECIPE, values, FewImages())


def kinds_in(network: keras.Model) -> list[type]:
    return [type(layer) for layer in network._flatten_layers()]


def logits_of(model: keras.Model, images: np.ndarray) -> np.ndarray:
    return np.asarray(model.discriminator(images, training=False))


# === One at a time ===


def test_by_itself_the_networks_are_the_models_own():
    model = model_with()
    for network in (model.generator, model.discriminator):
        assert layers.BatchNormalization in kinds_in(network)
    own = {
        *(MinibatchDiscrimination, MinibatchStandardDeviation, SpectralNormalization),
        *(VirtualBatchNormalization, DecayingGaussianNoise),
    }
    assert not own & {*kinds_in(model.generator), *kinds_in(model.discriminator)}
    assert (model.packing, model.pool_size) == (1, 0)
    assert isinstance(model.generator_optimizer, keras.optimizers.Adam)


def test_packing_and_pool_are_the_constructors():
    model = model_with(packing=2, pool_size=3)
    assert (model.packing, model.pool_size) == (2, 3)
    assert model.discriminator.input_shape[1:] == (28, 28, 2)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("minibatch_discrimination", MinibatchDiscrimination),
        ("minibatch_deviation", MinibatchStandardDeviation),
    ],
)
def test_an_addition_judges_images_in_their_company(name, layer):
    model = model_with(discriminator_addition=name)
    assert kinds_in(model.discriminator).count(layer) == 1
    alike = np.repeat(IMAGES[:1], 8, axis=0)
    beside_others, beside_itself = logits_of(model, IMAGES)[0], logits_of(model, alike)[0]
    assert abs(beside_others - beside_itself) > 1e-5
    plain = model_with()
    assert logits_of(plain, IMAGES)[0] == pytest.approx(logits_of(plain, alike)[0], abs=1e-8)


def test_minibatch_discrimination_starts_from_the_data():
    model = model_with(discriminator_addition="minibatch_discrimination")
    (layer,) = [
        each
        for each in model.discriminator._flatten_layers()
        if isinstance(each, MinibatchDiscrimination)
    ]
    assert np.abs(layer.bias.numpy()).min() > 0


def test_spectral_norm_stands_on_every_layer_of_the_discriminator_without_batch_norm():
    model = model_with(spectral_norm="discriminator")
    kinds = kinds_in(model.discriminator)
    assert kinds.count(SpectralNormalization) == kinds.count(layers.Conv2D) == 3
    assert layers.BatchNormalization not in kinds
    assert layers.BatchNormalization in kinds_in(model.generator)
    # Under batch norm the scale of a kernel would not matter; under a norm it can't.
    before = logits_of(model, IMAGES)
    (first, *_) = [x for x in model.discriminator._flatten_layers() if isinstance(x, layers.Conv2D)]
    first.kernel.assign(3.0 * first.kernel)
    np.testing.assert_allclose(logits_of(model, IMAGES), before, rtol=1e-4, atol=1e-6)


def test_virtual_batch_norm_is_the_generators():
    model = model_with(virtual_batch_norm="generator")
    kinds = kinds_in(model.generator)
    assert VirtualBatchNormalization in kinds and layers.BatchNormalization not in kinds
    assert layers.BatchNormalization in kinds_in(model.discriminator)
    latents = model.latents_for(8, seed=0)
    together = model.generator(latents, training=True)
    alone = model.generator(latents[:1], training=True)
    np.testing.assert_allclose(together[:1], alone, atol=1e-5)


def test_noise_on_what_the_discriminator_sees_ends_with_the_run():
    model = model_with(decaying_noise=0.5)
    (noise,) = [
        layer
        for layer in model.discriminator._flatten_layers()
        if isinstance(layer, DecayingGaussianNoise)
    ]
    assert [float(noise.stddev(step)) for step in (0, 10, 20)] == pytest.approx([0.5, 0.25, 0])
    noisy = np.asarray(noise(tf.zeros((100, 100)), training=True))
    assert noisy.std() == pytest.approx(0.5, rel=0.05)


def test_weights_are_clipped_after_each_step_with_batch_norms_too():
    model = model_with(weight_clipping=0.01, objective="wasserstein")
    of_each = model.discriminator.trainable_variables, model.generator.trainable_variables
    kernels = [[each for each in own if each.name == "kernel"] for own in of_each]
    assert all(np.abs(kernel.numpy()).max() > 0.02 for own in kernels for kernel in own)
    model.fit(IMAGES, batch_size=8, verbose=0)
    for variable in model.discriminator.trainable_variables:
        assert np.abs(variable.numpy()).max() <= np.float32(0.01), variable.path
    assert {"gamma", "beta", "kernel"} <= {each.name for each in of_each[0]}
    assert all(np.abs(kernel.numpy()).max() > 0.02 for kernel in kernels[1])


def test_both_players_are_pulled_to_their_past():
    model = model_with(historical_averaging=0.25)
    for optimizer in model.optimizers.values():
        assert isinstance(optimizer, HistoricalAveraging) and optimizer.weight == 0.25
        assert isinstance(optimizer.inner_optimizer, keras.optimizers.Adam)


# === All at once ===


def test_all_of_them_train_together_and_are_saved(tmp_path):
    model = model_with(
        packing=2,
        pool_size=4,
        discriminator_addition="minibatch_discrimination",
        spectral_norm="discriminator",
        virtual_batch_norm="generator",
        decaying_noise=0.1,
        historical_averaging=0.1,
        label_smoothing=0.1,
        label_noise=0.1,
    )
    before = [np.copy(v) for v in (*model.generator.get_weights(),)]
    model.run_eagerly = True  # one step
    logs = model.fit(IMAGES, batch_size=8, epochs=1, verbose=0).history
    assert np.isfinite([*logs["generator_loss"], *logs["discriminator_loss"]]).all()
    assert any((a != b).any() for a, b in zip(before, model.generator.get_weights(), strict=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        loaded.generate(3, seed=1), model.generate(3, seed=1), rtol=1e-5, atol=1e-6
    )


# === Refusals ===


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"discriminator_addition": "attention"},
            "discriminator_addition must be one of none, minibatch_discrimination, "
            "minibatch_deviation. Received: 'attention'",
        ),
        ({"spectral_norm": "generator"}, "spectral_norm must be one of none, discriminator."),
        ({"virtual_batch_norm": "yes"}, "virtual_batch_norm must be one of none, generator."),
        ({"decaying_noise": -0.5}, "decaying_noise must be positive. Received: -0.5"),
        ({"weight_clipping": 0.0}, "weight_clipping must be positive. Received: 0.0"),
        (
            {"weight_clipping": 0.01, "spectral_norm": "discriminator"},
            "weight_clipping and spectral_norm both bound the discriminator's weights: choose one.",
        ),
        (
            {"weight_clipping": 0.01, "discriminator_addition": "minibatch_discrimination"},
            "weight_clipping can't reach the weights of minibatch discrimination",
        ),
        ({"historical_averaging": 0.0}, "historical_averaging must be positive. Received: 0.0"),
        ({"pool_size": 0}, "pool_size must be positive. Received: 0"),
        (
            {"packing": 3},
            "batch_size must be a multiple of packing, so that batches fill packs. "
            "Received: batch_size=8, packing=3",
        ),
    ],
)
def test_refuses_what_there_is_not(changes, message):
    with pytest.raises(ValueError) as raised:
        RECIPE.check(values_with(**changes))
    assert str(raised.value).startswith(message)
