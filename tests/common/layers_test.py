"""Weight normalisation against its formula, and noise that differs by replica."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from zoo.common.layers import (
    Maxout,
    ReflectionPadding2D,
    ReplicaSeedGenerator,
    WeightNormalizedConv2D,
    WeightNormalizedConv2DTranspose,
    WeightNormalizedDense,
    initialize_from_data,
)

LAYERS = {
    "dense": (lambda **kwargs: WeightNormalizedDense(5, **kwargs), (4, 6), -1),
    "convolution": (lambda **kwargs: WeightNormalizedConv2D(5, 3, **kwargs), (4, 8, 8, 2), -1),
    "transposed": (
        lambda **kwargs: WeightNormalizedConv2DTranspose(5, 3, 2, "same", **kwargs),
        (4, 8, 8, 2),
        -2,
    ),
}


@pytest.fixture(params=LAYERS, ids=str)
def layer_case(request):
    return LAYERS[request.param]


def ramp(shape) -> np.ndarray:
    return np.sin(np.arange(np.prod(shape))).reshape(shape).astype("float32")


def test_kernel_has_the_norm_that_scale_says(layer_case):
    make, shape, output_axis = layer_case
    layer = make()
    layer.build(shape)
    scale = np.linspace(0.5, 2.0, 5).astype("float32")
    layer.scale.assign(scale)
    kernel = np.moveaxis(layer.kernel.numpy(), output_axis, -1).reshape(-1, 5)
    direction = np.moveaxis(layer._kernel.numpy(), output_axis, -1).reshape(-1, 5)
    np.testing.assert_allclose(np.linalg.norm(kernel, axis=0), scale, rtol=1e-5)
    np.testing.assert_allclose(
        kernel, scale * direction / np.linalg.norm(direction, axis=0), rtol=1e-5
    )


def test_dense_computes_the_formula():
    layer = WeightNormalizedDense(3, activation="relu")
    inputs = ramp((4, 6))
    outputs = layer(inputs)
    direction = layer._kernel.numpy()
    layer.scale.assign([1.0, 2.0, 3.0])
    layer.bias.assign([0.1, -0.2, 0.3])
    weights = np.array([1.0, 2.0, 3.0]) * direction / np.linalg.norm(direction, axis=0)
    expected = np.maximum(inputs @ weights + np.array([0.1, -0.2, 0.3]), 0)
    np.testing.assert_allclose(layer(inputs), expected, atol=1e-6)
    assert not np.allclose(outputs, expected)


def test_gradient_is_orthogonal_to_the_direction(layer_case):
    # w does not change when v is stretched, so the loss can't change along v.
    make, shape, output_axis = layer_case
    layer = make()
    inputs = ramp(shape)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(layer(inputs)) * 0.1)
    gradient = tape.gradient(loss, layer._kernel.value).numpy()
    products = gradient * layer._kernel.numpy()
    along = np.moveaxis(products, output_axis, -1).reshape(-1, 5).sum(axis=0)
    assert np.abs(gradient).max() > 0.01
    np.testing.assert_allclose(along, 0, atol=1e-4)


def textbook_outputs(layer, inputs):
    """What the layer's Keras class gives with w = scale · v/‖v‖ as its kernel."""
    transposed = isinstance(layer, layers.Conv2DTranspose)
    direction = tf.convert_to_tensor(layer._kernel)
    scale = layer.scale[:, tf.newaxis] if transposed else layer.scale
    axes = (0, 1, 3) if transposed else tuple(range(direction.shape.rank - 1))
    norm = tf.sqrt(tf.reduce_sum(direction**2, axis=axes, keepdims=True))
    kernel = scale * direction / norm
    if isinstance(layer, layers.Dense):
        return tf.matmul(inputs, kernel) + layer.bias
    if transposed:
        return keras.ops.conv_transpose(inputs, kernel, 2, "same") + layer.bias
    return keras.ops.conv(inputs, kernel) + layer.bias


