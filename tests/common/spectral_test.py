"""Spectral normalisation against singular values and finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.case import ramp_images
from tests.dense_gan import dense_gan
from tests.replicas import assert_two_equal_one
from zoo.common.spectral import SpectralNormalization

KINDS = {
    "dense": (lambda: layers.Dense(5), (4, 7)),
    "convolution": (lambda: layers.Conv2D(5, 3), (2, 6, 6, 2)),
    "transposed": (lambda: layers.Conv2DTranspose(2, 3, 2, "same"), (2, 4, 4, 5)),
}


@pytest.fixture(params=KINDS, ids=str)
def kind(request):
    return KINDS[request.param]


def ramp(*shape: int) -> np.ndarray:
    return np.sin(np.arange(np.prod(shape))).reshape(shape).astype("float32")


def norm_of(layer: SpectralNormalization) -> float:
    matrix = layer.kernel.numpy().reshape(-1, layer.kernel.shape[-1])
    return np.linalg.svd(matrix, compute_uv=False)[0]


def settled(kind) -> tuple[SpectralNormalization, np.ndarray]:
    """A layer whose kernel was stretched, after 50 calls."""
    make, shape = kind
    layer, inputs = SpectralNormalization(make()), ramp(*shape)
    layer(inputs)
    layer.kernel.assign(3.0 * layer.kernel)
    for _ in range(50):
        layer(inputs, training=True)
    return layer, inputs


def test_divides_by_the_largest_singular_value(kind):
    layer, inputs = settled(kind)
    norm = norm_of(layer)
    assert abs(norm - 1.0) > 0.5, "the kernel itself must stay as it is"
    expected = layer.layer(inputs) / norm  # its bias is 0
    np.testing.assert_allclose(layer(inputs, training=True), expected, rtol=2e-3, atol=1e-4)
    np.testing.assert_allclose(layer(inputs), expected, rtol=2e-3, atol=1e-4)


def test_a_dense_layer_stretches_nothing():
    layer, _ = settled(KINDS["dense"])
    effective = layer(np.eye(7, dtype="float32")).numpy()
    assert np.linalg.svd(effective, compute_uv=False)[0] == pytest.approx(1.0, abs=1e-3)


def test_a_convolution_stretches_by_no_more_than_the_root_of_its_kernel_s_size():
    # The square matrix of the convolution, whose columns are the answers to each single pixel.
    layer, _ = settled(KINDS["convolution"])
    pixels = np.eye(6 * 6 * 2, dtype="float32").reshape(-1, 6, 6, 2)
    answers = layer(pixels).numpy().reshape(len(pixels), -1)
    norm = np.linalg.svd(answers, compute_uv=False)[0]
    assert 1.0 < norm <= np.sqrt(3 * 3)


@pytest.mark.parametrize("training", [True, False])
def test_only_training_moves_u(kind, training):
    make, shape = kind
    layer = SpectralNormalization(make())
    layer(ramp(*shape))
    before = layer.vector_u.numpy()
    layer(ramp(*shape), training=training)
    assert np.array_equal(before, layer.vector_u) != training


def slope_and_difference(layer, inputs, training) -> tuple[np.ndarray, np.ndarray]:
    """The gradient of a loss by the kernel, and finite differences of it for some weights."""

    def loss():
        return tf.reduce_sum(tf.sin(2.0 * layer(inputs, training=training)))

    kernel, u = layer.kernel.numpy(), layer.vector_u.numpy()
    with tf.GradientTape() as tape:
        value = loss()
    gradient = tape.gradient(value, layer.kernel.value).numpy()
    differences = []
    for place in list(np.ndindex(kernel.shape))[::17]:
        ends = []
        for step in (1e-2, -1e-2):
            changed = kernel.copy()
            changed[place] += step
            layer.kernel.assign(changed)
            layer.vector_u.assign(u)
            ends.append(float(loss()))
        differences.append((ends[0] - ends[1]) / 2e-2)
    layer.kernel.assign(kernel)
    return gradient.ravel()[::17], np.array(differences)


@pytest.mark.parametrize("training", [True, False])
def test_gradient_passes_through_the_norm(kind, training):
    layer, inputs = settled(kind)
    gradient, differences = slope_and_difference(layer, inputs, training)
    assert np.abs(gradient).max() > 0.1
    np.testing.assert_allclose(gradient, differences, rtol=0.02, atol=0.02)
    # The loss does not change where the kernel is stretched, so neither may it along it.
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(tf.sin(2.0 * layer(inputs)))
    along = tf.reduce_sum(tape.gradient(value, layer.kernel.value) * layer.kernel)
    assert float(along) == pytest.approx(0.0, abs=5e-3)


def test_the_layer_of_keras_lacks_that_gradient():
    layer, inputs = settled(KINDS["dense"])
    keras_s = layers.SpectralNormalization(layers.Dense(5))
    keras_s(inputs)
    keras_s.set_weights(layer.get_weights())
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(tf.sin(2.0 * keras_s(inputs, training=True)))
    along = tf.reduce_sum(tape.gradient(value, keras_s.kernel.value) * keras_s.kernel)
    assert abs(float(along)) > 0.1


def test_a_kernel_of_zeros_stays():
    layer = SpectralNormalization(layers.Dense(5, kernel_initializer="zeros"))
    inputs = ramp(4, 7)
    with tf.GradientTape() as tape:
        outputs = layer(inputs, training=True)
        loss = tf.reduce_sum(outputs * ramp(4, 5))
    np.testing.assert_array_equal(outputs, np.zeros((4, 5)))
    gradient = tape.gradient(loss, layer.kernel.value)
    np.testing.assert_allclose(gradient, inputs.T @ ramp(4, 5), rtol=1e-4, atol=1e-5)


def test_an_embedding_is_normalised_too():
    layer = SpectralNormalization(layers.Embedding(6, 3), power_iterations=30)
    rows = layer(np.arange(6), training=True)
    assert np.linalg.svd(rows, compute_uv=False)[0] == pytest.approx(1.0, abs=1e-3)


def test_u_is_saved(kind, tmp_path):
    make, shape = kind
    inputs = keras.Input(shape[1:])
    network = keras.Model(inputs, SpectralNormalization(make(), power_iterations=2)(inputs))
    network(ramp(*shape), training=True)
    network.save(tmp_path / "network.keras")
    restored = keras.saving.load_model(tmp_path / "network.keras")
    layer, again = network.layers[-1], restored.layers[-1]
    assert type(again) is SpectralNormalization
    assert again.power_iterations == 2
    np.testing.assert_array_equal(again.vector_u, layer.vector_u)
    np.testing.assert_array_equal(network(ramp(*shape)), restored(ramp(*shape)))


def small_network() -> keras.Model:
    inputs = keras.Input((6, 6, 2))
    x = layers.Flatten()(SpectralNormalization(layers.Conv2D(4, 3))(inputs))
    return keras.Model(inputs, SpectralNormalization(layers.Dense(1))(layers.LeakyReLU()(x)))


def test_two_replicas_equal_one(two_replicas):
    assert_two_equal_one(two_replicas, small_network, ramp(8, 6, 6, 2))


def test_half_precision_changes_little():
    full = small_network()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = small_network()
    finally:
        keras.config.set_dtype_policy("float32")
    half.set_weights(full.get_weights())
    inputs = ramp(4, 6, 6, 2)
    for _ in range(3):
        expected, outputs = full(inputs, training=True), half(inputs, training=True)
    assert outputs.dtype == tf.float16
    np.testing.assert_allclose(outputs, expected, atol=5e-3)
    for a, b in zip(full.get_weights(), half.get_weights(), strict=True):
        assert b.dtype == np.float32
        np.testing.assert_allclose(a, b, atol=2e-3)


def test_goes_into_the_discriminator_of_a_model():
    layer = SpectralNormalization(layers.Dense(5))
    model = dense_gan(layer)
    model.compile(run_eagerly=True, objective="hinge")
    kernel, u = layer.kernel.numpy(), layer.vector_u.numpy()
    model.train_on_batch(ramp_images(8))
    assert not np.array_equal(kernel, layer.kernel)
    assert not np.array_equal(u, layer.vector_u)


def test_with_weights_held_by_a_scope_around_it_all_are_used():
    network = small_network()
    inputs = ramp(2, 6, 6, 2)
    held = [2.0 * tf.convert_to_tensor(v.value) + 0.1 for v in network.trainable_variables]
    states = [tf.convert_to_tensor(v.value) for v in network.non_trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(held)
        outputs, _ = network.stateless_call(held, states, inputs)
        total = tf.reduce_sum(outputs)
    assert all(gradient is not None for gradient in tape.gradient(total, held))
    network_with_them = small_network()
    network_with_them.set_weights(network.get_weights())
    for variable, value in zip(network_with_them.trainable_variables, held, strict=True):
        variable.assign(value)
    np.testing.assert_allclose(outputs, network_with_them(inputs), rtol=1e-5)
