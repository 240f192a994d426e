"""Getting a data set of TFDS onto the disk, and saying clearly why that failed."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import tensorflow as tf

from zoo.common.messages import first_line, listed
from zoo.datasets.catalogue import OWN_DATASETS, base_name, find_builder, own_dataset
from zoo.datasets.disk import DataDir, check_writable

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

# TFDS asks ten times, which on a machine with no network is silence for three minutes and a half.
_DOWNLOAD_RETRIES = 4
# Builders that read their downloads with a library that TFDS does not bring along.
_NEEDED_LIBRARIES = {"lsun": "tensorflow_io"}


def prepare(name: str, data_dir: DataDir) -> tfds.core.DatasetBuilder:
    """Gives the builder of that name, its records on disk.

    TFDS writes into a folder of its own and renames that when all is there, so that neither a
    killed process nor two at once leave half a data set.

    Raises:
        ValueError: if `data_dir` can't be written.
        RuntimeError: if the data set could not be downloaded or prepared.
    """
    import tensorflow_datasets as tfds

    builder = find_builder(name, data_dir)
    if builder.data_path.exists():
        return builder
    own = own_dataset(name)
    _refuse_missing_library(name)
    config = tfds.download.DownloadConfig(try_download_gcs=own is None)
    try:
        with _impatiently() if own is None else _quietly(own.work):
            builder.download_and_prepare(download_config=config)
    except Exception as error:
        if builder.data_path.exists():
            # Another process was quicker: its copy is complete, and ours is discarded.
            return find_builder(name, data_dir)
        check_writable(builder.data_dir_root)
        raise RuntimeError(_failed_preparation(name, error)) from error
    return builder


@contextlib.contextmanager
def reading_records(name: str, builder: tfds.core.DatasetBuilder) -> Iterator[None]:
    """Says what to do where the records of a prepared data set are gone, damaged or locked.

    Only what reads records may stand within: of anything else the advice would be wrong.

    Raises:
        RuntimeError: in the place of what TensorFlow or the system raise.
    """
    damaged = (
        tf.errors.DataLossError,
        # There are fewer records than there shall be.
        tf.errors.FailedPreconditionError,
        tf.errors.NotFoundError,
        FileNotFoundError,
    )
    try:
        yield
    except damaged as error:
        raise RuntimeError(
            f"Records of {name!r} are damaged or missing ({first_line(error)}); delete "
            f"{builder.data_path} and start again, so that they are prepared anew."
        ) from error
    except (tf.errors.PermissionDeniedError, PermissionError) as error:
        raise RuntimeError(
            f"Records of {name!r} may not be read ({first_line(error)}); see to the permissions of "
            f"{builder.data_path}, or give another data_dir."
        ) from error


def _refuse_missing_library(name: str) -> None:
    library = _NEEDED_LIBRARIES.get(base_name(name))
    if library and importlib.util.find_spec(library) is None:
        raise RuntimeError(
            f"{name!r} can't be prepared without {library}, which is not installed and has no "
            "release for this TensorFlow; prepare it elsewhere and give its data_dir, or save its "
            f"images as files, 'folder:PATH', or use {listed(OWN_DATASETS)}."
        )


@contextlib.contextmanager
def _quietly(work: str) -> Iterator[None]:
    """Hides what TFDS says, which is "downloading" of what is only drawn or unpacked.

    In a terminal its bars stay, for work that takes long.
    """
    if work:
        print(f"{work[0].upper()}{work[1:]}, once.", file=sys.stderr)
    shows_bars = work and sys.stderr.isatty()
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        if not shows_bars:
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
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


def _failed_preparation(name: str, error: Exception) -> str:
    reason = f"{type(error).__name__}: {first_line(error)}"
    if own_dataset(name):
        return f"The preparation of {name!r} failed ({reason})."
    return (
        f"The download or preparation of {name!r} failed ({reason}). If there is no network, use "
        f"{what_needs_no_network(name)}."
    )


def what_needs_no_network(name: str) -> str:
    """Names the stand-in for a data set, or all of our own, and a folder of images."""
    names = (base_name(name), name)
    stand_ins = [own for own, is_of in OWN_DATASETS.items() if is_of.replaces in names]
    return (
        f"its stand-in {stand_ins[0]!r}, or images of your own, 'folder:PATH'"
        if stand_ins
        else f"{listed(OWN_DATASETS)}, or images of your own, 'folder:PATH'"
    )
