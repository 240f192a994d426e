"""Checkpoints of a whole run, from which it continues as if it had never been stopped."""

import dataclasses
import errno
import math
import os
import re
import shutil
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import keras

from zoo.common.checked_json import checked_json, read_checked_json
from zoo.common.checks import as_integer
from zoo.common.files import free_path, remove_folder, remove_partials, replaced_folder, sha256_of
from zoo.common.messages import first_line
from zoo.runs.training_state import (
    is_discarded,
    running_means,
    set_running_means,
    state_variables,
    steps_done,
)

_WEIGHTS_FILE = "model.weights.h5"
_STATE_FILE = "state.json"
# What HDF5 writes beside each variable, at most, in bytes.
_HDF5_OVERHEAD = 4096
_FOLDER_NAME = re.compile(r"epoch-(\d{4,})(?:-step-(\d{7,}))?")


class CheckpointError(ValueError):
    """A checkpoint that cannot be resumed from; the message is one line and says how to mend it."""


class StatefulCallback(Protocol):
    """A callback with something to carry over a resume, such as `StopOnQuality`."""

    def save_state(self, folder: Path) -> dict[str, Any]:
        """Writes files into `folder` if need be; returns the rest, ready for JSON."""

    def restore_state(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Takes up what `save_state` left in `folder` and returned."""


class HistoryRows(Protocol):
    """What holds one row of logs for each epoch so far, such as `HistoryFile`."""

    rows: list[dict[str, float]]


class Guard(Protocol):
    """What tells whether a state is fit to be kept, such as `StopOnNonFinite`."""

    def keep_if_finite(self) -> bool:
        """Looks at the model as it stands; True if it is whole."""


@dataclasses.dataclass(frozen=True)
class RunState:
    """What a checkpoint says beside the weights.

    Attributes:
        path: the checkpoint's folder.
        epoch: number of epochs done.
        step: number of train steps done.
        history: the logs of each epoch so far.
        states: what each stateful callback returned, by its name.
        sha256: digest of each other file in the folder, by its name.
        steps_in_epoch: train steps done of the epoch after those; 0 at an epoch's end.
        running_means: of the logs of these steps, each with its sum and its count, by its name.
    """

    path: Path
    epoch: int
    step: int
    history: list[dict[str, float]]
    states: dict[str, Any]
    sha256: dict[str, str]
    steps_in_epoch: int = 0
    running_means: dict[str, list[float]] = dataclasses.field(default_factory=dict)


class RunCheckpoint(keras.callbacks.Callback):
    """Saves the whole run at each epoch's end, and within epochs if asked, each in one rename.

    A checkpoint, `folder/epoch-0004/` after the fourth epoch or `folder/epoch-0004-step-0001234/`
    within the fifth, holds `model.weights.h5` (networks, averages, step, seeds, all optimizers),
    `state.json` (epoch, step, history, running means of the logs, digests) and the files of the
    stateful callbacks. A kill at any moment leaves the earlier ones whole. Epochs that
    `StopOnNonFinite` discarded are not saved; the state that it went back to is. Place it after
    `StopOnNonFinite`, the stateful callbacks and the history. To go on from a checkpoint, see
    `fit_from`. A training that begins where the folder has later checkpoints, of another training
    or of one that it goes back from, sets these aside with a warning: their names then end in
    `.set-aside`, and nothing reads or removes them any more.

    Args:
        folder: where the checkpoints go; made if missing.
        keep: how many of the newest to keep. Defaults to 2: the one to resume from, and one
            before it in case a disk damages that.
        every_epochs: epochs between checkpoints. Defaults to 1. The last epoch, and one at which
            training stops on quality, are saved in any case.
        history: what holds the rows of the history, usually a `HistoryFile`.
        states: callbacks with a state of their own, by the name to store them under.
        every_steps: train steps between checkpoints within an epoch, counted from the first step
            of all. Defaults to `None`, none. With `steps_per_execution` above 1 it is the first
            step seen that is not before these.
        every_minutes: minutes after which to save within an epoch, since anything was saved.
            Defaults to `None`, never.
        best: log by which one more checkpoint is kept, that of the best of the epochs that were
            saved, whatever its age. Defaults to `None`, none. It needs the history.
        mode: "min" if less of `best` is better, the default, or "max".
        guard: asked before a checkpoint within an epoch whether all weights are finite, usually
            the `StopOnNonFinite`; at an epoch's end that one looks by itself. Defaults to `None`.
        resumed: what `restore` returned, if this training goes on from there. Defaults to `None`.

    Raises:
        ValueError: if `keep`, `every_epochs` or `every_steps` is no positive integer,
            `every_minutes` not positive, `mode` none of the two, `best` given without a history;
            in training, if the history lacks the epoch's row, or if checkpoints within epochs are
            asked for where Keras does not know how many steps those have.
        OSError: while saving, for example on a full disk; earlier checkpoints are intact.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        keep: int = 2,
        every_epochs: int = 1,
        history: HistoryRows | None = None,
        states: Mapping[str, StatefulCallback] | None = None,
        *,
        every_steps: int | None = None,
        every_minutes: float | None = None,
        best: str | None = None,
        mode: str = "min",
        guard: Guard | None = None,
        resumed: RunState | None = None,
    ) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.keep = as_integer("keep", keep)
        self.every_epochs = as_integer("every_epochs", every_epochs)
        self.every_steps = None if every_steps is None else as_integer("every_steps", every_steps)
        if every_minutes is not None and not every_minutes > 0:
            raise ValueError(
                f"`every_minutes` should be above 0. Received: every_minutes={every_minutes}"
            )
        if mode not in ("min", "max"):
            raise ValueError(f'`mode` should be "min" or "max". Received: mode={mode!r}')
        if best is not None and history is None:
            raise ValueError(f"`best` needs a `history` to look it up in. Received: best={best!r}")
        self.every_minutes = every_minutes
        self.history = history
        self.states = dict(states or {})
        self.best = best
        self.mode = mode
        self.guard = guard
        self._resumed = resumed
        # Epochs done, steps done of the next one.
        self._position = (0, 0)
        self._saved_position: tuple[int, int] | None = None
        self._saved_path: Path | None = None
        self._saved_at = 0.0
        self._step = 0
        self._first_step_of_epoch = 0
        self._is_first_epoch = True

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        within_epochs = self.every_steps is not None or self.every_minutes is not None
        if within_epochs and self._steps_per_epoch is None:
            raise ValueError(
                "Checkpoints within an epoch need to know how many steps it has: give fit() "
                "steps_per_epoch. Received: data of unknown length"
            )
        remove_partials(self.folder)
        self._is_first_epoch = True
        self._saved_position = None
        self._saved_at = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        steps_in_epoch = 0
        if self._resumed is not None:
            # Keras has just set all means to zero, as it does when an epoch begins.
            set_running_means(self.model, self._resumed.running_means)
            steps_in_epoch = self._resumed.steps_in_epoch
            self._resumed = None
        self._step = steps_done(self.model)
        self._first_step_of_epoch = self._step - steps_in_epoch
        self._position = (epoch, steps_in_epoch)
        if self._is_first_epoch:
            self._is_first_epoch = False
            _set_later_ones_aside(self.folder, epoch, self._step if steps_in_epoch else 0)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        previous, self._step = self._step, steps_done(self.model)
        self._position = (self._position[0], self._step - self._first_step_of_epoch)
        if self._is_due(previous):
            self.save()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        if is_discarded(self.model, epoch):
            return
        done = epoch + 1
        self._position = (done, 0)
        is_last = done == (self.params or {}).get("epochs") or self.model.stop_training
        if is_last or done % self.every_epochs == 0:
            self.save()

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        epoch, _ = self._position
        # What a failure brought back may be the end of an epoch that was not saved.
        is_back = steps_done(self.model) == self._first_step_of_epoch
        if epoch and is_back and is_discarded(self.model, epoch):
            path = self.folder / f"epoch-{epoch:04d}"
            if not path.exists():
                self._position = (epoch, 0)
                self._write(path)
                self._prune()

    def save(self) -> Path | None:
        """Saves the run as it stands between two steps, unless it is saved already.

        Returns:
            The checkpoint's folder. None where nothing is to be saved: when the epoch is
            discarded, or a weight is not finite; and when all steps of the epoch are done but not
            its validation, after which it is saved.

        Raises:
            OSError: if it can't be saved; earlier checkpoints are intact.
        """
        epoch, steps = self._position
        if self._position == self._saved_position:
            return self._saved_path
        is_validated_next = self._steps_per_epoch is not None and steps >= self._steps_per_epoch
        if is_validated_next or is_discarded(self.model, epoch):
            return None
        if steps and self.guard is not None and not self.guard.keep_if_finite():
            return None
        name = f"epoch-{epoch:04d}"
        self._saved_path = self.folder / (f"{name}-step-{self._step:07d}" if steps else name)
        self._write(self._saved_path)
        self._saved_position = self._position
        self._saved_at = time.monotonic()
        self._prune()
        return self._saved_path

    @property
    def _steps_per_epoch(self) -> int | None:
        return (self.params or {}).get("steps")

    def _is_due(self, previous: int) -> bool:
        every = self.every_steps
        if every is not None and self._step // every > previous // every:
            return True
        waited = time.monotonic() - self._saved_at
        return self.every_minutes is not None and waited >= 60 * self.every_minutes

    def _write(self, path: Path) -> None:
        try:
            with replaced_folder(path) as partial:
                _require_room(partial, self.model)
                self.model.save_weights(partial / _WEIGHTS_FILE)
                self._write_state(partial)
        except OSError as error:
            kept = ", ".join(entry.name for entry in _checkpoints(self.folder)) or "none"
            raise OSError(
                error.errno,
                f"could not save checkpoint {path}: {_reason(error)}; "
                f"earlier checkpoints are intact ({kept}): make room, then continue with --resume",
            ) from error

    def _write_state(self, partial: Path) -> None:
        epoch, steps = self._position
        states = {name: owner.save_state(partial) for name, owner in self.states.items()}
        body = {
            "epoch": epoch,
            "step": steps_done(self.model),
            "steps_in_epoch": steps,
            "running_means": running_means(self.model) if steps else {},
            "history": self._history_up_to(epoch),
            "states": states,
            "sha256": {file.name: sha256_of(file) for file in sorted(partial.iterdir())},
        }
        (partial / _STATE_FILE).write_text(checked_json(body), encoding="utf-8")

    def _history_up_to(self, epoch: int) -> list[dict[str, float]]:
        rows = self.history.rows if self.history else []
        if self.history and epoch and (not rows or rows[-1]["epoch"] != epoch):
            raise ValueError(
                "`history` should hold the row of the epoch that is saved: place it before "
                f"`RunCheckpoint`. Received: epoch={epoch}, {len(rows)} rows"
            )
        return rows

    def _prune(self) -> None:
        found = _checkpoints(self.folder)
        kept = {*found[-self.keep :], self._best_of(found)}
        for old in (path for path in found if path not in kept):
            remove_folder(old)

    def _best_of(self, found: Sequence[Path]) -> Path | None:
        """Returns the checkpoint of the best epoch; an early one of several that are as good."""
        if self.best is None:
            return None
        ends = {RunCheckpoint.epoch_of(path): path for path in found if _step_of(path) is None}
        values = {row["epoch"]: row.get(self.best, math.nan) for row in self.history.rows}
        finite = [epoch for epoch in ends if math.isfinite(values.get(epoch, math.nan))]
        sign = 1 if self.mode == "min" else -1
        return ends[min(finite, key=lambda epoch: sign * values[epoch])] if finite else None

    @staticmethod
    def latest(folder: str | os.PathLike[str]) -> Path | None:
        """The newest checkpoint's folder, or None if there is none.

        Args:
            folder: the folder that holds the checkpoints; it may be missing.
        """
        found = _checkpoints(Path(folder))
        return found[-1] if found else None

    @staticmethod
    def epoch_of(path: str | os.PathLike[str]) -> int:
        """The number of epochs done that a checkpoint's folder name tells."""
        return int(_FOLDER_NAME.fullmatch(Path(path).name)[1])

    @staticmethod
    def is_within_epoch(path: str | os.PathLike[str]) -> bool:
        """Whether a checkpoint's folder name tells of a step before an epoch's end."""
        return _step_of(Path(path)) is not None

    @staticmethod
    def is_one(path: str | os.PathLike[str]) -> bool:
        """Whether `path` is a folder with the name of a checkpoint."""
        path = Path(path)
        return _FOLDER_NAME.fullmatch(path.name) is not None and path.is_dir()

    @staticmethod
    def restore(
        model: keras.Model,
        folder: str | os.PathLike[str],
        states: Mapping[str, StatefulCallback] | None = None,
    ) -> RunState:
        """Loads the newest checkpoint that is whole into a model and its stateful callbacks.

        A newer one that is damaged is set aside with a warning: its folder's name then ends in
        `.corrupt`, and nothing reads or removes it any more.

        Args:
            model: built and compiled with the same hyper-parameters as the saved one.
            folder: the folder that holds the checkpoints.
            states: the callbacks that were given to `RunCheckpoint`, by the same names.

        Returns:
            The rest of what was saved.

        Raises:
            CheckpointError: if there is none, all are damaged, or it is one of another model; then
                nothing is set aside.
        """
        damages: dict[Path, _DamageError] = {}
        for path in reversed(_checkpoints(Path(folder))):
            try:
                state = _read_verified(path)
            except _DamageError as damage:
                damages[path] = damage
                continue
            _load_weights(model, state)
            for damaged, damage in damages.items():
                _set_aside(damaged, damage, instead=path)
            _restore_states(state, states)
            return state
        if not damages:
            raise CheckpointError(f"no checkpoint in {folder}: start anew without --resume")
        path, damage = next(iter(damages.items()))
        others = "all others are, too" if len(damages) > 1 else "there is no other"
        raise CheckpointError(
            f"checkpoint {path} is damaged: {damage}; {others}: train anew, in another folder"
        ) from damage

    @staticmethod
    def load(
        model: keras.Model,
        path: str | os.PathLike[str],
        states: Mapping[str, StatefulCallback] | None = None,
    ) -> RunState:
        """Loads one checkpoint into a compiled model, and its stateful callbacks if given.

        Args:
            model: built and compiled with the same hyper-parameters as the saved one.
            path: the checkpoint's folder.
            states: as for `restore`. Defaults to none.

        Returns:
            The rest of what was saved.

        Raises:
            CheckpointError: if it is damaged or of another model.
        """
        path = Path(path)
        try:
            state = _read_verified(path)
        except _DamageError as damage:
            raise CheckpointError(
                f"checkpoint {path} is damaged: {damage}; {_how_to_mend(path)}"
            ) from damage
        _load_weights(model, state)
        _restore_states(state, states)
        return state


