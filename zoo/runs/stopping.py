"""Callbacks that end a run: on a number that is not one, and on quality that stopped improving."""

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.common.checks import as_integer
from zoo.common.messages import counted
from zoo.common.monitors import expect_a_number
from zoo.runs.training_state import discard_epoch, is_discarded, state_variables, steps_done

_BEST_WEIGHTS_FILE = "best_weights.npz"


class StopOnNonFinite(keras.callbacks.Callback):
    """Stops at the first NaN or infinity in any log or weight, and goes back to the last good one.

    Keras's `TerminateOnNaN` reads only a log named `loss`, which two players do not have, and
    leaves the broken weights in the model. This callback looks at every log of every batch and
    epoch, and at every weight at each epoch's end. It holds a copy of the whole training state
    (networks, averages, step, random seeds, optimizers: about as much memory as the model), taken
    at train begin, after each good epoch and at each checkpoint within one if it is the `guard` of
    `RunCheckpoint`, and restores it on failure. The failed epoch is discarded: history, checkpoints
    and the epoch's sample grid pass over it.

    Place it first in the list of callbacks.

    Args:
        ignore: logs that may be non-finite. Empty by default; with float16 loss scaling, an
            overflow that the optimizer skips makes gradient norms infinite: name them here.

    Attributes:
        stop_reason: None, or one line naming the log or weight, its value and the step.
    """

    def __init__(self, ignore: Collection[str] = ()) -> None:
        super().__init__()
        self.ignore = frozenset(ignore)
        self.stop_reason: str | None = None
        self._epoch = 0
        self._good_state: list[tuple[keras.Variable, np.ndarray]] = []

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        self.stop_reason = None
        discard_epoch(self.model, None)
        self._good_state = _copy_state(self.model)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        if self.stop_reason is None:
            self._stop_if_any(self._non_finite_log(logs))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        if self.stop_reason is not None:
            return
        state = _copy_state(self.model)
        self._stop_if_any(self._non_finite_log(logs) or _non_finite_variable(state))
        if self.stop_reason is None:
            self._good_state = state

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        self._good_state = []

    def keep_if_finite(self) -> bool:
        """Looks at every weight between two steps, and stops if one is not finite.

        Returns:
            Whether all are finite; then this is the state that a later failure brings back.
        """
        if self.stop_reason is None:
            state = _copy_state(self.model)
            self._stop_if_any(_non_finite_variable(state))
            if self.stop_reason is None:
                self._good_state = state
        return self.stop_reason is None

    def _non_finite_log(self, logs: Mapping[str, float] | None) -> str | None:
        # A loss tells more than the gradient that it spoilt.
        for name, value in sorted((logs or {}).items(), key=lambda log: "_loss" not in log[0]):
            if name not in self.ignore and not np.all(np.isfinite(value)):
                return f"log {name} = {value}"
        return None

    def _stop_if_any(self, failure: str | None) -> None:
        if failure is None:
            return
        failed_step = steps_done(self.model)
        for variable, value in self._good_state:
            variable.assign(value)
        self.stop_reason = (
            f"non-finite {failure} at step {failed_step} in epoch {self._epoch + 1}; "
            f"restored the weights of step {steps_done(self.model)}"
        )
        discard_epoch(self.model, self._epoch)
        self.model.stop_training = True


