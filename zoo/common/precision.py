"""Half precision: under which policy networks are made again, and losses that must be scaled."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf

from zoo.common.replicas import global_mean


@contextlib.contextmanager
def under_policy(config: Any) -> Iterator[None]:
    """Sets Keras's global policy, which each network takes, for its configuration leaves it out.

    Args:
        config: that of a policy, its name, or `None` to change nothing.
    """
    if config is None:
        yield
        return
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(keras.dtype_policies.get(config))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def computes_in_float16(networks: Iterable[keras.Model]) -> bool:
    """Whether any layer does; a network's own policy may be another than that of its layers."""
    layers = (layer for network in networks for layer in network._flatten_layers())
    return any(layer.compute_dtype == "float16" for layer in layers)


def finite_together(gradients: list[tf.Tensor | None]) -> list[tf.Tensor | None]:
    """Makes gradients NaN on every replica where those of any one are not finite.

    A `LossScaleOptimizer` leaves such a step out, and asks the first replica alone about its own.
    """
    are_finite = [tf.reduce_all(tf.math.is_finite(g)) for g in gradients if g is not None]
    share = global_mean(tf.cast(tf.reduce_all(are_finite), tf.float32))
    nothing = tf.where(share < 1.0, float("nan"), 0.0)
    return [None if g is None else g + tf.cast(nothing, g.dtype) for g in gradients]
