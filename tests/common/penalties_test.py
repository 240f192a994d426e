"""The gradient penalties: values by hand, and their own gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from scipy import stats

from tests.case import ramp_images
from zoo.common.penalties import interpolated_gradient_penalty, real_gradient_penalty


def discriminator_of(function, image_shape) -> keras.Model:
    """A network without weights whose logit is the sum of `function(image)`."""
    images = keras.Input(image_shape)
    logits = layers.Lambda(
        lambda x: tf.reduce_sum(function(x), axis=(1, 2, 3))[:, tf.newaxis], output_shape=(1,)
    )(images)
    return keras.Model(images, logits)


def test_penalty_of_a_linear_discriminator_is_its_squared_norm():
    discriminator = discriminator_of(lambda x: 2.0 * x, (2, 2, 1))
    penalty = real_gradient_penalty(discriminator, tf.constant(ramp_images(3, (2, 2, 1))))
    assert float(penalty) == 4 * 2.0**2


def test_penalty_of_a_quadratic_discriminator_is_the_mean_over_the_images():
    images = ramp_images(3, (2, 3, 2))
    factors = ramp_images(1, (2, 3, 2))
    discriminator = discriminator_of(lambda x: factors * x**2, (2, 3, 2))
    expected = np.mean([np.sum((2 * factors * image) ** 2) for image in images])
    assert float(real_gradient_penalty(discriminator, tf.constant(images))) == pytest.approx(
        expected, rel=1e-6
    )


def test_logits_of_patches_are_added_up():
    images = keras.Input((4, 4, 1))
    patches = layers.AveragePooling2D(2)(images)
    # The logits sum to a quarter of every pixel.
    penalty = real_gradient_penalty(
        keras.Model(images, patches), tf.constant(ramp_images(2, (4, 4, 1)))
    )
    assert float(penalty) == pytest.approx(16 * 0.25**2)


def smooth_discriminator() -> keras.Model:
    keras.utils.set_random_seed(3)
    images = keras.Input((6, 6, 2))
    x = layers.Conv2D(3, 3, 2, activation="softplus")(images)
    x = layers.Conv2D(2, 2, activation="tanh")(x)
    return keras.Model(images, layers.Dense(1)(layers.Flatten()(x)))


def test_penalty_of_a_batch_is_the_mean_of_those_of_its_images():
    discriminator, images = smooth_discriminator(), tf.constant(ramp_images(3, (6, 6, 2)))
    alone = [float(real_gradient_penalty(discriminator, images[i : i + 1])) for i in range(3)]
    assert len(set(alone)) == 3
    assert float(real_gradient_penalty(discriminator, images)) == pytest.approx(np.mean(alone))


PENALTIES = {
    "real": real_gradient_penalty,
    "interpolated": lambda critic, images: interpolated_gradient_penalty(
        critic, images, images[::-1], (1, 2)
    ),
}


@pytest.mark.parametrize("penalty_of", PENALTIES.values(), ids=PENALTIES)
def test_gradient_with_respect_to_the_weights_agrees_with_finite_differences(penalty_of):
    discriminator, images = smooth_discriminator(), tf.constant(ramp_images(3, (6, 6, 2)))
    weights = discriminator.trainable_variables
    with tf.GradientTape() as tape:
        penalty = penalty_of(discriminator, images)
    gradients = tape.gradient(penalty, [w.value for w in weights])
    random = np.random.default_rng(0)
    directions = [random.normal(size=w.shape).astype("float32") for w in weights]
    # The last bias moves no gradient of the logit.
    assert gradients[-1] is None or float(gradients[-1][0]) == 0
    slope = sum(
        float(tf.reduce_sum(gradient * direction))
        for gradient, direction in zip(gradients[:-1], directions[:-1], strict=True)
    )
    step = 1e-3
    values = []
    for sign in (1, -1):
        for weight, direction in zip(weights, directions, strict=True):
            weight.assign_add(sign * step * direction)
        values.append(float(penalty_of(discriminator, images)))
        for weight, direction in zip(weights, directions, strict=True):
            weight.assign_sub(sign * step * direction)
    assert abs(slope) > 0.1
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(slope, rel=5e-3)


# === Between real and generated images ===


class Recorder(layers.Layer):
    """Hands on its inputs, and remembers the last."""

    seen = None

    def call(self, inputs):
        if tf.executing_eagerly():
            self.seen = inputs.numpy()
        return inputs


def points_between(num_images: int, seed=(3, 4)) -> np.ndarray:
    """Where the slope is asked, for real images all −1 and generated ones all 1."""
    recorder = Recorder()
    images = keras.Input((2, 2, 1))
    critic = keras.Model(images, layers.Dense(1)(layers.Flatten()(recorder(images))))
    ones = tf.ones((num_images, 2, 2, 1))
    interpolated_gradient_penalty(critic, -ones, ones, seed)
    return recorder.seen


def test_penalty_of_a_linear_critic_is_what_its_slope_lacks_to_1():
    # The slope of 0.8 · sum is 0.8 · √4 in every place, that of 0.5 · sum is 1.
    images = tf.constant(ramp_images(3, (2, 2, 1)))
    for factor, expected in ((0.8, 0.36), (0.5, 0.0), (0.25, 0.25)):
        critic = discriminator_of(lambda x, factor=factor: factor * x, (2, 2, 1))
        penalty = interpolated_gradient_penalty(critic, images, -images, (1, 2))
        assert float(penalty) == pytest.approx(expected, abs=1e-6)


def test_each_pair_has_one_place_of_its_own_anywhere_between():
    points = points_between(2000)
    np.testing.assert_array_equal(points, np.broadcast_to(points[:, :1, :1], points.shape))
    places = (points[:, 0, 0, 0] + 1) / 2
    assert stats.kstest(places, stats.uniform().cdf).pvalue > 0.01
    assert not np.array_equal(points, points_between(2000, seed=(3, 5)))


def test_a_flat_critic_has_a_finite_gradient():
    images = keras.Input((2, 2, 1))
    dense = layers.Dense(1, kernel_initializer="zeros")
    critic = keras.Model(images, dense(layers.Flatten()(images)))
    ones = tf.ones((3, 2, 2, 1))
    with tf.GradientTape() as tape:
        penalty = interpolated_gradient_penalty(critic, -ones, ones, (1, 2))
    assert float(penalty) == pytest.approx(1.0, abs=1e-5)
    gradient = tape.gradient(penalty, dense.kernel.value)
    assert np.isfinite(gradient.numpy()).all()


def test_no_gradient_reaches_the_generated_images():
    critic = smooth_discriminator()
    real = tf.constant(ramp_images(3, (6, 6, 2)))
    generated = tf.Variable(-real)
    with tf.GradientTape() as tape:
        penalty = interpolated_gradient_penalty(critic, real, generated, (1, 2))
    assert tape.gradient(penalty, generated) is None
