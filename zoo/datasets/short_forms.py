"""One stream, asked in one call: the data set is opened for it, as `open` does."""

import os

import tensorflow as tf

from zoo.datasets.dataset import open
from zoo.datasets.decoding import ValueRange
from zoo.datasets.description import DatasetDescription
from zoo.datasets.disk import DataDir
from zoo.datasets.pipeline import Augment


def load(
    name: str | os.PathLike[str],
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
    value_range: ValueRange = None,
    data_dir: DataDir = None,
) -> tf.data.Dataset:
    """Gives the images of a data set in batches, prepared on disk first if need be.

    Arguments are those of `open` and of `ImageDataset.batches`, and what these raise is raised
    here, but for:

    Args:
        with_labels: whether to give `(images, labels)`; see `ImageDataset.labelled`. Defaults to
            False: a GAN needs images.
        with_attributes: whether to give `(images, attributes)`; see `ImageDataset.attributes`.
            Defaults to False.

    Returns:
        A `tf.data.Dataset` of images, float32 `(batch, height, width, channels)` in [-1, 1], or of
        these and their labels or attributes.

    Raises:
        ValueError: if labels and attributes are asked at once.
    """
    if with_labels and with_attributes:
        raise ValueError(
            "load gives either labels or attributes; ask for one of them. Received: "
            "with_labels=True, with_attributes=True."
        )
    images = open(
        name,
        image_size=image_size,
        channels=channels,
        drop_duplicates=drop_duplicates,
        value_range=value_range,
        data_dir=data_dir,
    )
    batches = images.batches
    if with_labels or with_attributes:
        batches = images.labelled if with_labels else images.attributes
    return batches(
        split,
        batch_size=batch_size,
        shuffle=shuffle,
        repeat=repeat,
        seed=seed,
        first_step=first_step,
        augment=augment,
        drop_remainder=drop_remainder,
    )


def load_few_labels(
    name: str | os.PathLike[str],
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
    drop_duplicates: str = "none",
    value_range: ValueRange = None,
    data_dir: DataDir = None,
) -> tf.data.Dataset:
    """Gives `((labelled_images, labels), unlabelled_images)`; see `ImageDataset.few_labels`.

    Arguments, and what is raised, are those of `open` and of that.
    """
    images = open(
        name,
        image_size=image_size,
        channels=channels,
        drop_duplicates=drop_duplicates,
        value_range=value_range,
        data_dir=data_dir,
    )
    return images.few_labels(
        num_labels,
        split,
        batch_size=batch_size,
        label_seed=label_seed,
        seed=seed,
        first_step=first_step,
        augment=augment,
        repeat=repeat,
    )


def load_unpaired(
    name: str | os.PathLike[str],
    part: str = "train",
    *,
    batch_size: int = 1,
    shuffle: bool = True,
    repeat: bool = True,
    seed: int = 0,
    first_step: int = 0,
    augment: Augment | None = None,
    image_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    drop_duplicates: str = "none",
    value_range: ValueRange = None,
    data_dir: DataDir = None,
) -> tf.data.Dataset:
    """Gives `(images_a, images_b)` of two domains, without pairs; see `ImageDataset.unpaired`.

    Arguments, and what is raised, are those of `open` and of that.
    """
    images = open(
        name,
        image_size=image_size,
        channels=channels,
        drop_duplicates=drop_duplicates,
        value_range=value_range,
        data_dir=data_dir,
    )
    return images.unpaired(
        part,
        batch_size=batch_size,
        shuffle=shuffle,
        repeat=repeat,
        seed=seed,
        first_step=first_step,
        augment=augment,
    )


def describe(
    name: str | os.PathLike[str],
    data_dir: DataDir = None,
    *,
    image_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    drop_duplicates: str = "none",
    value_range: ValueRange = None,
) -> DatasetDescription:
    """Tells what a data set holds, after preparing it if it is not yet on disk.

    Arguments, and what is raised, are those of `open` and of `ImageDataset`.
    """
    return open(
        name,
        image_size=image_size,
        channels=channels,
        drop_duplicates=drop_duplicates,
        value_range=value_range,
        data_dir=data_dir,
    ).description
