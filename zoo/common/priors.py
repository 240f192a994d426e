"""Priors: what the latents z are drawn from. Small values without state, saved with their model.

prior = Concatenation((Uniform(62), Categorical(10), Uniform(2)))     # InfoGAN's for MNIST
latents = prior.draw(64, seed=(1, 2))                                 # (64, 74)
noise, digit, style = prior.split(latents)
"""

import abc
import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any, Self

import keras
import tensorflow as tf

from zoo.common.checks import as_integer


class Prior(abc.ABC):
    """A distribution of latents.

    Attributes:
        latent_dim: size of z.
    """

    latent_dim: int

    @abc.abstractmethod
    def draw(self, num_latents, seed) -> tf.Tensor:
        """Draws latents without state: the same seed gives the same latents, everywhere.

        Args:
            num_latents: how many, an integer or a scalar tensor.
            seed: two integers, as for `tf.random.stateless_normal`.

        Returns:
            float32 `(num_latents, latent_dim)`.
        """

    @abc.abstractmethod
    def truncate(self, latents: tf.Tensor, truncation) -> tf.Tensor:
        """Pulls latents toward the centre of the prior: 1 leaves them, 0 gives the centre.

        Samples get more typical and less varied as `truncation` falls. Categories have no centre
        and stay as they are.
        """

    def bounds(self) -> tuple[list[float], list[float]]:
        """Returns the lowest and highest of each number of z, `latent_dim` of both.

        Where there are none, the least and the largest number of float32.
        """
        return [tf.float32.min] * self.latent_dim, [tf.float32.max] * self.latent_dim

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make this prior again."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Makes a prior of what `get_config` returned."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="zoo")
@dataclasses.dataclass(frozen=True)
class Normal(Prior):
    """N(0, I).

    Args:
        latent_dim: size of z.

    Raises:
        ValueError: if it is not a positive integer.
    """

    latent_dim: int

    def __post_init__(self):
        object.__setattr__(self, "latent_dim", as_integer("latent_dim", self.latent_dim))

    def draw(self, num_latents, seed) -> tf.Tensor:
        return tf.random.stateless_normal((num_latents, self.latent_dim), seed)

    def truncate(self, latents: tf.Tensor, truncation) -> tf.Tensor:
        return truncation * latents


@keras.saving.register_keras_serializable(package="zoo")
@dataclasses.dataclass(frozen=True)
class Uniform(Prior):
    """Independent uniform numbers.

    Args:
        latent_dim: size of z.
        lowest: Defaults to -1, as in Goodfellow et al. 2014 and Radford et al. 2015; Salimans et
            al. 2016 have 0.
        highest: Defaults to 1.

    Raises:
        ValueError: if `latent_dim` is not a positive integer, or `highest` not above `lowest`.
    """

    latent_dim: int
    lowest: float = -1.0
    highest: float = 1.0

    def __post_init__(self):
        object.__setattr__(self, "latent_dim", as_integer("latent_dim", self.latent_dim))
        if not self.lowest < self.highest:
            raise ValueError(
                f"`highest` must be above `lowest`. Received: lowest={self.lowest!r}, "
                f"highest={self.highest!r}"
            )

    def draw(self, num_latents, seed) -> tf.Tensor:
        shape = (num_latents, self.latent_dim)
        return tf.random.stateless_uniform(shape, seed, self.lowest, self.highest)

    def truncate(self, latents: tf.Tensor, truncation) -> tf.Tensor:
        centre = (self.lowest + self.highest) / 2
        return centre + truncation * (latents - centre)

    def bounds(self) -> tuple[list[float], list[float]]:
        return [self.lowest] * self.latent_dim, [self.highest] * self.latent_dim


@keras.saving.register_keras_serializable(package="zoo")
@dataclasses.dataclass(frozen=True)
class Categorical(Prior):
    """One of several equally likely categories, as a vector with one 1.

    Args:
        num_categories: how many there are, which is also the size of z.

    Raises:
        ValueError: if it is not a positive integer.
    """

    num_categories: int

    def __post_init__(self):
        number = as_integer("num_categories", self.num_categories)
        object.__setattr__(self, "num_categories", number)

    @property
    def latent_dim(self) -> int:
        return self.num_categories

    def draw(self, num_latents, seed) -> tf.Tensor:
        categories = tf.random.stateless_uniform(
            (num_latents,), seed, 0, self.num_categories, tf.int32
        )
        return tf.one_hot(categories, self.num_categories)

    def truncate(self, latents: tf.Tensor, truncation) -> tf.Tensor:
        del truncation
        return latents


@keras.saving.register_keras_serializable(package="zoo")
@dataclasses.dataclass(frozen=True)
class Concatenation(Prior):
    """Latents of several priors, one after another in each row.

    Args:
        parts: the priors, in the order of their numbers in z.

    Raises:
        ValueError: if there are none, or one is no `Prior`.
    """

    parts: Sequence[Prior]

    def __post_init__(self):
        parts = tuple(self.parts)
        if not parts or not all(isinstance(part, Prior) for part in parts):
            raise ValueError(f"`parts` must hold priors, one or more. Received: parts={parts!r}")
        object.__setattr__(self, "parts", parts)

    @property
    def latent_dim(self) -> int:
        return sum(part.latent_dim for part in self.parts)

    def draw(self, num_latents, seed) -> tf.Tensor:
        seeds = tf.unstack(tf.random.split(seed, num=len(self.parts)))
        drawn = [part.draw(num_latents, own) for part, own in zip(self.parts, seeds, strict=True)]
        return tf.concat(drawn, axis=-1)

    def split(self, latents: tf.Tensor) -> list[tf.Tensor]:
        """Returns the latents of each part, `(batch, its latent_dim)`."""
        return tf.split(latents, [part.latent_dim for part in self.parts], axis=-1)

    def truncate(self, latents: tf.Tensor, truncation) -> tf.Tensor:
        pieces = zip(self.parts, self.split(latents), strict=True)
        return tf.concat([part.truncate(piece, truncation) for part, piece in pieces], axis=-1)

    def bounds(self) -> tuple[list[float], list[float]]:
        lowest, highest = zip(*(part.bounds() for part in self.parts), strict=True)
        return [*itertools.chain(*lowest)], [*itertools.chain(*highest)]

    def get_config(self) -> dict[str, Any]:
        return {"parts": [keras.saving.serialize_keras_object(part) for part in self.parts]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls([keras.saving.deserialize_keras_object(part) for part in config["parts"]])
