"""Data whose modes are known and equally likely, to see which of them a generator drops.

    ring = zoo.datasets.ring_of_gaussians()
    ring.batches(256)                                   # float32 (256, 2), without end
    stacks = zoo.datasets.DigitStacks(zoo.datasets.open("mnist_small"), num_digits=2)
    stacks.batches(128)                                 # float32 (128, 28, 28, 2) in [-1, 1]

Everything is drawn when it is needed: batch number s is a function of the seed and s alone, so that
a run that stopped after s batches continues at `first_step=s`, bit for bit.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import json
import math
import zlib

import numpy as np
import tensorflow as tf

from zoo.common.checks import as_integer
from zoo.datasets import pipeline
from zoo.datasets.dataset import ImageDataset

# === Points in the plane ===


@dataclasses.dataclass(frozen=True)
class PointMixture:
    """Equally likely round Gaussians in the plane.

    Args:
        name: for messages and pages.
        centres: (x, y) of each mode.
        sigma: standard deviation of each, along either axis.

    Raises:
        ValueError: if there are no centres, two are nearer than `sigma`, or that is not positive.
    """

    name: str
    centres: tuple[tuple[float, float], ...]
    sigma: float

    def __post_init__(self):
        if not self.sigma > 0:
            raise ValueError(f"`sigma` must be positive. Received: sigma={self.sigma}")
        if not self.centres:
            raise ValueError("`centres` must hold one point or more. Received: none.")
        for first, second in itertools.combinations(self.centres, 2):
            if math.dist(first, second) < self.sigma:
                raise ValueError(
                    "`centres` must lie further than `sigma` from each other, or they are one "
                    f"mode. Received: {first} and {second}, with sigma={self.sigma}"
                )

    @property
    def extent(self) -> float:
        """The largest coordinate of a centre."""
        return max(abs(number) for centre in self.centres for number in centre)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of centres and sigma."""
        return hashlib.sha256(json.dumps([self.centres, self.sigma]).encode()).hexdigest()

    def draw(self, num_points, seed) -> tf.Tensor:
        """Draws points without state: the same seed gives the same points.

        Args:
            num_points: how many.
            seed: two integers, as for `tf.random.stateless_normal`.

        Returns:
            float32 `(num_points, 2)`.
        """
        mode_seed, noise_seed = tf.unstack(tf.random.split(seed, 2))
        modes = tf.random.stateless_uniform(
            (num_points,), mode_seed, 0, len(self.centres), tf.int32
        )
        centres = tf.gather(tf.constant(self.centres, tf.float32), modes)
        return centres + self.sigma * tf.random.stateless_normal((num_points, 2), noise_seed)

    def batches(
        self, batch_size: int = 64, *, seed: int = 0, first_step: int = 0
    ) -> tf.data.Dataset:
        """Gives batches float32 `(batch_size, 2)` without end; `take` some to have an end.

        Args:
            batch_size: points in a batch, over all replicas. Defaults to 64.
            seed: of all draws. Defaults to 0.
            first_step: number of the first batch. Defaults to 0.

        Raises:
            ValueError: if `batch_size` is not a positive integer.
        """
        draw = functools.partial(self.draw, as_integer("batch_size", batch_size))
        return _drawn(draw, "points", seed, first_step)


def ring_of_gaussians(num_modes: int = 8, radius: float = 1.0, sigma: float = 0.01) -> PointMixture:
    """Returns modes at equal distances on a circle, the first to the right of its centre.

    Args:
        num_modes: Defaults to 8.
        radius: Defaults to 1, and
        sigma: to 0.01, as in the data of Lin et al. 2018 (PacGAN) and of the code of Metz et al.
            2016 (unrolled GAN), whose first and last mode lie in one place, so that it has seven.
    """
    num_modes = as_integer("num_modes", num_modes)
    angles = [2.0 * math.pi * number / num_modes for number in range(num_modes)]
    centres = tuple((radius * math.cos(angle), radius * math.sin(angle)) for angle in angles)
    return PointMixture("ring", centres, sigma)


