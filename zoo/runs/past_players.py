"""A callback that lets past versions of a player play again."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.common.checks import as_integer
from zoo.runs.training_state import steps_done


class PastPlayers(keras.callbacks.Callback):
    """Puts a past version of a player in its place for some steps, which trains the others.

    Players that chase each other in a circle forget what beat the strategies of a while ago; who
    meets them again does not. Every `keep_every` steps a copy of the player's weights is kept.
    Every `play_every` steps one of the copies, drawn at random, plays for `play_for` steps. The
    player itself rests in these: its weights, average and optimizer are afterwards as before.

    A past player is in the model within a train step only, and gone even if the step is
    interrupted: what other callbacks see and save, and what the model generates, is the present
    one, wherever in the list they stand. With `steps_per_execution` above 1 it stays for all steps
    of an execution.

    The copies are state of this callback. A run that is resumed continues bit for bit if it is
    among the `states` of `RunCheckpoint`; after `keras.callbacks.BackupAndRestore` there are no
    past players until the next is kept.

    Args:
        player: its name, such as "generator".
        keep_every: steps from one copy to the next. Defaults to 500.
        play_every: steps from the beginning of one play to the next. Defaults to 50.
        play_for: steps of a play, at most `play_every`. Defaults to 5, so that a tenth of all
            steps is against past players; no paper names these three numbers.
        max_kept: copies, of which the oldest goes when there are more. Defaults to 10. Each takes
            as much memory as the player's weights.

    Attributes:
        kept: the weights by the step at which they were kept.

    Raises:
        ValueError: if a number is no positive integer, or `play_for` above `play_every`; when
            training begins, if the model has no such player.
    """

    def __init__(
        self,
        player: str,
        keep_every: int = 500,
        play_every: int = 50,
        play_for: int = 5,
        max_kept: int = 10,
    ) -> None:
        super().__init__()
        self.player = player
        self.keep_every = as_integer("keep_every", keep_every)
        self.play_every = as_integer("play_every", play_every)
        self.play_for = as_integer("play_for", play_for)
        self.max_kept = as_integer("max_kept", max_kept)
        if play_for > play_every:
            raise ValueError(
                f"`play_for` must be at most play_every={play_every}. Received: play_for={play_for}"
            )
        self.kept: dict[int, list[np.ndarray]] = {}
        self._is_due = False

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        if self.player not in self.model.players:
            raise ValueError(
                f"`player` must be one of {', '.join(self.model.players)}. "
                f"Received: player={self.player!r}"
            )
        # Around the train function, and not between `on_train_batch_begin` and `_end`: these would
        # leave the past player in the model if the step is interrupted, or let others save it.
        self._outer = functools.partial(self._train, self.model.train_function)
        self._inner = self.model.train_function
        self.model.train_function = self._outer

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        # Only a training that has this callback says so, whatever became of an earlier one.
        self._is_due = True

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        if self.model.train_function is self._outer:
            self.model.train_function = self._inner

    def _train(self, train_function: Callable, data: Any) -> Any:
        if not self._is_due:
            return train_function(data)
        self._is_due = False
        step = steps_done(self.model)
        past = self._past_player(step)
        if past is None:
            logs = train_function(data)
        else:
            present = [(variable, np.array(variable.numpy())) for variable in self._state()]
            try:
                for variable, value in zip(self._weights(), past, strict=True):
                    variable.assign(value)
                logs = train_function(data)
            finally:
                for variable, value in present:
                    variable.assign(value)
        if steps_done(self.model) // self.keep_every > step // self.keep_every:
            self._keep()
        return logs

    def _past_player(self, step: int) -> list[np.ndarray] | None:
        """Returns the weights that play this step; None for the present ones."""
        play, step_of_play = divmod(step, self.play_every)
        earlier = [kept for kept in self.kept if kept <= play * self.play_every]
        if step_of_play >= self.play_for or not earlier:
            return None
        # A function of seed and step, so that a resumed run draws the same.
        chosen = np.random.default_rng((self.model.seed, play)).integers(len(earlier))
        return self.kept[earlier[chosen]]

    def _keep(self) -> None:
        weights = [np.array(weight.numpy()) for weight in self._weights()]
        self.kept[steps_done(self.model)] = weights
        while len(self.kept) > self.max_kept:
            del self.kept[min(self.kept)]

    def _weights(self) -> list[keras.Variable]:
        return [w for network in self.model.players[self.player] for w in network.weights]

    def _state(self) -> list[keras.Variable]:
        """Returns all that a train step changes of the player, but for its random states."""
        networks = self.model.players[self.player]
        averages = [
            weight
            for average, network in self.model.averages
            if any(network is own for own in networks)
            for weight in average.weights
        ]
        return [*self._weights(), *averages, *self.model.optimizers[self.player].variables]

    def save_state(self, folder: Path) -> dict[str, Any]:
        """Writes the past players into `folder`; returns their steps, ready for JSON."""
        arrays = {
            f"{step}/{number}": weight
            for step, weights in self.kept.items()
            for number, weight in enumerate(weights)
        }
        np.savez(folder / self._file, **arrays)
        return {"steps": list(self.kept)}

    def restore_state(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Takes up what `save_state` left in `folder` and returned."""
        with np.load(folder / self._file) as arrays:
            self.kept = {
                step: [arrays[name] for name in arrays.files if name.startswith(f"{step}/")]
                for step in state["steps"]
            }

    @property
    def _file(self) -> str:
        return f"past_{self.player}.npz"
