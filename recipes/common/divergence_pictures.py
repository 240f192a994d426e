"""The pictures of `recipes/divergences.py`."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from recipes.common.figures import write_figure


def draw_lines(
    found: Mapping[str, Mapping[str, Sequence]],
    distances: Sequence[float],
    across: tuple[float, Sequence[float]],
    path: Path,
) -> None:
    """Draws what each judge found of the distance of two lines, and what it says across them.

    Args:
        found: for each judge `estimates`, `true` distances or None, and `pulls`, one a distance;
            and its `profile`, what it says across two lines.
        distances: of the lines.
        across: of the profiles, the distance and the places.
        path: the PNG to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4), dpi=110, layout="constrained")
    estimates, pulls, profiles = figure.subplots(1, 3)
    (distance, places) = across
    for number, (judge, own) in enumerate(found.items()):
        style = {"color": f"C{number}", "label": judge}
        estimates.plot(distances, own["estimates"], marker="o", markersize=4, **style)
        if None not in own["true"]:
            estimates.plot(distances, own["true"], color=f"C{number}", linestyle=":", linewidth=1)
        pulls.plot(distances, np.maximum(own["pulls"], 1e-6), marker="o", markersize=4, **style)
        profiles.plot(places, own["profile"], **style)
    estimates.axhline(math.log(2), color="0.7", linewidth=0.8, zorder=0)
    estimates.text(max(distances), math.log(2) + 0.02, "log 2", color="0.4", ha="right", fontsize=8)
    estimates.set(title="What it finds; dotted: the true distance", ylim=(-0.05, 1.15))
    pulls.set(title="Pull on a generated point, log scale", yscale="log")
    for axes in (estimates, pulls):
        axes.set_xlabel("distance of the lines")
    estimates.legend(fontsize=8, frameon=False, loc="upper left")
    for place, name in ((0.0, "data"), (distance, "generated")):
        profiles.axvline(place, color="0.7", linewidth=0.8, zorder=0)
        profiles.text(place, -0.35, f" {name}", fontsize=8)
    profiles.set(title="What it says across two lines", xlabel="x", ylim=(-0.45, 1.15))
    profiles.set_ylabel("probability of being real; of the critic, its output")
    write_figure(figure, path)


def draw_gaussians(
    fits: Mapping[str, Mapping[str, float]],
    density: Callable[[np.ndarray], np.ndarray],
    path: Path,
) -> None:
    """Draws the Gaussian that each game ends with, the best one and the data.

    Args:
        fits: for each game `mean`, `sigma`, `best_mean` and `best_sigma`.
        density: of the data.
        path: the PNG to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.4 * len(fits), 3), dpi=110, layout="constrained")
    x = np.linspace(-4.5, 5.5, 401)
    panels = figure.subplots(1, len(fits), sharey=True, squeeze=False)[0]
    for axes, (game, fit) in zip(panels, fits.items(), strict=True):
        axes.fill_between(x, density(x), color="0.85", label="data")
        axes.plot(x, _gaussian(x, fit["mean"], fit["sigma"]), label="learnt")
        best = _gaussian(x, fit["best_mean"], fit["best_sigma"])
        axes.plot(x, best, linestyle=":", color="black", label="best")
        axes.set_title(f"{game}: N({fit['mean']:.2f}, {fit['sigma']:.2f}²)", fontsize=11)
        axes.legend(fontsize=8, frameon=False)
    write_figure(figure, path)


def _gaussian(x: np.ndarray, mean: float, sigma: float) -> np.ndarray:
    return np.exp(-0.5 * ((x - mean) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))
