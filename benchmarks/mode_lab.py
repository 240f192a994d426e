"""Puts the methods of the mode lab side by side: measures them, and makes their tables.

    python -m benchmarks.mode_lab --dry_run         # what it would measure, in this order
    python -m benchmarks.mode_lab                   # measures what has no record yet
    python -m benchmarks.mode_lab --datasets=ring --seeds=0 --methods="plain,R1"

The most telling runs come first, one seed of all before the next, so that it may be stopped and
begun again at any time. `python -m benchmarks.pages` then makes docs/experiments/mode_lab.md anew.
"""

from recipes.common import command_line  # first: it keeps TensorFlow's import quiet

# isort: split
import dataclasses
import signal
import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from benchmarks.cells import NOTHING, markdown_table, mean_and_deviation
from benchmarks.measure import Run, has_record, measure
from benchmarks.records import FOLDER, Record
from recipes.common.measures import Reported
from recipes.common.modes import STACKS
from recipes.mode_lab import METHODS, RECIPE, preset
from zoo.common.command_errors import one_line_errors

# How many seeds each data set is worth; three digits take as long as all others together.
SEEDS = {"ring": 5, "grid": 5, "two_digits": 3, "three_digits": 1}
_OF_STACKS = ("plain", "paired + R1 + R2", "R1", "packs of 2", "unrolled 5 steps", "WGAN-GP")
_OF_MANY_MODES = ("paired + R1 + R2", "packs of 2")
_NOT_OF_THE_METHOD = {"seed", "smoke"}


# === Which runs ===


def plan(
    datasets: Sequence[str] = tuple(SEEDS),
    methods: Sequence[str] = tuple(METHODS),
    seeds: Sequence[int] = tuple(range(5)),
) -> list[tuple[str, Run]]:
    """Returns the runs of all that are asked for, in the order in which they tell most.

    Stacks, whose runs take longer, have fewer methods and seeds.

    Args:
        datasets: of the recipe.
        methods: names in `METHODS`.
        seeds: of weights, latents and samples.

    Returns:
        The method of each run, and the run.

    Raises:
        ValueError: if there is no such data set or method.
    """
    for name, given, known in (("datasets", datasets, SEEDS), ("methods", methods, METHODS)):
        unknown = [each for each in given if each not in known]
        if unknown:
            raise ValueError(f"--{name} may be: {', '.join(known)}. Received: {unknown[0]!r}")
    return [
        (method, Run(RECIPE.name, "quick", configuration_of(dataset, method, seed)))
        for seed in seeds
        for dataset in datasets
        for method in methods
        if _is_worth_a_run(dataset, method, seed)
    ]


def _is_worth_a_run(dataset: str, method: str, seed: int) -> bool:
    if dataset == "three_digits" and method not in _OF_MANY_MODES:
        return False
    if dataset in STACKS and method not in _OF_STACKS:
        return False
    return seed < SEEDS[dataset]


def configuration_of(dataset: str, method: str, seed: int = 0) -> dict[str, Any]:
    """Returns every hyper-parameter of a method on a data set."""
    values = dataclasses.replace(preset("quick", dataset), **METHODS[method], seed=seed)
    RECIPE.check(values)
    return dataclasses.asdict(values)


def method_of(record: Record) -> str | None:
    """Returns the method that a run is of, as it is set now; None if it is of none."""
    if record.recipe != RECIPE.name or record.preset != "quick" or record.smoke:
        return None
    found = _without_seed(record.configuration)
    dataset = record.configuration["dataset"]
    methods = METHODS if dataset in SEEDS else ()
    return next((m for m in methods if _without_seed(configuration_of(dataset, m)) == found), None)


def _without_seed(configuration: dict[str, Any]) -> dict[str, Any]:
    return {name: v for name, v in configuration.items() if name not in _NOT_OF_THE_METHOD}


# === Tables ===


def method_table(records: Iterable[Record]) -> str:
    """Returns a table of a row a method and some columns a data set, as far as it was measured."""
    runs: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        method = method_of(record)
        if method is not None:
            runs.setdefault((method, record.configuration["dataset"]), []).append(record)
    if not runs:
        return "No run is recorded yet."
    datasets = [each for each in SEEDS if any(dataset == each for _, dataset in runs)]
    heading = ["Method"]
    for dataset in datasets:
        heading += [f"{dataset}: seeds", *(title for title, *_ in _columns(dataset))]
    rows = []
    for method in METHODS:
        if any((method, dataset) in runs for dataset in datasets):
            cells = [
                cell
                for dataset in datasets
                for cell in _cells(dataset, runs.get((method, dataset), []))
            ]
            rows.append([method, *cells])
    return markdown_table([*heading, "Step", "Memory"], _with_costs(rows, runs), num_texts=1)


