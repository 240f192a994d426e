"""What the recipes share whose models do nothing but generate: data, optimizers, scores, table."""

import functools
from typing import Any

import keras
import tensorflow as tf

import zoo
from recipes.common import checks, command_line, training
from zoo import metrics
from zoo.common import objectives, schedules
from zoo.common.adversarial import AdversarialModel
from zoo.runs.folder import RunFolder

EVALUATION_BATCH = 250
SMOKE_CLASSIFIER_STEPS = 10
SCHEDULES = ("constant", "exponential")
OPTIMIZERS = ("adam", "sgd")
MONITOR = "val_frechet_distance"

DATASETS_HELP = "folder:PATH for images of your own, or any images of TFDS by their name"


# === Checks ===


def check(hyper_parameters: Any, *positive: str) -> None:
    """Refuses values that no later stage would name.

    Args:
        hyper_parameters: of any of these recipes.
        *positive: names of the recipe's own that must be above 0.

    Raises:
        ValueError: naming the hyper-parameter and what it may be.
    """
    checks.require_choice(hyper_parameters, "learning_rate_schedule", SCHEDULES)
    checks.require_choice(hyper_parameters, "objective", objectives.NAMES)
    if hasattr(hyper_parameters, "optimizer"):
        checks.require_choice(hyper_parameters, "optimizer", OPTIMIZERS)
        checks.require_momenta(hyper_parameters, "momentum")
    checks.require_positive(
        hyper_parameters,
        *("epochs", "batch_size", "learning_rate_decay", "latent_dim"),
        *("generator_learning_rate", "discriminator_learning_rate"),
        *positive,
    )
    checks.require_seeds(hyper_parameters, "seed")
    checks.require_momenta(hyper_parameters, "adam_beta_1", "average_decay")
    if hasattr(hyper_parameters, "adam_beta_2"):
        checks.require_momenta(hyper_parameters, "adam_beta_2")
    checks.require_patience(hyper_parameters)
    # An objective checks its own numbers.
    objective_of(hyper_parameters)


def objective_of(hyper_parameters: Any) -> objectives.Objective:
    """Returns the objective that the hyper-parameters ask for."""
    return objectives.Objective(
        hyper_parameters.objective,
        label_smoothing=hyper_parameters.label_smoothing,
        label_noise=hyper_parameters.label_noise,
    )


# === Data ===


