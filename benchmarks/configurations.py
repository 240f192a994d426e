"""Which records a table compares, which of them share a row, and what rows are called."""

import dataclasses
import json
import re
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any

from benchmarks.records import Record
from benchmarks.registry import RECIPES
from recipes.common.measures import OFF, Axis, Companion, Measures

PRESET = "preset"
# Settings that change nothing of what is trained; `strategy` once was one.
HOW_IT_RAN = ("strategy", "jit", "evaluate_every")


def of_training(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what decides how a run trains: runs that have it in common are the same run.

    Left out is what is off, for runs from before there was such a setting do not have it.
    """
    return {
        name: value
        for name, value in configuration.items()
        if name not in HOW_IT_RAN and value not in OFF
    }


# === Groups ===


def grouped(records: Iterable[Record], key: Callable[[Record], Hashable]) -> list[list[Record]]:
    """Returns the records of equal keys together, in the order of the keys."""
    groups: dict[Any, list[Record]] = {}
    for record in records:
        groups.setdefault(key(record), []).append(record)
    return [groups[value] for value in sorted(groups)]


def measures_of(record: Record) -> Measures:
    """Returns what is measured of the record's recipe."""
    return RECIPES[record.recipe].measures


def comparable_key(record: Record) -> tuple[str, ...]:
    """Returns what records must have in common to be compared."""
    return (
        record.recipe,
        record.configuration["dataset"],
        record.preset,
        _learnt_from(record),
        re.sub(_tolerated(record), "", record.protocol),
        str(record.dataset_fingerprint),
    )


def _learnt_from(record: Record) -> str:
    """Returns the training images where copies of them are counted, which hangs on their number."""
    counts_copies = any(column.score == "authenticity" for column in measures_of(record).columns)
    return record.configuration.get("train_split", "") if counts_copies else ""


def shown_protocol(records: Sequence[Record]) -> str:
    """Returns the protocol of records that compare, with all variants of what may differ."""
    pattern = _tolerated(records[0])
    variants = {found for record in records for found in re.findall(pattern, record.protocol)}
    return re.sub(pattern, " or ".join(sorted(variants)), records[0].protocol)


def _tolerated(record: Record) -> str:
    matches_nothing = r"(?!)"
    return measures_of(record).same_protocol_but_for or matches_nothing


# === Rows ===


@dataclasses.dataclass(frozen=True)
class Row:
    """The runs of one configuration.

    Attributes:
        name: "preset", or how it differs.
        all_runs: with those that were run again to train a companion.
    """

    name: str
    all_runs: tuple[Record, ...]

    @property
    def runs(self) -> list[Record]:
        """One a seed, in the order of the seeds.

        Of several the one without a companion, where there is such a run, or else the newest.
        """
        in_date_order = sorted(self.all_runs, key=lambda record: record.date)
        by_seed = {
            _seeds(record): record
            for record in sorted(in_date_order, key=_companion_epochs, reverse=True)
        }
        return [by_seed[seed] for seed in sorted(by_seed)]

    @property
    def runs_alone(self) -> list[Record]:
        """Those that trained no companion and had no GPU, so that their times compare."""
        return [run for run in self.all_runs if not _companion_epochs(run) and not has_gpu(run)]

    @property
    def timed_runs(self) -> tuple[list[Record], str]:
        """Those whose times are told, and what is said behind these: `runs_alone`, else a GPU's."""
        if self.runs_alone:
            return self.runs_alone, ""
        on_a_gpu = [run for run in self.all_runs if not _companion_epochs(run)]
        return on_a_gpu, " on a GPU" if on_a_gpu else ""

    def name_beside(self, companion: Companion) -> str:
        """Returns the name of a companion's row beside this one."""
        return companion.title if self.name == PRESET else f"{companion.title}: {self.name}"

    def runs_with(self, companion: Companion) -> list[Record]:
        """Returns the runs that trained that companion longest; none if none did."""
        epochs = [record.configuration[companion.epochs] for record in self.all_runs]
        return [
            record
            for record, trained in zip(self.all_runs, epochs, strict=True)
            if trained and trained == max(epochs)
        ]


def has_gpu(record: Record) -> bool:
    """Returns whether a run had a GPU, beside whose times those of processors mean nothing."""
    return any(device.startswith("GPU") for device in record.devices)


def rows_of(records: Sequence[Record]) -> list[Row]:
    """Returns the rows of one table, the preset's first.

    Args:
        records: that compare.
    """
    bases = _bases(records)
    rows = [Row(_name(runs[0], bases), tuple(runs)) for runs in grouped(records, _seedless)]

    def order(row: Row) -> tuple[Any, ...]:
        numbers = [axis_value(row.all_runs[0], axis) for axis in measures_of(records[0]).row_axes]
        return row.name != PRESET, row.name, *numbers

    return sorted(rows, key=order)


def axis_value(record: Record, axis: Axis) -> int:
    """Returns the number of a run on an axis of its recipe."""
    return record.configuration[axis.hyper_parameters[0]]


def _companion_epochs(record: Record) -> int:
    """Returns how long the companions were trained in a run."""
    companions = measures_of(record).trained_companions
    return sum(record.configuration[companion.epochs] for companion in companions)


def _seeds(record: Record) -> tuple[int, ...]:
    return tuple(record.configuration[name] for name in measures_of(record).seeds)


def _seedless(record: Record) -> str:
    measures = measures_of(record)
    varied = {*measures.seeds, *_never_shown(measures)}
    settings = {
        name: value
        for name, value in record.configuration.items()
        if name not in varied and value not in OFF
    }
    return json.dumps(settings, sort_keys=True)


def _never_shown(measures: Measures) -> set[str]:
    return {"smoke", *HOW_IT_RAN, *(companion.epochs for companion in measures.trained_companions)}


def _shown_elsewhere(measures: Measures) -> set[str]:
    axes = {name for axis in measures.axes for name in axis.hyper_parameters}
    return axes | _never_shown(measures)


# === Names of rows ===


def legend(records: Sequence[Record]) -> list[str]:
    """Returns a line for each kind but the preset's: what its configuration of most seeds is."""
    measures = measures_of(records[0])
    varied = {*_shown_elsewhere(measures), measures.kind}
    return [
        f"- `{kind}`: {differences_from_preset(base, varied) or 'else as the preset'}"
        for kind, base in sorted(_bases(records).items())
    ]


def _bases(records: Sequence[Record]) -> dict[str, Record]:
    """Gives for each kind but the preset's a run of the configuration of most seeds."""
    first = records[0]
    kind = measures_of(first).kind
    if kind is None:
        return {}
    preset = RECIPES[first.recipe].preset(first.preset, first.configuration["dataset"])
    configurations = [Row("", tuple(runs)) for runs in grouped(records, _seedless)]
    bases: dict[str, Record] = {}
    for row in sorted(configurations, key=lambda row: -len(row.runs)):
        record = row.all_runs[0]
        if record.configuration[kind] != getattr(preset, kind):
            bases.setdefault(record.configuration[kind], record)
    return bases


def _name(record: Record, bases: Mapping[str, Record]) -> str:
    measures = measures_of(record)
    varied = _shown_elsewhere(measures)
    kind = record.configuration.get(measures.kind)
    if kind not in bases:
        return differences_from_preset(record, varied) or PRESET
    own = differences(record.configuration, bases[kind].configuration, varied, kind)
    return f"{kind}, {own}" if own else kind


def differences_from_preset(record: Record, varied: Collection[str]) -> str:
    """Returns how the configuration differs from its preset as that is now; "" if it does not.

    Args:
        record: of a run.
        varied: hyper-parameters that are shown elsewhere.
    """
    preset = RECIPES[record.recipe].preset(record.preset, record.configuration["dataset"])
    return differences(record.configuration, dataclasses.asdict(preset), varied, PRESET)


def differences(
    values: Mapping[str, Any], usual: Mapping[str, Any], varied: Collection[str], usual_name: str
) -> str:
    """Returns how a configuration differs from a usual one; "" if it does not.

    Args:
        values: the configuration.
        usual: the other one.
        varied: hyper-parameters that are shown elsewhere.
        usual_name: of the other one.
    """
    found = []
    for name in sorted((values.keys() | usual.keys()) - set(varied)):
        if name not in usual:
            found.append(f"{name}={_as_set(values[name])} (no longer a setting)")
        elif name not in values:
            found += [] if usual[name] in OFF else [f"before there was {name}"]
        elif values[name] != usual[name]:
            own, other = _as_set(values[name]), _as_set(usual[name])
            found.append(f"{name}={own} ({usual_name}: {other})")
    return ", ".join(found)


def _as_set(value: Any) -> Any:
    """Gives a value as the flag `--set` takes it."""
    return "none" if value is None else value
