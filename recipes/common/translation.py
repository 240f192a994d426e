"""What recipes share that translate between two domains without pairs: data, samples, scores."""

import contextlib
import csv
import dataclasses
import functools
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import zoo
from recipes.common import checks, training, translation_scores
from recipes.common.family import Family, Row, RunData
from recipes.common.hyper_parameters import WithEarlyStopping, sourced
from recipes.common.images import WithImages, told_split
from recipes.common.measures import TRANSLATION
from recipes.common.paired_regression import train_on_pairs
from recipes.common.stamps import shared_by, stamp_of_real_images
from recipes.common.training import Outcome
from recipes.common.translation_scores import EVALUATION_BATCH, PAIRED_SCORES, TRUTH_SCORES
from zoo import metrics
from zoo.common.distribution import has_workers
from zoo.common.files import write_atomically
from zoo.datasets.catalogue import base_name
from zoo.datasets.drawn_horse2zebra.truth import draw_pairs
from zoo.metrics.stamps import digest_of_extractor

DATASET_WITH_TRUTH = "drawn_horse2zebra"
# A row of the sample grid is an image, its translation and what comes back, for both domains.
IMAGES_IN_ROW = 6
SAMPLE_ROWS = 6
SMOKE_PAIRS = 4
SMOKE_CLASSIFIER_STEPS = 10

DATASETS_HELP = (
    "cycle_gan/horse2zebra or another of its kind, folder:PATH with folders trainA, trainB, testA "
    "and testB, or folder:PATH,PATH, one a domain"
)


# === Hyper-parameters ===


@dataclasses.dataclass(frozen=True, kw_only=True)
class TranslationHyperParameters(WithImages, WithEarlyStopping):
    """What every recipe has that translates without pairs."""

    watchable = ("cycle_loss", "identity_loss")

    load_scale: float
    random_flip: bool
    validation_pairs: int = sourced(32, "ours: test images, only watched")
    paired_epochs: int = sourced(0, "ours: of the same generators on pairs, an upper bound")

    @property
    def knows_truth(self) -> bool:
        """Whether true translations are known; they are drawn at the set's own size."""
        return base_name(self.dataset) == DATASET_WITH_TRUTH and self.image_size is None

    def check(self) -> None:
        """Refuses training on pairs where there are none, and images that are cut to nothing."""
        super().check()
        checks.require_positive(self, "validation_pairs")
        checks.require_not_negative(self, "paired_epochs")
        if self.paired_epochs and not self.knows_truth:
            raise ValueError(
                f"paired_epochs needs pairs, which {DATASET_WITH_TRUTH} has at its own size alone. "
                f"Received: paired_epochs={self.paired_epochs} for "
                f"{self.dataset!r} at image_size={self.image_size}"
            )
        if self.load_scale < 1:
            raise ValueError(
                "load_scale must be at least 1, at which nothing is cut off. "
                f"Received: {self.load_scale}"
            )


# === Data ===


def enlarge_crop_flip(
    image: tf.Tensor, seed: tf.Tensor, load_scale: float, random_flip: bool
) -> tf.Tensor:
    """Augments an image as the authors do: enlarged, cut to its size anywhere, maybe flipped.

    Args:
        image: uint8 `(height, width, channels)`.
        seed: int32 `(2,)`, on which alone the draws depend.
        load_scale: how much it is enlarged, by a bicubic filter.
        random_flip: whether half of all images are flipped left to right.

    Returns:
        uint8 of the same shape.
    """
    height, width, channels = image.shape
    crop_seed, flip_seed = tf.unstack(tf.random.experimental.stateless_split(seed))
    sides = round(load_scale * height), round(load_scale * width)
    enlarged = tf.image.resize(image, sides, "bicubic")
    cropped = tf.image.stateless_random_crop(enlarged, (height, width, channels), crop_seed)
    if random_flip:
        cropped = tf.image.stateless_random_flip_left_right(cropped, flip_seed)
    return tf.saturate_cast(tf.round(cropped), tf.uint8)


