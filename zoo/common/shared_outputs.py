"""Several measures of the same images, for which each network runs once."""

import contextlib
import contextvars
from collections.abc import Iterator

import keras
import tensorflow as tf

# Outputs, with the network and the images they are of, by the identities of both.
_shared: contextvars.ContextVar[dict | None] = contextvars.ContextVar("shared", default=None)


@contextlib.contextmanager
def shared_outputs() -> Iterator[None]:
    """Within it `outputs_of` runs a network once on the same tensor, however often it is asked.

    In a graph the first to ask must not stand in a branch or a loop that others do not.
    """
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
        # With both, for what is gone leaves its identity to another.
        shared[key] = (network(images, training=False), network, images)
    return shared[key][0]
