"""Trains a GAN on pictures of faces.

    python recipes/face_generation.py                        # drawn_faces
    python recipes/face_generation.py --dataset=drawn_faces/128x128
    python recipes/face_generation.py --dataset=celeb_a --preset=paper
    python recipes/face_generation.py --dataset=folder:pictures --set image_size=128

At the end stands one table of scores; everything else is in the run folder, of which report.html is
the page to open.
"""

from recipes.common import generation, runner  # first: it keeps TensorFlow's import quiet

# isort: split
import dataclasses

import zoo
from recipes.common.hyper_parameters import WithAugmentation, WithBothBetas, WithObjective, sourced
from recipes.common.recipe import Recipe

PAPER = "Mescheder et al. 2018"
CODE = "the authors' code"


@dataclasses.dataclass(frozen=True, kw_only=True)
class HyperParameters(
    generation.GenerationHyperParameters, WithObjective, WithBothBetas, WithAugmentation
):
    """The values of the paper that has the game, each with its source."""

    dataset: str = sourced("celeb_a", PAPER)
    image_size: int | None = sourced(64, "DCGAN's faces; the paper's have 256")
    train_split: str = sourced("train", "ours; the paper trains on all")
    validation_split: str = sourced("validation[:2000]", "ours: only watched")
    test_split: str = sourced("test[:10000]", "ours")
    epochs: int = sourced(25, "DCGAN's faces; the paper does not say", quick=10)
    batch_size: int = sourced(64, PAPER, quick=32)
    latent_dim: int = sourced(256, PAPER, quick=128)
    filters: int = sourced(512, f"{CODE}: 64 at 64x64, doubled up to 512", quick=256)
    gradient_penalty_weight: float = sourced(10.0, f"{PAPER}; {CODE} has twice as much", quick=1.0)
    gradient_penalty_interval: int = sourced(1, PAPER, quick=8)
    adaptive_augmentation: int | None = sourced(None, "ours; Karras et al. 2020 have 500,000")
    objective: str = sourced("non_saturating", PAPER, quick="hinge")
    generator_learning_rate: float = sourced(1e-4, PAPER, quick=1e-3)
    discriminator_learning_rate: float = sourced(1e-4, PAPER, quick=1e-3)
    learning_rate_schedule: str = sourced("constant", PAPER, quick="exponential")
    learning_rate_decay: float = sourced(1.0, "factor an epoch, if exponential", quick=0.8)
    adam_beta_1: float = sourced(0.0, f"{PAPER}: RMSprop, which has no momentum")
    adam_beta_2: float = sourced(0.99, f"{CODE}, of RMSprop", quick=0.999)
    average_decay: float = sourced(0.999, CODE)


def preset(name: str, dataset: str) -> HyperParameters:
    """Returns the hyper-parameters of `--preset` for a data set."""
    size = {"image_size": None} if dataset.startswith("drawn_faces") else {}
    paper = HyperParameters(dataset=dataset, **size, **generation.own_splits(dataset))
    return paper if name == "paper" else paper.quick()


RECIPE = Recipe(
    name="face_generation",
    title="FaceGAN",
    model=zoo.FaceGAN,
    preset=preset,
    family=generation.Generation(),
    dataset="drawn_faces",
    datasets_help=(
        f"drawn_faces, drawn_faces/128x128, celeb_a, {generation.DATASETS_HELP}; squares of 32, "
        "64, 128 or 256 pixels"
    ),
    positive=("filters", "gradient_penalty_interval"),
)

if __name__ == "__main__":
    runner.run(RECIPE)
