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

from zoo.common.checks import as_integer
from zoo.datasets.memory import ImagesInMemory, ImagesOnDisk

Augment = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
Images = ImagesInMemory | ImagesOnDisk
# TensorFlow's own 4 rounds leave the occasional epoch close to the stored order.
_SHUFFLE_ROUNDS = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Course:
    """How a dataset goes through its images; see `ImageDataset.batches`.

    Raises:
        ValueError: if a number is out of range.
    """

    batch_size: int = 64
    shuffle: bool = False
    repeat: bool = False
    seed: int = 0
    first_step: int = 0
    augment: Augment | None = None
    drop_remainder: bool = False

    def __post_init__(self):
        for name, least in (("batch_size", 1), ("seed", None), ("first_step", 0)):
            object.__setattr__(self, name, as_integer(name, getattr(self, name), least))
        if self.first_step and not self.repeat:
            raise ValueError(
                "first_step needs repeat=True, because a single pass can't be resumed. Received: "
                f"first_step={self.first_step}, repeat=False."
            )

    @property
    def ends_short(self) -> bool:
        """Whether the last batch of a pass holds no more than the images that are left."""
        return not (self.repeat or self.drop_remainder)

    def num_steps(self, num_images: int) -> int:
        """Gives the batches of one pass over so many images."""
        if self.drop_remainder:
            return num_images // self.batch_size
        return math.ceil(num_images / self.batch_size)


def steps_per_epoch(num_examples: int, batch_size: int) -> int:
    """Gives the number of batches in which every example has been seen: the quotient, rounded up.

    Raises:
        ValueError: if `num_examples` or `batch_size` is not a positive integer.
    """
    return math.ceil(
        as_integer("num_examples", num_examples) / as_integer("batch_size", batch_size)
    )


# === Batches ===


@dataclasses.dataclass(frozen=True, eq=False)
class Stream:
    """An endless sequence of epochs over some rows of a split, of which any batch can be drawn."""

    images: Images
    answers: tf.Tensor | None
    rows: tf.Tensor
    course: Course
    key: int

    def batch(self, pass_number: tf.Tensor, step: tf.Tensor):
        """Gives images in [-1, 1], or `(images, answers)`; both arguments are int64 scalars."""
        num_rows, batch_size = self.rows.shape[0], self.course.batch_size
        positions = step * batch_size + tf.range(batch_size, dtype=tf.int64)
        if self.course.ends_short:
            positions = positions[: num_rows - step * batch_size]
        epochs = pass_number + positions // num_rows
        places = positions % num_rows
        epoch_keys = self._keys_of(epochs)
        order = _shuffled(places, epoch_keys[:, :3], num_rows) if self.course.shuffle else places
        chosen = tf.gather(self.rows, order)
        images = self.images.gather(chosen)
        if self.course.augment is not None:
            image_seeds = tf.stack([epoch_keys[:, 3], tf.cast(places, tf.int32)], axis=1)
            images = _augmented(images, image_seeds, self.course.augment)
        images = scale(images)
        return images if self.answers is None else (images, tf.gather(self.answers, chosen))

    def _keys_of(self, epochs: tf.Tensor) -> tf.Tensor:
        """Draws four random int32 for each epoch in the batch: `(batch, 4)`."""
        most_epochs_in_a_batch = (self.course.batch_size - 2) // self.rows.shape[0] + 2
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


def stream(
    images: Images,
    course: Course,
    *,
    answers: tf.Tensor | None = None,
    rows: np.ndarray | None = None,
    purpose: str = "images",
) -> Stream:
    """Gives the stream of images that goes the given course.

    Args:
        images: of a split.
        course: how to go through them.
        answers: one an image, to be given beside it. Defaults to none.
        rows: int64, which images. Defaults to all.
        purpose: streams of another purpose draw other numbers from the same seed.

    Raises:
        ValueError: if `course.augment` gives something else than it takes.
    """
    _check_augment(course.augment, images)
    rows = np.arange(images.shape[0]) if rows is None else rows
    return Stream(
        images=images,
        answers=answers,
        rows=tf.constant(rows, tf.int64),
        course=course,
        key=_stream_key(course.seed, purpose),
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


def _clock(course: Course, num_images: int) -> tf.data.Dataset:
    """Gives `(pass_number, step)`: for ever in pass 0, or once in a pass that is always another."""
    if course.repeat:
        return tf.data.Dataset.counter(course.first_step).map(
            lambda step: (tf.constant(0, tf.int64), step)
        )
    num_steps = course.num_steps(num_images)

    def one_pass(pass_number: tf.Tensor) -> tf.data.Dataset:
        return tf.data.Dataset.range(num_steps).map(lambda step: (pass_number, step))

    pass_seed = _stream_key(course.seed, "passes") % np.iinfo(np.int32).max
    # Drawn anew whenever the dataset is iterated, where a number counted in Python would stay.
    pass_numbers = tf.data.Dataset.random(seed=pass_seed, rerandomize_each_iteration=True)
    passes = pass_numbers.take(1).flat_map(one_pass)
    return passes.apply(tf.data.experimental.assert_cardinality(num_steps))


def dataset(batch_at: Callable, course: Course, num_images: int) -> tf.data.Dataset:
    """Gives the batches of a course.

    Args:
        batch_at: `(pass_number, step)`, two int64 scalars, to a batch, as `Stream.batch` does it.
        course: how to go through the images.
        num_images: in one pass.

    Returns:
        The dataset; its `steps_per_epoch` says how many batches one pass has.
    """
    batches = mapped(_clock(course, num_images), batch_at)
    return with_steps(batches, course.num_steps(num_images))


def mapped(clock: tf.data.Dataset, batch_at: Callable) -> tf.data.Dataset:
    """Gives `batch_at` of each element of a clock, in their order, some made in advance."""
    options = tf.data.Options()
    # There are no files to share out among workers, which is what TensorFlow tries first.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    # The rewriting of the graph would copy the images, once for each dataset made from them.
    options.experimental_optimization.apply_default_optimizations = False
    # The end of a pass would often wait for the thread that tunes: as long again as the pass took,
    # and up to a minute (TensorFlow 2.21). There is nothing to tune in one `map`.
    options.autotune.enabled = False
    batches = clock.map(batch_at, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return batches.prefetch(tf.data.AUTOTUNE).with_options(options)


def with_steps(batches: tf.data.Dataset, steps_per_epoch: int) -> tf.data.Dataset:
    """Gives the dataset with what `fit` asks: batches in one pass, and that pixels are scaled."""
    batches.steps_per_epoch = steps_per_epoch
    batches.is_scaled = True
    return batches


# === Checks ===


def _check_augment(augment: Augment | None, images: Images) -> None:
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
