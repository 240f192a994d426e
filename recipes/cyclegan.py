"""Trains a CycleGAN, which translates between two domains of images without a pair to learn from.

    python recipes/cyclegan.py                            # drawn_horse2zebra
    python recipes/cyclegan.py --dataset=cycle_gan/horse2zebra --preset=paper
    python recipes/cyclegan.py --dataset=folder:pictures  # with trainA, trainB, testA and testB
    python recipes/cyclegan.py --dataset=folder:summer,winter

At the end stands one table; everything else is in the run folder, of which report.html is the page
to open. `python -m recipes.translate RUN_FOLDER PICTURES RESULTS` then translates images of any
size.
"""

from recipes.common import command_line, training  # first: it keeps TensorFlow's import quiet

# isort: split
import csv
import dataclasses
import functools
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import zoo
from recipes.common import checks
from recipes.common.command_line import sourced
from recipes.common.paired_regression import train_on_pairs
from recipes.common.translation_scores import (
    EVALUATION_BATCH,
    PAIRED_SCORES,
    TRUTH_SCORES,
    headline,
    result_rows,
    scores_against_truth,
    scores_of_paired,
)
from zoo import metrics
from zoo.common import schedules
from zoo.common.files import write_atomically
from zoo.cyclegan import ARCHITECTURES, CYCLE_TERMS
from zoo.datasets.catalogue import base_name
from zoo.datasets.drawn_horse2zebra.truth import draw_pairs
from zoo.runs.folder import RunFolder

RECIPE = "cyclegan"

PAPER = "Zhu et al. 2017"
CODE = "the authors' code"
DATASET_WITH_TRUTH = "drawn_horse2zebra"
# Data sets of which a translation changes a thing, and not the scene around it.
SCENES_THAT_STAY = (DATASET_WITH_TRUTH, "cycle_gan/horse2zebra", "cycle_gan/apple2orange")
SCHEDULES = ("constant", "exponential", "cyclegan")
# A row of the sample grid is an image, its translation and what comes back, for both domains.
IMAGES_IN_ROW = 6
SAMPLE_ROWS = 6
SMOKE_PAIRS = 4
SMOKE_CLASSIFIER_STEPS = 10


# === Hyper-parameters ===


@dataclasses.dataclass(frozen=True)
class HyperParameters:
    """The paper's values for horse2zebra, each with its source."""

    dataset: str = sourced("cycle_gan/horse2zebra", PAPER)
    image_size: int | None = sourced(256, f"{PAPER}; none is the data set's own")
    drop_duplicates: str = sourced("none", "ours; of a folder: none, exact or near")
    load_scale: float = sourced(286 / 256, f"{CODE}: enlarged to 286 pixels, cut to 256")
    random_flip: bool = sourced(True, CODE)
    validation_pairs: int = sourced(32, "ours: test images, only watched")
    epochs: int = sourced(200, PAPER)
    batch_size: int = sourced(1, PAPER)
    seed: int = sourced(0, "ours")
    architecture: str = sourced("residual", f"{PAPER}; or residual_skip, attention, u_net")
    base_filters: int = sourced(64, PAPER)
    num_blocks: int = sourced(9, f"{PAPER}: 9 for 256 pixels, 6 for 128")
    discriminator_scales: int | None = sourced(None, f"{PAPER}: 3, 70 pixels; none: 2 below 128")
    cycle_terms: str = sourced("both", f"{PAPER}; forward or backward alone, for an ablation")
    cycle_weight: float = sourced(10.0, PAPER)
    forward_cycle_weight: float = sourced(1.0, f"{PAPER}: both terms alike; in units of the above")
    identity_weight: float = sourced(0.5, f"{CODE}; a share of the cycle's weight")
    pool_size: int = sourced(50, PAPER)
    average_decay: float = sourced(0.0, f"{PAPER}: none; of the generators' weights")
    paired_epochs: int = sourced(0, "ours: of the same generators on pairs, an upper bound")
    generator_learning_rate: float = sourced(2e-4, PAPER)
    discriminator_learning_rate: float = sourced(2e-4, PAPER)
    learning_rate_schedule: str = sourced("cyclegan", f"{PAPER}: 100 epochs, then 100 to zero")
    learning_rate_decay: float = sourced(1.0, "factor an epoch, of the exponential schedule")
    adam_beta_1: float = sourced(0.5, CODE)
    strategy: str = sourced("none", "ours")
    precision: str = sourced("float32", PAPER)
    smoke: bool = sourced(False, "ours")


