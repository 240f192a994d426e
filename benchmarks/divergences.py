"""Tables of what `recipes/divergences.py` finds, made from the results of its runs, one a seed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cells import markdown_table, mean_and_deviation
from recipes.divergences import DISTANCES

RUNS = Path(__file__).resolve().parent / "divergence_runs"

Results = Mapping[str, Any]


def read_runs(folder: Path = RUNS) -> list[Results]:
    """Returns the `results.json` of each run, kept as `seed<number>.json`.

    Raises:
        ValueError: if one is of a smoke run, whose numbers mean nothing.
    """
    runs = [json.loads(path.read_bytes()) for path in sorted(folder.glob("seed*.json"))]
    if any(run["smoke"] for run in runs):
        raise ValueError(f"{folder} should hold results of whole runs. Found: one of --smoke.")
    return runs


def lines_table(runs: Sequence[Results]) -> str:
    """Returns a table of a row a judge and a column a distance: what is found, and what is true."""
    rows = []
    for judge, own in runs[0]["lines"].items():
        by_distance = zip(*(run["lines"][judge]["estimates"] for run in runs), strict=True)
        rows.append([judge, *(mean_and_deviation(values, decimals=3) for values in by_distance)])
        if None not in own["true"]:
            rows.append([f"{judge}: true", *(f"{value:.3f}" for value in own["true"])])
    return markdown_table(["Judge", *map(str, DISTANCES)], rows, num_texts=1)


def gaussians_table(runs: Sequence[Results]) -> str:
    """Returns a table of a row a game: the Gaussian that is learnt, and the best one."""
    rows = []
    for game, best in runs[0]["gaussians"].items():
        learnt = [run["gaussians"][game] for run in runs]
        rows.append(
            [
                f"`{game}`",
                *(
                    mean_and_deviation([fit[name] for fit in learnt], decimals=decimals)
                    for name, decimals in (("mean", 2), ("sigma", 2), ("divergence", 3))
                ),
                f"{best['best_mean']:.2f}",
                f"{best['best_sigma']:.2f}",
                f"{best['least_divergence']:.3f}",
            ]
        )
    heading = ["Game", "Mean", "σ", "Divergence", "Best mean", "Best σ", "Least divergence"]
    return markdown_table(heading, rows, num_texts=1)
