"""Splits as TFDS writes them: `"train"`, `"train[:90%]"`, `"train+test"`, `"all"`."""

import re
from collections.abc import Iterable, Mapping

import numpy as np

from zoo.common.messages import first_line, listed


def check_names(name: str, split: str, known: Iterable[str]) -> None:
    """Raises a ValueError if `split` speaks of a split that is not among the known ones.

    Args:
        name: of the data set.
        split: what was asked for; only the names in it are looked at.
        known: names of splits; if empty, nothing is known, and all pass.
    """
    known = tuple(known)
    wanted = [re.sub(r"\[.*\]$", "", part.strip()) for part in str(split).split("+")]
    unknown = [part for part in wanted if part not in known and part != "all"]
    if known and unknown:
        raise ValueError(
            f"{name!r} has no split {unknown[0]!r}; choose from {listed(known)}. "
            f"Received: split={split!r}."
        )


def select(name: str, split: str, rows_of_splits: Mapping[str, np.ndarray]) -> np.ndarray:
    """Gives the rows that `split` means, in order.

    Args:
        name: of the data set.
        split: as TFDS writes it.
        rows_of_splits: int64, the rows of each split.

    Raises:
        ValueError: if it is not written so, or reaches beyond the images that there are.
    """
    if split in rows_of_splits:
        return rows_of_splits[split]
    if split == "all":
        return np.concatenate(list(rows_of_splits.values()))
    import tensorflow_datasets as tfds

    sizes = {
        known: tfds.core.SplitInfo(name=known, shard_lengths=[len(rows)], num_bytes=0)
        for known, rows in rows_of_splits.items()
    }
    try:
        parts = tfds.core.ReadInstruction.from_spec(split).to_absolute(sizes)
    except (ValueError, NotImplementedError) as error:
        raise ValueError(
            f"split={split!r} of {name!r} can't be read ({first_line(error)}); choose another."
        ) from error
    return np.concatenate([rows_of_splits[part.splitname][part.from_ : part.to] for part in parts])
