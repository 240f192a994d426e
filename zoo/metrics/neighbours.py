"""How much of either distribution lies within the other, told by balls around the images.

A ball around an image reaches to its k-th nearest neighbour among its own kind, in the features.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from zoo.common.checks import as_integer
from zoo.metrics.kept_rows import (
    DEFAULT_CAPACITY,
    KeepsRows,
    all_finite,
    row_by_row,
    squared_radii,
)
from zoo.metrics.measure import mean_with_error


class _OfBalls(KeepsRows):
    """Two means over images, of what balls hold them or they hold."""

    settings = ("k",)

    def __init__(
        self, feature_extractor: keras.Model, k: int, capacity: int, prefix: str, name: str
    ) -> None:
        k = as_integer("k", k)
        super().__init__(feature_extractor, "feature_extractor", capacity, prefix + name)
        if self.capacity <= k:
            raise ValueError(
                f"`capacity` must be above k={k}, for a ball reaches to the k-th neighbour. "
                f"Received: capacity={capacity}"
            )
        self.k = k
        self.least_images = k + 1
        self.prefix = prefix

    def _of_images(self, real: tf.Tensor, generated: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns for each log what its mean is over, one number an image."""
        raise NotImplementedError

    def _means(self) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
        real, generated = self._kept()
        enough = tf.minimum(tf.shape(real)[0], tf.shape(generated)[0]) > self.k
        usable = enough & all_finite(real, generated)
        return {
            self.prefix + name: mean_with_error(values, usable)
            for name, values in self._of_images(real, generated).items()
        }

    def result(self) -> dict[str, tf.Tensor]:
        """Returns both values of the images since `reset_state`, by their logs."""
        return {name: mean for name, (mean, _) in self._means().items()}

    def standard_errors(self) -> dict[str, float]:
        """Returns the standard error of each value over images, the balls being as they are."""
        return {name: float(error) for name, (_, error) in self._means().items()}


class PrecisionRecall(_OfBalls):
    """Precision: the share of generated images that lie in the ball of a real one. Recall: of real
    images that lie in the ball of a generated one.

    Precision falls where images are bad, recall where kinds of them are missing. Both are 1 at
    best, and less even for equal distributions: in 64 dimensions about 0.62 at k = 3 and 1,000
    images. So read them beside those of real images, and compare values of one number of images
    and one extractor only. Copies of the real images have 1 and 1: see `Memorisation`. One outlier
    has a large ball, which holds much; `DensityCoverage` suffers less from that.

    The value costs a few matrices of distances: about 1 s on a core at 2,000 images of 64 features,
    growing with the square. Keras's `evaluate` asks for it after each batch. It can't be compiled
    by XLA.

    Args:
        feature_extractor: keras.Model, images float32 `(batch, height, width, channels)` in
            [-1, 1] → features `(batch, num_features)`.
        k: which neighbour a ball reaches to. Defaults to 3, as in the paper.
        capacity: images kept of each kind, the first ones; later ones are left out. Defaults to
            10,000.
        prefix: of the two logs, `precision` and `recall`. Defaults to none.

    Returns:
        From `result()`, a dictionary of two float32 scalars in [0, 1], by log. NaN before there
        are more than k images of each kind, and once a feature was not finite.

    Raises:
        ValueError: if `feature_extractor` gives no rows, images do not fit it, `k` is below 1 or
            `capacity` below 2.

    Reference: [Kynkäänniemi et al., 2019](https://arxiv.org/abs/1904.06991)
    """

    def __init__(
        self,
        feature_extractor: keras.Model,
        k: int = 3,
        capacity: int = DEFAULT_CAPACITY,
        prefix: str = "",
    ) -> None:
        super().__init__(feature_extractor, k, capacity, prefix, "precision_recall")

    @property
    def directions(self) -> dict[str, str]:
        """More is better of both."""
        return {f"{self.prefix}precision": "max", f"{self.prefix}recall": "max"}

    def _of_images(self, real: tf.Tensor, generated: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "precision": _held(generated, real, self.k),
            "recall": _held(real, generated, self.k),
        }


def _held(images: tf.Tensor, centres: tf.Tensor, k: int) -> tf.Tensor:
    """Says of each image whether it lies in a ball around any centre, as 0 or 1."""
    radii = squared_radii(centres, k)
    return row_by_row(
        lambda distances: tf.cast(tf.reduce_any(distances <= radii, axis=1), tf.float64),
        images,
        centres,
    )


class DensityCoverage(_OfBalls):
    """Density: how many real balls a generated image lies in, over the k that are expected.
    Coverage: the share of real images whose ball holds a generated one.

    Balls are of real images alone, so that generated outliers don't help. At equal distributions
    density is 1 on average, and coverage `expected_coverage(num_real, num_generated, k)`, whatever
    the dimension: 0.969 at k = 5. Density exceeds 1 where generated images crowd among the real
    ones. Copies of the real images have a coverage of 1: see `Memorisation`.

    Costs are those of `PrecisionRecall`.

    Args:
        feature_extractor: keras.Model, images float32 `(batch, height, width, channels)` in
            [-1, 1] → features `(batch, num_features)`.
        k: which neighbour a ball reaches to, its centre not counted. Defaults to 5, as in the
            paper.
        capacity: images kept of each kind, the first ones; later ones are left out. Defaults to
            10,000.
        prefix: of the two logs, `density` and `coverage`. Defaults to none.

    Returns:
        From `result()`, a dictionary of two float32 scalars, by log: density of 0 or more,
        coverage in [0, 1]. NaN before there are more than k images of each kind, and once a
        feature was not finite.

    Raises:
        ValueError: if `feature_extractor` gives no rows, images do not fit it, `k` is below 1 or
            `capacity` below 2.

    Reference: [Naeem et al., 2020](https://arxiv.org/abs/2002.09797)
    """

    def __init__(
        self,
        feature_extractor: keras.Model,
        k: int = 5,
        capacity: int = DEFAULT_CAPACITY,
        prefix: str = "",
    ) -> None:
        super().__init__(feature_extractor, k, capacity, prefix, "density_coverage")

    @property
    def directions(self) -> dict[str, str]:
        """More is better of both, as in the paper, though a density above 1 is no better."""
        return {f"{self.prefix}density": "max", f"{self.prefix}coverage": "max"}

    def _of_images(self, real: tf.Tensor, generated: tf.Tensor) -> dict[str, tf.Tensor]:
        radii = squared_radii(real, self.k)
        density = row_by_row(
            lambda distances: _number_of(distances < radii) / self.k, generated, real
        )
        nearest = row_by_row(lambda distances: tf.reduce_min(distances, axis=1), real, generated)
        return {"density": density, "coverage": tf.cast(nearest < radii, tf.float64)}


def _number_of(flags: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(flags, tf.float64), axis=1)


def expected_coverage(num_real: int, num_generated: int, k: int = 5) -> float:
    """Returns the coverage that equal distributions have on average, of any dimension.

        1 − ∏_{i = 1…k} (N − i) / (M + N − i),    N real and M generated images

    Args:
        num_real: N.
        num_generated: M.
        k: which neighbour a ball reaches to. Defaults to 5.
    """
    missed = 1.0
    for i in range(1, k + 1):
        missed *= (num_real - i) / (num_generated + num_real - i)
    return 1.0 - missed