def preset(name: str, dataset: str) -> HyperParameters:
    """Returns the hyper-parameters of `--preset` for a data set."""
    own_size = base_name(dataset) == DATASET_WITH_TRUTH
    paper = dataclasses.replace(HyperParameters(), dataset=dataset)
    if own_size:
        paper = dataclasses.replace(paper, image_size=None)
    if name == "paper":
        return paper
    quick = dataclasses.replace(
        paper,
        image_size=None if own_size else 64,
        base_filters=32,
        learning_rate_schedule="exponential",
    )
    if dataset.startswith(SCENES_THAT_STAY):
        # Where the mask is shut nothing changes, so that the identity loss has nothing to keep.
        return dataclasses.replace(
            quick,
            epochs=10,
            architecture="attention",
            num_blocks=2,
            # B → A learns most from what A → B makes of A, for of that the answer is known.
            forward_cycle_weight=3.0,
            identity_weight=0.0,
            learning_rate_decay=0.8,
        )
    return dataclasses.replace(
        quick, epochs=15, architecture="residual_skip", num_blocks=4, learning_rate_decay=0.87
    )


def check(hyper_parameters: HyperParameters) -> None:
    """Refuses values that no later stage would name.

    Raises:
        ValueError: naming the hyper-parameter and what it may be.
    """
    checks.require_choice(hyper_parameters, "learning_rate_schedule", SCHEDULES)
    checks.require_choice(hyper_parameters, "architecture", ARCHITECTURES)
    checks.require_choice(hyper_parameters, "cycle_terms", CYCLE_TERMS)
    checks.require_positive(
        hyper_parameters,
        *("epochs", "batch_size", "validation_pairs", "learning_rate_decay"),
        *("base_filters", "num_blocks"),
        *("generator_learning_rate", "discriminator_learning_rate"),
    )
    checks.require_momenta(hyper_parameters, "adam_beta_1", "average_decay")
    checks.require_not_negative(
        hyper_parameters,
        *("cycle_weight", "forward_cycle_weight", "identity_weight", "pool_size", "paired_epochs"),
    )
    if hyper_parameters.discriminator_scales is not None:
        checks.require_positive(hyper_parameters, "discriminator_scales")
    if hyper_parameters.paired_epochs and not _knows_truth(hyper_parameters):
        raise ValueError(
            f"paired_epochs needs pairs, which {DATASET_WITH_TRUTH} has at its own size alone. "
            f"Received: paired_epochs={hyper_parameters.paired_epochs} for "
            f"{hyper_parameters.dataset!r} at image_size={hyper_parameters.image_size}"
        )
    checks.require_seeds(hyper_parameters, "seed")
    if hyper_parameters.load_scale < 1:
        raise ValueError(
            f"load_scale must be at least 1, at which nothing is cut off. Received: "
            f"{hyper_parameters.load_scale}"
        )


