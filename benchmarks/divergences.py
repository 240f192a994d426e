"""Tables of what `recipes/divergences.py` finds, made from the results of its runs, one a seed.

That of two Gaussians' divergences is computed here.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from scipy import stats

from benchmarks.cells import markdown_table, mean_and_deviation
from recipes.divergences import DISTANCES, GENERATING_FUNCTIONS
from zoo.common.f_divergences import F_DIVERGENCES, FDivergence

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


# === Of two Gaussians ===

_PLACES = np.linspace(-25.0, 25.0, 5001)
_LARGEST_OUTPUT = 600.0  # beyond any logarithm of the densities' ratio at these places
_BISECTIONS = 70


def normals_table() -> str:
    """Returns a table of the divergences of N(0, 1) from N(1, 2²), by quadrature in float64.

    Each by the integral that defines it, and by the objective's own functions of what the best of
    all discriminators says at each place.
    """
    p, q = stats.norm(0.0, 1.0), stats.norm(1.0, 2.0)
    log_ratio = p.logpdf(_PLACES) - q.logpdf(_PLACES)
    rows = []
    for name, objective in F_DIVERGENCES.items():
        by_definition = _integral(q.pdf(_PLACES) * GENERATING_FUNCTIONS[name](log_ratio))
        by_discriminator = _largest_bound(objective, p.pdf(_PLACES), q.pdf(_PLACES))
        rows.append([f"`{name}`", f"{by_definition:.6f}", f"{by_discriminator:.6f}"])
    heading = ["Objective", "Divergence", "As the best discriminator finds it"]
    return markdown_table(heading, rows, num_texts=1)


def _integral(values: np.ndarray) -> float:
    return float(np.sum(values) * (_PLACES[1] - _PLACES[0]))


def _largest_bound(objective: FDivergence, p: np.ndarray, q: np.ndarray) -> float:
    """Returns E_p[T(v)] − E_q[f*(T(v))] at the v that is best at each place, found by bisection."""
    highest = tf.fill(p.shape, tf.constant(_LARGEST_OUTPUT, tf.float64))
    lowest = -highest
    for _ in range(_BISECTIONS):
        middle = (lowest + highest) / 2.0
        with tf.GradientTape() as tape:
            tape.watch(middle)
            gain = -p * objective.loss_as_real(middle) - q * objective.loss_as_generated(middle)
        rises = tape.gradient(gain, middle) > 0
        lowest, highest = tf.where(rises, middle, lowest), tf.where(rises, highest, middle)
    losses = p * objective.loss_as_real(lowest) + q * objective.loss_as_generated(lowest)
    return -_integral(losses.numpy())
