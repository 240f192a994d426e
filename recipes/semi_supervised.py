"""Trains a semi-supervised GAN on a few labels, beside a classifier that sees only those labels.

    python recipes/semi_supervised.py                      # 100 labels of mnist_small
    python recipes/semi_supervised.py --num_labels=20 --epochs=300
    python recipes/semi_supervised.py --dataset=svhn_cropped --preset=paper

At the end stands one table of test errors; everything else is in the run folder, of which
report.html is the page to open.
"""

from recipes.common import command_line, training  # first: it keeps TensorFlow's import quiet

# isort: split
import dataclasses
import sys

import keras
import tensorflow as tf
from tqdm import tqdm

import zoo
from recipes.common import checks
from recipes.common.command_line import sourced
from zoo.common import schedules
from zoo.common.layers import initialize_from_data
from zoo.runs.folder import RunFolder

RECIPE = "semi_supervised"
SCHEDULES = ("constant", "exponential", "salimans")
IMAGES_TO_ADAPT_TO = 500

PAPER = "Salimans et al. 2016"
CODE = "code of Salimans et al. 2016"


# === Hyper-parameters ===


@dataclasses.dataclass(frozen=True)
class HyperParameters:
    """The paper's values for MNIST, each with its source."""

    dataset: str = sourced("mnist", PAPER)
    train_split: str = sourced("train", PAPER)
    validation_split: str = sourced("train[90%:]", "ours: only watched, for it is learnt from too")
    test_split: str = sourced("test", PAPER)
    num_labels: int = sourced(100, f"{PAPER}, table 1")
    label_seed: int = sourced(0, "ours")
    epochs: int = sourced(300, CODE)
    batch_size: int = sourced(100, CODE)
    seed: int = sourced(0, "ours")
    architecture: str = sourced("multilayer", CODE)
    base_filters: int = sourced(64, f"{CODE} (only of the convolutional networks)")
    learning_rate: float = sourced(3e-3, CODE)
    learning_rate_schedule: str = sourced("constant", CODE)
    learning_rate_decay: float = sourced(1.0, "factor an epoch, of the exponential schedule")
    adam_beta_1: float = sourced(0.5, CODE)
    unlabelled_weight: float = sourced(1.0, CODE)
    average_decay: float = sourced(0.9999, CODE)
    early_stopping_patience: int | None = sourced(None, PAPER)
    strategy: str = sourced("none", "ours")
    precision: str = sourced("float32", CODE)
    smoke: bool = sourced(False, "ours")


PAPER_PRESETS = {
    "mnist": HyperParameters(),
    "svhn_cropped": HyperParameters(
        dataset="svhn_cropped",
        num_labels=1000,
        epochs=900,
        architecture="convolutional",
        learning_rate=3e-4,
        learning_rate_schedule="salimans",
    ),
    "cifar10": HyperParameters(
        dataset="cifar10",
        num_labels=4000,
        epochs=1200,
        architecture="convolutional",
        base_filters=96,
        learning_rate=3e-4,
        learning_rate_schedule="salimans",
    ),
}

# Test errors in the paper, in per cent over draws of the labels, by number of labels.
PAPER_RESULTS = {
    "mnist": {20: "16.77 ± 4.52 %", 100: "0.93 ± 0.07 %", 200: "0.90 ± 0.04 %"},
    "svhn_cropped": {500: "18.44 ± 4.8 %", 1000: "8.11 ± 1.3 %"},
    "cifar10": {4000: "18.63 %"},
}


def preset(name: str, dataset: str) -> HyperParameters:
    """Returns the hyper-parameters of `--preset` for a data set.

    Data sets that are not in the paper take the values of MNIST, so `quick` suits small grey
    images best; see `--set` for the rest.
    """
    paper = dataclasses.replace(PAPER_PRESETS.get(dataset, PAPER_PRESETS["mnist"]), dataset=dataset)
    if dataset == "mnist_small":
        paper = dataclasses.replace(paper, validation_split="validation")
    if name == "paper":
        return paper
    # Some 20 times fewer steps than the paper's: smaller batches make more of them, and the
    # average must forget faster.
    small = {"epochs": 100, "batch_size": 50}
    if paper.architecture == "convolutional":
        small = {"epochs": 5, "base_filters": 16}
    if dataset != "mnist_small":
        small["train_split"] = "train[:90%]"  # apart from the validation images
    return dataclasses.replace(
        paper,
        learning_rate_schedule="exponential",
        learning_rate_decay=0.985,
        average_decay=0.998,
        **small,
    )


