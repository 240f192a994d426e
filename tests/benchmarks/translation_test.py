"""Tables of translations: what is compared, and rows against NumPy."""

import dataclasses

import numpy as np

from benchmarks.results import render
from benchmarks.translation import draw
from recipes import cyclegan
from tests.benchmarks.generation_test import tables
from tests.benchmarks.hand_made import generated_record_of, translation_record_of

PRESET_ROWS = ["doing nothing", "animal in one colour", "preset"]


def rows_of(*records) -> list[dict[str, str]]:
    (table,) = tables(draw(records))
    return table


def test_row_says_what_numpy_says():
    scores = (0.125, 0.25, 0.0625)
    rows = rows_of(*(translation_record_of(score, seed=n) for n, score in enumerate(scores)))
    assert [row["Configuration"] for row in rows] == 2 * PRESET_ROWS
    error = f"{np.mean(scores):.4f} ± {np.std(scores, ddof=1):.4f}"
    assert rows[2] == {
        "Direction": "A → B",
        "Configuration": "preset",
        "Epochs": str(cyclegan.preset("quick", "drawn_horse2zebra").epochs),
        "Seeds": "3",
        "Blurred error in the animal": error,
        "Error in the animal": error,
        "Error around it": error,
        "Taken for the target": f"{np.mean(scores):.1%}".replace("%", "")
        + f" ± {100 * np.std(scores, ddof=1):.1f} %",
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
        names = [row["Configuration"] for row in rows_of(*given)]
        assert names == 2 * own
        section = draw(given)
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
    section = draw(records)
    assert len(tables(section)) == 2
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


def test_the_section_stands_behind_the_others():
    page = render([translation_record_of(), generated_record_of()])
    assert page.index("## Generation") < page.index("## Translation")
    assert "`drawn_horse2zebra` stands in for horse2zebra" in page