class StopOnQuality(keras.callbacks.EarlyStopping):
    """Stops when a quality measure has not improved for some epochs; keeps the best weights.

    This is Keras's `EarlyStopping` with `restore_best_weights=True`, whose missing monitor would
    never stop anything; here it is an error. The count of epochs and the best weights go into
    each checkpoint (see `RunCheckpoint`), so that a resumed run stops where an unbroken one would.
    Place it after `StopOnNonFinite` and before `RunCheckpoint`. A value that is no finite number is
    never the best: while there was none, the last weights are kept.

    Args:
        monitor: name of the log to watch, for example "val_frechet_distance". It must be there at
            the end of the first epoch, so validate from the first epoch on.
        patience: epochs without improvement after which training stops, at least 1.
        mode: "min" if smaller is better, the default because distances and errors are; or "max".
        min_delta: smallest change that counts as an improvement. Defaults to 0.
        stamp: what the measure is taken on, ready for JSON. It goes into each checkpoint beside the
            best value, which means nothing without it. Defaults to none.

    Attributes:
        stop_reason: None, or one line saying why it stopped.
        best, best_epoch: the best value and the index, from 0, of its epoch.

    Raises:
        ValueError: if `patience` or `mode` is not one of the above, or, at the end of the first
            epoch, if there is no log named `monitor`.
    """

    def __init__(
        self,
        monitor: str,
        patience: int,
        mode: str = "min",
        min_delta: float = 0.0,
        stamp: Mapping[str, Any] | None = None,
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f'`mode` should be "min" or "max". Received: mode={mode!r}')
        patience = as_integer("patience", patience)
        super().__init__(
            monitor, min_delta=min_delta, patience=patience, mode=mode, restore_best_weights=True
        )
        self.stamp = stamp
        self.best: float | None = None
        self.best_epoch = 0
        self.stop_reason: str | None = None
        self._seen = False
        self._restored: dict[str, Any] | None = None

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        super().on_train_begin(logs)
        self.stop_reason = None
        self._seen = False
        # The parent forgets everything at train begin, so what a checkpoint held comes after it.
        vars(self).update(self._restored or {})
        self._restored = None

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        expect_a_number(self)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        expect_a_number(self)
        super().on_train_end(logs)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        if is_discarded(self.model, epoch):
            return
        super().on_epoch_end(epoch, logs)
        if self.stopped_epoch and self.stop_reason is None:
            self.stop_reason = self.standstill()

    def standstill(self) -> str:
        """One line that says since when the measure has not improved."""
        if not math.isfinite(self.best):
            return f"{self.monitor} was no finite number for {counted(self.wait, 'epoch')}"
        return (
            f"{self.monitor} has not improved on {self.best:.6g} (epoch {self.best_epoch + 1}) "
            f"for {counted(self.wait, 'epoch')}"
        )

    def get_monitor_value(self, logs: Mapping[str, float] | None) -> float | None:
        value = (logs or {}).get(self.monitor)
        if value is None:
            if not self._seen:
                raise ValueError(
                    "`monitor` should name a log that is there at the end of the first epoch. "
                    f"Received: monitor={self.monitor!r}; logs: {', '.join(sorted(logs or {}))}"
                )
            return None
        self._seen = True
        worst = math.inf if self.mode == "min" else -math.inf
        return float(value) if math.isfinite(value) else worst

    def save_state(self, folder: Path) -> dict[str, Any]:
        """Writes the best weights into `folder`; returns the rest, ready for JSON."""
        has_best = self.best is not None and math.isfinite(self.best)
        if has_best and self.best_weights is not None:
            np.savez(folder / _BEST_WEIGHTS_FILE, *self.best_weights)
        best = self.best if has_best else None  # JSON has no infinity
        state = {"best": best, "best_epoch": self.best_epoch, "wait": self.wait}
        return {**state, "stamp": self.stamp}

    def restore_state(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Takes up, at the next train begin, what `save_state` left in `folder` and returned."""
        self._restored = {**state, "best_weights": best_weights_in(folder)}


def best_weights_in(checkpoint: Path) -> list[np.ndarray] | None:
    """The best weights that a `StopOnQuality` left in a checkpoint.

    Args:
        checkpoint: the checkpoint's folder.

    Returns:
        What `model.set_weights` takes, or None if nothing was watched.
    """
    path = checkpoint / _BEST_WEIGHTS_FILE
    if not path.exists():
        return None
    with np.load(path) as arrays:
        return [arrays[f"arr_{index}"] for index in range(len(arrays.files))]


def _copy_state(model: keras.Model) -> list[tuple[keras.Variable, np.ndarray]]:
    return [(variable, np.array(variable.numpy())) for variable in state_variables(model)]


def _non_finite_variable(state: list[tuple[keras.Variable, np.ndarray]]) -> str | None:
    for variable, value in state:
        finite = np.isfinite(value)
        if not finite.all():
            return f"weight {variable.path} (first bad value {value[~finite].flat[0]})"
    return None
