"""Which modes of the data does a generator make, how well, and how evenly?

    ring = zoo.datasets.ring_of_gaussians()
    modes = metrics.PointModes(ring)
    measures = [metrics.ModesCovered(modes), metrics.HighQualityShare(modes)]
    metrics.evaluate(measures, ring.batches(250).take(10), model.generate)  # of 2,500 points

Of points in the plane the modes are known; of stacked digits a classifier names them. A mode is
covered if one sample of it was seen that counts: of points, one of high quality, as in Lin et al.
2018 (PacGAN); of stacks any, as in Metz et al. 2016, though it be junk. All depends on the number
of samples, so quote it.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import keras
import tensorflow as tf

from zoo.datasets.modes import PointMixture
from zoo.metrics.measure import ratio_or_nan, total

# A point is of high quality within so many standard deviations of a mode.
HIGH_QUALITY_SIGMAS = 3.0
# A stack is, if the classifier is as sure as that of each of its digits.
HIGH_QUALITY_CONFIDENCE = 0.9

# Of points that are drawn from the data, exp(−3²/2) lie further out.
_SHARE_WITHIN = 1.0 - math.exp(-(HIGH_QUALITY_SIGMAS**2) / 2)
# Those within vary less: E[r² | r < 3] / E[r²], for a radius r of two normal coordinates.
_VARIANCE_WITHIN = 1.0 - HIGH_QUALITY_SIGMAS**2 / 2 * (1 - _SHARE_WITHIN) / _SHARE_WITHIN


def true_high_quality_share() -> float:
    """Returns the share of high quality among points of the data themselves, 98.89 %."""
    return _SHARE_WITHIN


def divergence_floor(num_modes: int, num_samples: int) -> float:
    """Returns the divergence that so many perfect samples have on average, by chance alone.

    It is (K − 1) / 2N for N samples of K modes where N is several times K: 0.0192 for 26,000
    samples of 1,000 modes.
    """
    return (num_modes - 1) / (2 * num_samples)


# === Finding modes ===


class Found(NamedTuple):
    """The modes of the samples of a batch.

    Attributes:
        modes: int32 `(batch,)`, the nearest or likeliest.
        is_good: bool `(batch,)`, whether the sample is of high quality.
        counts: bool `(batch,)`, whether it is counted for its mode.
    """

    modes: tf.Tensor
    is_good: tf.Tensor
    counts: tf.Tensor


class Modes(Protocol):
    """Finds the modes of samples.

    Attributes:
        number: of modes, K.
        sample_shape: of one sample.
    """

    number: int
    sample_shape: tuple[int, ...]

    def find(self, samples: tf.Tensor) -> Found:
        """Returns where the samples of a batch belong."""


class PointModes:
    """The modes of a mixture in the plane: the nearest centre.

    Points within 3 standard deviations of it are of high quality, and they alone are counted.

    Args:
        mixture: what the points should be of.
    """

    def __init__(self, mixture: PointMixture):
        self.mixture = mixture
        self.number = len(mixture.centres)
        self.sample_shape = (2,)

    def find(self, samples: tf.Tensor) -> Found:
        """Returns where points `(batch, 2)` belong."""
        centres = tf.constant(self.mixture.centres, tf.float32)
        distances = tf.norm(samples[:, tf.newaxis] - centres, axis=-1)
        is_good = tf.reduce_min(distances, axis=1) < HIGH_QUALITY_SIGMAS * self.mixture.sigma
        modes = tf.argmin(distances, axis=1, output_type=tf.int32)
        return Found(modes, is_good, counts=is_good)


class StackModes:
    """The modes of stacked images: the likeliest class of each channel, together one number.

    Every stack is counted. Those are of high quality in each of whose channels the classifier gives
    its class a probability of 0.9 or more.

    Args:
        classifier: keras.Model, images float32 `(batch, height, width, 1)` in [-1, 1] →
            probabilities `(batch, num_classes)`.
        num_digits: channels of a stack.

    Attributes:
        network: the classifier.

    Raises:
        ValueError: if `classifier` takes or gives something else.
    """

    def __init__(self, classifier: keras.Model, num_digits: int):
        takes = getattr(classifier, "input_shape", None)
        gives = getattr(classifier, "output_shape", ())
        if takes is None or len(takes) != 4 or takes[-1] != 1 or len(gives) != 2:
            raise ValueError(
                "`classifier` must be a keras.Model of grey images that gives rows of "
                "probabilities, such as `load_classifier('mnist_small').model`. Received: a "
                f"{type(classifier).__name__} that takes {takes} and gives {gives}"
            )
        self.network = classifier
        self._num_classes = gives[-1]
        self.number = self._num_classes**num_digits
        self.sample_shape = (*takes[1:3], num_digits)

    def find(self, samples: tf.Tensor) -> Found:
        """Returns where stacks `(batch, height, width, num_digits)` belong."""
        height, width, num_digits = self.sample_shape
        digits = tf.reshape(tf.transpose(samples, (0, 3, 1, 2)), (-1, height, width, 1))
        probabilities = tf.cast(self.network(digits, training=False), tf.float32)
        probabilities = tf.reshape(probabilities, (-1, num_digits, self._num_classes))
        classes = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
        places = [self._num_classes**place for place in reversed(range(num_digits))]
        confidence = tf.reduce_min(tf.reduce_max(probabilities, axis=-1), axis=1)
        modes = tf.reduce_sum(classes * tf.constant(places), axis=1)
        is_good = confidence >= HIGH_QUALITY_CONFIDENCE
        return Found(modes, is_good, counts=tf.ones_like(is_good))


# === Measures ===


class _OfModes(keras.metrics.Metric):
    """Counts generated samples by mode, over all replicas; what it is asked is a subclass's."""

    def __init__(self, modes: Modes, name: str) -> None:
        # float32 also under a mixed policy, which would round results to three digits.
        super().__init__(name=name, dtype="float32")
        self.modes = modes
        self._counts = self.add_variable((modes.number,), "zeros", "float64", name="counts")
        self._good = self.add_variable((), "zeros", "float64", name="good")
        self._samples = self.add_variable((), "zeros", "float64", name="samples")

    def check_image_shape(self, image_shape) -> None:
        """Refuses samples of another shape than those whose modes are known.

        Raises:
            ValueError: naming both.
        """
        if tuple(image_shape) != tuple(self.modes.sample_shape):
            raise ValueError(
                f"{self.name} knows modes of samples of shape {self.modes.sample_shape}. Received: "
                f"samples of shape {tuple(image_shape)}."
            )

    def held_network(self) -> keras.Model | None:
        """Returns what finds the modes, if that is a network."""
        return getattr(self.modes, "network", None)

    def update_state(self, real_images, generated_images) -> None:
        """Adds a batch of generated samples; `real_images` are not looked at."""
        samples = tf.convert_to_tensor(generated_images, tf.float32)
        self.check_image_shape(samples.shape[1:])
        self._add(samples, self.modes.find(samples))

    def _add(self, samples: tf.Tensor, found: Found) -> None:
        self._counts.assign_add(_sums_by_mode(found.counts, found, self.modes.number))
        self._good.assign_add(_number_of(found.is_good))
        self._samples.assign_add(_number_of(tf.ones_like(found.is_good)))


