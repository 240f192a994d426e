"""What callbacks of Keras wait for: whether it will be there, and what they make of a NaN."""

import math
import string
import warnings

import keras

CALLBACKS = (
    keras.callbacks.EarlyStopping,
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.ReduceLROnPlateau,
)
# Callbacks of others may add logs, of which nothing is known here.
KNOWN = ("keras", "zoo", "recipes")


def check_monitors(callbacks, logs: set[str], logs_of_validation: set[str]) -> None:
    """Refuses callbacks of Keras that would wait in vain, or fail at the end of the first epoch.

    Args:
        callbacks: as `fit` takes them.
        logs: the names of all logs that this training will have.
        logs_of_validation: the names of those that it would have with `validation_data`.

    Raises:
        ValueError: for one that watches what is not logged, or names files by it; that is not told
            whether less or more of it is better; or that would save a model as `.h5`.
    """
    callbacks = keras.tree.flatten(callbacks or [])
    for callback in callbacks:
        if not isinstance(callback, (keras.callbacks.Callback, keras.callbacks.CallbackList)):
            raise ValueError(
                "`callbacks` are objects such as keras.callbacks.LambdaCallback(on_epoch_end=...). "
                f"Received: {callback!r}"
            )
    adds_none = all(type(each).__module__.partition(".")[0] in KNOWN for each in callbacks)
    for callback in callbacks:
        if not isinstance(callback, CALLBACKS):
            continue
        kind, names = type(callback).__name__, {callback.monitor}
        if isinstance(callback, keras.callbacks.ModelCheckpoint):
            _check_file_name(kind, callback.filepath)
            names = names if callback.save_best_only else set()
            names |= _placeholders(callback.filepath)
        for name in sorted(names - logs) if adds_none else ():
            if name.endswith("learning_rate"):  # logged where a callback sets it
                continue
            wanted = "validation_data, of which it comes" if name in logs_of_validation else ""
            wanted = wanted or f"one of {', '.join(sorted(logs))}"
            raise ValueError(
                f"{kind} waits for {name!r}, which is not logged; give it {wanted}. Received: "
                f"callbacks=[{kind}(...)]"
            )
        # Keras guesses for the metrics that it compiled itself, of which there are none.
        if callback.mode == "auto" and callback.monitor.removeprefix("val_") != "loss":
            raise ValueError(
                f"{kind} must be told whether less or more of {callback.monitor!r} is better, by "
                "mode='min' or mode='max'. Received: mode='auto'"
            )


def expect_a_number(callback) -> None:
    """Has a callback that keeps the best of what it monitors take only a number for that.

    By itself it takes the first value for the best, and to a best that is NaN no other compares as
    better: it would be kept, or nothing would ever stop.

    Args:
        callback: one of `CALLBACKS`, between two epochs.
    """
    if callback.best is None:
        callback.best = math.inf if callback.mode == "min" else -math.inf
    # Those of the first epoch Keras keeps, whatever the value was.
    if math.isinf(callback.best) and getattr(callback, "best_weights", None) is not None:
        callback.best_weights = None


class NotANumberIsWorst(keras.callbacks.Callback):
    """Has callbacks of Keras take NaN for worse than any number, and says so once.

    It stands before them, so that weights of an epoch without a number are not brought back.

    Args:
        callbacks: those of `fit`.

    Warns:
        UserWarning: at the first NaN that one of them waits for.
    """

    def __init__(self, callbacks):
        super().__init__()
        self._callbacks = [each for each in callbacks if isinstance(each, CALLBACKS)]
        self._last: tuple[int, dict] = (0, {})
        self._has_warned = False

    def on_epoch_begin(self, epoch, logs=None):
        """Gives those that have seen no number yet the worst one to compare with."""
        self._look_back()

    def on_epoch_end(self, epoch, logs=None):
        """Keeps the logs, to which the others may add."""
        self._last = epoch, {} if logs is None else logs

    def on_train_end(self, logs=None):
        """Leaves the last weights where no others were better."""
        self._look_back()

    def _look_back(self) -> None:
        epoch, logs = self._last
        for callback in self._callbacks:
            expect_a_number(callback)
            name, value = callback.monitor, logs.get(callback.monitor)
            if value is not None and math.isnan(value) and not self._has_warned:
                self._has_warned = True
                warnings.warn(
                    f"{name} is NaN after epoch {epoch + 1}, which counts as worse than a number.",
                    stacklevel=2,
                )


def _placeholders(filepath: str) -> set[str]:
    names = {name for _, name, _, _ in string.Formatter().parse(filepath) if name}
    return names - {"epoch", "batch"}


def _check_file_name(kind: str, filepath: str) -> None:
    if not filepath.endswith((".keras", ".weights.h5")):
        raise ValueError(
            f"{kind} saves models as .keras, or with save_weights_only=True weights as "
            f".weights.h5; the old .h5 format knows one optimizer. Received: filepath={filepath!r}"
        )
