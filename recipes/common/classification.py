"""What recipes share that classify from few labels: data, a baseline without the rest, table."""

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
from tqdm import tqdm

from recipes.common import checks
from recipes.common.family import Family, Row, RunData
from recipes.common.hyper_parameters import WithEarlyStopping, sourced
from recipes.common.images import WithImages, told_split
from recipes.common.measures import CLASSIFICATION, Measures, Reported
from recipes.common.stamps import shared_by, stamp_of_real_images
from recipes.common.training import Outcome
from zoo import metrics
from zoo.common.adversarial import AdversarialModel
from zoo.common.layers import initialize_from_data
from zoo.datasets.catalogue import own_dataset

EVALUATION_BATCH = 500
# Data sets that papers classify, as readers know them.
SHOWN_NAMES = {"mnist": "MNIST", "svhn_cropped": "SVHN", "cifar10": "CIFAR-10"}

DATASETS_HELP = (
    "any labelled images of TFDS, or folder:PATH with a folder for each class, in folders train, "
    "validation and test or without"
)
OWN_FLAGS = {
    "num_labels": "Images with a label; a multiple of the classes.",
    "label_seed": "Which images have one.",
}


# === Hyper-parameters ===


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassificationHyperParameters(WithImages, WithEarlyStopping):
    """What every recipe has that classifies from few labels."""

    watchable = ("error",)

    train_split: str
    validation_split: str
    test_split: str
    num_labels: int
    label_seed: int = sourced(0, "ours")

    def check(self) -> None:
        """Refuses to stop on images that are trained on too."""
        super().check()
        checks.require_seeds(self, "label_seed")
        splits = self.train_split, self.validation_split
        if self.patience is not None and splits[0] == "train" and splits[1].startswith("train"):
            raise ValueError(
                "early_stopping_patience needs validation images that are not trained on; add "
                f"--set 'train_split=train[:90%]'. Received: train_split={splits[0]}, "
                f"validation_split={splits[1]}"
            )


# === Data ===


class ClassificationData(RunData):
    """The streams of one run; making it prepares the data set and checks the labels.

    Raises:
        ValueError: if the data set, its splits or its labels can't serve.
        RuntimeError: if it can't be downloaded.
    """

    def __init__(self, values: ClassificationHyperParameters):
        self._values = values
        self.images = values.open_images()
        self.train_from(0)  # first: it checks the labels before anything is downloaded
        description = self.images.description
        self.model_arguments = {
            "image_shape": description.image_shape,
            "num_classes": len(description.class_names),
            "class_names": description.class_names,
        }
        self.fingerprint, self.stand_in = description.fingerprint, description.stand_in
        self.validation, self.test = (
            self.images.labelled(split, batch_size=EVALUATION_BATCH)
            for split in (values.validation_split, values.test_split)
        )
        self.num_test_images = _number_of(self.test)
        train = self.images.batches(values.train_split, batch_size=values.batch_size)
        self.steps_per_epoch = 3 if values.smoke else int(train.cardinality())

    @property
    def stamp_of_validation(self) -> metrics.Stamp:
        """What validation errors are taken on."""
        values = self._values
        split = told_split(values.dataset, values.validation_split, self.fingerprint)
        return stamp_of_real_images(_number_of(self.validation), split)

    def train_from(self, step: int) -> tf.data.Dataset:
        """Returns the batches from that step on, `((images, labels), unlabelled_images)`."""
        return self.images.few_labels(
            self._values.num_labels,
            self._values.train_split,
            batch_size=self._values.batch_size,
            label_seed=self._values.label_seed,
            seed=self._values.seed,
            first_step=step,
        )

    def some_train_images(self, num_images: int) -> tf.Tensor:
        """Returns that many training images, the same ones for the same seed."""
        images = self.images.batches(
            self._values.train_split,
            batch_size=num_images,
            shuffle=True,
            repeat=True,
            seed=self._values.seed,
        )
        return next(iter(images))


# === Baseline ===


def _number_of(labelled: tf.data.Dataset) -> int:
    return sum(len(labels) for _, labels in labelled.as_numpy_iterator())


