"""Calls an export where no copy of the zoo is, and compares what it gives with what is recorded.

`export.verify` has another process run this file, which therefore imports nothing of the zoo.
"""

import json
import os

import numpy as np

SIZES = (1, 3, 8)
CALL = "__call__"
# Of each row; what a larger image lacks is as good as its rest.
_MOST_NUMBERS = 4096


def evenly_spaced(output: np.ndarray) -> np.ndarray:
    """Returns some numbers of each row, all if there are few: `(batch, at most 4,096)`."""
    rows = output.reshape(len(output), -1)
    return rows[:, :: -(-rows.shape[1] // _MOST_NUMBERS) or 1]


def arguments_of(inputs: dict[str, np.ndarray], names: list[str], size: int) -> dict:
    """Returns what a function takes for a batch of this size.

    Args:
        inputs: by name; numbers as they are, rows for the largest batch, images as bytes.
        names: of what it takes.
        size: of the batch; `num` is none of the inputs.
    """
    arguments = {}
    for name in names:
        value = np.int32(size) if name == "num" else inputs[name]
        value = value[:size] if np.ndim(value) else value
        is_image = value.dtype == np.uint8
        arguments[name] = value.astype(np.float32) / np.float32(255) if is_image else value
    return arguments


def difference(version: str, about: str) -> str | None:
    """Returns in one line where an export differs from what is recorded of it, or None.

    Args:
        version: folder of the SavedModel.
        about: folder beside it.
    """
    import tensorflow as tf

    with open(os.path.join(about, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    recorded = dict(np.load(os.path.join(about, "recorded.npz")))
    inputs = {key[3:]: value for key, value in recorded.items() if key.startswith("in/")}
    loaded = tf.saved_model.load(version)
    if set(loaded.signatures) != set(manifest["signatures"]):
        return f"it has the signatures {', '.join(sorted(loaded.signatures))}"
    for name, form in {**manifest["signatures"], CALL: manifest["call"]}.items():
        for size in SIZES:
            arguments = arguments_of(inputs, list(form["inputs"]), size)
            arguments = {key: tf.constant(value) for key, value in arguments.items()}
            if name == CALL:
                given = list(arguments.values())
                outputs = {"output": loaded(given if len(given) > 1 else given[0])}
            else:
                outputs = loaded.signatures[name](**arguments)
            where = f"{name} of a batch of {size}"
            if set(outputs) != set(form["outputs"]):
                return f"{where} gives {', '.join(sorted(outputs))}"
            for key, output in outputs.items():
                wanted = recorded[f"out/{form.get('same_as', name)}/{size}/{key}"]
                found = _difference_of(output.numpy(), wanted, manifest["tolerance"])
                if found:
                    return f"{where} gives {key} {found}"
    return None


def _difference_of(output: np.ndarray, wanted: np.ndarray, tolerance: float) -> str | None:
    if output.dtype == object:
        texts = [text.decode() for text in output.ravel()]
        return None if texts == wanted.ravel().tolist() else f"{texts}, recorded {wanted.tolist()}"
    found = evenly_spaced(output)
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return f"{found.dtype} of shape {output.shape}"
    # Of images 1 is the scale, of logits and features the largest.
    distance = float(np.max(np.abs(found - wanted), initial=0.0))
    allowed = tolerance * max(1.0, float(np.max(np.abs(wanted), initial=0.0)))
    if distance <= allowed:  # false for NaN
        return None
    return f"that differs from what is recorded by up to {distance:.2g}, above {allowed:.2g}"


def main(version: str, about: str) -> str | None:
    """Returns `difference`, or in one line why there is no telling."""
    try:
        return difference(version, about)
    except Exception as error:  # whatever it is, the export can't be used
        lines = str(error).strip().splitlines() or [""]
        return f"{type(error).__name__}: {lines[0]}"
