"""The tables of the smallest GAN, from results of a run."""

import json

import pytest

from benchmarks.two_numbers import averaging_table, game_table, read_results

RESULTS = {
    "games": {
        "plain": {"distance": 1.414, "eigenvalues": [[0.0, -0.5], [0.0, 0.5]]},
        "R1": {"distance": 3e-7, "eigenvalues": [[-0.151, -0.476], [-0.151, 0.476]]},
        "strong": {"distance": 0.0281, "eigenvalues": [[-1.97, 0.0], [-0.03, 0.0]]},
        "DRAGAN": {"distance": 1.2, "eigenvalues": None},
    },
    "steps": 500,
    "averaging": {"0": {"distance": 1.82}, "0.05": {"distance": 0.00067}},
    "averaging_steps": 20_000,
    "smoke": False,
}


def rows_of(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_pairs_of_eigenvalues_are_told_as_one_and_what_has_none_as_a_dash():
    heading, _, *rows = rows_of(game_table(RESULTS))
    assert heading == ["Game", "Eigenvalues", "Distance after 500 steps"]
    assert rows == [
        ["plain", "0 ± 0.50i", "1.4"],
        ["R1", "-0.15 ± 0.48i", "< 0.0001"],
        ["strong", "-1.97, -0.03", "0.028"],
        ["DRAGAN", "–", "1.2"],
    ]


def test_each_weight_has_a_row():
    heading, _, *rows = rows_of(averaging_table(RESULTS))
    assert heading == ["Weight", "Distance after 20,000 steps"]
    assert rows == [["0", "1.8"], ["0.05", "0.00067"]]


def test_results_of_a_smoke_run_are_refused(tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(RESULTS | {"smoke": True}))
    with pytest.raises(ValueError, match="whole run. Found: one of --smoke"):
        read_results(tmp_path / "results.json")