def grid_of_gaussians(side: int = 5, spacing: float = 2.0, sigma: float = 0.05) -> PointMixture:
    """Returns modes at the corners of squares, the middle of all at (0, 0).

    Args:
        side: modes in a row, and rows. Defaults to 5.
        spacing: from one mode to the next. Defaults to 2, and
        sigma: to 0.05, as in Lin et al. 2018 (PacGAN).
    """
    side = as_integer("side", side)
    ticks = [spacing * (number - (side - 1) / 2) for number in range(side)]
    return PointMixture("grid", tuple((x, y) for x in ticks for y in ticks), sigma)


# === Stacks of digits ===


class DigitStacks:
    """Images of which each channel is a digit of its own, drawn from all of a split.

    With k digits of 10 classes there are 10^k modes.

    Args:
        images: a data set of grey images with labels, such as `zoo.datasets.open("mnist_small")`.
        num_digits: k, channels of an image. Defaults to 3, 1,000 modes.
        split: where digits are taken from. Defaults to `"train"`.

    Attributes:
        description: of the data set.
        image_shape: (height, width, k).

    Raises:
        ValueError: if the images are not grey or have no labels, or there is no such split.
        RuntimeError: if the data set can't be had.

    Reference: [Metz et al., 2016](https://arxiv.org/abs/1611.02163)
    """

    def __init__(self, images: ImageDataset, num_digits: int = 3, split: str = "train"):
        num_digits = as_integer("num_digits", num_digits)
        self.description = images.description
        shape, class_names = self.description.image_shape, self.description.class_names
        if shape[-1] != 1 or class_names is None:
            raise ValueError(
                "Digits to stack are grey images with labels, such as 'mnist_small'. Received: "
                f"{images.name!r}, with images of shape {shape} and {len(class_names or ())} "
                "classes."
            )
        self.num_digits = num_digits
        self.image_shape = (*shape[:2], num_digits)
        batches = images.batches(split, batch_size=500).as_numpy_iterator()
        # As bytes, of which there are four times as many in the same memory.
        pixels = [np.rint((batch[..., 0] + 1.0) * 127.5).astype(np.uint8) for batch in batches]
        with tf.device("CPU:0"):
            self._digits = tf.constant(np.concatenate(pixels))

    @property
    def num_modes(self) -> int:
        """The number of classes to the power of k."""
        return len(self.description.class_names) ** self.num_digits

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the digits and of how many are stacked."""
        text = f"{self.description.fingerprint} {self.num_digits}"
        return hashlib.sha256(text.encode()).hexdigest()

    def draw(self, num_images, seed) -> tf.Tensor:
        """Draws stacks without state: float32 `(num_images, height, width, k)` in [-1, 1]."""
        shape = (num_images, self.num_digits)
        rows = tf.random.stateless_uniform(shape, seed, 0, len(self._digits), tf.int32)
        return pipeline.scale(tf.transpose(tf.gather(self._digits, rows), (0, 2, 3, 1)))

    def batches(
        self, batch_size: int = 64, *, seed: int = 0, first_step: int = 0
    ) -> tf.data.Dataset:
        """Gives batches of stacks without end; see `PointMixture.batches`."""
        draw = functools.partial(self.draw, as_integer("batch_size", batch_size))
        return _drawn(draw, "stacks", seed, first_step)


def _drawn(draw, purpose: str, seed: int, first_step: int) -> tf.data.Dataset:
    seed, first_step = as_integer("seed", seed, None), as_integer("first_step", first_step, 0)
    stream = tf.constant([seed, zlib.crc32(purpose.encode())], tf.int64)

    def batch_at(step: tf.Tensor) -> tf.Tensor:
        return draw(tf.random.experimental.stateless_fold_in(stream, step))

    batches = pipeline.mapped(tf.data.Dataset.counter(first_step), batch_at)
    batches.is_scaled = True
    return batches