class TranslationData(RunData):
    """The streams of one run and, where the truth is known, what its translations are scored by.

    Making it prepares the data set, and trains the classifier of the domains if there is none yet.

    Attributes:
        images: the data set.
        steps_per_epoch: as many as the larger domain has batches.
        test: batches of the test images of both domains, in their stored order, as many as the
            smaller domain has.
        validation: the first of them.
        num_test_pairs: in `test`.
        stamp_of_validation: what losses of `validation` are taken on.
        num_train_scenes: training images of the first domain.
        fingerprint: of all images.
        classifier: tells the domains apart; None where the truth is not known.

    Raises:
        ValueError: if the data set can't serve.
        RuntimeError: if it can't be downloaded.
    """

    def __init__(self, values: TranslationHyperParameters):
        self._values = values
        self.images = values.open_images()
        self.steps_per_epoch = 3 if values.smoke else self._steps_in_larger_domain()
        test = self.images.unpaired("test", shuffle=False, repeat=False).unbatch()
        test = test.take(SMOKE_PAIRS) if values.smoke else test
        self.num_test_pairs = sum(1 for _ in test)
        # Keras warns of data that end without having said when.
        test = test.apply(tf.data.experimental.assert_cardinality(self.num_test_pairs))
        self.test = test.batch(EVALUATION_BATCH)
        self.validation = test.take(values.validation_pairs).batch(EVALUATION_BATCH)
        description = self.images.description
        self.stamp_of_validation = stamp_of_real_images(
            min(values.validation_pairs, self.num_test_pairs),
            told_split(values.dataset, "test", description.fingerprint),
        )
        self.num_train_scenes = description.num_examples["trainA"]
        self.model_arguments = {"image_shape": description.image_shape}
        self.stand_in = description.stand_in
        self.fingerprint = description.fingerprint
        self.classifier = None
        if self.images.has_truth:
            steps = {"training_steps": SMOKE_CLASSIFIER_STEPS} if values.smoke else {}
            self.classifier = metrics.load_classifier(values.dataset, **steps)

    def _steps_in_larger_domain(self) -> int:
        batch_size = self._values.batch_size
        return max(
            int(self.images.batches(split, batch_size=batch_size).cardinality())
            for split in ("trainA", "trainB")
        )

    def augment(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Augments an image as the hyper-parameters say; see `enlarge_crop_flip`."""
        return enlarge_crop_flip(image, seed, self._values.load_scale, self._values.random_flip)

    def train_from(self, step: int) -> tf.data.Dataset:
        """Returns the batches `(images_a, images_b)` from that step on."""
        return self.images.unpaired(
            "train",
            batch_size=self._values.batch_size,
            seed=self._values.seed,
            first_step=step,
            augment=self.augment,
        )

    def sample_images(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the first test images of both domains, for the pictures of a run."""
        pairs = self.test.unbatch().take(SAMPLE_ROWS).as_numpy_iterator()
        images_a, images_b = zip(*pairs, strict=True)
        return np.stack(images_a), np.stack(images_b)

    def write_skipped_images(self, path: Path) -> None:
        """Lists in one table the files of both domains that are skipped or doubled."""
        if not self.images.scans:
            return
        table = io.StringIO()
        writer = csv.DictWriter(table, ["folder", "path", "used", "remark"], lineterminator="\n")
        writer.writeheader()
        for scan in self.images.scans:
            for row in scan.report_rows():
                used = "yes" if row["used"] else "no"
                writer.writerow({"folder": scan.path, **row, "used": used})
        write_atomically(path, table.getvalue())
        training.tell_of_skipped_images(self.images.scans, path)


# === Samples ===


def rows_of_samples(
    model: zoo.CycleGAN, images_a: np.ndarray, images_b: np.ndarray
) -> Callable[..., np.ndarray]:
    """Returns what draws the pictures of a run.

    In each row: an image of A, its translation, what comes back of it, and the same for B.
    """
    to_b, to_a = (functools.partial(each, training=False) for each in model.translators)

    def draw(num_images: int, seed: int) -> np.ndarray:
        del seed  # The images are always the same.
        translated_a, translated_b = to_b(images_a), to_a(images_b)
        columns = [images_a, translated_a, to_a(translated_a)]
        columns += [images_b, translated_b, to_b(translated_b)]
        drawn = np.stack(columns, axis=1).reshape(-1, *images_a.shape[1:])
        # A full square, so that the grid keeps its rows.
        cells = np.full((num_images, *drawn.shape[1:]), -1.0, np.float32)
        cells[: len(drawn)] = drawn
        return cells

    return draw


# === Training on pairs ===


def scores_of_training_on_pairs(
    values: TranslationHyperParameters, data: TranslationData, model: zoo.CycleGAN
) -> dict[str, float]:
    """Trains generators like those of the CycleGAN on answers that these never see; scores them.

    A generator of each direction learns by the mean absolute error, with the CycleGAN's rate,
    augmentation and steps an epoch. Its answer to a zebra is a horse of one coat: any is right.

    Returns:
        The scores `PAIRED_SCORES`.

    Raises:
        TrainingError: if a loss or a weight is not finite in the end.
    """
    epochs = values.paired_epochs
    num_scenes = SMOKE_PAIRS if values.smoke else data.num_train_scenes
    of_pairs = dataclasses.replace(values, epochs=epochs)
    generators = []
    networks = model.players["generator"]
    for direction, network in zip(zoo.datasets.DIRECTIONS, networks, strict=True):
        inputs, answers = draw_pairs(direction, num_scenes)
        # The strategy of the CycleGAN: a second one in a process can fail. Of several workers it is
        # the chief alone who trains these.
        strategy = model.distribute_strategy
        with contextlib.nullcontext() if has_workers(strategy) else strategy.scope():
            generators.append(
                train_on_pairs(
                    network,
                    of_pairs.optimizer_of("generator", data.steps_per_epoch),
                    inputs,
                    answers,
                    augment=data.augment,
                    batch_size=values.batch_size,
                    epochs=epochs,
                    steps_per_epoch=data.steps_per_epoch,
                    seed=values.seed,
                    description=f"on pairs, {direction}",
                )
            )
    return translation_scores.scores_of_paired(generators, data.classifier, data.num_test_pairs)


# === Scores ===


class Translation(Family[TranslationHyperParameters, TranslationData]):
    """Recipes whose generators translate both ways, judged by the truth where it is known."""

    measures = TRANSLATION
    monitor = "val_cycle_loss"
    best = "the least cycle loss of the validation images"
    num_samples = SAMPLE_ROWS * IMAGES_IN_ROW
    samples_note = (
        "Rows of the samples: a test image of A, its translation, what comes back; then of B."
    )

    def make_data(self, values: TranslationHyperParameters) -> TranslationData:
        """Returns the streams of a run; see `TranslationData`."""
        return TranslationData(values)

    def sample_drawer(
        self, model: zoo.CycleGAN, data: TranslationData
    ) -> Callable[[int, int], np.ndarray]:
        """Returns what draws rows of the first test images; see `rows_of_samples`."""
        return rows_of_samples(model, *data.sample_images())

    def stamp_of_validation(
        self, data: TranslationData, model: zoo.CycleGAN, log: str
    ) -> metrics.Stamp | None:
        """Returns what losses are taken on at ends of epochs."""
        return data.stamp_of_validation

    def score(
        self,
        values: TranslationHyperParameters,
        data: TranslationData,
        model: zoo.CycleGAN,
        outcome: Outcome,
    ) -> dict[str, Any]:
        """Returns losses and scores, as None what is not known or comes later."""
        losses = model.evaluate(data.test, verbose=0, return_dict=True)
        truth_scores = dict.fromkeys((*TRUTH_SCORES, *PAIRED_SCORES))
        if data.classifier:
            truth_scores |= translation_scores.scores_against_truth(
                model.translators, data.classifier, data.num_test_pairs
            )
        return {
            "cycle_loss": losses["cycle_loss"],
            "identity_loss": losses["identity_loss"],
            **truth_scores,
            "classifier_accuracy": data.classifier.accuracy if data.classifier else None,
            "num_pairs": data.num_test_pairs,
            "stamps": _stamps(values, data),
            "protocol": _protocol(values, data),
        }

    def further_scores(
        self, values: TranslationHyperParameters, data: TranslationData, model: zoo.CycleGAN
    ) -> dict[str, Any]:
        """Returns the scores of training on pairs, if that is asked for."""
        if not values.paired_epochs:
            return {}
        return scores_of_training_on_pairs(values, data, model)

    def headline(self, results: dict[str, Any]) -> str:
        """Returns how often translations are taken for the other domain."""
        return translation_scores.headline(results)

    def table(self, values: TranslationHyperParameters, results: dict[str, Any]) -> list[Row]:
        """Returns a row for each score."""
        return translation_scores.result_rows(results)


def _stamps(values: TranslationHyperParameters, data: TranslationData) -> dict[str, Any]:
    """Returns what each score of the model is taken on: the test images, some by the classifier."""
    split = told_split(values.dataset, "test", data.fingerprint)
    by_nobody = stamp_of_real_images(data.num_test_pairs, split)
    logs = ["cycle_loss", "identity_loss"]
    if data.classifier is None:
        return shared_by(logs, by_nobody)
    told_apart = [name for name in TRUTH_SCORES if name.endswith("taken_for_target")]
    logs += [name for name in TRUTH_SCORES if name not in told_apart]
    extractor = digest_of_extractor(data.classifier.model)
    by_classifier = dataclasses.replace(by_nobody, extractor=extractor)
    return shared_by(logs, by_nobody) | shared_by(told_apart, by_classifier)


def _protocol(values: TranslationHyperParameters, data: TranslationData) -> str:
    """Returns in one line what the scores are taken on, and how."""
    images = f"{data.num_test_pairs:,} test images of each domain of {values.dataset}"
    if data.classifier is None:
        return f"{images}; losses on pixels in [-1, 1]"
    return (
        f"{images}; losses on pixels in [-1, 1]; errors on pixels in [0, 1], against the truth for "
        f"A → B and the nearest coat for B → A, blurred by a Gaussian of "
        f"{metrics.BLUR_SIGMA:g} pixels within the mask; domains told apart by "
        f"{data.classifier.description}"
    )
