"""Differentiable augmentation: the same random change for real and for generated images.

A discriminator that sees every image at random places can't learn the few it is given by heart, and
the generator's gradient passes through the change, so it learns the images as they were.

Reference: [Zhao et al., 2020](https://arxiv.org/abs/2006.10738), there "translation".
"""

import tensorflow as tf


def draw_shifts(batch_size, most: int, seed) -> tf.Tensor:
    """Draws how far each image of this replica is to be shifted.

    The draw is for the global batch, so two replicas draw together what one would alone.

    Args:
        batch_size: images of this replica.
        most: pixels, up to which each shift is, either way.
        seed: two integers, as for `tf.random.stateless_uniform`.

    Returns:
        int32 `(batch_size, 2)`: pixels down and pixels to the right, from -most to most.
    """
    replica_context = tf.distribute.get_replica_context()
    shape = (replica_context.num_replicas_in_sync, batch_size, 2)
    shifts = tf.random.stateless_uniform(shape, seed, -most, most + 1, tf.int32)
    return tf.gather(shifts, replica_context.replica_id_in_sync_group)


def shift_images(images: tf.Tensor, shifts: tf.Tensor) -> tf.Tensor:
    """Shifts each image by its own number of pixels; mirrored pixels come in at the border.

    Args:
        images: `(batch, height, width, channels)`.
        shifts: int32 `(batch, 2)`, down and to the right, no larger than height and width.

    Returns:
        The shifted images, differentiable with respect to `images`.
    """
    rows = _mirrored(shifts[:, :1], images.shape[1])
    columns = _mirrored(shifts[:, 1:], images.shape[2])
    images = tf.gather(images, rows, axis=1, batch_dims=1)
    return tf.gather(images, columns, axis=2, batch_dims=1)


def _mirrored(shifts: tf.Tensor, size: int) -> tf.Tensor:
    """Returns which pixel of `size` lands on each, `(batch, size)`; beyond the border, mirrored."""
    source = tf.range(size) - shifts
    source = tf.where(source < 0, -1 - source, source)
    return tf.where(source >= size, 2 * size - 1 - source, source)
