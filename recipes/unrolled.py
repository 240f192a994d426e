"""Trains an unrolled GAN on stacks of handwritten digits, of which every combination is a mode.

    python recipes/unrolled.py                           # two_digits, 100 modes
    python recipes/unrolled.py --set unrolled_steps=0    # the usual game, for comparison
    python recipes/unrolled.py --dataset=three_digits --preset=paper

At the end stands one table of scores; everything else is in the run folder, of which report.html is
the page to open.
"""

from recipes.common import modes, runner  # first: it keeps TensorFlow's import quiet

# isort: split
import dataclasses

import zoo
from recipes.common import checks
from recipes.common.hyper_parameters import WithBothBetas, WithObjective, sourced
from recipes.common.measures import Reported
from recipes.common.recipe import Recipe

PAPER = "Metz et al. 2016"


@dataclasses.dataclass(frozen=True, kw_only=True)
class HyperParameters(modes.ModesHyperParameters, WithObjective, WithBothBetas):
    """The paper's values for stacked digits, each with its source."""

    dataset: str = sourced("three_digits", PAPER)
    num_samples: int = sourced(25_600, PAPER, quick=2600)
    epochs: int = sourced(500, f"{PAPER}: 500,000 steps", quick=20)
    steps_per_epoch: int = sourced(1000, "ours", quick=250)
    batch_size: int = sourced(128, PAPER, quick=64)
    latent_dim: int = sourced(256, PAPER, quick=64)
    generator_filters: int = sourced(8, PAPER, quick=16)
    discriminator_filters: int = sourced(4, f"{PAPER} have 2 too", quick=16)
    unrolled_steps: int = sourced(5, f"{PAPER} have 0, 1, 5 and 10")
    objective: str = sourced("minimax", PAPER)
    generator_learning_rate: float = sourced(1e-4, PAPER, quick=1e-3)
    discriminator_learning_rate: float = sourced(2e-4, PAPER, quick=1e-3)
    learning_rate_schedule: str = sourced("constant", PAPER, quick="exponential")
    learning_rate_decay: float = sourced(1.0, "factor an epoch, if exponential", quick=0.9)
    adam_beta_1: float = sourced(0.5, PAPER)
    adam_beta_2: float = sourced(0.99, PAPER)
    average_decay: float = sourced(0.0, PAPER, quick=0.998)

    def check(self) -> None:
        """Refuses points, and steps below 0, too."""
        super().check()
        checks.require_choice(self, "dataset", tuple(modes.STACKS))
        checks.require_not_negative(self, "unrolled_steps")


def preset(name: str, dataset: str) -> HyperParameters:
    """Returns the hyper-parameters of `--preset` for a data set."""
    paper = HyperParameters(dataset=dataset)
    if name == "paper":
        return paper
    quick = paper.quick()
    return dataclasses.replace(quick, num_samples=26_000) if dataset == "three_digits" else quick


def _reported(filters: int, steps: int, value: str) -> Reported:
    return Reported(
        by=PAPER,
        measure="divergence of modes (modes covered)",
        value=value,
        dataset="three_digits",
        shown_dataset="three digits of MNIST",
        protocol=f"{filters} filters in the discriminator, 25,600 samples, mean of 50 runs",
        score="modes",
        settings={
            "dataset": "three_digits",
            "discriminator_filters": filters,
            "unrolled_steps": steps,
        },
    )


RECIPE = Recipe(
    name="unrolled",
    title="Unrolled GAN",
    model=zoo.UnrolledGAN,
    preset=preset,
    family=modes.ModeCoverage(),
    dataset="two_digits",
    datasets_help=f"one of {', '.join(modes.STACKS)}",
    positive=("generator_filters", "discriminator_filters"),
    reported=(
        _reported(4, 0, "2.58 (628.0 modes)"),
        _reported(4, 1, "2.44 (523.6 modes)"),
        _reported(4, 5, "1.66 (732.0 modes)"),
        _reported(4, 10, "1.43 (817.4 modes)"),
        _reported(2, 0, "5.99 (30.6 modes)"),
        _reported(2, 1, "5.91 (65.4 modes)"),
        _reported(2, 5, "4.67 (236.4 modes)"),
        _reported(2, 10, "4.66 (327.2 modes)"),
    ),
)

if __name__ == "__main__":
    runner.run(RECIPE)
