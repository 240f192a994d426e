"""The tables of what a discriminator measures, from results of runs."""

import json
import math

import pytest

from benchmarks.divergences import gaussians_table, lines_table, normals_table, read_runs
from recipes.divergences import DISTANCES


def run_of(seed: int, smoke: bool = False) -> dict:
    number = len(DISTANCES)
    return {
        "seed": seed,
        "smoke": smoke,
        "lines": {
            "critic": {
                "estimates": [1.0 + seed] * number,
                "true": list(DISTANCES),
            },
            "with R1": {
                "estimates": [0.25] * number,
                "true": [None] * number,
            },
        },
        "gaussians": {
            "f_kl": {
                **{"mean": 0.5, "sigma": 1.5 + 0.1 * seed, "divergence": 0.46},
                **{"best_mean": 0.5, "best_sigma": 1.58, "least_divergence": 0.462},
            }
        },
    }


def rows_of(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_a_judge_s_estimates_stand_above_what_is_true_where_that_is_known():
    heading, _, *rows = rows_of(lines_table([run_of(0), run_of(1)]))
    assert heading == ["Judge", *map(str, DISTANCES)]
    assert rows == [
        ["critic", *["1.500 ± 0.707"] * len(DISTANCES)],
        ["critic: true", *(f"{distance:.3f}" for distance in DISTANCES)],
        ["with R1", *["0.250 ± 0.000"] * len(DISTANCES)],
    ]


def test_what_is_learnt_stands_beside_the_best():
    _, _, *rows = rows_of(gaussians_table([run_of(0), run_of(1)]))
    assert rows == [
        ["`f_kl`", "0.50 ± 0.00", "1.55 ± 0.07", "0.460 ± 0.000", "0.50", "1.58", "0.462"]
    ]


def test_divergences_of_two_gaussians_are_those_of_the_closed_forms():
    _, _, *rows = rows_of(normals_table())
    closed_forms = {
        "`f_kl`": math.log(2) - 1 / 4,
        "`f_reverse_kl`": 2 - math.log(2),
        "`f_pearson`": 4 / math.sqrt(7) * math.exp(1 / 7) - 1,
        "`f_hellinger`": 2 - 2 * math.sqrt(4 / 5) * math.exp(-1 / 20),
    }
    found = {name: by_definition for name, by_definition, _ in rows}
    assert len(found) == 6
    assert [as_found for *_, as_found in rows] == [*found.values()]
    for name, value in closed_forms.items():
        assert found[name] == f"{value:.6f}"
    assert float(found["`f_js`"]) - float(found["`f_gan`"]) == pytest.approx(math.log(4), abs=2e-6)


def test_smoke_runs_make_no_table(tmp_path):
    for seed in (1, 0):
        (tmp_path / f"seed{seed}.json").write_text(json.dumps(run_of(seed)))
    assert [run["seed"] for run in read_runs(tmp_path)] == [0, 1]
    (tmp_path / "seed2.json").write_text(json.dumps(run_of(2, smoke=True)))
    with pytest.raises(ValueError, match="should hold results of whole runs"):
        read_runs(tmp_path)


def test_the_runs_of_the_page_are_of_seeds_of_their_own():
    seeds = [run["seed"] for run in read_runs()]
    assert len(seeds) == 3 == len(set(seeds))
