"""The recipes that generate: a table of distances for each protocol, a row a configuration."""

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

# What the runs within a row differ in.
_VARIED = ("seed", "smoke")

_COLUMNS = (
    "Configuration",
    "Epochs",
    "Seeds",
    "Fréchet distance",
    "Floor",
    "Kernel distance × 1000",
    "Confidence",
    "Imbalance",
    "Seconds a run",
    "Steps a second",
)

_HEADER = """\
## Generation

Each row is a configuration: the preset as it is now, or what differs from it. Numbers are mean ±
sample standard deviation over seeds. *Fréchet* and *kernel distance* lie between generated images
and real ones, in the features that the protocol names: distances in other features are not
comparable. *Floor* is the Fréchet distance that other real images have from the same ones.
*Confidence* is the mean probability of a generated image's likeliest class; *imbalance* the largest
factor by which a class is too rare or too frequent among them, 1 at best. Seconds are those
of the whole run; the first on a data set may also prepare that and train the classifier. Steps are
train steps, with what is done between them.
"""

_STANDS_IN_FOR = {
    "mnist_small": "MNIST, 15 times larger",
    "drawn_house_numbers": "SVHN",
    "drawn_faces": "CelebA",
}


def _protocol(configuration: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    return results["protocol"]


def draw(records: Sequence[Record]) -> str:
    """Returns the section of these records: a table for each protocol, a row a configuration."""
    return "\n".join([_HEADER, *map(_draw_table, grouped(records, protocol_key))])


def _draw_table(records: Sequence[Record]) -> str:
    first = records[0]
    dataset = first.configuration["dataset"]
    rows = grouped(records, _seedless)
    rows.sort(key=lambda row: (_name(row[0]) != "preset", _name(row[0])))
    ordered = [record for row in rows for record in sorted(row, key=_seed)]
    lines = [
        f"- Protocol: {first.protocol}",
        # Whether weights are averaged is a setting, and so no other protocol.
        f"- Tested: {distinct(record.details['weights'] for record in records)}",
        *ran_on(records),
    ]
    paragraphs = [
        f"### {first.recipe} on {dataset}, preset {first.preset}",
        markdown_table(_COLUMNS, map(_row, rows), first=":---"),
        "\n".join(lines),
        *early_ends(ordered, _name),
    ]
    original = _STANDS_IN_FOR.get(dataset.partition("/")[0].partition(":")[0])
    if original:
        paragraphs.append(f"`{dataset}` stands in for {original}: a score here is no score there.")
    return "\n\n".join(paragraphs) + "\n"


def _seedless(record: Record) -> str:
    return settings_key(record, _VARIED)


def _seed(record: Record) -> int:
    return record.configuration["seed"]


def _name(record: Record) -> str:
    return differences_from_preset(record, _VARIED) or "preset"


def _row(records: Sequence[Record]) -> list[str]:
    return [
        _name(records[0]),
        str(records[0].configuration["epochs"]),
        str(len(records)),
        _score(records, "frechet_distance"),
        span((record.scores["real_frechet_distance"] for record in records), digits=".3g"),
        _score(records, "kernel_distance", factor=1000),
        _score(records, "mean_confidence", factor=100, unit=" %"),
        _score(records, "class_imbalance"),
        span(record.seconds for record in records),
        span(record.steps_per_second for record in records),
    ]


def _score(records: Sequence[Record], name: str, factor: float = 1, unit: str = "") -> str:
    values = [factor * record.scores[name] for record in records if name in record.scores]
    return mean_and_deviation(values, unit) if len(values) == len(records) else "–"


def measured(name: str, dataset: str) -> MeasuredRecipe:
    """Returns what is measured of a recipe that generates.

    Args:
        name: of the recipe.
        dataset: the recipe's default.
    """
    return MeasuredRecipe(
        name=name,
        dataset=dataset,
        axes=(Axis("seeds", "0,1,2", "Seeds of weights, latents and batches.", ("seed",)),),
        scores=("frechet_distance", "kernel_distance", "real_frechet_distance"),
        optional_scores=("mean_confidence", "class_imbalance"),
        details=("weights",),
        protocol=_protocol,
        draw=draw,
    )


RECIPES = (
    measured("vanilla_mnist", "mnist_small"),
    measured("dcgan_svhn", "drawn_house_numbers"),
    measured("face_generation", "drawn_faces"),
)
