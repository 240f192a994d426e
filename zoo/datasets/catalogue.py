"""Finding a data set by name, preparing it on disk, and telling what is in it."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import hashlib
import importlib
import io
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

DataDir = str | os.PathLike[str] | None


@dataclasses.dataclass(frozen=True)
class _OwnDataset:
    """A data set of which the builder lies in this package and needs no network."""

    builder_module: str
    split_names: tuple[str, ...]
    stand_in: str


_OWN_DATASETS = {
    "mnist_small": _OwnDataset(
        builder_module="zoo.datasets.mnist_small.mnist_small_dataset_builder",
        split_names=("train", "validation", "test"),
        stand_in="5,000 of the 70,000 real digits of `mnist`; its scores are not scores on MNIST.",
    ),
}
# TFDS asks ten times, which on a machine with no network is silence for three minutes and a half.
_DOWNLOAD_RETRIES = 4


@dataclasses.dataclass(frozen=True)
class DatasetDescription:
    """What a data set holds.

    Attributes:
        name: as it was asked for.
        image_shape: (height, width, channels).
        class_names: one a label, in the order of the labels; None if the images have no labels.
        num_examples: images in each split.
        license: as its builder states it; "" if it does not.
        citation: BibTeX; "" if there is none.
        fingerprint: SHA-256 over the stored records. Equal fingerprints mean equal images and
            labels in an equal order. Unequal ones usually mean other data, but may also come from
            another PNG encoder.
        stand_in: what this set stands in for and how it differs from that; "" if it is no
            stand-in.
    """

    name: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...] | None
    num_examples: dict[str, int]
    license: str
    citation: str
    fingerprint: str
    stand_in: str


def describe(name: str, data_dir: DataDir = None) -> DatasetDescription:
    """Tells what a data set holds, after preparing it if it is not yet on disk.

    Args:
        name: `"mnist_small"`, or any image data set of TFDS.
        data_dir: where data sets are kept. Defaults to TFDS's own place, `TFDS_DATA_DIR` or
            `~/tensorflow_datasets`.

    Returns:
        A `DatasetDescription`.

    Raises:
        ValueError: if there is no such data set, its examples are not images of one size, or
            `data_dir` can't be written.
        RuntimeError: if it could not be downloaded or prepared.
    """
    features = image_features(find_builder(name, data_dir), name)
    info = prepare(name, data_dir).info
    own = _OWN_DATASETS.get(_base_name(name))
    return DatasetDescription(
        name=name,
        image_shape=features.image_shape,
        class_names=features.class_names,
        num_examples={split: info.splits[split].num_examples for split in info.splits},
        license=info.as_proto.redistribution_info.license,
        citation=info.citation,
        fingerprint=_fingerprint(info),
        stand_in=own.stand_in if own else "",
    )


def _fingerprint(info: tfds.core.DatasetInfo) -> str:
    digest = hashlib.sha256()
    for split in sorted(info.splits):
        for path in sorted(info.splits[split].filepaths):
            digest.update(path.name.encode())
            with path.open("rb") as records:
                while chunk := records.read(1 << 20):
                    digest.update(chunk)
    return digest.hexdigest()


# === Names ===


def find_builder(name: str, data_dir: DataDir) -> tfds.core.DatasetBuilder:
    """Gives the TFDS builder of that name; a ValueError if there is none."""
    import tensorflow_datasets as tfds

    own = _OWN_DATASETS.get(_base_name(name))
    if own is not None:
        # Importing a builder is what makes TFDS know its name.
        importlib.import_module(own.builder_module)
    try:
        return tfds.builder(name, data_dir=os.path.expanduser(data_dir) if data_dir else None)
    except tfds.core.DatasetNotFoundError as error:
        raise ValueError(_unknown_name(name)) from error
    except ValueError as error:
        raise ValueError(f"Can't make the data set {name!r}: {first_line(error)}") from error


def _base_name(name: str) -> str:
    """Drops what TFDS allows after a name: `name/config:version`."""
    return re.split("[/:]", name, maxsplit=1)[0]


def _unknown_name(name: str) -> str:
    import tensorflow_datasets as tfds

    known = [*_OWN_DATASETS, *tfds.list_builders(with_community_datasets=False)]
    close = difflib.get_close_matches(_base_name(name), known, n=1)
    return (
        f"There is no data set {name!r}."
        + (f" Did you mean {close[0]!r}?" if close else "")
        + f" Of the zoo's own there is {_listed(_OWN_DATASETS)}; any name of TFDS works too, such "
        "as 'mnist', 'svhn_cropped' or 'cifar10'."
    )


def check_split_name(name: str, split: str, builder: tfds.core.DatasetBuilder) -> None:
    """Raises a ValueError if the data set is known to have no such split.

    The splits of our own sets are known from the start, those of others once they are prepared.
    What TFDS understands beside names, such as `"train[:1000]"` or `"train+test"`, passes.
    """
    own = _OWN_DATASETS.get(_base_name(name))
    known = tuple(builder.info.splits) or (own.split_names if own else ())
    wanted = [re.sub(r"\[.*\]$", "", part.strip()) for part in str(split).split("+")]
    unknown = [part for part in wanted if part not in known and part != "all"]
    if known and unknown:
        raise ValueError(
            f"{name!r} has no split {unknown[0]!r}; choose from {_listed(known)}. "
            f"Received: split={split!r}."
        )


# === Features ===


@dataclasses.dataclass(frozen=True)
class ImageFeatures:
    """Which features of a TFDS example are its image and its label."""

    image_key: str
    image_shape: tuple[int, int, int]
    label_key: str | None
    class_names: tuple[str, ...] | None


def image_features(builder: tfds.core.DatasetBuilder, name: str) -> ImageFeatures:
    """Finds image and label among the features; a ValueError if the image can't be trained on."""
    import tensorflow_datasets as tfds

    image_key = _find_feature(builder, "image", tfds.features.Image)
    if image_key is None:
        raise ValueError(
            f"{name!r} is not a data set of images: its features are "
            f"{_listed(_named_features(builder))}; use one that has an 'image'."
        )
    image = builder.info.features[image_key]
    if None in image.shape:
        raise ValueError(
            f"{name!r} has images whose sizes vary: their shape is {image.shape}; use a data set "
            "of one size, such as 'svhn_cropped', or resize the images beforehand."
        )
    if np.dtype(image.np_dtype) != np.uint8:
        raise ValueError(
            f"{name!r} has images of {np.dtype(image.np_dtype)}; use one with pixels of uint8."
        )
    label_key = _find_feature(builder, "label", tfds.features.ClassLabel)
    return ImageFeatures(
        image_key=image_key,
        image_shape=tuple(image.shape),
        label_key=label_key,
        class_names=tuple(builder.info.features[label_key].names) if label_key else None,
    )


