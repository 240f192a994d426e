"""What the contract test must know of a variant, and what the cases in `tests/cases` share."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from zoo import metrics
from zoo.common.adversarial import AdversarialModel


@dataclasses.dataclass(frozen=True)
class Case:
    """What the contract test must know of a variant.

    Attributes:
        variant: the class.
        build: returns a small model, with every layer that the real one has.
        build_without_noise: returns a small model that draws nothing but latents, for the test
            that two replicas equal one.
        batch: maps a batch size to one training batch of deterministic images with structure.
        evaluation_batch: the same for `evaluate`.
        inputs: maps a batch size to an input of `predict`.
        training_logs: exact keys of the logs of `fit`, beside each player's loss and gradient norm.
        evaluation_logs: exact keys of the logs of `evaluate`.
        full_sizes: for each model of the paper, what builds it and the exact number of parameters
            of each of its networks.
        bad_arguments: constructor arguments, and what the error must say.
        updates: how often a player's optimizer steps in a train step, where that is not once.
        condition: maps a number of images to a condition for each; `None` if the generator takes
            none.
        quality_measures: returns what `compile` is given to evaluate with.
        steps_on_replicas: how many steps two replicas must take as one does.
        name: the variant's, and the test's; that of the file that holds the case.
    """

    variant: type[AdversarialModel]
    build: Callable[[], AdversarialModel]
    build_without_noise: Callable[[], AdversarialModel]
    batch: Callable[[int], Any]
    evaluation_batch: Callable[[int], Any]
    inputs: Callable[[int], Any]
    training_logs: frozenset[str]
    evaluation_logs: frozenset[str]
    full_sizes: tuple[tuple[Callable[[], AdversarialModel], dict[str, int]], ...] = ()
    bad_arguments: tuple[tuple[dict[str, Any], str], ...] = ()
    updates: Mapping[str, int] = dataclasses.field(default_factory=dict)
    condition: Callable[[int], np.ndarray] | None = None
    quality_measures: Callable[[], tuple[keras.metrics.Metric, ...]] | None = None
    steps_on_replicas: int = 3
    name: str = ""


# What a discriminator's log odds give, and what other outputs do.
SCORES = frozenset({"real_score", "generated_score"})
OUTPUTS = frozenset({"real_output", "generated_output"})


def variables_of(model: AdversarialModel) -> list[keras.Variable]:
    """Everything that the next step depends on: weights, random states and all optimizers."""
    variables = list(model.variables)
    for optimizer in model.optimizers.values():
        variables += optimizer.variables
    return variables


def state_of(model: AdversarialModel) -> list[np.ndarray]:
    """The values of `variables_of`."""
    return [variable.numpy() for variable in variables_of(model)]


def trained_at_rates(
    model: AdversarialModel, player: str, rates: tuple[float, ...], batch: Any, steps: int
) -> Iterator[AdversarialModel]:
    """Trains the model from the same state at each rate of one player, and gives it each time.

    A control then takes no second model, of which to trace a step takes as long as many steps.
    """
    start = state_of(model)
    data = tf.data.Dataset.from_tensors(batch).repeat()
    for rate in rates:
        for variable, value in zip(variables_of(model), start, strict=True):
            variable.assign(value)
        model.optimizers[player].learning_rate = rate
        model.fit(data, steps_per_epoch=steps, verbose=0)
        yield model


def ramp_images(batch_size: int, image_shape=(28, 28, 1)) -> np.ndarray:
    """Images in [-1, 1] whose every pixel differs from its neighbours: ones hide spatial bugs."""
    size = batch_size * int(np.prod(image_shape))
    values = np.sin(0.37 * np.arange(size) + 1e-3 * np.arange(size) ** 1.5)
    return values.reshape(batch_size, *image_shape).astype("float32")


def ramp_labels(batch_size: int, num_classes: int = 10) -> np.ndarray:
    """The labels 0, 1, 2, … over and over."""
    return (np.arange(batch_size) % num_classes).astype("int32")


def ramp_latents(batch_size: int, latent_dim: int = 7) -> np.ndarray:
    """Latents in [-1, 1], no two rows alike."""
    return ramp_images(batch_size, (latent_dim,))


# === Evaluation of models that generate ===

GENERATION_LOGS = frozenset({"frechet_distance", "kernel_distance"})


def generation_measures(image_shape=(28, 28, 1)) -> tuple[keras.metrics.Metric, ...]:
    images = keras.Input(image_shape)
    features = layers.AveragePooling2D(min(14, *image_shape[:2]))(images)
    extractor = keras.Model(images, layers.Flatten()(features))
    return (metrics.FrechetDistance(extractor), metrics.KernelDistance(extractor, block_size=4))


# === Numbers of parameters ===


def batch_norm(filters: int) -> int:
    """Parameters of batch norm: scale, offset, and the moving mean and variance."""
    return 4 * filters


def convolution(inputs: int, outputs: int, kernel: int) -> int:
    """Parameters of a convolution with bias."""
    return kernel * kernel * inputs * outputs + outputs
