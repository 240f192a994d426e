"""Trains a deep convolutional GAN on house numbers.

    python recipes/dcgan_svhn.py                         # drawn_house_numbers
    python recipes/dcgan_svhn.py --dataset=svhn_cropped --preset=paper
    python recipes/dcgan_svhn.py --dataset=folder:pictures --set image_size=64

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

RECIPE = "dcgan_svhn"

PAPER = "Radford et al. 2015"


# === Hyper-parameters ===


@dataclasses.dataclass(frozen=True)
class HyperParameters:
    """The paper's values, each with its source."""

    dataset: str = sourced("svhn_cropped", PAPER)
    image_size: int | None = sourced(None, "the data set's own")
    drop_duplicates: str = sourced("none", "ours; of a folder: none, exact or near")
    train_split: str = sourced("train", PAPER)
    validation_split: str = sourced("test[:1000]", "ours: only watched")
    test_split: str = sourced("test[1000:]", "ours")
    epochs: int = sourced(200, "name of the authors' model for SVHN")
    batch_size: int = sourced(128, f"{PAPER}, section 4")
    seed: int = sourced(0, "ours")
    latent_dim: int = sourced(100, f"{PAPER}, figure 1")
    base_filters: int = sourced(64, "the authors' model for SVHN")
    kernel_size: int = sourced(5, f"{PAPER}, figure 1")
    batch_norm_on_every_layer: bool = sourced(False, f"{PAPER}, section 3")
    global_average_pooling: bool = sourced(False, f"{PAPER}, section 3")
    objective: str = sourced("non_saturating", PAPER)
    label_smoothing: float = sourced(0.0, PAPER)
    label_noise: float = sourced(0.0, PAPER)
    generator_learning_rate: float = sourced(2e-4, f"{PAPER}, section 4")
    discriminator_learning_rate: float = sourced(2e-4, f"{PAPER}, section 4")
    learning_rate_schedule: str = sourced("constant", PAPER)
    learning_rate_decay: float = sourced(1.0, "factor an epoch, of the exponential schedule")
    adam_beta_1: float = sourced(0.5, f"{PAPER}, section 4")
    average_decay: float = sourced(0.0, PAPER)
    early_stopping_patience: int | None = sourced(None, PAPER)
    strategy: str = sourced("none", "ours")
    precision: str = sourced("float32", PAPER)
    smoke: bool = sourced(False, "ours")


def preset(name: str, dataset: str) -> HyperParameters:
    """Returns the hyper-parameters of `--preset` for a data set."""
    paper = dataclasses.replace(HyperParameters(), dataset=dataset)
    if dataset.startswith("drawn_house_numbers"):
        # The test split has fonts that no training image has; these have the same.
        splits = {"validation_split": "validation", "test_split": "extra"}
        if dataset == "drawn_house_numbers":
            splits = {"validation_split": "validation[:500]", "test_split": "extra[:2000]"}
        paper = dataclasses.replace(paper, **splits)
    elif dataset == "mnist_small" or dataset.startswith("folder:"):
        splits = {"validation_split": "validation", "test_split": "test"}
        paper = dataclasses.replace(paper, **splits)
    if name == "paper":
        return paper
    return dataclasses.replace(
        paper,
        epochs=24,
        # Batch and rate of the authors' model for SVHN, of which the name tells.
        batch_size=64,
        generator_learning_rate=5e-4,
        discriminator_learning_rate=5e-4,
        image_size=64 if dataset.startswith("folder:") else None,
        base_filters=32,
        kernel_size=4,
        learning_rate_schedule="exponential",
        learning_rate_decay=0.9,
        average_decay=0.998,
    )


def check(hyper_parameters: HyperParameters) -> None:
    """Refuses values that no later stage would name.

    Raises:
        ValueError: naming the hyper-parameter and what it may be.
    """
    generation.check(hyper_parameters, "base_filters", "kernel_size")


def build_model(hyper_parameters: HyperParameters, data: generation.Data) -> zoo.DCGAN:
    """Returns the GAN, compiled."""
    keras.utils.set_random_seed(hyper_parameters.seed)
    keras.config.set_dtype_policy(hyper_parameters.precision)
    with training.strategy_scope(hyper_parameters.strategy, hyper_parameters.batch_size):
        model = zoo.DCGAN(
            image_shape=data.description.image_shape,
            latent_dim=hyper_parameters.latent_dim,
            base_filters=hyper_parameters.base_filters,
            kernel_size=hyper_parameters.kernel_size,
            batch_norm_on_every_layer=hyper_parameters.batch_norm_on_every_layer,
            global_average_pooling=hyper_parameters.global_average_pooling,
            average_decay=hyper_parameters.average_decay,
            seed=hyper_parameters.seed,
        )
    generation.compile_model(model, hyper_parameters, data)
    return model


def main() -> None:
    """Runs the recipe as the flags say."""
    generation.main(RECIPE, "DCGAN", preset, check, build_model)


if __name__ == "__main__":
    command_line.define_flags(
        preset,
        dataset="drawn_house_numbers",
        datasets_help=f"drawn_house_numbers, svhn_cropped, {generation.DATASETS_HELP}",
    )
    command_line.run(main)