def _find_feature(builder: tfds.core.DatasetBuilder, usual_key: str, kind: type) -> str | None:
    """Gives the feature that TFDS usually calls so, or else the only one of its kind."""
    keys = [key for key, feature in _named_features(builder).items() if isinstance(feature, kind)]
    if usual_key in keys:
        return usual_key
    return keys[0] if len(keys) == 1 else None


def _named_features(builder: tfds.core.DatasetBuilder) -> dict[str, Any]:
    return dict(builder.info.features.items()) if hasattr(builder.info.features, "items") else {}


# === Preparation ===


def prepare(name: str, data_dir: DataDir) -> tfds.core.DatasetBuilder:
    """Gives the builder of that name, its records on disk.

    TFDS writes into a folder of its own and renames that when all is there, so that neither a
    killed process nor two at once leave half a data set.

    Raises:
        ValueError: if `data_dir` can't be written.
        RuntimeError: if the data set could not be downloaded or prepared.
    """
    import tensorflow_datasets as tfds

    is_own = _base_name(name) in _OWN_DATASETS
    builder = find_builder(name, data_dir)
    config = tfds.download.DownloadConfig(try_download_gcs=not is_own)
    try:
        with _quietly() if is_own else _impatiently():
            builder.download_and_prepare(download_config=config)
    except Exception as error:
        if builder.data_path.exists():
            # Another process was quicker: its copy is complete, and ours is discarded.
            return find_builder(name, data_dir)
        _refuse_unwritable(os.fspath(builder.data_dir_root))
        raise RuntimeError(_failed_preparation(name, is_own, error)) from error
    return builder


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Hides the progress bars, which say "downloading" of what is only unpacked."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


@contextlib.contextmanager
def _impatiently() -> Iterator[None]:
    """Has TFDS give up after a few seconds with no network, and say so once, not ten times."""
    from tensorflow_datasets.core.download import downloader

    retry_log = logging.getLogger("urllib3.connectionpool")
    usual_retries, usual_level = downloader.MAX_RETRIES, retry_log.level
    downloader.MAX_RETRIES = _DOWNLOAD_RETRIES
    retry_log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        downloader.MAX_RETRIES = usual_retries
        retry_log.setLevel(usual_level)


def _refuse_unwritable(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ValueError(
            f"data_dir={folder!r} can't be written ({error.strerror}); give another data_dir, or "
            "set TFDS_DATA_DIR."
        ) from error


def _failed_preparation(name: str, is_own: bool, error: Exception) -> str:
    reason = f"{type(error).__name__}: {first_line(error)}"
    if is_own:
        return f"The preparation of {name!r} failed ({reason})"
    return (
        f"The download or preparation of {name!r} failed ({reason}). If there is no network, use "
        f"{_listed(_OWN_DATASETS)}, which needs none."
    )


def first_line(error: Exception) -> str:
    """Gives what a message of many lines begins with."""
    return (str(error).strip().splitlines() or ["no message"])[0]


def _listed(names: Any) -> str:
    return ", ".join(repr(name) for name in names) or "none"
