"""What all measures of generated images share: how they hold a network, and add up replicas."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import keras
import tensorflow as tf

from zoo.common.shared_outputs import outputs_of


@dataclasses.dataclass(frozen=True, eq=False)
class _Held:
    """Keeps a network out of sight of Keras, which saves with a model all that it finds in it."""

    network: keras.Model


class GeneratorMeasure(keras.metrics.Metric):
    """A Keras metric of generated images beside real ones, taken through a fixed network.

    The network belongs to the measure, not to the model that is measured: a model that holds a
    measure neither trains nor saves the network's weights, nor the state of the measure.

    Under a strategy each replica adds up its own images; `result()` joins them, within
    `strategy.run` too. Create a measure inside the strategy's scope, as every Keras metric.

    Args:
        network: images float32 `(batch, height, width, channels)` in [-1, 1] → `(batch, size)`.
        argument: name of the argument that gave `network`, for messages.
        name: of the measure, and of its log.

    Raises:
        ValueError: if `network` is not a `keras.Model` that gives rows of a known size.
    """

    # Which values are better: "min", "max", or None where it is neither. A measure of several logs,
    # whose `result()` is a dictionary, has `directions` in its place, one by each log.
    direction: ClassVar[str | None] = "min"
    # Attributes without which a value can't be compared.
    settings: ClassVar[tuple[str, ...]] = ()
    # Of each kind; of fewer the value is NaN.
    least_images: int = 1

    def __init__(self, network: keras.Model, argument: str, name: str) -> None:
        # float32 also under a mixed policy, which would round results to three digits.
        super().__init__(name=name, dtype="float32")
        _check_network(network, argument)
        self._held = _Held(network)
        self._output_size = network.output_shape[-1]

    def held_network(self) -> keras.Model:
        """Returns the network that images go through; no property, for Keras would save it."""
        return self._held.network

    def outputs_for(self, images) -> tf.Tensor:
        """Runs the network, in inference mode: float32 `(batch, size)`; see `shared_outputs`."""
        images = tf.convert_to_tensor(images, tf.float32)
        self.check_image_shape(images.shape[1:])
        return tf.cast(outputs_of(self._held.network, images), tf.float32)

    def check_image_shape(self, image_shape) -> None:
        """Refuses images of another size than the network takes.

        Args:
            image_shape: (height, width, channels).

        Raises:
            ValueError: naming both.
        """
        takes = self._held.network.input_shape[1:]
        if not tf.TensorShape(image_shape).is_compatible_with(takes):
            raise ValueError(
                f"{self.name} takes images of shape {takes}; give it a network for yours. "
                f"Received: images of shape {tuple(image_shape)}."
            )

    def standard_errors(self) -> dict[str, float]:
        """Returns by log how far values spread by the chance that is in a draw of images.

        A log is left out where no cheap estimate exists: see its spread over seeds.
        """
        return {}

    def save_own_variables(self, store) -> None:
        """Saves nothing: what was measured is no part of a model."""

    def load_own_variables(self, store) -> None:
        """Loads nothing, as nothing is saved."""


def total(variable: keras.Variable) -> tf.Tensor:
    """Reads a variable of a measure, summed over the replicas wherever it is read."""
    value = variable.value
    strategy = getattr(value, "distribute_strategy", None)
    if strategy is None or strategy.num_replicas_in_sync == 1:
        return tf.convert_to_tensor(value)
    context = tf.distribute.get_replica_context()
    if context is not None and context.strategy is strategy:
        # Several workers can't reduce what was read without a device of its own.
        read = tf.identity(tf.convert_to_tensor(value))
        return context.all_reduce(tf.distribute.ReduceOp.SUM, read)
    with strategy.scope():
        return tf.convert_to_tensor(value)


def ratio_or_nan(numerator: tf.Tensor, denominator: tf.Tensor) -> tf.Tensor:
    """Divides; NaN where there is nothing to divide by, which XLA and eager mode agree on."""
    is_defined = denominator > 0
    quotient = numerator / tf.where(is_defined, denominator, tf.ones_like(denominator))
    return tf.where(is_defined, quotient, tf.cast(float("nan"), quotient.dtype))


def mean_with_error(values: tf.Tensor, usable: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the mean of float64 `(n,)` and its standard error as float32; NaN if not usable."""
    mean, variance = tf.nn.moments(values, axes=[0])
    number = tf.cast(tf.size(values), tf.float64)
    error = tf.sqrt(tf.maximum(variance, 0.0) / tf.maximum(number - 1.0, 1.0))
    return tuple(
        tf.cast(tf.where(usable, value, tf.cast(float("nan"), tf.float64)), tf.float32)
        for value in (mean, error)
    )


def check_equally_many(real, generated, name: str) -> None:
    """Refuses unequal numbers of rows.

    Raises:
        ValueError: naming both; InvalidArgumentError where they are known only when it runs.
    """
    if not real.shape[:1].is_compatible_with(generated.shape[:1]):
        raise ValueError(
            f"{name} needs as many generated as real images. Received: {generated.shape[0]} "
            f"generated and {real.shape[0]} real ones."
        )
    tf.debugging.assert_equal(
        tf.shape(real)[0],
        tf.shape(generated)[0],
        message=f"{name} needs as many generated as real images.",
    )


def _check_network(network, argument: str) -> None:
    output_shape = getattr(network, "output_shape", None) if callable(network) else None
    if not isinstance(output_shape, tuple) or len(output_shape) != 2 or output_shape[1] is None:
        found = f"output shape {output_shape}" if output_shape else type(network).__name__
        raise ValueError(
            f"`{argument}` must be a built keras.Model that gives rows of one size, as those of "
            f"`load_classifier` do (its `model` only where the images have labels). Received: "
            f"{found}."
        )
