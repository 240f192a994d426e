"""Guided backpropagation: what its rectifiers pass back, and what the command shows."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.explore.small_runs import linear_model, small_dcgan
from zoo.common.convolution_features import ConvolutionFeatures
from zoo.explore.guided import guided_copy

PIXELS = np.array([1.0, -1.0], "float32").reshape(1, 1, 2, 1)


def parts_network(rectifier=None, activation=None) -> keras.Model:
    """Each pixel's positive part, less its negative part: the pixel itself, of slope 1."""
    images = keras.Input((1, 2, 1))
    x = layers.Conv2D(2, 1, use_bias=False, activation=activation, name="parts")(images)
    x = x if rectifier is None else rectifier(x)
    network = keras.Model(images, layers.Conv2D(1, 1, use_bias=False)(x))
    network.set_weights([np.reshape([1.0, -1.0], (1, 1, 1, 2)), np.reshape([1, -1], (1, 1, 2, 1))])
    return network


def slopes(network: keras.Model) -> np.ndarray:
    images = tf.constant(PIXELS)
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = network(images)
    return tape.gradient(outputs, images).numpy().ravel()


@pytest.mark.parametrize(
    "options",
    [
        {"rectifier": layers.ReLU()},
        {"activation": "relu"},
        {"rectifier": layers.Activation("relu")},
    ],
    ids=["layer", "activation of a layer", "activation layer"],
)
def test_only_what_is_positive_goes_back(options) -> None:
    """The negative part speaks against the output, so its pixel gets no gradient."""
    network = parts_network(**options)
    np.testing.assert_array_equal(slopes(network), [1.0, 1.0])
    copy = guided_copy(network)
    np.testing.assert_array_equal(copy(PIXELS), network(PIXELS))
    np.testing.assert_array_equal(slopes(copy), [1.0, 0.0])


def test_leaky_rectifiers_are_guided_too_and_give_the_same() -> None:
    network = parts_network(rectifier=layers.LeakyReLU(negative_slope=0.2))
    np.testing.assert_allclose(slopes(network), [1.2, 1.2], rtol=1e-6)
    copy = guided_copy(network)
    np.testing.assert_array_equal(copy(PIXELS), network(PIXELS))
    np.testing.assert_array_equal(slopes(copy), [1.0, 0.0])


def test_both_discriminators_are_shown_and_left_alone(data_dir) -> None:
    digits = zoo.datasets.open("mnist_small", data_dir=data_dir)
    model = small_dcgan()
    before = [np.array(weight) for weight in model.get_weights()]
    findings = zoo.explore.guided(model, digits, num_features=3, num_images=40)
    told = findings.facts["discriminators"]
    assert set(told) == {"trained", "untrained"} and told["trained"] != told["untrained"]
    for each in told.values():
        assert 0.1 < each["energy_in_strongest_tenth"] <= 1.0
        assert each["selectivity"] > 0.5
    assert findings.facts["layer"] == ConvolutionFeatures(model.discriminator).layer_names[-1]
    assert findings.pictures["guided"].shape[0] == 4 * (84 + 4) + 4
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_discriminator_without_convolutions_is_refused(data_dir) -> None:
    digits = zoo.datasets.open("mnist_small", image_size=(4, 4), data_dir=data_dir)
    with pytest.raises(ValueError, match="convolutions"):
        zoo.explore.guided(linear_model(), digits, num_images=10)
