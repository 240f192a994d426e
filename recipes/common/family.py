"""What a family of recipes is: the part of a run that hangs on what its models are for."""

import abc
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import tensorflow as tf

import zoo
from recipes.common import training
from recipes.common.hyper_parameters import HyperParameters
from recipes.common.measures import Measures
from recipes.common.training import Outcome
from zoo.common.adversarial import AdversarialModel

Row = tuple[str, str, str]


def largest_divisor(number: int, most: int) -> int:
    """Returns the largest divisor of a number that is at most `most`."""
    return next(divisor for divisor in range(min(number, most), 0, -1) if number % divisor == 0)


class RunData(abc.ABC):
    """The streams of one run. Making them prepares the data set.

    Attributes:
        images: the data set.
        steps_per_epoch: of training.
        validation: what `model.evaluate` takes at ends of epochs.
        model_arguments: what the data decide of the model, by the names of its constructor.
        fingerprint: of all images.
        stand_in: of a stand-in for another data set, how it differs; "" for others.
    """

    images: zoo.datasets.ImageDataset
    steps_per_epoch: int
    validation: tf.data.Dataset
    model_arguments: dict[str, Any]
    fingerprint: str
    stand_in: str

    @property
    def license(self) -> str:
        """That of the data as their builder states it; "" if it does not."""
        return self.images.description.license

    @abc.abstractmethod
    def train_from(self, step: int) -> tf.data.Dataset:
        """Returns the endless batches from that step on."""

    @property
    def advice(self) -> str:
        """A line on what is odd about the data, and what to do; "" if nothing is."""
        return ""

    def prepare_compiling(self) -> None:
        """Makes what `compile_arguments` needs and takes long, when the model is built.

        By then all hyper-parameters were found good. No strategy is in scope.
        """
        return

    def compile_arguments(self) -> dict[str, Any]:
        """Returns what `compile` takes of the data, by name; the model's strategy is in scope."""
        return {}

    def write_skipped_images(self, path: Path) -> None:
        """Lists the files of a folder that are skipped or doubled; nothing for other data."""
        for scan in self.images.scans:
            scan.write_report(path)
            training.tell_of_skipped_images([scan], path)


Values = TypeVar("Values", bound=HyperParameters)
Data = TypeVar("Data", bound=RunData)


class Family(abc.ABC, Generic[Values, Data]):
    """How recipes of one kind load, sample and score, and how they tell of it.

    Attributes:
        measures: what of `results.json` is recorded, and how tables show it.
        monitor: validation log to show in training and to stop on, unless another is watched.
        best: what early stopping takes for the best, for example "the least error".
        columns: of the table.
        num_samples: images in the sample grid.
        samples_note: says on the page what the grid shows; "" where it is plain.
    """

    measures: ClassVar[Measures]
    monitor: ClassVar[str]
    best: ClassVar[str] = ""
    columns: ClassVar[Row] = ("", "score", "")
    num_samples: ClassVar[int] = 64
    samples_note: ClassVar[str] = ""

    @abc.abstractmethod
    def make_data(self, values: Values) -> Data:
        """Returns the streams of a run.

        Raises:
            ValueError: if the data set can't serve.
            RuntimeError: if it can't be downloaded.
        """

    def adapt(self, model: AdversarialModel, data: Data) -> None:
        """Starts the weights of a model from the data, where its paper does; here not."""
        return

    def sample_drawer(
        self, model: AdversarialModel, data: Data
    ) -> Callable[[int, int], np.ndarray] | None:
        """Returns what draws the sample grid, as for `SampleGrid`; None for `model.generate`."""
        return None

    def stamp_of_validation(
        self, data: Data, model: AdversarialModel, log: str
    ) -> zoo.metrics.Stamp | None:
        """Returns what a measure is taken on at ends of epochs; None where none is known."""
        return None

    @abc.abstractmethod
    def score(
        self, values: Values, data: Data, model: AdversarialModel, outcome: Outcome
    ) -> dict[str, Any]:
        """Returns what `results.json` holds of the family.

        A `"protocol"` among it says in one line what the scores are taken on, and how.
        """

    def further_scores(self, values: Values, data: Data, model: AdversarialModel) -> dict[str, Any]:
        """Returns scores that take so long that the others are written and reported before."""
        return {}

    def write_pictures(
        self, data: Data, model: AdversarialModel, folder: Path
    ) -> list[tuple[Path, str]]:
        """Writes pictures that go with `further_scores`; returns each with its caption."""
        return []

    @abc.abstractmethod
    def headline(self, results: dict[str, Any]) -> str:
        """Returns one line that says how the run went."""

    @abc.abstractmethod
    def table(self, values: Values, results: dict[str, Any]) -> list[Row]:
        """Returns the table: a name, a value and how to read it, for each row."""
