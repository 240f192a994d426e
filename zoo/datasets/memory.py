"""Decoded images that everything in the process shares, in memory or mapped from disk."""

from __future__ import annotations

import dataclasses
import math
import os
import threading
from collections.abc import Callable, Hashable

import numpy as np
import tensorflow as tf

from zoo.datasets.disk import StoredImages

# A split larger than this, or than a quarter of the machine's memory, is read from disk batch by
# batch. The system keeps in memory what it can of that.
MAX_BYTES_IN_MEMORY = 2 * 2**30
_SHARE_OF_MEMORY = 0.25


def fits_in_memory(num_bytes: int) -> bool:
    """Whether a split of that size is kept in memory: at most 2 GiB, and a quarter of all."""
    all_memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return num_bytes <= min(MAX_BYTES_IN_MEMORY, _SHARE_OF_MEMORY * all_memory)


class ImagesInMemory:
    """The images of a split as a tensor.

    Args:
        images: uint8 `(num_images, height, width, channels)`.
    """

    def __init__(self, images: tf.Tensor | np.ndarray):
        # A GPU could be too small for all images, and tf.data reads them on the CPU anyway.
        with tf.device("CPU:0"):
            self._images = tf.convert_to_tensor(images)
        self.shape = tuple(self._images.shape)

    def gather(self, rows: tf.Tensor) -> tf.Tensor:
        """Gives the images of those numbers, uint8 `(len(rows), height, width, channels)`."""
        return tf.gather(self._images, rows)


class ImagesOnDisk:
    """The images of a split in a file that is mapped into memory.

    The tensor shares the mapping, so that no thread of tf.data has to call Python: when the
    interpreter exits, a thread that waits for it can wait for ever.

    Args:
        stored: the file.
        rows: int64, which of its images make the split. Defaults to all.
    """

    def __init__(self, stored: StoredImages, rows: np.ndarray | None = None):
        # TensorFlow copies what it is given by any other way, also into `ImmutableConst`.
        self._images = tf.experimental.dlpack.from_dlpack(stored.mapped().__dlpack__())
        rows = np.arange(stored.shape[0]) if rows is None else rows
        with tf.device("CPU:0"):
            self._rows = tf.convert_to_tensor(rows, tf.int64)
        self.shape = (len(rows), *stored.shape[1:])

    def gather(self, rows: tf.Tensor) -> tf.Tensor:
        """Gives the images of those numbers, uint8 `(len(rows), height, width, channels)`."""
        return tf.gather(self._images, tf.gather(self._rows, rows))


def hold(stored: StoredImages, rows: np.ndarray | None = None) -> ImagesInMemory | ImagesOnDisk:
    """Takes the chosen images of a file into memory if they fit."""
    num_images = stored.shape[0] if rows is None else len(rows)
    if fits_in_memory(math.prod((num_images, *stored.shape[1:]))):
        return ImagesInMemory(stored.read(rows))
    return ImagesOnDisk(stored, rows)


@dataclasses.dataclass(frozen=True)
class DecodedSplit:
    """All images of a split.

    Attributes:
        images: `images.shape` is (num_images, height, width, channels), and
            `images.gather(rows)` gives some of them as uint8.
        labels: int32 `(num_images,)`, or None if the data set has none.
        num_classes: of the labels; 0 without labels.
        attributes: bool `(num_images, num_attributes)`, or None if the data set has none.
    """

    images: ImagesInMemory | ImagesOnDisk
    labels: tf.Tensor | None
    num_classes: int
    attributes: tf.Tensor | None


_decoded: dict[Hashable, DecodedSplit] = {}
_decoding = threading.Lock()


def share(key: Hashable, decode: Callable[[], DecodedSplit]) -> DecodedSplit:
    """Gives what was decoded under that key, after decoding it if nobody has."""
    with _decoding:
        if key not in _decoded:
            _decoded[key] = decode()
        return _decoded[key]


def clear_memory() -> None:
    """Frees the decoded images that `load` keeps for the rest of the process.

    Datasets made before go on working; they hold on to their own images.
    """
    with _decoding:
        _decoded.clear()
