"""Writes what is beside an export: what its functions gave when it was saved, and its manifest."""

import contextlib
import importlib.metadata
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from export.fresh_process import CALL, SIZES, arguments_of, evenly_spaced
from zoo.common.adversarial import AdversarialModel
from zoo.common.checked_json import checked_json
from zoo.common.exported_functions import VALUE_RANGES, ReusableCall
from zoo.common.exports import MANIFEST, MANIFEST_FORMAT, RECORDED, files_in
from zoo.common.files import sha256_of

Function = tf.types.experimental.PolymorphicFunction

_PACKAGES = ("keras-gan-zoo", "tensorflow", "keras", "numpy")
_SEED, _TRUNCATION = 7, 0.7


def write_record(
    model: AdversarialModel,
    signatures: Mapping[str, Function],
    call: ReusableCall,
    version: Path,
    about: Path,
    version_number: int,
    trained_on: str,
) -> dict[str, Any]:
    """Calls each function, and writes what it gave and a manifest of the files of the SavedModel.

    Args:
        model: what is exported.
        signatures: its functions by name.
        call: what the export's root does when called.
        version: folder of the SavedModel, written already.
        about: folder to write to.
        version_number: as which it is exported.
        trained_on: name of the data set; "" if it is not known.

    Returns:
        What the manifest says.
    """
    forms = {name: _form_of(function) for name, function in signatures.items()}
    # A name of a function that has one already is asked no second time.
    names: dict[int, str] = {}
    for name, function in signatures.items():
        first = names.setdefault(id(function), name)
        if first != name:
            forms[name]["same_as"] = first
    form_of_call = _form_of_call(call)
    inputs = _inputs_for(model, [*forms.values(), form_of_call])
    recorded = {f"in/{name}": value for name, value in inputs.items()}
    with _in_full_precision():
        for size in SIZES:
            for name, form in forms.items():
                if "same_as" not in form:
                    arguments = arguments_of(inputs, list(form["inputs"]), size)
                    for key, output in signatures[name](**arguments).items():
                        recorded[f"out/{name}/{size}/{key}"] = _kept(output)
            given = list(arguments_of(inputs, list(form_of_call["inputs"]), size).values())
            output = call.function(given if len(given) > 1 else given[0])
            recorded[f"out/{CALL}/{size}/output"] = _kept(output)
    np.savez_compressed(about / RECORDED, **recorded)
    body = {
        "format": MANIFEST_FORMAT,
        "model": type(model).__name__,
        "version": version_number,
        "trained_on": trained_on,
        "versions": _versions(),
        "signatures": forms,
        "call": form_of_call,
        "tolerance": 1e-2 if _computes_in_halves(call.traces[0]) else 1e-4,
        "files": {name: sha256_of(version / name) for name in files_in(version)},
        "about": {RECORDED: sha256_of(about / RECORDED)},
    }
    (about / MANIFEST).write_text(checked_json(body), encoding="utf-8")
    return body


def _kept(output: tf.Tensor) -> np.ndarray:
    values = output.numpy()
    if values.dtype != object:
        return evenly_spaced(values)
    # NumPy by itself takes bytes for ASCII, which names of classes need not be.
    return np.array([text.decode() for text in values.flat]).reshape(values.shape)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions


# === Forms ===


def _form_of(function: Function) -> dict[str, Any]:
    outputs = function.get_concrete_function().structured_outputs
    return {
        "inputs": {spec.name: _described(spec.name, spec) for spec in function.input_signature},
        "outputs": {name: _described(name, spec) for name, spec in outputs.items()},
    }


def _form_of_call(call: ReusableCall) -> dict[str, Any]:
    specs = tf.nest.flatten(call.inputs)
    return {
        "inputs": {spec.name: _described(spec.name, spec) for spec in specs},
        "outputs": {"output": _described("", call.traces[0].structured_outputs)},
    }


def _described(name: str, spec: tf.TensorSpec) -> dict[str, Any]:
    """Tells type, shape (None for any) and value range of an input or output."""
    return {
        "dtype": spec.dtype.name,
        "shape": spec.shape.as_list(),
        "range": list(VALUE_RANGES[name]) if name in VALUE_RANGES else None,
    }


def _computes_in_halves(trace: tf.types.experimental.ConcreteFunction) -> bool:
    outputs = [output for each in trace.graph.get_operations() for output in each.outputs]
    return any(output.dtype in (tf.float16, tf.bfloat16) for output in outputs)


# === Inputs ===


def _inputs_for(model: AdversarialModel, forms: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Returns what `arguments_of` makes arguments of, the same each time."""
    random = np.random.default_rng(_SEED)
    inputs = {}
    for name, form in (item for each in forms for item in each["inputs"].items()):
        if name in inputs or name == "num":
            continue
        shape = [max(SIZES), *form["shape"][1:]]
        if name == "seed":
            inputs[name] = np.int64(_SEED)
        elif name == "truncation":
            inputs[name] = np.float32(_TRUNCATION)
        elif name == "latents":
            inputs[name] = np.asarray(model.latents_for(max(SIZES), _SEED))
        elif len(shape) == 4:
            # Images of any size are of the model's.
            own = [size or own for size, own in zip(shape[1:], model.image_shape, strict=True)]
            inputs[name] = random.integers(0, 256, (shape[0], *own), np.uint8)
        elif np.issubdtype(form["dtype"], np.integer):
            inputs[name] = np.arange(max(SIZES), dtype=form["dtype"]).reshape(shape) % 2
        else:
            inputs[name] = random.standard_normal(shape).astype(form["dtype"])
    return inputs


@contextlib.contextmanager
def _in_full_precision() -> Iterator[None]:
    """Has GPUs multiply without shortening numbers, so that a CPU comes to the same."""
    are_shortened = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(are_shortened)