class _DamageError(Exception):
    """What is wrong with a checkpoint's files."""


def _checkpoints(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if RunCheckpoint.is_one(path)), key=_place_of)


def _place_of(path: Path) -> tuple[int, int]:
    return RunCheckpoint.epoch_of(path), _step_of(path) or 0


def _step_of(path: Path) -> int | None:
    """The step that the name of a checkpoint within an epoch tells; None at an epoch's end."""
    step = _FOLDER_NAME.fullmatch(path.name)[2]
    return None if step is None else int(step)


def _set_aside(path: Path, damage: Exception, instead: Path) -> None:
    outcome = _renamed(path, ".corrupt")
    warnings.warn(
        f"checkpoint {path} is damaged: {damage}; {outcome}, and {instead.name} is used instead",
        stacklevel=3,
    )


def _set_later_ones_aside(folder: Path, epoch: int, step: int) -> None:
    """Leaves no checkpoint that would pass for a newer one than those of the training to come."""
    for path in _checkpoints(folder):
        if _place_of(path) > (epoch, step):
            outcome = _renamed(path, ".set-aside")
            warnings.warn(
                f"checkpoint {path} is later than where this training begins: {outcome}",
                stacklevel=3,
            )


def _renamed(path: Path, suffix: str) -> str:
    """Renames a folder so that it has a suffix, without loss of another; says what became of it."""
    aside = free_path(path.with_name(f"{path.name}{suffix}"))
    try:
        os.replace(path, aside)
    except OSError as error:
        return f"it can't be renamed ({error.strerror})"
    return f"it is now {aside.name}"


