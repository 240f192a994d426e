"""What an export takes and gives, read without running it."""

import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from zoo.common import exports


def describe(folder: str | os.PathLike[str]) -> str:
    """Describes an export: its size, and each function's inputs and outputs.

    Args:
        folder: of an export, as for `export.load`.

    Returns:
        Lines of text. Value ranges are told if a manifest lies beside the export.

    Raises:
        FileNotFoundError: if there is no export.
        ValueError: if it is damaged.
    """
    version = exports.version_of(folder)
    manifest = exports.check_files(version)
    body: Mapping[str, Any] = manifest.body if manifest else {}
    size = sum((version / name).stat().st_size for name in exports.files_in(version))
    made = f"{body['model']}, TensorFlow {body['versions']['tensorflow']}, " if body else ""
    lines = [f"{version}: {made}{size:,} bytes"]
    signatures = _signatures_of(version / "saved_model.pb")
    for name, (inputs, outputs) in sorted(signatures.items()):
        form = body.get("signatures", {}).get(name, {})
        lines += [
            name,
            f"  takes {_listed(inputs, form.get('inputs', {}))}",
            f"  gives {_listed(outputs, form.get('outputs', {}))}",
        ]
    return "\n".join(lines)


def _signatures_of(path) -> dict[str, tuple[dict, dict]]:
    try:
        graph = saved_model_pb2.SavedModel.FromString(path.read_bytes()).meta_graphs[0]
    except Exception as error:  # Protocol buffers have a kind of their own.
        raise ValueError(f"{path} is damaged. Export the model again.") from error
    return {
        name: (dict(signature.inputs), dict(signature.outputs))
        for name, signature in graph.signature_def.items()
        if not name.startswith("__")
    }


def _listed(tensors: Mapping[str, Any], forms: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{name}: {_form(info)}{_range(forms.get(name))}" for name, info in sorted(tensors.items())
    )


def _form(info) -> str:
    shape = tf.TensorShape(info.tensor_shape).as_list()
    sides = ", ".join("any" if side is None else str(side) for side in shape)
    return tf.dtypes.as_dtype(info.dtype).name + (f" ({sides})" if shape else "")


def _range(form: Mapping[str, Any] | None) -> str:
    if not form or not form["range"]:
        return ""
    least, most = form["range"]
    return f", {least:,g} or more" if most is None else f", {least:,g} to {most:,g}"
