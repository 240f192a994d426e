"""The tables of docs/experiments/explore.md, of findings made by hand."""

import json
from pathlib import Path

import pytest

from benchmarks.explorations import exploration_tables, read_findings

RUN = {"model": "DCGAN", "trained_on": "drawn_faces", "training_seed": 2, "step": 7500}
RUN_CELLS = "| `DCGAN` | `drawn_faces` | seed 2, 7,500 steps |"


def rows_of(command: str, **facts) -> list[str]:
    table = exploration_tables([{"command": command, **RUN, **facts}])[command]
    return table.splitlines()[2:]


def test_probe_has_an_error_for_each_kind_of_features_and_a_dash_for_what_was_left_out() -> None:
    scores = {
        "discriminator": {"test_errors": [0.2, 0.3], "mean": 0.25, "deviation": 0.05},
        "untrained discriminator": {"test_errors": [0.5], "mean": 0.5, "deviation": 0.0},
        "raw pixels": {"test_errors": [0.6], "mean": 0.6, "deviation": 0.0},
    }
    (row,) = rows_of("probe", num_labels=1000, dataset="svhn_cropped", scores=scores)
    assert row == (
        f"{RUN_CELLS} 1,000 of `svhn_cropped` | 25.00 ± 5.00 % (2) | 50.00 ± 0.00 % (1) | "
        "60.00 ± 0.00 % (1) | – |"
    )


def test_arithmetic_has_a_row_for_each_sum_with_chance_beside_it() -> None:
    scores = {
        "has_attribute": 0.9,
        "others_agree_with_base": 0.8,
        "control": {"has_attribute": 0.2, "others_agree_with_base": 0.75},
    }
    rows = rows_of("arithmetic", sums={"Smiling": scores, "Male": scores})
    assert rows[0] == f"{RUN_CELLS} Smiling | 90.0% | 20.0% | 80.0% | 75.0% |"
    assert len(rows) == 2


def test_forgetting_and_projection_have_a_row_a_run() -> None:
    (row,) = rows_of(
        "forget",
        attribute="Eyeglasses",
        num_dropped=4,
        num_maps=64,
        layer="conv",
        share_before=0.2,
        share_after=0.05,
        fall_of_share=0.75,
        rise_of_kernel_distance=0.1,
    )
    assert row == f"{RUN_CELLS} Eyeglasses | 4 of 64 of `conv` | 20.0% | 5.0% | 75% | +10% |"
    (row,) = rows_of(
        "project",
        num_images=128,
        held_out_split="test",
        start_error=0.5,
        errors={"optimisation": 0.2, "network": 0.25, "hybrid": 0.15},
        hybrid_over_optimisation=0.75,
        hybrid_over_network=0.6,
        own_samples_over_start={"optimisation": 0.5, "network": 0.6, "hybrid": 0.08},
    )
    assert row == (
        f"{RUN_CELLS} 128 of test | 0.500 | 0.200 | 0.250 | 0.150 | 0.75 | 0.60 | 50% | 8% |"
    )


def test_what_has_no_run_yet_says_so(tmp_path: Path) -> None:
    assert read_findings(tmp_path / "none") == []
    assert set(exploration_tables([]).values()) == {"Nothing is recorded yet."}


def test_what_zoo_explore_wrote_is_read_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(json.dumps({"command": "walk"}))
    (tmp_path / "a.json").write_text(json.dumps({"command": "probe"}))
    assert [facts["command"] for facts in read_findings(tmp_path)] == ["probe", "walk"]
    for wrong in ("{", "{}", "[]"):
        (tmp_path / "c.json").write_text(wrong)
        with pytest.raises(ValueError, match=r"c\.json is no JSON that"):
            read_findings(tmp_path)
