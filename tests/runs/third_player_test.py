"""A third player in a run: in checkpoints, in TensorBoard, and in the model that comes back."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from tests.case import state_of
from tests.three_players import CASE, ThreePlayers
from zoo.runs import PlayersTensorBoard, RunCheckpoint, RunFolder, load_model

RATES = {"generator": 0.125, "discriminator": 0.25, "encoder": 0.5}


def build(seed: int) -> ThreePlayers:
    keras.utils.set_random_seed(seed)
    model = CASE.build()
    model.compile(
        **{f"{player}_optimizer": keras.optimizers.Adam(rate) for player, rate in RATES.items()},
        run_eagerly=True,
    )
    return model


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[RunFolder, ThreePlayers]:
    """The folder of a run of two steps, and its model."""
    run = RunFolder.start(tmp_path_factory.mktemp("runs") / "run", "three_players", {}).begin()
    model = build(0)
    run.write_model(model)
    callbacks = [PlayersTensorBoard(run.tensorboard, every_steps=1), RunCheckpoint(run.checkpoints)]
    data = tf.data.Dataset.from_tensors(CASE.batch(4)).repeat(2)
    model.fit(data, verbose=0, callbacks=callbacks)
    return run, model


def test_a_checkpoint_holds_every_optimizer(run):
    folder, model = run
    other = build(1)
    assert RunCheckpoint.restore(other, folder.checkpoints).step == 2
    for ours, theirs in zip(state_of(other), state_of(model), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_folder_gives_the_model_back(run):
    folder, model = run
    loaded = load_model(folder.path)
    assert type(loaded) is ThreePlayers
    assert loaded.prior == model.prior
    for ours, theirs in zip(state_of(loaded), state_of(model), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_tensorboard_shows_the_rate_of_each_player(run):
    folder, _ = run
    shown = {
        value.tag.removeprefix("learning_rate/"): float(tf.make_ndarray(value.tensor))
        for path in (folder.tensorboard / "train").glob("events.*")
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
        if value.tag.startswith("learning_rate/")
    }
    assert shown == RATES
