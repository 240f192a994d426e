"""Layers that compare the images of a batch: their formulas, and that they give repetition away."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.case import ramp_images
from tests.dense_gan import dense_gan
from tests.repetition import share_of_repetition_told
from tests.replicas import assert_two_equal_one
from zoo.common.batch_layers import MinibatchDiscrimination, MinibatchStandardDeviation
from zoo.common.layers import initialize_from_data

KINDS = {
    "discrimination": lambda: MinibatchDiscrimination(3, 2),
    "standard_deviation": lambda: MinibatchStandardDeviation(2),
}


@pytest.mark.parametrize("variant", [zoo.WGANGP, zoo.FaceGAN, zoo.R3GAN])
def test_no_penalty_is_on_the_slope_of_what_compares_images(variant):
    images = keras.Input((32, 32, 1))
    features = MinibatchDiscrimination(2)(layers.Flatten()(images))
    judge = keras.Model(images, layers.Dense(1)(features))
    player = "critic" if variant is zoo.WGANGP else "discriminator"
    with pytest.raises(ValueError, match="Take its minibatch discrimination out"):
        variant((32, 32, 1), **{player: judge})
    variant((32, 32, 1), gradient_penalty_weight=0.0, **{player: judge})


@pytest.fixture(params=KINDS, ids=str)
def layer(request) -> layers.Layer:
    return KINDS[request.param]()


def ramp(*shape: int) -> np.ndarray:
    return np.sin(np.arange(np.prod(shape))).reshape(shape).astype("float32")


def appended(layer: layers.Layer, inputs: np.ndarray) -> np.ndarray:
    """What the layer adds to its inputs, which it must leave as they are."""
    outputs = layer(inputs).numpy()
    width = inputs.shape[-1]
    np.testing.assert_array_equal(outputs[..., :width], inputs)
    assert layer.compute_output_shape(inputs.shape) == outputs.shape
    return outputs[..., width:]


# === Minibatch discrimination ===


def nearness_by_the_formula(layer: MinibatchDiscrimination, inputs: np.ndarray) -> np.ndarray:
    """The sums of the paper, a pair of images at a time."""
    directions, log_scale, bias = (weight.numpy() for weight in layer.weights)
    kernels = np.exp(log_scale) * directions / np.linalg.norm(directions, axis=0)
    rows = np.einsum("nf,fbc->nbc", inputs, kernels)
    result = np.tile(bias, (len(inputs), 1))
    for i, j in np.ndindex(len(inputs), len(inputs)):
        if i != j:
            result[i] += np.exp(-np.abs(rows[i] - rows[j]).sum(axis=-1))
    return result


def test_discrimination_computes_the_formula():
    layer = MinibatchDiscrimination(3, 2)
    inputs = ramp(5, 4)
    layer(inputs)
    layer.log_scale.assign(ramp(3, 2))
    layer.bias.assign([0.5, 0.0, -1.0])
    expected = nearness_by_the_formula(layer, inputs)
    np.testing.assert_allclose(appended(layer, inputs), expected, rtol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_equal_images_are_as_near_as_can_be(batch_size):
    inputs = np.repeat(ramp(1, 4), batch_size, axis=0)
    nearness = appended(MinibatchDiscrimination(3, 2), inputs)
    np.testing.assert_array_equal(nearness, batch_size - 1)


def test_discrimination_does_not_ask_for_the_order_of_images():
    layer = MinibatchDiscrimination(3, 2)
    inputs, order = ramp(6, 4), [4, 2, 0, 5, 1, 3]
    np.testing.assert_allclose(layer(inputs[order]), layer(inputs).numpy()[order], rtol=1e-6)


def test_gradient_reaches_each_image_through_the_others():
    layer = MinibatchDiscrimination(3, 2)
    inputs = tf.constant(ramp(4, 5))
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        nearness = tf.reduce_sum(layer(inputs)[0, 5:])
    gradient = tape.gradient(nearness, inputs).numpy()
    assert (np.abs(gradient).max(axis=1) > 1e-3).all()
    step = 1e-2
    for place in ((0, 1), (2, 3)):
        change = np.zeros((4, 5), "float32")
        change[place] = step
        higher, lower = (np.sum(layer(inputs + s * change)[0, 5:]) for s in (1, -1))
        assert gradient[place] == pytest.approx((higher - lower) / (2 * step), rel=2e-2)


def test_data_put_the_nearest_at_2_and_the_mean_at_0():
    inputs = keras.Input((20,))
    layer = MinibatchDiscrimination(4, 5)
    network = keras.Model(inputs, layer(inputs))
    rows = np.random.default_rng(0).normal(3.0, 10.0, (64, 20)).astype("float32")
    initialize_from_data(network, rows)
    initialize_from_data(network, rows)  # the second time from other norms
    distances = layer._distances(rows).numpy() + 1e6 * np.eye(64)[:, :, None]
    np.testing.assert_allclose(distances.min(axis=1).mean(axis=0), 2.0, rtol=1e-4)
    nearness = appended(layer, rows)
    np.testing.assert_allclose(nearness.mean(axis=0), 0.0, atol=1e-5)
    assert nearness.std() > 0.1
    assert not np.allclose(appended(layer, rows + rows[::-1]).mean(axis=0), 0.0, atol=0.01)


# === Minibatch standard deviation ===


def test_standard_deviation_is_that_of_each_group():
    inputs = ramp(8, 3, 2, 5)
    channel = appended(MinibatchStandardDeviation(4), inputs)
    for first in (0, 4):
        variance = inputs[first : first + 4].var(axis=0)
        expected = np.sqrt(variance + 1e-8).mean()
        np.testing.assert_allclose(channel[first : first + 4], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("batch_size", "sizes"), [(1, [1]), (3, [3]), (5, [5]), (7, [7]), (8, [4, 4]), (11, [4, 7])]
)
def test_images_left_over_join_the_last_group(batch_size, sizes):
    inputs = ramp(batch_size, 6)
    groups = np.split(inputs, np.cumsum(sizes)[:-1])
    expected = [np.sqrt(group.var(axis=0) + 1e-8).mean() for group in groups]
    numbers = appended(MinibatchStandardDeviation(), inputs)
    np.testing.assert_allclose(numbers, np.repeat(expected, sizes)[:, None], rtol=1e-4)


def test_equal_images_have_no_deviation():
    inputs = np.repeat(ramp(1, 6), 8, axis=0)
    np.testing.assert_allclose(appended(MinibatchStandardDeviation(), inputs), 1e-4, rtol=1e-3)


def test_its_gradient_has_a_gradient():
    # For a gradient penalty, and compiled, as on a GPU.
    layer = MinibatchStandardDeviation()
    inputs = tf.constant(ramp(9, 6))

    def penalty(inputs):
        with tf.GradientTape() as outer:
            outer.watch(inputs)
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                value = tf.reduce_sum(layer(inputs)[:, -1] ** 2)
            size = tf.reduce_sum(tape.gradient(value, inputs) ** 2)
        return outer.gradient(size, inputs)

    slope = penalty(inputs)
    assert np.abs(slope).max() > 1e-3
    compiled = tf.function(penalty, jit_compile=True)(inputs)
    np.testing.assert_allclose(compiled, slope, atol=1e-5)


# === Both ===


@pytest.mark.parametrize("kind", [*KINDS, None])
def test_a_discriminator_tells_a_batch_that_repeats_itself(kind):
    inputs = keras.Input((6,))
    features = layers.Dense(16, activation="relu")(inputs)
    features = KINDS[kind]()(features) if kind else features
    share_right = share_of_repetition_told(keras.Model(inputs, layers.Dense(1)(features)))
    assert (share_right > 0.9) if kind else (0.3 < share_right < 0.7)


def test_is_saved_and_works_on_batches_of_any_size(layer, tmp_path):
    inputs = keras.Input((6,))
    network = keras.Model(inputs, layers.Dense(1)(layer(layers.Dense(4)(inputs))))
    initialize_from_data(network, ramp(8, 6))
    network.save(tmp_path / "network.keras")
    restored = keras.saving.load_model(tmp_path / "network.keras")
    for batch_size in (1, 5):
        rows = ramp(batch_size, 6)
        np.testing.assert_array_equal(network(rows), restored(rows))


def test_half_precision_changes_little(layer):
    half = type(layer).from_config({**layer.get_config(), "dtype": "mixed_float16"})
    inputs = ramp(8, 6)
    layer(inputs)
    half.build(inputs.shape)
    half.set_weights(layer.get_weights())
    outputs = half(inputs)
    assert outputs.dtype == tf.float16
    np.testing.assert_allclose(outputs, layer(inputs), atol=5e-3)


def test_two_replicas_equal_one(layer, two_replicas):
    def build():
        inputs = keras.Input((6,))
        copy = type(layer).from_config(layer.get_config())
        return keras.Model(inputs, copy(layers.Dense(4)(inputs)))

    assert_two_equal_one(two_replicas, build, ramp(8, 6))


def test_goes_into_the_discriminator_of_a_model(layer):
    model = dense_gan(layers.Dense(4), layer)
    model.compile(run_eagerly=True)
    initialize_from_data(model.discriminator, ramp_images(8))
    logs = model.train_on_batch(ramp_images(8), return_dict=True)
    assert all(np.isfinite(value) for value in logs.values())


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (MinibatchDiscrimination, {"num_kernels": 0}),
        (MinibatchDiscrimination, {"kernel_dim": 1.5}),
        (MinibatchStandardDeviation, {"group_size": 0}),
    ],
)
def test_bad_arguments_are_named(kind, arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"`{name}` .* Received: {name}={value}"):
        kind(**arguments)
