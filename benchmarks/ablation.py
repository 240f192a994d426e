"""Measures each stabiliser alone against the plain game, and makes their table.

    python -m benchmarks.ablation --dry_run         # what it would measure, in this order
    python -m benchmarks.ablation                   # measures what has no record yet
    python -m benchmarks.ablation --stabilisers="plain,packs of 2" --seeds=0
    python -m benchmarks.ablation --datasets=drawn_house_numbers    # hours

One seed of all comes before the next, so that it may be stopped and begun again at any time.
`python -m benchmarks.pages` then makes docs/experiments/stabilisers.md anew.
"""

from recipes.common import command_line  # first: it keeps TensorFlow's import quiet

# isort: split
import dataclasses
import functools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from absl import flags
from scipy import stats

from benchmarks import side_by_side
from benchmarks.cells import NOTHING, markdown_table, mean_and_deviation
from benchmarks.configurations import comparable_key, grouped, has_gpu, shown_protocol
from benchmarks.measure import Run
from benchmarks.records import Record
from recipes.dcgan_svhn import RECIPE, preset

# Epochs of a run. Of digits it takes two minutes: half the preset's, for so many runs. Of house
# numbers, the recipe's own data, it takes a quarter of an hour.
DATASETS = {"mnist_small": 12, "drawn_house_numbers": 24}
SEEDS = 3
PLAIN = "plain"
# What each changes of the preset quick. Strengths are those that the parts' own pages name.
STABILISERS: Mapping[str, Mapping[str, Any]] = {
    PLAIN: {},
    "minibatch discrimination": {"discriminator_addition": "minibatch_discrimination"},
    "minibatch deviation": {"discriminator_addition": "minibatch_deviation"},
    "packs of 2": {"packing": 2},
    "spectral norm": {"spectral_norm": "discriminator"},
    "smoothed labels": {"label_smoothing": 0.1},
    "noisy labels": {"label_noise": 0.05},
    "decaying noise": {"decaying_noise": 0.3},
    "two rates": {"generator_learning_rate": 1.25e-4},
    "historical averaging": {"historical_averaging": 0.1},
    "replay": {"pool_size": 512},
    "virtual batch norm": {"virtual_batch_norm": "generator"},
    "least squares": {"objective": "least_squares"},
    "hinge": {"objective": "hinge"},
    "paired": {"objective": "relativistic"},
    "boundary seeking": {"objective": "boundary_seeking"},
    "KL": {"objective": "f_kl"},
    "clipped Wasserstein": {"objective": "wasserstein", "weight_clipping": 0.01},
}

_SCORE = "kernel_distance"
_FACTOR = 1000.0
# One row in twenty would pass by chance alone.
_CONFIDENCE = 0.95


# === Which runs ===


def plan(
    stabilisers: Sequence[str] = tuple(STABILISERS),
    seeds: Sequence[int] = tuple(range(SEEDS)),
    datasets: Sequence[str] = ("mnist_small",),
) -> list[side_by_side.Planned]:
    """Returns the runs of all that are asked for, one seed of all before the next.

    Args:
        stabilisers: names in `STABILISERS`.
        seeds: of weights, latents and the order of images.
        datasets: of `DATASETS`. Defaults to the one of which a run is the shortest.

    Returns:
        The stabiliser of each run, and the run.

    Raises:
        ValueError: if there is no such stabiliser or data set.
    """
    side_by_side.refuse_unknown("stabilisers", stabilisers, STABILISERS)
    side_by_side.refuse_unknown("datasets", datasets, DATASETS)
    return [
        (name, Run(RECIPE.name, "quick", configuration_of(dataset, name, seed)))
        for dataset in datasets
        for seed in seeds
        for name in stabilisers
    ]


def configuration_of(dataset: str, stabiliser: str, seed: int = 0) -> dict[str, Any]:
    """Returns every hyper-parameter of the game with one stabiliser."""
    values = dataclasses.replace(
        preset("quick", dataset), epochs=DATASETS[dataset], **STABILISERS[stabiliser], seed=seed
    )
    RECIPE.check(values)
    return dataclasses.asdict(values)


def stabiliser_of(record: Record) -> str | None:
    """Returns the stabiliser that a run is of, as it is set now; None if it is of none."""
    dataset = record.configuration["dataset"]
    names = STABILISERS if dataset in DATASETS else ()
    return side_by_side.variation_of(
        record, RECIPE.name, names, functools.partial(configuration_of, dataset)
    )


# === Table ===


