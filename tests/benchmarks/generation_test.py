"""Tables of distances: rows against NumPy, a row a configuration, a table a protocol."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.generation import draw
from benchmarks.records import Record
from tests.benchmarks.hand_made import generated_record_of


def tables(section: str) -> list[list[dict[str, str]]]:
    """The rows of each table, each a cell by the name of its column."""
    found = []
    for part in section.split("\n### ")[1:]:
        lines = [line for line in part.splitlines() if line.startswith("|")]
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        found.append([dict(zip(cells[0], row, strict=True)) for row in cells[2:]])
    return found


def only_table(records: Sequence[Record]) -> list[dict[str, str]]:
    (table,) = tables(draw(records))
    return table


def test_row_says_what_numpy_says() -> None:
    distances = (12.5, 14.0, 9.25)
    (row,) = only_table(
        [generated_record_of(distance, seed=seed) for seed, distance in enumerate(distances)]
    )
    assert row == {
        "Configuration": "preset",
        "Epochs": "20",
        "Seeds": "3",
        "Fréchet distance": f"{np.mean(distances):.1f} ± {np.std(distances, ddof=1):.1f}",
        "Floor": "0.5",
        "Kernel distance × 1000": "3.50 ± 0.00",
        "Confidence": "75.0 ± 0.0 %",
        "Imbalance": "1.25 ± 0.00",
        "Seconds a run": "300.5",
        "Steps a second": "20.2",
    }


def test_ablation_is_one_table_of_which_the_preset_is_the_first_row() -> None:
    rows = only_table(
        [
            generated_record_of(20.0, objective="hinge"),
            generated_record_of(30.0, batch_size=32, epochs=5),
            generated_record_of(22.0, objective="hinge", seed=1),
            generated_record_of(10.0),
        ]
    )
    assert [(row["Configuration"], row["Epochs"], row["Seeds"]) for row in rows] == [
        ("preset", "20", "1"),
        ("batch_size=32 (preset: 64), epochs=5 (preset: 20)", "5", "1"),
        ("objective=hinge (preset: non_saturating)", "20", "2"),
    ]
    assert [row["Fréchet distance"] for row in rows] == [
        "10.0",
        "30.0",
        "21.0 ± 1.4",
    ]


@pytest.mark.parametrize(
    "other",
    [
        generated_record_of(seed=1, protocol="distances on other features"),
        generated_record_of(seed=1, dataset="mnist_small"),
        dataclasses.replace(generated_record_of(seed=1), preset="paper"),
        dataclasses.replace(generated_record_of(seed=1), dataset_fingerprint="cd" * 32),
    ],
)
def test_what_does_not_compare_has_tables_of_its_own(other: Record) -> None:
    found = tables(draw([generated_record_of(), other]))
    assert [[row["Seeds"] for row in table] for table in found] == [["1"], ["1"]]


def test_data_without_labels_have_no_scores_of_classes() -> None:
    (row,) = only_table([generated_record_of(seed=seed, class_scores={}) for seed in (0, 1)])
    assert (row["Confidence"], row["Imbalance"]) == ("–", "–")
    assert row["Fréchet distance"] == "12.0 ± 0.0"


def test_weights_that_were_tested_are_named_below_the_table() -> None:
    averaged, last = generated_record_of(), generated_record_of(learning_rate=1e-3)
    last.details["weights"] = "weights of the last step"
    section = draw([averaged, last])
    assert len(only_table([averaged, last])) == 2
    assert "- Protocol: distances on test\n" in section
    assert "- Tested: averaged weights; weights of the last step\n" in section


def test_run_that_ended_early_is_named() -> None:
    record = generated_record_of(seed=2, objective="hinge")
    record.details.update(epochs=7, stop_reason="no progress")
    line = "- objective=hinge (preset: non_saturating), seed 2: 7 epochs, no progress"
    assert line in draw([record, generated_record_of()]).splitlines()


def test_stand_in_is_never_taken_for_the_real_set() -> None:
    assert "`drawn_house_numbers` stands in for SVHN" in draw([generated_record_of()])
    assert "`drawn_faces/128x128` stands" in draw(
        [generated_record_of(dataset="drawn_faces/128x128")]
    )
    assert "stands in" not in draw([generated_record_of(dataset="svhn_cropped")])
