"""A warm start: samples like the data before the game, which itself has not begun."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import three_players
from tests.case import ramp_images, state_of
from tests.dense_gan import dense_gan
from zoo.common.warm_start import warm_start

PATTERN = np.where(np.arange(28) < 14, 1.0, -1.0)[:, None, None] * np.ones((28, 28, 1))


def images_like_the_pattern(number: int = 200) -> np.ndarray:
    """Images whose upper half is bright, and whose contrast varies."""
    rng = np.random.default_rng(0)
    contrasts = rng.uniform(0.2, 0.9, (number, 1, 1, 1))
    noise = rng.normal(0.0, 0.05, (number, 28, 28, 1))
    return np.clip(contrasts * PATTERN + noise, -1, 1).astype("float32")


def likeness(model, images) -> tuple[float, float]:
    """How far the samples' mean is from the data's, and how much of its variety they have."""
    samples = model.generate(200, seed=0)
    contrasts, of_data = ((each * PATTERN).mean(axis=(1, 2, 3)) for each in (samples, images))
    distance = np.abs(samples.mean(axis=0) - images.mean(axis=0)).mean()
    return distance, contrasts.std() / of_data.std()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_samples_are_like_the_data_afterwards(seed):
    keras.utils.set_random_seed(seed)
    model, images = dense_gan(), images_like_the_pattern()
    distance, variety = likeness(model, images)
    assert distance > 0.5
    assert variety < 0.05
    warm_start(model, images, batch_size=32, learning_rate=5e-3)
    # Four seeds: 0.05 to 0.08, and 0.43 to 0.49.
    distance, variety = likeness(model, images)
    assert distance < 0.2
    assert 0.2 < variety < 1.5


def test_the_game_has_not_begun():
    model = dense_gan(average_decay=0.9)
    model.compile(run_eagerly=True)
    before, of_discriminator = model.generator.get_weights(), model.discriminator.get_weights()
    optimizers = [v.numpy() for o in model.optimizers.values() for v in o.variables]
    data = tf.data.Dataset.from_tensor_slices(ramp_images(16)).batch(8)
    warm_start(model, data, steps=2, batch_size=8)
    assert not np.array_equal(before[0], model.generator.get_weights()[0])
    for a, b in zip(of_discriminator, model.discriminator.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(model.generator.weights, model.averaged_generator.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    after = [v.numpy() for o in model.optimizers.values() for v in o.variables]
    for a, b in zip(optimizers, after, strict=True):
        np.testing.assert_array_equal(a, b)
    state = len(state_of(model))
    model.fit(ramp_images(8), batch_size=4, verbose=0)
    assert int(model.step) == 2
    assert len(state_of(model)) == state


def test_refuses_what_it_can_not_start():
    model = dense_gan()
    with pytest.raises(ValueError, match=r"scaled to \[-1, 1\]"):
        warm_start(model, ramp_images(8) * 127.5 + 127.5)
    with pytest.raises(ValueError, match="`steps` .* Received: steps=0"):
        warm_start(model, ramp_images(8), steps=0)
    model.step.assign(3)
    with pytest.raises(ValueError, match="before fit.*trained for 3 steps"):
        warm_start(model, ramp_images(8))
    with pytest.raises(ValueError, match="that takes a condition"):
        warm_start(three_players.CASE.build(), ramp_images(8))
