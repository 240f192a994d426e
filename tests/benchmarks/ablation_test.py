"""Each stabiliser alone: which runs, which stabiliser a record is of, and the table's verdicts."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks.ablation import (
    DATASETS,
    SEEDS,
    STABILISERS,
    ablation_table,
    compared,
    configuration_of,
    plan,
    stabiliser_of,
    verdicts,
)
from benchmarks.records import Record, write_record
from tests.benchmarks.hand_made import generated_record_of, record_of
from tests.recipes.command import run_script


def measured(
    stabiliser: str,
    distance: float = 0.1,
    seed: int = 0,
    accuracy: str = "93.5",
    dataset: str = "mnist_small",
    **changes,
) -> Record:
    record = generated_record_of(
        protocol=f"2,000 images; classifier (test accuracy {accuracy} %, weights 0123abcd)"
    )
    return dataclasses.replace(
        record,
        recipe="dcgan_svhn",
        configuration=configuration_of(dataset, stabiliser, seed),
        scores=record.scores | {"kernel_distance": distance},
        **changes,
    )


def rows_of(table: str) -> list[list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


# === Runs ===


def test_one_seed_of_all_comes_before_the_next():
    planned = plan()
    assert [name for name, _ in planned] == [*STABILISERS] * SEEDS
    seeds = [run.configuration["seed"] for _, run in planned]
    assert seeds == sorted(seeds) and set(seeds) == set(range(SEEDS))


def test_every_stabiliser_changes_the_plain_game_and_only_in_its_own():
    plain = configuration_of("mnist_small", "plain")
    for name, changes in STABILISERS.items():
        configuration = configuration_of("mnist_small", name)
        changed = {each for each in plain if configuration[each] != plain[each]}
        assert changed == set(changes)
    own = [configuration_of("mnist_small", name) for name in STABILISERS]
    assert own.count(plain) == 1


def test_other_data_sets_are_measured_where_one_asks_for_them():
    planned = plan(["plain"], datasets=DATASETS)
    assert [run.configuration["dataset"] for _, run in planned] == [
        dataset for dataset in DATASETS for _ in range(SEEDS)
    ]


def test_what_is_not_there_is_refused():
    with pytest.raises(ValueError, match="--datasets may be: mnist_small, .* Received: 'mnist'"):
        plan(datasets=["mnist"])
    with pytest.raises(ValueError, match="--stabilisers may be: plain, .* Received: 'magic'"):
        plan(stabilisers=["magic"])


@pytest.mark.parametrize(
    ("arguments", "out", "err"),
    [
        (
            ("--dry_run", "--seeds=1", "--stabilisers=plain,hinge"),
            [
                "dcgan_svhn on mnist_small, seed 1: plain",
                "dcgan_svhn on mnist_small, seed 1: hinge (recorded)",
            ],
            "",
        ),
        (("--seeds=one",), [], "--seeds should be whole numbers such as 0,1. Received: ['one']"),
        (("--stabilisers=magic",), [], "--stabilisers may be: plain, "),
    ],
)
def test_the_command_says_what_it_would_measure(tmp_path: Path, arguments, out, err):
    write_record(measured("hinge", seed=1), tmp_path)
    ended = run_script(
        "benchmarks/ablation.py",
        *arguments,
        f"--records={tmp_path}",
        folder=tmp_path,
        data_dir=tmp_path,
    )
    assert ended.out.splitlines() == out
    assert err in ended.err


# === Records ===


def test_a_record_is_of_the_stabiliser_whose_settings_it_has():
    for name in STABILISERS:
        assert stabiliser_of(measured(name, seed=2)) == name
        assert stabiliser_of(measured(name, dataset="drawn_house_numbers")) == name
    changed = measured("plain")
    changed.configuration["latent_dim"] = 77
    assert stabiliser_of(changed) is None
    assert stabiliser_of(measured("plain", smoke=True)) is None
    assert stabiliser_of(record_of()) is None


# === Verdicts ===


def test_the_ratio_is_of_geometric_means_and_has_welchs_interval():
    values, plain = [8.0, 3.125, 5.0], [1.0, 2.0, 4.0]  # geometric means 5 and 2
    logs = [np.log2(each) for each in (values, plain)]
    variances = [each.var(ddof=1) / len(each) for each in logs]
    freedom = sum(variances) ** 2 / sum(
        variance**2 / (len(each) - 1) for variance, each in zip(variances, logs, strict=True)
    )
    half = stats.t.ppf(0.975, freedom) * math.sqrt(sum(variances))
    shown, verdict = compared(values, plain)
    assert shown == f"2.50 ({2.5 / 2**half:.2f} to {2.5 * 2**half:.2f})"
    assert verdict == "no difference seen"


@pytest.mark.parametrize(
    ("values", "plain", "verdict"),
    [
        ([10.0, 11.0, 12.0], [20.0, 21.0, 22.0], "helps"),
        ([30.0, 31.0, 32.0], [20.0, 21.0, 22.0], "hurts"),
        # Of four degrees of freedom t must be 2.78: here it is 2.4.
        ([22.0, 23.0, 24.0], [20.0, 21.0, 22.0], "no difference seen"),
        # Beyond two standard errors, but one side has almost no spread: fewer degrees of freedom.
        ([20.0, 20.1, 20.2], [21.0, 22.5, 24.0], "no difference seen"),
        # Lost games, whose spread is as large as they are.
        ([30_000.0, 90_000.0, 180_000.0], [150.0, 151.0, 160.0], "hurts"),
        ([-0.1, 0.2, 0.1], [0.2, 0.2, 0.1], "too near to 0"),
        ([10.0], [20.0, 21.0], "too few seeds"),
        ([244.1678] * 3, [488.3356] * 3, "equal seeds"),  # whose logarithms have a spread of 1e-16
        ([10.0], [], "–"),
    ],
)
def test_a_verdict_needs_a_difference_that_chance_seldom_makes(values, plain, verdict):
    assert compared(values, plain)[1] == verdict


# === Table ===


def test_a_row_is_a_stabiliser_beside_the_plain_game():
    records = [
        *(measured("plain", 0.10 + 0.001 * seed, seed) for seed in range(3)),
        *(measured("packs of 2", 0.05 + 0.001 * seed, seed) for seed in range(3)),
        measured("hinge", 0.2),
    ]
    heading, _, *rows = rows_of(ablation_table(records))
    assert heading == [
        *("Stabiliser", "Seeds", "Kernel distance × 1000", "Times plain", "Verdict", "Step")
    ]
    assert rows == [
        ["plain", "3", "101.0 ± 1.0", "–", "–", "49 ms"],
        ["packs of 2", "3", "51.0 ± 1.0", "0.50 (0.48 to 0.53)", "helps", "49 ms"],
        ["hinge", "1", "200.0", "1.98", "too few seeds", "49 ms"],
    ]
    assert ablation_table(reversed(records)) == ablation_table(records)


def test_what_was_judged_by_another_classifier_is_not_compared():
    records = [measured("paired"), measured("hinge", accuracy="80.0")]
    tables = ablation_table(records).split("\n\n")
    assert [len(rows_of(table)) for table in tables] == [0, 3, 0, 3]
    assert "80.0 %" in tables[0] and "93.5 %" in tables[2]


def test_verdicts_are_those_of_the_table():
    distances = {"plain": 0.2, "paired": 0.1, "hinge": 0.4, "replay": 0.2, "KL": 0.3}
    records = [
        measured(name, distance * (1 + 0.01 * seed), seed)
        for name, distance in distances.items()
        for seed in range(3 if name != "KL" else 1)
    ]
    assert verdicts([*records, measured("hinge", 9.0, accuracy="80.0")]).splitlines() == [
        "- **helps**: paired (0.50)",
        "- **no difference seen**: replay (1.00)",
        "- **too few seeds**: KL (1.49)",
        "- **hurts**: hinge (2.00)",
    ]
    assert verdicts([record_of()]) == "No run is recorded yet."


def test_the_plain_game_alone_has_no_table():
    assert ablation_table([measured("plain")]) == "No run is recorded yet."
    shown = ablation_table([measured("plain", accuracy="80.0"), measured("hinge")])
    assert "93.5 %" in shown and "80.0 %" not in shown


def test_without_records_there_is_no_table():
    assert ablation_table([record_of(), measured("plain", smoke=True)]) == "No run is recorded yet."
