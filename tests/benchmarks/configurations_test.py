"""Which records compare, which share a row, and how rows are called."""

import dataclasses

from benchmarks.configurations import comparable_key, differences_from_preset, rows_of
from tests.benchmarks.hand_made import generated_record_of, record_of, translation_record_of


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


def test_setting_that_came_and_is_off_is_no_difference() -> None:
    before, after = generated_record_of(seed=0), generated_record_of(seed=1)
    for name in ("image_size", "drop_duplicates"):
        before.configuration.pop(name, None)
    after.configuration.update(image_size=None, drop_duplicates="none")
    (row,) = rows_of([before, after])
    assert row.name == "preset" and len(row.runs) == 2
    after.configuration["image_size"] = 16
    assert len(rows_of([before, after])) == 2


def test_records_of_other_protocol_data_preset_or_recipe_do_not_compare() -> None:
    records = [
        record_of(),
        generated_record_of(),
        generated_record_of(protocol="distances on train"),
        generated_record_of(dataset="mnist_small"),
        dataclasses.replace(generated_record_of(), preset="paper"),
        dataclasses.replace(generated_record_of(), dataset_fingerprint="cd" * 32),
    ]
    assert len({comparable_key(record) for record in records}) == len(records)
    assert comparable_key(generated_record_of(seed=1, epochs=3)) == comparable_key(records[1])


def test_seeds_share_a_row_in_their_order_and_the_preset_is_first() -> None:
    rows = rows_of([generated_record_of(seed=seed, epochs=e) for e in (20, 5) for seed in (2, 0)])
    assert [row.name for row in rows] == ["preset", "epochs=5 (preset: 20)"]
    assert [[run.configuration["seed"] for run in row.runs] for row in rows] == [[0, 2]] * 2


def test_each_number_of_labels_has_a_row() -> None:
    rows = rows_of([record_of(num_labels=number) for number in (100, 20, 50)])
    assert [row.runs[0].configuration["num_labels"] for row in rows] == [20, 50, 100]
    assert {row.name for row in rows} == {"preset"}


def test_run_again_for_a_companion_counts_once() -> None:
    alone, with_pairs = translation_record_of(), translation_record_of(paired=0.5)
    for records in ([alone, with_pairs], [with_pairs, alone]):
        (row,) = rows_of(records)
        assert row.runs == [alone]


def test_times_are_those_of_processors_and_scores_of_the_newest_run() -> None:
    on_processor = dataclasses.replace(record_of(), date="2026-01-01", devices=["CPU x"])
    on_gpu = dataclasses.replace(record_of(), date="2026-01-02", devices=["CPU y", "GPU z"])
    for records in ([on_processor, on_gpu], [on_gpu, on_processor]):
        (row,) = rows_of(records)
        assert row.runs == [on_gpu]
        assert row.runs_alone == [on_processor]
        assert row.timed_runs == ([on_processor], "")
    (row,) = rows_of([on_gpu])
    assert row.timed_runs == ([on_gpu], " on a GPU")
