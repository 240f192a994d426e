"""Sliced Wasserstein distance: how far sorted values lie apart, on average over directions.

In one dimension the Wasserstein distance of two equally large samples is the mean difference of
their sorted values. In many it is taken along random directions of length 1.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from zoo.common.checks import as_integer, check_image_shape
from zoo.metrics.kept_rows import DEFAULT_CAPACITY, KeepsRows, all_finite

_PATCH_SIDE = 7
_SMALLEST_LEVEL = 16
# Of a binomial distribution of four draws: what a Gaussian pyramid is usually made with.
_KERNEL = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0


class SlicedWassersteinDistance(KeepsRows):
    """Sliced Wasserstein distance of features.

        E_u  mean_i |(u·x)_(i) − (u·y)_(i)|,    u of length 1, values sorted

    Smaller is better, 0 for equal sets. Unlike the Fréchet distance it sees more than means and
    covariances. It has a floor that falls with the number of images, so compare equal numbers.

    Args:
        feature_extractor: keras.Model, images float32 `(batch, height, width, channels)` in
            [-1, 1] → features `(batch, num_features)`.
        num_directions: of the mean. Defaults to 512, ProGAN's 4 × 128.
        capacity: images kept of each kind, the first ones; later ones are left out. Defaults to
            10,000.
        seed: of the directions. Defaults to 0.
        name: of the log. Defaults to "sliced_wasserstein".

    Returns:
        From `result()`, a float32 scalar of 0 or more. NaN before any image was seen, and once a
        feature was not finite.

    Raises:
        ValueError: if `feature_extractor` gives no rows, images do not fit it, real and generated
            images are not equally many, or `num_directions` or `capacity` is too small.

    Reference: [Rabin et al., 2011](https://doi.org/10.1007/978-3-642-24785-9_37)
    """

    needs_equally_many = True
    settings = ("num_directions", "seed")

    def __init__(
        self,
        feature_extractor: keras.Model,
        num_directions: int = 512,
        capacity: int = DEFAULT_CAPACITY,
        seed: int = 0,
        name: str = "sliced_wasserstein",
    ) -> None:
        num_directions = as_integer("num_directions", num_directions)
        super().__init__(feature_extractor, "feature_extractor", capacity, name)
        self.num_directions = num_directions
        self.seed = as_integer("seed", seed, least=None)

    def result(self) -> tf.Tensor:
        """Returns the distance of the images since `reset_state`."""
        real, generated = self._kept()
        distance = _sliced_distance(real, generated, self.num_directions, self.seed)
        return _or_nan(distance, real, generated)


class PyramidWassersteinDistance(KeepsRows):
    """Sliced Wasserstein distance of small patches, on each level of a Laplacian pyramid.

    A level holds the details of one size: the first the finest, the last, of at least 16 pixels a
    side, all that is coarser. Patches of 7×7 pixels are taken at random places, the same for real
    and generated images. So large values on a level say that details of that size look wrong. No
    network decides what counts.

    As in the paper each channel of the patches of either side is brought to a mean of 0 and a
    deviation of 1 on each level, so that neither brightness nor contrast counts; and values are
    multiplied by 1,000. Here fewer patches and directions are the default, which leaves more
    chance in the value and takes a fraction of the time: at 2,000 images of 32×32 pixels some
    10 s on a core, at the end and not in between. The paper takes 128 patches of each of 16,384
    images, and 512 directions.

    Args:
        image_shape: (height, width, channels) of the images. Levels are halved while both sides
            are even and the half has 16 pixels or more.
        patches_per_image: on each level. Defaults to 16.
        num_directions: Defaults to 128.
        capacity: images kept of each kind, the first ones; later ones are left out. Defaults to
            2,000.
        seed: of places and directions. Defaults to 0.
        name: of the log of the mean over levels; that of a level has its shorter side behind it, as
            in `pyramid_wasserstein_16`. Defaults to "pyramid_wasserstein".

    Returns:
        From `result()`, a dictionary of float32 scalars of 0 or more, by log. NaN before any image
        was seen, and once a pixel was not finite. Under a strategy images take other places in the
        order, and with them other patches, so values differ from those of one replica by chance.

    Raises:
        ValueError: if `image_shape` is none or has a side below 7, real and generated images are
            not equally many, or a number is too small.

    Reference: [Karras et al., 2018](https://arxiv.org/abs/1710.10196), section 5.
    """

    needs_equally_many = True
    settings = ("patches_per_image", "num_directions", "seed")

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        patches_per_image: int = 16,
        num_directions: int = 128,
        capacity: int = 2_000,
        seed: int = 0,
        name: str = "pyramid_wasserstein",
    ) -> None:
        shape = check_image_shape(image_shape)
        if min(shape[:2]) < _PATCH_SIDE:
            raise ValueError(
                f"A patch needs images of {_PATCH_SIDE} pixels a side or more. Received: "
                f"image_shape={shape}"
            )
        patches_per_image = as_integer("patches_per_image", patches_per_image)
        num_directions = as_integer("num_directions", num_directions)
        pixels = keras.Sequential([keras.Input(shape), keras.layers.Flatten()])
        super().__init__(pixels, "image_shape", capacity, name)
        self.image_shape = shape
        self.patches_per_image = patches_per_image
        self.num_directions = num_directions
        self.seed = as_integer("seed", seed, least=None)
        self._sides = level_sides(shape)

    @property
    def directions(self) -> dict[str, str]:
        """Less is better of each level, and of their mean."""
        levels = [f"{self.name}_{min(sides)}" for sides in self._sides]
        return dict.fromkeys((self.name, *levels), "min")

    def result(self) -> dict[str, tf.Tensor]:
        """Returns the distances of the images since `reset_state`, by log."""
        real, generated = self._kept()
        levels = {
            f"{self.name}_{min(sides)}": 1000.0 * self._distance_at(number, real, generated)
            for number, sides in enumerate(self._sides)
        }
        values = {self.name: tf.reduce_mean(list(levels.values())), **levels}
        return {name: _or_nan(value, real, generated) for name, value in values.items()}

    def _distance_at(self, level: int, *both: tf.Tensor) -> tf.Tensor:
        patches = []
        for pixels in both:
            images = tf.reshape(pixels, (-1, *self.image_shape))
            details = laplacian_pyramid(images)[level]
            patches.append(_normalised(self._patches(details, level)))
        return _sliced_distance(*patches, self.num_directions, self.seed)

    def _patches(self, images: tf.Tensor, level: int) -> tf.Tensor:
        """Cuts patches out: `(number · patches_per_image, 7, 7, channels)`."""
        sides = self._sides[level]
        random = np.random.RandomState((self.seed, level))
        size = (self.capacity, self.patches_per_image)
        # One place for each image by its number, so that batches don't matter.
        rows, columns = (random.randint(side - _PATCH_SIDE + 1, size=size) for side in sides)
        reach = np.arange(_PATCH_SIDE)
        pixels = (
            (rows[..., np.newaxis, np.newaxis] + reach[:, np.newaxis]) * sides[1]
            + columns[..., np.newaxis, np.newaxis]
            + reach
        )
        channels = images.shape[-1]
        flat = tf.reshape(images, (-1, sides[0] * sides[1], channels))
        wanted = tf.constant(pixels.reshape(self.capacity, -1), tf.int32)[: tf.shape(images)[0]]
        patches = tf.gather(flat, wanted, batch_dims=1)
        return tf.reshape(patches, (-1, _PATCH_SIDE, _PATCH_SIDE, channels))


def _or_nan(value: tf.Tensor, *features: tf.Tensor) -> tf.Tensor:
    usable = (tf.shape(features[0])[0] > 0) & all_finite(*features)
    return tf.cast(tf.where(usable, value, tf.cast(float("nan"), value.dtype)), tf.float32)


def _sliced_distance(
    first: tf.Tensor, second: tf.Tensor, num_directions: int, seed: int
) -> tf.Tensor:
    # Replicas fill unequal numbers of places once there are more images than places.
    number = tf.minimum(tf.shape(first)[0], tf.shape(second)[0])
    directions = np.random.RandomState(seed).normal(size=(first.shape[1], num_directions))
    directions = tf.constant(directions / np.linalg.norm(directions, axis=0), tf.float32)
    first, second = (
        # By columns, for the last axis is sorted.
        tf.sort(tf.matmul(directions, rows[:number], transpose_a=True, transpose_b=True))
        for rows in (first, second)
    )
    return tf.reduce_mean(tf.abs(first - second))


def _normalised(patches: tf.Tensor) -> tf.Tensor:
    """Brings each channel to mean 0 and deviation 1 over all patches, in rows of one patch."""
    mean, variance = tf.nn.moments(patches, axes=[0, 1, 2])
    patches = tf.math.divide_no_nan(patches - mean, tf.sqrt(variance))
    return tf.reshape(patches, (-1, _PATCH_SIDE**2 * patches.shape[-1]))


# === Pyramid ===


def level_sides(image_shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Returns height and width of each level, the finest first."""
    sides = [tuple(image_shape[:2])]
    while all(side % 2 == 0 and side >= 2 * _SMALLEST_LEVEL for side in sides[-1]):
        sides.append(tuple(side // 2 for side in sides[-1]))
    return sides


def laplacian_pyramid(images: tf.Tensor) -> list[tf.Tensor]:
    """Splits images into details of one size each, which, enlarged, add up to them again.

    Args:
        images: float32 `(number, height, width, channels)`, of which the sides are known.

    Returns:
        A tensor a level, the finest first and full size, each next one of half the sides.
    """
    levels = [images]
    for _ in level_sides(images.shape[1:])[1:]:
        finer = levels.pop()
        coarser = _blurred(finer)[:, ::2, ::2]
        levels += [finer - _enlarged(coarser), coarser]
    return levels


def _enlarged(images: tf.Tensor) -> tf.Tensor:
    _, height, width, channels = images.shape
    spread = images[:, :, tf.newaxis, :, tf.newaxis] * tf.reshape(
        tf.constant([1.0, 0.0, 0.0, 0.0]), (1, 1, 2, 1, 2, 1)
    )
    return 4.0 * _blurred(tf.reshape(spread, (-1, 2 * height, 2 * width, channels)))


def _blurred(images: tf.Tensor) -> tf.Tensor:
    channels = images.shape[-1]
    kernel = tf.constant(np.outer(_KERNEL, _KERNEL), tf.float32)
    kernel = tf.tile(kernel[..., tf.newaxis, tf.newaxis], (1, 1, channels, 1))
    padded = tf.pad(images, [[0, 0], [2, 2], [2, 2], [0, 0]], "REFLECT")
    return tf.nn.depthwise_conv2d(padded, kernel, (1, 1, 1, 1), "VALID")
