"""The mode lab's methods side by side: which runs, which method a record is of, and the tables."""

import dataclasses
import itertools
from pathlib import Path

import pytest

from benchmarks.mode_lab import (
    SEEDS,
    configuration_of,
    method_of,
    method_table,
    plan,
    published_table,
)
from benchmarks.records import Record, write_record
from recipes.mode_lab import METHODS
from tests.benchmarks.hand_made import record_of
from tests.recipes.command import run_script


def measured(method: str, dataset: str = "ring", seed: int = 0, **scores: float) -> Record:
    known = {
        "modes": 7.0,
        "num_modes": 8,
        "high_quality": 0.5,
        "real_high_quality": 0.98889,
        "mode_divergence": 0.25,
        "divergence_floor": 0.0014,
        "mode_spread": 0.9,
    }
    configuration = configuration_of(dataset, method, seed)
    return dataclasses.replace(
        record_of(),
        recipe="mode_lab",
        configuration=configuration,
        protocol="2,500 generated points",
        scores=known | scores,
        details={
            "num_samples": 2500,
            "weights": "averaged weights of the last step",
            "peak_memory_megabytes": 812,
            "epochs": configuration["epochs"],
            "stop_reason": "all epochs done",
        },
    )


def rows_of(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


# === Runs ===


def test_one_seed_of_all_comes_before_the_next_and_the_most_telling_first():
    planned = plan()
    seeds = [run.configuration["seed"] for _, run in planned]
    assert seeds == sorted(seeds)
    methods = [m for m, run in planned if run.configuration["dataset"] == "ring"]
    assert methods[: len(METHODS)] == list(METHODS)
    assert methods[:2] == ["plain", "paired + R1 + R2"]
    for dataset, number in SEEDS.items():
        own = {r.configuration["seed"] for _, r in planned if r.configuration["dataset"] == dataset}
        assert own == set(range(number))
    assert len({str(sorted(run.configuration.items())) for _, run in planned}) == len(planned)


def test_every_method_is_one_that_the_recipe_takes_and_differs_from_the_others():
    for dataset in SEEDS:
        configurations = [configuration_of(dataset, method) for method in METHODS]
        if dataset == "three_digits":  # whose every run has the momentum of unrolled rows
            configurations.remove(configuration_of(dataset, "minimax"))
        assert all(configurations.count(each) == 1 for each in configurations)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"datasets": ["rings"]}, "--datasets may be: ring, grid, .* Received: 'rings'"),
        ({"methods": ["magic"]}, "--methods may be: plain, .* Received: 'magic'"),
    ],
)
def test_what_is_not_there_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        plan(**arguments)


def test_the_command_says_what_it_would_measure(tmp_path: Path):
    write_record(measured("R1"), tmp_path)
    ended = run_script(
        "benchmarks/mode_lab.py",
        *("--dry_run", "--datasets=ring", "--seeds=0", "--methods=plain,R1"),
        f"--records={tmp_path}",
        folder=tmp_path,
        data_dir=tmp_path,
    )
    assert ended.out.splitlines() == [
        "mode_lab on ring, seed 0: plain",
        "mode_lab on ring, seed 0: R1 (recorded)",
    ]


# === Records ===


def test_a_record_is_of_the_method_whose_settings_it_has():
    for method in METHODS:
        assert method_of(measured(method, "grid", seed=3)) == method
    older = measured("R1")
    del older.configuration["watched"]  # which later runs have, as None
    assert method_of(older) == "R1"
    changed = measured("plain")
    changed.configuration["latent_dim"] = 77
    assert method_of(changed) is None
    assert method_of(dataclasses.replace(measured("plain"), smoke=True)) is None
    assert method_of(record_of()) is None


# === Tables ===


def test_a_row_has_the_means_of_a_method_on_each_data_set():
    records = [
        measured("R1", seed=0, modes=8.0, high_quality=0.97),
        measured("R1", seed=1, modes=7.0, high_quality=0.99),
        measured("plain", "grid", modes=11.0, mode_spread=1.25),
        measured("R1", "two_digits", modes=93.0, mode_divergence=0.5),
    ]
    heading, _, *rows = rows_of(method_table(records))
    assert heading == [
        *("Method", "ring: seeds", "modes", "divergence", "high quality", "width"),
        *("grid: seeds", "modes", "divergence", "high quality", "width"),
        *("two_digits: seeds", "modes", "divergence", "Step", "Memory"),
    ]
    costs = ["49.4 ms", "812 MB"]
    plain = ["–"] * 5, ["1", "11.0", "0.250", "50.0 %", "1.25"], ["–"] * 3, costs
    ring = ["2", "7.5 ± 0.7", "0.250 ± 0.000", "98.0 ± 1.4 %", "0.90 ± 0.00"]
    r1 = ring, ["–"] * 5, ["1", "93.0", "0.500"], costs
    assert rows == [["plain", *itertools.chain(*plain)], ["R1", *itertools.chain(*r1)]]
    assert method_table(reversed(records)) == method_table(records)


def test_without_records_there_is_no_table():
    assert method_table([record_of()]) == "No run is recorded yet."


def test_published_numbers_stand_by_paper_and_method():
    heading, _, *rows = rows_of(published_table())
    assert heading[:2] == ["Paper", "Method"]
    cells = {tuple(row[:2]): row[2:] for row in rows}
    pacs = cells["Lin et al. 2018", "packs of 2"]
    ring, grid = "0.07 (7.9 ± 0.1 modes, 95.6 %)", "0.13 (23.8 modes, 91.3 %)"
    assert pacs == [ring, grid, "2.61 (484.5 modes)"]
    assert ("Metz et al. 2016", "unrolled 0 steps") in cells
    assert ("Metz et al. 2016", "plain") not in cells
    assert cells["Metz et al. 2016", "unrolled 5 steps"] == ["–", "–", "4.67 (236.4 modes)"]