def _knows_truth(hyper_parameters: HyperParameters) -> bool:
    # It is drawn at the set's own size.
    return (
        base_name(hyper_parameters.dataset) == DATASET_WITH_TRUTH
        and hyper_parameters.image_size is None
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


class Data:
    """The streams of one run and, where the truth is known, what its translations are scored by.

    Making it prepares the data set, and trains the classifier of the domains if there is none yet.

    Attributes:
        images: the data set.
        steps_per_epoch: as many as the larger domain has batches.
        test: batches of the test images of both domains, in their stored order, as many as the
            smaller domain has.
        validation: the first of them.
        num_test_pairs: in `test`.
        num_train_scenes: training images of the first domain.
        fingerprint: of all images.
        classifier: tells the domains apart; None where the truth is not known.

    Raises:
        ValueError: if the data set can't serve.
        RuntimeError: if it can't be downloaded.
    """

    def __init__(self, hyper_parameters: HyperParameters):
        self._hyper_parameters = hyper_parameters
        self.images = zoo.datasets.open(
            hyper_parameters.dataset,
            image_size=hyper_parameters.image_size,
            drop_duplicates=hyper_parameters.drop_duplicates,
        )
        self.steps_per_epoch = 3 if hyper_parameters.smoke else self._steps_in_larger_domain()
        test = self.images.unpaired("test", shuffle=False, repeat=False).unbatch()
        test = test.take(SMOKE_PAIRS) if hyper_parameters.smoke else test
        self.num_test_pairs = sum(1 for _ in test)
        # Keras warns of data that end without having said when.
        test = test.apply(tf.data.experimental.assert_cardinality(self.num_test_pairs))
        self.test = test.batch(EVALUATION_BATCH)
        self.validation = test.take(hyper_parameters.validation_pairs).batch(EVALUATION_BATCH)
        description = self.images.description
        self.num_train_scenes = description.num_examples["trainA"]
        self.image_shape = description.image_shape
        self.stand_in = description.stand_in
        self.fingerprint = description.fingerprint
        self.classifier = None
        if _knows_truth(hyper_parameters):
            steps = {"training_steps": SMOKE_CLASSIFIER_STEPS} if hyper_parameters.smoke else {}
            self.classifier = metrics.load_classifier(hyper_parameters.dataset, **steps)

    def _steps_in_larger_domain(self) -> int:
        batch_size = self._hyper_parameters.batch_size
        return max(
            int(self.images.batches(split, batch_size=batch_size).cardinality())
            for split in ("trainA", "trainB")
        )

    def augment(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Augments an image as the hyper-parameters say; see `enlarge_crop_flip`."""
        values = self._hyper_parameters
        return enlarge_crop_flip(image, seed, values.load_scale, values.random_flip)

    def train_from(self, step: int) -> tf.data.Dataset:
        """Returns the batches `(images_a, images_b)` from that step on."""
        return self.images.unpaired(
            "train",
            batch_size=self._hyper_parameters.batch_size,
            seed=self._hyper_parameters.seed,
            first_step=step,
            augment=self.augment,
        )

    def sample_images(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the first test images of both domains, for the pictures of a run."""
        pairs = self.test.unbatch().take(SAMPLE_ROWS).as_numpy_iterator()
        images_a, images_b = zip(*pairs, strict=True)
        return np.stack(images_a), np.stack(images_b)

    def write_skipped_images(self, path: Path) -> None:
        """Lists the files of both domains that are skipped or doubled; nothing without folders."""
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


# === Model ===


def adam(hyper_parameters: HyperParameters, player: str, steps_per_epoch: int):
    """Returns a new Adam for one player, with the run's learning rate schedule."""
    rate = getattr(hyper_parameters, f"{player}_learning_rate")
    if hyper_parameters.learning_rate_schedule == "exponential":
        factor = hyper_parameters.learning_rate_decay
        rate = schedules.exponential_decay(rate, factor, steps_per_epoch)
    elif hyper_parameters.learning_rate_schedule == "cyclegan":
        rate = schedules.cyclegan_decay(rate, hyper_parameters.epochs, steps_per_epoch)
    return keras.optimizers.Adam(rate, beta_1=hyper_parameters.adam_beta_1)


def build_model(hyper_parameters: HyperParameters, data: Data) -> zoo.CycleGAN:
    """Returns the CycleGAN, compiled."""
    keras.utils.set_random_seed(hyper_parameters.seed)
    keras.config.set_dtype_policy(hyper_parameters.precision)
    with training.strategy_scope(hyper_parameters.strategy, hyper_parameters.batch_size):
        model = zoo.CycleGAN(
            image_shape=data.image_shape,
            base_filters=hyper_parameters.base_filters,
            num_blocks=hyper_parameters.num_blocks,
            architecture=hyper_parameters.architecture,
            discriminator_scales=hyper_parameters.discriminator_scales,
            cycle_terms=hyper_parameters.cycle_terms,
            cycle_weight=hyper_parameters.cycle_weight,
            forward_cycle_weight=hyper_parameters.forward_cycle_weight,
            identity_weight=hyper_parameters.identity_weight,
            pool_size=hyper_parameters.pool_size,
            average_decay=hyper_parameters.average_decay,
            seed=hyper_parameters.seed,
        )
        model.compile(
            generator_optimizer=adam(hyper_parameters, "generator", data.steps_per_epoch),
            discriminator_optimizer=adam(hyper_parameters, "discriminator", data.steps_per_epoch),
        )
    return model


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


# === Paired regression ===


def scores_of_training_on_pairs(
    hyper_parameters: HyperParameters, data: Data, model: zoo.CycleGAN
) -> dict[str, float]:
    """Trains generators like those of the CycleGAN on answers that these never see; scores them.

    A generator of each direction learns by the mean absolute error, with the CycleGAN's rate,
    augmentation and steps an epoch. Its answer to a zebra is a horse of one coat: any is right.

    Returns:
        The scores `PAIRED_SCORES`.

    Raises:
        TrainingError: if a loss or a weight is not finite in the end.
    """
    epochs = hyper_parameters.paired_epochs
    num_scenes = SMOKE_PAIRS if hyper_parameters.smoke else data.num_train_scenes
    of_pairs = dataclasses.replace(hyper_parameters, epochs=epochs)
    generators = []
    networks = model.players["generator"]
    for direction, network in zip(zoo.datasets.DIRECTIONS, networks, strict=True):
        inputs, answers = draw_pairs(direction, num_scenes)
        # The strategy of the CycleGAN: a second one in a process can fail.
        with model.distribute_strategy.scope():
            generators.append(
                train_on_pairs(
                    network,
                    adam(of_pairs, "generator", data.steps_per_epoch),
                    inputs,
                    answers,
                    augment=data.augment,
                    batch_size=hyper_parameters.batch_size,
                    epochs=epochs,
                    steps_per_epoch=data.steps_per_epoch,
                    seed=hyper_parameters.seed,
                    description=f"on pairs, {direction}",
                )
            )
    return scores_of_paired(generators, data.classifier, data.num_test_pairs)


# === Results ===


def train_and_report(
    hyper_parameters: HyperParameters, data: Data, model: zoo.CycleGAN, run: RunFolder
) -> dict[str, Any]:
    """Trains the CycleGAN, scores it on the test images and fills the run folder.

    Args:
        hyper_parameters: of this run.
        data: made from them.
        model: made from both.
        run: a new folder, or that of the run to resume.

    Returns:
        What `results.json` holds. The scores against the truth are None where it is not known.

    Raises:
        CheckpointError: if the run to resume has a damaged checkpoint.
        RunFolderError: if the folder can't be written.
        TrainingError: if the training on pairs fails; the rest is in the folder by then.
        OSError: if a file can't be written later on.
    """
    outcome = training.fit(
        model,
        data.train_from,
        run,
        epochs=hyper_parameters.epochs,
        steps_per_epoch=data.steps_per_epoch,
        validation_data=data.validation,
        monitor="val_cycle_loss",
        dataset_fingerprint=data.fingerprint,
        num_samples=SAMPLE_ROWS * IMAGES_IN_ROW,
        draw_samples=rows_of_samples(model, *data.sample_images()),
        on_begin=lambda: data.write_skipped_images(run.path / "skipped_images.csv"),
    )
    samples = "Rows of the samples: a test image of A, its translation, what comes back; then of B."

    def write_and_report(results: dict[str, Any]) -> None:
        run.write_results(results)
        training.export_and_report(
            model,
            run,
            outcome,
            title=f"CycleGAN on {hyper_parameters.dataset}",
            headline=headline(results),
            table=result_rows(results),
            resume_command=command_line.resume_command(run, "--epochs=..."),
            notice=" ".join([data.stand_in, f"Scores: {results['protocol']}.", samples]).strip(),
        )

    results = score(hyper_parameters, data, model, outcome)
    write_and_report(results)
    if hyper_parameters.paired_epochs and not outcome.is_broken:
        # Only now, since it takes long: the CycleGAN must not be lost with it.
        results |= scores_of_training_on_pairs(hyper_parameters, data, model)
        write_and_report(results)
    print(training.format_table(("", "score", ""), result_rows(results)))
    print(f"Scores: {results['protocol']}.")
    print(f"Stopped: {outcome.stop_reason}. Everything is in {run.path}; open {run.report_html}")
    return results


def score(
    hyper_parameters: HyperParameters, data: Data, model: zoo.CycleGAN, outcome: training.Outcome
) -> dict[str, Any]:
    """Returns what `results.json` holds, those of training on pairs as None."""
    losses = model.evaluate(data.test, verbose=0, return_dict=True)
    truth_scores = dict.fromkeys((*TRUTH_SCORES, *PAIRED_SCORES))
    if data.classifier:
        truth_scores |= scores_against_truth(
            model.translators, data.classifier, data.num_test_pairs
        )
    return {
        "cycle_loss": losses["cycle_loss"],
        "identity_loss": losses["identity_loss"],
        **truth_scores,
        "classifier_accuracy": data.classifier.accuracy if data.classifier else None,
        "num_pairs": data.num_test_pairs,
        "protocol": protocol(hyper_parameters, data),
        "weights": outcome.describe_weights(bool(hyper_parameters.average_decay)),
        "stop_reason": outcome.stop_reason,
        "is_broken": outcome.is_broken,
        "epochs": outcome.epochs,
        "smoke": hyper_parameters.smoke,
    }


def protocol(hyper_parameters: HyperParameters, data: Data) -> str:
    """Returns in one line what the scores are taken on, and how."""
    images = f"{data.num_test_pairs:,} test images of each domain of {hyper_parameters.dataset}"
    if data.classifier is None:
        return f"{images}; losses on pixels in [-1, 1]"
    return (
        f"{images}; losses on pixels in [-1, 1]; errors on pixels in [0, 1], against the truth for "
        f"A → B and the nearest coat for B → A, blurred by a Gaussian of "
        f"{metrics.BLUR_SIGMA:g} pixels within the mask; domains told apart by "
        f"{data.classifier.description}"
    )


def main() -> None:
    """Runs the recipe as the flags say."""
    training.run_recipe(RECIPE, preset, check, Data, build_model, train_and_report)


if __name__ == "__main__":
    command_line.define_flags(
        preset,
        dataset=DATASET_WITH_TRUTH,
        datasets_help=(
            f"{DATASET_WITH_TRUTH}, cycle_gan/horse2zebra or another of its kind, folder:PATH with "
            "folders trainA, trainB, testA and testB, or folder:PATH,PATH, one a domain"
        ),
    )
    command_line.run(main)
