"""Reads what `export.save` has written: a SavedModel `<folder>/<version>`, and what is about it.

Beside the SavedModel, which holds nothing but what TensorFlow reads, lies `<version>.about`:
`manifest.json` with a digest of each file, and `recorded.npz` with what the model gave.
"""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from zoo.common.checked_json import read_checked_json
from zoo.common.files import sha256_of
from zoo.common.messages import first_line

MANIFEST = "manifest.json"
RECORDED = "recorded.npz"
MANIFEST_FORMAT = 1
# Where TF Serving has what is no part of the model, such as requests to warm up by.
_EXTRA = "assets.extra"


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says of an export.

    Attributes:
        files: digests by path, that of a file of the SavedModel from its root.
        about: digests by name of the files that lie beside.
        body: all of it.
    """

    files: Mapping[str, str]
    about: Mapping[str, str]
    body: Mapping[str, Any]


def load(folder: str | os.PathLike[str], check: bool = True) -> Any:
    """Loads an export of `export.save`: the newest version in `folder`, or that of `folder` itself.

    Args:
        folder: what was given to `save`, or one version below it.
        check: whether to compare the files with the manifest beside them, if there is one.
            Defaults to True; 100 MB took 0.4 s.

    Returns:
        The loaded SavedModel, which is called as `loaded(inputs, training=False)`. Its other
        functions are its attributes: `loaded.classify(images)`, `loaded.generate(num, seed,
        truncation)`, each returning a dictionary of tensors; `loaded.signatures` holds them by name
        as TF Serving sees them.

    Raises:
        FileNotFoundError: if there is no SavedModel.
        ValueError: if it is damaged, naming the file.
    """
    version = version_of(folder)
    if check:
        check_files(version)
    try:
        loaded = tf.saved_model.load(str(version))
    except (OSError, tf.errors.OpError, KeyError, ValueError) as error:
        raise _damaged(version, first_line(error)) from error
    _keep_alive(loaded)
    return loaded


def version_of(folder: str | os.PathLike[str]) -> Path:
    """Returns the folder of the newest version in `folder`, or `folder` if it is one itself.

    Raises:
        FileNotFoundError: if neither holds a SavedModel.
    """
    folder = Path(folder)
    versions = sorted(
        (path for path in folder.glob("[0-9]*") if path.name.isdigit() and path.is_dir()),
        key=lambda path: int(path.name),
    )
    newest = versions[-1] if versions else folder
    # One that lost its saved_model.pb is damaged, as its manifest tells, and not missing.
    is_told_of = newest.is_dir() and about_of(newest).is_dir()
    if not is_told_of and not (newest / "saved_model.pb").is_file():
        raise FileNotFoundError(
            f"No export in {folder}: neither it nor a numbered folder in it holds a "
            "saved_model.pb. Name the folder that was given to export.save()."
        )
    return newest


def is_export(folder: str | os.PathLike[str]) -> bool:
    """Whether `load` would find a SavedModel there."""
    try:
        version_of(folder)
    except FileNotFoundError:
        return False
    return True


def about_of(version: Path) -> Path:
    """Returns the folder beside a version that tells of it; exports of others have none."""
    version = Path(os.path.abspath(version))  # whose name `.` and `..` don't have
    return version.with_name(f"{version.name}.about")


def read_manifest(version: Path) -> Manifest | None:
    """Returns the manifest of a version, or None if there is none.

    Raises:
        ValueError: if it is damaged, or of a later form.
    """
    path = about_of(version) / MANIFEST
    if not path.parent.is_dir():
        return None
    try:
        body = read_checked_json(path.read_bytes())
        if body["format"] != MANIFEST_FORMAT:
            raise ValueError(f"has the form {body['format']}, and this zoo knows {MANIFEST_FORMAT}")
        return Manifest(body["files"], body["about"], body)
    except OSError as error:
        raise _damaged(version, f"{path} can't be read: {error.strerror}") from error
    except (ValueError, KeyError) as error:
        raise _damaged(version, f"{path} {first_line(error)}") from error


def check_files(version: Path) -> Manifest | None:
    """Compares the files of a version with its manifest.

    Returns:
        The manifest, or None if there is none to compare with.

    Raises:
        ValueError: naming the first file that is missing, differs or is one too many.
    """
    manifest = read_manifest(version)
    if manifest is None:
        return None
    for folder, digests in ((version, manifest.files), (about_of(version), manifest.about)):
        for name, digest in digests.items():
            try:
                found = sha256_of(folder / name)
            except OSError as error:
                raise _damaged(
                    version, f"{folder / name} can't be read: {error.strerror}"
                ) from error
            if found != digest:
                raise _damaged(version, f"{folder / name} is not what was saved (SHA-256)")
    for name in files_in(version):
        if name not in manifest.files and Path(name).parts[0] != _EXTRA:
            raise _damaged(version, f"{version / name} is none of the files that were saved")
    return manifest


def files_in(folder: Path) -> list[str]:
    """Returns the paths of all files in a folder, from it on, sorted."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()
    )


def _damaged(version: Path, reason: str) -> ValueError:
    return ValueError(f"The export {version} is damaged: {reason}. Export the model again.")


def _keep_alive(loaded: Any) -> None:
    """Has each function hold the model, whose weights it knows by weak references alone.

    Else those of `load(folder).generate(...)` are gone when the function comes to read them.
    """
    for name in dir(loaded):
        if not name.startswith("__"):
            function = getattr(loaded, name)
            if callable(function) and hasattr(function, "get_concrete_function"):
                function.exported_model = loaded
