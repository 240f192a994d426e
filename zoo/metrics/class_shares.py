"""What a classifier of the real images says of generated ones: how surely, and which classes."""

from __future__ import annotations

import keras
import tensorflow as tf

from zoo.metrics.measure import GeneratorMeasure, ratio_or_nan, total


class MeanConfidence(GeneratorMeasure):
    """How sure a classifier is of generated images: the mean over them of max_k p(k | x).

    1 is best, 1/K is a guess among K classes. Images that belong to no class, or lie between
    two, get less; so do unusual real ones, so the value on real images is the one to aim at. A
    classifier may be sure of sheer noise too: read it beside a distance, never alone.

    Args:
        classifier: keras.Model, images float32 `(batch, height, width, channels)` in [-1, 1] →
            probabilities `(batch, num_classes)`.
        name: of the log. Defaults to "mean_confidence".

    Returns:
        From `result()`, a float32 scalar in [1/K, 1]. NaN before any image was seen.

    Raises:
        ValueError: if `classifier` gives no rows, or images do not fit it.
    """

    direction = "max"

    def __init__(self, classifier: keras.Model, name: str = "mean_confidence") -> None:
        super().__init__(classifier, "classifier", name)
        self._sum = self.add_variable((), "zeros", "float64", name="sum")
        self._count = self.add_variable((), "zeros", "float64", name="count")

    def update_state(self, real_images, generated_images) -> None:
        """Adds a batch of generated images; `real_images` are not looked at."""
        confidences = tf.reduce_max(self.outputs_for(generated_images), axis=1)
        self._sum.assign_add(tf.reduce_sum(tf.cast(confidences, tf.float64)))
        self._count.assign_add(tf.cast(tf.shape(confidences)[0], tf.float64))

    def result(self) -> tf.Tensor:
        """Returns the mean over all images since `reset_state`."""
        return tf.cast(ratio_or_nan(total(self._sum), total(self._count)), tf.float32)


class ClassImbalance(GeneratorMeasure):
    """The largest factor by which a class's share of the generated images departs from uniform.

        max_k max(K s_k, 1 / (K s_k)),    s_k the share of images taken for class k of K

    1 is best: every class has its share of 1/K. 2 means that some class has twice its share or
    half of it, and none departs further. A class with no image at all counts as a factor of n,
    the number of images seen, where the formula has ∞: no less than any class with an image can
    give once there are K images, and finite, as logs must be. So too few images for K classes give
    a large value.

    Args:
        classifier: keras.Model, images float32 `(batch, height, width, channels)` in [-1, 1] →
            probabilities `(batch, num_classes)`, whose largest decides.
        name: of the log. Defaults to "class_imbalance".

    Returns:
        From `result()`, a float32 scalar of 1 or more. NaN before any image was seen.

    Raises:
        ValueError: if `classifier` gives no rows, or images do not fit it.
    """

    def __init__(self, classifier: keras.Model, name: str = "class_imbalance") -> None:
        super().__init__(classifier, "classifier", name)
        self._counts = self.add_variable((self._output_size,), "zeros", "float64", name="counts")

    def update_state(self, real_images, generated_images) -> None:
        """Adds a batch of generated images; `real_images` are not looked at."""
        classes = tf.argmax(self.outputs_for(generated_images), axis=1)
        one_hot = tf.one_hot(classes, self._output_size, dtype=tf.float64)
        self._counts.assign_add(tf.reduce_sum(one_hot, axis=0))

    def result(self) -> tf.Tensor:
        """Returns the largest factor over all images since `reset_state`."""
        counts = total(self._counts)
        num_images = tf.reduce_sum(counts)
        # A missing class counts as 1/K of an image, of which the factor is n.
        num_classes = tf.cast(self._output_size, tf.float64)
        counts = tf.maximum(counts, 1.0 / num_classes)
        excess = ratio_or_nan(num_classes * tf.reduce_max(counts), num_images)
        lack = num_images / (num_classes * tf.reduce_min(counts))
        return tf.cast(tf.maximum(excess, lack), tf.float32)


class ClassifierScore(GeneratorMeasure):
    """The form of the Inception score, on any classifier.

        exp E KL(p(k | x) ‖ E p(k | x))

    1 is worst: every image has the same probabilities. K, the number of classes, is best: every
    image is surely of one class, and each class has its share. It sees neither what varies within
    a class nor whether an image is real; noise that a classifier is sure of scores well. Rather
    trust a distance. Values of two classifiers are not comparable, nor with the Inception scores of
    papers, which are means over ten tenths of 50,000 images.

    The score of few images is too small on average: compare equal numbers.

    Args:
        classifier: keras.Model, images float32 `(batch, height, width, channels)` in [-1, 1] →
            probabilities `(batch, num_classes)`.
        name: of the log. Defaults to "classifier_score".

    Returns:
        From `result()`, a float32 scalar in [1, K]. NaN before any image was seen.

    Raises:
        ValueError: if `classifier` gives no rows, or images do not fit it.

    Reference: [Salimans et al., 2016](https://arxiv.org/abs/1606.03498)
    """

    direction = "max"

    def __init__(self, classifier: keras.Model, name: str = "classifier_score") -> None:
        super().__init__(classifier, "classifier", name)
        size = self._output_size
        # Of the row (p, Σ p log p), of which all that is asked for are moments.
        self._count = self.add_variable((), "zeros", "float64", name="count")
        self._sum = self.add_variable((size + 1,), "zeros", "float64", name="sum")
        self._products = self.add_variable(
            (size + 1, size + 1), "zeros", "float64", name="products"
        )

    def update_state(self, real_images, generated_images) -> None:
        """Adds a batch of generated images; `real_images` are not looked at."""
        probabilities = tf.cast(self.outputs_for(generated_images), tf.float64)
        negative_entropies = tf.reduce_sum(tf.math.xlogy(probabilities, probabilities), axis=1)
        rows = tf.concat([probabilities, negative_entropies[:, tf.newaxis]], axis=1)
        self._count.assign_add(tf.cast(tf.shape(rows)[0], tf.float64))
        self._sum.assign_add(tf.reduce_sum(rows, axis=0))
        self._products.assign_add(tf.matmul(rows, rows, transpose_a=True))

    def result(self) -> tf.Tensor:
        """Returns the score of all images since `reset_state`."""
        means = ratio_or_nan(total(self._sum), total(self._count))
        shares, negative_entropy = means[:-1], means[-1]
        divergence = negative_entropy - tf.reduce_sum(tf.math.xlogy(shares, shares))
        # Rounding may take the divergence of equal probabilities a hair below 0.
        return tf.cast(tf.exp(tf.maximum(divergence, 0.0)), tf.float32)

    def standard_errors(self) -> dict[str, float]:
        """Returns that of the score, by the delta method over images."""
        count = total(self._count)
        means = ratio_or_nan(total(self._sum), count)
        # An image counts with its KL(p ‖ mean), a weighted sum of its row.
        logs = tf.where(means[:-1] > 0, tf.math.log(means[:-1]), 0.0)
        weights = tf.concat([-logs, [1.0]], axis=0)
        mean = tf.tensordot(weights, means, 1)
        square = tf.tensordot(weights, tf.linalg.matvec(total(self._products), weights), 1) / count
        error = tf.sqrt(tf.maximum(square - mean**2, 0.0) / tf.maximum(count - 1.0, 1.0))
        return {self.name: float(tf.exp(mean) * error)}
