"""Trains a CycleGAN, which translates between two domains of images without a pair to learn from.

    python recipes/cyclegan.py                            # drawn_horse2zebra
    python recipes/cyclegan.py --dataset=cycle_gan/horse2zebra --preset=paper
    python recipes/cyclegan.py --dataset=folder:pictures  # with trainA, trainB, testA and testB
    python recipes/cyclegan.py --dataset=folder:summer,winter

At the end stands one table; everything else is in the run folder, of which report.html is the page
to open. `python -m export translate RUN_FOLDER PICTURES RESULTS` then translates images of any
size.
"""

from recipes.common import checks, runner, translation  # first: it keeps TensorFlow's import quiet

# isort: split
import dataclasses
from typing import ClassVar

import zoo
from recipes.common.hyper_parameters import WithAdam, sourced
from recipes.common.measures import Reported
from recipes.common.recipe import Recipe
from zoo.common import schedules
from zoo.cyclegan import ARCHITECTURES, CYCLE_TERMS
from zoo.datasets.catalogue import base_name

PAPER = "Zhu et al. 2017"
CODE = "the authors' code"
# Data sets of which a translation changes a thing, and not the scene around it.
SCENES_THAT_STAY = ("drawn_horse2zebra", "cycle_gan/horse2zebra", "cycle_gan/apple2orange")


# === Hyper-parameters ===


@dataclasses.dataclass(frozen=True, kw_only=True)
class HyperParameters(translation.TranslationHyperParameters, WithAdam):
    """The paper's values for horse2zebra, each with its source."""

    dataset: str = sourced("cycle_gan/horse2zebra", PAPER)
    image_size: int | None = sourced(256, f"{PAPER}; none is the data set's own")
    load_scale: float = sourced(286 / 256, f"{CODE}: enlarged to 286 pixels, cut to 256")
    random_flip: bool = sourced(True, CODE)
    epochs: int = sourced(200, PAPER)
    batch_size: int = sourced(1, PAPER)
    architecture: str = sourced("residual", f"{PAPER}; or residual_skip, attention, u_net")
    base_filters: int = sourced(64, PAPER, quick=32)
    num_blocks: int = sourced(9, f"{PAPER}: 9 for 256 pixels, 6 for 128")
    discriminator_scales: int | None = sourced(None, f"{PAPER}: 3, 70 pixels; none: 2 below 128")
    cycle_terms: str = sourced("both", f"{PAPER}; forward or backward alone, for an ablation")
    cycle_weight: float = sourced(10.0, PAPER)
    forward_cycle_weight: float = sourced(1.0, f"{PAPER}: both terms alike; in units of the above")
    identity_weight: float = sourced(0.5, f"{CODE}; a share of the cycle's weight")
    pool_size: int = sourced(50, PAPER)
    average_decay: float = sourced(0.0, f"{PAPER}: none; of the generators' weights")
    generator_learning_rate: float = sourced(2e-4, PAPER)
    discriminator_learning_rate: float = sourced(2e-4, PAPER)
    learning_rate_schedule: str = sourced(
        "cyclegan", f"{PAPER}: 100 epochs, then 100 to zero", quick="exponential"
    )
    adam_beta_1: float = sourced(0.5, CODE)

    further_schedules: ClassVar = {"cyclegan": schedules.cyclegan_decay}

    def check(self) -> None:
        """Refuses unknown networks and terms too, and weights below 0."""
        super().check()
        checks.require_choice(self, "architecture", ARCHITECTURES)
        checks.require_choice(self, "cycle_terms", CYCLE_TERMS)
        weights = ("cycle_weight", "forward_cycle_weight", "identity_weight")
        checks.require_not_negative(self, *weights, "pool_size")
        if self.discriminator_scales is not None:
            checks.require_positive(self, "discriminator_scales")


def preset(name: str, dataset: str) -> HyperParameters:
    """Returns the hyper-parameters of `--preset` for a data set."""
    own_size = base_name(dataset) == translation.DATASET_WITH_TRUTH
    paper = HyperParameters(dataset=dataset)
    if own_size:
        paper = dataclasses.replace(paper, image_size=None)
    if name == "paper":
        return paper
    quick = dataclasses.replace(paper.quick(), image_size=None if own_size else 64)
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


RECIPE = Recipe(
    name="cyclegan",
    title="CycleGAN",
    model=zoo.CycleGAN,
    preset=preset,
    family=translation.Translation(),
    dataset=translation.DATASET_WITH_TRUTH,
    datasets_help=f"{translation.DATASET_WITH_TRUTH}, {translation.DATASETS_HELP}",
    positive=("base_filters", "num_blocks"),
    reported=(
        Reported(
            by=PAPER,
            measure="accuracy of pixels, of classes, and overlap",
            value="0.52, 0.17, 0.11",
            dataset="cycle_gan/cityscapes",
            shown_dataset="Cityscapes, labels → photo",
            protocol="a network that names what each pixel of the generated photos shows",
        ),
    ),
)

if __name__ == "__main__":
    runner.run(RECIPE)
