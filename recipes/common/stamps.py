"""What a run's scores were taken on, as `results.json` and checkpoints keep it."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from zoo import metrics
from zoo.common.latent_model import LatentModel


def stamps_of_measures(
    model: LatentModel, *, num_real: int, num_generated: int, split: str
) -> dict[str, metrics.Stamp]:
    """Returns the stamp of each log of a model's measures, as `model.evaluate` takes them.

    Args:
        model: whose measures.
        num_real: real images that they are given.
        num_generated: generated ones.
        split: the real images' data set and split.
    """
    told = {"num_real": num_real, "num_generated": num_generated, "split": split, "seed": None}
    stamps = {}
    for measure in model.measures_in_use():
        stamps |= metrics.stamps_of(measure, **told)
    return stamps


def stamp_of_real_images(num_real: int, split: str) -> metrics.Stamp:
    """Returns the stamp of what asks a model about real images, and no other network.

    Args:
        num_real: images.
        split: their data set and split.
    """
    return metrics.Stamp(
        extractor="none",
        resizing="none",
        num_real=num_real,
        num_generated=0,
        split=split,
        seed=None,
    )


def as_json(stamps: Mapping[str, metrics.Stamp]) -> dict[str, dict[str, Any]]:
    """Returns the stamps by log, ready for JSON."""
    return {log: dataclasses.asdict(stamp) for log, stamp in stamps.items()}


def shared_by(logs: Iterable[str], stamp: metrics.Stamp) -> dict[str, dict[str, Any]]:
    """Returns one stamp for several logs, ready for JSON."""
    return as_json(dict.fromkeys(logs, stamp))
