"""What the tables of all recipes share: groups of records, numbers, rows and where they ran."""

import dataclasses
import json
import math
import statistics
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any

from benchmarks.recipe import recipe_module
from benchmarks.records import Record

# === Groups ===


def grouped(records: Iterable[Record], key: Callable[[Record], Hashable]) -> list[list[Record]]:
    """Returns the records of equal keys together, in the order of the keys."""
    groups: dict[Any, list[Record]] = {}
    for record in records:
        groups.setdefault(key(record), []).append(record)
    return [groups[value] for value in sorted(groups)]


def protocol_key(record: Record) -> tuple[str, ...]:
    """Returns what records must have in common to be compared."""
    return (
        record.recipe,
        record.configuration["dataset"],
        record.preset,
        record.protocol,
        str(record.dataset_fingerprint),
    )


def settings_key(record: Record, varied: Collection[str]) -> str:
    """Returns the configuration as text, apart from the hyper-parameters that vary."""
    settings = {name: value for name, value in record.configuration.items() if name not in varied}
    return json.dumps(settings, sort_keys=True)


def differences_from_preset(record: Record, varied: Collection[str]) -> str:
    """Returns how the configuration differs from its preset as that is now; "" if it does not.

    Args:
        record: of a run.
        varied: hyper-parameters that are shown elsewhere.
    """
    module = recipe_module(record.recipe)
    preset = module.preset(record.preset, record.configuration["dataset"])
    return differences(record.configuration, dataclasses.asdict(preset), varied, "preset")


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
            found.append(f"before there was {name}")
        elif values[name] != usual[name]:
            own, other = _as_set(values[name]), _as_set(usual[name])
            found.append(f"{name}={own} ({usual_name}: {other})")
    return ", ".join(found)


def _as_set(value: Any) -> Any:
    """Gives a value as the flag `--set` takes it."""
    return "none" if value is None else value


# === Cells ===


def mean_and_deviation(values: Sequence[float], unit: str = "", decimals: int | None = None) -> str:
    """Returns mean ± sample standard deviation over seeds; of one seed, the value.

    Args:
        values: one a seed.
        unit: what stands behind the numbers.
        decimals: of both numbers. Defaults to as many as give the larger one three digits.
    """
    mean = statistics.fmean(values)
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    if decimals is None:
        decimals = _decimals_of_three_digits(max(abs(mean), deviation))
    if len(values) == 1:
        return f"{mean:.{decimals}f}{unit}"
    return f"{mean:.{decimals}f} ± {deviation:.{decimals}f}{unit}"


def _decimals_of_three_digits(value: float) -> int:
    return max(0, 2 - math.floor(math.log10(value))) if value else 2


def span(values: Iterable[float | None], digits: str = ".1f") -> str:
    """Returns the least and the largest value that is known, or the one if these look equal."""
    known = [value for value in values if value is not None]
    if not known:
        return "unknown"
    least, most = f"{min(known):{digits}}", f"{max(known):{digits}}"
    return least if least == most else f"{least} to {most}"


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]], first: str) -> str:
    """Returns a table of right-aligned columns, the first of which is aligned as `first` says."""
    lines = (columns, [first, *["---:"] * (len(columns) - 1)], *rows)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


# === Below a table ===


def ran_on(records: Sequence[Record]) -> list[str]:
    """Returns what the runs of a table ran on, a line each."""
    return [
        f"- Devices: {distinct(_devices(record) for record in records)}",
        f"- Versions: {distinct(_versions(record) for record in records)}",
        f"- Commits: {distinct(_commit(record) for record in records)}",
        f"- Dates: {distinct(record.date for record in records)}",
        f"- Data: {(records[0].dataset_fingerprint or 'unknown')[:12]}",
    ]


def distinct(values: Iterable[str]) -> str:
    """Returns the different values, in one line."""
    return "; ".join(sorted(set(values)))


def _devices(record: Record) -> str:
    return f"{', '.join(record.devices)} ({record.cpus} CPUs)"


def _versions(record: Record) -> str:
    names = {"tensorflow": "TensorFlow", "keras": "Keras", "python": "Python"}
    return ", ".join(f"{shown} {record.versions.get(name)}" for name, shown in names.items())


def _commit(record: Record) -> str:
    if record.git_commit is None:
        return "unknown"
    commit, plus, changes = record.git_commit.partition("+")
    return commit[:10] + plus + changes


def early_ends(records: Sequence[Record], name_of: Callable[[Record], str]) -> list[str]:
    """Returns a paragraph on the runs that trained fewer epochs than asked for, if there are any.

    Args:
        records: of one table.
        name_of: what tells a run from the others of the table.
    """
    early = [
        f"- {name_of(record)}, seed {record.configuration['seed']}: "
        f"{record.details['epochs']} epochs, {record.details['stop_reason']}"
        for record in records
        if record.details["epochs"] < record.configuration["epochs"]
    ]
    return ["Ended early:\n\n" + "\n".join(early)] if early else []
