"""Distances between the features of real and of generated images, added up batch by batch."""

from __future__ import annotations

import keras
import tensorflow as tf

from zoo.common.checks import as_integer
from zoo.metrics.measure import GeneratorMeasure, check_equally_many, ratio_or_nan, total

DEFAULT_BLOCK_SIZE = 250


class FrechetDistance(GeneratorMeasure):
    """Fréchet distance between two Gaussians fitted to real and to generated features.

        ‖μ_r − μ_g‖² + tr(Σ_r + Σ_g − 2 (Σ_r Σ_g)^½)

    Smaller is better, 0 at equal means and covariances. Covariances divide by n − 1, as TF-GAN's.
    The value falls as the number of images grows, by chance alone: compare values of one number
    of images and one extractor only. Take both from data that the generator did not train on:
    images it remembers score well.

    Sums are float64, so that nothing is lost that float32 features still held; any split of the
    data into batches gives the same value. With fewer images than features, Σ is singular and the
    value still finite. `result()` decomposes two matrices of num_features²: on a CPU about 1 ms at
    64 features, 10 ms at 256, 12 s at 2,048. There use `evaluate`, which calls it once. Never
    compile it with XLA, which takes minutes at 256.

    Args:
        feature_extractor: keras.Model, images float32 `(batch, height, width, channels)` in
            [-1, 1] → features `(batch, num_features)`.
        name: of the log. Defaults to "frechet_distance".

    Returns:
        From `result()`, a float32 scalar of 0 or more. NaN before there are two real and two
        generated images (Keras's 0.0 would be the best score), and once a feature was not finite.

    Raises:
        ValueError: if `feature_extractor` gives no rows, or images do not fit it.

    Reference: [Heusel et al., 2017](https://arxiv.org/abs/1706.08500)
    """

    least_images = 2  # a covariance takes two

    def __init__(self, feature_extractor: keras.Model, name: str = "frechet_distance") -> None:
        super().__init__(feature_extractor, "feature_extractor", name)
        self._real = self._add_moments("real")
        self._generated = self._add_moments("generated")

    def _add_moments(self, side: str) -> tuple[keras.Variable, keras.Variable, keras.Variable]:
        size = self._output_size
        return tuple(
            self.add_variable(shape, "zeros", "float64", name=f"{side}_{moment}")
            for moment, shape in (("count", ()), ("sum", (size,)), ("products", (size, size)))
        )

    def update_state(self, real_images, generated_images) -> None:
        """Adds a batch: two of float32 `(batch, height, width, channels)` in [-1, 1]."""
        for moments, images in (
            (self._real, real_images),
            (self._generated, generated_images),
        ):
            features = tf.cast(self.outputs_for(images), tf.float64)
            count, sum_of_features, sum_of_products = moments
            count.assign_add(tf.cast(tf.shape(features)[0], tf.float64))
            sum_of_features.assign_add(tf.reduce_sum(features, axis=0))
            sum_of_products.assign_add(tf.matmul(features, features, transpose_a=True))

    def result(self) -> tf.Tensor:
        """Returns the distance of all images since `reset_state`."""
        real_mean, real_covariance, real_usable = _mean_and_covariance(*self._real)
        mean, covariance, usable = _mean_and_covariance(*self._generated)
        distance = tf.reduce_sum(tf.square(real_mean - mean)) + _covariance_distance(
            real_covariance, covariance
        )
        distance = tf.where(real_usable & usable, distance, tf.cast(float("nan"), tf.float64))
        return tf.cast(distance, tf.float32)


def _mean_and_covariance(count, sum_of_features, sum_of_products):
    """Returns float64 mean `(d,)` and covariance `(d, d)`, and whether they can be used."""
    count, sum_of_features, products = total(count), total(sum_of_features), total(sum_of_products)
    mean = sum_of_features / tf.maximum(count, 1.0)
    scatter = products - count * tf.tensordot(mean, mean, axes=0)
    usable = (count > 1) & tf.reduce_all(tf.math.is_finite(scatter))
    # The decomposition of a matrix that is not finite fails, where a NaN should be reported.
    scatter = tf.where(usable, scatter, tf.zeros_like(scatter))
    return mean, scatter / tf.maximum(count - 1.0, 1.0), usable