def baseline_error(
    values: ClassificationHyperParameters,
    data: ClassificationData,
    classifier: keras.Model,
    epochs: int,
    images_to_adapt_to: int,
) -> float:
    """Trains a classifier's network on the labelled images alone; returns its test error.

    It has the network, initialisation, noise, labelled batches, optimizer, schedule, number of
    steps and average of the weights of the discriminator: all but the unlabelled stream and the
    generator.

    Args:
        values: of the run.
        data: made from them.
        classifier: a network that gives logits of the classes; it stays as it is.
        epochs: how long to train.
        images_to_adapt_to: training images for the data-dependent initialisation.
    """
    keras.utils.set_random_seed(values.seed)
    network = keras.models.clone_model(classifier)
    initialize_from_data(network, data.some_train_images(images_to_adapt_to))
    # Keras puts its average into the weights when fit() ends. It starts from the first step's
    # weights, uncorrected, so in a short run it must forget faster than the GAN's.
    num_steps = max(1, epochs) * data.steps_per_epoch
    momentum = max(0.0, min(values.average_decay, 1.0 - 10.0 / num_steps))
    network.compile(
        values.optimizer_of(
            "discriminator", data.steps_per_epoch, use_ema=True, ema_momentum=momentum
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    labelled = data.train_from(0).map(lambda labelled_batch, _: labelled_batch)
    if not sys.stderr.isatty():
        print("training the supervised baseline", file=sys.stderr)
    with tqdm(
        total=epochs,
        desc="supervised baseline",
        unit="epoch",
        disable=not sys.stderr.isatty(),
    ) as bar:
        network.fit(
            labelled,
            epochs=epochs,
            steps_per_epoch=data.steps_per_epoch,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: bar.update())],
            shuffle=False,
            verbose=0,
        )
    return 1.0 - network.evaluate(data.test, verbose=0, return_dict=True)["accuracy"]


# === Scores ===


@dataclasses.dataclass(frozen=True, kw_only=True)
class Classification(Family[ClassificationHyperParameters, ClassificationData]):
    """Recipes whose discriminator classifies, judged beside a baseline by their test error.

    Attributes:
        classifier_name: of the first row of the table.
        paper: whose results are quoted.
        paper_results: test errors as the paper gives them, by data set and number of labels.
        images_to_adapt_to: training images from which the weights of model and baseline start.
    """

    monitor = "val_error"
    best = "the least error on the validation labels"
    columns = ("", "test error", "protocol")
    num_samples = 100

    classifier_name: str
    paper: str
    paper_results: Mapping[str, Mapping[int, str]]
    images_to_adapt_to: int

    def make_data(self, values: ClassificationHyperParameters) -> ClassificationData:
        """Returns the streams of a run; see `ClassificationData`."""
        return ClassificationData(values)

    @property
    def measures(self) -> Measures:
        """What is measured of both errors, with those of the paper."""
        reported = [
            Reported(
                by=self.paper,
                measure="test error",
                value=error,
                dataset=dataset,
                shown_dataset=SHOWN_NAMES[dataset],
                protocol=(
                    "the whole of the data to train and to test on, mean ± standard deviation of "
                    "10 draws of the labels"
                ),
                score="test_error",
                settings={"num_labels": num_labels},
            )
            for dataset, errors in self.paper_results.items()
            for num_labels, error in errors.items()
        ]
        return dataclasses.replace(CLASSIFICATION, reported=tuple(reported))

    def adapt(self, model: AdversarialModel, data: ClassificationData) -> None:
        """Starts the weights of the discriminator from some training images."""
        model.adapt(data.some_train_images(self.images_to_adapt_to))

    def stamp_of_validation(
        self, data: ClassificationData, model: AdversarialModel, log: str
    ) -> metrics.Stamp | None:
        """Returns what the error is taken on at ends of epochs."""
        return data.stamp_of_validation

    def score(
        self,
        values: ClassificationHyperParameters,
        data: ClassificationData,
        model: AdversarialModel,
        outcome: Outcome,
    ) -> dict[str, Any]:
        """Returns both test errors; the baseline is trained now, as long as the model was."""
        return {
            "test_error": model.evaluate(data.test, verbose=0, return_dict=True)["error"],
            "baseline_test_error": baseline_error(
                values, data, model.discriminator, outcome.epochs, self.images_to_adapt_to
            ),
            "num_test_images": data.num_test_images,
            "stamps": shared_by(
                ("test_error", "baseline_test_error"),
                stamp_of_real_images(
                    data.num_test_images,
                    told_split(values.dataset, values.test_split, data.fingerprint),
                ),
            ),
        }

    def headline(self, results: dict[str, Any]) -> str:
        """Returns both errors."""
        error, baseline = _shares(results)
        return f"{error} of the test images named wrongly; {baseline} by the baseline."

    def table(self, values: ClassificationHyperParameters, results: dict[str, Any]) -> list[Row]:
        """Returns a row for each error: a name, the error and how it was come by."""
        error, baseline = _shares(results)
        labels = f"{values.num_labels} labels"
        rows = [
            (self.classifier_name, error, f"{labels}, {results['weights']}"),
            ("supervised baseline", baseline, f"{labels}, same network and steps, averaged"),
        ]
        own = own_dataset(values.dataset)
        original = own.replaces if own else values.dataset
        if original in self.paper_results:
            reported = self.paper_results[original].get(values.num_labels, "not quoted")
            protocol = f"{labels}, the whole of {original}, mean of 10 draws of the labels"
            rows.append((f"{self.paper} on {original}", reported, protocol))
        return rows


def _shares(results: Mapping[str, Any]) -> tuple[str, str]:
    """Returns the errors of the model and of the baseline in words."""
    num_images = results["num_test_images"]

    def share(error: float) -> str:
        return f"{error:.2%} ({round(error * num_images)} of {num_images})"

    return share(results["test_error"]), share(results["baseline_test_error"])
