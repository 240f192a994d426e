"""Packs a trained model as a SavedModel, and loads one."""

import contextlib
import logging
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from zoo.common.adversarial import AdversarialModel
from zoo.common.checks import as_integer
from zoo.common.files import replaced_folder


def save(model: AdversarialModel, folder, version: int = 1) -> pathlib.Path:
    """Exports `model` as a SavedModel at `folder/<version>/`, the layout that TF Serving reads.

    What it can be asked is what `model.export_signatures()` gives. Images go in and come out as
    float32 in [0, 1], batch sizes are free:

    - `generate(num: int32, seed: int64, truncation: float32)` → `images`; for truncation below 1
      see `zoo.common.adversarial.truncate_latents`;
    - `classify(images)` → `probabilities` `(batch, K)` and `labels`, the name of the likeliest
      class of each image; the K names, one a line, are packed as the asset `labels.txt`;
    - `a_to_b(images)` and `b_to_a(images)` → `images`, translated.

    The folder appears whole or not at all: it is written beside and renamed.

    Args:
        model: a model of the zoo.
        folder: where versions of this export live; made if there is none.
        version: name of the subfolder, a positive integer. Defaults to 1.

    Returns:
        The path `folder/<version>`.

    Raises:
        TypeError: if `model` is not a model of the zoo.
        ValueError: if `version` is not a positive integer.
        OSError: if the folder can't be written.
        FileExistsError: if that version exists already; it is left as it is.
    """
    if not isinstance(model, AdversarialModel):
        raise TypeError(f"export.save() takes a model of the zoo. Received: {type(model).__name__}")
    version = as_integer("version", version)
    target = pathlib.Path(folder) / str(version)
    if target.exists():
        raise FileExistsError(
            f"{target} exists already, and an export is never overwritten. Save under another "
            f"version, such as version={version + 1}, or remove it."
        )
    try:
        with replaced_folder(target) as temporary:
            _write(model, temporary)
    except OSError as error:
        raise OSError(
            error.errno,
            f"can't write an export to {target}: {error.strerror or error}; name a folder that can "
            "be written",
        ) from error
    return target


def _write(model: AdversarialModel, folder: pathlib.Path) -> None:
    signatures = model.export_signatures()
    module = tf.Module()
    # What a signature closes over must hang on the module, or it is not saved.
    module.variables_of_signatures = _variables_of(signatures.values())
    for name, function in signatures.items():
        if name != "serving_default":
            setattr(module, name, function)
    with tempfile.TemporaryDirectory() as assets:
        class_names = getattr(model, "class_names", None)
        if class_names:
            labels = pathlib.Path(assets) / "labels.txt"
            labels.write_text("".join(f"{name}\n" for name in class_names), encoding="utf-8")
            module.labels = tf.saved_model.Asset(str(labels))
        with _quiet_tensorflow():
            tf.saved_model.save(module, str(folder), signatures=signatures)


@contextlib.contextmanager
def _quiet_tensorflow() -> Iterator[None]:
    """Hides TensorFlow's note of where it wrote, which is a folder that is renamed right after."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _variables_of(functions) -> list[tf.Variable]:
    """Returns what the functions read: the networks that no signature calls stay at home."""
    read = [v for function in functions for v in function.get_concrete_function().graph.variables]
    return list({id(variable): variable for variable in read}.values())


def load(folder) -> Any:
    """Loads an export of `save`: the newest version in `folder`, or that of `folder` itself.

    Args:
        folder: what was given to `save`, or one version below it.

    Returns:
        The loaded SavedModel, whose functions are its attributes: `loaded.classify(images)`,
        `loaded.generate(num, seed, truncation)`, each returning a dictionary of tensors;
        `loaded.signatures` holds them by name as TF Serving sees them.

    Raises:
        FileNotFoundError: if there is no SavedModel.
        ValueError: if it is damaged.
    """
    folder = pathlib.Path(folder)
    versions = sorted(
        (path for path in folder.glob("[0-9]*") if path.name.isdigit() and path.is_dir()),
        key=lambda path: int(path.name),
    )
    newest = versions[-1] if versions else folder
    if not (newest / "saved_model.pb").is_file():
        raise FileNotFoundError(
            f"No export in {folder}: neither it nor a numbered folder in it holds a "
            "saved_model.pb. Name the folder that was given to export.save()."
        )
    try:
        return tf.saved_model.load(str(newest))
    except (OSError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"The export {newest} is damaged: {reason}. Export the model again."
        ) from error
