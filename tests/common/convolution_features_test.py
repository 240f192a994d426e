"""Features of all convolutions: which maps are read, how they are pooled, what batch norm keeps."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.explore.small_runs import small_dcgan
from zoo.common.convolution_features import ConvolutionFeatures, max_pooled


def images(number: int = 6) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (number, 28, 28, 1)).astype("float32")


def test_maps_are_pooled_to_the_largest_of_each_part() -> None:
    maps = np.arange(64.0, dtype="float32").reshape(1, 8, 8, 1)
    pooled = max_pooled(tf.constant(maps), 4)[0, :, :, 0]
    np.testing.assert_array_equal(pooled, maps[0, 1::2, 1::2, 0])


def test_sides_that_four_does_not_divide_are_covered_whole() -> None:
    """Of 7 rows, the four parts are 0-1, 1-3, 3-5 and 5-6: each row counts."""
    maps = np.arange(49.0, dtype="float32").reshape(1, 7, 7, 1)
    pooled = max_pooled(tf.constant(maps), 4)[0, :, :, 0]
    lasts = np.array([1, 3, 5, 6])
    np.testing.assert_array_equal(pooled, maps[0][lasts][:, lasts, 0])


def test_small_maps_stay_as_they_are() -> None:
    maps = tf.random.stateless_normal((2, 3, 2, 5), (1, 2))
    np.testing.assert_array_equal(max_pooled(maps, 4), maps)


def test_features_are_all_convolutions_after_their_activation() -> None:
    """And not the logit, though that is a convolution too."""
    network = small_dcgan().discriminator
    features = ConvolutionFeatures(network)
    assert len(features.layer_names) == 2
    ends = [each.output for each in network.layers if isinstance(each, layers.LeakyReLU)]
    maps = keras.Model(network.input, ends)(images(), training=False)
    expected = [np.reshape(max_pooled(each, 4), (6, -1)) for each in maps]
    assert features(images()).shape == (6, 4 * 4 * (8 + 16))
    np.testing.assert_allclose(features(images()), np.concatenate(expected, axis=1), atol=1e-6)


def test_residual_networks_and_wrapped_convolutions_have_features() -> None:
    wrapped = zoo.common.spectral.SpectralNormalization(layers.Conv2D(3, 3, padding="same"))
    network = keras.Sequential([keras.Input((8, 8, 1)), wrapped, layers.ReLU(), layers.Flatten()])
    features = ConvolutionFeatures(network)
    assert features(np.ones((2, 8, 8, 1), "float32")).shape == (2, 4 * 4 * 3)
    assert features(np.ones((2, 8, 8, 1), "float32")).min() >= 0.0
    r3gan = zoo.R3GAN((16, 16, 1), filters=8)
    assert len(ConvolutionFeatures(r3gan.discriminator).layer_names) >= 6


def test_a_network_of_packs_is_shown_one_image_repeatedly() -> None:
    network = small_dcgan(packing=2).discriminator
    features = ConvolutionFeatures(network)(images())
    maps = ConvolutionFeatures(network).body(np.concatenate([images()] * 2, axis=-1))
    expected = [np.reshape(max_pooled(each, 4), (6, -1)) for each in maps]
    np.testing.assert_allclose(features, np.concatenate(expected, axis=1), atol=1e-6)


def test_batch_norm_gets_the_statistics_of_the_images() -> None:
    network = small_dcgan().discriminator
    features = ConvolutionFeatures(network)
    (norm,) = [each for each in network.layers if isinstance(each, layers.BatchNormalization)]
    features.adapt([images(60)[:30], images(60)[30:]])
    before = keras.Model(network.input, norm.input)(images(60)).numpy()
    np.testing.assert_allclose(norm.moving_mean, before.mean((0, 1, 2)), atol=1e-6)
    np.testing.assert_allclose(norm.moving_variance, before.var((0, 1, 2)), rtol=1e-4)


def test_a_network_without_convolutions_is_refused() -> None:
    network = zoo.VanillaGAN((28, 28, 1)).discriminator
    with pytest.raises(ValueError, match="are of a network's convolutions"):
        ConvolutionFeatures(network)


def test_every_image_has_features_of_its_own() -> None:
    features = ConvolutionFeatures(small_dcgan().discriminator)
    np.testing.assert_allclose(features(images())[2:3], features(images()[2:3]), atol=1e-5)
