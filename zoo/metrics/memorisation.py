"""Are generated images copies of training images? What neither distances nor precision see."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf

from zoo.common.checks import as_integer
from zoo.metrics.given_images import images_alone, refuse_endless
from zoo.metrics.kept_rows import (
    DEFAULT_CAPACITY,
    KeepsRows,
    all_finite,
    row_by_row,
    squared_distances,
)
from zoo.metrics.measure import mean_with_error

_BATCH = 250
# Fewer images in a cell tell nothing of it; the authors' code asks for as many.
_LEAST_IN_CELL = 20


@dataclasses.dataclass(frozen=True, eq=False)
class _Training:
    """The training images' features `(number, num_features)` and the centres of their cells."""

    features: tf.Tensor
    centres: tf.Tensor


class Memorisation(KeepsRows):
    """Whether generated images lie nearer to training images than fresh real ones do.

    Three logs. A generated image is *authentic* if it is farther from its nearest training image
    than that is from another one: `authenticity` is the share of those. `real_authenticity` is the
    same share of the real images, which no model has seen and of which many are not authentic
    either: about 0.37 in 2 dimensions, 0.79 in 64. Copies have 0. `data_copying` is C_T: the z of
    a Mann-Whitney test between the distances that generated and real images have from their nearest
    training image, taken in each cell of the training images by itself, and averaged over cells by
    their share of the real images. It is 0 on average for a perfect generator, below -3 where
    images are copied, and above 3 where they are far from all that was trained on.
    `suspects_copies` says what is alarming.

    Give `update_state` held-out real images: with training images all of it means nothing. A copy
    that is shifted, mirrored or recoloured counts as one only if the features forgive that. None
    of these scores finds every copy: look at `nearest_images` too.

    Args:
        feature_extractor: keras.Model, images float32 `(batch, height, width, channels)` in
            [-1, 1] → features `(batch, num_features)`.
        training_images: all that the generator was trained on: an array of images, or batches of
            them, each once. Their features are taken at once and kept, on each device.
        num_cells: of k-means on the training images' features. Cells with fewer than 20 real or 20
            generated images are left out, and if that are all, all images are one cell. Defaults to
            10.
        capacity: images looked at of each kind, the first ones. Defaults to 10,000.
        seed: of the cells. Defaults to 0.
        prefix: of the logs. Defaults to none.

    Returns:
        From `result()`, a dictionary of float32 scalars, by log. NaN before there are images of
        each kind, and once a feature was not finite.

    Raises:
        ValueError: if `feature_extractor` gives no rows, images do not fit it, there are fewer
            training images than cells or than two, or a number is too small.

    Differs from the authors' code of C_T: the nearest training image may lie in another cell, and
    features of more than 64 dimensions are taken as they are.

    References: authenticity, [Alaa et al., 2022](https://arxiv.org/abs/2102.08921); C_T,
    [Meehan et al., 2020](https://arxiv.org/abs/2004.05675).
    """

    settings = ("num_training_images", "num_cells")

    def __init__(
        self,
        feature_extractor: keras.Model,
        training_images,
        num_cells: int = 10,
        capacity: int = DEFAULT_CAPACITY,
        seed: int = 0,
        prefix: str = "",
    ) -> None:
        num_cells, seed = as_integer("num_cells", num_cells), as_integer("seed", seed, least=None)
        name = f"{prefix}memorisation"
        # Of an image are kept: squared distance, whether it is authentic, cell.
        super().__init__(feature_extractor, "feature_extractor", capacity, name, row_size=3)
        self.num_cells = num_cells
        self.prefix = prefix
        features = [self.outputs_for(batch).numpy() for batch in _batches(training_images)]
        features = np.concatenate(features) if features else np.zeros((0, 1), np.float32)
        if len(features) < max(2, num_cells):
            raise ValueError(
                f"Memorisation takes {max(2, num_cells)} training images or more, for "
                f"num_cells={num_cells}. Received: {len(features)}"
            )
        centres = _centres(features, num_cells, seed)
        self.num_training_images = len(features)
        self._training = _Training(tf.constant(features), tf.constant(centres))

    @property
    def directions(self) -> dict[str, str | None]:
        """More of `authenticity` is better; the others are to be read, not raised or lowered."""
        names = ("authenticity", "real_authenticity", "data_copying")
        directions = ("max", None, None)
        return dict(zip((self.prefix + name for name in names), directions, strict=True))

    def update_state(self, real_images, generated_images) -> None:
        """Adds a batch: two of float32 `(batch, height, width, channels)` in [-1, 1]."""
        self._keep(self._real, self._rows_for(real_images))
        self._keep(self._generated, self._rows_for(generated_images))

    def _rows_for(self, images) -> tf.Tensor:
        features, training = self.outputs_for(images), self._training
        nearest = row_by_row(
            lambda distances: tf.stack(
                [
                    tf.reduce_min(distances, axis=1),
                    tf.cast(tf.argmin(distances, axis=1), tf.float64),
                ],
                axis=1,
            ),
            features,
            training.features,
        )
        neighbours = tf.gather(training.features, tf.cast(nearest[:, 1], tf.int32))
        # The nearest of a training image is itself.
        from_others = row_by_row(
            lambda distances: -tf.math.top_k(-distances, 2)[0][:, 1], neighbours, training.features
        )
        cells = tf.argmin(squared_distances(features, training.centres), axis=1)
        is_authentic = tf.cast(nearest[:, 0] > from_others, tf.float32)
        # A feature that is not finite is near to nothing, and must be seen in the end.
        distances = tf.cast(nearest[:, 0], tf.float32) + 0.0 * tf.reduce_sum(features, axis=1)
        return tf.stack([distances, is_authentic, tf.cast(cells, tf.float32)], axis=1)

    def _shares_and_errors(self) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
        real, generated = self._kept()
        usable = _usable(real, generated)
        return {
            f"{self.prefix}{name}": mean_with_error(tf.cast(rows[:, 1], tf.float64), usable)
            for name, rows in (("authenticity", generated), ("real_authenticity", real))
        }

    def result(self) -> dict[str, tf.Tensor]:
        """Returns the three values of the images since `reset_state`, by log."""
        real, generated = self._kept()
        copying = _copying(real[:, 0], real[:, 2], generated[:, 0], generated[:, 2], self.num_cells)
        copying = tf.where(_usable(real, generated), copying, tf.cast(float("nan"), tf.float64))
        shares = {name: mean for name, (mean, _) in self._shares_and_errors().items()}
        return {**shares, f"{self.prefix}data_copying": tf.cast(copying, tf.float32)}

    def standard_errors(self) -> dict[str, float]:
        """Returns those of both shares over images; C_T is in standard deviations already."""
        return {name: float(error) for name, (_, error) in self._shares_and_errors().items()}


