"""What measures are given outside of `fit`: images alone, no bytes, that end."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def refuse_endless(argument: str, images: Any) -> None:
    """Refuses data that repeat for ever.

    Args:
        argument: which gave them, for the message.
        images: batches.

    Raises:
        ValueError: naming the argument.
    """
    if getattr(images, "cardinality", int)() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            f"`{argument}` must end, as after take(10), or with repeat=False of zoo.datasets. "
            "Received: data that repeat for ever"
        )


def images_alone(argument: str, batch: Any) -> tf.Tensor:
    """Returns a batch as float32; refuses labels beside it, and bytes.

    Args:
        argument: which gave it, for the message.
        batch: `(batch, height, width, channels)` in [-1, 1].

    Raises:
        ValueError: naming the argument.
    """
    if isinstance(batch, tuple | dict):
        raise ValueError(
            f"`{argument}` must give images alone; leave labels out, as by map(lambda images, "
            f"labels: images). Received: a {type(batch).__name__} of {len(batch)} parts"
        )
    images = tf.convert_to_tensor(batch)
    if images.dtype.is_integer:
        raise ValueError(
            f"Pixels of `{argument}` must be float32 in [-1, 1]: divide bytes by 127.5, and "
            f"subtract 1. Received: {images.dtype.name}"
        )
    return tf.cast(images, tf.float32)
