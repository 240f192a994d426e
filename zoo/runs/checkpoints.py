"""Checkpoints of a whole run, from which it continues as if it had never been stopped."""

import dataclasses
import errno
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import keras

from zoo.common.checked_json import checked_json, read_checked_json
from zoo.common.checks import as_integer
from zoo.common.files import remove_folder, remove_partials, replaced_folder, sha256_of
from zoo.common.messages import first_line
from zoo.runs.training_state import is_discarded, state_variables, steps_done

_WEIGHTS_FILE = "model.weights.h5"
_STATE_FILE = "state.json"
_FOLDER_NAME = re.compile(r"epoch-(\d{4,})")


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


@dataclasses.dataclass(frozen=True)
class RunState:
    """What a checkpoint says beside the weights.

    Attributes:
        path: the checkpoint's folder.
        epoch: number of epochs done: pass it to `fit` as `initial_epoch`.
        step: number of train steps done.
        history: the logs of each epoch so far.
        states: what each stateful callback returned, by its name.
        sha256: digest of each other file in the folder, by its name.
    """

    path: Path
    epoch: int
    step: int
    history: list[dict[str, float]]
    states: dict[str, Any]
    sha256: dict[str, str]


class RunCheckpoint(keras.callbacks.Callback):
    """Saves the whole run into `folder/epoch-0004/` at each epoch's end, in one rename.

    A checkpoint holds `model.weights.h5` (networks, averages, step, seeds, both optimizers),
    `state.json` (epoch, step, history, digests) and the files of the stateful callbacks. A kill
    at any moment leaves the earlier ones whole. Epochs that `StopOnNonFinite` discarded are not
    saved. Place it after `StopOnNonFinite`, the stateful callbacks and the history.

    Args:
        folder: where the checkpoints go; made if missing.
        keep: how many of the newest to keep. Defaults to 2: the one to resume from, and one
            before it in case a disk damages that.
        every_epochs: epochs between checkpoints. Defaults to 1. The last epoch, and one at which
            training stops on quality, are saved in any case.
        history: what holds the rows of the history, usually a `HistoryFile`.
        states: callbacks with a state of their own, by the name to store them under.

    Raises:
        ValueError: if `keep` or `every_epochs` is no positive integer, or the history lacks
            the epoch's row.
        OSError: while saving, for example on a full disk; earlier checkpoints are intact.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        keep: int = 2,
        every_epochs: int = 1,
        history: HistoryRows | None = None,
        states: Mapping[str, StatefulCallback] | None = None,
    ) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.keep = as_integer("keep", keep)
        self.every_epochs = as_integer("every_epochs", every_epochs)
        self.history = history
        self.states = dict(states or {})

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        remove_partials(self.folder)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        if is_discarded(self.model, epoch):
            return
        done = epoch + 1
        is_last = done == (self.params or {}).get("epochs") or self.model.stop_training
        if is_last or done % self.every_epochs == 0:
            self._save(done)
            for old in _checkpoints(self.folder)[: -self.keep]:
                remove_folder(old)

    def _save(self, epoch: int) -> None:
        path = self.folder / f"epoch-{epoch:04d}"
        try:
            with replaced_folder(path) as partial:
                _require_room(partial, self.model)
                self.model.save_weights(partial / _WEIGHTS_FILE)
                self._write_state(partial, epoch)
        except OSError as error:
            kept = ", ".join(entry.name for entry in _checkpoints(self.folder)) or "none"
            raise OSError(
                error.errno,
                f"could not save checkpoint {path}: {_reason(error)}; "
                f"earlier checkpoints are intact ({kept}): make room, then continue with --resume",
            ) from error

    def _write_state(self, partial: Path, epoch: int) -> None:
        states = {name: owner.save_state(partial) for name, owner in self.states.items()}
        body = {
            "epoch": epoch,
            "step": steps_done(self.model),
            "history": self._history_up_to(epoch),
            "states": states,
            "sha256": {file.name: sha256_of(file) for file in sorted(partial.iterdir())},
        }
        (partial / _STATE_FILE).write_text(checked_json(body), encoding="utf-8")

    def _history_up_to(self, epoch: int) -> list[dict[str, float]]:
        rows = self.history.rows if self.history else []
        if self.history and (not rows or rows[-1]["epoch"] != epoch):
            raise ValueError(
                "`history` should hold the row of the epoch that is saved: place it before "
                f"`RunCheckpoint`. Received: epoch={epoch}, {len(rows)} rows"
            )
        return rows

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
        """Loads the newest checkpoint into a compiled model and its stateful callbacks.

        Args:
            model: built and compiled with the same hyper-parameters as the saved one.
            folder: the folder that holds the checkpoints.
            states: the callbacks that were given to `RunCheckpoint`, by the same names.

        Returns:
            The rest of what was saved.

        Raises:
            CheckpointError: if there is none, or the newest is damaged or of another model.
        """
        path = RunCheckpoint.latest(folder)
        if path is None:
            raise CheckpointError(f"no checkpoint in {folder}: start anew without --resume")
        state = RunCheckpoint.load(model, path)
        for name, owner in (states or {}).items():
            if name in state.states:
                owner.restore_state(path, state.states[name])
        return state

    @staticmethod
    def load(model: keras.Model, path: str | os.PathLike[str]) -> RunState:
        """Loads one checkpoint into a compiled model.

        Args:
            model: built and compiled with the same hyper-parameters as the saved one.
            path: the checkpoint's folder.

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
        return state


class _DamageError(Exception):
    """What is wrong with a checkpoint's files."""


def _checkpoints(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = [entry for entry in folder.iterdir() if RunCheckpoint.is_one(entry)]
    return sorted(found, key=RunCheckpoint.epoch_of)


def _require_room(folder: Path, model: keras.Model) -> None:
    # On a full disk HDF5 prints a traceback for each weight, in which the error itself is lost.
    needed = sum(variable.numpy().nbytes for variable in state_variables(model))
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} ({free:,} bytes free, {needed:,} needed)"
        )


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
