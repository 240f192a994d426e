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
import csv
import dataclasses
import hashlib
import io
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from zoo.common.files import write_atomically
from zoo.common.messages import counted, listed, printable
from zoo.datasets import disk, folder_cache, folder_layout, listing, memory, splits
from zoo.datasets.decoding import image_form
from zoo.datasets.description import DatasetDescription
from zoo.datasets.folder_cache import DecodedFolder
from zoo.datasets.folder_layout import DOMAIN_SPLITS, Classes, Layout
from zoo.datasets.listing import SkippedFile

PREFIX = "folder:"
DROP_DUPLICATES = ("none", "exact", "near")
# Fewer make no batch, let alone a data set to learn from.
MIN_IMAGES = 16
_TRAIN_SHARE, _VALIDATION_SHARE = 0.9, 0.05
_REASONS_IN_SUMMARY = 5
_CLASSES_IN_SUMMARY = 8
# What was told in this process of how folders were read.
_told: set[str] = set()


class DuplicateFile(NamedTuple):
    """A file that is there already.

    Attributes:
        path: within the folder.
        original: the first file of which it is a copy, or which it looks like.
        is_exact: whether the two have the same bytes.
    """

    path: str
    original: str
    is_exact: bool


@dataclasses.dataclass(frozen=True)
class FolderScan:
    """What is in a folder of images.

    Attributes:
        path: of the folder, absolute.
        image_shape: (height, width, channels) to which the images were made.
        files: paths within the folder of the images that are used, ordered by their bytes.
        num_examples: used images in each split.
        split_folders: of each split, the folder in which its images lie; empty if the images were
            not sorted into splits, but split by their content.
        class_names: one a label, those of the folders in which the images lie; None without labels.
        why_no_classes: why there are no labels; "" if there are.
        skipped: files and folders that can't be used, each with the reason.
        duplicates: files of which the bytes are those of an earlier one, and files that look like
            an earlier one.
        drop_duplicates: which of these were left out: `"none"`, `"exact"` or `"near"` (both).
        num_enlarged: images, of all that can be used, that were smaller than `image_shape`.
        fingerprint: SHA-256 over the content of the used files, their splits, their classes and
            `image_shape`.
    """

    path: Path
    image_shape: tuple[int, int, int]
    files: tuple[str, ...]
    num_examples: dict[str, int]
    split_folders: dict[str, str]
    class_names: tuple[str, ...] | None
    why_no_classes: str
    skipped: tuple[SkippedFile, ...]
    duplicates: tuple[DuplicateFile, ...]
    drop_duplicates: str
    num_enlarged: int
    fingerprint: str

    @property
    def num_exact_duplicates(self) -> int:
        """Files whose bytes are those of an earlier one."""
        return sum(duplicate.is_exact for duplicate in self.duplicates)

    @property
    def num_near_duplicates(self) -> int:
        """Further files that look like an earlier one."""
        return len(self.duplicates) - self.num_exact_duplicates

    def first_line(self) -> str:
        """Tells in one line how the folder was read: splits, classes, images, files skipped."""
        in_splits = ", ".join(
            f"{split} {number:,}{self._place_of(split)}"
            for split, number in self.num_examples.items()
        )
        how = "" if self.split_folders else "split by content: "
        return (
            f"{printable(os.fspath(self.path))}: {counted(len(self.files), 'image')} used "
            f"({how}{in_splits}), {self._classes_in_words()}, "
            f"{counted(len(self.skipped), 'file')} skipped."
        )

    def _place_of(self, split: str) -> str:
        folder = self.split_folders.get(split, split)
        return "" if folder == split else f" of {printable(folder)!r}"

    def _classes_in_words(self) -> str:
        if self.class_names is None:
            is_obvious = self.why_no_classes == folder_layout.NO_FOLDERS
            return "no classes" if is_obvious else f"no classes, for {self.why_no_classes}"
        names = self.class_names
        shown = listed(names[:_CLASSES_IN_SUMMARY]) + ", ..." * (len(names) > _CLASSES_IN_SUMMARY)
        return f"{len(names):,} classes ({shown})"

    def summary(self) -> str:
        """Tells in a few lines what is used, what is not, and why."""
        lines = [self.first_line()]
        kinds = Counter(file.reason.partition(":")[0] for file in self.skipped)
        lines += [f"  {n:,} {kind}" for kind, n in kinds.most_common(_REASONS_IN_SUMMARY)]
        num_others = sum(n for _, n in kinds.most_common()[_REASONS_IN_SUMMARY:])
        lines += [f"  {num_others:,} for other reasons"] if num_others else []
        if self.duplicates:
            lines.append(
                f"  {self.num_exact_duplicates:,} equal to another file and "
                f"{self.num_near_duplicates:,} more that look like one; dropped: "
                f"{self.drop_duplicates}."
            )
        if self.num_enlarged:
            height, width, _ = self.image_shape
            lines.append(f"  {self.num_enlarged:,} enlarged, being smaller than {width}x{height}.")
        return "\n".join(lines)

    def write_report(self, path: str | os.PathLike[str]) -> None:
        """Lists what was skipped and what is doubled, one row a file: path, used, remark.

        Args:
            path: a file that ends in `.csv` or `.json`, to create or replace.

        Raises:
            ValueError: if it ends in something else.
            OSError: if it can't be written.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in (".csv", ".json"):
            raise ValueError(
                f"The report's name must end in .csv or .json. Received: {os.fspath(path)!r}"
            )
        rows = self.report_rows()
        if suffix == ".json":
            write_atomically(path, json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
            return
        table = io.StringIO()
        writer = csv.DictWriter(table, ["path", "used", "remark"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "used": "yes" if row["used"] else "no"} for row in rows)
        write_atomically(path, table.getvalue())

    def report_rows(self) -> list[dict[str, str | bool]]:
        """Gives what `write_report` writes: `path`, whether it is `used`, and a `remark`."""
        used = set(self.files)
        rows = [
            {"path": printable(path), "used": False, "remark": reason}
            for path, reason in self.skipped
        ]
        for path, original, is_exact in self.duplicates:
            remark = "equal to " if is_exact else "looks like "
            rows.append(
                {
                    "path": printable(path),
                    "used": path in used,
                    "remark": remark + printable(original),
                }
            )
        return sorted(rows, key=lambda row: row["path"])


def scan_folder(
    path: str | os.PathLike[str],
    image_size: int | tuple[int, int],
    *,
    channels: int = 3,
    drop_duplicates: str = "none",
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
    return FolderSource(name, image_size, channels, drop_duplicates, data_dir).scan()


# === Source ===


@dataclasses.dataclass(frozen=True, eq=False)
class _Reading:
    """A folder as it was read: which of the decoded images make each split, and their classes."""

    decoded: DecodedFolder
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
        key = (self._path, self._form, self._drop_duplicates, decoded.listing_digest, split)

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
        decoded = folder_cache.decode_folder(self._path, found, self._form, self._data_dir)
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
                rows[split] = rows[split] or [rows["train"].pop()]
        self._reading = _Reading(
            decoded,
            layout,
            {split: np.array(numbers, np.int64) for split, numbers in rows.items()},
            folder_layout.find_classes(layout, decoded.paths),
        )
        self._tell(self._reading)
        return self._reading

    def _tell(self, reading: _Reading) -> None:
        """Says how the folder was read; the first time also what of it is not used."""
        scan = self._scan_of(reading)
        line = scan.first_line()
        if line not in _told:
            _told.add(line)
            print(scan.summary() if reading.decoded.is_new else line, file=sys.stderr)

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
        reasons = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common(_REASONS_IN_SUMMARY))
        num_dropped = len(decoded.paths) - num_used
        raise ValueError(
            f"{self._name!r} has {num_used} images that can be used, and {MIN_IMAGES} are needed; "
            + (f"skipped: {reasons}; " if reasons else "")
            + (f"dropped as duplicates: {num_dropped}; " if num_dropped else "")
            + "add images, or give another folder."
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
            num_enlarged=decoded.num_enlarged,
            fingerprint=self._fingerprint(reading),
        )

    def _fingerprint(self, reading: _Reading) -> str:
        """Digests what training sees: the content in its order, the labels and the shape."""
        digests, classes = reading.decoded.digests, reading.classes
        fingerprint = hashlib.sha256(repr(self._form.shape).encode())
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
