"""The gradient penalty: values by hand, and its own gradient."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.case import ramp_images
from zoo.common.penalties import real_gradient_penalty


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


def test_gradient_with_respect_to_the_weights_agrees_with_finite_differences():
    discriminator, images = smooth_discriminator(), tf.constant(ramp_images(3, (6, 6, 2)))
    weights = discriminator.trainable_variables
    with tf.GradientTape() as tape:
        penalty = real_gradient_penalty(discriminator, images)
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
        values.append(float(real_gradient_penalty(discriminator, images)))
        for weight, direction in zip(weights, directions, strict=True):
            weight.assign_sub(sign * step * direction)
    assert abs(slope) > 0.1
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(slope, rel=5e-3)
