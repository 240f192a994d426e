"""Trains the GAN of 2014 on handwritten digits.

    python recipes/vanilla_mnist.py                      # mnist_small
    python recipes/vanilla_mnist.py --dataset=mnist --preset=paper
    python recipes/vanilla_mnist.py --set objective=minimax --set discriminator_steps=2

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

RECIPE = "vanilla_mnist"
IMAGES_TO_ADAPT_TO = 1000

PAPER = "Goodfellow et al. 2014"
CODE = "code of Goodfellow et al. 2014"


# === Hyper-parameters ===


@dataclasses.dataclass(frozen=True)
class HyperParameters:
    """The values of the paper and of the authors' code for MNIST, each with its source."""

    dataset: str = sourced("mnist", PAPER)
    image_size: int | None = sourced(None, "the data set's own")
    drop_duplicates: str = sourced("none", "ours; of a folder: none, exact or near")
    train_split: str = sourced("train[:50000]", CODE)
    validation_split: str = sourced("train[50000:]", CODE)
    test_split: str = sourced("test", CODE)
    epochs: int = sourced(250, "ours: the authors' momentum grows until then")
    batch_size: int = sourced(100, CODE)
    seed: int = sourced(0, "ours")
    latent_dim: int = sourced(100, CODE)
    discriminator_steps: int = sourced(1, PAPER)
    input_noise: float = sourced(0.0, PAPER)
    objective: str = sourced("non_saturating", f"{PAPER}, end of section 3")
    label_smoothing: float = sourced(0.0, PAPER)
    label_noise: float = sourced(0.0, PAPER)
    optimizer: str = sourced("sgd", CODE)
    generator_learning_rate: float = sourced(0.1, CODE)
    discriminator_learning_rate: float = sourced(0.1, CODE)
    learning_rate_schedule: str = sourced("exponential", CODE)
    learning_rate_decay: float = sourced(0.998, f"{CODE}: 1 / 1.000004 a step, 500 an epoch")
    momentum: float = sourced(0.5, f"{CODE}, of gradient descent; theirs grows to 0.7")
    adam_beta_1: float = sourced(0.5, "ours, of Adam")
    average_decay: float = sourced(0.0, PAPER)
    early_stopping_patience: int | None = sourced(None, PAPER)
    strategy: str = sourced("none", "ours")
    precision: str = sourced("float32", CODE)
    smoke: bool = sourced(False, "ours")


def preset(name: str, dataset: str) -> HyperParameters:
    """Returns the hyper-parameters of `--preset` for a data set."""
    paper = dataclasses.replace(HyperParameters(), dataset=dataset)
    if dataset == "mnist_small" or dataset.startswith("folder:"):
        paper = dataclasses.replace(paper, train_split="train", validation_split="validation")
    elif dataset not in ("mnist", "fashion_mnist"):
        splits = {"train_split": "train[:90%]", "validation_split": "train[90%:]"}
        paper = dataclasses.replace(paper, **splits)
    if name == "paper":
        return paper
    # With 12 times fewer images D soon knows them all, unless noise hides them and it learns slower
    # than G.
    return dataclasses.replace(
        paper,
        epochs=400,
        batch_size=50,
        image_size=28 if dataset.startswith("folder:") else None,
        input_noise=0.5,
        label_smoothing=0.1,
        optimizer="adam",
        generator_learning_rate=1e-3,
        discriminator_learning_rate=3e-4,
        learning_rate_decay=0.995,
        average_decay=0.998,
    )


def check(hyper_parameters: HyperParameters) -> None:
    """Refuses values that no later stage would name.

    Raises:
        ValueError: naming the hyper-parameter and what it may be.
    """
    generation.check(hyper_parameters, "discriminator_steps")


def build_model(hyper_parameters: HyperParameters, data: generation.Data) -> zoo.VanillaGAN:
    """Returns the GAN, compiled, its generator started at the mean image."""
    keras.utils.set_random_seed(hyper_parameters.seed)
    keras.config.set_dtype_policy(hyper_parameters.precision)
    with training.strategy_scope(hyper_parameters.strategy, hyper_parameters.batch_size):
        model = zoo.VanillaGAN(
            image_shape=data.description.image_shape,
            latent_dim=hyper_parameters.latent_dim,
            discriminator_steps=hyper_parameters.discriminator_steps,
            input_noise=hyper_parameters.input_noise,
            average_decay=hyper_parameters.average_decay,
            seed=hyper_parameters.seed,
        )
    generation.compile_model(model, hyper_parameters, data)
    model.adapt(data.some_train_images(IMAGES_TO_ADAPT_TO))
    return model


def main() -> None:
    """Runs the recipe as the flags say."""
    generation.main(RECIPE, "Vanilla GAN", preset, check, build_model)


if __name__ == "__main__":
    command_line.define_flags(
        preset, dataset="mnist_small", datasets_help=f"mnist_small, {generation.DATASETS_HELP}"
    )
    command_line.run(main)
