"""What a network computes under several replicas, for tests that two of them equal one."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf


def slopes(
    strategy: tf.distribute.Strategy, build: Callable[[], keras.Model], inputs: np.ndarray
) -> list[np.ndarray]:
    """Returns the gradients of a loss by the weights of a network in training.

    Args:
        strategy: its replicas share out the inputs, and the gradients of all are summed.
        build: returns the network, the same each time.
        inputs: a batch.
    """
    with strategy.scope():
        keras.utils.set_random_seed(2)
        network = build()
    weights = [variable.value for variable in network.trainable_variables]

    def slopes_of_share(rows):
        with tf.GradientTape() as tape:
            outputs = network(rows, training=True)
            loss = tf.reduce_mean(tf.sin(2.0 * outputs)) / strategy.num_replicas_in_sync
        context = tf.distribute.get_replica_context()
        return [context.all_reduce("SUM", slope) for slope in tape.gradient(loss, weights)]

    rows = tf.data.Dataset.from_tensors(inputs).unbatch().batch(len(inputs))
    rows = next(iter(strategy.experimental_distribute_dataset(rows)))
    found = tf.function(lambda: strategy.run(slopes_of_share, args=(rows,)))()
    return [strategy.experimental_local_results(each)[0].numpy() for each in found]


def assert_two_equal_one(two_replicas, build: Callable[[], keras.Model], inputs) -> None:
    """Fails if two replicas do not together compute the gradients that one does."""
    one, two = (slopes(s, build, inputs) for s in (tf.distribute.get_strategy(), two_replicas))
    assert max(np.abs(slope).max() for slope in one) > 1e-3
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
