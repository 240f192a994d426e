"""Cells against NumPy, and the table as Markdown."""

import numpy as np
import pytest

from benchmarks.cells import markdown_table, mean_and_deviation, score_cell, span, title_of
from recipes.common.measures import Counts, Mean, Ratio, Span
from tests.benchmarks.hand_made import generated_record_of, record_of

ERRORS = (0.024, 0.03, 0.018, 0.05)
BASELINES = (0.21, 0.19, 0.254, 0.21)
RECORDS = [record_of(*pair, seed=n) for n, pair in enumerate(zip(ERRORS, BASELINES, strict=True))]


def test_mean_and_deviation_are_numpys() -> None:
    values = np.random.default_rng(0).uniform(size=7)
    mean, deviation = np.mean(values), np.std(values, ddof=1)
    expected = f"{mean:.5f} ± {deviation:.5f} %"
    assert mean_and_deviation(values.tolist(), unit=" %", decimals=5) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1234.5], "1234"),
        ([12.345], "12.3"),
        ([0.012345], "0.0123"),
        ([0.0], "0.00"),
        ([-0.012345], "-0.0123"),
        ([99.0, 101.0], "100 ± 1"),  # √2
        ([-1.0, 1.0], "0.00 ± 1.41"),  # the deviation is the larger number
    ],
)
def test_larger_number_has_three_digits(values: list[float], expected: str) -> None:
    assert mean_and_deviation(values) == expected


def test_span_is_from_least_to_most_of_what_is_known() -> None:
    assert span([20.04, None, 18.0]) == "18.0 to 20.0"
    assert span([20.04, 19.96]) == "20.0"
    assert span([0.01234], digits=".3g") == "0.0123"
    assert span([None]) == "unknown"


def test_scores_are_shown_as_their_columns_say() -> None:
    percent = Mean("Error", "test_error", factor=100, unit=" %", decimals=2)
    expected = f"{100 * np.mean(ERRORS):.2f} ± {100 * np.std(ERRORS, ddof=1):.2f} %"
    assert score_cell(percent, RECORDS) == expected
    assert score_cell(Mean("Error", "test_error"), RECORDS, prefix="baseline_") == (
        f"{np.mean(BASELINES):.3f} ± {np.std(BASELINES, ddof=1):.3f}"
    )
    assert score_cell(Span("Error", "test_error"), RECORDS) == "0.018 to 0.05"
    ratio = f"{np.mean(ERRORS) / np.mean(BASELINES):.2f}"
    assert score_cell(Ratio("Ratio", "test_error", "baseline_test_error"), RECORDS) == ratio
    wrong = Counts("Wrong of {}", "test_error", "num_test_images")
    assert score_cell(wrong, RECORDS) == "12, 15, 9, 25"
    assert title_of(wrong, RECORDS) == "Wrong of 500"


def test_ratio_to_nothing_is_a_dash() -> None:
    column = Ratio("Ratio", "test_error", "baseline_test_error")
    assert score_cell(column, [record_of(error=0.0, baseline=0.0)]) == "–"


def test_score_that_a_run_lacks_is_a_dash() -> None:
    column = Mean("Confidence", "mean_confidence")
    lacking = generated_record_of(class_scores={})
    assert score_cell(column, [generated_record_of(), lacking]) == "–"


def test_texts_are_aligned_left_and_numbers_right() -> None:
    lines = markdown_table(["Name", "Score"], [["a", "1"], ["b", "2"]], num_texts=1).splitlines()
    assert lines == ["| Name | Score |", "| :--- | ---: |", "| a | 1 |", "| b | 2 |"]
