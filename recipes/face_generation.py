"""Trains a GAN on pictures of faces.

    python recipes/face_generation.py                        # drawn_faces
    python recipes/face_generation.py --dataset=drawn_faces/128x128
    python recipes/face_generation.py --dataset=celeb_a --preset=paper
    python recipes/face_generation.py --dataset=folder:pictures --set image_size=128

At the end stands one table of scores; everything else is in the run folder, of which report.html is
the page to open.
"""

from recipes.common import (  # first: it keeps TensorFlow's import quiet
    command_line,
    generation,
    training,
)

# isort: split
import dataclasses

import keras

import zoo
from recipes.common.command_line import sourced

RECIPE = "face_generation"

PAPER = "Mescheder et al. 2018"
CODE = "the authors' code"


# === Hyper-parameters ===


@dataclasses.dataclass(frozen=True)
class HyperParameters:
    """The values of the paper that has the game, each with its source."""

    dataset: str = sourced("celeb_a", PAPER)
    image_size: int | None = sourced(64, "DCGAN's faces; the paper's have 256")
    drop_duplicates: str = sourced("none", "ours; of a folder: none, exact or near")
    train_split: str = sourced("train", "ours; the paper trains on all")
    validation_split: str = sourced("validation[:2000]", "ours: only watched")
    test_split: str = sourced("test[:10000]", "ours")
    epochs: int = sourced(25, "DCGAN's faces; the paper does not say")
    batch_size: int = sourced(64, PAPER)
    seed: int = sourced(0, "ours")
    latent_dim: int = sourced(256, PAPER)
    filters: int = sourced(512, f"{CODE}: 64 at 64x64, doubled up to 512")
    gradient_penalty_weight: float = sourced(10.0, f"{PAPER}; {CODE} has twice as much")
    gradient_penalty_interval: int = sourced(1, PAPER)
    max_shift: float = sourced(0.0, PAPER)
    objective: str = sourced("non_saturating", PAPER)
    label_smoothing: float = sourced(0.0, PAPER)
    label_noise: float = sourced(0.0, PAPER)
    generator_learning_rate: float = sourced(1e-4, PAPER)
    discriminator_learning_rate: float = sourced(1e-4, PAPER)
    learning_rate_schedule: str = sourced("constant", PAPER)
    learning_rate_decay: float = sourced(1.0, "factor an epoch, of the exponential schedule")
    adam_beta_1: float = sourced(0.0, f"{PAPER}: RMSprop, which has no momentum")
    adam_beta_2: float = sourced(0.99, f"{CODE}, of RMSprop")
    average_decay: float = sourced(0.999, CODE)
    early_stopping_patience: int | None = sourced(None, PAPER)
    strategy: str = sourced("none", "ours")
    precision: str = sourced("float32", PAPER)
    smoke: bool = sourced(False, "ours")


def preset(name: str, dataset: str) -> HyperParameters:
    """Returns the hyper-parameters of `--preset` for a data set."""
    paper = dataclasses.replace(HyperParameters(), dataset=dataset)
    if dataset.startswith("drawn_faces"):
        splits = {"validation_split": "validation", "test_split": "test"}
        if not dataset.startswith("drawn_faces/tiny"):
            splits["validation_split"] = "validation[:500]"
        paper = dataclasses.replace(paper, image_size=None, **splits)
    elif dataset.startswith("folder:"):
        splits = {"validation_split": "validation", "test_split": "test"}
        paper = dataclasses.replace(paper, **splits)
    if name == "paper":
        return paper
    return dataclasses.replace(
        paper,
        epochs=10,
        batch_size=32,
        latent_dim=128,
        filters=256,
        gradient_penalty_weight=1.0,
        gradient_penalty_interval=8,
        objective="hinge",
        generator_learning_rate=1e-3,
        discriminator_learning_rate=1e-3,
        learning_rate_schedule="exponential",
        learning_rate_decay=0.8,
        adam_beta_2=0.999,
    )


def check(hyper_parameters: HyperParameters) -> None:
    """Refuses values that no later stage would name.

    Raises:
        ValueError: naming the hyper-parameter and what it may be.
    """
    generation.check(hyper_parameters, "filters", "gradient_penalty_interval")


def build_model(hyper_parameters: HyperParameters, data: generation.Data) -> zoo.FaceGAN:
    """Returns the GAN, compiled."""
    keras.utils.set_random_seed(hyper_parameters.seed)
    keras.config.set_dtype_policy(hyper_parameters.precision)
    with training.strategy_scope(hyper_parameters.strategy, hyper_parameters.batch_size):
        model = zoo.FaceGAN(
            image_shape=data.description.image_shape,
            latent_dim=hyper_parameters.latent_dim,
            filters=hyper_parameters.filters,
            gradient_penalty_weight=hyper_parameters.gradient_penalty_weight,
            gradient_penalty_interval=hyper_parameters.gradient_penalty_interval,
            max_shift=hyper_parameters.max_shift,
            average_decay=hyper_parameters.average_decay,
            seed=hyper_parameters.seed,
        )
    generation.compile_model(model, hyper_parameters, data)
    return model


def main() -> None:
    """Runs the recipe as the flags say."""
    generation.main(RECIPE, "FaceGAN", preset, check, build_model)


if __name__ == "__main__":
    command_line.define_flags(
        preset,
        dataset="drawn_faces",
        datasets_help=(
            f"drawn_faces, drawn_faces/128x128, celeb_a, {generation.DATASETS_HELP}; squares of "
            "32, 64, 128 or 256 pixels"
        ),
    )
    command_line.run(main)