class Data:
    """The streams of one run, and the classifier on whose features its images are judged.

    Making it prepares the data set.

    Raises:
        ValueError: if the data set or its splits can't serve.
        RuntimeError: if it can't be downloaded.
    """

    def __init__(self, hyper_parameters: Any):
        self._hyper_parameters = hyper_parameters
        name = hyper_parameters.dataset
        self._options = {}
        if hyper_parameters.image_size is not None:
            self._options["image_size"] = hyper_parameters.image_size
        self.folder_scan = None
        if name.startswith("folder:"):
            self._options["drop_duplicates"] = hyper_parameters.drop_duplicates
            self.folder_scan = zoo.datasets.scan_folder(
                name.removeprefix("folder:"), **self._options
            )
        train = self._images(hyper_parameters.train_split, hyper_parameters.batch_size)
        self.steps_per_epoch = 3 if hyper_parameters.smoke else int(train.cardinality())
        self.validation = self._images(hyper_parameters.validation_split)
        self.test = self._images(hyper_parameters.test_split)
        self.num_test_images = sum(len(images) for images in self.test)
        self._refuse_too_few(hyper_parameters.test_split, self.num_test_images)
        num_validation_images = sum(len(images) for images in self.validation)
        self._refuse_too_few(hyper_parameters.validation_split, num_validation_images)
        self.description = zoo.datasets.describe(name, **self._options)

    @functools.cached_property
    def classifier(self) -> metrics.Classifier:
        """The classifier of this data set, trained now if there is none yet."""
        steps = {}
        if self._hyper_parameters.smoke:
            steps["training_steps"] = SMOKE_CLASSIFIER_STEPS
        return metrics.load_classifier(self._hyper_parameters.dataset, **self._options, **steps)

    def _refuse_too_few(self, split: str, num_images: int) -> None:
        if num_images < 2:
            raise ValueError(
                f"A distance takes 2 images or more, better hundreds, and {split!r} of "
                f"{self._hyper_parameters.dataset!r} has {num_images}; use more images, or name "
                "other splits by --set validation_split=... and --set test_split=..."
            )

    def _images(self, split: str, batch_size: int = EVALUATION_BATCH, **options):
        name = self._hyper_parameters.dataset
        return zoo.datasets.load(name, split, batch_size=batch_size, **self._options, **options)

    def train_from(self, step: int) -> tf.data.Dataset:
        """Returns the batches of images from that step on."""
        return self._images(
            self._hyper_parameters.train_split,
            self._hyper_parameters.batch_size,
            shuffle=True,
            repeat=True,
            seed=self._hyper_parameters.seed,
            first_step=step,
        )

    def some_train_images(self, num_images: int) -> tf.Tensor:
        """Returns that many training images, always the same ones."""
        return next(iter(self._shuffled_train_images(num_images)))

    def _shuffled_train_images(self, batch_size: int) -> tf.data.Dataset:
        # Repeated, for the order of a single pass is another each time.
        split = self._hyper_parameters.train_split
        return self._images(split, batch_size, shuffle=True, repeat=True)

    def quality_measures(self) -> list[keras.metrics.Metric]:
        """Returns new measures; those of classes only if the classifier knows classes."""
        measures = [
            metrics.FrechetDistance(self.classifier.feature_extractor),
            metrics.KernelDistance(self.classifier.feature_extractor, block_size=EVALUATION_BATCH),
        ]
        if self.classifier.class_names is not None:
            measures += [
                metrics.MeanConfidence(self.classifier.model),
                metrics.ClassImbalance(self.classifier.model),
            ]
        return measures

    def distance_of_train_images(self) -> float:
        """Returns the Fréchet distance of the test images from as many training images.

        It is what a generator would score that knows the training images by heart: the floor for
        this number of images.
        """
        distance = metrics.FrechetDistance(self.classifier.feature_extractor)
        train = self._shuffled_train_images(EVALUATION_BATCH)
        for real_images, train_images in zip(self.test, train, strict=False):
            distance.update_state(real_images, train_images[: len(real_images)])
        return float(distance.result())


# === Optimizers ===


def optimizer(
    hyper_parameters: Any, player: str, steps_per_epoch: int
) -> keras.optimizers.Optimizer:
    """Returns a new optimizer for one player, with the run's learning rate schedule."""
    if player == "discriminator":
        steps_per_epoch *= getattr(hyper_parameters, "discriminator_steps", 1)
    rate = getattr(hyper_parameters, f"{player}_learning_rate")
    if hyper_parameters.learning_rate_schedule == "exponential":
        factor = hyper_parameters.learning_rate_decay
        rate = schedules.exponential_decay(rate, factor, steps_per_epoch)
    if getattr(hyper_parameters, "optimizer", "adam") == "sgd":
        return keras.optimizers.SGD(rate, momentum=hyper_parameters.momentum)
    # Keras's own, where a paper has nothing to say of it.
    beta_2 = getattr(hyper_parameters, "adam_beta_2", 0.999)
    return keras.optimizers.Adam(rate, beta_1=hyper_parameters.adam_beta_1, beta_2=beta_2)


def compile_model(model: AdversarialModel, hyper_parameters: Any, data: Data) -> None:
    """Gives a model its optimizers, its objective and its measures.

    Here the classifier is trained, if there is none yet: when all arguments were found good.
    """
    data.classifier  # noqa: B018 - outside of the strategy's scope, which it refuses
    with model.distribute_strategy.scope():
        model.compile(
            generator_optimizer=optimizer(hyper_parameters, "generator", data.steps_per_epoch),
            discriminator_optimizer=optimizer(
                hyper_parameters, "discriminator", data.steps_per_epoch
            ),
            objective=objective_of(hyper_parameters),
            quality_measures=data.quality_measures(),
        )


# === Results ===


