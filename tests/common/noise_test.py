"""Noise that follows the model's step: how much, when, and the same after a resume."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.case import ramp_images, state_of
from tests.dense_gan import IMAGE_SHAPE, dense_gan
from zoo.common.noise import DecayingGaussianNoise
from zoo.common.schedules import ConstantThenLinearDecay

SCHEDULES = {
    "linear": (ConstantThenLinearDecay(0.5, 0, 10), lambda step: max(0.5 * (1 - step / 10), 0.0)),
    "exponential": (
        keras.optimizers.schedules.ExponentialDecay(0.5, 1, 0.9),
        lambda step: 0.5 * 0.9**step,
    ),
}


def build(schedule="linear", **arguments):
    """A model, and the noise at the input of its discriminator."""
    keras.utils.set_random_seed(5)
    layer = DecayingGaussianNoise(SCHEDULES[schedule][0], seed=3)
    model = dense_gan(layer, **arguments)
    model.compile(run_eagerly=True)
    return model, layer


def train(model, steps: int) -> None:
    model.fit(tf.data.Dataset.from_tensors(ramp_images(4)).repeat(steps), verbose=0)


def noise_of(layer) -> np.ndarray:
    return layer(np.zeros((100, 784), "float32"), training=True).numpy()


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("step", [0, 3, 10, 50])
def test_deviation_follows_the_step(schedule, step):
    model, layer = build(schedule)
    model.step.assign(step)
    noise, stddev = noise_of(layer), SCHEDULES[schedule][1](step)
    assert noise.std() == pytest.approx(stddev, rel=0.02)
    assert noise.mean() == pytest.approx(0.0, abs=5e-3)
    inputs = ramp_images(2, (784,))
    np.testing.assert_array_equal(layer(inputs), inputs)


def test_steps_are_counted_and_not_calls():
    # The discriminator is called three times a step.
    model, layer = build()
    train(model, steps=4)
    assert noise_of(layer).std() == pytest.approx(0.5 * 0.6, rel=0.02)


def test_draws_anew_each_time():
    _, layer = build()
    assert np.abs(noise_of(layer) - noise_of(layer)).max() > 0.1


@pytest.mark.slow
def test_a_resumed_run_is_the_unbroken_one(tmp_path):
    unbroken, _ = build()
    train(unbroken, steps=2)
    unbroken.save(tmp_path / "run.keras")
    unbroken.save_weights(tmp_path / "run.weights.h5")
    train(unbroken, steps=2)
    from_weights, _ = build()
    from_weights.load_weights(tmp_path / "run.weights.h5")
    from_keras = keras.saving.load_model(tmp_path / "run.keras")
    from_keras.run_eagerly = True
    for resumed in (from_weights, from_keras):
        train(resumed, steps=2)
        for a, b in zip(state_of(unbroken), state_of(resumed), strict=True):
            np.testing.assert_array_equal(a, b)
    step_too_far, _ = build()
    step_too_far.load_weights(tmp_path / "run.weights.h5")
    step_too_far.step.assign(9)
    train(step_too_far, steps=2)
    weights = step_too_far.discriminator.get_weights()
    assert not np.array_equal(weights[0], unbroken.discriminator.get_weights()[0])


def test_an_average_follows_the_same_step():
    latents = keras.Input((4,))
    x = DecayingGaussianNoise(SCHEDULES["linear"][0])(latents)
    images = layers.Reshape(IMAGE_SHAPE)(layers.Dense(784, activation="tanh")(x))
    model = dense_gan(generator=keras.Model(latents, images), average_decay=0.9)
    model.step.assign(5)
    copy = model.averaged_generator.layers[1]
    assert copy is not model.generator.layers[1]
    assert noise_of(copy).std() == pytest.approx(0.25, rel=0.02)


def test_replicas_draw_noise_of_their_own(two_replicas):
    with two_replicas.scope():
        model, layer = build()
    zeros = tf.zeros((3, 784))
    draw = tf.function(lambda: two_replicas.run(lambda: layer(zeros, training=True)))
    first, second = two_replicas.experimental_local_results(draw())
    assert not np.array_equal(first, second)
    model.step.assign(10)
    for noise in two_replicas.experimental_local_results(draw()):
        np.testing.assert_array_equal(noise, zeros)


def test_half_precision_stays_half():
    layer = DecayingGaussianNoise(SCHEDULES["linear"][0], dtype="mixed_float16")
    layer.follow(keras.Variable(0, dtype="int64", trainable=False))
    noise = layer(np.zeros((100, 784), "float32"), training=True)
    assert noise.dtype == tf.float16
    assert np.std(noise, dtype="float32") == pytest.approx(0.5, rel=0.02)


def test_a_training_call_needs_a_model():
    layer = DecayingGaussianNoise(SCHEDULES["linear"][0])
    with pytest.raises(ValueError, match="outside of one"):
        noise_of(layer)


def test_refuses_a_number():
    with pytest.raises(ValueError, match="GaussianNoise.*Received: stddev=0.1"):
        DecayingGaussianNoise(0.1)
