"""The digest of all examples of a data set of TFDS, which tells one state of the data from another.

Of the examples and not of the files, in which the order of features is by chance. As all of them
must be read for it, the digest is kept beside the data, with the state of the files it is of.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import tensorflow as tf
from tqdm import tqdm

from zoo.common.files import write_atomically
from zoo.datasets import disk, preparation

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

_FORMAT = 1
_BATCH_TO_HASH = 256
# Above it, the wait is worth a line in a log.
_LARGE = 2**30
# By folder and state of its files. What can't be kept on disk is read once a process.
_DIGESTS: dict[tuple[str, str], str] = {}


def digest_of_examples(
    name: str,
    builder: tfds.core.DatasetBuilder,
    encoded_examples: Callable[[str], tf.data.Dataset],
    data_dir: disk.DataDir,
) -> str:
    """Gives the digest of a data set that is prepared, in hexadecimal digits.

    Args:
        name: of the data set.
        builder: of it.
        encoded_examples: split → its examples, their images as they are stored.
        data_dir: where data sets are kept.

    Raises:
        RuntimeError: if a record can't be read.
    """
    with preparation.reading_records(name, builder):
        files = [_state_of_file(path) for path in _record_files(builder)]
    # Without the folder, so that a data set may be moved, or mounted elsewhere.
    state = json.dumps([_FORMAT, builder.info.full_name, *files])
    here = (str(builder.data_path), state)
    if here in _DIGESTS:
        return _DIGESTS[here]
    file_name = f"digest-{hashlib.sha256(builder.info.full_name.encode()).hexdigest()[:32]}.json"
    kept_in = disk.data_dir_or_default(data_dir) / "zoo_decoded" / file_name
    digest = _kept_digest(kept_in, state)
    if digest is None:
        with preparation.reading_records(name, builder):
            digest = _hash_examples(name, builder, encoded_examples)
        # Of data that many share, the folder may be there to be read only.
        with contextlib.suppress(OSError):
            kept_in.parent.mkdir(exist_ok=True)
            write_atomically(kept_in, json.dumps({"state": state, "digest": digest}))
    _DIGESTS[here] = digest
    return digest


def _kept_digest(path: Path, state: str) -> str | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return kept["digest"] if kept["state"] == state else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _hash_examples(
    name: str,
    builder: tfds.core.DatasetBuilder,
    encoded_examples: Callable[[str], tf.data.Dataset],
) -> str:
    splits = {split: info.num_examples for split, info in sorted(builder.info.splits.items())}
    if not sys.stderr.isatty() and builder.info.dataset_size > _LARGE:
        print(f"Reading all of {name!r} for its fingerprint, once.", file=sys.stderr)
    digest = hashlib.sha256()
    with tqdm(
        total=sum(splits.values()),
        desc="taking the fingerprint",
        unit=" examples",
        disable=None,
        leave=False,
    ) as bar:
        for split, num_examples in splits.items():
            digest.update(f"{split}\n".encode())
            if not num_examples:
                continue
            for batch in encoded_examples(split).batch(_BATCH_TO_HASH).as_numpy_iterator():
                examples = list(zip(*tf.nest.flatten(batch), strict=True))
                for value in itertools.chain.from_iterable(examples):
                    content = value if isinstance(value, bytes) else value.tobytes()
                    digest.update(len(content).to_bytes(8, "little") + content)
                bar.update(len(examples))
    return digest.hexdigest()


def _record_files(builder: tfds.core.DatasetBuilder) -> list[Path]:
    splits = builder.info.splits
    return [Path(path) for split in sorted(splits) for path in sorted(splits[split].filepaths)]


def _state_of_file(path: Path) -> tuple[str, int, int]:
    state = path.stat()
    return path.name, state.st_size, state.st_mtime_ns
