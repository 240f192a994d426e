"""What Keras's callbacks change the learning rate by, of a model with an optimizer a player."""

from collections.abc import Mapping

import keras
import numpy as np

Optimizers = Mapping[str, keras.optimizers.Optimizer]
RATE_CALLBACKS = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)


class JointOptimizer:
    """Stands for `model.optimizer`: the first player's, but its learning rate is that of all.

    To set the rate scales those of the other players by the same factor, each from its own. All
    else is asked of the first player's optimizer.

    Args:
        optimizers: each player's, by its name.
    """

    def __init__(self, optimizers: Optimizers):
        self._optimizers = optimizers
        self._own_rates = None if any(map(_follows_schedule, optimizers.values())) else self.rates
        self.was_set = False

    @property
    def rates(self) -> dict[str, float]:
        """The learning rate of each player, by its name."""
        return {player: _rate(optimizer) for player, optimizer in self._optimizers.items()}

    @property
    def learning_rate(self) -> "JointRate":
        """The first player's learning rate."""
        rate = JointRate(next(iter(self.rates.values())))
        rate.optimizer = self
        return rate

    @learning_rate.setter
    def learning_rate(self, rate) -> None:
        refuse_schedules(self._optimizers, "a callback")
        first, *_ = self._optimizers
        # From a rate of 0, as a warm-up begins with, there is no factor: those before it count.
        if self.rates[first] or self._own_rates is None:
            self._own_rates = self.rates
        own_rates = self._own_rates
        if not own_rates[first]:
            raise ValueError(
                "From a learning rate of 0 there is no factor to scale the others by; compile with "
                f"a {first}_optimizer of a larger one. Received: learning_rate={float(rate)}"
            )
        factor = np.float32(rate) / np.float32(own_rates[first])
        for player, optimizer in self._optimizers.items():
            optimizer.learning_rate = rate if player == first else own_rates[player] * factor
        self.was_set = True

    def __getattr__(self, name: str):
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(next(iter(self._optimizers.values())), name)


class JointRate(float):
    """A learning rate as `JointOptimizer` gives it, which `assign` sets as it does a variable."""

    optimizer: JointOptimizer

    def assign(self, rate) -> None:
        """Scales the rates of all players."""
        self.optimizer.learning_rate = rate

    def numpy(self) -> np.float32:
        """Returns the rate."""
        return np.float32(self)


def _inner(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    # Within that which scales losses, and others that wrap one.
    inner = getattr(optimizer, "inner_optimizer", None)
    return optimizer if inner is None else _inner(inner)


def _follows_schedule(optimizer: keras.optimizers.Optimizer) -> bool:
    return not isinstance(_inner(optimizer)._learning_rate, keras.Variable)


def _rate(optimizer: keras.optimizers.Optimizer) -> float:
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))


def refuse_schedules(optimizers: Optimizers, who: str) -> None:
    """Refuses to set learning rates that follow a schedule.

    Args:
        optimizers: each player's, by its name.
        who: wants to set them.

    Raises:
        ValueError: naming the player.
    """
    for player, optimizer in optimizers.items():
        if _follows_schedule(optimizer):
            schedule = _inner(optimizer)._learning_rate
            kind = type(_inner(optimizer)).__name__
            raise ValueError(
                f"The learning rate of {player} follows a schedule, which {who} can't set; compile "
                f"with a number, such as {player}_optimizer=keras.optimizers.{kind}("
                f"{_rate(optimizer):.3g}). Received: {getattr(schedule, 'name', None) or schedule}"
            )


def refuse_foreign_optimizer(player: str, optimizer, variables) -> None:
    """Refuses an optimizer that keeps its state for other weights, or not for all of these.

    Args:
        player: whose it is.
        optimizer: built.
        variables: the weights that it is to train.

    Raises:
        ValueError: naming a weight that it does not know.
    """
    known = {id(variable) for variable in _inner(optimizer)._trainable_variables}
    unknown = [variable.path for variable in variables if id(variable) not in known]
    if unknown:
        raise ValueError(
            f"{player}_optimizer was made for other weights than {player} has, those of another "
            "model or those that were not frozen then; compile with a new one. Received: an "
            f"optimizer that does not know {unknown[0]}"
        )


def check_callbacks(callbacks, optimizers: Optimizers) -> None:
    """Refuses callbacks of Keras that can't do to several players what they do to one.

    Args:
        callbacks: as `fit` takes them.
        optimizers: each player's, by its name.

    Raises:
        ValueError: for `SwapEMAWeights`, and for one that sets learning rates if any follows a
            schedule.
    """
    for callback in keras.tree.flatten(callbacks):
        kind = type(callback).__name__
        if isinstance(callback, keras.callbacks.SwapEMAWeights):
            raise ValueError(
                f"{kind} knows one optimizer; average_decay=0.999 of the constructor keeps an "
                "average of the weights, with which the model generates, evaluates and exports. "
                f"Received: callbacks=[{kind}(...)]"
            )
        if isinstance(callback, RATE_CALLBACKS):
            refuse_schedules(optimizers, kind)


class RateLog(keras.callbacks.Callback):
    """Logs the learning rate of each player as `<player>_learning_rate`, if they are set by one.

    Args:
        callbacks: those of `fit`.
    """

    def __init__(self, callbacks):
        super().__init__()
        self._is_due = any(
            isinstance(each, RATE_CALLBACKS) for each in keras.tree.flatten(callbacks)
        )

    def on_train_begin(self, logs=None):
        """Forgets what was set before this training."""
        self.model.optimizer.was_set = False

    def on_epoch_end(self, epoch, logs=None):
        """Adds the rates to the logs."""
        if logs is not None and (self._is_due or self.model.optimizer.was_set):
            rates = self.model.optimizer.rates
            logs |= {f"{player}_learning_rate": rate for player, rate in rates.items()}