def _require_room(folder: Path, model: keras.Model) -> None:
    """Refuses to begin a checkpoint for which there is no room; those before it tell its size.

    Where a write of HDF5's fails it prints a traceback for each weight, in which the error itself
    is lost, and may take the process down with it.
    """
    variables = state_variables(model)
    estimate = sum(variable.numpy().nbytes + _HDF5_OVERHEAD for variable in variables)
    earlier = _checkpoints(folder.parent)[-1:]
    needed = max([estimate, *(sum(f.stat().st_size for f in path.iterdir()) for path in earlier)])
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} ({free:,} bytes free, {needed:,} needed)"
        )
    _try_to_allocate(folder / "room", needed)


def _try_to_allocate(path: Path, size: int) -> None:
    """Finds limits that the disk's free space does not tell: quotas, and the largest file."""
    if not hasattr(os, "posix_fallocate"):
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
            raise OSError(error.errno, f"{error.strerror} ({size:,} bytes needed)") from error
    finally:
        os.close(descriptor)
        path.unlink()


def _read_verified(path: Path) -> RunState:
    try:
        state = RunState(path=path, **read_checked_json((path / _STATE_FILE).read_bytes()))
    except OSError as error:
        raise _DamageError(f"{_STATE_FILE} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise _DamageError(f"{_STATE_FILE} {error}") from error
    for name, expected in state.sha256.items():
        _verify_file(path / name, expected)
    return state


def _verify_file(path: Path, expected: str) -> None:
    try:
        actual = sha256_of(path)
    except OSError as error:
        raise _DamageError(f"{path.name} cannot be read ({error.strerror})") from error
    if actual != expected:
        raise _DamageError(f"{path.name} differs from what was written (SHA-256)")


def _restore_states(state: RunState, states: Mapping[str, StatefulCallback] | None) -> None:
    for name, owner in (states or {}).items():
        if name in state.states:
            owner.restore_state(state.path, state.states[name])


def _load_weights(model: keras.Model, state: RunState) -> None:
    try:
        model.load_weights(state.path / _WEIGHTS_FILE)
    except (ValueError, KeyError, OSError) as error:
        # The bytes are those that were saved, so it is the model that differs.
        raise CheckpointError(
            f"checkpoint {state.path} does not fit this model: {first_line(error)}; "
            "build and compile the model with the hyper-parameters it was saved with"
        ) from error
    if steps_done(model) != state.step:
        raise CheckpointError(
            f"checkpoint {state.path} was saved at step {state.step}, but the model loaded step "
            f"{steps_done(model)}: `model.step` should be a variable that `save_weights` stores"
        )


def _how_to_mend(path: Path) -> str:
    others = [other for other in _checkpoints(path.parent) if other.name != path.name]
    if others:
        return f"remove it to use {others[-1].name} instead"
    return "there is no other: train anew, in another folder"


def _reason(error: OSError) -> str:
    # h5py packs a long report into its errors; the number says it in a few words.
    long = error.strerror is None or "\n" in error.strerror
    return os.strerror(error.errno) if long and error.errno else error.strerror or str(error)
