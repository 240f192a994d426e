"""Trains the GAN of 2014 on handwritten digits.

    python recipes/vanilla_mnist.py                      # mnist_small
    python recipes/vanilla_mnist.py --dataset=mnist --preset=paper
    python recipes/vanilla_mnist.py --set objective=minimax --set discriminator_steps=2

At the end stands one table of scores; everything else is in the run folder, of which report.html is
the page to open.
"""

from recipes.common import generation, runner  # first: it keeps TensorFlow's import quiet

# isort: split
import dataclasses
from typing import ClassVar

import zoo
from recipes.common.hyper_parameters import WithAdamOrSgd, WithObjective, sourced
from recipes.common.images import is_folder, splits_of_folder
from recipes.common.measures import Reported
from recipes.common.recipe import Recipe

PAPER = "Goodfellow et al. 2014"
CODE = "code of Goodfellow et al. 2014"


@dataclasses.dataclass(frozen=True, kw_only=True)
class HyperParameters(generation.GenerationHyperParameters, WithObjective, WithAdamOrSgd):
    """The values of the paper and of the authors' code for MNIST, each with its source."""

    dataset: str = sourced("mnist", PAPER)
    train_split: str = sourced("train[:50000]", CODE)
    validation_split: str = sourced("train[50000:]", CODE)
    test_split: str = sourced("test", CODE)
    epochs: int = sourced(250, "ours: the authors' momentum grows until then", quick=400)
    batch_size: int = sourced(100, CODE, quick=50)
    latent_dim: int = sourced(100, CODE)
    discriminator_steps: int = sourced(1, PAPER)
    # With 12 times fewer images D soon knows them all, unless noise hides them and it learns slower
    # than G.
    input_noise: float = sourced(0.0, PAPER, quick=0.5)
    objective: str = sourced("non_saturating", f"{PAPER}, end of section 3")
    label_smoothing: float = sourced(0.0, PAPER, quick=0.1)
    optimizer: str = sourced("sgd", CODE, quick="adam")
    generator_learning_rate: float = sourced(0.1, CODE, quick=1e-3)
    discriminator_learning_rate: float = sourced(0.1, CODE, quick=3e-4)
    learning_rate_schedule: str = sourced("exponential", CODE)
    learning_rate_decay: float = sourced(0.998, f"{CODE}: 1.000004 ** -500 an epoch", quick=0.995)
    momentum: float = sourced(0.5, f"{CODE}, of gradient descent; theirs grows to 0.7")
    adam_beta_1: float = sourced(0.5, "ours, of Adam")
    average_decay: float = sourced(0.0, PAPER, quick=0.998)

    cut_for: ClassVar = ("discriminator_steps",)


def preset(name: str, dataset: str) -> HyperParameters:
    """Returns the hyper-parameters of `--preset` for a data set."""
    splits = {}
    if is_folder(dataset):
        splits = splits_of_folder(dataset)
    elif dataset == "mnist_small":
        splits = {"train_split": "train", "validation_split": "validation"}
    elif dataset not in ("mnist", "fashion_mnist"):
        splits = {"train_split": "train[:90%]", "validation_split": "train[90%:]"}
    paper = HyperParameters(dataset=dataset, **splits)
    if name == "paper":
        return paper
    size = 28 if is_folder(dataset) else None
    # An epoch of `mnist_small` takes two seconds, and a look at what it made half a second.
    every = 5 if dataset == "mnist_small" else 1
    return dataclasses.replace(paper.quick(), image_size=size, evaluate_every=every)


RECIPE = Recipe(
    name="vanilla_mnist",
    title="Vanilla GAN",
    model=zoo.VanillaGAN,
    preset=preset,
    family=generation.Generation(images_to_adapt_to=1000),
    dataset="mnist_small",
    datasets_help=f"mnist_small, {generation.DATASETS_HELP}",
    positive=("discriminator_steps",),
    reported=(
        Reported(
            by=PAPER,
            measure="log-likelihood",
            value="225 ± 2 nats",
            dataset="mnist",
            shown_dataset="MNIST",
            protocol="windows of Parzen around generated images, at the test images",
        ),
    ),
)

if __name__ == "__main__":
    runner.run(RECIPE)
