"""The page of results: its numbers against NumPy, its tables, and that the repository's is new."""

import random
import re
from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.records import Record, read_records
from benchmarks.results import RESULTS, make_tables, mean_and_deviation, render
from recipes import semi_supervised
from tests.benchmarks.hand_made import record_of

ERRORS = (0.024, 0.03, 0.018, 0.05)
BASELINES = (0.21, 0.19, 0.254, 0.2)


def records_of_seeds() -> list[Record]:
    pairs = zip(ERRORS, BASELINES, strict=True)
    return [record_of(error, baseline, seed=seed) for seed, (error, baseline) in enumerate(pairs)]


def titles(records: Sequence[Record]) -> list[str]:
    return [line[4:] for line in render(records).splitlines() if line.startswith("### ")]


def rows(page: str) -> list[list[str]]:
    """The cells of all rows of all tables, without the lines of headings."""
    lines = [line for line in page.splitlines() if re.match(r"\| \d", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_mean_and_deviation_are_numpys() -> None:
    values = np.random.default_rng(0).uniform(size=7)
    mean, deviation = 100 * np.mean(values), 100 * np.std(values, ddof=1)
    assert mean_and_deviation(values.tolist()) == f"{mean:.2f} ± {deviation:.2f} %"


def test_one_seed_has_no_deviation() -> None:
    assert mean_and_deviation([0.0125]) == "1.25 % (one seed)"


def test_row_says_what_numpy_says() -> None:
    (row,) = rows(render(records_of_seeds()))
    expected = [
        f"{100 * np.mean(values):.2f} ± {100 * np.std(values, ddof=1):.2f} %"
        for values in (ERRORS, BASELINES)
    ]
    ratio = f"{np.mean(ERRORS) / np.mean(BASELINES):.2f}"
    counts = ["12, 15, 9, 25", "105, 95, 127, 100"]
    paper = semi_supervised.PAPER_RESULTS["mnist"][100]
    assert row == ["100", "4", *expected, ratio, *counts, paper]


def test_rows_are_by_number_of_labels() -> None:
    records = [record_of(num_labels=number) for number in (100, 20, 50)]
    table = rows(render(records))
    assert [row[0] for row in table] == ["20", "50", "100"]
    reported = semi_supervised.PAPER_RESULTS["mnist"]
    assert [row[-1] for row in table] == [reported[20], "not quoted", reported[100]]


def test_flawless_baseline_gives_no_ratio() -> None:
    (row,) = rows(render([record_of(error=0.0, baseline=0.0)]))
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
    assert [len(table.records) for table in make_tables(records)] == [2, 1, 1, 2]


def test_setting_that_came_or_went_is_in_the_title() -> None:
    record = record_of(old_setting=3)
    del record.configuration["adam_beta_1"]
    assert titles([record]) == [
        "mnist_small, preset quick, but before there was adam_beta_1, "
        "old_setting=3 (no longer a setting)"
    ]


def test_smoke_runs_are_not_shown() -> None:
    assert render([record_of(smoke=True)]) == render([])
    assert "No run is recorded yet." in render([])


def test_order_of_the_records_does_not_matter() -> None:
    records = [*records_of_seeds(), record_of(num_labels=20), record_of(epochs=60)]
    shuffled = random.Random(0).sample(records, len(records))
    assert render(shuffled) == render(records)


def test_paper_is_beside_the_measured_numbers_with_its_protocol() -> None:
    page = render(records_of_seeds())
    assert "Salimans et al. 2016, on MNIST [1]" in page
    assert "[1] Another protocol" in page
    assert "15 times smaller than MNIST" in page


def test_data_set_that_is_not_in_the_paper_has_no_column_of_it() -> None:
    page = render([record_of(dataset="fashion_mnist", validation_split="train[-5000:]")])
    assert "Salimans" not in page
    assert "15 times" not in page
    assert len(rows(page)[0]) == 7


def test_run_that_ended_early_is_named() -> None:
    record = record_of(seed=2)
    record.details.update(epochs=7, stop_reason="generator_loss is nan")
    assert "- 100 labels, seed 2: 7 epochs, generator_loss is nan" in render([record])
    assert "Ended early" not in render([record_of()])


def test_record_without_what_the_table_needs_is_refused() -> None:
    record = record_of()
    del record.scores["baseline_test_error"]
    with pytest.raises(ValueError, match="no table .* it lacks baseline_test_error"):
        render([record])


def test_page_in_the_repository_is_in_step_with_its_records() -> None:
    expected = render(read_records())
    assert RESULTS.read_text(encoding="utf-8") == expected, "run `python -m benchmarks.results`"
