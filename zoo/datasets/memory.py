"""Decoding a split once, into memory that everything in the process shares."""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING

import tensorflow as tf

from zoo.datasets import catalogue

if TYPE_CHECKING:
    import tensorflow_datasets as tfds


@dataclasses.dataclass(frozen=True)
class DecodedSplit:
    """All images of a split.

    Attributes:
        images: uint8 `(num_images, height, width, channels)`.
        labels: int32 `(num_images,)`, or None if the data set has none.
        num_classes: of the labels; 0 without labels.
    """

    images: tf.Tensor
    labels: tf.Tensor | None
    num_classes: int


_decoded: dict[tuple[str, str], DecodedSplit] = {}
_decoding = threading.Lock()


def decode(name: str, split: str, data_dir: catalogue.DataDir) -> DecodedSplit:
    """Prepares and decodes a split, or gives the copy that is already in memory.

    uint8 takes a quarter of the memory of the float32 that networks see, so scaling is left to
    each batch.
    """
    with _decoding:
        builder = catalogue.prepare(name, data_dir)
        catalogue.check_split_name(name, split, builder)
        key = (str(builder.data_path), str(split))
        if key not in _decoded:
            _decoded[key] = _decode(builder, name, split)
        return _decoded[key]


def clear_memory() -> None:
    """Frees the decoded images that `load` keeps for the rest of the process.

    Datasets made before go on working; they hold on to their own images.
    """
    with _decoding:
        _decoded.clear()


def _decode(builder: tfds.core.DatasetBuilder, name: str, split: str) -> DecodedSplit:
    import tensorflow_datasets as tfds

    features = catalogue.image_features(builder, name)
    keys = [key for key in (features.image_key, features.label_key) if key is not None]
    try:
        examples = builder.as_dataset(
            split=split,
            # The order in which the records lie, so that index i is always the same image.
            shuffle_files=False,
            read_config=tfds.ReadConfig(try_autocache=False),
            decoders=tfds.decode.PartialDecoding(dict.fromkeys(keys, True)),
        )
    except ValueError as error:
        reason = catalogue.first_line(error)
        raise ValueError(
            f"split={split!r} of {name!r} can't be read ({reason}); choose another."
        ) from error
    # A GPU could be too small for all images, and tf.data reads them on the CPU anyway.
    with tf.device("CPU:0"):
        arrays = examples.batch(examples.cardinality()).get_single_element()
        labels = tf.cast(arrays[features.label_key], tf.int32) if features.label_key else None
    return DecodedSplit(
        images=arrays[features.image_key],
        labels=labels,
        num_classes=len(features.class_names or ()),
    )
