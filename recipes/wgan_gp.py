"""Trains a Wasserstein GAN with gradient penalty on house numbers.

    python recipes/wgan_gp.py                            # drawn_house_numbers
    python recipes/wgan_gp.py --dataset=cifar10 --preset=paper
    python recipes/wgan_gp.py --dataset=folder:pictures --set image_size=64

At the end stands one table of scores; everything else is in the run folder, of which report.html is
the page to open.
"""

from recipes.common import generation, runner  # first: it keeps TensorFlow's import quiet

# isort: split
import dataclasses
from typing import ClassVar

import zoo
from recipes.common.hyper_parameters import WithBothBetas, sourced
from recipes.common.images import is_folder
from recipes.common.recipe import Recipe
from zoo.common import schedules

PAPER = "Gulrajani et al. 2017"
CODE = "the authors' code for CIFAR-10"


@dataclasses.dataclass(frozen=True, kw_only=True)
class HyperParameters(generation.GenerationHyperParameters, WithBothBetas):
    """The values of the paper's residual networks for CIFAR-10, each with its source."""

    dataset: str = sourced("cifar10", PAPER)
    train_split: str = sourced("train", PAPER)
    validation_split: str = sourced("test[:1000]", "ours: only watched")
    test_split: str = sourced("test[1000:]", "ours")
    epochs: int = sourced(640, f"{CODE}: 100,000 steps of the generator", quick=15)
    batch_size: int = sourced(320, f"{CODE}: 64 for each step of the critic", quick=160)
    latent_dim: int = sourced(128, CODE)
    architecture: str = sourced("residual", f"{PAPER}; or strided, DCGAN's", quick="strided")
    filters: int = sourced(128, CODE, quick=32)
    gradient_penalty_weight: float = sourced(10.0, f"{PAPER}, algorithm 1")
    critic_steps: int = sourced(5, f"{PAPER}, algorithm 1")
    generator_learning_rate: float = sourced(2e-4, f"{CODE}; algorithm 1 has half", quick=5e-4)
    critic_learning_rate: float = sourced(2e-4, f"{CODE}; algorithm 1 has half", quick=5e-4)
    learning_rate_schedule: str = sourced("linear", f"{CODE}: to zero", quick="exponential")
    learning_rate_decay: float = sourced(1.0, "factor an epoch, if exponential", quick=0.87)
    adam_beta_1: float = sourced(0.0, f"{PAPER}, algorithm 1")
    adam_beta_2: float = sourced(0.9, f"{PAPER}, algorithm 1")
    average_decay: float = sourced(0.0, PAPER, quick=0.99)

    further_schedules: ClassVar = {"linear": schedules.linear_decay}
    cut_for: ClassVar = ("critic_steps",)


def preset(name: str, dataset: str) -> HyperParameters:
    """Returns the hyper-parameters of `--preset` for a data set."""
    paper = HyperParameters(dataset=dataset, **generation.own_splits(dataset))
    if name == "paper":
        return paper
    size = 64 if is_folder(dataset) else None
    return dataclasses.replace(paper.quick(), image_size=size)


RECIPE = Recipe(
    name="wgan_gp",
    title="WGAN-GP",
    model=zoo.WGANGP,
    preset=preset,
    family=generation.Generation(),
    dataset="drawn_house_numbers",
    datasets_help=f"drawn_house_numbers, cifar10, {generation.DATASETS_HELP}",
    positive=("filters", "critic_steps"),
)

if __name__ == "__main__":
    runner.run(RECIPE)
