"""Records of measured runs: one small JSON file a run, written once, and checked when read."""

import dataclasses
import datetime
import hashlib
import inspect
import json
import math
import os
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.common.files import write_atomically

FOLDER = Path(__file__).resolve().parent / "records"

_FORMAT = 1
_DIGITS_OF_DIGEST = 8


@dataclasses.dataclass(frozen=True)
class Record:
    """What is kept of one run.

    Attributes:
        recipe: name of the recipe.
        preset: name of the preset that the configuration started from.
        configuration: every hyper-parameter by name.
        protocol: one line that says on what the scores were measured, and with which weights.
        scores: by name, all finite.
        details: what else the run's `results.json` says.
        seconds: the whole run, from the start of its process to its end.
        steps_per_second: train steps, with what is done between them; None if the run is too
            short to tell.
        versions: of Python and the packages, None for those not installed.
        devices: those that TensorFlow lists, by their names; of processors the widest vectors too.
            Older records say "CPU" alone.
        cpus: that the run might use.
        git_commit: of the code, with "+changes" if files differed; None outside a checkout.
        dataset_fingerprint: tells one state of the data from another.
        date: ISO 8601, UTC.
        smoke: whether the run only showed that every stage works; its scores mean nothing.
    """

    recipe: str
    preset: str
    configuration: dict[str, Any]
    protocol: str
    scores: dict[str, float]
    details: dict[str, Any]
    seconds: float
    steps_per_second: float | None
    versions: dict[str, str | None]
    devices: list[str]
    cpus: int
    git_commit: str | None
    dataset_fingerprint: str | None
    date: str
    smoke: bool


def path_of(
    folder: str | os.PathLike[str], recipe: str, preset: str, configuration: Mapping[str, Any]
) -> Path:
    """Returns where the record of a run lies; runs that differ in any value lie apart.

    Args:
        folder: of all records.
        recipe: name of the recipe.
        preset: name of the preset.
        configuration: every hyper-parameter, `dataset` and `seed` among them.
    """
    labels = [f"{configuration['num_labels']}labels"] if "num_labels" in configuration else []
    smoke = ["smoke"] if configuration.get("smoke") else []
    digest = hashlib.sha256(json.dumps(configuration, sort_keys=True).encode()).hexdigest()
    parts = [
        *(configuration["dataset"], preset, *labels, f"seed{configuration['seed']}"),
        *(*smoke, digest[:_DIGITS_OF_DIGEST]),
    ]
    # TFDS names data sets with configurations and versions like paths.
    slug = "-".join(parts).replace("/", "_").replace(":", "_")
    return Path(folder, recipe, f"{slug}.json")


def write_record(record: Record, folder: str | os.PathLike[str] = FOLDER) -> Path:
    """Writes a record into its place, whole or not at all.

    Args:
        record: of a run that has no record yet.
        folder: of all records.

    Returns:
        The new file.

    Raises:
        FileExistsError: if there is a record of such a run.
        ValueError: if the record isn't one that could be read back.
        OSError: if the file can't be written.
    """
    path = path_of(folder, record.recipe, record.preset, record.configuration)
    if path.exists():
        raise FileExistsError(f"{path} exists, and a record is never overwritten.")
    content = {"record_format": _FORMAT, **dataclasses.asdict(record)}
    _refuse_damaged(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(content, indent=1, sort_keys=True) + "\n")
    return path


def read_record(path: str | os.PathLike[str]) -> Record:
    """Reads a record and checks it.

    Args:
        path: of the file, in the folder of its recipe.

    Raises:
        ValueError: if it is damaged, or isn't the record that its name promises; in one line.
        OSError: if it can't be read.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_bytes())
        _refuse_damaged(content)
        record = Record(**{name: content[name] for name in _field_names()})
        own_path = path_of(path.parent.parent, record.recipe, record.preset, record.configuration)
        if path != own_path:
            raise ValueError(f"its content belongs in {own_path.parent.name}/{own_path.name}")
    except ValueError as error:
        problem = " ".join(str(error).split())
        raise ValueError(
            f"{path} is no sound record: {problem}. "
            "Restore the file, or delete it and measure again."
        ) from error
    return record


def read_records(folder: str | os.PathLike[str] = FOLDER) -> list[Record]:
    """Reads all records of a folder, in the order of their paths; none if it does not exist.

    Raises:
        ValueError: if one is damaged.
        OSError: if one can't be read.
    """
    return [read_record(path) for path in sorted(Path(folder).glob("*/*.json"))]


# === Checks ===


def _field_names() -> list[str]:
    return [field.name for field in dataclasses.fields(Record)]


def _refuse_damaged(content: Any) -> None:
    if not isinstance(content, dict):
        raise ValueError("it holds no JSON object")
    if content.get("record_format") != _FORMAT:
        raise ValueError(f"record_format is {content.get('record_format')!r}, not {_FORMAT}")
    different = {"record_format", *_field_names()} ^ content.keys()
    if different:
        raise ValueError(f"fields are missing or unknown: {', '.join(sorted(different))}")
    for field in dataclasses.fields(Record):
        if not _is_a(field.type, content[field.name]):
            raise ValueError(
                f"{field.name} should be {inspect.formatannotation(field.type)}, with finite "
                f"numbers and text of one line. Received: {content[field.name]!r}"
            )
    configuration = content["configuration"]
    if not _is_a(str, configuration.get("dataset")) or not _is_a(int, configuration.get("seed")):
        raise ValueError(f"configuration should name dataset and seed. Received: {configuration}")
    for name in ("seconds", "cpus"):
        if content[name] <= 0:
            raise ValueError(f"{name} should be positive. Received: {content[name]}")
    if not content["scores"]:
        raise ValueError("there are no scores")
    if content["smoke"] != configuration.get("smoke", False):
        raise ValueError("smoke differs from smoke in its configuration")
    datetime.date.fromisoformat(content["date"])


def _is_a(kind: Any, value: Any) -> bool:
    """Returns whether a value is of the type, with text of one line and finite numbers in it."""
    kinds = typing.get_args(kind)
    if isinstance(kind, types.UnionType):
        return any(_is_a(choice, value) for choice in kinds)
    if typing.get_origin(kind) is dict:
        return type(value) is dict and all(_is_a(kinds[1], entry) for entry in value.values())
    if typing.get_origin(kind) is list:
        return type(value) is list and all(_is_a(kinds[0], entry) for entry in value)
    if kind is str:
        return type(value) is str and len(value.splitlines()) == 1
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return kind is Any or type(value) is kind
