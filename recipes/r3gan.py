"""Trains R3GAN on pictures of faces.

    python recipes/r3gan.py                        # drawn_faces
    python recipes/r3gan.py --set objective=non_saturating
    python recipes/r3gan.py --dataset=celeb_a --preset=paper
    python recipes/r3gan.py --dataset=folder:pictures --set image_size=128

At the end stands one table of scores; everything else is in the run folder, of which report.html is
the page to open.
"""

from recipes.common import generation, runner  # first: it keeps TensorFlow's import quiet

# isort: split
import dataclasses

import zoo
from recipes.common.hyper_parameters import WithAugmentation, WithBothBetas, WithObjective, sourced
from recipes.common.recipe import Recipe

CODE = "the authors' code, FFHQ at 64x64"


@dataclasses.dataclass(frozen=True, kw_only=True)
class HyperParameters(
    generation.GenerationHyperParameters, WithObjective, WithBothBetas, WithAugmentation
):
    """The values of the authors' configuration for FFHQ at 64x64, each with its source."""

    dataset: str = sourced("celeb_a", "ours; the paper's FFHQ is not in TFDS")
    image_size: int | None = sourced(64, CODE)
    train_split: str = sourced("train", "ours; the paper trains on all")
    validation_split: str = sourced("validation[:2000]", "ours: only watched")
    test_split: str = sourced("test[:10000]", "ours")
    epochs: int = sourced(123, f"{CODE}: 20 million images, here of 162,770", quick=10)
    batch_size: int = sourced(256, CODE, quick=32)
    latent_dim: int = sourced(64, CODE)
    filters: int = sourced(768, CODE, quick=192)
    halved_from: int = sourced(64, CODE, quick=8)
    blocks_per_map: int = sourced(2, CODE, quick=1)
    group_size: int | None = sourced(16, CODE, quick=None)
    expansion: float = sourced(2.0, CODE, quick=0.5)
    gradient_penalty_weight: float = sourced(2.0, f"{CODE}, which ends at 0.2", quick=1.0)
    objective: str = sourced("relativistic", "Huang et al. 2024")
    generator_learning_rate: float = sourced(2e-4, f"{CODE}, which ends at 5e-5", quick=1e-3)
    discriminator_learning_rate: float = sourced(2e-4, f"{CODE}, which ends at 5e-5", quick=1e-3)
    learning_rate_schedule: str = sourced("exponential", "ours; the authors' is a cosine")
    learning_rate_decay: float = sourced(0.9888, "ours: from 2e-4 to 5e-5 in 123", quick=0.8)
    adam_beta_1: float = sourced(0.0, CODE)
    adam_beta_2: float = sourced(0.99, f"{CODE}, which begins at 0.9")
    average_decay: float = sourced(0.99965, f"{CODE}: half of it after 500,000 images", quick=0.999)


def preset(name: str, dataset: str) -> HyperParameters:
    """Returns the hyper-parameters of `--preset` for a data set."""
    size = {"image_size": None} if dataset.startswith("drawn_faces") else {}
    paper = HyperParameters(dataset=dataset, **size, **generation.own_splits(dataset))
    return paper if name == "paper" else paper.quick()


RECIPE = Recipe(
    name="r3gan",
    title="R3GAN",
    model=zoo.R3GAN,
    preset=preset,
    family=generation.Generation(),
    dataset="drawn_faces",
    datasets_help=(
        f"drawn_faces, drawn_faces/128x128, celeb_a, {generation.DATASETS_HELP}; squares of 8, 16, "
        "32, 64, 128 or 256 pixels"
    ),
    positive=("filters", "halved_from", "blocks_per_map", "expansion"),
)

if __name__ == "__main__":
    runner.run(RECIPE)
