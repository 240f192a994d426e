"""Tables of test errors: rows against NumPy, a table a configuration, the paper beside them."""

import re
from collections.abc import Sequence

import numpy as np

from benchmarks.records import Record
from benchmarks.semi_supervised import draw
from recipes import semi_supervised
from tests.benchmarks.hand_made import record_of

ERRORS = (0.024, 0.03, 0.018, 0.05)
BASELINES = (0.21, 0.19, 0.254, 0.2)


def records_of_seeds() -> list[Record]:
    pairs = zip(ERRORS, BASELINES, strict=True)
    return [record_of(error, baseline, seed=seed) for seed, (error, baseline) in enumerate(pairs)]


def titles(records: Sequence[Record]) -> list[str]:
    return [line[4:] for line in draw(records).splitlines() if line.startswith("### ")]


def rows(section: str) -> list[list[str]]:
    """The cells of all rows of all tables, without the lines of headings."""
    lines = [line for line in section.splitlines() if re.match(r"\| \d", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_row_says_what_numpy_says() -> None:
    (row,) = rows(draw(records_of_seeds()))
    expected = [
        f"{100 * np.mean(values):.2f} ± {100 * np.std(values, ddof=1):.2f} %"
        for values in (ERRORS, BASELINES)
    ]
    ratio = f"{np.mean(ERRORS) / np.mean(BASELINES):.2f}"
    counts = ["12, 15, 9, 25", "105, 95, 127, 100"]
    paper = semi_supervised.PAPER_RESULTS["mnist"][100]
    assert row == ["100", "4", *expected, ratio, *counts, paper]


def test_one_seed_has_no_deviation() -> None:
    (row,) = rows(draw([record_of(error=0.0125, baseline=0.2)]))
    assert row[2:4] == ["1.25 % (one seed)", "20.00 % (one seed)"]


def test_rows_are_by_number_of_labels() -> None:
    records = [record_of(num_labels=number) for number in (100, 20, 50)]
    table = rows(draw(records))
    assert [row[0] for row in table] == ["20", "50", "100"]
    reported = semi_supervised.PAPER_RESULTS["mnist"]
    assert [row[-1] for row in table] == [reported[20], "not quoted", reported[100]]


def test_flawless_baseline_gives_no_ratio() -> None:
    (row,) = rows(draw([record_of(error=0.0, baseline=0.0)]))
    assert row[4] == "–"


def test_other_configurations_have_tables_of_their_own() -> None:
    records = [
        *(record_of(seed=0), record_of(seed=1)),
        *(record_of(seed=0, unlabelled_weight=0.5), record_of(seed=1, unlabelled_weight=0.5)),
        record_of(epochs=60),
        record_of(epochs=60, average_decay=0.5),
    ]
    quick = semi_supervised.preset("quick", "mnist_small")
    epochs = f"epochs=60 (preset: {quick.epochs})"
    decay = f"average_decay=0.5 (preset: {quick.average_decay})"
    weight = f"unlabelled_weight=0.5 (preset: {quick.unlabelled_weight})"
    assert titles(records) == [
        "mnist_small, preset quick",
        f"mnist_small, preset quick, but {decay}, {epochs}",
        f"mnist_small, preset quick, but {epochs}",
        f"mnist_small, preset quick, but {weight}",
    ]
    assert [row[1] for row in rows(draw(records))] == ["2", "1", "1", "2"]


def test_paper_is_beside_the_measured_numbers_with_its_protocol() -> None:
    section = draw(records_of_seeds())
    assert "Salimans et al. 2016, on MNIST [1]" in section
    assert "[1] Another protocol" in section
    assert "15 times smaller than MNIST" in section


def test_data_set_that_is_not_in_the_paper_has_no_column_of_it() -> None:
    section = draw([record_of(dataset="fashion_mnist", validation_split="train[-5000:]")])
    assert "Salimans" not in section
    assert "15 times" not in section
    assert len(rows(section)[0]) == 7


def test_run_that_ended_early_is_named() -> None:
    record = record_of(seed=2)
    record.details.update(epochs=7, stop_reason="generator_loss is nan")
    assert "- 100 labels, seed 2: 7 epochs, generator_loss is nan" in draw([record])
    assert "Ended early" not in draw([record_of()])
