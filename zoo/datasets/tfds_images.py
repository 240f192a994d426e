"""The images of a data set of TFDS, decoded, at their own size or at one that is asked for."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from zoo.common.messages import first_line
from zoo.datasets import catalogue, decoding, disk, fingerprints, memory, preparation
from zoo.datasets.decoding import ImageForm
from zoo.datasets.description import DatasetDescription
from zoo.datasets.threads import map_in_threads

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

_FORMAT = 1
_IMAGES, _LABELS, _ATTRIBUTES = "images.bin", "labels.npy", "attributes.npy"
_NOTES = "notes.json"


class TfdsSource:
    """A data set of TFDS as an `ImageDataset` sees it; arguments as for `open`.

    Attributes:
        full_name: with config and version.
        form: to which images are brought; None if they stay as they are.
    """

    def __init__(
        self,
        name: str,
        image_size: int | tuple[int, int] | None,
        channels: int | None,
        drop_duplicates: str,
        value_range: decoding.ValueRange,
        data_dir: disk.DataDir,
    ):
        if drop_duplicates != "none":
            raise ValueError(
                "drop_duplicates is for folders of images, 'folder:PATH'. Received: "
                f"drop_duplicates={drop_duplicates!r} for {name!r}."
            )
        if value_range is not None:
            raise ValueError(
                "value_range is for folders of images, 'folder:PATH'. Received: "
                f"value_range={value_range!r} for {name!r}."
            )
        self._name = name
        self._data_dir = data_dir
        self._builder = catalogue.find_builder(name, data_dir)
        self._features = catalogue.image_features(self._builder, name)
        self.full_name = self._builder.info.full_name
        self.form = _wanted_form(name, self._features.image_shape, image_size, channels)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """One a label, or None if there are no labels."""
        return self._features.class_names

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.form.shape if self.form else self._features.image_shape

    @property
    def is_resized(self) -> bool:
        """Whether images are brought to another size or other channels than their own."""
        return self.form is not None

    def check(self, split: str, with_labels: bool, with_attributes: bool) -> None:
        """Raises a ValueError for what can be refused before anything is prepared."""
        catalogue.check_split_name(self._name, split, self._builder)
        has_labels = self._features.label_key is not None
        has_attributes = self._features.attribute_names is not None
        if with_labels and not has_labels:
            raise ValueError(_lacking(self._name, "labels", "attributes", has_attributes))
        if with_attributes and not has_attributes:
            raise ValueError(_lacking(self._name, "attributes", "labels", has_labels))

    def describe(self) -> DatasetDescription:
        """Tells what the data set holds, after preparing it."""
        info = preparation.prepare(self._name, self._data_dir).info
        own = catalogue.own_dataset(self._name)
        return DatasetDescription(
            name=self._name,
            image_shape=self.image_shape,
            class_names=self._features.class_names,
            attribute_names=self._features.attribute_names,
            num_examples={split: info.splits[split].num_examples for split in info.splits},
            license=info.as_proto.redistribution_info.license,
            citation=info.citation,
            fingerprint=self._fingerprint(),
            stand_in=own.stand_in if own else "",
        )

    def scans(self) -> tuple:
        """Gives nothing, for there is no folder."""
        return ()

    def _fingerprint(self) -> str:
        builder = preparation.prepare(self._name, self._data_dir)
        digest = fingerprints.digest_of_examples(
            self._name,
            builder,
            lambda split: self._examples(builder, split, encoded=True),
            self._data_dir,
        )
        fingerprint = hashlib.sha256(bytes.fromhex(digest))
        if self.form is not None:
            fingerprint.update(repr(self.form).encode())
        return fingerprint.hexdigest()

    def decode(self, split: str) -> memory.DecodedSplit:
        """Prepares and decodes a split, or gives the copy that is already in memory."""
        builder = preparation.prepare(self._name, self._data_dir)
        catalogue.check_split_name(self._name, split, builder)
        key = (str(builder.data_path), str(split), self.form)
        return memory.share(key, lambda: self._decode(builder, split))

    def _decode(self, builder: tfds.core.DatasetBuilder, split: str) -> memory.DecodedSplit:
        examples = self._examples(builder, split, encoded=self.form is not None)
        shape = self.image_shape
        num_bytes = int(examples.cardinality()) * int(np.prod(shape))
        if self.form is None and memory.fits_in_memory(num_bytes):
            with preparation.reading_records(self._name, builder):
                arrays = examples.batch(examples.cardinality()).get_single_element()
            images = memory.ImagesInMemory(arrays[self._features.image_key])
            labels = arrays.get(self._features.label_key)
            attributes = self._attributes_of(arrays)
        else:
            images, labels, attributes = self._kept_on_disk(
                builder, split, examples, shape, num_bytes
            )
        with tf.device("CPU:0"):
            return memory.DecodedSplit(
                images,
                None if labels is None else tf.cast(labels, tf.int32),
                len(self._features.class_names or ()),
                None if attributes is None else tf.convert_to_tensor(attributes),
            )

    def _attributes_of(self, examples: dict[str, Any]) -> np.ndarray | None:
        """Gives bool `(..., num_attributes)`, of one example or of all of a split; None if none."""
        if self._features.attribute_names is None:
            return None
        flags = examples[catalogue.ATTRIBUTES_KEY]
        return np.stack([flags[name] for name in self._features.attribute_names], axis=-1)

    def _examples(
        self, builder: tfds.core.DatasetBuilder, split: str, encoded: bool
    ) -> tf.data.Dataset:
        import tensorflow_datasets as tfds

        image_key, label_key = self._features.image_key, self._features.label_key
        attributes_key = catalogue.ATTRIBUTES_KEY if self._features.attribute_names else None
        wanted = {key: True for key in (image_key, label_key, attributes_key) if key is not None}
        skip = {image_key: tfds.decode.SkipDecoding()} if encoded else None
        options = tf.data.Options()
        options.autotune.enabled = False  # as in the pipeline: its thread would hold up the end
        try:
            return builder.as_dataset(
                split=split,
                # The order in which the records lie, so that index i is always the same image.
                shuffle_files=False,
                read_config=tfds.ReadConfig(try_autocache=False, options=options),
                decoders=tfds.decode.PartialDecoding(wanted, decoders=skip),
            )
        except ValueError as error:
            raise ValueError(
                f"split={split!r} of {self._name!r} can't be read ({first_line(error)}); choose "
                "another."
            ) from error

    def made_to_form(self, images: np.ndarray) -> np.ndarray:
        """Brings uint8 images of the set's own shape to the form of all: uint8."""
        if self.form is None:
            return images
        files = (tf.io.encode_png(image).numpy() for image in images)
        return np.stack([self._made_to_form(each) for each in enumerate(files)])

    # === On disk ===

    def _kept_on_disk(
        self,
        builder: tfds.core.DatasetBuilder,
        split: str,
        examples: tf.data.Dataset,
        shape: tuple[int, int, int],
        num_bytes: int,
    ) -> tuple[memory.ImagesInMemory | memory.ImagesOnDisk, np.ndarray | None, np.ndarray | None]:
        identity = [
            _FORMAT,
            self._name,
            str(builder.data_path),
            _time_of_preparation(builder),
            str(split),
            repr(self.form),
            int(examples.cardinality()),
            # Copies of sets without attributes are older than this entry, and stay valid.
            *([list(self._features.attribute_names)] if self._features.attribute_names else []),
        ]

        def stored_in(entry: Path) -> disk.StoredImages:
            return disk.StoredImages(entry / _IMAGES, (int(examples.cardinality()), *shape))

        def fill(entry: Path) -> None:
            self._decode_into(entry, builder, examples)
            (entry / _NOTES).write_text(json.dumps(identity), encoding="ascii")

        answers = [_LABELS] * bool(self._features.label_key)
        answers += [_ATTRIBUTES] * bool(self._features.attribute_names)
        # All that the pixels depend on but the time, so that a newer copy replaces the older.
        key_parts = [identity[number] for number in (1, 2, 4, 5)]
        entry = disk.find_entry(
            self._data_dir,
            "tfds-" + hashlib.sha256(json.dumps(key_parts).encode()).hexdigest()[:32],
            is_current=lambda entry: _is_current(entry, identity, stored_in(entry), answers),
            fill=fill,
            num_bytes=num_bytes,
        )
        labels = np.load(entry / _LABELS) if self._features.label_key else None
        attributes = np.load(entry / _ATTRIBUTES) if self._features.attribute_names else None
        return memory.hold(stored_in(entry)), labels, attributes

    def _decode_into(
        self, entry: Path, builder: tfds.core.DatasetBuilder, examples: tf.data.Dataset
    ) -> None:
        if not sys.stderr.isatty():
            print(f"Decoding the images of {self._name!r}, once.", file=sys.stderr)
        labels: list[int] = []
        attributes: list[np.ndarray] = []

        def numbered() -> Iterator[tuple[int, bytes | np.ndarray]]:
            with preparation.reading_records(self._name, builder):
                for number, example in enumerate(examples.as_numpy_iterator()):
                    if self._features.label_key:
                        labels.append(int(example[self._features.label_key]))
                    if self._features.attribute_names:
                        attributes.append(self._attributes_of(example))
                    yield number, example[self._features.image_key]

        results = map_in_threads(self._made_to_form, numbered())
        with (
            decoding.without_pillow_warnings(),
            contextlib.closing(results),
            open(entry / _IMAGES, "wb") as images,
        ):
            for image in tqdm(
                results,
                total=int(examples.cardinality()),
                desc="decoding images",
                unit=" images",
                disable=None,
                leave=False,
            ):
                images.write(image.tobytes())
        if self._features.label_key:
            np.save(entry / _LABELS, np.array(labels, np.int32))
        if self._features.attribute_names:
            np.save(entry / _ATTRIBUTES, np.array(attributes, np.bool_))

    def _made_to_form(self, numbered: tuple[int, bytes | np.ndarray]) -> np.ndarray:
        number, image = numbered
        if self.form is None:
            return image
        try:
            return decoding.decode_image(image, self.form).pixels
        except decoding.UnusableImageError as error:
            raise RuntimeError(
                f"Image number {number} of {self._name!r} can't be used ({error}); prepare the "
                "data set anew, or use another."
            ) from error


