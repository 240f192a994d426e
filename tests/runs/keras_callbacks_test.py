"""Callbacks of Keras that save: what they save with several steps in a call, and restore."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.runs.small_game import images_from, make_game
from zoo.runs.training_state import state_variables, steps_done


def state_of(model: keras.Model) -> list[np.ndarray]:
    return [np.array(variable.numpy()) for variable in state_variables(model)]


def test_model_checkpoint_counts_steps_that_a_call_takes(tmp_path: Path) -> None:
    name = str(tmp_path / "{epoch}-{batch}.weights.h5")
    save = keras.callbacks.ModelCheckpoint(name, save_freq=4, save_weights_only=True, mode="min")
    model = make_game(steps_per_execution=2)
    model.fit(images_from(0), epochs=2, steps_per_epoch=6, verbose=0, callbacks=[save])
    names = {path.name: path for path in tmp_path.iterdir()}
    assert names.keys() == {"1-4.weights.h5", "2-2.weights.h5", "2-6.weights.h5"}
    for name, step in (("1-4", 4), ("2-2", 8), ("2-6", 12)):
        model.load_weights(names[f"{name}.weights.h5"])
        assert steps_done(model) == step


@pytest.mark.parametrize("replicas", [1, 2])
def test_backup_and_restore_goes_on_with_the_epoch(
    replicas: int, tmp_path: Path, two_replicas: tf.distribute.MirroredStrategy
) -> None:
    strategy = two_replicas if replicas == 2 else tf.distribute.get_strategy()

    def game() -> keras.Model:
        with strategy.scope():
            return make_game(steps_per_execution=2 if replicas == 1 else 1)

    def train(model: keras.Model, folder: Path, *callbacks: keras.callbacks.Callback) -> None:
        backup = keras.callbacks.BackupAndRestore(str(folder), delete_checkpoint=False)
        data = images_from(0).take(6)
        model.fit(data, epochs=3, verbose=0, callbacks=[backup, *callbacks])

    class Kill(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None) -> None:
            if steps_done(self.model) == 10:
                raise KeyboardInterrupt

    unbroken, resumed = game(), game()
    train(unbroken, tmp_path / "unbroken")
    try:
        train(game(), tmp_path / "killed", Kill())
    except KeyboardInterrupt:
        train(resumed, tmp_path / "killed")
    assert steps_done(resumed) == 18
    for actual, expected in zip(state_of(resumed), state_of(unbroken), strict=True):
        np.testing.assert_array_equal(actual, expected)
