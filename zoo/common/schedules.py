"""Learning-rate schedules: the zoo's standard, and those of the papers that it follows.

A schedule keeps no state: give each optimizer one of its own, or one to both.
"""

from typing import Any

import keras

LearningRateSchedule = keras.optimizers.schedules.LearningRateSchedule


def exponential_decay(
    initial: float, factor_per_epoch: float, steps_per_epoch: int
) -> keras.optimizers.schedules.ExponentialDecay:
    """Decays a learning rate by a factor each epoch, smoothly: this zoo's standard.

        initial · factor_per_epoch^(step / steps_per_epoch)

    Args:
        initial: learning rate of the first step, above 0.
        factor_per_epoch: in (0, 1]; 0.9 takes a tenth off each epoch, 1 keeps the rate constant.
        steps_per_epoch: steps of the optimizer in an epoch.

    Raises:
        ValueError: if an argument is out of its range.
    """
    _require_positive("initial", initial)
    _require_positive("steps_per_epoch", steps_per_epoch)
    if not 0 < factor_per_epoch <= 1:
        raise ValueError(f"`factor_per_epoch` should be in (0, 1]. Received: `{factor_per_epoch=}`")
    return keras.optimizers.schedules.ExponentialDecay(
        initial, decay_steps=steps_per_epoch, decay_rate=factor_per_epoch, staircase=False
    )


@keras.saving.register_keras_serializable(package="zoo")
class ConstantThenLinearDecay(LearningRateSchedule):
    """Keeps a learning rate constant, then takes it to zero in a straight line.

        initial_learning_rate · clip(1 − (step − constant_steps) / decay_steps, 0, 1)

    Args:
        initial_learning_rate: above 0.
        constant_steps: steps before the decay, 0 or more; need not be whole.
        decay_steps: steps from there to a learning rate of zero, above 0; need not be whole.

    Call arguments:
        step: an integer, the steps that the optimizer has made.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: if an argument is out of its range.
    """

    def __init__(
        self, initial_learning_rate: float, constant_steps: float, decay_steps: float
    ) -> None:
        super().__init__()
        _require_positive("initial_learning_rate", initial_learning_rate)
        _require_positive("decay_steps", decay_steps)
        if not constant_steps >= 0:
            raise ValueError(
                f"`constant_steps` should be zero or more. Received: `{constant_steps=}`"
            )
        self.initial_learning_rate = initial_learning_rate
        self.constant_steps = constant_steps
        self.decay_steps = decay_steps

    def __call__(self, step: Any) -> Any:
        steps_of_decay = keras.ops.cast(step, "float32") - self.constant_steps
        share_left = keras.ops.clip(1.0 - steps_of_decay / self.decay_steps, 0.0, 1.0)
        return self.initial_learning_rate * share_left

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "constant_steps": self.constant_steps,
            "decay_steps": self.decay_steps,
        }


def salimans_decay(
    initial_learning_rate: float, epochs: int, steps_per_epoch: int
) -> ConstantThenLinearDecay:
    """Constant for two thirds of the run, then linearly to zero.

        initial_learning_rate · min(3 − epoch / (epochs / 3), 1)

    The schedule of [Salimans et al., 2016](https://arxiv.org/abs/1606.03498) on SVHN (900 epochs)
    and CIFAR-10 (1,200 epochs). Theirs falls once an epoch, this one at every step.

    Args:
        initial_learning_rate: 3e-4 in the authors' code.
        epochs: length of the whole run.
        steps_per_epoch: steps of the optimizer in an epoch.

    Raises:
        ValueError: if an argument is not above 0.
    """
    return _decay_after(2 / 3, initial_learning_rate, epochs, steps_per_epoch)


def cyclegan_decay(
    initial_learning_rate: float, epochs: int, steps_per_epoch: int
) -> ConstantThenLinearDecay:
    """Constant for the first half of the run, then linearly to zero.

    The schedule of [Zhu et al., 2017](https://arxiv.org/abs/1703.10593): 100 epochs and 100 more.
    Theirs falls once an epoch, this one at every step.

    Args:
        initial_learning_rate: 2e-4 in the paper.
        epochs: length of the whole run; 200 in the paper.
        steps_per_epoch: steps of the optimizer in an epoch.

    Raises:
        ValueError: if an argument is not above 0.
    """
    return _decay_after(1 / 2, initial_learning_rate, epochs, steps_per_epoch)


def linear_decay(
    initial_learning_rate: float, epochs: int, steps_per_epoch: int
) -> ConstantThenLinearDecay:
    """Linearly to zero over the whole run, as in the code of Gulrajani et al. 2017 for CIFAR-10.

    Args:
        initial_learning_rate: 2e-4 there.
        epochs: length of the whole run.
        steps_per_epoch: steps of the optimizer in an epoch.

    Raises:
        ValueError: if an argument is not above 0.
    """
    return _decay_after(0.0, initial_learning_rate, epochs, steps_per_epoch)


def _decay_after(
    constant_share: float, initial_learning_rate: float, epochs: int, steps_per_epoch: int
) -> ConstantThenLinearDecay:
    _require_positive("epochs", epochs)
    _require_positive("steps_per_epoch", steps_per_epoch)
    steps = epochs * steps_per_epoch
    return ConstantThenLinearDecay(
        initial_learning_rate,
        constant_steps=constant_share * steps,
        decay_steps=(1 - constant_share) * steps,
    )


def _require_positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"`{name}` should be above 0. Received: `{name}={value!r}`")
