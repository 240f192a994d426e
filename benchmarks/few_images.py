"""Measures what changed images do for a hundred faces, and makes the table.

    python -m benchmarks.few_images --dry_run         # what it would measure, in this order
    python -m benchmarks.few_images                   # measures what has no record yet

One seed of all comes before the next, so that it may be stopped and begun again at any time.
`python -m benchmarks.pages` then makes docs/experiments/few_images.md anew.
"""

from recipes.common import command_line  # first: it keeps TensorFlow's import quiet

# isort: split
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from absl import flags

from benchmarks import side_by_side
from benchmarks.cells import markdown_table, score_cell
from benchmarks.configurations import shown_protocol
from benchmarks.measure import Run
from benchmarks.records import Record
from recipes.common.measures import Mean
from recipes.face_generation import RECIPE, preset

DATASET = "drawn_faces"
SEEDS = 3
# A thousand epochs of three steps; the rate falls as in the preset's ten epochs of 625 steps.
FEW: Mapping[str, Any] = {
    "train_split": "train[:100]",
    "epochs": 1000,
    "learning_rate_decay": 0.8**0.01,
    "evaluate_every": 200,
}
# The probability could go to 1 within half of the 96,000 images of a run.
ADAPTIVE = 50_000
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "none": {"augmentation": "none"},
    "shift": {"augmentation": "shift"},
    "all three": {},
    "adaptive": {"adaptive_augmentation": ADAPTIVE},
}

_COLUMNS = (
    Mean("Fréchet distance", "frechet_distance", decimals=1),
    Mean("Kernel distance × 1000", "kernel_distance", factor=1000, decimals=0),
    Mean("Precision", "precision", decimals=2),
    Mean("Recall", "recall", decimals=2),
    Mean("Authenticity", "authenticity", decimals=2),
    Mean("of held-out faces", "real_authenticity", decimals=2),
)


# === Which runs ===


def plan(
    changes: Sequence[str] = tuple(CHANGES), seeds: Sequence[int] = tuple(range(SEEDS))
) -> list[side_by_side.Planned]:
    """Returns the runs of all that are asked for, one seed of all before the next.

    Args:
        changes: names in `CHANGES`.
        seeds: of weights, latents, changes and the order of images.

    Returns:
        The changes of each run, and the run.

    Raises:
        ValueError: if there are no such changes.
    """
    side_by_side.refuse_unknown("changes", changes, CHANGES)
    return [
        (name, Run(RECIPE.name, "quick", configuration_of(name, seed)))
        for seed in seeds
        for name in changes
    ]


def configuration_of(changes: str, seed: int = 0) -> dict[str, Any]:
    """Returns every hyper-parameter of a hundred faces, changed in one way."""
    values = preset("quick", DATASET)
    values = dataclasses.replace(values, **{**FEW, **CHANGES[changes], "seed": seed})
    RECIPE.check(values)
    return dataclasses.asdict(values)


def changes_of(record: Record) -> str | None:
    """Returns the changes that a run is of, as they are set now; None if it is of none."""
    return side_by_side.variation_of(record, RECIPE.name, CHANGES, configuration_of)


# === Table ===


def few_images_table(records: Iterable[Record]) -> str:
    """Returns a table of a row for each way of changing the images.

    Runs that do not compare have tables of their own.
    """
    return side_by_side.tables_of(records, changes_of, _table)


def _table(records: Sequence[Record]) -> str:
    rows = []
    for name in CHANGES:
        own = [record for record in records if changes_of(record) == name]
        if own:
            cells = (score_cell(column, own) for column in _COLUMNS)
            rows.append([name, str(len(own)), *cells])
    heading = ["Changes", "Seeds", *(column.title for column in _COLUMNS)]
    return f"{shown_protocol(records)}.\n\n" + markdown_table(heading, rows, num_texts=1)


# === Command ===

if __name__ == "__main__":
    flags.DEFINE_list("changes", list(CHANGES), "Ways of changing the images, to measure.")
    side_by_side.define_flags(SEEDS)
    command_line.run(
        lambda: side_by_side.run_command(
            lambda: plan(flags.FLAGS.changes, side_by_side.seeds_asked_for())
        )
    )
