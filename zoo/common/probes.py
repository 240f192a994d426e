"""What a model shows of itself on one batch, for a look at how training goes."""

from typing import NamedTuple

import tensorflow as tf


class Probe(NamedTuple):
    """Images of one generator beside real ones.

    Attributes:
        real_images: float32, of a batch.
        generated_images: float32, as many, that the generator means to be like them.
        source_images: what those were made of, where they are translations.
    """

    real_images: tf.Tensor
    generated_images: tf.Tensor
    source_images: tf.Tensor | None = None
