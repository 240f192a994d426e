"""A data set as an object, of which every stream of images is asked."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import os
from types import ModuleType

import numpy as np
import tensorflow as tf

from zoo.common.checks import as_integer, check_choice
from zoo.datasets import catalogue, few_labels, pipeline
from zoo.datasets.decoding import ValueRange
from zoo.datasets.description import DatasetDescription
from zoo.datasets.disk import DataDir
from zoo.datasets.folder import name_of
from zoo.datasets.folder_scan import FolderScan
from zoo.datasets.pairs import drawn_pairs
from zoo.datasets.pipeline import Augment, Course
from zoo.datasets.sources import find_source
from zoo.datasets.translation_truth import DIRECTIONS, TranslationTruth

PARTS = ("train", "test")


def open(
    name: str | os.PathLike[str],
    *,
    image_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    drop_duplicates: str = "none",
    value_range: ValueRange = None,
    data_dir: DataDir = None,
) -> ImageDataset:
    """Opens a data set; it is prepared on disk by the first question that needs it.

    Args:
        name: `"mnist_small"`, any image data set of TFDS, such as `"mnist"` or `"svhn_cropped"`, or
            `"folder:PATH"` for images of your own, labelled by the folders that they lie in; see
            `scan_folder`. Two domains are a set with
            the splits `trainA`, `trainB`, `testA` and `testB`, such as `"drawn_horse2zebra"` or
            `"cycle_gan/horse2zebra"`, a folder with folders of these names, or
            `"folder:PATH,PATH"`, a folder for each domain. A `pathlib.Path` is a folder.
        image_size: side of the square, or (height, width), to which images are resized, the middle
            of them kept; of `celeb_a` the middle 108x108 pixels, as in DCGAN's code. Defaults to
            None, their own size; folders and sets whose sizes vary need it.
        channels: 3 for colour or 1 for grey. Defaults to None: what the set has, 3 for a folder.
        drop_duplicates: for folders: `"exact"` or `"near"` to leave out files that are there
            already; see `scan_folder`. Defaults to `"none"`.
        value_range: for folders of grey images of more than 8 bits: which values become black and
            white, such as `(0, 4095)` where cameras have 12 bits, or `"data"` for the lowest and
            the highest that occur; see `scan_folder`. Defaults to None, 0 and 65535.
        data_dir: where data sets are kept. Defaults to TFDS's own place, `TFDS_DATA_DIR` or
            `~/tensorflow_datasets`.

    Returns:
        An `ImageDataset`.

    Raises:
        ValueError: if there is no such data set or folder, the examples are not uint8 images, or
            `image_size` is missing or, as any other argument, out of range.
    """
    name = name_of(name)
    source = find_source(name, image_size, channels, drop_duplicates, value_range, data_dir)
    return ImageDataset(name, source, data_dir)


class ImageDataset:
    """A data set of images; `open` makes it.

    It remembers where the images come from and how they are resized. All streams are a
    `tf.data.Dataset` of batches, images float32 `(batch, height, width, channels)` in [-1, 1]: byte
    0 is -1, 255 is 1. Their attribute `steps_per_epoch` is the number of batches in one pass. A
    split is decoded once, as uint8, and all streams in the process share that copy (`clear_memory`
    frees it): in memory, or in a file below `data_dir` that is read batch by batch if it is larger
    than 2 GiB or a quarter of the machine's memory.

    Attributes:
        name: as it was opened.

    Raises:
        RuntimeError: by all that it is asked, if the data set could not be downloaded, prepared or
            decoded.
        ValueError: likewise, if `data_dir` can't be written, or a folder has fewer than 16 usable
            images.
    """

    def __init__(self, name: str, source, data_dir: DataDir):
        self.name = name
        self._source = source
        self._data_dir = data_dir

    @functools.cached_property
    def description(self) -> DatasetDescription:
        """What the data set holds, found out once."""
        return self._source.describe()

    @functools.cached_property
    def scans(self) -> tuple[FolderScan, ...]:
        """What `scan_folder` tells of each folder, found out once; empty for sets of TFDS."""
        return self._source.scans()

    # === One domain ===

    def batches(
        self,
        split: str = "train",
        *,
        batch_size: int = 64,
        shuffle: bool = False,
        repeat: bool = False,
        seed: int = 0,
        first_step: int = 0,
        augment: Augment | None = None,
        drop_remainder: bool = False,
    ) -> tf.data.Dataset:
        """Gives batches of images.

        With `repeat=True` the dataset never ends, each batch is full and depends on (`seed`, its
        number) only, so `first_step` resumes exactly; `fit` then needs `steps_per_epoch`. With
        `repeat=False` each iteration is one pass, shuffled and augmented differently from the one
        before; which pass it is can't be resumed.

        Args:
            split: as TFDS writes it: `"train"`, `"train[:1000]"`, `"train+test"`. Defaults to
                `"train"`.
            batch_size: images in a batch, over all replicas. Defaults to 64.
            shuffle: whether each epoch has an order of its own. Defaults to False, the stored
                order.
            repeat: whether to go on for ever. Defaults to False, one pass.
            seed: of the order and the augmentation. Defaults to 0.
            first_step: number of the first batch, with `repeat=True`. Defaults to 0; to resume, how
                many batches have been used.
            augment: `(image, seed) -> image`, with uint8 `(height, width, channels)` in and out and
                an int32 seed `(2,)` for `tf.random.stateless_*` or `tf.image.stateless_*`; the seed
                is another for every image and every epoch. Defaults to None, nothing.
            drop_remainder: whether to leave out a last batch that is not full. Defaults to False.

        Raises:
            ValueError: if an argument is out of range, there is no such split, or `augment` gives
                another shape or type.
        """
        return self._batches(
            split,
            None,
            batch_size=batch_size,
            shuffle=shuffle,
            repeat=repeat,
            seed=seed,
            first_step=first_step,
            augment=augment,
            drop_remainder=drop_remainder,
        )

    def labelled(self, split: str = "train", **options) -> tf.data.Dataset:
        """Gives batches `(images, labels)`, labels int32 `(batch,)`.

        Args:
            split: as for `batches`.
            **options: those of `batches`.

        Raises:
            ValueError: if the images have no labels, and wherever `batches` raises it.
        """
        return self._batches(split, "labels", **options)

    def attributes(self, split: str = "train", **options) -> tf.data.Dataset:
        """Gives batches `(images, attributes)`, for sets such as `"drawn_faces"` and `"celeb_a"`.

        Attributes are bool `(batch, num_attributes)`, in the order of
        `description.attribute_names`.

        Args:
            split: as for `batches`.
            **options: those of `batches`.

        Raises:
            ValueError: if the images have no attributes, and wherever `batches` raises it.
        """
        return self._batches(split, "attributes", **options)

    def _batches(self, split: str, answers: str | None, **options) -> tf.data.Dataset:
        course = Course(**options)
        self._source.check(
            split, with_labels=answers == "labels", with_attributes=answers == "attributes"
        )
        decoded = self._source.decode(split)
        num_images = decoded.images.shape[0]
        if not course.num_steps(num_images) and not course.repeat:
            raise ValueError(
                f"drop_remainder=True leaves no batch of the {num_images} images in "
                f"split={split!r}; use a smaller one. Received: batch_size={course.batch_size}."
            )
        stream = pipeline.stream(
            decoded.images, course, answers=getattr(decoded, answers) if answers else None
        )
        return pipeline.dataset(stream.batch, course, num_images)

    def few_labels(
        self,
        num_labels: int,
        split: str = "train",
        *,
        batch_size: int = 100,
        label_seed: int = 0,
        seed: int = 0,
        first_step: int = 0,
        augment: Augment | None = None,
        repeat: bool = True,
    ) -> tf.data.Dataset:
        """Gives a few images with labels and all others without, for semi-supervised training.

        Both are shuffled, each over epochs of its own: 20 labelled images fill batches of 100 five
        times over. Batches are `((labelled_images, labels), unlabelled_images)`, labels int32
        `(batch,)`.

        Args:
            num_labels: how many images keep their label, equally many of each class.
            split: as for `batches`.
            batch_size: images in each half of a batch, over all replicas. Defaults to 100, as in
                Salimans et al., 2016.
            label_seed: which images keep their label; see `few_label_split`. Defaults to 0.
            seed: of the order and the augmentation. Defaults to 0.
            first_step: number of the first batch, as for `batches`.
            augment: as for `batches`.
            repeat: whether to go on for ever. Defaults to True; False ends after one pass over the
                unlabelled images, whose last batch may then be smaller.

        Raises:
            ValueError: if the labels can't be shared equally among the classes, there are not
                enough images for them or none would be left without, and wherever `labelled`
                raises it.
        """
        course = Course(
            batch_size=batch_size,
            shuffle=True,
            repeat=repeat,
            seed=seed,
            first_step=first_step,
            augment=augment,
        )
        self._source.check(split, with_labels=True, with_attributes=False)
        few_labels.check_equal_share(num_labels, len(self._source.class_names))
        decoded = self._source.decode(split)
        labelled_rows, unlabelled_rows = few_labels.choose_labelled(
            decoded.labels.numpy(), num_labels, decoded.num_classes, label_seed
        )
        if unlabelled_rows.size == 0:
            raise ValueError(
                f"num_labels={num_labels} leaves no image of split={split!r} without a label; use "
                "fewer, or all images with their labels."
            )
        labelled = pipeline.stream(
            decoded.images,
            dataclasses.replace(course, repeat=True),
            answers=decoded.labels,
            rows=labelled_rows,
            purpose="labelled",
        )
        unlabelled = pipeline.stream(
            decoded.images, course, rows=unlabelled_rows, purpose="unlabelled"
        )
        return pipeline.dataset(
            lambda *time: (labelled.batch(*time), unlabelled.batch(*time)),
            course,
            unlabelled_rows.size,
        )

    # === Two domains ===

    def unpaired(
        self,
        part: str = "train",
        *,
        batch_size: int = 1,
        shuffle: bool = True,
        repeat: bool = True,
        seed: int = 0,
        first_step: int = 0,
        augment: Augment | None = None,
    ) -> tf.data.Dataset:
        """Gives batches `(images_a, images_b)` of two domains, paired anew in every epoch.

        Each domain goes through epochs of its own, in orders of its own: of unequal sizes, neither
        is cut to the length of the shorter, nor repeats its order.

        Args:
            part: `"train"` or `"test"`.
            batch_size: images of each domain in a batch. Defaults to 1, as in Zhu et al., 2017.
            shuffle: whether each epoch has an order of its own. Defaults to True; False gives the
                stored order.
            repeat: whether to go on for ever. Defaults to True; False ends with the shorter domain.
            seed: of orders and augmentation. Defaults to 0.
            first_step: number of the first batch, as for `batches`.
            augment: as for `batches`.

        Raises:
            ValueError: if `part` is another, the data set has no two domains, and wherever
                `batches` raises it.
        """
        _check_part(part)
        # One seed for both would give domains of equal size one order, and so the same pairs for
        # ever.
        digest = hashlib.sha256(f"{seed}/domain b".encode()).digest()
        domain_a, domain_b = (
            self.batches(
                f"{part}{domain}",
                batch_size=batch_size,
                shuffle=shuffle,
                repeat=repeat,
                seed=domain_seed,
                first_step=first_step,
                augment=augment,
            )
            for domain, domain_seed in (("A", seed), ("B", int.from_bytes(digest[:7], "big")))
        )
        longer = max(domain_a.steps_per_epoch, domain_b.steps_per_epoch)
        return pipeline.with_steps(tf.data.Dataset.zip(domain_a, domain_b), longer)

    def pairs(
        self,
        part: str = "train",
        *,
        direction: str = "a_to_b",
        num_pairs: int | None = None,
        batch_size: int = 1,
        shuffle: bool = True,
        repeat: bool = True,
        seed: int = 0,
        first_step: int = 0,
        augment: Augment | None = None,
    ) -> tf.data.Dataset:
        """Gives batches `(inputs, answers)`: images of one domain, and each as it is in the other.

        Only sets whose answers are drawn have them, such as `"drawn_horse2zebra"`. Its training
        pairs are drawn once and kept below `data_dir`; their inputs are the images of `trainA` or
        `trainB`, so nothing that is to learn without pairs may see them. Where more than one answer
        is right, as for a zebra, whose horse may have any coat, training pairs have always the
        first.

        Args:
            part: `"train"` or `"test"`.
            direction: `"a_to_b"` for `(images_a, images_b)`, the default, or `"b_to_a"` for
                `(images_b, images_a)`.
            num_pairs: how many, from the first on. Defaults to all that there are.
            batch_size: pairs in a batch, over all replicas. Defaults to 1, as in Isola et
                al., 2017.
            shuffle: as for `batches`. Defaults to True.
            repeat: as for `batches`. Defaults to True.
            seed: of the order and the augmentation. Defaults to 0.
            first_step: number of the first batch, as for `batches`.
            augment: as for `batches`; both images of a pair have the same seed, so they are cut
                and mirrored alike.

        Raises:
            ValueError: if no pairs are known, an argument is out of range, and wherever `batches`
                raises it.
        """
        course = Course(
            batch_size=batch_size,
            shuffle=shuffle,
            repeat=repeat,
            seed=seed,
            first_step=first_step,
            augment=augment,
        )
        _check_part(part)
        check_choice("direction", direction, DIRECTIONS)
        truth_module = self._truth_module("pairs")
        domains = ("A", "B") if direction == "a_to_b" else ("B", "A")
        num_pairs = self._checked_number(num_pairs, f"{part}{domains[0]}")
        if part == "test":
            both = [self._source.decode(f"{part}{domain}").images for domain in domains]
        else:
            both = drawn_pairs(
                self._source, truth_module.draw_pairs, direction, num_pairs, self._data_dir
            )
        inputs, answers = (
            pipeline.stream(images, course, rows=np.arange(num_pairs)) for images in both
        )
        return pipeline.dataset(
            lambda *time: (inputs.batch(*time), answers.batch(*time)), course, num_pairs
        )

    @property
    def has_truth(self) -> bool:
        """Whether `truth` can be asked: the set has one, and is opened at its own size."""
        own = catalogue.own_dataset(self.name)
        return bool(own and own.truth_module) and not self._source.is_resized

    def truth(self, direction: str, num_scenes: int) -> TranslationTruth:
        """Draws the first test images with all right answers, to score translations by.

        Args:
            direction: `"a_to_b"` or `"b_to_a"`.
            num_scenes: how many; `description.num_examples` tells how many there are.

        Raises:
            ValueError: if there is no truth (see `has_truth`), no such direction, or `num_scenes`
                is not positive.
        """
        truth_module = self._truth_module("truth")
        if not self.has_truth:
            raise ValueError(
                f"The truth of {self.name!r} is drawn at its own size; open it without image_size "
                "and channels."
            )
        return truth_module.draw_truth(direction, num_scenes)

    def _truth_module(self, wanted: str) -> ModuleType:
        own = catalogue.own_dataset(self.name)
        if own is None or not own.truth_module:
            names = [name for name, each in catalogue.OWN_DATASETS.items() if each.truth_module]
            raise ValueError(
                f"{self.name!r} has no known {wanted}; of two domains without, `unpaired` gives "
                f"images, and {', '.join(map(repr, names))} has {wanted}."
            )
        return importlib.import_module(own.truth_module)

    def _checked_number(self, num_pairs: int | None, split: str) -> int:
        available = self.description.num_examples[split]
        if num_pairs is None:
            return available
        num_pairs = as_integer("num_pairs", num_pairs, least=None)
        if not 1 <= num_pairs <= available:
            raise ValueError(
                f"num_pairs must be from 1 to {available}, the images in {split!r} of "
                f"{self.name!r}. Received: num_pairs={num_pairs}."
            )
        return num_pairs


def _check_part(part: str) -> None:
    if part not in PARTS:
        raise ValueError(f"part must be 'train' or 'test'. Received: part={part!r}")
