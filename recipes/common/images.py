"""What recipes share that read images: how they are brought to one form, and a folder's splits."""

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import zoo
from recipes.common import checks
from recipes.common.hyper_parameters import HyperParameters, sourced
from zoo.datasets.decoding import ValueRange, checked_range
from zoo.datasets.folder import PREFIX
from zoo.datasets.folder_layout import find_layout


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithImages(HyperParameters):
    """A data set whose images may be brought to another form, and how many steps go in a call."""

    image_size: int | None = sourced(None, "the data set's own")
    drop_duplicates: str = sourced("none", "ours; of a folder: none, exact or near")
    value_range: str = sourced("none", "ours; of 16 bits in a folder: none, data, or BLACK,WHITE")

    steps_per_execution: int | None = sourced(
        None, "ours; train steps that Keras takes in one call, which changes none of them"
    )

    def check(self) -> None:
        """Refuses a range that is none too, and calls of no steps."""
        super().check()
        self._parsed_range()
        if self.steps_per_execution is not None:
            checks.require_positive(self, "steps_per_execution")

    @property
    def image_options(self) -> dict[str, Any]:
        """What `zoo.datasets.open` takes beside the name, but for what it does unasked."""
        options = {}
        if self.image_size is not None:
            options["image_size"] = self.image_size
        if self.drop_duplicates != "none":
            options["drop_duplicates"] = self.drop_duplicates
        if self.value_range != "none":
            options["value_range"] = self._parsed_range()
        return options

    def _parsed_range(self) -> ValueRange:
        if self.value_range in ("none", "data"):
            return None if self.value_range == "none" else "data"
        try:
            return checked_range([float(limit) for limit in self.value_range.split(",")])
        except ValueError as error:
            raise ValueError(
                "value_range must be none, data or BLACK,WHITE, two numbers of which the second is "
                f"larger, such as 0,4095. Received: {self.value_range!r}"
            ) from error

    def open_images(self) -> zoo.datasets.ImageDataset:
        """Opens the data set; a ValueError if there is none, or it can't be made so."""
        return zoo.datasets.open(self.dataset, **self.image_options)


def is_folder(dataset: str) -> bool:
    """Returns whether `--dataset` names a folder of images."""
    return dataset.startswith(PREFIX)


def told_split(dataset: str, split: str, fingerprint: str) -> str:
    """Returns what a split is called in stamps: of a folder by its content, for it may be moved.

    Args:
        dataset: its name, or `folder:PATH`.
        split: of it.
        fingerprint: of its images.
    """
    name = f"folder {fingerprint[:12]}" if is_folder(dataset) else dataset
    return f"{name} {split}"


def splits_of_folder(dataset: str) -> dict[str, str]:
    """Returns the splits to train on, to watch and to test on, by hyper-parameter.

    A folder may have a `test` and no `validation`, or the other way round; one then serves as both.

    Args:
        dataset: `folder:PATH`. Of one that can't be read the usual splits are returned, and
            whatever opens it says what is wrong.
    """
    held_out = ("validation", "test")
    with contextlib.suppress(OSError, ValueError):
        path = Path(dataset.removeprefix(PREFIX)).expanduser()
        there = [split for split in find_layout(dataset, path).splits if split in held_out]
        held_out = (there[0], there[-1]) if there else held_out
    return dict(
        zip(("train_split", "validation_split", "test_split"), ("train", *held_out), strict=True)
    )
