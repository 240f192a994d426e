"""Goes on from a checkpoint, in the middle of an epoch too."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from zoo.common.adversarial import AdversarialModel
from zoo.common.callbacks import prepared_callbacks
from zoo.runs.checkpoints import RunState
from zoo.runs.training_state import steps_done


def fit_from(
    state: RunState | None,
    model: keras.Model,
    data_from: Callable[[int], tf.data.Dataset],
    *,
    epochs: int,
    steps_per_epoch: int,
    callbacks: Sequence[keras.callbacks.Callback],
    **arguments: Any,
) -> None:
    """Calls `model.fit` so that it goes on where a checkpoint was saved.

        state = RunCheckpoint.restore(model, folder)
        save = RunCheckpoint(folder, every_steps=500, resumed=state)
        fit_from(
            state, model, lambda step: zoo.datasets.load("mnist", first_step=step), epochs=9,
            steps_per_epoch=1000, callbacks=[save],
        )

    Keras has every `fit` begin with an epoch's first step. So what is left of an epoch is a call of
    its own, which the callbacks see as one training with the next: it begins once and ends once,
    and `params` tell of whole epochs. Batches of what is left are counted from 0.

    Args:
        state: what `RunCheckpoint.restore` returned; None to begin at the beginning.
        model: compiled, with what `state` goes with.
        data_from: maps a step, counted over the whole run, to batches from that step's on.
        epochs: in all.
        steps_per_epoch: steps of a whole epoch.
        callbacks: as for `fit`; a `RunCheckpoint` among them needs `resumed=state`.
        **arguments: further ones of `fit`, such as `validation_data`.

    Raises:
        ValueError: if what is left of an epoch, or a whole one, is no multiple of the
            `steps_per_execution` of the model, so that Keras would take more steps than there are.
    """
    epoch, done = (state.epoch, state.steps_in_epoch) if state else (0, 0)
    _refuse_overrun(model, steps_per_epoch, done)

    def fit(first: int, last: int, steps: int, callbacks: Any) -> None:
        model.fit(
            data_from(steps_done(model)),
            initial_epoch=first,
            epochs=last,
            steps_per_epoch=steps,
            callbacks=callbacks,
            verbose=0,
            **arguments,
        )

    if not done or epoch >= epochs:
        fit(epoch, epochs, steps_per_epoch, list(callbacks))
        return
    if isinstance(model, AdversarialModel):  # whose `fit` takes a list of them as it is
        validates = arguments.get("validation_data") is not None
        callbacks = prepared_callbacks(model, callbacks, validates)
    training = _OneTraining(
        callbacks, add_history=True, model=model, epochs=epochs, steps=steps_per_epoch
    )
    fit(epoch, epoch + 1, steps_per_epoch - done, training)
    if epoch + 1 < epochs and not model.stop_training:
        fit(epoch + 1, epochs, steps_per_epoch, training)
    training.end()


def _refuse_overrun(model: keras.Model, steps_per_epoch: int, done: int) -> None:
    at_once = model.steps_per_execution
    if steps_per_epoch % at_once or done % at_once:
        raise ValueError(
            "An epoch, and what is left of it, must be a multiple of the steps that Keras takes in "
            f"one call. Received: steps_per_epoch={steps_per_epoch}, of which {done} are done, and "
            f"steps_per_execution={at_once}"
        )


class _OneTraining(keras.callbacks.CallbackList):
    """Callbacks for which several calls of `fit` are one training."""

    _has_begun = False
    _last_logs: Mapping[str, float] | None = None

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        if not self._has_begun:
            self._has_begun = True
            super().on_train_begin(logs)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        self._last_logs = logs

    def end(self) -> None:
        """Tells the callbacks that training is over."""
        super().on_train_end(self._last_logs)
