"""One call on two batches is two calls, where a network treats each image alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from zoo import cyclegan
from zoo.common.translation_networks import train_on_both

IMAGES = tf.random.stateless_uniform((2, 16, 16, 3), (1, 2), -1.0, 1.0)
OTHERS = tf.random.stateless_uniform((1, 16, 16, 3), (3, 4), -1.0, 1.0)


def _calls(network: keras.Model, calls: list[int]) -> keras.Model:
    """Has a network note the images of each call."""
    call = network.call

    def noting(images, **options):
        calls.append(images.shape[0])
        return call(images, **options)

    network.call = noting
    return network


@pytest.mark.parametrize(
    "build", [cyclegan.build_generator, cyclegan.build_discriminator], ids=["generator", "judge"]
)
def test_networks_of_the_paper_are_called_once_with_the_same_gradients(build):
    network = build(3, 4, 1)
    weights = network.trainable_variables

    def loss(outputs):
        return sum(tf.reduce_sum(tf.sin(each)) for each in outputs)

    with tf.GradientTape() as tape:
        value = loss([network(IMAGES, training=True), network(OTHERS, training=True)])
    apart = tape.gradient(value, weights)
    calls = []
    with tf.GradientTape() as tape:
        value = loss(train_on_both(_calls(network, calls), IMAGES, OTHERS))
    together = tape.gradient(value, weights)
    assert calls == [3]
    largest = max(np.abs(gradient).max() for gradient in apart)
    for ours, theirs in zip(together, apart, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * largest)


@pytest.mark.parametrize("layer", [layers.BatchNormalization(), layers.Dropout(0.5)])
def test_a_network_whose_images_have_company_is_called_twice(layer):
    images = keras.Input((16, 16, 3))
    calls = []
    network = _calls(keras.Model(images, layer(layers.Conv2D(3, 1)(images))), calls)
    given = train_on_both(network, IMAGES, OTHERS)
    assert calls == [2, 1]
    assert [each.shape[0] for each in given] == [2, 1]
