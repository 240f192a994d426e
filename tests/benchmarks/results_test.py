"""The page of results: its sections, and what it refuses."""

import random

import pytest

from benchmarks.results import render_results
from tests.benchmarks.hand_made import generated_record_of, record_of, translation_record_of


def test_each_kind_of_recipe_has_its_section() -> None:
    page = render_results([translation_record_of(), generated_record_of(), record_of()])
    headings = [line for line in page.splitlines() if line.startswith("#")]
    assert headings == [
        "# Results",
        "## Classification",
        "### semi_supervised on mnist_small, preset quick",
        "## Generation",
        "### made_by_hand on drawn_house_numbers, preset quick",
        "## Translation",
        "### cyclegan on drawn_horse2zebra, preset quick",
    ]
    assert "## Classification" not in render_results([generated_record_of()])


def test_smoke_runs_are_not_shown() -> None:
    assert render_results(
        [record_of(smoke=True), generated_record_of(smoke=True)]
    ) == render_results([])
    assert "No run is recorded yet." in render_results([])


def test_order_of_the_records_does_not_matter() -> None:
    records = [
        *(record_of(error, seed=seed) for seed, error in enumerate((0.024, 0.03, 0.018))),
        *(record_of(num_labels=20), record_of(epochs=60)),
        *(generated_record_of(10.0 + seed, seed=seed) for seed in range(3)),
        *(generated_record_of(objective="hinge"), generated_record_of(protocol="another")),
    ]
    records[6].details.update(epochs=1)
    records[7].details.update(epochs=2)
    shuffled = random.Random(0).sample(records, len(records))
    assert render_results(shuffled) == render_results(records)


def test_record_without_what_the_table_needs_is_refused() -> None:
    record = record_of()
    del record.scores["baseline_test_error"]
    with pytest.raises(ValueError, match="no table .* it lacks baseline_test_error"):
        render_results([record])
