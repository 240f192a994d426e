"""Optimizers that Keras lacks."""

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable(package="zoo")
class FusedAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` whose update of a variable is one operation.

    Keras composes it of a dozen, each of which goes once more through the weights; TensorFlow has
    one that goes through weights, gradient and both moments once. The numbers are Keras's but for
    rounding, that of 1 - β₂ to single precision above all (1e-5 of the second moment at 0.999).
    Arguments and slots are Keras's: a checkpoint of either is one of the other.

    Reference: [Kingma & Ba, 2014](https://arxiv.org/abs/1412.6980)
    """

    def update_step(self, gradient, variable, learning_rate):
        """Updates `variable` and its two moments; Keras calls it for each variable of a step."""
        if self.amsgrad or isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        steps = ops.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=ops.power(self.beta_1, steps),
            beta2_power=ops.power(self.beta_2, steps),
            lr=ops.cast(learning_rate, variable.dtype),
            beta1=ops.cast(self.beta_1, variable.dtype),
            beta2=ops.cast(self.beta_2, variable.dtype),
            epsilon=ops.cast(self.epsilon, variable.dtype),
            grad=ops.cast(gradient, variable.dtype),
        )


@keras.saving.register_keras_serializable(package="zoo")
class RootEpsilonAdam(keras.optimizers.Adam):
    """Adam with its ε inside the square root, as the code of Salimans et al. 2016 has it.

        w ← w − rate · m̂ / √(v̂ + ε)

    `keras.optimizers.Adam` divides by √v̂ + ε with an ε of 1e-7 instead. The two differ where
    gradients are small: below √ε = 1e-4 a step shrinks with its gradient here, but keeps the length
    of the rate there. A mean over many units, as feature matching is, has such gradients, and a
    generator that can't take smaller steps never settles (docs/experiments/semi_supervised_gan.md).

    Args:
        learning_rate: a float or a schedule of `keras.optimizers.schedules`. Defaults to 0.001.
        beta_1: decay of the mean m of the gradients. Defaults to 0.9.
        beta_2: decay of the mean v of their squares. Defaults to 0.999.
        epsilon_root: ε; other libraries call it `eps_root`. Defaults to 1e-8, as in that code.
        **kwargs: those of `keras.optimizers.Optimizer`.

    Raises:
        ValueError: if `epsilon_root` is not positive, or for `epsilon` or `amsgrad`, which it
            does not take.

    Reference: [Salimans et al., 2016](https://arxiv.org/abs/1606.03498), the authors' code
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon_root: float = 1e-8,
        name: str = "root_epsilon_adam",
        **kwargs,
    ):
        refused = sorted({"epsilon", "amsgrad"} & set(kwargs))
        if refused:
            raise ValueError(
                f"RootEpsilonAdam takes `epsilon_root`, and no `{refused[0]}`. "
                f"Received: {refused[0]}={kwargs[refused[0]]!r}"
            )
        if not epsilon_root > 0:
            raise ValueError(
                f"`epsilon_root` must be positive. Received: epsilon_root={epsilon_root!r}"
            )
        super().__init__(learning_rate, beta_1, beta_2, epsilon=0.0, name=name, **kwargs)
        self.epsilon_root = epsilon_root

    def update_step(self, gradient, variable, learning_rate):
        """Updates `variable` and its two moments; Keras calls it for each variable of a step."""
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        steps = ops.cast(self.iterations + 1, variable.dtype)
        mean = self._momentums[self._get_variable_index(variable)]
        squares = self._velocities[self._get_variable_index(variable)]

        self.assign_add(mean, (gradient - mean) * (1 - self.beta_1))
        self.assign_add(squares, (ops.square(gradient) - squares) * (1 - self.beta_2))
        # Both corrections of the start in one number: each pass over the weights costs time.
        mean_share = 1 - ops.power(self.beta_1, steps)
        squares_share = 1 - ops.power(self.beta_2, steps)
        length = rate * ops.sqrt(squares_share) / mean_share
        root = ops.sqrt(squares + self.epsilon_root * squares_share)
        self.assign_sub(variable, length * mean / root)

    def get_config(self):
        """Returns the arguments that rebuild this optimizer."""
        config = {**super().get_config(), "epsilon_root": self.epsilon_root}
        del config["epsilon"], config["amsgrad"]
        return config
