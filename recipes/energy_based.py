"""Trains an energy-based GAN, whose discriminator is an autoencoder, on handwritten digits.

    python recipes/energy_based.py                       # mnist_small
    python recipes/energy_based.py --dataset=mnist --preset=paper
    python recipes/energy_based.py --set pulling_away_weight=0

At the end stands one table of scores; everything else is in the run folder, of which report.html is
the page to open.
"""

from recipes.common import generation, runner  # first: it keeps TensorFlow's import quiet

# isort: split
import dataclasses

import zoo
from recipes.common.hyper_parameters import WithAdam, sourced
from recipes.common.images import is_folder
from recipes.common.recipe import Recipe

PAPER = "Zhao et al. 2016"


@dataclasses.dataclass(frozen=True, kw_only=True)
class HyperParameters(generation.GenerationHyperParameters, WithAdam):
    """The values of the paper's search on MNIST, each with its source."""

    dataset: str = sourced("mnist", PAPER)
    train_split: str = sourced("train", PAPER)
    validation_split: str = sourced("test[:1000]", "ours: only watched")
    test_split: str = sourced("test[1000:]", "ours")
    epochs: int = sourced(100, "ours", quick=160)
    batch_size: int = sourced(100, "ours", quick=50)
    latent_dim: int = sourced(100, "ours")
    generator_layers: int = sourced(5, f"{PAPER}, figure 9", quick=3)
    generator_units: int = sourced(1600, f"{PAPER}, figure 9", quick=400)
    encoder_layers: int = sourced(1, f"{PAPER}, figure 9")
    encoder_units: int = sourced(1024, f"{PAPER}, figure 9", quick=256)
    margin: float = sourced(10.0, f"{PAPER}, section 4.1")
    pulling_away_weight: float = sourced(0.1, f"{PAPER}, appendix F")
    generator_learning_rate: float = sourced(1e-3, f"{PAPER}, section 4.1", quick=2e-3)
    discriminator_learning_rate: float = sourced(1e-3, f"{PAPER}, section 4.1")
    learning_rate_schedule: str = sourced("constant", PAPER, quick="exponential")
    learning_rate_decay: float = sourced(1.0, "factor an epoch, if exponential", quick=0.985)
    adam_beta_1: float = sourced(0.9, "Keras's own", quick=0.5)
    average_decay: float = sourced(0.0, PAPER, quick=0.998)


def preset(name: str, dataset: str) -> HyperParameters:
    """Returns the hyper-parameters of `--preset` for a data set."""
    paper = HyperParameters(dataset=dataset, **generation.own_splits(dataset))
    if name == "paper":
        return paper
    size = 28 if is_folder(dataset) else None
    # An epoch of `mnist_small` takes a second, and a look at what it made a third of one.
    every = 10 if dataset == "mnist_small" else 1
    return dataclasses.replace(paper.quick(), image_size=size, evaluate_every=every)


RECIPE = Recipe(
    name="energy_based",
    title="Energy-based GAN",
    model=zoo.EnergyBasedGAN,
    preset=preset,
    family=generation.Generation(),
    dataset="mnist_small",
    datasets_help=f"mnist_small, {generation.DATASETS_HELP}",
    positive=("generator_layers", "generator_units", "encoder_layers", "encoder_units", "margin"),
)

if __name__ == "__main__":
    runner.run(RECIPE)
