"""From decoded images to batches: choose, augment, scale.

Batch number s of a repeating dataset is a function of the seed and s alone. Its images have the
positions p = s · batch_size + i in an endless sequence of epochs, and image p is number p mod n of
epoch p div n, whose order is a permutation keyed by (seed, epoch). Nothing is remembered from
batch to batch, so a run that stopped after s of them continues at `first_step=s`, bit for bit.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from zoo.datasets import few_labels, memory
from zoo.datasets.disk import DataDir
from zoo.datasets.sources import find_source

Augment = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
# TensorFlow's own 4 rounds leave the occasional epoch close to the stored order.
_SHUFFLE_ROUNDS = 8


def load(
    name: str,
    split: str = "train",
    *,
    batch_size: int = 64,
    with_labels: bool = False,
    with_attributes: bool = False,
    shuffle: bool = False,
    repeat: bool = False,
    seed: int = 0,
    first_step: int = 0,
    augment: Augment | None = None,
    drop_remainder: bool = False,
    image_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    drop_duplicates: str = "none",
    data_dir: DataDir = None,
) -> tf.data.Dataset:
    """Gives the images of a data set in batches, prepared on disk first if need be.

    The split is decoded once, as uint8, and every later call in the process shares that copy
    (`clear_memory` frees it): in memory, or in a file below `data_dir` that is read batch by batch
    if it is larger than 2 GiB or a quarter of the machine's memory. With `repeat=True` the dataset
    never ends, each batch is full and depends on (`seed`, its number) only, so `first_step` resumes
    exactly; `fit` then needs `steps_per_epoch`. With `repeat=False` each iteration is one pass,
    shuffled and augmented differently from the one before; which pass it is can't be resumed.

    Args:
        name: `"mnist_small"`, any image data set of TFDS, such as `"mnist"` or `"svhn_cropped"`,
            or `"folder:PATH"` for images of your own; see `scan_folder`.
        split: as TFDS writes it: `"train"`, `"train[:1000]"`, `"train+test"`. Defaults to
            `"train"`.
        batch_size: images in a batch, over all replicas. Defaults to 64.
        with_labels: whether to give `(images, labels)`. Defaults to False: a GAN needs images.
        with_attributes: whether to give `(images, attributes)`, for sets such as `"drawn_faces"`
            and `"celeb_a"`. Defaults to False.
        shuffle: whether each epoch has an order of its own. Defaults to False, the stored order.
        repeat: whether to go on for ever. Defaults to False, one pass.
        seed: of the order and the augmentation. Defaults to 0.
        first_step: number of the first batch, with `repeat=True`. Defaults to 0; to resume, how
            many batches have been used.
        augment: `(image, seed) -> image`, with uint8 `(height, width, channels)` in and out and an
            int32 seed `(2,)` for `tf.random.stateless_*` or `tf.image.stateless_*`; the seed is
            another for every image and every epoch. Defaults to None, nothing.
        drop_remainder: whether to leave out a last batch that is not full. Defaults to False.
        image_size: side of the square, or (height, width), to which images are resized, the middle
            of them kept; of `celeb_a` the middle 108x108 pixels, as in DCGAN's code. Defaults to
            None, their own size; folders and sets whose sizes vary need it.
        channels: 3 for colour or 1 for grey. Defaults to None: what the set has, 3 for a folder.
        drop_duplicates: for folders: `"exact"` or `"near"` to leave out files that are there
            already; see `scan_folder`. Defaults to `"none"`.
        data_dir: where data sets are kept. Defaults to TFDS's own place, `TFDS_DATA_DIR` or
            `~/tensorflow_datasets`.

    Returns:
        A `tf.data.Dataset` of images, float32 `(batch, height, width, channels)` in [-1, 1] (byte
        0 is -1, 255 is 1), of `(images, labels)` with labels int32 `(batch,)`, or of
        `(images, attributes)` with attributes bool `(batch, num_attributes)` in the order of
        `describe(name).attribute_names`.

    Raises:
        ValueError: if an argument is out of range, there is no such data set, folder or split, the
            examples are not uint8 images, `image_size` is missing, labels or attributes are asked
            of a set without or both at once, or a folder has fewer than 16 usable images.
        RuntimeError: if the data set could not be downloaded, prepared or decoded.
    """
    _check_numbers(batch_size, first_step, repeat)
    if with_labels and with_attributes:
        raise ValueError(
            "load gives either labels or attributes; ask for one of them. Received: "
            "with_labels=True, with_attributes=True."
        )
    source = find_source(name, image_size, channels, drop_duplicates, data_dir)
    source.check(split, with_labels, with_attributes)
    decoded = source.decode(split)
    _check_augment(augment, decoded.images)
    num_images = decoded.images.shape[0]
    if drop_remainder and not repeat and num_images < batch_size:
        raise ValueError(
            f"drop_remainder=True leaves no batch of the {num_images} images in split={split!r}; "
            f"use a smaller one. Received: batch_size={batch_size}."
        )
    answers = decoded.attributes if with_attributes else decoded.labels
    stream = _Stream(
        images=decoded.images,
        answers=answers if with_labels or with_attributes else None,
        rows=tf.range(num_images, dtype=tf.int64),
        batch_size=batch_size,
        shuffle=shuffle,
        one_pass=not (repeat or drop_remainder),
        key=_stream_key(seed, "images"),
        augment=augment,
    )
    num_steps = num_images // batch_size if drop_remainder else math.ceil(num_images / batch_size)
    return _finish(_clock(num_steps, repeat, seed, first_step), stream.batch)


def load_few_labels(
    name: str,
    num_labels: int,
    *,
    batch_size: int = 100,
    label_seed: int = 0,
    seed: int = 0,
    first_step: int = 0,
    split: str = "train",
    augment: Augment | None = None,
    repeat: bool = True,
    image_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    data_dir: DataDir = None,
) -> tf.data.Dataset:
    """Gives a few images with labels and all others without, for semi-supervised training.

    Both are shuffled, each over epochs of its own: 20 labelled images fill batches of 100 five
    times over. Augmentation and `first_step` are as for `load`.

    Args:
        name: `"mnist_small"`, or any labelled image data set of TFDS.
        num_labels: how many images keep their label, equally many of each class.
        batch_size: images in each half of a batch, over all replicas. Defaults to 100, as in
            Salimans et al., 2016.
        label_seed: which images keep their label; see `few_label_split`. Defaults to 0.
        seed: of the order and the augmentation. Defaults to 0.
        first_step: number of the first batch, with `repeat=True`. Defaults to 0.
        split: as TFDS writes it. Defaults to `"train"`.
        augment: `(image, seed) -> image`, as for `load`. Defaults to None, nothing.
        repeat: whether to go on for ever. Defaults to True; False ends after one pass over the
            unlabelled images, whose last batch may then be smaller.
        image_size: as for `load`.
        channels: as for `load`.
        data_dir: where data sets are kept. Defaults to TFDS's own place.

    Returns:
        A `tf.data.Dataset` of `((labelled_images, labels), unlabelled_images)`: float32
        `(batch, height, width, channels)` in [-1, 1], labels int32 `(batch,)`.

    Raises:
        ValueError: if the labels can't be shared equally among the classes, there are not enough
            images for them or none would be left without, and wherever `load` raises it.
        RuntimeError: if the data set could not be downloaded or prepared.
    """
    _check_numbers(batch_size, first_step, repeat)
    source = find_source(name, image_size, channels, "none", data_dir)
    source.check(split, with_labels=True, with_attributes=False)
    few_labels.check_equal_share(num_labels, len(source.class_names))
    decoded = source.decode(split)
    _check_augment(augment, decoded.images)
    labelled_rows, unlabelled_rows = few_labels.choose_labelled(
        decoded.labels.numpy(), num_labels, decoded.num_classes, label_seed
    )
    if unlabelled_rows.size == 0:
        raise ValueError(
            f"num_labels={num_labels} leaves no image of split={split!r} without a label; use "
            "fewer, or `load` with labels."
        )
    labelled = _Stream(
        images=decoded.images,
        answers=decoded.labels,
        rows=tf.constant(labelled_rows, tf.int64),
        batch_size=batch_size,
        shuffle=True,
        one_pass=False,
        key=_stream_key(seed, "labelled"),
        augment=augment,
    )
    unlabelled = dataclasses.replace(
        labelled,
        answers=None,
        rows=tf.constant(unlabelled_rows, tf.int64),
        one_pass=not repeat,
        key=_stream_key(seed, "unlabelled"),
    )
    num_steps = math.ceil(unlabelled_rows.size / batch_size)
    return _finish(
        _clock(num_steps, repeat, seed, first_step),
        lambda *time: (labelled.batch(*time), unlabelled.batch(*time)),
    )


def steps_per_epoch(num_examples: int, batch_size: int) -> int:
    """Gives the number of batches in which every example has been seen: the quotient, rounded up.

    Raises:
        ValueError: if `num_examples` or `batch_size` is not positive.
    """
    _check_positive("num_examples", num_examples)
    _check_positive("batch_size", batch_size)
    return math.ceil(num_examples / batch_size)


# === Batches ===


@dataclasses.dataclass(frozen=True, eq=False)
class _Stream:
    """An endless sequence of epochs over some rows of a split, of which any batch can be drawn."""

    images: memory.ImagesInMemory | memory.ImagesOnDisk
    answers: tf.Tensor | None
    rows: tf.Tensor
    batch_size: int
    shuffle: bool
    one_pass: bool
    key: int
    augment: Augment | None

    def batch(self, pass_number: tf.Tensor, step: tf.Tensor):
        num_rows = self.rows.shape[0]
        positions = step * self.batch_size + tf.range(self.batch_size, dtype=tf.int64)
        if self.one_pass:
            positions = positions[: num_rows - step * self.batch_size]
        epochs = pass_number + positions // num_rows
        places = positions % num_rows
        epoch_keys = self._keys_of(epochs)
        order = _shuffled(places, epoch_keys[:, :3], num_rows) if self.shuffle else places
        chosen = tf.gather(self.rows, order)
        images = self.images.gather(chosen)
        if self.augment is not None:
            image_seeds = tf.stack([epoch_keys[:, 3], tf.cast(places, tf.int32)], axis=1)
            images = _augmented(images, image_seeds, self.augment)
        images = scale(images)
        return images if self.answers is None else (images, tf.gather(self.answers, chosen))

    def _keys_of(self, epochs: tf.Tensor) -> tf.Tensor:
        """Draws four random int32 for each epoch in the batch: `(batch, 4)`."""
        most_epochs_in_a_batch = (self.batch_size - 2) // self.rows.shape[0] + 2
        keys = tf.map_fn(
            self._key_of,
            epochs[0] + tf.range(most_epochs_in_a_batch, dtype=tf.int64),
            fn_output_signature=tf.TensorSpec((4,), tf.int32),
        )
        return tf.gather(keys, epochs - epochs[0])

    def _key_of(self, epoch: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform(
            (4,), seed=tf.stack([self.key, epoch]), minval=None, maxval=None, dtype=tf.int32
        )


def _shuffled(places: tf.Tensor, keys: tf.Tensor, num_rows: int) -> tf.Tensor:
    """Where the permutation of [0, num_rows) that belongs to each key sends each place."""
    # The raw op: `tf.random.experimental.index_shuffle` fails on a seed for each index.
    return tf.raw_ops.RandomIndexShuffle(
        index=places,
        seed=keys,
        max_index=tf.constant(num_rows - 1, tf.int64),
        rounds=_SHUFFLE_ROUNDS,
    )


def _augmented(images: tf.Tensor, seeds: tf.Tensor, augment: Augment) -> tf.Tensor:
    return tf.map_fn(
        lambda image_and_seed: augment(*image_and_seed),
        (images, seeds),
        fn_output_signature=tf.TensorSpec(images.shape[1:], tf.uint8),
    )


def scale(images: tf.Tensor) -> tf.Tensor:
    """Takes uint8 pixels to float32 in [-1, 1], 0 to exactly -1 and 255 to exactly 1."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def _stream_key(seed: int, purpose: str) -> int:
    """Makes an int64 of a seed of any size, so that no two purposes draw the same numbers."""
    digest = hashlib.sha256(f"{int(seed)}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


# === Datasets ===


def _clock(num_steps: int, repeat: bool, seed: int, first_step: int) -> tf.data.Dataset:
    """Gives `(pass_number, step)`: for ever in pass 0, or once in a pass that is always another."""
    if repeat:
        return tf.data.Dataset.counter(first_step).map(
            lambda step: (tf.constant(0, tf.int64), step)
        )

    def one_pass(pass_number: tf.Tensor) -> tf.data.Dataset:
        return tf.data.Dataset.range(num_steps).map(lambda step: (pass_number, step))

    pass_seed = _stream_key(seed, "passes") % np.iinfo(np.int32).max
    # Drawn anew whenever the dataset is iterated, where a number counted in Python would stay.
    pass_numbers = tf.data.Dataset.random(seed=pass_seed, rerandomize_each_iteration=True)
    passes = pass_numbers.take(1).flat_map(one_pass)
    return passes.apply(tf.data.experimental.assert_cardinality(num_steps))


def _finish(clock: tf.data.Dataset, batch_at: Callable) -> tf.data.Dataset:
    options = tf.data.Options()
    # There are no files to share out among workers, which is what TensorFlow tries first.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    # The rewriting of the graph would copy the images, once for each dataset made from them.
    options.experimental_optimization.apply_default_optimizations = False
    # The end of a pass would often wait for the thread that tunes: as long again as the pass took,
    # and up to a minute (TensorFlow 2.21). There is nothing to tune in one `map`.
    options.autotune.enabled = False
    dataset = clock.map(batch_at, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset.prefetch(tf.data.AUTOTUNE).with_options(options)


# === Checks ===


def _check_numbers(batch_size: int, first_step: int, repeat: bool) -> None:
    _check_positive("batch_size", batch_size)
    if first_step < 0:
        raise ValueError(f"first_step must be 0 or more. Received: first_step={first_step}.")
    if first_step and not repeat:
        raise ValueError(
            "first_step needs repeat=True, because a single pass can't be resumed. Received: "
            f"first_step={first_step}, repeat=False."
        )


def _check_positive(name: str, value: int) -> None:
    if value <= 0:
        raise ValueError(f"{name} must be greater than zero. Received: {name}={value}.")


def _check_augment(
    augment: Augment | None, images: memory.ImagesInMemory | memory.ImagesOnDisk
) -> None:
    """Tries `augment` on one image, because an error from inside tf.data is hard to read."""
    if augment is None:
        return
    augmented = tf.convert_to_tensor(
        augment(images.gather(tf.constant([0]))[0], tf.zeros((2,), tf.int32))
    )
    if augmented.dtype != tf.uint8 or augmented.shape != images.shape[1:]:
        raise ValueError(
            f"augment must give uint8 {tuple(images.shape[1:])}, as it receives. Received: "
            f"{augmented.dtype.name} {tuple(augmented.shape)}."
        )
