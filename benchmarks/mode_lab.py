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
import functools
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from absl import flags

from benchmarks import side_by_side
from benchmarks.cells import NOTHING, markdown_table, mean_and_deviation
from benchmarks.configurations import has_gpu
from benchmarks.measure import Run
from benchmarks.records import Record
from recipes.common.measures import Reported
from recipes.common.modes import STACKS
from recipes.mode_lab import METHODS, RECIPE, UNROLLED, preset, settings_of

# How many seeds each data set is worth; three digits take as long as all others together.
SEEDS = {"ring": 5, "grid": 5, "two_digits": 3, "three_digits": 1}
_OF_STACKS = ("plain", "paired + R1 + R2", "R1", "packs of 2", "unrolled 5 steps", "WGAN-GP")
_OF_MANY_MODES = ("plain", "packs of 2")  # rows of the table whose networks these are


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
    side_by_side.refuse_unknown("datasets", datasets, SEEDS)
    side_by_side.refuse_unknown("methods", methods, METHODS)
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
    settings = settings_of(method, dataset)
    values = dataclasses.replace(preset("quick", dataset), **settings, seed=seed)
    RECIPE.check(values)
    return dataclasses.asdict(values)


def method_of(record: Record) -> str | None:
    """Returns the method that a run is of, as it is set now; None if it is of none."""
    dataset = record.configuration["dataset"]
    methods = METHODS if dataset in SEEDS else ()
    return side_by_side.variation_of(
        record, RECIPE.name, methods, functools.partial(configuration_of, dataset)
    )


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
    modes = [("modes", "modes", 1.0, "", 1), ("divergence", "mode_divergence", 1.0, "", 3)]
    if dataset in STACKS:
        return modes
    return [
        *modes,
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
    """Adds what a step takes without a GPU, of the first data set: the median of its runs."""
    with_costs = []
    for row in rows:
        of_datasets = (runs.get((row[0], dataset), []) for dataset in SEEDS)
        timed = ([run for run in own if not has_gpu(run)] for own in of_datasets)
        own = next(filter(None, timed), [])
        speeds = [run.steps_per_second for run in own if run.steps_per_second]
        step = f"{1000 / statistics.median(speeds):.1f} ms" if speeds else NOTHING
        peaks = [run.details["peak_memory_megabytes"] for run in own]
        memory = f"{statistics.median(peaks):,.0f} MB" if peaks else NOTHING
        with_costs.append([*row, step, memory])
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
    if steps or (reported.by == UNROLLED and packing == 1):  # theirs at none is no plain game here
        return f"unrolled {steps} step{'' if steps == 1 else 's'}"
    return f"packs of {packing}" if packing > 1 else "plain"


# === Command ===


def _planned_by_flags() -> list[side_by_side.Planned]:
    values = flags.FLAGS
    return plan(values.datasets, values.methods, side_by_side.seeds_asked_for())


if __name__ == "__main__":
    flags.DEFINE_list("datasets", list(SEEDS), "Data sets to measure on.")
    flags.DEFINE_list("methods", list(METHODS), "Methods to measure.")
    side_by_side.define_flags(max(SEEDS.values()))
    command_line.run(lambda: side_by_side.run_command(_planned_by_flags))
