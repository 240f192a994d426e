"""What models refuse before any work starts."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.common.checks import (
    check_brightness,
    check_image_range,
    check_image_shape,
    check_network,
    check_positive_integers,
)


@pytest.mark.parametrize(
    ("images", "pixels"),
    [
        (np.linspace(0, 255, 16), "from 0 to 255"),
        (np.linspace(0, 1, 16), "from 0 to 1"),
        (np.linspace(-1, 3, 16), "from -1 to 3"),
    ],
)
def test_unscaled_images_are_refused(images, pixels):
    with pytest.raises(ValueError, match=f"scaled to .*Received: pixels {pixels}"):
        check_image_range((images.reshape(1, 4, 4, 1), np.zeros(1)))


# The second is bright: of bytes scaled to [-1, 1] none is exactly 0, as black is in [0, 1].
@pytest.mark.parametrize(
    "images", [np.linspace(-1, 1, 16), np.linspace(1 / 255, 1, 16), np.zeros(16), -np.ones(16)]
)
def test_scaled_images_are_accepted(images):
    images, others = images.reshape(1, 4, 4, 1), np.full((1, 7), 99.0)
    check_image_range((images, others))
    with pytest.raises(ValueError, match="scaled to"):  # if the others were images
        check_image_range((images, others[..., np.newaxis, np.newaxis]))


def photos(*levels: float) -> list[np.ndarray]:
    """A batch of one image for each level, which is that of its darkest pixel."""
    return [np.linspace(level, 1, 16).reshape(1, 4, 4, 1) for level in levels]


def test_bright_images_are_warned_of_only_if_no_other_is_darker():
    with pytest.warns(UserWarning, match="No pixel of the first 3 images is below 0"):
        check_brightness(photos(0.2, 0.1, 0.3))
    looked_at = iter(photos(0.2, -0.1, 0.1))
    check_brightness(looked_at)
    assert len(list(looked_at)) == 1
    check_brightness([np.zeros(3)])
    dark, empty = photos(-0.5)[0], np.zeros((0, 4, 4, 1))
    check_brightness([(dark, photos(0.2)[0]), (empty, dark)])


def test_a_black_pixel_tells_that_bright_images_are_unscaled():
    with pytest.raises(ValueError, match="pixels from 0 to 1"):
        check_brightness(photos(0.2, 0.1, 0.0))


def test_image_shape_may_be_a_list():
    assert check_image_shape([28, 28, 1]) == (28, 28, 1)


@pytest.mark.parametrize("image_shape", [(28, 28), (28, 28, 0), (28.0, 28, 1), 28, None])
def test_image_shape_is_three_positive_integers(image_shape):
    with pytest.raises(ValueError, match="three positive integers. Received: image_shape="):
        check_image_shape(image_shape)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_points_and_pixels_are_finite(wrong):
    check_image_range((np.array([[-3.0, 50.0]]), np.array([1, 2])))
    message = rf"must be finite; .*Received: {wrong} in row 1 of a batch of shape \(2, "
    with pytest.raises(ValueError, match=message):
        check_image_range(np.array([[0.0, 1.0], [wrong, 0.0]], "float32"))
    images = np.linspace(-1, 1, 8).reshape(2, 2, 2, 1)
    images[1, 0, 1] = wrong
    with pytest.raises(ValueError, match=f"Pixels {message}"):
        check_image_range((images[:1], images))


def test_networks_that_squash_what_they_give_are_refused():
    images = keras.Input((4, 4, 1))
    logit = keras.layers.Dense(1, activation="sigmoid")(keras.layers.Flatten()(images))
    with pytest.raises(ValueError, match="logits; leave the sigmoid out"):
        check_network("critic", keras.Model(images, logit), (4, 4, 1), (1,))
    latents = keras.Input((3,))
    pixels = keras.layers.Dense(16, activation="sigmoid")(latents)
    outputs = keras.layers.Reshape((4, 4, 1))(pixels)
    with pytest.raises(ValueError, match=r"pixels in \[-1, 1\]; end it in a tanh"):
        check_network("generator", keras.Model(latents, outputs), (3,), (4, 4, 1))
    sequence = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="sigmoid")])
    with pytest.raises(ValueError, match="logits; leave the sigmoid out"):
        check_network("discriminator", sequence, (3,), (2,))
    scaled = keras.layers.Rescaling(2.0, -1.0)(outputs)
    check_network("generator", keras.Model(latents, scaled), (3,), (4, 4, 1))


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (lambda logits: keras.layers.Activation("tanh")(logits), "tanh"),
        (lambda logits: keras.layers.Activation("log_sigmoid")(logits), "log_sigmoid"),
        (lambda logits: keras.layers.Softmax()(logits), "Softmax"),
        (lambda logits: keras.ops.sigmoid(logits), "Sigmoid"),
        (lambda logits: keras.activations.hard_sigmoid(logits), "HardSigmoid"),
        (lambda logits: keras.layers.Activation("linear")(keras.ops.tanh(logits)), "Tanh"),
        (lambda logits: keras.layers.Identity()(keras.layers.Softmax()(logits)), "Softmax"),
        (keras.Sequential([keras.Input((1,)), keras.layers.Activation("sigmoid")]), "sigmoid"),
    ],
)
def test_logits_within_bounds_are_refused_however_they_are_spelled(end, kind):
    images = keras.Input((4, 4, 1))
    logit = keras.layers.Dense(1)(keras.layers.Flatten()(images))
    with pytest.raises(ValueError, match=f"must give logits; leave the {kind} out"):
        check_network("critic", keras.Model(images, end(logit)), (4, 4, 1), (1,))
    for allowed in (keras.layers.LeakyReLU(), keras.layers.Activation("linear")):
        check_network("critic", keras.Model(images, allowed(logit)), (4, 4, 1), (1,))


@pytest.mark.parametrize(
    "end",
    [
        keras.layers.ReLU(),
        keras.layers.Activation("relu6"),
        keras.layers.Activation("softplus"),
        keras.ops.relu,
        keras.ops.exp,
    ],
)
def test_pixels_that_are_never_negative_are_refused(end):
    latents = keras.Input((16,))
    pixels = keras.layers.Reshape((4, 4, 1))(end(latents))
    with pytest.raises(ValueError, match=r"must give pixels in \[-1, 1\]; end it in a tanh"):
        check_network("generator", keras.Model(latents, pixels), (16,), (4, 4, 1))
    leaky = keras.layers.Reshape((4, 4, 1))(keras.layers.ReLU(negative_slope=0.1)(latents))
    check_network("generator", keras.Model(latents, leaky), (16,), (4, 4, 1))


def test_points_may_end_in_anything():
    latents = keras.Input((2,))
    points = keras.Model(latents, keras.layers.Activation("sigmoid")(latents))
    check_network("generator", points, (2,), (2,))
    with pytest.raises(ValueError, match="generator"):
        check_network("generator", points, (2,), (3,))


@pytest.mark.parametrize(
    "network", [keras.Sequential([keras.layers.Dense(1)]), lambda images: images, "generator"]
)
def test_networks_of_unknown_shapes_are_refused(network):
    with pytest.raises(ValueError, match="`generator` must be a network of known shapes"):
        check_network("generator", network, (3,), (4, 4, 1))


def test_sizes_may_be_integers_of_numpy():
    check_positive_integers(filters=np.int64(3))
    assert check_image_shape(np.array([28, 28, 1])) == (28, 28, 1)
    with pytest.raises(ValueError, match="positive integer"):
        check_positive_integers(filters=np.float64(3))


def test_a_network_that_does_not_fit_is_named_with_its_shapes():
    inputs = keras.Input((3,))
    network = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    check_network("generator", network, (3,), (2,))
    with pytest.raises(ValueError, match=r"`generator` must take .*takes \(3,\) and gives \(2,\)"):
        check_network("generator", network, (3,), (28, 28, 1))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_every_row_of_halves_is_looked_at(dtype):
    images = tf.cast(np.full((600, 2, 2, 1), -0.5), dtype).numpy()
    check_image_range(images)
    images[599, 0, 0, 0] = 3.0
    with pytest.raises(ValueError, match="pixels from -0.5 to 3 in a batch of shape"):
        check_image_range(images)
    images[300, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="Received: nan in row 300"):
        check_image_range(images)