def check(hyper_parameters: HyperParameters) -> None:
    """Refuses values that no later stage would name.

    Raises:
        ValueError: naming the hyper-parameter and what it may be.
    """
    checks.require_choice(hyper_parameters, "learning_rate_schedule", SCHEDULES)
    checks.require_positive(
        hyper_parameters,
        *("epochs", "batch_size", "learning_rate", "learning_rate_decay", "base_filters"),
    )
    checks.require_seeds(hyper_parameters, "seed", "label_seed")
    checks.require_patience(hyper_parameters)
    checks.require_momenta(hyper_parameters, "adam_beta_1", "average_decay")
    patience = hyper_parameters.early_stopping_patience
    splits = hyper_parameters.train_split, hyper_parameters.validation_split
    if patience is not None and splits[0] == "train" and splits[1].startswith("train"):
        raise ValueError(
            "early_stopping_patience needs validation images that are not trained on; add "
            f"--set 'train_split=train[:90%]'. Received: train_split={splits[0]}, "
            f"validation_split={splits[1]}"
        )


# === Data ===


class Data:
    """The streams of one run; making it prepares the data set and checks the labels.

    Raises:
        ValueError: if the data set, its splits or its labels can't serve.
        RuntimeError: if it can't be downloaded.
    """

    def __init__(self, hyper_parameters: HyperParameters):
        self._hyper_parameters = hyper_parameters
        self.train_from(0)  # first: it checks the labels before anything is downloaded
        self.description = zoo.datasets.describe(hyper_parameters.dataset)
        self.validation = self._labelled_images(hyper_parameters.validation_split)
        self.test = self._labelled_images(hyper_parameters.test_split)
        self.num_test_images = sum(len(labels) for _, labels in self.test.as_numpy_iterator())
        if hyper_parameters.smoke:
            self.steps_per_epoch = 3
        else:
            images = self._train_images(hyper_parameters.batch_size)
            self.steps_per_epoch = int(images.cardinality())

    def _labelled_images(self, split: str) -> tf.data.Dataset:
        name = self._hyper_parameters.dataset
        return zoo.datasets.load(name, split, batch_size=500, with_labels=True)

    def _train_images(self, batch_size: int, **options) -> tf.data.Dataset:
        dataset, split = self._hyper_parameters.dataset, self._hyper_parameters.train_split
        return zoo.datasets.load(dataset, split, batch_size=batch_size, **options)

    def train_from(self, step: int) -> tf.data.Dataset:
        """Returns the batches from that step on, `((images, labels), unlabelled_images)`."""
        return zoo.datasets.load_few_labels(
            self._hyper_parameters.dataset,
            self._hyper_parameters.num_labels,
            batch_size=self._hyper_parameters.batch_size,
            label_seed=self._hyper_parameters.label_seed,
            seed=self._hyper_parameters.seed,
            first_step=step,
            split=self._hyper_parameters.train_split,
        )

    def images_to_adapt_to(self) -> tf.Tensor:
        """Returns some images for the data-dependent initialisation of the weights."""
        images = self._train_images(
            IMAGES_TO_ADAPT_TO, shuffle=True, repeat=True, seed=self._hyper_parameters.seed
        )
        return next(iter(images))


# === Models ===


def adam(hyper_parameters: HyperParameters, steps_per_epoch: int, **options):
    """Returns a new Adam with the run's learning rate schedule."""
    rate = hyper_parameters.learning_rate
    if hyper_parameters.learning_rate_schedule == "exponential":
        factor = hyper_parameters.learning_rate_decay
        rate = schedules.exponential_decay(rate, factor, steps_per_epoch)
    elif hyper_parameters.learning_rate_schedule == "salimans":
        rate = schedules.salimans_decay(rate, hyper_parameters.epochs, steps_per_epoch)
    return keras.optimizers.Adam(rate, beta_1=hyper_parameters.adam_beta_1, **options)


def build_model(hyper_parameters: HyperParameters, data: Data) -> zoo.SemiSupervisedGAN:
    """Returns the GAN, compiled, with its weights initialised from data."""
    keras.utils.set_random_seed(hyper_parameters.seed)
    keras.config.set_dtype_policy(hyper_parameters.precision)
    with training.strategy_scope(hyper_parameters.strategy, hyper_parameters.batch_size):
        model = zoo.SemiSupervisedGAN(
            image_shape=data.description.image_shape,
            num_classes=len(data.description.class_names),
            architecture=hyper_parameters.architecture,
            base_filters=hyper_parameters.base_filters,
            unlabelled_weight=hyper_parameters.unlabelled_weight,
            average_decay=hyper_parameters.average_decay,
            class_names=data.description.class_names,
            seed=hyper_parameters.seed,
        )
        model.compile(
            generator_optimizer=adam(hyper_parameters, data.steps_per_epoch),
            discriminator_optimizer=adam(hyper_parameters, data.steps_per_epoch),
        )
    model.adapt(data.images_to_adapt_to())
    return model