def _covariance_distance(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Computes tr(A + B − 2 (AB)^½), of which (A^½ B A^½)^½ has the same trace and is symmetric."""
    root = _square_root(first)
    eigenvalues = tf.linalg.eigvalsh(_symmetric(root @ second @ root))
    trace_of_root = tf.reduce_sum(tf.sqrt(tf.maximum(eigenvalues, 0.0)))
    distance = tf.linalg.trace(first) + tf.linalg.trace(second) - 2.0 * trace_of_root
    # Rounding may take the distance of two equal covariances a hair below 0.
    return tf.maximum(distance, 0.0)


def _square_root(matrix: tf.Tensor) -> tf.Tensor:
    eigenvalues, eigenvectors = tf.linalg.eigh(_symmetric(matrix))
    # Rounding makes the zeros of a singular matrix slightly negative.
    roots = tf.sqrt(tf.maximum(eigenvalues, 0.0))
    return tf.matmul(eigenvectors * roots, eigenvectors, transpose_b=True)


def _symmetric(matrix: tf.Tensor) -> tf.Tensor:
    return (matrix + tf.transpose(matrix)) / 2.0


class KernelDistance(GeneratorMeasure):
    """Kernel distance (KID): the squared maximum mean discrepancy of features, without bias.

        E k(x, x′) + E k(y, y′) − 2 E k(x, y),    k(a, b) = (a·b / num_features + 1)³

    Smaller is better. Having no bias, it is 0 on average at equal distributions, so it may come
    out negative, and it does not fall with the number of images, as the Fréchet distance does.

    Features are collected in the order they come into blocks of `block_size` real and as many
    generated images. The value is the mean of the unbiased estimates of all full blocks. A rest
    that fills no block is left out, unless there is no full block at all: then it is the estimate
    of that rest. Give real images in random order: blocks of one class each are far from
    any generator. Any split of the data into batches gives the same value. Under a strategy each
    replica fills blocks of its own, so the blocks, and hence the value, differ from those of one
    replica by chance.

    Args:
        feature_extractor: keras.Model, images float32 `(batch, height, width, channels)` in
            [-1, 1] → features `(batch, num_features)`.
        block_size: images in a block. Defaults to 250, which divides the test sets of this zoo
            even when two replicas share them; the estimate is unbiased at any size, larger blocks
            vary less and take memory and time that grow with the square.
        name: of the log. Defaults to "kernel_distance".

    Returns:
        From `result()`, a float32 scalar. NaN before two images were seen of each kind (Keras's
        0.0 would pass for a good score), and once a feature was not finite.

    Raises:
        ValueError: if `feature_extractor` gives no rows, images do not fit it, real and generated
            images are not equally many, or `block_size` is below 2.

    Reference: [Bińkowski et al., 2018](https://arxiv.org/abs/1801.01401); blocks as in
    [Zaremba et al., 2013](https://arxiv.org/abs/1307.1954).
    """

    settings = ("block_size",)
    least_images = 2  # the estimate compares pairs

    def __init__(
        self,
        feature_extractor: keras.Model,
        block_size: int = DEFAULT_BLOCK_SIZE,
        name: str = "kernel_distance",
    ) -> None:
        super().__init__(feature_extractor, "feature_extractor", name)
        # The estimate compares pairs.
        self.block_size = block_size = as_integer("block_size", block_size, least=2)
        shape = (block_size, self._output_size)
        self._real_rest = self.add_variable(shape, "zeros", "float32", name="real_rest")
        self._generated_rest = self.add_variable(shape, "zeros", "float32", name="generated_rest")
        self._rest_size = self.add_variable((), "zeros", "float64", name="rest_size")
        # (sum of the estimates, number of them), of full blocks and of a rest of two or more.
        self._of_blocks = self.add_variable((2,), "zeros", "float64", name="of_blocks")
        self._of_rest = self.add_variable((2,), "zeros", "float64", name="of_rest")

    def update_state(self, real_images, generated_images) -> None:
        """Adds a batch: two of float32 `(batch, height, width, channels)` in [-1, 1]."""
        real, generated = self.outputs_for(real_images), self.outputs_for(generated_images)
        check_equally_many(real, generated, self.name)
        rest_size = tf.cast(self._rest_size.value, tf.int32)
        num_images = rest_size + tf.shape(real)[0]
        # Shapes depend on those of the batch alone, not on how full the block is: XLA needs that.
        num_blocks = (self.block_size - 1 + tf.shape(real)[0]) // self.block_size + 1
        sizes = tf.clip_by_value(
            num_images - self.block_size * tf.range(num_blocks), 0, self.block_size
        )
        is_full = sizes == self.block_size
        is_rest = (sizes > 1) & ~is_full
        real = _in_blocks(self._real_rest.value, rest_size, real, num_blocks)
        generated = _in_blocks(self._generated_rest.value, rest_size, generated, num_blocks)
        estimates = _squared_discrepancies(real, generated, sizes)
        self._of_blocks.assign_add(_sum_and_number(estimates, is_full))
        self._of_rest.assign(_sum_and_number(estimates, is_rest))
        next_block = tf.reduce_sum(tf.cast(is_full, tf.int32))
        self._real_rest.assign(real[next_block])
        self._generated_rest.assign(generated[next_block])
        self._rest_size.assign(tf.cast(sizes[next_block], tf.float64))

    def result(self) -> tf.Tensor:
        """Returns the mean estimate of the blocks since `reset_state`."""
        of_blocks, of_rest = total(self._of_blocks), total(self._of_rest)
        sum_and_number = tf.where(of_blocks[1] > 0, of_blocks, of_rest)
        return tf.cast(ratio_or_nan(sum_and_number[0], sum_and_number[1]), tf.float32)


def _in_blocks(rest, rest_size, features, num_blocks) -> tf.Tensor:
    """Lines up the rest and the new features: `(num_blocks, block_size, d)`, the end arbitrary."""
    block_size = rest.shape[0]
    places = tf.range(num_blocks * block_size)
    rows = tf.where(places < rest_size, places, places - rest_size + block_size)
    rows = tf.minimum(rows, block_size + tf.shape(features)[0] - 1)
    lined_up = tf.gather(tf.concat([rest, features], axis=0), rows)
    return tf.reshape(lined_up, (num_blocks, block_size, rest.shape[1]))


def _squared_discrepancies(real, generated, sizes) -> tf.Tensor:
    """Estimates, without bias, from the first `sizes[b]` rows of each block: float64 `(b,)`."""
    counted = tf.sequence_mask(sizes, real.shape[1])
    # Set to 0, for a NaN among the rows not counted would outlast a weight of 0.
    real, generated = (
        tf.where(counted[..., None], tf.cast(features, tf.float64), 0.0)
        for features in (real, generated)
    )
    weights = tf.cast(counted, tf.float64)
    pairs = weights[:, :, None] * weights[:, None, :]
    different = pairs - tf.linalg.diag(weights)
    size = tf.cast(tf.maximum(sizes, 2), tf.float64)
    within = _sum_of(_kernel(real, real) + _kernel(generated, generated), different)
    between = _sum_of(_kernel(real, generated), pairs)
    return within / (size * (size - 1.0)) - 2.0 * between / tf.square(size)


def _kernel(first, second) -> tf.Tensor:
    products = tf.matmul(first, second, transpose_b=True)
    return tf.pow(products / tf.cast(tf.shape(first)[-1], tf.float64) + 1.0, 3.0)


def _sum_of(values, weights) -> tf.Tensor:
    return tf.reduce_sum(values * weights, axis=(1, 2))


def _sum_and_number(estimates, chosen) -> tf.Tensor:
    chosen_sum = tf.reduce_sum(tf.where(chosen, estimates, 0.0))
    return tf.stack([chosen_sum, tf.reduce_sum(tf.cast(chosen, tf.float64))])
