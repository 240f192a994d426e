"""Trains a semi-supervised GAN on a few labels, beside a classifier that sees only those labels.

    python recipes/semi_supervised.py                      # 100 labels of mnist_small
    python recipes/semi_supervised.py --num_labels=20 --epochs=300
    python recipes/semi_supervised.py --dataset=drawn_house_numbers    # 1,000 labels
    python recipes/semi_supervised.py --dataset=svhn_cropped --preset=paper
    python recipes/semi_supervised.py --dataset=folder:pictures  # with a folder for each class

At the end stands one table of test errors; everything else is in the run folder, of which
report.html is the page to open.
"""

from recipes.common import classification, runner  # first: it keeps TensorFlow's import quiet

# isort: split
import dataclasses
from typing import Any, ClassVar

import zoo
from recipes.common.hyper_parameters import WithRootEpsilonAdam, sourced
from recipes.common.images import is_folder, splits_of_folder
from recipes.common.recipe import Recipe
from zoo.common import schedules
from zoo.datasets.catalogue import own_dataset

PAPER = "Salimans et al. 2016"
CODE = "code of Salimans et al. 2016"


# === Hyper-parameters ===


@dataclasses.dataclass(frozen=True, kw_only=True)
class HyperParameters(classification.ClassificationHyperParameters, WithRootEpsilonAdam):
    """The paper's values for MNIST, each with its source."""

    dataset: str = sourced("mnist", PAPER)
    train_split: str = sourced("train", PAPER)
    validation_split: str = sourced("train[90%:]", "ours: only watched, for it is learnt from too")
    test_split: str = sourced("test", PAPER)
    num_labels: int = sourced(100, f"{PAPER}, table 1")
    epochs: int = sourced(300, CODE)
    batch_size: int = sourced(100, CODE)
    architecture: str = sourced("multilayer", CODE)
    base_filters: int = sourced(64, f"{CODE} (only of the convolutional networks)")
    learning_rate: float = sourced(3e-3, CODE)
    learning_rate_schedule: str = sourced("constant", CODE)
    learning_rate_decay: float = sourced(1.0, "factor an epoch, if exponential")
    adam_beta_1: float = sourced(0.5, CODE)
    adam_epsilon_root: float = sourced(1e-8, CODE)
    unlabelled_weight: float = sourced(1.0, CODE)
    average_decay: float = sourced(0.9999, CODE, quick=0.998)

    further_schedules: ClassVar = {"salimans": schedules.salimans_decay}

    def learning_rate_of(self, player: str) -> float:
        """Returns the one rate of both players."""
        return self.learning_rate


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

    The zoo's own take those of what they stand for, other data sets that are not in the paper the
    values of MNIST, so `quick` suits small grey images best, and folders the networks of SVHN.
    """
    if is_folder(dataset):
        return _preset_of_folder(name, dataset)
    own = own_dataset(dataset)
    like = PAPER_PRESETS.get(own.replaces if own else dataset, PAPER_PRESETS["mnist"])
    paper = dataclasses.replace(like, dataset=dataset)
    if own:
        paper = dataclasses.replace(paper, validation_split="validation")
    if dataset == "drawn_house_numbers":  # of whose `test` no font is in a training image
        paper = dataclasses.replace(paper, test_split="extra[:4000]")
    if name == "paper":
        return paper
    return dataclasses.replace(paper.quick(), **_small(dataset, paper.architecture, bool(own)))


def _small(dataset: str, architecture: str, has_validation: bool) -> dict[str, Any]:
    """Returns the numbers of `quick` that hang on the data."""
    # Of a thirtieth of the steps: smaller batches make more, and the average must forget faster.
    small = {"epochs": 75, "batch_size": 50}
    if architecture == "convolutional":
        small = {"epochs": 5, "base_filters": 16}
    if dataset == "drawn_house_numbers":
        # At 1e-3 the discriminator breaks down after some 5,000 steps, for a while.
        small |= {"epochs": 30, "learning_rate": 5e-4}
    if dataset == "mnist_small":  # whose epochs take four seconds, and what follows them 0.6
        small["evaluate_every"] = 3
    if not has_validation:
        small["train_split"] = "train[:90%]"  # apart from the validation images
    return small


def _preset_of_folder(name: str, dataset: str) -> HyperParameters:
    svhn = PAPER_PRESETS["svhn_cropped"]
    values = dataclasses.replace(
        svhn, dataset=dataset, image_size=32, num_labels=100, **splits_of_folder(dataset)
    )
    if name == "paper":
        return values
    return dataclasses.replace(values.quick(), epochs=75, batch_size=50, base_filters=16)


RECIPE = Recipe(
    name="semi_supervised",
    title="Semi-supervised GAN",
    model=zoo.SemiSupervisedGAN,
    preset=preset,
    family=classification.Classification(
        classifier_name="semi-supervised GAN",
        paper=PAPER,
        paper_results=PAPER_RESULTS,
        images_to_adapt_to=500,
    ),
    dataset="mnist_small",
    datasets_help=f"mnist_small, mnist, svhn_cropped, cifar10, or {classification.DATASETS_HELP}",
    positive=("base_filters",),
    own_flags=classification.OWN_FLAGS,
)

if __name__ == "__main__":
    runner.run(RECIPE)
