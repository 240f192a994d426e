"""What all tables share: numbers against NumPy, differences from presets, lines below a table."""

import numpy as np
import pytest

from benchmarks.tables import (
    differences_from_preset,
    early_ends,
    markdown_table,
    mean_and_deviation,
    protocol_key,
    span,
)
from tests.benchmarks.hand_made import generated_record_of, record_of


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


def test_columns_but_the_first_are_aligned_right() -> None:
    lines = markdown_table(["Name", "Score"], [["a", "1"], ["b", "2"]], first=":---").splitlines()
    assert lines == ["| Name | Score |", "| :--- | ---: |", "| a | 1 |", "| b | 2 |"]


def test_differences_name_the_value_and_the_presets() -> None:
    record = generated_record_of(objective="hinge", epochs=5, seed=3)
    assert differences_from_preset(record, ["seed"]) == (
        "epochs=5 (preset: 20), objective=hinge (preset: non_saturating)"
    )
    assert differences_from_preset(generated_record_of(seed=3), ["seed"]) == ""


def test_no_value_is_written_as_it_is_set() -> None:
    record = generated_record_of()
    record.configuration["objective"] = None
    assert differences_from_preset(record, []) == "objective=none (preset: non_saturating)"


def test_setting_that_came_or_went_is_a_difference() -> None:
    record = generated_record_of()
    record.configuration["old_setting"] = 3
    del record.configuration["learning_rate"]
    assert differences_from_preset(record, []) == (
        "before there was learning_rate, old_setting=3 (no longer a setting)"
    )


def test_records_of_other_protocol_data_or_recipe_do_not_compare() -> None:
    records = [
        record_of(),
        generated_record_of(),
        generated_record_of(protocol="distances on train"),
        generated_record_of(dataset="mnist_small"),
    ]
    assert len({protocol_key(record) for record in records}) == 4
    assert protocol_key(generated_record_of(seed=1, epochs=3)) == protocol_key(records[1])


def test_runs_that_ended_early_are_named() -> None:
    record = generated_record_of(seed=2)
    assert early_ends([record], lambda _: "preset") == []
    record.details.update(epochs=7, stop_reason="generator_loss is nan")
    (paragraph,) = early_ends([generated_record_of(), record], lambda _: "preset")
    assert paragraph.splitlines()[2:] == ["- preset, seed 2: 7 epochs, generator_loss is nan"]
