"""Tables of each family: what has a table of its own, which rows it has, and what is below it."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.records import Record
from benchmarks.tables import draw_tables
from recipes import cyclegan, semi_supervised
from tests.benchmarks.hand_made import generated_record_of, record_of, translation_record_of
from zoo import metrics


def rows_of_tables(records: Sequence[Record]) -> list[list[dict[str, str]]]:
    """The rows of each table, each a cell by the name of its column."""
    found = []
    for table in draw_tables(records):
        lines = [line for line in table.splitlines() if line.startswith("|")]
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        found.append([dict(zip(cells[0], row, strict=True)) for row in cells[2:]])
    return found


def rows_of(*records: Record) -> list[dict[str, str]]:
    (table,) = rows_of_tables(records)
    return table


def drawn(*records: Record) -> str:
    return "\n".join(draw_tables(records))


def mean_and_deviation(values: Sequence[float], decimals: int, factor: float = 1) -> str:
    mean, deviation = factor * np.mean(values), factor * np.std(values, ddof=1)
    return f"{mean:.{decimals}f} ± {deviation:.{decimals}f}"


# === Generation ===


def test_row_of_distances_says_what_numpy_says() -> None:
    distances = (12.5, 14.0, 9.25)
    records = [generated_record_of(distance, seed=n) for n, distance in enumerate(distances)]
    assert rows_of(*records) == [
        {
            "Configuration": "preset",
            "Epochs": "20",
            "Seeds": "3",
            "Fréchet distance": mean_and_deviation(distances, 1),
            "Floor": "0.5",
            "Kernel distance × 1000": "3.50 ± 0.00",
            "Confidence": "75.0 ± 0.0 %",
            "Imbalance": "1.25 ± 0.00",
            # The runs are from before there were these measures.
            **dict.fromkeys(("Precision", "Recall", "Coverage", "Authenticity"), "–"),
            "Seconds a run": "300.5",
            "Steps a second": "20.2",
        }
    ]


def test_ablation_is_one_table_of_which_the_preset_is_the_first_row() -> None:
    rows = rows_of(
        generated_record_of(20.0, objective="hinge"),
        generated_record_of(30.0, batch_size=32, epochs=5),
        generated_record_of(22.0, objective="hinge", seed=1),
        generated_record_of(10.0),
    )
    assert [(row["Configuration"], row["Epochs"], row["Seeds"]) for row in rows] == [
        ("preset", "20", "1"),
        ("batch_size=32 (preset: 64), epochs=5 (preset: 20)", "5", "1"),
        ("objective=hinge (preset: non_saturating)", "20", "2"),
    ]
    assert [row["Fréchet distance"] for row in rows] == ["10.0", "30.0", "21.0 ± 1.4"]


def test_scores_of_different_stamps_are_refused_by_what_differs() -> None:
    def stamped(seed: int, **changes) -> Record:
        stamp = metrics.Stamp("ab12", "none", 2000, 2000, "drawn_house_numbers test", None)
        stamps = {"frechet_distance": dataclasses.asdict(dataclasses.replace(stamp, **changes))}
        record = generated_record_of(seed=seed)
        return dataclasses.replace(record, details={**record.details, "stamps": stamps})

    without = generated_record_of(seed=2)
    assert rows_of(stamped(0), stamped(1), without)[0]["Seeds"] == "3"
    with pytest.raises(ValueError, match="num_real is 2,000 in frechet_distance of run 1 and 500"):
        draw_tables([stamped(0), stamped(1, num_real=500)])


def test_what_does_not_compare_has_tables_of_its_own() -> None:
    tables = rows_of_tables([generated_record_of(), generated_record_of(seed=1, protocol="other")])
    assert [[row["Seeds"] for row in table] for table in tables] == [["1"], ["1"]]


def test_data_without_labels_have_no_scores_of_classes() -> None:
    (row,) = rows_of(*(generated_record_of(seed=seed, class_scores={}) for seed in (0, 1)))
    assert (row["Confidence"], row["Imbalance"]) == ("–", "–")
    assert row["Fréchet distance"] == "12.0 ± 0.0"


def test_weights_that_were_tested_are_named_below_the_table() -> None:
    averaged, last = generated_record_of(), generated_record_of(learning_rate=1e-3)
    last.details["weights"] = "weights of the last step"
    assert len(rows_of(averaged, last)) == 2
    assert "- Protocol: distances on test\n" in drawn(averaged, last)
    assert "- Tested: averaged weights; weights of the last step\n" in drawn(averaged, last)


def test_run_that_ended_early_is_named() -> None:
    record = generated_record_of(seed=2, objective="hinge")
    assert "Ended early" not in drawn(record)
    record.details.update(epochs=7, stop_reason="no progress")
    line = "- objective=hinge (preset: non_saturating), seed 2: 7 epochs, no progress"
    assert line in drawn(record, generated_record_of()).splitlines()


@pytest.mark.parametrize(
    ("dataset", "note"),
    [
        ("drawn_house_numbers", "its scores are not SVHN's"),
        ("drawn_faces/128x128", "its scores are not scores on CelebA"),
    ],
)
def test_stand_in_is_never_taken_for_the_real_set(dataset: str, note: str) -> None:
    assert note in drawn(generated_record_of(dataset=dataset))
    assert "its scores are not" not in drawn(generated_record_of(dataset="svhn_cropped"))


# === Classification ===


def test_row_of_errors_says_what_numpy_says() -> None:
    errors, baselines = (0.024, 0.03, 0.018, 0.05), (0.21, 0.19, 0.254, 0.2)
    pairs = zip(errors, baselines, strict=True)
    (row,) = rows_of(*(record_of(*pair, seed=seed) for seed, pair in enumerate(pairs)))
    assert row == {
        "Configuration": "preset",
        "Labels": "100",
        "Epochs": str(semi_supervised.preset("quick", "mnist_small").epochs),
        "Seeds": "4",
        "GAN test error": f"{mean_and_deviation(errors, 2, 100)} %",
        "Baseline test error": f"{mean_and_deviation(baselines, 2, 100)} %",
        "Ratio": f"{np.mean(errors) / np.mean(baselines):.2f}",
        "GAN: wrong of 500": "12, 15, 9, 25",
        "Baseline: wrong of 500": "105, 95, 127, 100",
        "Salimans et al. 2016, on MNIST [1]": "0.93 ± 0.07 %",
        "Seconds a run": "300.5",
        "Steps a second": "20.2",
    }


def test_paper_is_beside_each_number_of_labels_with_its_protocol() -> None:
    records = [record_of(num_labels=number) for number in (100, 20, 50)]
    reported = [row["Salimans et al. 2016, on MNIST [1]"] for row in rows_of(*records)]
    assert reported == ["16.77 ± 4.52 %", "not quoted", "0.93 ± 0.07 %"]
    assert "\n[1] Another protocol: test error" in drawn(*records)


def test_data_set_that_is_not_in_the_paper_has_no_column_of_it() -> None:
    record = record_of(dataset="fashion_mnist", validation_split="train[-5000:]")
    assert "Salimans" not in drawn(record)
    assert "[1]" not in drawn(record)


def test_run_of_some_labels_that_ended_early_is_named() -> None:
    record = record_of(seed=2)
    record.details.update(epochs=7, stop_reason="generator_loss is nan")
    assert "- preset, 100 labels, seed 2: 7 epochs, generator_loss is nan\n" in drawn(record)


# === Translation ===

PRESET_ROWS = ["doing nothing", "animal in one colour", "preset"]


def test_row_of_translations_says_what_numpy_says():
    scores = (0.125, 0.25, 0.0625)
    rows = rows_of(*(translation_record_of(score, seed=n) for n, score in enumerate(scores)))
    assert [row["Configuration"] for row in rows] == 2 * PRESET_ROWS
    error = mean_and_deviation(scores, 4)
    assert rows[2] == {
        "Direction": "A → B",
        "Configuration": "preset",
        "Epochs": str(cyclegan.preset("quick", "drawn_horse2zebra").epochs),
        "Seeds": "3",
        "Blurred error in the animal": error,
        "Error in the animal": error,
        "Error around it": error,
        "Taken for the target": f"{mean_and_deviation(scores, 1, 100)} %",
        "Seconds a run": "300.5",
        "Steps a second": "20.2",
    }
    assert rows[0] | {"Direction": "B → A"} == rows[3]
    assert (rows[0]["Error in the animal"], rows[0]["Seeds"]) == ("0.5000", "–")


def test_ablations_follow_the_preset_in_both_directions():
    rows = rows_of(translation_record_of(pool_size=0), translation_record_of())
    names = [(row["Direction"], row["Configuration"]) for row in rows]
    row = [*PRESET_ROWS, "pool_size=0 (preset: 50)"]
    assert names == [(direction, name) for direction in ("A → B", "B → A") for name in row]


def test_another_architecture_is_spelled_out_below_the_table():
    skip = {"architecture": "residual_skip", "num_blocks": 4}
    records = [
        translation_record_of(seed=0),
        translation_record_of(seed=0, **skip),
        translation_record_of(seed=1, **skip),
        translation_record_of(0.75, paired=0.5, seed=0, **skip),
        translation_record_of(seed=0, architecture="residual_skip"),
        translation_record_of(seed=0, **skip, pool_size=0),
        translation_record_of(seed=0, architecture="u_net"),
    ]
    own = [
        *PRESET_ROWS,
        *("trained on pairs: residual_skip", "residual_skip"),
        "residual_skip, num_blocks=2 (residual_skip: 4)",
        "residual_skip, pool_size=0 (residual_skip: 50)",
        "u_net",
    ]
    for given in (records, records[::-1]):
        assert [row["Configuration"] for row in rows_of(*given)] == 2 * own
        section = drawn(*given)
        assert "\n- `residual_skip`: num_blocks=4 (preset: 2)\n" in section
        assert "\n- `u_net`: else as the preset\n" in section


def test_runs_with_other_weights_of_the_classifier_share_a_table():
    protocols = [
        f"scored by a classifier (test accuracy {accuracy} %, weights {weights})"
        for accuracy, weights in (
            ("100.0", "9182c883"),
            ("100.0", "0b03d98a"),
            ("99.0", "0b03d98a"),
        )
    ]
    records = [
        dataclasses.replace(translation_record_of(seed=seed), protocol=protocol)
        for seed, protocol in enumerate(protocols)
    ]
    section = drawn(*records)
    assert len(rows_of_tables(records)) == 2
    assert (
        "\n- Protocol: scored by a classifier (test accuracy 99.0 %, weights 0b03d98a)\n" in section
    )
    both = "(test accuracy 100.0 %, weights 0b03d98a or 9182c883)"
    assert f"\n- Protocol: scored by a classifier {both}\n" in section


def test_training_on_pairs_is_a_row_to_compare_with_not_another_configuration():
    rows = rows_of(
        translation_record_of(0.125),
        translation_record_of(0.25, seed=1),
        translation_record_of(0.75, paired=0.03125),
        translation_record_of(0.75, paired=0.5, base_filters=16),
    )
    (paired,) = [r for r in rows[:6] if r["Configuration"] == "trained on pairs"]
    assert (paired["Epochs"], paired["Seeds"]) == ("10", "1")
    assert paired["Error in the animal"] == "0.0312"
    (preset,) = [r for r in rows[:6] if r["Configuration"] == "preset"]
    assert preset["Seeds"] == "2" and preset["Error in the animal"] == "0.1875 ± 0.0884"
    (other,) = [r for r in rows[:6] if r["Configuration"].startswith("trained on pairs: ")]
    assert other["Configuration"] == "trained on pairs: base_filters=16 (preset: 32)"
    assert other["Error in the animal"] == "0.5000"


def test_seconds_are_without_training_on_pairs():
    with_pairs = translation_record_of(paired=0.5)
    without = dataclasses.replace(translation_record_of(seed=1), seconds=200.0)
    for records, expected in (((with_pairs, without), "200.0"), ((with_pairs,), "unknown")):
        (preset, _) = [r for r in rows_of(*records) if r["Configuration"] == "preset"]
        assert preset["Seconds a run"] == expected


def test_tables_of_one_title_are_told_apart_by_their_dates():
    first = generated_record_of()
    later = [
        dataclasses.replace(first, date="2027-01-02"),
        generated_record_of(protocol="500 images; classifier (test accuracy 80.0 %, weights 01)"),
    ]
    headings = [table.splitlines()[0] for table in draw_tables([first, *later])]
    days = sorted(heading.partition(", measured on ")[2] for heading in headings)
    assert days == [first.date, f"{first.date} to 2027-01-02"]
    (alone,) = draw_tables([first])
    assert "measured on" not in alone.splitlines()[0]
