"""Descent in the space of latents, the networks at rest: each image of a batch on its own."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from zoo.explore.latents import inside
from zoo.explore.subjects import BATCH_SIZE, Generates, progress

# Costs of each image: latents, images that they make, rows of the batch → `(batch,)`.
Cost = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


def descend(
    model: Generates,
    start,
    cost: Cost,
    *,
    iterations: int,
    learning_rate: float = 0.1,
    description: str = "descending",
) -> tuple[np.ndarray, np.ndarray]:
    """Moves latents, each its own way, to where they cost least, by Adam.

    They stay within the prior: what leaves the bounds of a uniform one is brought back each time.

    Args:
        model: whose averaged generator makes the images, in inference mode.
        start: float32 `(number, latent_dim)`.
        cost: differentiable; its third argument tells the rows of `start` that a batch has.
        iterations: steps of Adam.
        learning_rate: of Adam. Defaults to 0.1, as in Zhu et al., 2016.
        description: for the progress bar.

    Returns:
        The latents of the least cost that each came by, float32 `(number, latent_dim)`, and the
        mean cost before each step and after the last, `(iterations + 1,)`.
    """
    start = np.asarray(start, np.float32)
    firsts = range(0, len(start), BATCH_SIZE)
    found, costs = [], []
    with progress(None, description, iterations * len(firsts)) as bar:
        for first in firsts:
            rows = np.arange(first, min(first + BATCH_SIZE, len(start)))
            best, course = _descend_batch(
                model, start[rows], cost, rows, iterations, learning_rate, bar.update
            )
            found.append(best)
            costs.append(course)
    return np.concatenate(found), np.concatenate(costs, axis=1).mean(axis=1)


def _descend_batch(model, start, cost, rows, iterations, learning_rate, report):
    latents = keras.Variable(inside(model.prior, start))
    optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.build([latents])
    rows = tf.constant(rows)

    def costs_now() -> tf.Tensor:
        images = model.averaged_generator(latents.value, training=False)
        return cost(tf.convert_to_tensor(latents.value), tf.cast(images, tf.float32), rows)

    @tf.function
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            costs = costs_now()
            # A sum, so that no image's step depends on how many others there are.
            total = tf.reduce_sum(costs)
        gradient = tape.gradient(total, latents.value)
        optimizer.apply([gradient], [latents])
        latents.assign(inside(model.prior, latents.value))
        return costs

    best, least, course = start.copy(), np.full(len(start), np.inf), []
    for number in range(iterations + 1):
        here = np.array(latents.value)
        costs = (step() if number < iterations else costs_now()).numpy()
        best = np.where((costs < least)[:, None], here, best)
        least = np.minimum(costs, least)
        course.append(costs)
        report(number < iterations)
    return best, np.stack(course)
