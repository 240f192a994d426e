"""The recipe that translates: a table a protocol, a row a configuration and direction."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.recipe import Axis, MeasuredRecipe
from benchmarks.records import Record
from benchmarks.tables import (
    differences_from_preset,
    distinct,
    early_ends,
    grouped,
    markdown_table,
    mean_and_deviation,
    protocol_key,
    ran_on,
    settings_key,
    span,
)
from recipes import cyclegan
from recipes.translation_scores import PAIRED_SCORES, TRUTH_SCORES
from zoo.metrics import DIRECTIONS

# What the runs within a row differ in. Training on pairs comes after the CycleGAN's.
_VARIED = ("seed", "smoke", "paired_epochs")
# By what stands before their scores. Few runs have the last, which takes a training of its own.
_REFERENCES = {
    "untranslated_": "doing nothing",
    "silhouette_": "animal in one colour",
    "paired_": "trained on pairs",
}
_SHARE = "taken_for_target"

_COLUMNS = (
    "Direction",
    "Configuration",
    "Epochs",
    "Seeds",
    "Blurred error in the animal",
    "Error in the animal",
    "Error around it",
    "Taken for the target",
    "Seconds a run",
    "Steps a second",
)

_HEADER = """\
## Translation

Each row is a configuration in one direction: the preset as it is now, or what differs from it; or
something to compare with. Numbers are mean ± sample standard deviation over seeds. Errors are mean
absolute differences from the truth, of pixels in [0, 1]: within the mask of the animal, blurred
there so that stripes out of phase with the true ones are no worse, and outside of it. *Taken for
the target* is the share of the translations that a classifier of the domains takes for the other
domain. *Animal in one colour* knows the mask and fills it with the mean of the true answers: what
does not beat its blurred error need not have drawn a stripe. *Trained on pairs* is the same
generator, trained on answers that a CycleGAN never sees. Seconds are those of the whole run,
with training on pairs only where a seed was not measured without.
"""


def _protocol(configuration: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    return results["protocol"]


def draw(records: Sequence[Record]) -> str:
    """Returns the section of these records: a table for each protocol."""
    return "\n".join([_HEADER, *map(_draw_table, grouped(records, protocol_key))])


def _draw_table(records: Sequence[Record]) -> str:
    first = records[0]
    dataset = first.configuration["dataset"]
    configurations = [_one_a_seed(row) for row in grouped(records, _seedless)]
    configurations.sort(key=lambda row: (_name(row[0]) != "preset", _name(row[0])))
    rows = [
        row
        for direction in DIRECTIONS
        for row in (
            *(_reference_row(records, direction, prefix) for prefix in _REFERENCES),
            *(_row(configuration, direction) for configuration in configurations),
        )
        if row is not None
    ]
    lines = [
        f"- Protocol: {first.protocol}",
        f"- Tested: {distinct(record.details['weights'] for record in records)}",
        *ran_on(records),
    ]
    ordered = [record for row in configurations for record in row]
    paragraphs = [
        f"### {first.recipe} on {dataset}, preset {first.preset}",
        markdown_table(_COLUMNS, rows, first=":---"),
        "\n".join(lines),
        *early_ends(ordered, _name),
        f"`{dataset}` stands in for horse2zebra: a score here is no score there.",
    ]
    return "\n\n".join(paragraphs) + "\n"


def _one_a_seed(records: Sequence[Record]) -> list[Record]:
    """Leaves out what was run again for training on pairs; gives the rest by its seeds."""
    by_seed = {
        _seed(record): record for record in sorted(records, key=_paired_epochs, reverse=True)
    }
    return [by_seed[seed] for seed in sorted(by_seed)]


def _paired_epochs(record: Record) -> int:
    return record.configuration["paired_epochs"]


def _seedless(record: Record) -> str:
    return settings_key(record, _VARIED)


def _seed(record: Record) -> int:
    return record.configuration["seed"]


def _name(record: Record) -> str:
    return differences_from_preset(record, _VARIED) or "preset"


def _shown(direction: str) -> str:
    return direction.replace("_to_", " → ").upper()


def _row(records: Sequence[Record], direction: str) -> list[str]:
    return [
        _shown(direction),
        _name(records[0]),
        str(records[0].configuration["epochs"]),
        str(len(records)),
        *_scores(records, direction),
        span(record.seconds for record in records),
        span(record.steps_per_second for record in records),
    ]


def _reference_row(records: Sequence[Record], direction: str, prefix: str) -> list[str] | None:
    """Gives the row of what was scored beside the CycleGANs; None if it never was."""
    trained = prefix == "paired_"
    scored = [record for record in records if f"{prefix}{direction}_{_SHARE}" in record.scores]
    if trained:
        # Other settings would make other generators.
        scored = [record for record in scored if _name(record) == "preset"]
        longest = max(map(_paired_epochs, scored), default=0)
        scored = [record for record in scored if _paired_epochs(record) == longest]
    if not scored:
        return None
    # What isn't trained has the same scores beside every run.
    shown = scored if trained else scored[:1]
    return [
        _shown(direction),
        _REFERENCES[prefix],
        str(_paired_epochs(shown[0])) if trained else "–",
        str(len(shown)) if trained else "–",
        *_scores(shown, f"{prefix}{direction}"),
        "–",
        "–",
    ]


def _scores(records: Sequence[Record], prefix: str) -> list[str]:
    def mean(name: str, factor: float = 1, unit: str = "", decimals: int = 4) -> str:
        values = [factor * record.scores[f"{prefix}_{name}"] for record in records]
        return mean_and_deviation(values, unit, decimals)

    return [
        mean("blurred_error_inside"),
        mean("error_inside"),
        mean("error_outside"),
        mean(_SHARE, factor=100, unit=" %", decimals=1),
    ]


RECIPE = MeasuredRecipe(
    name=cyclegan.RECIPE,
    dataset=cyclegan.DATASET_WITH_TRUTH,
    axes=(Axis("seeds", "0,1,2", "Seeds of weights, batches and pools.", ("seed",)),),
    scores=("cycle_loss", "identity_loss", *TRUTH_SCORES),
    optional_scores=PAIRED_SCORES,
    details=("weights", "classifier_accuracy"),
    protocol=_protocol,
    draw=draw,
)
