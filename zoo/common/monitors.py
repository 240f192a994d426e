"""What callbacks of Keras wait for, looked at before training: Keras does so after an epoch."""

import string

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
    callbacks = keras.tree.flatten(callbacks)
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


def _placeholders(filepath: str) -> set[str]:
    names = {name for _, name, _, _ in string.Formatter().parse(filepath) if name}
    return names - {"epoch", "batch"}


def _check_file_name(kind: str, filepath: str) -> None:
    if not filepath.endswith((".keras", ".weights.h5")):
        raise ValueError(
            f"{kind} saves models as .keras, or with save_weights_only=True weights as "
            f".weights.h5; the old .h5 format knows one optimizer. Received: filepath={filepath!r}"
        )
