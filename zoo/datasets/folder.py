"""A user's own folder of images as a data set.

The images of a folder `train` beside `validation` or `test` keep to these splits, and those of
`trainA`, `trainB`, `testA` and `testB`, two domains, to these. All others are split by the SHA-256
of their bytes, 90 % train, 5 % validation and 5 % test: an image stays in its split when others are
added, when it is renamed, and on any machine, and two equal files never lie in two splits. Only
where so few images leave a split empty, one of the training images serves there instead. The order
within a split is that of the same digests, so that a slice of a split is a random choice from it.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.common.files import write_atomically
from zoo.common.messages import counted, printable
from zoo.datasets import disk, folder_cache, memory, splits
from zoo.datasets.decoding import image_form
from zoo.datasets.description import DatasetDescription
from zoo.datasets.folder_cache import DecodedFolder
from zoo.datasets.listing import SkippedFile

PREFIX = "folder:"
SPLITS = ("train", "validation", "test")
DOMAIN_SPLITS = ("trainA", "trainB", "testA", "testB")
DROP_DUPLICATES = ("none", "exact", "near")
# Fewer make no batch, let alone a data set to learn from.
MIN_IMAGES = 16
_TRAIN_SHARE, _VALIDATION_SHARE = 0.9, 0.05
_REASONS_IN_SUMMARY = 5


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
        skipped: files and folders that can't be used, each with the reason.
        duplicates: files of which the bytes are those of an earlier one, and files that look like
            an earlier one.
        drop_duplicates: which of these were left out: `"none"`, `"exact"` or `"near"` (both).
        num_enlarged: images, of all that can be used, that were smaller than `image_shape`.
        fingerprint: SHA-256 over the content of the used files, their splits and `image_shape`.
    """

    path: Path
    image_shape: tuple[int, int, int]
    files: tuple[str, ...]
    num_examples: dict[str, int]
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

    def summary(self) -> str:
        """Tells in a few lines what is used, what is not, and why."""
        in_splits = ", ".join(f"{split} {n:,}" for split, n in self.num_examples.items())
        lines = [
            f"{self.path}: {counted(len(self.files), 'image')} used ({in_splits}), "
            f"{counted(len(self.skipped), 'file')} skipped."
        ]
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
        ValueError: if an argument is out of range, there is no such folder, fewer than 16 of its
            images can be used, or `data_dir` can't be written.
        RuntimeError: if the disk has no room for the decoded images.
    """
    name = PREFIX + os.fspath(path)
    return FolderSource(name, image_size, channels, drop_duplicates, data_dir).scan()


# === Source ===


class FolderSource:
    """A folder as an `ImageDataset` sees it; arguments as for `open`."""

    class_names = None
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

    def check(self, split: str, with_labels: bool, with_attributes: bool) -> None:
        """Raises a ValueError for what can be refused before any file is read."""
        if with_labels or with_attributes:
            raise ValueError(
                f"{self._name!r} has no {'labels' if with_labels else 'attributes'}, for a folder "
                "has none; use it without, or use a data set with them."
            )
        if split in DOMAIN_SPLITS:
            self._check_has_both_domains(split)
        splits.check_names(self._name, split, _given_splits(self._path) or SPLITS)

    def _check_has_both_domains(self, split: str) -> None:
        both = [each for each in DOMAIN_SPLITS if each[:-1] == split[:-1]]
        missing = [each for each in both if not (self._path / each).is_dir()]
        if missing:
            raise ValueError(
                f"{self._name!r} has no folder {' and no '.join(missing)}; sort the images into "
                f"{', '.join(DOMAIN_SPLITS[:-1])} and {DOMAIN_SPLITS[-1]}, or write "
                "'folder:PATH,PATH', one a domain."
            )

    def describe(self) -> DatasetDescription:
        """Tells what the folder holds."""
        scan = self.scan()
        return DatasetDescription(
            name=self._name,
            image_shape=scan.image_shape,
            class_names=None,
            attribute_names=None,
            num_examples=scan.num_examples,
            license="",
            citation="",
            fingerprint=scan.fingerprint,
            stand_in="",
        )

    def decode(self, split: str) -> memory.DecodedSplit:
        """Gives all images of a split."""
        decoded, rows_of_splits = self._read()
        rows = splits.select(self._name, split, rows_of_splits)
        if not rows.size:
            raise ValueError(
                f"split={split!r} of {self._name!r} holds no image of the {len(decoded.paths)} "
                "there are; choose another, or put images there."
            )
        key = (self._path, self._form, self._drop_duplicates, decoded.listing_digest, split)
        return memory.share(
            key, lambda: memory.DecodedSplit(memory.hold(decoded.images, rows), None, 0, None)
        )

    def scan(self) -> FolderScan:
        """Tells which files can be used."""
        return self._scan_of(*self._read())

    def scans(self) -> tuple[FolderScan, ...]:
        """Tells the same, as the only folder's."""
        return (self.scan(),)

    def _read(self) -> tuple[DecodedFolder, dict[str, np.ndarray]]:
        """Decodes the folder and shares the images that are used out among the splits."""
        given = _given_splits(self._path)
        try:
            decoded = folder_cache.decode_folder(
                self._path, self._form, self._data_dir, only_below=given
            )
        except OSError as error:
            raise ValueError(f"{self._name!r} can't be read: {error.strerror}.") from error
        rows: dict[str, list[int]] = {split: [] for split in given or SPLITS}
        dropped = self._dropped(decoded)
        # In the order of the digests, which has nothing to do with what is in the images.
        for number in sorted(range(len(decoded.paths)), key=decoded.digests.__getitem__):
            if number not in dropped:
                path, digest = decoded.paths[number], decoded.digests[number]
                rows[path.partition("/")[0] if given else _drawn_split(digest)].append(number)
        self._check_enough(decoded, sum(map(len, rows.values())))
        if not given:
            for split in ("validation", "test"):
                rows[split] = rows[split] or [rows["train"].pop()]
        rows_of_splits = {split: np.array(numbers, np.int64) for split, numbers in rows.items()}
        if decoded.is_new and decoded.skipped:
            print(self._scan_of(decoded, rows_of_splits).summary(), file=sys.stderr)
        return decoded, rows_of_splits

    def _dropped(self, decoded: DecodedFolder) -> set[int]:
        exact = decoded.exact if self._drop_duplicates != "none" else {}
        near = decoded.near if self._drop_duplicates == "near" else {}
        given = _given_splits(self._path)

        def domain(number: int) -> str:
            split = decoded.paths[number].partition("/")[0]
            return split[-1] if split in DOMAIN_SPLITS and split in given else ""

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

    def _scan_of(self, decoded: DecodedFolder, rows: dict[str, np.ndarray]) -> FolderScan:
        paths = decoded.paths
        used = sorted(number for numbers in rows.values() for number in numbers.tolist())
        duplicates = [
            DuplicateFile(paths[number], paths[original], is_exact)
            for found, is_exact in ((decoded.exact, True), (decoded.near, False))
            for number, original in found.items()
        ]
        fingerprint = hashlib.sha256(repr(self._form.shape).encode())
        for split, numbers in rows.items():
            fingerprint.update(f"{split}\n".encode())
            fingerprint.update("".join(decoded.digests[n] for n in numbers).encode())
        return FolderScan(
            path=self._path,
            image_shape=self._form.shape,
            files=tuple(paths[number] for number in used),
            num_examples={split: len(numbers) for split, numbers in rows.items()},
            skipped=decoded.skipped,
            duplicates=tuple(sorted(duplicates)),
            drop_duplicates=self._drop_duplicates,
            num_enlarged=decoded.num_enlarged,
            fingerprint=fingerprint.hexdigest(),
        )


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


def _given_splits(path: Path) -> tuple[str, ...]:
    """Names the splits into which the folder is sorted; empty if it is not."""
    of_domains, given = (
        tuple(split for split in names if (path / split).is_dir())
        for names in (DOMAIN_SPLITS, SPLITS)
    )
    if len(of_domains) > 1:
        return of_domains
    return given if "train" in given and len(given) > 1 else ()


def _drawn_split(digest: str) -> str:
    share = int(digest[:16], 16) / 2**64
    if share < _TRAIN_SHARE:
        return "train"
    return "validation" if share < _TRAIN_SHARE + _VALIDATION_SHARE else "test"