def slopes_and_curvature(outputs_of, layer, inputs):
    """Gradients of a loss, and of its slope at the inputs, as a gradient penalty needs them."""
    variables = [layer._kernel.value, layer.scale.value, layer.bias.value]
    with tf.GradientTape(persistent=True) as outer:
        with tf.GradientTape() as inner:
            inner.watch(inputs)
            loss = tf.reduce_sum(tf.sin(outputs_of(inputs)))
        slope = tf.reduce_sum(inner.gradient(loss, inputs) ** 2)
    return outer.gradient(loss, variables) + outer.gradient(slope, variables)


def test_derivatives_are_those_of_the_formula(layer_case):
    make, shape, _ = layer_case
    layer = make(train_scale=True, kernel_initializer="he_normal")
    layer.build(shape)
    layer.scale.assign(np.linspace(0.5, 2.0, 5))
    layer.bias.assign(np.linspace(-1.0, 1.0, 5))
    inputs = tf.constant(ramp(shape))
    ours = slopes_and_curvature(layer, layer, inputs)
    expected = slopes_and_curvature(lambda x: textbook_outputs(layer, x), layer, inputs)
    for mine, textbook in zip(ours, expected, strict=True):
        assert np.abs(textbook).max() > 0.01
        np.testing.assert_allclose(mine, textbook, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("train_scale", [False, True])
def test_scale_is_trained_only_when_asked(layer_case, train_scale):
    make, shape, _ = layer_case
    layer = make(train_scale=train_scale)
    layer.build(shape)
    assert any(v is layer.scale for v in layer.trainable_variables) == train_scale
    assert len(layer.weights) == 3


@pytest.mark.parametrize("initial_stddev", [1.0, 0.1])
def test_initialisation_gives_each_unit_mean_0_and_the_asked_deviation(layer_case, initial_stddev):
    make, shape, _ = layer_case
    inputs = keras.Input(shape[1:])
    network = keras.Model(inputs, make(initial_stddev=initial_stddev, activation="linear")(inputs))
    images = np.random.default_rng(0).normal(3.0, 2.0, (64, *shape[1:])).astype("float32")
    initialize_from_data(network, images)
    outputs = network(images).numpy().reshape(-1, 5)
    np.testing.assert_allclose(outputs.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(outputs.std(axis=0), initial_stddev, rtol=1e-3)


def test_initialisation_goes_from_the_first_layer_to_the_last():
    inputs = keras.Input((6,))
    first = WeightNormalizedDense(8, activation="relu")
    second = WeightNormalizedDense(4)
    network = keras.Model(inputs, second(first(inputs)))
    rows = np.random.default_rng(0).normal(5.0, 3.0, (512, 6)).astype("float32")
    initialize_from_data(network, rows)
    outputs = network(rows).numpy()
    np.testing.assert_allclose(outputs.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(outputs.std(axis=0), 1, rtol=1e-3)
    again = network(rows + 1.0).numpy()
    assert not np.allclose(again.mean(axis=0), 0, atol=0.01), "a later call must not adapt again"


def test_survives_a_round_trip_through_a_keras_file(layer_case, tmp_path):
    make, shape, _ = layer_case
    inputs = keras.Input(shape[1:])
    network = keras.Model(inputs, make(train_scale=True, initial_stddev=0.5)(inputs))
    initialize_from_data(network, ramp(shape))
    network.save(tmp_path / "network.keras")
    restored = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(network(ramp(shape)), restored(ramp(shape)))
    assert restored.layers[-1].get_config()["initial_stddev"] == 0.5


def test_refuses_a_deviation_that_is_not_positive():
    with pytest.raises(ValueError, match="initial_stddev=0"):
        WeightNormalizedDense(3, initial_stddev=0)


# === Noise ===


def noisy_network() -> keras.Model:
    inputs = keras.Input((50,))
    return keras.Model(inputs, layers.Dropout(0.5)(layers.GaussianNoise(0.5)(inputs)))


def test_noise_is_kerass_own_on_one_replica():
    keras_layer = layers.GaussianNoise(0.5, seed=3)
    ours = layers.GaussianNoise(0.5, seed=3)
    ReplicaSeedGenerator.adopt(ours.seed_generator)
    zeros = np.zeros((2, 5), "float32")
    for _ in range(2):
        np.testing.assert_array_equal(keras_layer(zeros, training=True), ours(zeros, training=True))


@pytest.mark.parametrize("adopt", [False, True])
def test_noise_differs_by_replica_once_adopted(adopt, two_replicas):
    with two_replicas.scope():
        network = noisy_network()
    for layer in network.layers:
        if adopt and hasattr(layer, "seed_generator"):
            ReplicaSeedGenerator.adopt(layer.seed_generator)
    inputs = tf.ones((3, 50))

    @tf.function
    def draw():
        return two_replicas.run(lambda: network(inputs, training=True))

    first, second = two_replicas.experimental_local_results(draw())
    assert np.array_equal(first, second) != adopt
    later, _ = two_replicas.experimental_local_results(draw())
    assert not np.array_equal(first, later)


# === Maxout ===


def test_maxout_is_the_largest_of_its_linear_pieces():
    layer = Maxout(2, 3)
    inputs = ramp((4, 5))
    outputs = layer(inputs)
    kernel, bias = (weight.numpy() for weight in layer.weights)
    for unit in range(2):
        pieces = [inputs @ kernel[:, 3 * unit + k] + bias[3 * unit + k] for k in range(3)]
        np.testing.assert_allclose(outputs[:, unit], np.max(pieces, axis=0), rtol=1e-5)


def test_maxout_of_x_and_minus_x_is_its_absolute_value():
    layer = Maxout(1, 2)
    layer.build((None, 1))
    layer.pieces.kernel.assign([[1.0, -1.0]])
    inputs = np.array([[-3.0], [0.0], [2.0]], "float32")
    np.testing.assert_array_equal(layer(inputs), np.abs(inputs))


def test_maxout_is_rebuilt_from_its_config():
    layer = Maxout(2, 3, kernel_initializer=keras.initializers.RandomUniform(-0.1, 0.1))
    again = Maxout.from_config(layer.get_config())
    again.build((None, 5))
    assert (again.units, again.num_pieces) == (2, 3)
    assert 0.05 < np.abs(again.pieces.kernel).max() <= 0.1
    assert again.compute_output_shape((7, 5)) == (7, 2)


@pytest.mark.parametrize(("units", "num_pieces"), [(0, 3), (2, 0), (2, 1.5)])
def test_maxout_names_what_is_no_positive_integer(units, num_pieces):
    with pytest.raises(ValueError, match="must be a positive integer. Received: "):
        Maxout(units, num_pieces)


# === Reflection padding ===


@pytest.mark.parametrize("padding", [1, 3])
def test_padding_reflects_as_numpy_does(padding):
    inputs = ramp((2, 5, 4, 3))
    sides = (padding, padding)
    expected = np.pad(inputs, [(0, 0), sides, sides, (0, 0)], mode="reflect")
    layer = ReflectionPadding2D(padding)
    np.testing.assert_array_equal(layer(inputs), expected)
    assert layer.compute_output_shape((2, 5, 4, 3)) == expected.shape
    assert layer.compute_output_shape((None, None, 4, 3)) == (None, None, 4 + 2 * padding, 3)
    assert ReflectionPadding2D.from_config(layer.get_config()).padding == padding


@pytest.mark.parametrize("padding", [0, -1, 1.5])
def test_padding_is_a_positive_integer(padding):
    with pytest.raises(ValueError, match=f"Received: padding={padding}"):
        ReflectionPadding2D(padding)
