"""The semi-supervised recipe: a table of test errors by number of labels for each configuration."""

from recipes import semi_supervised

# isort: split
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.recipe import Axis, MeasuredRecipe
from benchmarks.records import Record
from benchmarks.tables import (
    differences_from_preset,
    early_ends,
    grouped,
    markdown_table,
    mean_and_deviation,
    protocol_key,
    ran_on,
    settings_key,
    span,
)

# What the rows and the runs within a row differ in; all else is shared by a table.
_VARIED = ("num_labels", "label_seed", "seed", "smoke")

_HEADER = """\
## Semi-supervised GAN

Test errors: mean ± sample standard deviation over seeds, of which each draws other labels, weights
and noise. The baseline is the discriminator's network, trained as long on the labelled images
alone. *Ratio* is the GAN's mean error over the baseline's: below 1, the unlabelled images helped.
*Wrong* counts the misnamed test images, seed by seed.
"""

_SMALL_MNIST_NOTE = (
    "`mnist_small` is 15 times smaller than MNIST: 4,000 images to train on, not 60,000. The "
    "paper's numbers stand beside ours for orientation; the two are not comparable one to one."
)


def _protocol(configuration: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    return (
        f"test error on {configuration['dataset']} {configuration['test_split']} "
        f"({results['num_test_images']:,} images), {results['weights']}"
    )


# === Rows ===


def _row(records: Sequence[Record]) -> list[str]:
    errors = [record.scores["test_error"] for record in records]
    baselines = [record.scores["baseline_test_error"] for record in records]
    return [
        str(records[0].configuration["num_labels"]),
        str(len(records)),
        _per_cent(errors),
        _per_cent(baselines),
        f"{sum(errors) / sum(baselines):.2f}" if sum(baselines) else "–",
        _wrong_images(errors, records),
        _wrong_images(baselines, records),
    ]


def _per_cent(shares: Sequence[float]) -> str:
    text = mean_and_deviation([100 * share for share in shares], unit=" %", decimals=2)
    return f"{text} (one seed)" if len(shares) == 1 else text


def _wrong_images(errors: Sequence[float], records: Sequence[Record]) -> str:
    counts = [
        round(error * record.details["num_test_images"])
        for error, record in zip(errors, records, strict=True)
    ]
    return ", ".join(map(str, counts))


# === Tables ===


def draw(records: Sequence[Record]) -> str:
    """Returns the section of these records: a table for each configuration."""
    tables = grouped(records, lambda record: (*protocol_key(record), _settings(record)))
    tables.sort(key=lambda table: _title(table[0]))
    return "\n".join([_HEADER, *map(_draw_table, tables)])


def _settings(record: Record) -> str:
    return settings_key(record, _VARIED)


def _title(record: Record) -> str:
    title = f"{record.configuration['dataset']}, preset {record.preset}"
    differences = differences_from_preset(record, _VARIED)
    return f"{title}, but {differences}" if differences else title


def _draw_table(records: Sequence[Record]) -> str:
    first = records[0]
    records = sorted(records, key=lambda r: [r.configuration[name] for name in _VARIED])
    lines = [
        f"- Protocol: {first.protocol}; {first.configuration['epochs']} epochs",
        f"- Seconds a run, baseline included: {span(r.seconds for r in records)}",
        f"- Train steps a second: {span(r.steps_per_second for r in records)}",
        *ran_on(records),
    ]
    paragraphs = [
        f"### {_title(first)}",
        _draw_rows(records),
        "\n".join(lines),
        *early_ends(records, lambda record: f"{record.configuration['num_labels']} labels"),
        *_paper_notes(first.configuration["dataset"]),
    ]
    return "\n\n".join(paragraphs) + "\n"


def _draw_rows(records: Sequence[Record]) -> str:
    num_images = f"{records[0].details['num_test_images']:,}"
    columns = ["Labels", "Seeds", "GAN test error", "Baseline test error", "Ratio"]
    columns += [f"GAN: wrong of {num_images}", f"Baseline: wrong of {num_images}"]
    rows = [_row(row) for row in grouped(records, lambda r: r.configuration["num_labels"])]
    original = _original(records[0].configuration["dataset"])
    reported = semi_supervised.PAPER_RESULTS.get(original)
    if reported is not None:
        columns.append(f"{semi_supervised.PAPER}, on {_display_name(original)} [1]")
        for cells in rows:
            cells.append(reported.get(int(cells[0]), "not quoted"))
    return markdown_table(columns, rows, first="---:")


# === Beside the paper ===


def _original(dataset: str) -> str:
    return dataset.removesuffix("_small")


def _display_name(dataset: str) -> str:
    return {"mnist": "MNIST", "svhn_cropped": "SVHN", "cifar10": "CIFAR-10"}.get(dataset, dataset)


def _paper_notes(dataset: str) -> list[str]:
    original = _original(dataset)
    if original not in semi_supervised.PAPER_RESULTS:
        return []
    protocol = (
        f"[1] Another protocol: as {semi_supervised.PAPER} report, with the whole of "
        f"{_display_name(original)} to train and to test on, mean ± standard deviation of 10 draws "
        "of the labels."
    )
    return [protocol, _SMALL_MNIST_NOTE] if dataset == "mnist_small" else [protocol]


RECIPE = MeasuredRecipe(
    name=semi_supervised.RECIPE.name,
    dataset="mnist_small",
    axes=(
        Axis(
            "label_seeds",
            "0,1,2",
            "Draws of the labels; each also seeds all else.",
            ("label_seed", "seed"),
        ),
        Axis("num_labels", "20,50,100,200", "Numbers of labels.", ("num_labels",)),
    ),
    scores=("test_error", "baseline_test_error"),
    optional_scores=(),
    details=("num_test_images",),
    protocol=_protocol,
    draw=draw,
)
