"""Aligned pairs of two domains that are drawn, once, and kept."""

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from zoo.datasets import disk, memory
from zoo.datasets.pipeline import Images
from zoo.datasets.tfds_images import TfdsSource

_FILES = ("inputs.bin", "answers.bin")


def drawn_pairs(
    source: TfdsSource,
    draw: Callable[[str, int], tuple[np.ndarray, np.ndarray]],
    direction: str,
    num_pairs: int,
    data_dir: disk.DataDir,
) -> tuple[Images, Images]:
    """Gives inputs and answers, in the form that the source has its images in.

    Args:
        source: of a set whose pairs can be drawn.
        draw: `(direction, num_pairs)` to uint8 inputs and answers.
        direction: as `draw` takes it.
        num_pairs: how many.
        data_dir: where data sets are kept.

    Raises:
        ValueError: if `data_dir` can't be written.
        RuntimeError: if the disk has no room for them.
    """
    shape = (num_pairs, *source.image_shape)
    identity = json.dumps([source.full_name, direction, num_pairs, repr(source.form)])

    def stored_in(entry: Path) -> list[disk.StoredImages]:
        return [disk.StoredImages(entry / file, shape) for file in _FILES]

    def fill(entry: Path) -> None:
        for stored, images in zip(stored_in(entry), draw(direction, num_pairs), strict=True):
            stored.path.write_bytes(source.made_to_form(images).tobytes())

    entry = disk.find_entry(
        data_dir,
        "pairs-" + hashlib.sha256(identity.encode()).hexdigest()[:32],
        is_current=lambda entry: all(stored.is_whole() for stored in stored_in(entry)),
        fill=fill,
        num_bytes=len(_FILES) * math.prod(shape),
    )
    inputs, answers = (_shared(stored) for stored in stored_in(entry))
    return inputs, answers


def _shared(stored: disk.StoredImages) -> Images:
    decoded = memory.share(
        stored.path, lambda: memory.DecodedSplit(memory.hold(stored), None, 0, None)
    )
    return decoded.images
