"""Decoding a folder of images once: every file read a single time, the result kept on disk."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from zoo.datasets import decoding, disk, duplicates, listing
from zoo.datasets.decoding import ImageForm, Levels
from zoo.datasets.listing import SkippedFile
from zoo.datasets.threads import map_in_threads

# To be raised when the pixels or the notes that come out change, so that old entries are remade.
_FORMAT = 3
# Fewer pixels tell nothing once enlarged: tracking pixels, spacers, broken thumbnails.
_MIN_SIDE = 8
_IMAGES, _NOTES, _RANGE = "images.bin", "scan.json", "range.json"


@dataclasses.dataclass(frozen=True, eq=False)
class DecodedFolder:
    """All usable images of a folder, and what was found out about them.

    Attributes:
        paths: of the usable files within the folder, ordered by their bytes.
        digests: SHA-256 of each one's bytes.
        exact: number of each file whose bytes an earlier file has → number of the first such.
        near: number of each further file that looks like an earlier one → number of that.
        num_enlarged: how many images were smaller than they were to become.
        levels: number of each file of more than 8 bits → the values that it has.
        skipped: what is not usable, and why.
        images: those of `paths`.
        listing_digest: of the folder's state.
        is_new: whether it was decoded now.
    """

    paths: tuple[str, ...]
    digests: tuple[str, ...]
    exact: dict[int, int]
    near: dict[int, int]
    num_enlarged: int
    levels: dict[int, Levels]
    skipped: tuple[SkippedFile, ...]
    images: disk.StoredImages
    listing_digest: str
    is_new: bool


def decode_folder(
    path: Path, found: listing.Listing, form: ImageForm, data_dir: disk.DataDir
) -> DecodedFolder:
    """Decodes the images of a folder, or opens what was kept of them if no file has changed.

    Args:
        path: the folder.
        found: the files in it.
        form: what images become.
        data_dir: where decoded images are kept.

    Raises:
        ValueError: if `data_dir` can't be written.
        RuntimeError: if the disk has no room for the images.
    """
    digest = found.digest()
    filled = []

    def fill(entry: Path) -> None:
        filled.append(entry)
        _decode_into(entry, path, found, form, digest)

    key_parts = (os.fsencode(path), repr((form, form.value_range)).encode())
    entry = disk.find_entry(
        data_dir,
        "folder-" + hashlib.sha256(b"\0".join(key_parts)).hexdigest()[:32],
        is_current=lambda folder: _is_current(folder, digest, form),
        fill=fill,
        num_bytes=len(found.files) * form.num_bytes,
    )
    notes = _read_notes(entry)
    return DecodedFolder(
        paths=tuple(notes["paths"]),
        digests=tuple(notes["digests"]),
        exact=dict(notes["exact"]),
        near=dict(notes["near"]),
        num_enlarged=notes["num_enlarged"],
        levels={number: Levels(*levels) for number, *levels in notes["levels"]},
        skipped=tuple(SkippedFile(*entry) for entry in notes["skipped"]),
        images=_stored_images(entry, notes, form),
        listing_digest=digest,
        is_new=bool(filled),
    )


def range_of_folder(
    path: Path, found: listing.Listing, data_dir: disk.DataDir
) -> tuple[float, float] | None:
    """Finds the lowest and the highest grey value of the files of more than 8 bits, once.

    Args:
        path: the folder.
        found: the files in it.
        data_dir: where the answer is kept.

    Returns:
        Both, or None if there are no such files, or all of one value.

    Raises:
        ValueError: if `data_dir` can't be written.
        RuntimeError: if it has no room.
    """
    state = [_FORMAT, list(decoding.readable_formats()), found.digest()]

    def fill(entry: Path) -> None:
        limits = _find_range(path, found)
        (entry / _RANGE).write_text(json.dumps({"state": state, "range": limits}))

    def is_current(entry: Path) -> bool:
        try:
            return json.loads((entry / _RANGE).read_text())["state"] == state
        except (OSError, ValueError, KeyError):
            return False

    key = "range-" + hashlib.sha256(os.fsencode(path)).hexdigest()[:32]
    entry = disk.find_entry(data_dir, key, is_current=is_current, fill=fill, num_bytes=0)
    limits = json.loads((entry / _RANGE).read_text())["range"]
    return tuple(map(float, limits)) if limits else None


def _find_range(path: Path, found: listing.Listing) -> tuple[float, float] | None:
    def read(file: listing.FoundFile) -> Levels | None:
        with (
            contextlib.suppress(decoding.UnusableImageError, OSError),
            open(path / file.path, "rb") as content,
        ):
            return decoding.read_levels(content)

    results = map_in_threads(read, found.files)
    with decoding.without_pillow_warnings(), contextlib.closing(results):
        levels = [each for each in results if each and not each.is_coarse]
    lowest = min((each.lowest for each in levels), default=0)
    highest = max((each.highest for each in levels), default=0)
    return (lowest, highest) if lowest < highest else None


def _is_current(entry: Path, listing_digest: str, form: ImageForm) -> bool:
    try:
        notes = _read_notes(entry)
    except (OSError, ValueError):
        return False
    return (
        notes["format"] == _FORMAT
        and notes["readable_formats"] == list(decoding.readable_formats())
        and notes["listing_digest"] == listing_digest
        and _stored_images(entry, notes, form).is_whole()
    )


def _stored_images(entry: Path, notes: dict, form: ImageForm) -> disk.StoredImages:
    return disk.StoredImages(entry / _IMAGES, (len(notes["paths"]), *form.shape))


def _read_notes(entry: Path) -> dict:
    return json.loads((entry / _NOTES).read_text(encoding="ascii"))


# === Decoding ===


@dataclasses.dataclass(frozen=True, eq=False)
class _Usable:
    path: str
    digest: str
    pixels: np.ndarray
    look: duplicates.Look
    is_enlarged: bool
    levels: Levels | None


def _decode_into(
    entry: Path, path: Path, found: listing.Listing, form: ImageForm, listing_digest: str
) -> None:
    usable: list[_Usable] = []
    skipped = list(found.skipped)
    results = map_in_threads(lambda file: _decode_file(path, file.path, form), found.files)
    with (
        decoding.without_pillow_warnings(),
        contextlib.closing(results),
        open(entry / _IMAGES, "wb") as images,
    ):
        for result in _with_progress(results, path, len(found.files)):
            if isinstance(result, SkippedFile):
                skipped.append(result)
            else:
                images.write(result.pixels.tobytes())
                usable.append(dataclasses.replace(result, pixels=np.empty(0)))
    exact = duplicates.exact_duplicates([image.digest for image in usable])
    near = duplicates.near_duplicates([image.look for image in usable], leave_out=exact)
    notes = {
        "format": _FORMAT,
        "readable_formats": decoding.readable_formats(),
        "folder": os.fspath(path),
        "listing_digest": listing_digest,
        "paths": [image.path for image in usable],
        "digests": [image.digest for image in usable],
        "exact": list(exact.items()),
        "near": list(near.items()),
        "num_enlarged": sum(image.is_enlarged for image in usable),
        "levels": [(n, *image.levels) for n, image in enumerate(usable) if image.levels],
        "skipped": sorted(skipped, key=lambda file: os.fsencode(file.path)),
    }
    # ASCII, because names of files need not be text: \\udc80 to \\udcff stand for stray bytes.
    (entry / _NOTES).write_text(json.dumps(notes, ensure_ascii=True), encoding="ascii")


def _decode_file(root: Path, path: str, form: ImageForm) -> _Usable | SkippedFile:
    try:
        with open(root / path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            image = decoding.decode_image(file, form, _MIN_SIDE)
    except decoding.UnusableImageError as error:
        return SkippedFile(path, str(error))
    except OSError as error:
        return SkippedFile(path, f"can't be read: {error.strerror or error}")
    return _Usable(path, digest, look=duplicates.look_of(image.pixels), **image._asdict())


def _with_progress(results: Iterator, path: Path, num_files: int) -> Iterator:
    if num_files and not sys.stderr.isatty():
        print(f"Reading {num_files:,} files of {path}, once.", file=sys.stderr)
    return tqdm(
        results, total=num_files, desc="reading images", unit=" files", disable=None, leave=False
    )