def _lacking(name: str, wanted: str, other: str, has_other: bool) -> str:
    if has_other:
        return (
            f"{name!r} has no {wanted}, only {other}; use a data set that has {wanted}, or in "
            f"Python with_{other}=True."
        )
    return f"{name!r} has no {wanted}; use it without, or use a data set that has {wanted}."


def _wanted_form(
    name: str,
    own_shape: tuple[int | None, ...],
    image_size: int | tuple[int, int] | None,
    channels: int | None,
) -> ImageForm | None:
    """Gives the form to bring images to; None if they stay as they are."""
    if image_size is None and None in own_shape:
        raise ValueError(
            f"{name!r} has images whose sizes vary: their shape is {own_shape}; give an "
            "image_size, such as image_size=64, to which they are resized."
        )
    if image_size is None and channels in (None, own_shape[2]):
        return None
    crop = catalogue.CENTRE_CROPS.get(catalogue.base_name(name)) if image_size else None
    return decoding.image_form(
        image_size or own_shape[:2], channels or (1 if own_shape[2] == 1 else 3), crop
    )


def _is_current(
    entry: Path, identity: list, stored: disk.StoredImages, other_files: list[str]
) -> bool:
    try:
        notes = json.loads((entry / _NOTES).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return False
    return (
        notes == identity
        and stored.is_whole()
        and all((entry / name).is_file() for name in other_files)
    )


def _time_of_preparation(builder: tfds.core.DatasetBuilder) -> int:
    info = Path(builder.data_path) / "dataset_info.json"
    return info.stat().st_mtime_ns if info.exists() else 0
