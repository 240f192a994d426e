"""A hundred faces: which runs, which changes a record is of, and the table."""

import dataclasses
from pathlib import Path

import pytest

from benchmarks.configurations import comparable_key
from benchmarks.few_images import (
    CHANGES,
    SEEDS,
    changes_of,
    configuration_of,
    few_images_table,
    plan,
)
from benchmarks.records import Record, write_record
from tests.benchmarks.hand_made import generated_record_of, record_of
from tests.recipes.command import run_script
from zoo.common.augmentation import ALL_AUGMENTATIONS


def measured(
    changes: str, distance: float = 10.0, seed: int = 0, accuracy: str = "93.5", **others
) -> Record:
    record = generated_record_of(
        protocol=f"2,000 images; classifier (test accuracy {accuracy} %, weights 0123abcd)"
    )
    scores = {
        **{"frechet_distance": distance, "kernel_distance": 0.25, "precision": 0.5},
        **{"recall": 0.25, "authenticity": 0.75, "real_authenticity": 0.625},
    }
    return dataclasses.replace(
        record,
        recipe="face_generation",
        configuration=configuration_of(changes, seed),
        scores=record.scores | scores,
        **others,
    )


def rows_of(table: str) -> list[list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_one_seed_of_all_comes_before_the_next():
    planned = plan()
    assert [name for name, _ in planned] == [*CHANGES] * SEEDS
    assert [run.configuration["seed"] for _, run in planned] == [0] * 4 + [1] * 4 + [2] * 4


def test_all_see_the_same_hundred_faces_for_as_many_steps():
    configurations = [configuration_of(name) for name in CHANGES]
    for name in ("train_split", "epochs", "batch_size", "learning_rate_decay", "objective"):
        assert len({configuration[name] for configuration in configurations}) == 1
    first = configurations[0]
    assert first["train_split"] == "train[:100]"
    # The rate falls as far as in the ten epochs of the preset.
    assert first["learning_rate_decay"] ** first["epochs"] == pytest.approx(0.8**10)
    changes = [configuration["augmentation"] for configuration in configurations]
    # What is chosen by itself of so few is all three.
    assert changes == ["none", "shift", "auto", "auto"]
    assert ALL_AUGMENTATIONS == "colour,shift,cutout"
    assert [configuration["adaptive_augmentation"] for configuration in configurations] == [
        *(None, None, None),
        50_000,
    ]


def test_what_is_not_there_is_refused():
    with pytest.raises(ValueError, match="--changes may be: none, .* Received: 'magic'"):
        plan(changes=["magic"])


def test_the_command_says_what_it_would_measure(tmp_path: Path):
    write_record(measured("adaptive", seed=1), tmp_path)
    ended = run_script(
        "benchmarks/few_images.py",
        *("--dry_run", "--seeds=1", "--changes=shift,adaptive", f"--records={tmp_path}"),
        folder=tmp_path,
        data_dir=tmp_path,
    )
    assert ended.out.splitlines() == [
        "face_generation on drawn_faces, seed 1: shift",
        "face_generation on drawn_faces, seed 1: adaptive (recorded)",
    ]


def test_a_record_is_of_the_changes_whose_settings_it_has():
    for name in CHANGES:
        assert changes_of(measured(name, seed=2)) == name
    changed = measured("none")
    changed.configuration["train_split"] = "train[:200]"
    assert changes_of(changed) is None
    assert changes_of(measured("none", smoke=True)) is None
    assert changes_of(record_of()) is None


def test_a_hundred_faces_stand_apart_from_all_for_copies_are_counted_among_them():
    few = measured("none")
    whole = dataclasses.replace(few, configuration=few.configuration | {"train_split": "train"})
    assert comparable_key(few) != comparable_key(whole)
    assert comparable_key(few) == comparable_key(measured("shift", seed=1))


def test_a_row_has_the_means_of_its_seeds_and_runs_that_do_not_compare_stand_apart():
    records = [
        measured("none", 20.0),
        measured("none", 22.0, seed=1),
        measured("shift", 15.0),
        measured("none", 30.0, accuracy="94.1"),
    ]
    table = few_images_table(records)
    first, second = rows_of(table.split("\n\n2,000")[0]), rows_of(table.split("\n\n2,000")[1])
    heading, _, *rows = first
    assert heading == [
        *("Changes", "Seeds", "Fréchet distance", "Kernel distance × 1000"),
        *("Precision", "Recall", "Authenticity", "of held-out faces"),
    ]
    none = ["none", "2", "21.0 ± 1.4", "250 ± 0", "0.50 ± 0.00", "0.25 ± 0.00", "0.75 ± 0.00"]
    assert rows == [
        [*none, "0.62 ± 0.00"],
        ["shift", "1", "15.0", "250", "0.50", "0.25", "0.75", "0.62"],
    ]
    assert second[2][:3] == ["none", "1", "30.0"]
    del records[2].scores["recall"]  # a measure that was no number
    assert rows_of(few_images_table(records))[3][5] == "–"
    assert few_images_table([record_of()]) == "No run is recorded yet."
