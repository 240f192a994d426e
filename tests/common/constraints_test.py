"""Weight clipping, in a critic of the user's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.case import ramp_images
from zoo.common.constraints import WeightClipping

IMAGE_SHAPE = (28, 28, 1)


def wasserstein_gan(clipping: WeightClipping | None) -> zoo.DCGAN:
    """A DCGAN whose discriminator is a critic with clipped weights, or with free ones."""
    keras.utils.set_random_seed(1)
    constraints = {"kernel_constraint": clipping, "bias_constraint": clipping}
    images = keras.Input(IMAGE_SHAPE)
    x = layers.Conv2D(4, 4, 4, activation="relu", **constraints)(images)
    outputs = layers.Dense(1, **constraints)(layers.Flatten()(x))
    model = zoo.DCGAN(
        IMAGE_SHAPE, latent_dim=3, base_filters=1, discriminator=keras.Model(images, outputs)
    )
    model.compile(
        objective="wasserstein",
        generator_optimizer=keras.optimizers.RMSprop(5e-5),
        discriminator_optimizer=keras.optimizers.RMSprop(1e-3),
        run_eagerly=True,
    )
    return model


def trained(model: zoo.DCGAN, steps: int) -> np.ndarray:
    """All weights of the critic after training."""
    model.fit(tf.data.Dataset.from_tensors(ramp_images(4)).repeat(steps), verbose=0)
    return np.concatenate([np.ravel(w) for w in model.discriminator.get_weights()])


def test_weights_stay_within_the_limit_and_press_against_it() -> None:
    clipped = trained(wasserstein_gan(WeightClipping()), steps=4)
    assert np.abs(clipped).max() == np.float32(0.01)
    assert np.mean(np.abs(clipped) == np.float32(0.01)) > 0.2
    free = trained(wasserstein_gan(None), steps=4)
    assert np.abs(free).max() > 0.1


def test_a_saved_critic_is_clipped_further(tmp_path) -> None:
    model = wasserstein_gan(WeightClipping(0.02))
    trained(model, steps=1)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert restored.discriminator.layers[1].kernel_constraint.limit == 0.02
    restored.run_eagerly = True
    assert np.abs(trained(restored, steps=1)).max() == np.float32(0.02)


@pytest.mark.parametrize("limit", [0, -0.01, float("inf"), float("nan")])
def test_a_limit_that_is_none_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match=f"`limit` must be positive. Received: limit={limit}"):
        WeightClipping(limit)
