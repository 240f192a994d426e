"""An optimizer's next steps on tensors, through which gradients flow."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from zoo.common.optimizers import FusedAdam
from zoo.common.replicas import global_mean


class LookAhead:
    """What an optimizer would do next, without doing it.

        steps = LookAhead(optimizer)
        for _ in range(5):
            weights = steps.take(weights, gradients_at(weights))

    Keras's own steps assign to variables, and no gradient flows through an assignment. These are
    the same numbers, computed from tensors: how the last weights depend on whatever the gradients
    depend on is a matter of `tf.GradientTape`. They begin with the moments that the optimizer has,
    and change nothing of it. Its learning rate is that of its next step for all of them, and its
    variables' constraints hold after each.

    Args:
        optimizer: `keras.optimizers.SGD`, `Adam` or `FusedAdam`, built, or one of them in a
            `LossScaleOptimizer`.
        variables: those whose steps are taken, of the ones that the optimizer was built for.
            Defaults to `None`, all: some may have been frozen since.

    Raises:
        ValueError: if it is another, or has options whose effect would be left out: `amsgrad`,
            clipping, weight decay, accumulation or weights that averages replace.
    """

    def __init__(
        self,
        optimizer: keras.optimizers.Optimizer,
        variables: Sequence[keras.Variable] | None = None,
    ):
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            optimizer = optimizer.inner_optimizer
        _check(optimizer)
        self._optimizer = optimizer
        self._rate = tf.convert_to_tensor(optimizer.learning_rate)
        self._steps = tf.cast(optimizer.iterations, tf.float32)
        if variables is None:
            variables = optimizer._trainable_variables
        self._constraints = [each.constraint for each in variables]
        places = [optimizer._get_variable_index(each) for each in variables]
        if isinstance(optimizer, keras.optimizers.Adam):
            self._means = _tensors(optimizer._momentums, places)
            self._squares = _tensors(optimizer._velocities, places)
        elif optimizer.momentum:
            self._velocities = _tensors(optimizer.momentums, places)

    def take(self, weights: list[tf.Tensor], gradients: list[tf.Tensor]) -> list[tf.Tensor]:
        """Returns the weights after one more step.

        Args:
            weights: in the order of the variables.
            gradients: one for each.
        """
        self._steps += 1.0
        is_adam = isinstance(self._optimizer, keras.optimizers.Adam)
        moved = (self._adam if is_adam else self._gradient_descent)(weights, gradients)
        return [
            constraint(weight) if constraint else weight
            for constraint, weight in zip(self._constraints, moved, strict=True)
        ]

    def _gradient_descent(self, weights, gradients) -> list[tf.Tensor]:
        momentum, moves = self._optimizer.momentum, [-self._rate * each for each in gradients]
        if momentum:
            pairs = zip(self._velocities, moves, strict=True)
            self._velocities = [momentum * velocity + move for velocity, move in pairs]
            if self._optimizer.nesterov:
                pairs = zip(self._velocities, moves, strict=True)
                moves = [momentum * velocity + move for velocity, move in pairs]
            else:
                moves = self._velocities
        return [weight + move for weight, move in zip(weights, moves, strict=True)]

    def _adam(self, weights, gradients) -> list[tf.Tensor]:
        beta_1, beta_2 = self._optimizer.beta_1, self._optimizer.beta_2
        correction = tf.sqrt(1.0 - beta_2**self._steps) / (1.0 - beta_1**self._steps)
        self._means = [
            mean + (1.0 - beta_1) * (gradient - mean)
            for mean, gradient in zip(self._means, gradients, strict=True)
        ]
        self._squares = [
            square + (1.0 - beta_2) * (tf.square(gradient) - square)
            for square, gradient in zip(self._squares, gradients, strict=True)
        ]
        # The root of 0 has an infinite derivative, and a unit that is off has such squares.
        roots = [tf.sqrt(tf.maximum(square, 1e-30)) for square in self._squares]
        return [
            weight - self._rate * correction * mean / (root + self._optimizer.epsilon)
            for weight, mean, root in zip(weights, self._means, roots, strict=True)
        ]


def gradients_ahead(
    tape: tf.GradientTape,
    loss: tf.Tensor,
    weights: list[tf.Tensor],
    optimizer: keras.optimizers.Optimizer,
) -> list[tf.Tensor]:
    """Returns the gradients that a step ahead takes, over all replicas.

    Args:
        tape: that recorded the loss and watched the weights.
        loss: float32 scalar, this replica's.
        weights: to differentiate by.
        optimizer: whose steps are looked at; a `LossScaleOptimizer` scales the loss in between, so
            that what is small survives half precision.
    """
    scale = tf.cast(optimizer.scale_loss(1.0), tf.float32)
    gradients = tape.gradient(
        loss, weights, output_gradients=scale, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    gradients = [global_mean(gradient / scale) for gradient in gradients]
    if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return gradients
    # In half precision some overflow until the scale is found; Adam then goes on by its momentum.
    are_finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(each)) for each in gradients])
    return [tf.where(are_finite, each, tf.zeros_like(each)) for each in gradients]


def _tensors(slots: Sequence[keras.Variable], places: Sequence[int]) -> list[tf.Tensor]:
    return [tf.convert_to_tensor(slots[place].value) for place in places]


def _check(optimizer: keras.optimizers.Optimizer) -> None:
    # Exactly these, for a subclass has other steps.
    if type(optimizer) not in (keras.optimizers.SGD, keras.optimizers.Adam, FusedAdam):
        raise ValueError(
            "The steps of a discriminator can be unrolled whose optimizer is keras.optimizers.SGD "
            f"or Adam. Received: {type(optimizer).__name__}"
        )
    options = ("amsgrad", "clipnorm", "clipvalue", "global_clipnorm", "weight_decay")
    options += ("gradient_accumulation_steps", "ema_overwrite_frequency")
    given = [name for name in options if getattr(optimizer, name, None)]
    if given:
        raise ValueError(
            f"Unrolled steps know no {given[0]}; leave it out of the discriminator's optimizer. "
            f"Received: {given[0]}={getattr(optimizer, given[0])!r}"
        )