def baseline_error(
    hyper_parameters: HyperParameters, data: Data, gan: zoo.SemiSupervisedGAN, epochs: int
) -> float:
    """Trains the discriminator's network on the labelled images alone; returns its test error.

    It has the GAN's network, initialisation, noise, labelled batches, optimizer, schedule, number
    of steps and average of the weights: all but the unlabelled stream and the generator.
    """
    keras.utils.set_random_seed(hyper_parameters.seed)
    network = keras.models.clone_model(gan.discriminator)
    initialize_from_data(network, data.images_to_adapt_to())
    # Keras puts its average into the weights when fit() ends. It starts from the first step's
    # weights, uncorrected, so in a short run it must forget faster than the GAN's.
    num_steps = max(1, epochs) * data.steps_per_epoch
    momentum = max(0.0, min(hyper_parameters.average_decay, 1.0 - 10.0 / num_steps))
    network.compile(
        adam(hyper_parameters, data.steps_per_epoch, use_ema=True, ema_momentum=momentum),
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


# === Results ===


def result_rows(
    hyper_parameters: HyperParameters, data: Data, error: float, baseline: float, weights: str
) -> list[tuple[str, str, str]]:
    """Returns the table: a name, a test error and how it was come by, for each row."""

    def share(value: float) -> str:
        wrong = round(value * data.num_test_images)
        return f"{value:.2%} ({wrong} of {data.num_test_images})"

    labels = f"{hyper_parameters.num_labels} labels"
    rows = [
        ("semi-supervised GAN", share(error), f"{labels}, {weights}"),
        ("supervised baseline", share(baseline), f"{labels}, same network and steps, averaged"),
    ]
    original = hyper_parameters.dataset.removesuffix("_small")
    if original in PAPER_RESULTS:
        reported = PAPER_RESULTS[original].get(hyper_parameters.num_labels, "not quoted")
        protocol = f"{labels}, the whole of {original}, mean of 10 draws of the labels"
        rows.append((f"{PAPER} on {original}", reported, protocol))
    return rows


def train_and_report(
    hyper_parameters: HyperParameters, data: Data, model: zoo.SemiSupervisedGAN, run: RunFolder
) -> dict:
    """Trains the GAN and the baseline, and fills the run folder; returns the results.

    Args:
        hyper_parameters: of this run.
        data: made from them.
        model: made from both.
        run: a new folder, or that of the run to resume.

    Returns:
        What `results.json` holds.

    Raises:
        CheckpointError: if the run to resume has a damaged checkpoint.
        RunFolderError: if the folder can't be written.
        OSError: if a file can't be written later on.
    """
    outcome = training.fit(
        model,
        data.train_from,
        run,
        epochs=hyper_parameters.epochs,
        steps_per_epoch=data.steps_per_epoch,
        validation_data=data.validation,
        monitor="val_error",
        dataset_fingerprint=data.description.fingerprint,
        patience=hyper_parameters.early_stopping_patience,
        num_samples=100,
    )
    error = model.evaluate(data.test, verbose=0, return_dict=True)["error"]
    baseline = baseline_error(hyper_parameters, data, model, outcome.epochs)
    weights = outcome.describe_weights(True, "the least error on the validation labels")
    table = result_rows(hyper_parameters, data, error, baseline, weights)
    results = {
        "test_error": error,
        "baseline_test_error": baseline,
        "num_test_images": data.num_test_images,
        "weights": weights,
        "stop_reason": outcome.stop_reason,
        "is_broken": outcome.is_broken,
        "epochs": outcome.epochs,
        "smoke": hyper_parameters.smoke,
    }
    run.write_results(results)
    training.export_and_report(
        model,
        run,
        outcome,
        title=f"Semi-supervised GAN on {hyper_parameters.dataset}",
        headline=f"{table[0][1]} of the test images named wrongly; {table[1][1]} by the baseline.",
        table=table,
        resume_command=command_line.resume_command(run, "--epochs=..."),
        notice=data.description.stand_in,
    )
    print(training.format_table(("", "test error", "protocol"), table))
    print(f"Stopped: {outcome.stop_reason}. Everything is in {run.path}; open {run.report_html}")
    return results


def main() -> None:
    """Runs the recipe as the flags say."""
    training.run_recipe(RECIPE, preset, check, Data, build_model, train_and_report)


if __name__ == "__main__":
    command_line.define_flags(
        preset,
        dataset="mnist_small",
        datasets_help="mnist_small, mnist, svhn_cropped, cifar10, or any labelled images of TFDS",
        num_labels="Images with a label; a multiple of the classes.",
        label_seed="Which images have one.",
    )
    command_line.run(main)