def ablation_table(records: Iterable[Record]) -> str:
    """Returns a table of a row a stabiliser, and how many times the plain game's distance it has.

    Runs that do not compare have tables of their own; what was measured for the plain game alone
    has none.
    """
    return side_by_side.tables_of(records, stabiliser_of, _table)


def verdicts(records: Iterable[Record], dataset: str = "mnist_small") -> str:
    """Returns a line for each verdict on a data set, with the stabilisers that it is of.

    They are those of the largest of the tables of what compares.
    """
    runs = [each for each in records if stabiliser_of(each)]
    runs = [each for each in runs if each.configuration["dataset"] == dataset]
    distances: dict[str, list[float]] = {name: [] for name in STABILISERS}
    for record in max(grouped(runs, comparable_key), key=len, default=()):
        distances[stabiliser_of(record)].append(record.scores[_SCORE])
    found: dict[str, list[str]] = {}
    for name, values in distances.items():
        if values and name != PLAIN:
            times, verdict = compared(values, distances[PLAIN])
            found.setdefault(verdict, []).append(f"{name} ({times.partition(' ')[0]})")
    order = sorted(found, key=lambda verdict: (verdict != "helps", verdict == "hurts", verdict))
    lines = [f"- **{verdict}**: {', '.join(found[verdict])}" for verdict in order]
    return "\n".join(lines) or "No run is recorded yet."


def _table(records: Sequence[Record]) -> str:
    distances: dict[str, list[float]] = {name: [] for name in STABILISERS}
    speeds: dict[str, list[float]] = {name: [] for name in STABILISERS}
    for record in records:
        name = stabiliser_of(record)
        distances[name].append(_FACTOR * record.scores[_SCORE])
        if record.steps_per_second and not has_gpu(record):
            speeds[name].append(1000 / record.steps_per_second)
    if not any(values for name, values in distances.items() if name != PLAIN):
        return ""
    rows = [
        [
            name,
            str(len(values)),
            mean_and_deviation(values, decimals=1),
            *compared(values, distances[PLAIN] if name != PLAIN else []),
            f"{statistics.median(speeds[name]):.0f} ms" if speeds[name] else NOTHING,
        ]
        for name, values in distances.items()
        if values
    ]
    heading = ["Stabiliser", "Seeds", "Kernel distance × 1000", "Times plain", "Verdict", "Step"]
    return f"{shown_protocol(records)}.\n\n" + markdown_table(heading, rows, num_texts=1)


def compared(values: Sequence[float], plain: Sequence[float]) -> tuple[str, str]:
    """Returns how many times the plain game's distance it is, with its interval, and the verdict.

    It helps, or hurts, where Welch's interval of 95 % for the ratio of the geometric means is all
    below 1, or above. Logarithms are compared since distances spread the more the larger they are:
    a game that is lost has one hundreds of times another's, and spreads as widely.

    Args:
        values: distances with the stabiliser, one a seed; less is better.
        plain: those without it.
    """
    if not values or not plain:
        return NOTHING, NOTHING
    if min(*values, *plain) <= 0:  # an unbiased estimate may be
        return NOTHING, "too near to 0"
    own, others = np.log(values), np.log(plain)
    ratio = _shown_ratio(math.exp(own.mean() - others.mean()))
    if min(len(values), len(plain)) < 2:
        return ratio, "too few seeds"
    if len(set(values)) == len(set(plain)) == 1:
        return ratio, "equal seeds"
    interval = stats.ttest_ind(own, others, equal_var=False).confidence_interval(_CONFIDENCE)
    low, high = np.exp(interval)
    shown = f"{ratio} ({_shown_ratio(low)} to {_shown_ratio(high)})"
    if low <= 1 <= high:
        return shown, "no difference seen"
    return shown, "helps" if high < 1 else "hurts"


def _shown_ratio(ratio: float) -> str:
    return f"{ratio:.2f}" if 0.1 <= ratio < 100 else f"{ratio:.3g}"


# === Command ===


def _planned_by_flags() -> list[side_by_side.Planned]:
    values = flags.FLAGS
    return plan(values.stabilisers, side_by_side.seeds_asked_for(), values.datasets)


if __name__ == "__main__":
    flags.DEFINE_list("stabilisers", list(STABILISERS), "Stabilisers to measure, and plain.")
    flags.DEFINE_list("datasets", ["mnist_small"], f"Of {', '.join(DATASETS)}.")
    side_by_side.define_flags(SEEDS)
    command_line.run(lambda: side_by_side.run_command(_planned_by_flags))
