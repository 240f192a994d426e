"""A user's own folder of images as a data set.

The images of a folder `train` beside `val` or `test`, or what else these are called, keep to these
splits, and those of `trainA`, `trainB`, `testA` and `testB`, two domains, to these; see
`folder_layout`. All others are split by the SHA-256 of their bytes, 90 % train, 5 % validation and
5 % test: an image stays in its split when others are added, when it is renamed, and on any machine,
and two equal files never lie in two splits. Only where so few images leave a split empty, one of
the training images serves there instead. The order within a split is that of the same digests, so
that a slice of a split is a random choice from it.

How a folder was read is told in one line on stderr, once a process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.common.messages import listed
from zoo.datasets import disk, folder_cache, folder_layout, listing, memory, splits
from zoo.datasets.decoding import FULL_RANGE, ImageForm, ValueRange, checked_range, image_form
from zoo.datasets.description import DatasetDescription
from zoo.datasets.folder_cache import DecodedFolder
from zoo.datasets.folder_layout import DOMAIN_SPLITS, Classes, Layout
from zoo.datasets.folder_scan import REASONS_IN_SUMMARY, DuplicateFile, FolderScan, deep_files

PREFIX = "folder:"
DROP_DUPLICATES = ("none", "exact", "near")
# Fewer make no batch, let alone a data set to learn from.
MIN_IMAGES = 16
# Of a split that is drawn: a distance takes two.
_MIN_HELD_OUT = 2
_TRAIN_SHARE, _VALIDATION_SHARE = 0.9, 0.05
# What was told in this process of how folders were read.
_told: set[str] = set()


def scan_folder(
    path: str | os.PathLike[str],
    image_size: int | tuple[int, int],
    *,
    channels: int = 3,
    drop_duplicates: str = "none",
    value_range: ValueRange = None,
    data_dir: disk.DataDir = None,
) -> FolderScan:
    """Reads every file of a folder and tells which can be used, and why others can't.

    Nothing in the folder is changed. Used are JPEG, PNG, WebP, GIF, BMP, TIFF, PPM, AVIF,
    JPEG 2000, TGA and ICO files, and HEIC, as telephones save photos, if `pillow-heif` is
    installed; in folders of any depth and through links; hidden ones are not. They are turned as
    their EXIF orientation says, made sRGB or grey, laid on white where transparent, and resized
    with the shorter side to fit and the middle kept; of animations the first frame is taken. The
    results are kept in `data_dir`, so that `load` and the next process read them at once, as long
    as no name, size or time of a file has changed.

    Folders `train` beside `val` or `test`, or other usual names of these, are splits, and those
    within them, or at the top where none is a split, are classes; see `FolderScan.first_line`.

    Args:
        path: the folder.
        image_size: side of the square, or (height, width), that images become.
        channels: 3 for sRGB, the default, or 1 for grey.
        drop_duplicates: `"exact"` to leave out files whose bytes an earlier one has; `"near"` to
            leave out also those that look like an earlier one, by a perceptual hash and a
            thumbnail. Defaults to `"none"`: doubles are counted but kept, because what looks
            alike is for the owner of the images to judge, and in sets of small, simple drawings
            (of MNIST's digits some 2 in 100) different images do.
        value_range: `(black, white)`, the values between which grey pixels of 16 bits or more are
            spread over all levels; what lies outside is cut. Cameras, microscopes and scanners
            often fill 12 of the 16 bits, `(0, 4095)`, and would train as black; the scan tells.
            `"data"` takes the lowest and the highest value of all such files, which are read once
            more for it. Files of floating point or of 32 bits are used with a range alone. Defaults
            to None: 0 is black and 65535 white. Pixels of 8 bits stay as they are, and of those of
            16 bits a colour the upper 8 are taken.
        data_dir: where decoded images are kept. Defaults to TFDS's own place.

    Returns:
        A `FolderScan`.

    Raises:
        ValueError: if an argument is out of range, there is no such folder, two folders in it
            would be one split, splits lie deeper in it, fewer than 16 of its images can be used, or
            `data_dir` can't be written.
        RuntimeError: if the disk has no room for the decoded images.
    """
    name = PREFIX + os.fspath(path)
    source = FolderSource(name, image_size, channels, drop_duplicates, value_range, data_dir)
    return source.scan()


def name_of(dataset: str | os.PathLike[str]) -> str:
    """Gives the name of a data set, which for a `pathlib.Path` is that of a folder."""
    return f"{PREFIX}{os.fspath(dataset)}" if isinstance(dataset, os.PathLike) else dataset


# === Source ===


@dataclasses.dataclass(frozen=True, eq=False)
class _Reading:
    """A folder as it was read: which of the decoded images make each split, and their classes."""

    decoded: DecodedFolder
    form: ImageForm
    layout: Layout
    rows: dict[str, np.ndarray]
    classes: Classes


class FolderSource:
    """A folder as an `ImageDataset` sees it; arguments as for `open`."""

    is_resized = True

    def __init__(
        self,
        name: str,
        image_size: int | tuple[int, int] | None,
        channels: int | None,
        drop_duplicates: str,
        value_range: ValueRange,
        data_dir: disk.DataDir,
    ):
        self._name = name
        self._path = _existing_folder(name)
        if image_size is None:
            raise ValueError(
                f"{name!r} needs an image_size, for images of a folder may have any; give "
                "image_size=64, say, or (height, width)."
            )
        self._form = image_form(image_size, 3 if channels is None else channels)
        if drop_duplicates not in DROP_DUPLICATES:
            raise ValueError(
                "drop_duplicates must be 'none', 'exact' or 'near'. "
                f"Received: drop_duplicates={drop_duplicates!r}."
            )
        self._drop_duplicates = drop_duplicates
        self._value_range = checked_range(value_range)
        self._data_dir = data_dir
        self._reading: _Reading | None = None

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """One a label, or None if the images lie in no folders of classes."""
        return self._read().classes.names

    def check(self, split: str, with_labels: bool, with_attributes: bool) -> None:
        """Raises a ValueError for what can be refused; with labels, after reading the files."""
        if with_attributes:
            raise ValueError(
                f"{self._name!r} has no attributes, for a folder has none; use it without, or use "
                "a data set with them."
            )
        layout = self._layout()
        if split in DOMAIN_SPLITS:
            self._check_has_both_domains(split, layout)
        wants_train = re.match(r"train\b", str(split)) and not layout.has_domains
        if wants_train and "train" not in layout.splits:
            raise ValueError(
                f"{self._name!r} has no split 'train', for its images lie in "
                f"{listed(layout.folders.values())}; put those to train on beside them, in "
                f"'train', or give the path of a folder within, to split what it holds."
            )
        splits.check_names(self._name, split, layout.splits)
        if with_labels:
            self._check_has_labels(layout)

    def _check_has_both_domains(self, split: str, layout: Layout) -> None:
        both = [each for each in DOMAIN_SPLITS if each[:-1] == split[:-1]]
        missing = [each for each in both if each not in layout.folders]
        if missing:
            raise ValueError(
                f"{self._name!r} has no folder {' and no '.join(missing)}; sort the images into "
                f"{', '.join(DOMAIN_SPLITS[:-1])} and {DOMAIN_SPLITS[-1]}, or write "
                "'folder:PATH,PATH', one a domain."
            )

    def _check_has_labels(self, layout: Layout) -> None:
        paths = [file.path for file in self._list(layout).files]
        # Where not even the names of files show a class, none is read to find that out.
        known = any(map(layout.class_of, paths)) and not layout.has_domains
        classes = self._read().classes if known else folder_layout.find_classes(layout, paths)
        if classes.names is None:
            raise ValueError(
                f"{self._name!r} has no labels, for {classes.why_none}; sort all images into a "
                "folder for each class, 'PATH/CLASS' or 'PATH/SPLIT/CLASS', or use it without."
            )

    def describe(self) -> DatasetDescription:
        """Tells what the folder holds."""
        scan = self.scan()
        return DatasetDescription(
            name=self._name,
            image_shape=scan.image_shape,
            class_names=scan.class_names,
            attribute_names=None,
            num_examples=scan.num_examples,
            license="",
            citation="",
            fingerprint=scan.fingerprint,
            stand_in="",
        )

    def decode(self, split: str) -> memory.DecodedSplit:
        """Gives all images of a split."""
        reading = self._read()
        decoded, classes = reading.decoded, reading.classes
        rows = splits.select(self._name, split, reading.rows)
        if not rows.size:
            raise ValueError(
                f"split={split!r} of {self._name!r} holds no image of the {len(decoded.paths)} "
                "there are; choose another, or put images there."
            )
        key = (self._path, reading.form, self._drop_duplicates, decoded.listing_digest, split)

        def decode() -> memory.DecodedSplit:
            labels = None
            if classes.labels is not None:
                with tf.device("CPU:0"):
                    labels = tf.convert_to_tensor(classes.labels[rows])
            images = memory.hold(decoded.images, rows)
            return memory.DecodedSplit(images, labels, len(classes.names or ()), None)

        return memory.share(key, decode)

    def scan(self) -> FolderScan:
        """Tells which files can be used."""
        return self._scan_of(self._read())

    def scans(self) -> tuple[FolderScan, ...]:
        """Tells the same, as the only folder's."""
        return (self.scan(),)

    def _layout(self) -> Layout:
        with self._readable():
            return folder_layout.find_layout(self._name, self._path)

    def _list(self, layout: Layout) -> listing.Listing:
        """Lists the files that belong to it."""
        with self._readable():
            found = listing.list_files(self._path)
        if layout.folders:
            return found.only_below(tuple(layout.folders.values()))
        folder_layout.check_none_below(self._name, [file.path for file in found.files])
        return found

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ValueError(f"{self._name!r} can't be read: {error.strerror}.") from error

    def _read(self) -> _Reading:
        """Decodes the folder and shares the images that are used out among the splits."""
        layout = self._layout()
        found = self._list(layout)
        if self._reading and self._reading.decoded.listing_digest == found.digest():
            return self._reading
        form = dataclasses.replace(self._form, value_range=self._found_range(found))
        decoded = folder_cache.decode_folder(self._path, found, form, self._data_dir)
        rows: dict[str, list[int]] = {split: [] for split in layout.splits}
        dropped = self._dropped(decoded, layout)
        # In the order of the digests, which has nothing to do with what is in the images.
        for number in sorted(range(len(decoded.paths)), key=decoded.digests.__getitem__):
            if number not in dropped:
                split = layout.split_of(decoded.paths[number])
                rows[split or _drawn_split(decoded.digests[number])].append(number)
        self._check_enough(decoded, sum(map(len, rows.values())))
        if not layout.folders:
            for split in ("validation", "test"):
                while len(rows[split]) < _MIN_HELD_OUT:
                    rows[split].append(rows["train"].pop())
        self._reading = _Reading(
            decoded,
            form,
            layout,
            {split: np.array(numbers, np.int64) for split, numbers in rows.items()},
            folder_layout.find_classes(layout, decoded.paths),
        )
        self._tell(self._reading)
        return self._reading

    def _tell(self, reading: _Reading) -> None:
        """Says how the folder was read; the first time also what of it is not used."""
        scan = self._scan_of(reading)
        told = "\n".join([scan.first_line(), *scan.lines_of_deep_files()])
        if told not in _told:
            _told.add(told)
            print(scan.summary() if reading.decoded.is_new else told, file=sys.stderr)

    def _found_range(self, found: listing.Listing) -> tuple[float, float] | None:
        if self._value_range != "data":
            return self._value_range
        value_range = folder_cache.range_of_folder(self._path, found, self._data_dir)
        if value_range is None:
            raise ValueError(
                f"{self._name!r} has no grey images of 16 bits or more with values to scale by; "
                "leave value_range out. Received: value_range='data'."
            )
        return value_range

    def _dropped(self, decoded: DecodedFolder, layout: Layout) -> set[int]:
        exact = decoded.exact if self._drop_duplicates != "none" else {}
        near = decoded.near if self._drop_duplicates == "near" else {}

        def domain(number: int) -> str:
            return layout.split_of(decoded.paths[number])[-1] if layout.has_domains else ""

        # A scene may be in both domains: each keeps the first of what is alike.
        dropped, firsts = set(), set()
        for number, original in sorted({**near, **exact}.items()):
            first = (original, domain(number))
            if domain(original) == domain(number) or first in firsts:
                dropped.add(number)
            firsts.add(first)
        return dropped

    def _check_enough(self, decoded: DecodedFolder, num_used: int) -> None:
        if num_used >= MIN_IMAGES:
            return
        kinds = Counter(file.reason.partition(":")[0] for file in decoded.skipped)
        reasons = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common(REASONS_IN_SUMMARY))
        num_dropped = len(decoded.paths) - num_used
        advice = "add images, or give another folder."
        if "of no known range" in reasons:
            advice = (
                "give value_range=(LOWEST, HIGHEST) or 'data', with a recipe --set value_range=..."
            )
        raise ValueError(
            f"{self._name!r} has {num_used} images that can be used, and {MIN_IMAGES} are needed; "
            + (f"skipped: {reasons}; " if reasons else "")
            + (f"dropped as duplicates: {num_dropped}; " if num_dropped else "")
            + advice
        )

    def _scan_of(self, reading: _Reading) -> FolderScan:
        decoded, classes = reading.decoded, reading.classes
        paths = decoded.paths
        used = sorted(number for numbers in reading.rows.values() for number in numbers.tolist())
        duplicates = [
            DuplicateFile(paths[number], paths[original], is_exact)
            for found, is_exact in ((decoded.exact, True), (decoded.near, False))
            for number, original in found.items()
        ]
        return FolderScan(
            path=self._path,
            image_shape=self._form.shape,
            files=tuple(paths[number] for number in used),
            num_examples={split: len(numbers) for split, numbers in reading.rows.items()},
            split_folders=reading.layout.folders,
            class_names=classes.names,
            why_no_classes=classes.why_none,
            skipped=decoded.skipped,
            duplicates=tuple(sorted(duplicates)),
            drop_duplicates=self._drop_duplicates,
            value_range=reading.form.value_range or FULL_RANGE,
            deep_files=deep_files(decoded.paths, decoded.levels, reading.form.value_range),
            num_enlarged=decoded.num_enlarged,
            fingerprint=self._fingerprint(reading),
        )

    def _fingerprint(self, reading: _Reading) -> str:
        """Digests what training sees: the content in its order, the labels and the shape."""
        digests, classes = reading.decoded.digests, reading.classes
        fingerprint = hashlib.sha256(repr(self._form.shape).encode())
        if reading.form.value_range is not None:
            fingerprint.update(repr(reading.form.value_range).encode())
        for split, numbers in reading.rows.items():
            fingerprint.update(f"{split}\n".encode())
            fingerprint.update("".join(digests[number] for number in numbers).encode())
            if classes.labels is not None:
                fingerprint.update(classes.labels[numbers].tobytes())
        if classes.names is not None:
            fingerprint.update(repr(classes.names).encode())
        return fingerprint.hexdigest()


def _existing_folder(name: str) -> Path:
    path = name.removeprefix(PREFIX)
    if not path.strip():
        raise ValueError(f"{name!r} names no folder; write 'folder:PATH'.")
    folder = Path(os.path.abspath(os.path.expanduser(path)))
    try:
        if folder.is_dir():
            return folder
        found = "is a file, not a folder" if folder.exists() else "does not exist"
    except (OSError, ValueError) as error:
        found = f"can't be read: {getattr(error, 'strerror', None) or error}"
    raise ValueError(f"{name!r}: {folder} {found}; give the path of a folder of images.")


def _drawn_split(digest: str) -> str:
    share = int(digest[:16], 16) / 2**64
    if share < _TRAIN_SHARE:
        return "train"
    return "validation" if share < _TRAIN_SHARE + _VALIDATION_SHARE else "test"
