"""Packs an export to come with the zoo: weights in half precision, within bounds, in its index."""

import dataclasses
import json
import math
import os
import re
import shutil
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from export.archive import pack
from zoo import datasets
from zoo.common import exports, pretrained
from zoo.common.files import sha256_of, write_atomically

MOST_BYTES = 6_000_000
MOST_BYTES_TOGETHER = 20_000_000
_NUM_IMAGES = 8


def ship(
    folder: str | os.PathLike[str],
    name: str,
    trained_on: str,
    shipped: str | os.PathLike[str] | None = None,
) -> pretrained.Pretrained:
    """Packs an export under a name of `zoo.load_pretrained`, in place of an earlier one.

    Args:
        folder: of an export, as for `export.load`.
        name: `<variant>/<data>`, such as "face_gan/drawn_faces".
        trained_on: the data set, whose licence goes along.
        shipped: the folder to write to. Defaults to that which comes with the zoo.

    Returns:
        The entry of the index.

    Raises:
        ValueError: if the name is none, a weight is too large for half precision, or the packages
            are larger than 6 MB, or 20 MB together; what is shipped stays as it is.
        FileNotFoundError: if there is no export.
    """
    if not re.fullmatch(r"[a-z0-9_]+/[a-z0-9_]+", name):
        raise ValueError(f"A name is like face_gan/drawn_faces. Received: {name!r}")
    shipped = Path(pretrained.SHIPPED if shipped is None else shipped)
    version = exports.version_of(folder)
    manifest = exports.check_files(version)
    if manifest is None:
        raise ValueError(f"{version} has no manifest beside it: export the model by export.save().")
    with tempfile.TemporaryDirectory() as temporary:
        copy, package = Path(temporary) / "1", Path(temporary) / "package.tar.gz"
        shutil.copytree(version, copy)
        pretrained.to_half_precision(copy)
        pack(copy, package)
        pretrained.in_single_precision(copy)
        entry = pretrained.Pretrained(
            name=name,
            model=manifest.body["model"],
            trained_on=trained_on,
            data_license=datasets.license_of(trained_on) or "not known",
            size=package.stat().st_size,
            difference=_difference(exports.load(version), exports.load(copy)),
            digest=sha256_of(package),
            file=f"{name}.tar.gz",
        )
        index = _index_with(entry, shipped)
        (shipped / entry.file).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(shipped / entry.file, package.read_bytes())
    write_atomically(shipped / pretrained.INDEX, json.dumps(index, indent=2) + "\n")
    return entry


def _index_with(entry: pretrained.Pretrained, shipped: Path) -> dict[str, dict]:
    path = shipped / pretrained.INDEX
    index = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    fields = dataclasses.asdict(entry)
    index[fields.pop("name")] = fields
    together = sum(each["size"] for each in index.values())
    if entry.size > MOST_BYTES or together > MOST_BYTES_TOGETHER:
        raise ValueError(
            f"What comes with the zoo is {MOST_BYTES:,} bytes at most, and {MOST_BYTES_TOGETHER:,} "
            f"together. Received: {entry.size:,}, and {together:,} together"
        )
    return dict(sorted(index.items()))


def _difference(exact, rounded) -> float:
    """Measures how far apart two exports of one model are, over all that is no text.

    Raises:
        ValueError: if that is no number, for weights that were rounded may overflow.
    """
    random = np.random.default_rng(0)
    largest = 0.0
    for name, signature in exact.signatures.items():
        arguments = {
            argument: _argument(argument, spec, random)
            for argument, spec in signature.structured_input_signature[1].items()
        }
        outputs = rounded.signatures[name](**arguments)
        for key, output in signature(**arguments).items():
            if output.dtype != tf.string:
                difference = float(tf.reduce_max(tf.abs(output - outputs[key])))
                if not math.isfinite(difference):
                    raise ValueError(
                        f"What is shipped must give finite numbers. Received: {key} of {name}() "
                        f"that differs by {difference} once the weights are rounded"
                    )
                largest = max(largest, difference)
    return largest


def _argument(name: str, spec: tf.TensorSpec, random: np.random.Generator) -> tf.Tensor:
    scalars = {"num": _NUM_IMAGES, "seed": 0, "truncation": 1.0}
    if name in scalars:
        return tf.constant(scalars[name], spec.dtype)
    shape = [_NUM_IMAGES, *(64 if length is None else length for length in spec.shape[1:])]
    if spec.dtype.is_integer:
        return tf.zeros(shape, spec.dtype)
    drawn = random.random(shape) if len(shape) == 4 else random.standard_normal(shape)
    return tf.constant(drawn, spec.dtype)
