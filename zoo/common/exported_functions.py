"""What the functions of an export have in common: images in [0, 1], and what they refuse.

An assertion runs where the function does, in whatever process has loaded the export. Nothing in
these functions is Python that must be translated, and to look for some takes as long as to trace.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

# More than any machine makes at once; a slip such as 10⁹ is named before memory is asked for.
MOST_IMAGES = 100_000

# What each input and output may hold, lowest and highest; for one that is missing, anything finite.
VALUE_RANGES: dict[str, tuple[float, float | None]] = {
    "images": (0.0, 1.0),
    "probabilities": (0.0, 1.0),
    "truncation": (0.0, 1.0),
    "num": (1, MOST_IMAGES),
    "seed": (0, None),
}

# As for images in [-1, 1]: what resizing and half precision may round to.
_TOLERANCE = 5e-4


def to_unit_range(images: tf.Tensor) -> tf.Tensor:
    """Returns images in [-1, 1] as float32 in [0, 1]."""
    return (tf.cast(images, tf.float32) + 1.0) / 2.0


def from_unit_range(images: tf.Tensor) -> tf.Tensor:
    """Returns images in [0, 1] in [-1, 1], as networks take them."""
    return 2.0 * images - 1.0


@dataclasses.dataclass(frozen=True, eq=False)
class ReusableCall:
    """What the root of a SavedModel does when it is called.

    That is TF-Hub's reusable interface: https://www.tensorflow.org/hub/reusable_saved_models.

    Attributes:
        function: `(inputs, training=False)`.
        inputs: their form, a `tf.TensorSpec` or a list of them.
        traces: for `training=False` and `training=True`.
    """

    function: tf.types.experimental.PolymorphicFunction
    inputs: Any
    traces: tuple[tf.types.experimental.ConcreteFunction, ...]


def reusable(function: Callable[[Any, bool], tf.Tensor], inputs: Any) -> ReusableCall:
    """Traces a function of `(inputs, training)`; see `ReusableCall`."""

    @tf.function(autograph=False)
    def call(inputs, training=False):
        return function(inputs, training)

    traces = tuple(call.get_concrete_function(inputs, training=each) for each in (False, True))
    return ReusableCall(call, inputs, traces)


# === Refusals ===


def require_images(images: tf.Tensor) -> tf.Tensor:
    """Returns the images, or stops where there are none or a pixel is not in [0, 1]."""
    images = require_rows(images, "images")
    lowest, highest = tf.reduce_min(images), tf.reduce_max(images)  # NaN if one pixel is
    return _checked(
        images,
        (lowest >= -_TOLERANCE) & (highest <= 1.0 + _TOLERANCE),
        "Images must have pixels in [0, 1], of bytes images / 255, and none that is not a number. "
        "Received: pixels from, to",
        lowest,
        highest,
    )


def require_sides(images: tf.Tensor, multiple: int) -> tf.Tensor:
    """Returns the images, or stops where a side is not a multiple of this."""
    sides = tf.shape(images)[1:3]
    return _checked(
        images,
        tf.reduce_all(sides % multiple == 0),
        f"Images must have sides that are multiples of {multiple}. Received: height and width",
        sides,
    )


def require_finite(numbers: tf.Tensor, name: str) -> tf.Tensor:
    """Returns rows of numbers, or stops where there are none or one is not finite."""
    numbers = require_rows(numbers, name)
    return _checked(
        numbers,
        tf.reduce_all(tf.math.is_finite(numbers)),
        f"`{name}` must be finite. Received: NaN or infinity in a batch of shape",
        tf.shape(numbers),
    )


def require_rows(batch: tf.Tensor, name: str) -> tf.Tensor:
    """Returns the batch, or stops where it is empty or of another shape than the function's."""
    wanted = batch.shape.as_list()
    # Who calls by a signature, as TF Serving does, may hand over any shape; that of the tensor
    # itself is what the function declares, and a comparison with that would be optimised away.
    shape = tf.shape(tf.compat.v1.placeholder_with_default(batch, None))
    # No side is -1: so many sides there must be, and after them none.
    sides = tf.concat([shape, [-1] * (len(wanted) + 1)], axis=0)[: len(wanted) + 1]
    least = [*(size or 1 for size in wanted), -1]
    most = [*(size or tf.int32.max for size in wanted), -1]
    form = ", ".join(["batch", *("any" if size is None else str(size) for size in wanted[1:])])
    return _checked(
        batch,
        tf.reduce_all((sides >= least) & (sides <= most)),
        f"`{name}` must have the shape ({form}), batch one or more. Received: shape",
        shape,
    )


def require_number(num: tf.Tensor) -> tf.Tensor:
    """Returns how many images to make, or stops where it is none or too many at once."""
    return _checked(
        num,
        (num >= 1) & (num <= MOST_IMAGES),
        f"`num` must be from 1 to {MOST_IMAGES:,}; call again with another seed for more. "
        "Received: num =",
        num,
    )


def require_seed(seed: tf.Tensor) -> tf.Tensor:
    """Returns the seed, or stops where it is negative."""
    return _checked(seed, seed >= 0, "`seed` must be 0 or more. Received: seed =", seed)


def require_truncation(truncation: tf.Tensor) -> tf.Tensor:
    """Returns the truncation, or stops where it is not in [0, 1]."""
    return _checked(
        truncation,
        (truncation >= 0.0) & (truncation <= 1.0),
        "`truncation` must be from 0, the most typical images, to 1, all of them. Received: "
        "truncation =",
        truncation,
    )


def _checked(tensor: tf.Tensor, condition: tf.Tensor, message: str, *received) -> tf.Tensor:
    # The operation itself: `tf.debugging.Assert` puts a branch around it, which costs more.
    check = tf.raw_ops.Assert(condition=condition, data=[message, *received], summarize=8)
    # Nothing that takes the tensor begins before the check is through.
    with tf.control_dependencies([check]):
        return tf.identity(tensor)
