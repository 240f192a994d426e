"""The recipe that translates: a table a protocol, a row a configuration and direction."""

import dataclasses
import functools
import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from benchmarks.recipe import Axis, MeasuredRecipe
from benchmarks.records import Record
from benchmarks.tables import (
    differences,
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
from recipes.common.translation_scores import PAIRED_SCORES, TRUTH_SCORES
from zoo.metrics import DIRECTIONS

# What the runs within a row differ in. Training on pairs comes after the CycleGAN's.
_VARIED = ("seed", "smoke", "paired_epochs")
# By what stands before their scores.
_UNTRAINED = {"untranslated_": "doing nothing", "silhouette_": "animal in one colour"}
_PAIRED = "trained on pairs"
_SHARE = "taken_for_target"
# The classifier's weights, as its description ends with them.
_WEIGHTS = re.compile(r"(?<=weights )[0-9a-f]{8}(?=\))")

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

Each row is a configuration in one direction, or something to compare with. A configuration is the
preset as it is now or, with another architecture, that of most seeds, which is spelled out below
the table; or what differs from one of these. Numbers are mean ± sample standard deviation over
seeds. Errors are mean absolute differences from the truth, of pixels in [0, 1]: within the mask of
the animal, blurred there so that stripes out of phase with the true ones are no worse, and outside
of it. *Taken for the target* is the share of the translations that a classifier of the domains
takes for the other domain. *Animal in one colour* knows the mask and fills it with the mean of the
true answers: what does not beat its blurred error need not have drawn a stripe. *Trained on pairs*
is the generator of the row below, trained on answers that a CycleGAN never sees. Seconds are those
of whole runs, of which those with training on pairs are left out, on one core or two of different
machines: rows can't be compared by them.
"""


def _protocol(configuration: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    return results["protocol"]


def draw(records: Sequence[Record]) -> str:
    """Returns the section of these records: a table for each protocol."""
    return "\n".join([_HEADER, *map(_draw_table, grouped(records, _comparable_key))])


def _comparable_key(record: Record) -> tuple[Hashable, ...]:
    """Gives what records must have in common to be compared.

    The classifier's weights need not be: it is trained anew on each kind of processor, and only
    the shares hang on it, so that its accuracy must be the same.
    """
    protocol = _WEIGHTS.sub("", record.protocol)
    return protocol_key(dataclasses.replace(record, protocol=protocol))


def _shown_protocol(records: Sequence[Record]) -> str:
    weights = {each for record in records for each in _WEIGHTS.findall(record.protocol)}
    return _WEIGHTS.sub(" or ".join(sorted(weights)), records[0].protocol)


def _draw_table(records: Sequence[Record]) -> str:
    first = records[0]
    dataset = first.configuration["dataset"]
    configurations = grouped(records, _seedless)
    bases = _bases(configurations)
    name = functools.partial(_name, bases=bases)
    configurations.sort(key=lambda row: (name(row[0]) != "preset", name(row[0])))
    rows = []
    for direction in DIRECTIONS:
        rows += [_untrained_row(first, direction, prefix) for prefix in _UNTRAINED]
        for configuration in configurations:
            rows += _paired_rows(name(configuration[0]), configuration, direction)
            rows.append(_row(name(configuration[0]), _one_a_seed(configuration), direction))
    lines = [
        *_legend(bases),
        f"- Protocol: {_shown_protocol(records)}",
        f"- Tested: {distinct(record.details['weights'] for record in records)}",
        *ran_on(records),
    ]
    ordered = [record for row in configurations for record in _one_a_seed(row)]
    paragraphs = [
        f"### {first.recipe} on {dataset}, preset {first.preset}",
        markdown_table(_COLUMNS, rows, first=":---"),
        "\n".join(lines),
        *early_ends(ordered, name),
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


def _architecture(record: Record) -> str:
    return record.configuration["architecture"]


def _bases(configurations: Sequence[Sequence[Record]]) -> dict[str, Record]:
    """Gives for each architecture but the preset's the configuration of most seeds."""
    first = configurations[0][0]
    dataset = first.configuration["dataset"]
    usual = cyclegan.preset(first.preset, dataset).architecture
    bases: dict[str, Record] = {}
    for records in sorted(configurations, key=lambda row: -len(_one_a_seed(row))):
        if _architecture(records[0]) != usual:
            bases.setdefault(_architecture(records[0]), records[0])
    return bases


def _name(record: Record, bases: Mapping[str, Record]) -> str:
    architecture = _architecture(record)
    if architecture not in bases:
        return differences_from_preset(record, _VARIED) or "preset"
    base = bases[architecture].configuration
    own = differences(record.configuration, base, _VARIED, architecture)
    return f"{architecture}, {own}" if own else architecture


def _legend(bases: Mapping[str, Record]) -> list[str]:
    varied = (*_VARIED, "architecture")
    lines = []
    for architecture, base in sorted(bases.items()):
        meaning = differences_from_preset(base, varied) or "else as the preset"
        lines.append(f"- `{architecture}`: {meaning}")
    return lines


def _shown(direction: str) -> str:
    return direction.replace("_to_", " → ").upper()


def _row(name: str, records: Sequence[Record], direction: str) -> list[str]:
    return [
        _shown(direction),
        name,
        str(records[0].configuration["epochs"]),
        str(len(records)),
        *_scores(records, direction),
        span(record.seconds for record in records if not _paired_epochs(record)),
        span(record.steps_per_second for record in records),
    ]


def _untrained_row(record: Record, direction: str, prefix: str) -> list[str]:
    """Gives the row of what is not trained, and so has the same scores beside every run."""
    scores = _scores([record], f"{prefix}{direction}")
    return [_shown(direction), _UNTRAINED[prefix], "–", "–", *scores, "–", "–"]


def _paired_rows(name: str, records: Sequence[Record], direction: str) -> list[list[str]]:
    """Gives the row of a configuration's generators trained on pairs; none if they never were."""
    longest = max(map(_paired_epochs, records))
    if not longest:
        return []
    trained = [record for record in records if _paired_epochs(record) == longest]
    return [
        [
            _shown(direction),
            _PAIRED if name == "preset" else f"{_PAIRED}: {name}",
            str(longest),
            str(len(trained)),
            *_scores(trained, f"paired_{direction}"),
            "–",
            "–",
        ]
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
    name=cyclegan.RECIPE.name,
    dataset=cyclegan.RECIPE.dataset,
    axes=(Axis("seeds", "0,1,2", "Seeds of weights, batches and pools.", ("seed",)),),
    scores=("cycle_loss", "identity_loss", *TRUTH_SCORES),
    optional_scores=PAIRED_SCORES,
    details=("weights", "classifier_accuracy"),
    protocol=_protocol,
    draw=draw,
)
