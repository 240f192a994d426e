"""Trains a deep convolutional GAN on house numbers.

    python recipes/dcgan_svhn.py                         # drawn_house_numbers
    python recipes/dcgan_svhn.py --dataset=svhn_cropped --preset=paper
    python recipes/dcgan_svhn.py --dataset=folder:pictures --set image_size=64
    python recipes/dcgan_svhn.py --set spectral_norm=discriminator --set objective=hinge

At the end stands one table of scores; everything else is in the run folder, of which report.html is
the page to open.
"""

from recipes.common import generation, runner  # first: it keeps TensorFlow's import quiet

# isort: split
import dataclasses
from typing import Any

import zoo
from recipes.common.hyper_parameters import WithAdam, WithObjective, sourced
from recipes.common.images import is_folder
from recipes.common.measures import Reported
from recipes.common.recipe import Recipe
from recipes.common.stabilisers import StabilisedGeneration, WithStabilisers
from zoo.common.priors import Uniform
from zoo.dcgan import build_discriminator, build_generator

PAPER = "Radford et al. 2015"


@dataclasses.dataclass(frozen=True, kw_only=True)
class HyperParameters(
    generation.GenerationHyperParameters, WithObjective, WithStabilisers, WithAdam
):
    """The paper's values, each with its source."""

    dataset: str = sourced("svhn_cropped", PAPER)
    train_split: str = sourced("train", PAPER)
    validation_split: str = sourced("test[:1000]", "ours: only watched")
    test_split: str = sourced("test[1000:]", "ours")
    epochs: int = sourced(200, "name of the authors' model for SVHN", quick=24)
    # The name of the authors' model for SVHN tells the quick batch and rates too.
    batch_size: int = sourced(128, f"{PAPER}, section 4", quick=64)
    latent_dim: int = sourced(100, f"{PAPER}, figure 1")
    base_filters: int = sourced(64, "the authors' model for SVHN", quick=32)
    kernel_size: int = sourced(5, f"{PAPER}, figure 1", quick=4)
    batch_norm_on_every_layer: bool = sourced(False, f"{PAPER}, section 3")
    global_average_pooling: bool = sourced(False, f"{PAPER}, section 3")
    objective: str = sourced("non_saturating", PAPER)
    generator_learning_rate: float = sourced(2e-4, f"{PAPER}, section 4", quick=5e-4)
    discriminator_learning_rate: float = sourced(2e-4, f"{PAPER}, section 4", quick=5e-4)
    learning_rate_schedule: str = sourced("constant", PAPER, quick="exponential")
    learning_rate_decay: float = sourced(1.0, "factor an epoch, if exponential", quick=0.9)
    adam_beta_1: float = sourced(0.5, f"{PAPER}, section 4")
    average_decay: float = sourced(0.0, PAPER, quick=0.998)

    def network_arguments(
        self, image_shape: tuple[int, int, int], steps_per_epoch: int
    ) -> dict[str, Any]:
        """Returns the stabilisers, and the networks that have one; the others are the model's."""
        packing = self.packing or 1
        options = self.kernel_size, self.batch_norm_on_every_layer
        pack_shape = (*image_shape[:2], packing * image_shape[2])
        discriminator = self.stabilised_discriminator(
            lambda before_logit: build_discriminator(
                *(pack_shape, self.base_filters, *options, self.global_average_pooling),
                before_logit,
            ),
            steps_per_epoch,
        )
        generator = self.stabilised_generator(
            lambda: build_generator(image_shape, self.latent_dim, self.base_filters, *options),
            Uniform(self.latent_dim).draw,
        )
        return {
            "packing": packing,
            "pool_size": self.pool_size or 0,
            "generator": generator,
            "discriminator": discriminator,
        }


def preset(name: str, dataset: str) -> HyperParameters:
    """Returns the hyper-parameters of `--preset` for a data set."""
    paper = HyperParameters(dataset=dataset, **generation.own_splits(dataset))
    if name == "paper":
        return paper
    size = 64 if is_folder(dataset) else None
    return dataclasses.replace(paper.quick(), image_size=size)


RECIPE = Recipe(
    name="dcgan_svhn",
    title="DCGAN",
    model=zoo.DCGAN,
    preset=preset,
    family=StabilisedGeneration(),
    dataset="drawn_house_numbers",
    datasets_help=f"drawn_house_numbers, svhn_cropped, {generation.DATASETS_HELP}",
    positive=("base_filters", "kernel_size"),
    reported=(
        Reported(
            by=PAPER,
            measure="test error with 1,000 labels",
            value="22.48 %",
            dataset="svhn_cropped",
            shown_dataset="SVHN",
            protocol="a linear classifier on all layers of a discriminator",
        ),
    ),
)

if __name__ == "__main__":
    runner.run(RECIPE)
