"""Whether a discriminator tells batches of different rows from those of one row over and over."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

BATCH_SIZE, WIDTH = 16, 6


def share_of_repetition_told(
    network: keras.Model, pack: Callable[[tf.Tensor], tf.Tensor] = tf.identity
) -> float:
    """Trains a network to tell them apart; returns how often it then does, 0.5 by chance.

    Each row alone is as likely in either batch, so there is nothing to see in one.

    Args:
        network: gives a logit for each row of 6, or for what `pack` makes of them.
        pack: what the network is shown of a batch.
    """
    optimizer = keras.optimizers.Adam(0.05)
    optimizer.build(network.trainable_variables)
    draw = np.random.default_rng(0).normal

    def two_batches() -> tuple[tf.Tensor, tf.Tensor]:
        repeated = np.repeat(draw(size=(1, WIDTH)), BATCH_SIZE, axis=0)
        return tuple(tf.constant(x, tf.float32) for x in (draw(size=repeated.shape), repeated))

    @tf.function
    def logits(varied, repeated):
        return network(pack(varied)), network(pack(repeated))

    @tf.function
    def step(varied, repeated):
        with tf.GradientTape() as tape:
            of_varied, of_repeated = logits(varied, repeated)
            loss = tf.reduce_mean(tf.nn.softplus(-of_varied) + tf.nn.softplus(of_repeated))
        variables = network.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    for _ in range(100):
        step(*two_batches())
    right = []
    for _ in range(20):
        of_varied, of_repeated = logits(*two_batches())
        right += [np.mean(of_varied > 0), np.mean(of_repeated < 0)]
    return np.mean(right)