def _columns(dataset: str) -> list[tuple[str, str, float, str, int]]:
    """Gives title, score, factor, unit and decimals of each column."""
    modes = ("modes", "modes", 1.0, "", 1)
    if dataset in STACKS:
        return [modes, ("divergence", "mode_divergence", 1.0, "", 3)]
    return [
        modes,
        ("high quality", "high_quality", 100.0, " %", 1),
        ("width", "mode_spread", 1.0, "", 2),
    ]


def _cells(dataset: str, runs: Sequence[Record]) -> list[str]:
    if not runs:
        return [NOTHING] * (1 + len(_columns(dataset)))
    cells = [str(len(runs))]
    for _, score, factor, unit, decimals in _columns(dataset):
        values = [factor * run.scores[score] for run in runs]
        cells.append(mean_and_deviation(values, unit, decimals))
    return cells


def _with_costs(
    rows: Sequence[list[str]], runs: dict[tuple[str, str], list[Record]]
) -> list[list[str]]:
    """Adds what a step takes, of the first data set that was measured: the median of its runs."""
    with_costs = []
    for row in rows:
        own = next(runs[row[0], dataset] for dataset in SEEDS if (row[0], dataset) in runs)
        speeds = [run.steps_per_second for run in own if run.steps_per_second]
        step = f"{1000 / statistics.median(speeds):.1f} ms" if speeds else NOTHING
        memory = statistics.median(run.details["peak_memory_megabytes"] for run in own)
        with_costs.append([*row, step, f"{memory:,.0f} MB"])
    return with_costs


def published_table() -> str:
    """Returns a table of what papers report, a row a method and a column a data set."""
    datasets = list(dict.fromkeys(each.dataset for each in RECIPE.reported))
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for reported in RECIPE.reported:
        rows.setdefault((reported.by, _published_method(reported)), {})[reported.dataset] = (
            reported.value
        )
    shown = {each.dataset: f"{each.shown_dataset}: {each.measure}" for each in RECIPE.reported}
    heading = ["Paper", "Method", *(shown[dataset] for dataset in datasets)]
    cells = (
        [*row, *(values.get(dataset, NOTHING) for dataset in datasets)]
        for row, values in rows.items()
    )
    return markdown_table(heading, cells, num_texts=2)


def _published_method(reported: Reported) -> str:
    packing, steps = (reported.settings[name] for name in ("packing", "unrolled_steps"))
    if steps:
        return f"unrolled {steps} step{'s' if steps > 1 else ''}"
    return f"packs of {packing}" if packing > 1 else "plain"


# === Command ===


def _planned_by_flags() -> list[tuple[str, Run]]:
    values = flags.FLAGS
    if not all(text.isdecimal() for text in values.seeds):
        raise ValueError(f"--seeds should be whole numbers such as 0,1. Received: {values.seeds}")
    return plan(values.datasets, values.methods, list(map(int, values.seeds)))


def main() -> None:
    """Measures what the flags say, or says what that is; ends with 1 if a run failed."""
    # As an exception it ends the run under way too, and removes its folder.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    records = Path(flags.FLAGS.records)
    with one_line_errors():
        planned = _planned_by_flags()
        records.mkdir(parents=True, exist_ok=True)
    if flags.FLAGS.dry_run:
        for method, run in planned:
            print(f"{run}: {method}{' (recorded)' if has_record(run, records) else ''}")
        return
    failed = measure([run for _, run in planned], records)
    if failed:
        print(f"{len(failed)} of {len(planned)} runs failed.", file=sys.stderr)
        sys.exit(1)
    print("Every run has a record. `python -m benchmarks.pages` makes the pages.")


if __name__ == "__main__":
    flags.DEFINE_list("datasets", list(SEEDS), "Data sets to measure on.")
    flags.DEFINE_list("methods", list(METHODS), "Methods to measure.")
    flags.DEFINE_list("seeds", ["0", "1", "2", "3", "4"], "Seeds; stacks have fewer.")
    flags.DEFINE_string("records", str(FOLDER), "Folder of the records.")
    flags.DEFINE_bool("dry_run", False, "Say what would be measured, and measure nothing.")
    command_line.run(main)
