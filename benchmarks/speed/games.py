"""What is timed: a game of each variant, at a size that its users train, on a batch of noise."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf

import zoo
from zoo.common import batches
from zoo.common.adversarial import AdversarialModel


@dataclasses.dataclass(frozen=True)
class Game:
    """A game.

    Attributes:
        build: returns the model, with networks and defaults of its class.
        batch_size: images of a batch, of each domain.
    """

    build: Callable[[], AdversarialModel]
    batch_size: int


GAMES = {
    "VanillaGAN": Game(lambda: zoo.VanillaGAN((28, 28, 1)), 100),
    "DCGAN": Game(lambda: zoo.DCGAN((64, 64, 3)), 64),
    "EnergyBasedGAN": Game(lambda: zoo.EnergyBasedGAN((28, 28, 1)), 64),
    "ModeLabGAN": Game(lambda: zoo.ModeLabGAN((2,)), 256),
    "SemiSupervisedGAN": Game(lambda: zoo.SemiSupervisedGAN((28, 28, 1), 10), 100),
    "UnrolledGAN": Game(lambda: zoo.UnrolledGAN((28, 28, 3)), 64),
    "CycleGAN": Game(lambda: zoo.CycleGAN((64, 64, 3)), 1),
    "LossSensitiveGAN": Game(lambda: zoo.LossSensitiveGAN((28, 28, 1)), 64),
    # 64 images for each of the critic's five steps.
    "WGANGP": Game(lambda: zoo.WGANGP((32, 32, 3), architecture="strided", filters=64), 5 * 64),
    "FaceGAN": Game(lambda: zoo.FaceGAN((64, 64, 3)), 32),
    "R3GAN": Game(lambda: zoo.R3GAN((64, 64, 3)), 32),
}


def require_games(variants: Iterable[str]) -> None:
    """Refuses a variant of which there is no game.

    Raises:
        ValueError: naming it, and those that there are.
    """
    for variant in variants:
        if variant not in GAMES:
            raise ValueError(f"--variants may be: {', '.join(GAMES)}. Received: {variant!r}")


def batch_of(spec: Any, batch_size: int) -> Any:
    """Returns a batch of that form: noise in [-1, 1], and labels that go round.

    Args:
        spec: `batch_spec` of a model.
        batch_size: rows.
    """
    draw = np.random.default_rng(0)

    def rows(leaf: tf.TensorSpec) -> np.ndarray:
        if leaf.dtype.is_integer:
            return (np.arange(batch_size) % 10).astype(leaf.dtype.as_numpy_dtype)
        return draw.uniform(-1, 1, (batch_size, *leaf.shape[1:])).astype("float32")

    return tf.nest.map_structure(rows, spec)


def endless(batch: Any) -> tf.data.Dataset:
    """Returns a pipeline that gives one batch over and over, of whose cost no step has a share."""
    return batches.untuned(tf.data.Dataset.from_tensors(batch).repeat())
