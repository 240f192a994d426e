"""What tests of losses share: formulas in float64, slopes, and batches that replicas share."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf


def softplus(values: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, values)


def tensor(values: np.ndarray, shape: tuple[int, ...] | None = None) -> tf.Tensor:
    return tf.constant(values if shape is None else values.reshape(shape), tf.float32)


def assert_gradient_is_the_slope(
    loss: Callable[[tf.Tensor], tf.Tensor], expected: Callable[[np.ndarray], float], at: np.ndarray
) -> None:
    """Compares a gradient with central differences of the formula in float64."""
    point = tensor(at)
    with tf.GradientTape() as tape:
        tape.watch(point)
        value = loss(point)
    gradient = tape.gradient(value, point)
    slopes = np.zeros_like(at)
    for index in np.ndindex(at.shape):
        shift = np.zeros_like(at)
        shift[index] = 1e-5
        slopes[index] = (expected(at + shift) - expected(at - shift)) / 2e-5
    np.testing.assert_allclose(gradient, slopes, rtol=1e-4, atol=1e-6)


def global_losses_and_gradients(
    strategy: tf.distribute.Strategy,
    images: np.ndarray,
    losses: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]],
) -> tuple[np.ndarray, np.ndarray]:
    """Each loss, and its gradient for the weights of a layer, of a batch that replicas share."""
    num_replicas = strategy.num_replicas_in_sync

    def share(context: tf.distribute.experimental.ValueContext) -> tf.Tensor:
        size = len(images) // num_replicas
        start = context.replica_id_in_sync_group * size
        return tensor(images[start : start + size])

    def compute(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        weights = tensor(np.linspace(-1, 1, 6).reshape(3, 2))
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(weights)
            features = tf.tanh(images @ weights)
            shares = [loss(images, features) / num_replicas for loss in losses.values()]
        return tf.stack(shares), tf.stack([tape.gradient(each, weights) for each in shares])

    shares = strategy.experimental_distribute_values_from_function(share)
    results = tf.function(lambda: strategy.run(compute, args=(shares,)), autograph=False)()
    return tuple(
        strategy.reduce(tf.distribute.ReduceOp.SUM, each, axis=None).numpy() for each in results
    )


def assert_two_replicas_equal_one(
    two_replicas: tf.distribute.Strategy,
    losses: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]],
) -> None:
    """Compares losses of eight images of three numbers, and of two features that a layer makes."""
    images = np.random.default_rng(0).normal(size=(8, 3))
    one_replica = tf.distribute.OneDeviceStrategy("CPU:0")
    of_one = global_losses_and_gradients(one_replica, images, losses)
    of_two = global_losses_and_gradients(two_replicas, images, losses)
    for number, name in enumerate(losses):
        for one, two in zip(of_one, of_two, strict=True):
            np.testing.assert_allclose(two[number], one[number], atol=1e-6, err_msg=name)
        assert np.abs(of_one[1][number]).max() > 1e-3, name
