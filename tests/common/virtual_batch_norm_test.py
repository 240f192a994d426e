"""Virtual batch norm: its formula, that it keeps examples apart, and that it fits any model."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import export
from tests.case import ramp_images
from tests.dense_gan import IMAGE_SHAPE, dense_gan
from tests.replicas import assert_two_equal_one
from zoo.common.virtual_batch_norm import VirtualBatchNormalization, with_reference_batch


def ramp(*shape: int) -> np.ndarray:
    return np.sin(np.arange(np.prod(shape)) + 0.1).reshape(shape).astype("float32")


def plain_network(normalization=VirtualBatchNormalization) -> keras.Model:
    """Latents of 4 to maps of 3x3x2."""
    latents = keras.Input((4,))
    x = layers.Reshape((3, 3, 2))(layers.Dense(18)(latents))
    x = layers.LeakyReLU()(normalization()(x))
    return keras.Model(latents, layers.Conv2D(2, 3, padding="same")(x), name="maps")


def network_of(num_references: int = 5) -> keras.Model:
    return with_reference_batch(plain_network(), ramp(num_references, 4))


# === The layer ===


@pytest.mark.parametrize("shape", [(2, 3, 2), (2,)])
def test_computes_the_formula(shape):
    layer = VirtualBatchNormalization(num_references=4)
    inputs = ramp(7, *shape) + 0.5
    outputs = layer(inputs).numpy()
    gamma, beta = ramp(2) + 2.0, ramp(2)
    layer.set_weights([gamma, beta])
    outputs = layer(inputs).numpy()
    references = inputs[:4].reshape(-1, 2)
    mean, square = references.mean(axis=0), (references**2).mean(axis=0)
    expected = gamma * (inputs[:4] - mean) / np.sqrt(references.var(axis=0) + 1e-5) + beta
    np.testing.assert_allclose(outputs[:4], expected, rtol=1e-4, atol=1e-5)
    for example, output in zip(inputs[4:], outputs[4:], strict=True):
        pixels = example.reshape(-1, 2)
        joined = (4 * mean + pixels.mean(axis=0)) / 5
        variance = (4 * square + (pixels**2).mean(axis=0)) / 5 - joined**2
        expected = gamma * (example - joined) / np.sqrt(variance + 1e-5) + beta
        np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)


def test_a_large_reference_batch_makes_the_statistics_constant():
    # The same references many times over: only how much an example itself counts can change.
    inputs, references = ramp(3, 2, 3, 2) + 1.0, ramp(4, 2, 3, 2)
    pixels = references.reshape(-1, 2)
    constant = (inputs - pixels.mean(axis=0)) / np.sqrt(pixels.var(axis=0) + 1e-5)
    distances = []
    for times in (1, 10, 100, 1000):
        layer = VirtualBatchNormalization(gamma_initializer="ones", num_references=4 * times)
        rows = np.concatenate([np.tile(references, (times, 1, 1, 1)), inputs])
        distances.append(np.abs(layer(rows)[4 * times :] - constant).max())
    assert distances[0] > 0.1
    for smaller, larger in zip(distances[1:], distances, strict=False):
        assert smaller < 0.2 * larger


def test_scale_begins_as_in_the_authors_code():
    layer = VirtualBatchNormalization(num_references=1)
    layer.build((None, 2000))
    assert np.mean(layer.gamma) == pytest.approx(1.0, abs=2e-3)
    assert np.std(layer.gamma) == pytest.approx(0.02, rel=0.1)


# === A network with a reference batch ===


def slopes_between_examples(network: keras.Model) -> np.ndarray:
    """How strongly each example of a batch depends on each, `(3, 3)`."""
    latents = tf.constant(ramp(3, 4) + 0.3)
    with tf.GradientTape() as tape:
        tape.watch(latents)
        outputs = network(latents, training=True)
    return np.abs(tape.jacobian(outputs, latents)).max(axis=(1, 2, 3, 5))


def test_no_example_depends_on_another():
    slopes = slopes_between_examples(network_of())
    assert (np.diag(slopes) > 0.01).all()
    np.testing.assert_array_equal(slopes, np.diag(np.diag(slopes)))
    with_batch_norm = slopes_between_examples(plain_network(layers.BatchNormalization))
    assert (with_batch_norm > 0.01).all()


def test_statistics_follow_the_weights():
    network = network_of()
    latents = ramp(3, 4) + 0.3
    before = network(latents).numpy()
    dense = network.get_layer("maps").layers[1]
    dense.kernel.assign(10.0 * dense.kernel)
    # Ten times as large before it is normalised by what is ten times as large.
    np.testing.assert_allclose(network(latents), before, atol=1e-3)
    network.get_layer("reference_batch").references.assign(ramp(5, 4) + 2.0)
    assert not np.allclose(network(latents), before, atol=0.1)


def test_gradient_flows_through_the_reference_batch():
    # By the layer before it alone: a scale of its kernel must not change the loss.
    network = network_of()
    kernel = network.get_layer("maps").layers[1].kernel
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sin(network(ramp(3, 4) + 0.3)))
    slope = tape.gradient(loss, kernel.value)
    assert np.abs(slope).max() > 0.1
    assert float(tf.reduce_sum(slope * kernel)) == pytest.approx(0.0, abs=2e-3)


def test_outputs_are_the_same_at_any_batch_size():
    network = network_of()
    latents = ramp(6, 4)
    together = network.predict(latents, verbose=0)
    alone = network.predict(latents, batch_size=1, verbose=0)
    np.testing.assert_allclose(alone, together, atol=1e-6)
    np.testing.assert_allclose(network(latents, training=True), together, atol=1e-6)


def residual_correlations(normalization) -> tuple[float, float]:
    """Mean correlation of two images of one batch, and of different ones, about the mean image."""
    keras.utils.set_random_seed(0)
    network = plain_network(normalization)
    draw = np.random.default_rng(0).normal
    if normalization is VirtualBatchNormalization:
        network = with_reference_batch(network, draw(size=(32, 4)).astype("float32"))
    batches = tf.constant(draw(size=(3000, 2, 4)), tf.float32)
    run = tf.function(lambda rows: tf.map_fn(lambda batch: network(batch, training=True), rows))
    images = run(batches).numpy().reshape(3000, 2, -1)
    residuals = images - images.mean(axis=(0, 1))
    first, second = np.moveaxis(residuals / np.linalg.norm(residuals, axis=2, keepdims=True), 1, 0)
    within = np.mean(np.sum(first * second, axis=1))
    return within, np.mean(np.sum(first * np.roll(second, 1, axis=0), axis=1))


def test_images_of_one_batch_are_no_more_alike_than_those_of_two():
    within, between = residual_correlations(VirtualBatchNormalization)
    assert (within, between) == pytest.approx((0.0, 0.01), abs=0.02)
    within, between = residual_correlations(layers.BatchNormalization)
    assert (within, between) == pytest.approx((-0.16, 0.01), abs=0.02)


def test_two_replicas_equal_one(two_replicas):
    assert_two_equal_one(two_replicas, network_of, ramp(8, 4))


def test_half_precision_changes_little():
    full = network_of()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = network_of()
    finally:
        keras.config.set_dtype_policy("float32")
    half.set_weights(full.get_weights())
    assert half(ramp(3, 4)).dtype == tf.float16
    np.testing.assert_allclose(half(ramp(3, 4)), full(ramp(3, 4)), atol=0.02)


# === In a model ===


def generator() -> keras.Model:
    latents = keras.Input((4,))
    x = layers.LeakyReLU()(VirtualBatchNormalization()(layers.Dense(6)(latents)))
    images = layers.Reshape(IMAGE_SHAPE)(layers.Dense(784, activation="tanh")(x))
    network = keras.Model(latents, layers.Activation("linear", dtype="float32")(images))
    return with_reference_batch(network, ramp(5, 4))


def test_goes_into_a_model_that_is_averaged_saved_and_exported(tmp_path):
    model = dense_gan(generator=generator(), average_decay=0.9)
    model.compile(run_eagerly=True)
    model.fit(ramp_images(8), batch_size=4, verbose=0)
    references = model.averaged_generator.get_layer("reference_batch").references
    np.testing.assert_array_equal(references, ramp(5, 4))
    images = model.generate(3, seed=1)
    np.testing.assert_allclose(model.generate(3, seed=1, batch_size=1), images, atol=1e-6)

    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(restored.generate(3, seed=1), images)
    export.save(model, tmp_path, verify=False)
    exported = export.load(tmp_path).signatures["generate"]
    for number in (1, 3):
        made = exported(
            num=tf.constant(number), seed=tf.constant(1, tf.int64), truncation=tf.constant(1.0)
        )
        np.testing.assert_allclose(2.0 * made["images"] - 1.0, images[:number], atol=1e-5)


# === Refusals ===


def test_needs_a_reference_batch():
    with pytest.raises(ValueError, match="with_reference_batch"):
        plain_network()(ramp(3, 4))


@pytest.mark.parametrize("shape", [(5, 3), (0, 4), (4,)])
def test_names_a_reference_batch_that_is_no_input(shape):
    with pytest.raises(ValueError, match=r"shape \(n, 4\). Received: shape \("):
        with_reference_batch(plain_network(), ramp(*shape))


def test_refuses_a_network_that_has_no_use_for_it_or_has_one():
    with pytest.raises(ValueError, match="no VirtualBatchNormalization.*Received: 'maps'"):
        with_reference_batch(plain_network(layers.BatchNormalization), ramp(5, 4))
    network = plain_network()
    with_reference_batch(network, ramp(5, 4))
    with pytest.raises(ValueError, match="has a reference batch already. Received: 'maps'"):
        with_reference_batch(network, ramp(5, 4))
