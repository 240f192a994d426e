"""Several measures of the same images, for which each network runs once."""

import contextlib
import contextvars
from collections.abc import Iterator

import keras
import tensorflow as tf

# Outputs, with the images they are of, by the identities of network and images.
_shared: contextvars.ContextVar[dict | None] = contextvars.ContextVar("shared", default=None)


@contextlib.contextmanager
def shared_outputs() -> Iterator[None]:
    """Within it `outputs_of` runs a network once on the same tensor, however often it is asked."""
    token = _shared.set({})
    try:
        yield
    finally:
        _shared.reset(token)


def outputs_of(network: keras.Model, images: tf.Tensor) -> tf.Tensor:
    """Runs a network in inference mode.

    Args:
        network: images → outputs.
        images: a tensor, `(batch, height, width, channels)`.

    Returns:
        Its outputs: within `shared_outputs` those that it has made already, if it has.
    """
    shared = _shared.get()
    if shared is None:
        return network(images, training=False)
    key = (id(network), id(images))
    if key not in shared:
        # With the images, for a tensor that is gone leaves its identity to another.
        shared[key] = (network(images, training=False), images)
    return shared[key][0]