def train_and_report(
    hyper_parameters: Any, data: Data, model: AdversarialModel, run: RunFolder, title: str
) -> dict[str, Any]:
    """Trains the GAN, scores it on the test images and fills the run folder.

    Args:
        hyper_parameters: of this run.
        data: made from them.
        model: made from both.
        run: a new folder, or that of the run to resume.
        title: of the report page.

    Returns:
        What `results.json` holds.

    Raises:
        CheckpointError: if the run to resume has a damaged checkpoint.
        RunFolderError: if the folder can't be written.
        OSError: if a file can't be written later on.
    """

    def list_skipped_images() -> None:
        scan, report = data.folder_scan, run.path / "skipped_images.csv"
        if scan is not None:
            scan.write_report(report)
            training.tell_of_skipped_images([scan], report)

    outcome = training.fit(
        model,
        data.train_from,
        run,
        epochs=hyper_parameters.epochs,
        steps_per_epoch=data.steps_per_epoch,
        validation_data=data.validation,
        monitor=MONITOR,
        dataset_fingerprint=data.description.fingerprint,
        patience=hyper_parameters.early_stopping_patience,
        on_begin=list_skipped_images,
    )
    scores = model.evaluate(data.test, verbose=0, return_dict=True)
    results = {
        "frechet_distance": scores["frechet_distance"],
        "kernel_distance": scores["kernel_distance"],
        "mean_confidence": scores.get("mean_confidence"),
        "class_imbalance": scores.get("class_imbalance"),
        "real_frechet_distance": data.distance_of_train_images(),
        "num_images": data.num_test_images,
        "protocol": (
            f"{data.num_test_images:,} generated images against as many real ones, "
            f"{hyper_parameters.dataset} {hyper_parameters.test_split}; "
            f"{data.classifier.description}"
        ),
        "weights": outcome.describe_weights(
            bool(hyper_parameters.average_decay), "the least distance from the validation images"
        ),
        "stop_reason": outcome.stop_reason,
        "is_broken": outcome.is_broken,
        "epochs": outcome.epochs,
        "smoke": hyper_parameters.smoke,
    }
    run.write_results(results)
    table = result_rows(results)
    training.export_and_report(
        model,
        run,
        outcome,
        title=f"{title} on {hyper_parameters.dataset}",
        headline=f"Fréchet distance {table[0][1]}, where training images have {table[1][1]}.",
        table=table,
        resume_command=command_line.resume_command(run, "--epochs=..."),
        notice=" ".join([data.description.stand_in, f"Scores: {results['protocol']}."]).strip(),
    )
    print(training.format_table(("", "score", ""), table))
    print(f"Scores: {results['protocol']}.")
    print(f"Stopped: {outcome.stop_reason}. Everything is in {run.path}; open {run.report_html}")
    return results


def result_rows(results: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Returns the table: a measure, its value and how to read it, for each row."""
    rows = [
        ("Fréchet distance", f"{results['frechet_distance']:.2f}", "0 is best"),
        (
            "that of training images",
            f"{results['real_frechet_distance']:.2f}",
            "what knowing them by heart would score",
        ),
        (
            "kernel distance × 1000",
            f"{1000 * results['kernel_distance']:.2f}",
            "0 is best; unbiased, so it may be negative",
        ),
    ]
    if results["mean_confidence"] is not None:
        rows += [
            (
                "mean confidence",
                f"{results['mean_confidence']:.1%}",
                "with which the classifier names the generated images",
            ),
            (
                "class imbalance",
                f"{results['class_imbalance']:.2f}",
                "largest factor by which a class is too rare or too frequent; 1 is best",
            ),
        ]
    return rows


def main(recipe: str, title: str, preset, check_recipe, build_model) -> None:
    """Runs a recipe as the flags say.

    Args:
        recipe: its name.
        title: of the report page.
        preset: maps the names of a preset and of a data set to hyper-parameters.
        check_recipe: refuses values that no later stage would name.
        build_model: maps hyper-parameters and data to a compiled model.
    """
    report = functools.partial(train_and_report, title=title)
    training.run_recipe(recipe, preset, check_recipe, Data, build_model, report)
