"""The tables of what `recipes/two_numbers.py` finds, made from the results of a run of it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.cells import markdown_table
from recipes.two_numbers import told_distance, told_eigenvalues

RESULTS = Path(__file__).resolve().parent / "two_numbers.json"


def read_results(path: Path = RESULTS) -> Mapping[str, Any]:
    """Returns the `results.json` of a run.

    Raises:
        ValueError: if it is of a smoke run, whose numbers mean nothing.
    """
    results = json.loads(path.read_bytes())
    if results["smoke"]:
        raise ValueError(f"{path} should hold results of a whole run. Found: one of --smoke.")
    return results


def game_table(results: Mapping[str, Any]) -> str:
    """Returns a table of a row a game: its eigenvalues, and how far from home it ends."""
    rows = [
        [name, told_eigenvalues(own["eigenvalues"]), told_distance(own["distance"])]
        for name, own in results["games"].items()
    ]
    heading = ["Game", "Eigenvalues", f"Distance after {results['steps']} steps"]
    return markdown_table(heading, rows, num_texts=1)


def averaging_table(results: Mapping[str, Any]) -> str:
    """Returns a table of a row a weight of historical averaging, in the game of its paper."""
    rows = [
        [weight, told_distance(own["distance"])] for weight, own in results["averaging"].items()
    ]
    steps = f"{results['averaging_steps']:,}"
    return markdown_table(["Weight", f"Distance after {steps} steps"], rows, num_texts=1)