class ModesCovered(_OfModes):
    """The number of modes of which a sample was seen that counts, K at best.

    Args:
        modes: finds them, `PointModes` or `StackModes`.
        name: of the log. Defaults to "modes".
    """

    direction = "max"

    def __init__(self, modes: Modes, name: str = "modes") -> None:
        super().__init__(modes, name)

    def result(self) -> tf.Tensor:
        """Returns the number over all samples since `reset_state`, as float32."""
        return tf.cast(tf.math.count_nonzero(total(self._counts)), tf.float32)


class HighQualityShare(_OfModes):
    """The share of the samples that are of high quality.

    Points of the data have 98.89 %, give or take 0.21 % where they are 2,500: more says that modes
    have shrunk.

    Args:
        modes: says which are, `PointModes` or `StackModes`.
        name: of the log. Defaults to "high_quality".
    """

    direction = "max"

    def __init__(self, modes: Modes, name: str = "high_quality") -> None:
        super().__init__(modes, name)

    def result(self) -> tf.Tensor:
        """Returns the share in [0, 1] over all samples since `reset_state`; NaN of none."""
        return tf.cast(ratio_or_nan(total(self._good), total(self._samples)), tf.float32)


class ModeDivergence(_OfModes):
    """How unevenly samples fall on the modes: the divergence of their shares from equal ones.

        KL(p̂ ‖ 1/K) = Σ_k p̂_k log(K p̂_k)

    0 is best and never reached, see `divergence_floor`; log K is all samples in one mode, and what
    is said where no sample counts. This is the "reverse KL" of the papers.

    Args:
        modes: finds them, `PointModes` or `StackModes`.
        name: of the log. Defaults to "mode_divergence".
    """

    direction = "min"

    def __init__(self, modes: Modes, name: str = "mode_divergence") -> None:
        super().__init__(modes, name)

    def result(self) -> tf.Tensor:
        """Returns the divergence in nats over all samples since `reset_state`."""
        counts, number = total(self._counts), tf.cast(self.modes.number, tf.float64)
        sum_of_counts = tf.reduce_sum(counts)
        shares = tf.math.divide_no_nan(counts, sum_of_counts)
        divergence = tf.reduce_sum(tf.math.xlogy(shares, number * shares))
        return tf.cast(tf.where(sum_of_counts > 0, divergence, tf.math.log(number)), tf.float32)