def suspects_copies(authenticity: float, real_authenticity: float, data_copying: float) -> bool:
    """Returns whether what `Memorisation` measured is alarming.

    It is if less than half as many generated as real images are authentic, or C_T is below -3.
    """
    return authenticity < real_authenticity / 2 or data_copying < -3


def _usable(real: tf.Tensor, generated: tf.Tensor) -> tf.Tensor:
    enough = (tf.shape(real)[0] > 0) & (tf.shape(generated)[0] > 0)
    return enough & all_finite(real, generated)


def _batches(images) -> Iterator[tf.Tensor]:
    refuse_endless("training_images", images)
    batches = images
    if hasattr(images, "shape"):
        batches = (images[first : first + _BATCH] for first in range(0, len(images), _BATCH))
    for batch in batches:
        yield images_alone("training_images", batch)


def _centres(features: np.ndarray, num_cells: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    return KMeans(num_cells, n_init=1, random_state=seed).fit(features).cluster_centers_


def _copying(real, real_cells, generated, generated_cells, num_cells: int) -> tf.Tensor:
    """Computes C_T of squared distances and cells, float32 `(n,)` and `(m,)`: float64."""
    real, generated = tf.cast(real, tf.float64), tf.cast(generated, tf.float64)
    cells = [tf.cast(each, tf.int32) for each in (real_cells, generated_cells)]
    z, num_real, is_telling = _z_of_cells(real, generated, *cells, num_cells)
    weights = tf.where(is_telling, num_real, 0.0)
    of_cells = tf.math.divide_no_nan(tf.reduce_sum(weights * z), tf.reduce_sum(weights))
    one_cell = [tf.zeros_like(each) for each in cells]
    of_all = _z_of_cells(real, generated, *one_cell, 1)[0][0]
    return tf.where(tf.reduce_any(is_telling), of_cells, of_all)


def _z_of_cells(real, generated, real_cells, generated_cells, num_cells: int):
    """Returns z and the number of real images of each cell, and which have images enough."""
    # Cells one after the other on a line, so that sorting once ranks all of them.
    span = 1.0 + tf.reduce_max(tf.concat([real, generated, [0.0]], axis=0))
    line = tf.sort(tf.cast(real_cells, tf.float64) * span + real)
    starts = tf.cast(generated_cells, tf.float64) * span
    # How many real images of the cell are nearer to a training image; equally near count half.
    nearer = -tf.cast(tf.searchsorted(line, starts), tf.float64)
    for side in ("left", "right"):
        nearer += 0.5 * tf.cast(tf.searchsorted(line, starts + generated, side), tf.float64)
    u = tf.math.unsorted_segment_sum(nearer, generated_cells, num_cells)
    n, m = (
        tf.math.unsorted_segment_sum(tf.ones_like(rows), cells, num_cells)
        for rows, cells in ((real, real_cells), (generated, generated_cells))
    )
    deviation = tf.sqrt(n * m * (n + m + 1.0) / 12.0)
    z = tf.math.divide_no_nan(u - n * m / 2.0 + 0.5, deviation)
    return z, n, tf.minimum(n, m) >= _LEAST_IN_CELL


# === To look at ===


def nearest_images(
    images, training_images: Iterable, feature_extractor: keras.Model
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the training image that is nearest to each image, to look at side by side.

    Args:
        images: float32 `(number, height, width, channels)` in [-1, 1].
        training_images: an array of such images, or batches of them.
        feature_extractor: keras.Model, images → features `(batch, num_features)`, in which
            distances are Euclidean.

    Returns:
        The nearest training images, of the shape of `images`, and their distances, float64
        `(number,)`.

    Raises:
        ValueError: if there are no training images, they never end or have another range, or a
            feature is not finite.
    """
    images = images_alone("images", images)
    features = feature_extractor(images, training=False)
    nearest = np.zeros(np.shape(images), np.float32)
    least = np.full(len(images), np.inf)
    for batch in _batches(training_images):
        distances = squared_distances(features, feature_extractor(batch, training=False)).numpy()
        closer = distances.min(axis=1) < least
        nearest[closer] = batch.numpy()[distances.argmin(axis=1)[closer]]
        least = np.minimum(least, distances.min(axis=1))
    if np.isnan(least).any():
        raise ValueError(
            "Features of `images` and of `training_images` must be finite. Received: of "
            f"{np.isnan(least).sum()} images, a distance that is no number"
        )
    if np.isinf(least).any():
        raise ValueError("`training_images` must hold an image. Received: none.")
    return nearest, np.sqrt(least)
