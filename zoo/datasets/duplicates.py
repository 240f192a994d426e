"""Which images are there twice, or nearly so."""

from __future__ import annotations

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from PIL import Image

_HASH_BITS = 64
# Set by experiment: so every copy of a face or a digit as JPEG of quality 50 is found, no two faces
# are taken for one, and of 1,000 different MNIST digits, which are the hardest case, 24 are.
MAX_HASH_DISTANCE = 6
MAX_THUMBNAIL_DIFFERENCE = 5.0
_THUMBNAIL_SIDE = 8


@dataclasses.dataclass(frozen=True)
class Look:
    """What is kept of an image to compare it by.

    Attributes:
        perceptual_hash: 64 bits of low frequencies (`imagehash.phash`); says nothing of colour.
        thumbnail: uint8 `(8 · 8 · 3,)`.
    """

    perceptual_hash: int
    thumbnail: np.ndarray


def look_of(pixels: np.ndarray) -> Look:
    """Makes the look of uint8 `(height, width, channels)`."""
    import imagehash

    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
    small = image.resize((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), Image.Resampling.BOX)
    bits = np.packbits(imagehash.phash(image).hash)
    return Look(int.from_bytes(bits.tobytes(), "big"), np.asarray(small).reshape(-1))


def exact_duplicates(digests: Sequence[str]) -> dict[int, int]:
    """Maps each number of which the digest has occurred before to the first with that digest."""
    first: dict[str, int] = {}
    return {
        number: first[digest]
        for number, digest in enumerate(digests)
        if first.setdefault(digest, number) != number
    }


def near_duplicates(looks: Sequence[Look], leave_out: dict[int, int]) -> dict[int, int]:
    """Maps each image that looks like an earlier one to that one.

    Two images look alike if at most 6 of the 64 bits of their perceptual hashes differ, and their
    thumbnails differ by at most 5 of 255 levels in the mean. Only images that are like none before
    them are compared with, so that a slow change from image to image does not become one chain.

    Args:
        looks: of all images.
        leave_out: numbers of images not to look at, as keys: the exact duplicates.
    """
    hashes = np.array([look.perceptual_hash for look in looks], np.uint64)
    thumbnails = np.array([look.thumbnail for look in looks], np.int16)
    # Two hashes that differ in 6 bits agree in at least one of 7 parts.
    unlike_by_part: list[dict[int, list[int]]] = [
        defaultdict(list) for _ in range(MAX_HASH_DISTANCE + 1)
    ]
    found = {}
    for number, look in enumerate(looks):
        if number in leave_out:
            continue
        lists = [
            unlike[part]
            for unlike, part in zip(unlike_by_part, _parts(look.perceptual_hash), strict=True)
        ]
        candidates = np.unique(np.concatenate([np.array(part, np.int64) for part in lists]))
        distances = np.bitwise_count(hashes[candidates] ^ hashes[number])
        candidates = candidates[distances <= MAX_HASH_DISTANCE]
        differences = np.abs(thumbnails[candidates] - thumbnails[number]).mean(axis=1)
        alike = candidates[differences <= MAX_THUMBNAIL_DIFFERENCE]
        if alike.size:
            found[number] = int(alike[0])
            continue
        for part in lists:
            part.append(number)
    return found


def _parts(perceptual_hash: int) -> list[int]:
    num_parts = MAX_HASH_DISTANCE + 1
    ends = [_HASH_BITS * i // num_parts for i in range(num_parts + 1)]
    return [
        (perceptual_hash >> start) & ((1 << (end - start)) - 1)
        for start, end in itertools.pairwise(ends)
    ]
