"""The picture of `recipes/two_numbers.py`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recipes.common.figures import write_figure

_IN_A_ROW = 5
# Beyond it a path has left.
_REACH = 3.0


def draw_games(
    games: Mapping[str, Mapping[str, Any]],
    averaging: Mapping[str, Mapping[str, Any]],
    path: Path,
) -> None:
    """Draws the path of the players of each game, from dark at the start to light.

    Args:
        games: by name, each with its `path`, `(steps + 1, 2)`, which may end at (0, 0).
        averaging: those of historical averaging, by its weight, which may end at (1, 1).
        path: the PNG to write.
    """
    from matplotlib.figure import Figure

    panels = [(name, own["path"], (0.0, 0.0), ("θ", "ψ")) for name, own in games.items()]
    for weight, own in averaging.items():
        name = f"its paper's game, weight {weight}"
        panels.append((name, own["path"], (1.0, 1.0), ("x", "y")))
    rows = -(-len(panels) // _IN_A_ROW)
    figure = Figure(figsize=(2.9 * _IN_A_ROW, 3.1 * rows), dpi=100, layout="constrained")
    for axes, panel in zip(figure.subplots(rows, _IN_A_ROW).flat, panels, strict=True):
        _draw_path(axes, *panel)
    write_figure(figure, path)


def _draw_path(
    axes: Any,
    name: str,
    points: np.ndarray,
    solution: tuple[float, float],
    coordinates: tuple[str, str],
) -> None:
    from matplotlib.collections import LineCollection

    segments = np.stack([points[:-1], points[1:]], axis=1)
    lines = LineCollection(segments, cmap="viridis", linewidth=1.2)
    lines.set_array(np.arange(len(segments)))
    axes.add_collection(lines)
    axes.plot(*points[0], "o", color="black", markersize=5)
    axes.plot(*solution, "x", color="red", markersize=8, markeredgewidth=2)
    reach = min(_REACH, 1.1 * np.abs(points - solution).max())
    axes.set_xlim(solution[0] - reach, solution[0] + reach)
    axes.set_ylim(solution[1] - reach, solution[1] + reach)
    axes.set_aspect("equal")
    axes.set_title(name, fontsize=10)
    axes.set_xlabel(coordinates[0])
    axes.set_ylabel(coordinates[1], rotation=0)
