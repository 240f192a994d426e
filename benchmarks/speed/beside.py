"""Tells from the files of runs what they spent beside their steps.

    python -m benchmarks.speed.beside ~/runs/digits ~/runs/faces

Evaluation, pictures and checkpoints come at the ends of epochs: there more time passes between two
notes of TensorBoard than as many steps take elsewhere. What is drawn or logged amid an epoch counts
as part of its steps.
"""

import argparse
import csv
import dataclasses
import itertools
import os
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from zoo.common.command_errors import one_line_errors


@dataclasses.dataclass(frozen=True)
class Spent:
    """Where the time of a run went.

    Attributes:
        steps: seconds of all steps between the first and the last that were noted.
        beside: seconds of what was done at the ends of epochs between these.
    """

    steps: float
    beside: float

    @property
    def share(self) -> float:
        """What was done at the ends of epochs, of all."""
        return self.beside / (self.steps + self.beside)


def spent(run: str | os.PathLike[str]) -> Spent:
    """Returns where the time of a run went.

    Args:
        run: its folder, with `history.csv` and the events of training.

    Raises:
        ValueError: if its events are too few to tell a step's time.
    """
    times: dict[int, float] = {}
    for path in sorted(Path(run, "tensorboard", "train").glob("events.*")):
        for event in EventFileLoader(str(path)).Load():
            if event.step > 0:
                times.setdefault(event.step, event.wall_time)
    with open(Path(run, "history.csv"), newline="", encoding="utf-8") as file:
        ends = [int(row["step"]) for row in csv.DictReader(file)]
    within, across = [], []
    for first, second in itertools.pairwise(sorted(times)):
        part = across if any(first <= end < second for end in ends) else within
        part.append((second - first, times[second] - times[first]))
    if not within:
        raise ValueError(f"An epoch must have several notes of TensorBoard. Received: {run}")
    steps, seconds = (sum(column) for column in zip(*within, strict=True))
    of_a_step = seconds / steps
    beside = sum(taken - of_a_step * number for number, taken in across)
    return Spent(of_a_step * (steps + sum(number for number, _ in across)), beside)


def main() -> None:
    """Prints a line a run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.beside")
    parser.add_argument("runs", nargs="+", help="folders of runs")
    arguments = parser.parse_args()
    with one_line_errors():
        for run in arguments.runs:
            time = spent(run)
            print(f"{run}: {time.steps:.0f} s of steps, {time.share:.1%} beside them")


if __name__ == "__main__":
    main()
