"""What a run tells while it goes: one bar for the whole of it, and a table of its epochs."""

import csv
import io
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import keras

from zoo.common.checks import as_integer
from zoo.common.files import write_atomically
from zoo.runs.training_state import is_discarded, optimizers_of, steps_done

Row = dict[str, float]


class HistoryFile(keras.callbacks.Callback):
    """Keeps `history.csv`: a row an epoch, columns `epoch`, `step` and every log.

    The file is written whole, in one rename, at each epoch's end. An epoch that lacks a log that
    others have leaves its cell empty. Discarded epochs (see `StopOnNonFinite`) get no row.
    Place it before `RunCheckpoint`.

    Args:
        path: the file to write; its folder must exist. `None` for none, where the rows are wanted
            and another process writes them.
        previous_rows: rows of the run that is resumed, as a checkpoint or `read_history` gives
            them. Empty by default.
        last_epoch: the epoch that the run resumes from; later rows are dropped. Defaults to
            keeping all.

    Attributes:
        rows: the rows so far, each a dictionary of numbers.

    Raises:
        OSError: in training, if the file cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        previous_rows: Iterable[Mapping[str, float]] = (),
        last_epoch: int | None = None,
    ) -> None:
        super().__init__()
        self.path = None if path is None else Path(path)
        self.rows: list[Row] = [
            dict(row) for row in previous_rows if last_epoch is None or row["epoch"] <= last_epoch
        ]

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        if is_discarded(self.model, epoch):
            return
        row = {"epoch": epoch + 1, "step": steps_done(self.model)}
        row.update({name: float(value) for name, value in (logs or {}).items()})
        self.rows.append(row)
        if self.path is not None:
            write_history(self.path, self.rows)


def write_history(path: str | os.PathLike[str], rows: Sequence[Mapping[str, float]]) -> None:
    """Writes rows as CSV in one rename; the columns are all names, in order of appearance.

    Args:
        path: the file to write.
        rows: one mapping a row. Numbers are written so that reading gives the same ones.

    Raises:
        OSError: if it cannot be written.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue())


def read_history(path: str | os.PathLike[str]) -> list[Row]:
    """Reads what `write_history` wrote; cells without a number are left out.

    Args:
        path: the CSV file.

    Returns:
        The rows; `epoch` and `step` as integers, all else as floats.

    Raises:
        OSError: if it cannot be read.
        ValueError: if a cell is not a number.
    """
    with open(path, newline="", encoding="utf-8") as file:
        return [
            {name: _number(name, cell) for name, cell in row.items() if cell}
            for row in csv.DictReader(file)
        ]


def _number(name: str, cell: str) -> float:
    return int(cell) if name in ("epoch", "step") else float(cell)


class ProgressBar(keras.callbacks.Callback):
    """One bar for the whole run, in train steps, with the time left, losses and quality.

    Use it with `fit(..., verbose=0)`. Where the stream is not a terminal there is no bar, but one
    line for about each tenth of the run.

    Args:
        total_epochs: epochs of the whole run, those before a resume included.
        keys: logs to show. Defaults to the loss of each player.
        validation_key: log of validation to show, the last one known. Defaults to the first that
            starts with "val_".
        stream: where to write. Defaults to standard error.
    """

    def __init__(
        self,
        total_epochs: int,
        keys: Sequence[str] | None = None,
        validation_key: str | None = None,
        stream: TextIO | None = None,
    ) -> None:
        super().__init__()
        self.total_epochs = as_integer("total_epochs", total_epochs)
        self._given_keys = keys
        self.keys: tuple[str, ...] = ()
        self.validation_key = validation_key
        self.stream = stream
        self._bar: Any = None
        self._shown: dict[str, str] = {}
        self._epoch = 0
        self._first_step = 0
        self._epoch_first_step = 0
        self._steps_per_epoch: int | None = None
        self._begin_time = 0.0
        self._next_tenth = 1

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        self._first_step = self._epoch_first_step = steps_done(self.model)
        losses = [f"{player}_loss" for player in optimizers_of(self.model)]
        self.keys = tuple(losses if self._given_keys is None else self._given_keys)
        self._steps_per_epoch = (self.params or {}).get("steps")
        self._begin_time = time.monotonic()
        self._shown = {}
        stream = self.stream or sys.stderr
        if stream.isatty():
            self._bar = self._new_bar(stream)

    def _new_bar(self, stream: TextIO) -> Any:
        from tqdm import tqdm

        return tqdm(
            total=self._total_steps(),
            initial=self._first_step,
            unit="step",
            file=stream,
            leave=True,
            dynamic_ncols=True,
        )

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._epoch = epoch
        self._epoch_first_step = steps_done(self.model)
        if self._bar is None and epoch * 10 >= self.total_epochs:
            # A resumed run does not repeat the tenths it has behind it.
            self._next_tenth = max(self._next_tenth, epoch * 10 // self.total_epochs + 1)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        self._note(logs or {}, self.keys)
        step = steps_done(self.model)
        if self._bar is not None:
            self._bar.set_description(f"epoch {self._epoch + 1}/{self.total_epochs}", refresh=False)
            self._bar.set_postfix(self._shown, refresh=False)
            self._bar.update(step - self._bar.n)
        elif self._steps_per_epoch and step < self._total_steps():
            self._write_line_at_tenths(step, step / self._total_steps())

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        logs = logs or {}
        step = steps_done(self.model)
        self._note(logs, (*self.keys, self._validation_name(logs)))
        # Data of unknown length tells how many steps an epoch takes once one has passed.
        self._steps_per_epoch = self._steps_per_epoch or (step - self._epoch_first_step)
        if self._bar is not None:
            self._bar.total = self._total_steps()
            self._bar.set_postfix(self._shown)
        else:
            self._write_line_at_tenths(step, (epoch + 1) / self.total_epochs)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _total_steps(self) -> int | None:
        return self._steps_per_epoch and self._steps_per_epoch * self.total_epochs

    def _validation_name(self, logs: Mapping[str, float]) -> str | None:
        found = (name for name in logs if name.startswith("val_"))
        return self.validation_key or next(found, None)

    def _note(self, logs: Mapping[str, float], names: Iterable[str | None]) -> None:
        self._shown.update({name: f"{logs[name]:.4g}" for name in names if name in logs})

    def _write_line_at_tenths(self, step: int, share: float) -> None:
        if share * 10 < self._next_tenth - 1e-9:
            return
        self._next_tenth = int(share * 10 + 1e-9) + 1
        shown = ", ".join(f"{name} {value}" for name, value in self._shown.items())
        print(
            f"{share:.0%}: epoch {self._epoch + 1}/{self.total_epochs}, step {step}, {shown}, "
            f"{self._time_left(step)} left",
            file=self.stream or sys.stderr,
            flush=True,
        )

    def _time_left(self, step: int) -> str:
        total = self._total_steps()
        done = step - self._first_step
        if not total or not done:
            return "unknown time"
        elapsed = time.monotonic() - self._begin_time
        seconds = int(elapsed / done * max(0, total - step))
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