class ModeSpread(_OfModes):
    """How wide the generated modes are, as a multiple of the true ones: σ̂ / σ.

    The standard deviation of points of high quality about the mean of those of their mode, over all
    modes, divided by what points of the data have, of which the cut at 3 standard deviations takes
    off 2.6 %. So 1 is best, and 0 is one point a mode, or none.

    Args:
        modes: of the mixture.
        name: of the log. Defaults to "mode_spread".
    """

    def __init__(self, modes: PointModes, name: str = "mode_spread") -> None:
        super().__init__(modes, name)
        shape = (modes.number, 2)
        self._sums = self.add_variable(shape, "zeros", "float64", name="sums")
        self._squares = self.add_variable(shape, "zeros", "float64", name="squares")

    def _add(self, samples: tf.Tensor, found: Found) -> None:
        super()._add(samples, found)
        centres = tf.gather(tf.constant(self.modes.mixture.centres, tf.float32), found.modes)
        # From the centre, for the squares of large numbers hide a small variance.
        offsets = tf.cast(tf.where(found.is_good[:, tf.newaxis], samples - centres, 0), tf.float64)
        self._sums.assign_add(_sums_by_mode(offsets, found, self.modes.number))
        self._squares.assign_add(_sums_by_mode(tf.square(offsets), found, self.modes.number))

    def result(self) -> tf.Tensor:
        """Returns the ratio over all points since `reset_state`."""
        counts = total(self._counts)[:, tf.newaxis]
        squares_of_sums = tf.math.divide_no_nan(tf.square(total(self._sums)), counts)
        about_means = tf.reduce_sum(total(self._squares) - squares_of_sums)
        # Each mode's mean takes one point off, along either axis.
        freedom = 2.0 * tf.reduce_sum(tf.maximum(counts - 1.0, 0.0))
        variance = tf.math.divide_no_nan(about_means, freedom)
        true_variance = _VARIANCE_WITHIN * self.modes.mixture.sigma**2
        return tf.cast(tf.sqrt(tf.maximum(variance, 0.0) / true_variance), tf.float32)


def _sums_by_mode(values: tf.Tensor, found: Found, number: int) -> tf.Tensor:
    return tf.math.unsorted_segment_sum(tf.cast(values, tf.float64), found.modes, number)


def _number_of(flags: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(flags, tf.float64))
