"""Trains a generator on pairs: what the network of a CycleGAN can do if it is told the answers."""

import sys
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from recipes.common.training import TrainingError

Augment = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def train_on_pairs(
    network: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    inputs: np.ndarray,
    answers: np.ndarray,
    *,
    augment: Augment,
    batch_size: int,
    epochs: int,
    steps_per_epoch: int,
    seed: int,
    description: str,
) -> keras.Model:
    """Trains a network like the given one, from new weights, by the mean absolute error.

    It seeds the random states of Python, NumPy and TensorFlow. Within the scope of a strategy, its
    replicas share each batch.

    Args:
        network: images in [-1, 1] → images; it stays as it is.
        optimizer: a new one.
        inputs: uint8 `(num_pairs, height, width, channels)`.
        answers: of the same shape.
        augment: `(image, seed)` → image, of uint8 images with any number of channels.
        batch_size: pairs in a step.
        epochs: of `steps_per_epoch` steps.
        steps_per_epoch: steps.
        seed: of weights, order and augmentation.
        description: stands beside the progress bar.

    Returns:
        The trained network.

    Raises:
        TrainingError: if it ends with a loss or a weight that is not finite.
    """
    keras.utils.set_random_seed(seed)
    generator = keras.models.clone_model(network)
    generator.compile(optimizer, loss="mean_absolute_error")
    if not sys.stderr.isatty():
        print(f"training {description}", file=sys.stderr)
    with tqdm(total=epochs, desc=description, unit="epoch", disable=not sys.stderr.isatty()) as bar:
        history = generator.fit(
            augmented_pairs(inputs, answers, augment, seed).batch(batch_size),
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: bar.update())],
            shuffle=False,
            verbose=0,
        )
    # The loss of a step is that of the weights before it.
    if not all(np.isfinite(each).all() for each in (*history.history["loss"], *generator.weights)):
        raise TrainingError(
            f"training {description} ended with numbers that are not finite; lower the rate."
        )
    return generator


def augmented_pairs(
    inputs: np.ndarray, answers: np.ndarray, augment: Augment, seed: int
) -> tf.data.Dataset:
    """Gives pairs `(input, answer)` without end, in an order of its own each time around.

    Both of a pair are cut and mirrored as one. Arguments are as for `train_on_pairs`.

    Returns:
        Pairs of float32 `(height, width, channels)`, pixels in [-1, 1].
    """
    channels = inputs.shape[-1]
    # Seeds may be any of 32 bits without a sign.
    key = tf.bitcast(tf.constant(seed, tf.uint32), tf.int32)

    def augmented(number: tf.Tensor, both: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        both = augment(both, tf.stack([key, tf.cast(number, tf.int32)]))
        scaled = tf.cast(both, tf.float32) / 127.5 - 1.0
        return scaled[..., :channels], scaled[..., channels:]

    def order(round_number: tf.Tensor) -> tf.data.Dataset:
        seeds = tf.stack([key, tf.cast(round_number, tf.int32)])
        numbers = tf.random.experimental.stateless_shuffle(tf.range(len(inputs)), seeds)
        return tf.data.Dataset.from_tensor_slices(numbers)

    pairs = tf.constant(np.concatenate([inputs, answers], axis=-1))
    # Not by `shuffle`, which gives replicas another order than it gives one device.
    numbers = tf.data.Dataset.counter().flat_map(order).enumerate()
    # Without tuning, whose thread would hold up the end by as much as a minute.
    options = tf.data.Options()
    options.autotune.enabled = False
    images = numbers.map(lambda place, number: augmented(place, pairs[number]))
    return images.with_options(options)
