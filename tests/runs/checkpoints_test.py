"""Checkpoints: a resumed run equals an unbroken one, and damage is named."""

import contextlib
import itertools
import json
import os
import re
import shutil
import types
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

import zoo
from tests.runs.small_game import images_from, make_game
from tests.runs.two_players import make_images, make_model, state_of
from zoo.runs import checkpoints
from zoo.runs.checkpoints import CheckpointError, RunCheckpoint
from zoo.runs.continuing import fit_from
from zoo.runs.progress import HistoryFile
from zoo.runs.stopping import StopOnNonFinite, StopOnQuality
from zoo.runs.tensorboard import PlayersTensorBoard
from zoo.runs.training_state import state_variables, steps_done


def train(model, folder: Path, epochs: int, initial_epoch: int = 0, before=(), **options) -> None:
    model.fit(
        make_images(),
        epochs=epochs,
        initial_epoch=initial_epoch,
        verbose=0,
        callbacks=[*before, RunCheckpoint(folder, **options)],
    )


def keep_epochs(model, folder: Path, epochs: int, initial_epoch: int = 0, **options) -> None:
    """Saves as `train` does, but for the training: for tests of what lies on the disk."""
    calls = keras.callbacks.CallbackList(
        [RunCheckpoint(folder, **options)], model=model, epochs=epochs, steps=5
    )
    model.stop_training = False
    calls.on_train_begin()
    for epoch in range(initial_epoch, epochs):
        calls.on_epoch_begin(epoch)
        model.step.assign_add(5)
        for weight in model.generator.trainable_variables:
            weight.assign(weight + 0.1)
        calls.on_epoch_end(epoch)
    calls.on_train_end()


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def assert_same_state(actual: list[np.ndarray], expected: list[np.ndarray]) -> None:
    assert len(actual) == len(expected)
    for left, right in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(left, right)


def flip_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_resumed_run_equals_an_unbroken_one(tmp_path: Path) -> None:
    unbroken = make_model()
    train(unbroken, tmp_path / "a", epochs=4)
    train(make_model(), tmp_path / "b", epochs=2)
    resumed = make_model()
    state = RunCheckpoint.restore(resumed, tmp_path / "b")
    assert (state.epoch, state.step) == (2, 10)
    train(resumed, tmp_path / "b", epochs=4, initial_epoch=state.epoch)
    assert_same_state(state_of(resumed), state_of(unbroken))
    assert names_in(tmp_path / "b") == ["epoch-0003", "epoch-0004"]


def test_keeps_the_newest_and_each_few_epochs_and_the_last(tmp_path: Path) -> None:
    keep_epochs(make_model(), tmp_path, epochs=7, keep=3, every_epochs=2)
    assert names_in(tmp_path) == ["epoch-0004", "epoch-0006", "epoch-0007"]


def test_latest_looks_only_at_whole_checkpoints(tmp_path: Path) -> None:
    assert RunCheckpoint.latest(tmp_path / "missing") is None
    for name in ("epoch-0009", "epoch-10000", ".epoch-10001.7.partial", "other"):
        (tmp_path / name).mkdir()
    assert RunCheckpoint.latest(tmp_path) == tmp_path / "epoch-10000"


def test_leftovers_of_a_kill_are_cleaned(tmp_path: Path) -> None:
    (tmp_path / ".epoch-0001.7.partial").mkdir()
    (tmp_path / ".epoch-0001.7.partial" / "model.weights.h5").touch()
    keep_epochs(make_model(), tmp_path, epochs=1)
    assert names_in(tmp_path) == ["epoch-0001"]


def test_kill_between_write_and_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model()
    keep_epochs(model, tmp_path, epochs=1)
    saved = state_of(model)

    def killed(source, target) -> None:
        shutil.copytree(source, tmp_path / ".epoch-0002.7.partial")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", killed)
        keep_epochs(model, tmp_path, epochs=2, initial_epoch=1)
    assert names_in(tmp_path) == [".epoch-0002.7.partial", "epoch-0001"]
    resumed = make_model()
    assert RunCheckpoint.restore(resumed, tmp_path).epoch == 1
    assert_same_state(state_of(resumed), saved)


def test_full_disk_leaves_earlier_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model()
    keep_epochs(model, tmp_path, epochs=2)

    def save_weights(path) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model, "save_weights", save_weights)
    message = (
        r"could not save checkpoint .*epoch-0003: .*No space left on device; "
        r"earlier checkpoints are intact \(epoch-0001, epoch-0002\)"
    )
    with pytest.raises(OSError, match=message) as raised:
        keep_epochs(model, tmp_path, epochs=3, initial_epoch=2)
    assert raised.value.errno == 28
    assert names_in(tmp_path) == ["epoch-0001", "epoch-0002"]
    assert RunCheckpoint.restore(make_model(), tmp_path).epoch == 2


def test_too_little_room_is_seen_before_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100))
    message = r"epoch-0001: No space left on device \(100 bytes free, [0-9,]+ needed\); "
    with pytest.raises(OSError, match=message):
        keep_epochs(make_model(), tmp_path, epochs=1)
    assert names_in(tmp_path) == []


def test_a_quota_is_seen_before_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(descriptor, offset, size) -> None:
        asked.append(size)
        raise OSError(122, "Disk quota exceeded")

    keep_epochs(make_model(), tmp_path, epochs=1)
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    message = r"epoch-0002: Disk quota exceeded \([0-9,]+ bytes needed\); .* intact \(epoch-0001\)"
    with pytest.raises(OSError, match=message):
        keep_epochs(make_model(), tmp_path, epochs=2, initial_epoch=1)
    assert names_in(tmp_path) == ["epoch-0001"]
    assert asked[0] >= sum(file.stat().st_size for file in (tmp_path / "epoch-0001").iterdir())


@pytest.mark.parametrize("name", ["model.weights.h5", "state.json"])
def test_flipped_byte_is_detected(tmp_path: Path, name: str) -> None:
    keep_epochs(make_model(), tmp_path, epochs=2)
    flip_byte(tmp_path / "epoch-0002" / name)
    message = rf"epoch-0002 is damaged: {name} .*; remove it to use epoch-0001 instead"
    with pytest.raises(CheckpointError, match=message) as raised:
        RunCheckpoint.load(make_model(), tmp_path / "epoch-0002")
    assert "\n" not in str(raised.value)


def test_damaged_ones_are_set_aside_for_the_newest_that_is_whole(tmp_path: Path) -> None:
    keep_epochs(make_model(), tmp_path, epochs=3, keep=3)
    (tmp_path / "epoch-0003.corrupt").mkdir()
    for name in ("epoch-0002", "epoch-0003"):
        flip_byte(tmp_path / name / "model.weights.h5")
    model = make_model()
    with pytest.warns(UserWarning, match="is damaged: model.weights.h5 .*, and epoch-0001") as told:
        assert RunCheckpoint.restore(model, tmp_path).epoch == 1
    assert "it is now epoch-0003.corrupt-2" in str(told[0].message)
    assert names_in(tmp_path) == [
        *("epoch-0001", "epoch-0002.corrupt", "epoch-0003.corrupt", "epoch-0003.corrupt-2")
    ]
    keep_epochs(model, tmp_path, epochs=3, initial_epoch=1)
    assert "epoch-0003" in names_in(tmp_path)


def test_checkpoints_later_than_where_a_training_begins_are_set_aside(tmp_path: Path) -> None:
    """Else a training anew, or one that goes back, would be pruned for the older one's sake."""
    keep_epochs(make_model(), tmp_path, epochs=4, keep=9)
    back = make_model()
    state = RunCheckpoint.load(back, tmp_path / "epoch-0002")
    with pytest.warns(UserWarning, match="later than where") as caught:
        keep_epochs(back, tmp_path, epochs=3, initial_epoch=state.epoch, keep=2)
    told = [str(each.message) for each in caught if each.category is UserWarning]
    assert [message.rpartition(": ")[2] for message in told] == [
        "it is now epoch-0003.set-aside",
        "it is now epoch-0004.set-aside",
    ]
    assert RunCheckpoint.latest(tmp_path).name == "epoch-0003"
    assert RunCheckpoint.restore(make_model(), tmp_path).step == 15
    with pytest.warns(UserWarning, match="later than where"):
        keep_epochs(make_model(), tmp_path, epochs=1)
    assert names_in(tmp_path) == [
        "epoch-0001",
        "epoch-0002.set-aside",
        "epoch-0003.set-aside",
        "epoch-0003.set-aside-2",
        "epoch-0004.set-aside",
    ]


def test_a_second_training_by_one_callback_keeps_its_own(tmp_path: Path) -> None:
    model, save = make_model(), RunCheckpoint(tmp_path)
    model.fit(make_images(), epochs=2, callbacks=[save], verbose=0)
    with pytest.warns(UserWarning, match="later than where"):
        model.fit(make_images(), epochs=1, callbacks=[save], verbose=0)
    assert RunCheckpoint.restore(make_model(), tmp_path).step == steps_done(model) == 15


def test_nothing_is_set_aside_where_all_are_damaged_or_none_fits(tmp_path: Path) -> None:
    keep_epochs(make_model(), tmp_path, epochs=2)
    flip_byte(tmp_path / "epoch-0002" / "state.json")
    with pytest.raises(CheckpointError, match="epoch-0001 does not fit this model"):
        RunCheckpoint.restore(make_model(units=9), tmp_path)
    flip_byte(tmp_path / "epoch-0001" / "state.json")
    with pytest.raises(CheckpointError, match="epoch-0002 is damaged: .*; all others are, too"):
        RunCheckpoint.restore(make_model(), tmp_path)
    assert names_in(tmp_path) == ["epoch-0001", "epoch-0002"]


def test_changed_number_in_the_state_is_detected(tmp_path: Path) -> None:
    keep_epochs(make_model(), tmp_path, epochs=1)
    path = tmp_path / "epoch-0001" / "state.json"
    path.write_text(path.read_text().replace('"step": 5', '"step": 6'))
    message = r"state.json differs from what was written \(checksum\)"
    with pytest.raises(CheckpointError, match=message):
        RunCheckpoint.restore(make_model(), tmp_path)


@pytest.mark.parametrize("name", ["model.weights.h5", "state.json"])
def test_only_checkpoint_damaged(tmp_path: Path, name: str) -> None:
    keep_epochs(make_model(), tmp_path, epochs=1)
    path = tmp_path / "epoch-0001" / name
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(CheckpointError, match="there is no other: train anew, in another"):
        RunCheckpoint.restore(make_model(), tmp_path)
    path.unlink()
    with pytest.raises(CheckpointError, match=f"{name} cannot be read .No such file"):
        RunCheckpoint.restore(make_model(), tmp_path)


def test_removing_the_damaged_one_mends(tmp_path: Path) -> None:
    keep_epochs(make_model(), tmp_path, epochs=2)
    shutil.rmtree(tmp_path / "epoch-0002")
    assert RunCheckpoint.restore(make_model(), tmp_path).epoch == 1


def test_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"no checkpoint in {re.escape(str(tmp_path))}"):
        RunCheckpoint.restore(make_model(), tmp_path)


def test_checkpoint_of_another_model(tmp_path: Path) -> None:
    keep_epochs(make_model(units=8), tmp_path, epochs=1)
    with pytest.raises(CheckpointError, match="epoch-0001 does not fit this model") as raised:
        RunCheckpoint.restore(make_model(units=9), tmp_path)
    assert "\n" not in str(raised.value)


def test_discarded_epoch_is_not_saved(tmp_path: Path) -> None:
    model = make_model(poison=8)
    train(model, tmp_path, epochs=3, before=[StopOnNonFinite()])
    assert names_in(tmp_path) == ["epoch-0001"]
    resumed = make_model()
    RunCheckpoint.restore(resumed, tmp_path)
    assert_same_state(state_of(resumed), state_of(model))


def test_what_a_failure_brought_back_is_saved_though_its_epoch_was_not(tmp_path: Path) -> None:
    model = make_model(poison=13)
    guard = StopOnNonFinite()
    train(model, tmp_path, epochs=4, before=[guard], every_epochs=3)
    assert names_in(tmp_path) == ["epoch-0002"]
    resumed = make_model()
    assert RunCheckpoint.restore(resumed, tmp_path).step == 10
    assert_same_state(state_of(resumed), state_of(model))


def test_epoch_at_which_training_stops_is_saved(tmp_path: Path) -> None:
    class StopAtThree(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None) -> None:
            self.model.stop_training = epoch == 2

    train(make_model(), tmp_path, epochs=9, every_epochs=5, before=[StopAtThree()])
    assert names_in(tmp_path) == ["epoch-0003"]


def test_history_comes_back_exactly(tmp_path: Path) -> None:
    history = HistoryFile(tmp_path / "history.csv")
    folder = tmp_path / "checkpoints"
    train(make_model(), folder, epochs=3, before=[history], history=history)
    state = RunCheckpoint.restore(make_model(), folder)
    assert state.history == history.rows
    assert [row["epoch"] for row in state.history] == [1, 2, 3]
    assert RunCheckpoint.epoch_of(state.path) == 3


def test_history_after_the_checkpoint_is_refused(tmp_path: Path) -> None:
    history = HistoryFile(tmp_path / "history.csv")
    with pytest.raises(ValueError, match=r"place it before `RunCheckpoint`. Received: epoch=1"):
        train(make_model(), tmp_path / "checkpoints", epochs=1, history=history)
    assert names_in(tmp_path / "checkpoints") == []


class Quality(keras.callbacks.Callback):
    """Reports a quality of the test's choice at each epoch."""

    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.values = values

    def on_epoch_end(self, epoch, logs=None) -> None:
        logs["val_error"] = self.values[epoch]


def test_early_stopping_resumes_with_its_best_weights(tmp_path: Path) -> None:
    values = [5.0, 1.0, 2.0, 3.0, 4.0, 0.0]

    def run(model, folder: Path, epochs: int, initial_epoch: int, stop: StopOnQuality) -> None:
        before = [Quality(values), stop]
        train(model, folder, epochs, initial_epoch, before, states={"quality": stop})

    unbroken, stop_unbroken = make_model(), StopOnQuality("val_error", patience=3)
    run(unbroken, tmp_path / "a", 6, 0, stop_unbroken)

    run(make_model(), tmp_path / "b", 3, 0, StopOnQuality("val_error", patience=3))
    resumed, stop_resumed = make_model(), StopOnQuality("val_error", patience=3)
    state = RunCheckpoint.restore(resumed, tmp_path / "b", {"quality": stop_resumed})
    run(resumed, tmp_path / "b", 6, state.epoch, stop_resumed)
    assert stop_resumed.stop_reason == stop_unbroken.stop_reason
    assert "(epoch 2) for 3 epochs" in stop_resumed.stop_reason
    assert_same_state(resumed.get_weights(), unbroken.get_weights())


def test_an_earlier_checkpoint_brings_back_the_callbacks_too(tmp_path: Path) -> None:
    stop = StopOnQuality("val_error", patience=9)
    quality = Quality([3.0, 1.0])
    train(make_model(), tmp_path, epochs=2, before=[quality, stop], states={"stop": stop})
    back = StopOnQuality("val_error", patience=9)
    model = make_model()
    RunCheckpoint.load(model, tmp_path / "epoch-0001", {"stop": back})
    again = Quality([None, 4.0])
    model.fit(make_images(), initial_epoch=1, epochs=2, verbose=0, callbacks=[again, back])
    assert (stop.best, back.best) == (1.0, 3.0)


def test_damaged_best_weights_are_detected(tmp_path: Path) -> None:
    stop = StopOnQuality("generator_loss", patience=3)
    train(make_model(), tmp_path, 1, before=[stop], states={"quality": stop})
    flip_byte(tmp_path / "epoch-0001" / "best_weights.npz")
    with pytest.raises(CheckpointError, match=r"best_weights.npz differs .* \(SHA-256\)"):
        RunCheckpoint.restore(make_model(), tmp_path, {"quality": stop})


def test_state_file_reads_as_json(tmp_path: Path) -> None:
    keep_epochs(make_model(), tmp_path, epochs=1)
    state = json.loads((tmp_path / "epoch-0001" / "state.json").read_text())
    place = {"epoch", "step", "steps_in_epoch", "running_means"}
    assert set(state) == {"checksum", "history", "states", "sha256"} | place
    assert set(state["sha256"]) == {"model.weights.h5"}


# === Within an epoch ===

STEPS = 6


def play(folder: Path, epochs: int = 2, stop_at: int | None = None, **options) -> zoo.VanillaGAN:
    """Trains on in a folder as a run does; `stop_at` is the step at which it is killed."""

    class Killed(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None) -> None:
            if steps_done(self.model) == stop_at:
                raise KeyboardInterrupt

    model = make_game(options.pop("steps_per_execution", 1))
    folder.mkdir(exist_ok=True)
    guard, checkpoints = StopOnNonFinite(), folder / "checkpoints"
    boards = PlayersTensorBoard(folder / "tensorboard", every_steps=1)
    state, states = None, {"boards": boards}
    if RunCheckpoint.latest(checkpoints):
        state = RunCheckpoint.restore(model, checkpoints, states)
    history = HistoryFile(folder / "history.csv", state.history if state else ())
    save = RunCheckpoint(
        checkpoints, 2, history=history, states=states, guard=guard, resumed=state, **options
    )
    with contextlib.suppress(KeyboardInterrupt):
        fit_from(
            state,
            model,
            images_from,
            epochs=epochs,
            steps_per_epoch=STEPS,
            callbacks=[guard, boards, history, save, Killed()],
        )
    return model


def curves_in(folder: Path) -> dict[str, list[tuple[int, float]]]:
    accumulator = EventAccumulator(str(folder / "tensorboard" / "train"), {"tensors": 0})
    accumulator.Reload()
    return {
        tag: [(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in events]
        for tag in accumulator.Tags()["tensors"]
        if (events := accumulator.Tensors(tag))
    }


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> tuple[Path, list[np.ndarray]]:
    folder = tmp_path_factory.mktemp("unbroken")
    model = play(folder)
    return folder, [np.array(v.numpy()) for v in state_variables(model)]


@pytest.mark.parametrize("stop_at", [3, 11])
def test_run_resumed_within_an_epoch_equals_an_unbroken_one(unbroken, tmp_path, stop_at) -> None:
    play(tmp_path, stop_at=stop_at, every_steps=2)
    saved = {3: "epoch-0000-step-0000002", 11: "epoch-0001-step-0000010"}
    assert names_in(tmp_path / "checkpoints")[-1] == saved[stop_at]
    model = play(tmp_path)
    assert_same_state([np.array(v.numpy()) for v in state_variables(model)], unbroken[1])
    assert names_in(tmp_path / "checkpoints")[-1] == "epoch-0002"
    # The means of the epoch count the steps before the kill.
    history = (tmp_path / "history.csv").read_bytes()
    assert history == (unbroken[0] / "history.csv").read_bytes()
    assert curves_in(tmp_path) == curves_in(unbroken[0])


def test_several_steps_in_a_call_are_saved_and_resumed_at_its_end(unbroken, tmp_path) -> None:
    play(tmp_path, stop_at=9, every_steps=2, steps_per_execution=3)
    names = ["epoch-0001", "epoch-0001-step-0000009"]
    assert names_in(tmp_path / "checkpoints") == names
    model = play(tmp_path, steps_per_execution=3)
    assert_same_state([np.array(v.numpy()) for v in state_variables(model)], unbroken[1])
    history = (tmp_path / "history.csv").read_bytes()
    assert history == (unbroken[0] / "history.csv").read_bytes()


def test_a_rest_that_keras_would_overrun_is_refused(tmp_path) -> None:
    play(tmp_path, stop_at=5, every_steps=2)
    with pytest.raises(ValueError, match=r"steps_per_epoch=6, of which 4 are done, and .*=3"):
        play(tmp_path, steps_per_execution=3)


def test_a_nan_is_worst_where_an_epoch_is_resumed_too(tmp_path) -> None:
    play(tmp_path, stop_at=3, every_steps=2)
    model = make_game()
    state = RunCheckpoint.restore(model, tmp_path / "checkpoints")
    watch = keras.callbacks.EarlyStopping("val_error", mode="min", patience=9)
    callbacks = [Quality([float("nan"), 1.0]), watch]
    options = {"epochs": 2, "steps_per_epoch": STEPS, "callbacks": callbacks}
    with pytest.warns(UserWarning, match="val_error is NaN after epoch 1"):
        fit_from(state, model, images_from, **options)
    assert (watch.best, watch.best_epoch) == (1.0, 1)


def test_a_training_after_one_that_broke_keeps_its_first_epochs(tmp_path) -> None:
    class Spoil(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None) -> None:
            if steps_done(self.model) == STEPS + 2:
                weight = self.model.generator.trainable_variables[0]
                weight.assign(np.full(weight.shape, np.nan))

    model, guard = make_game(), StopOnNonFinite()
    data = {"x": images_from(0), "steps_per_epoch": STEPS, "verbose": 0}
    model.fit(**data, epochs=3, callbacks=[Spoil(), guard])
    assert "in epoch 2" in guard.stop_reason
    history = HistoryFile(tmp_path / "history.csv")
    save = RunCheckpoint(tmp_path / "checkpoints", keep=9, history=history)
    model.fit(**data, epochs=3, callbacks=[history, save])
    assert [row["epoch"] for row in history.rows] == [1, 2, 3]
    assert len(names_in(tmp_path / "checkpoints")) == 3


def test_time_makes_it_save_too(tmp_path, monkeypatch) -> None:
    clock = itertools.count(0, 31)  # seconds, from look to look
    monkeypatch.setattr(checkpoints, "time", types.SimpleNamespace(monotonic=lambda: next(clock)))
    play(tmp_path, epochs=1, stop_at=5, every_minutes=1)
    assert names_in(tmp_path / "checkpoints") == [
        *("epoch-0000-step-0000002", "epoch-0000-step-0000004")
    ]


def test_a_state_that_is_not_finite_is_never_saved(tmp_path) -> None:
    class Spoil(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None) -> None:
            if batch == 2:  # a slot, of which no log tells
                slot = self.model.generator_optimizer.variables[-1]
                slot.assign(np.full(slot.shape, np.inf))

    model, guard = make_model(), StopOnNonFinite()
    save = RunCheckpoint(tmp_path, guard=guard, every_steps=2)
    model.fit(make_images(5), epochs=2, verbose=0, callbacks=[guard, Spoil(), save])
    assert "non-finite weight " in guard.stop_reason
    assert "at step 4 in epoch 1" in guard.stop_reason
    assert "restored the weights of step 2" in guard.stop_reason
    assert names_in(tmp_path) == ["epoch-0000-step-0000002"]


def test_the_best_epoch_is_kept_beside_the_newest(tmp_path) -> None:
    history = HistoryFile(tmp_path / "history.csv")
    folder = tmp_path / "checkpoints"
    quality = Quality([3.0, 1.0, float("nan"), 2.0, 1.0])
    best = {"best": "val_error", "history": history}
    train(make_model(), folder, epochs=5, before=[quality, history], keep=1, **best)
    assert names_in(folder) == ["epoch-0002", "epoch-0005"]


def test_data_of_unknown_length_have_no_middle(tmp_path) -> None:
    images = make_images().filter(lambda images: True)
    save = RunCheckpoint(tmp_path, every_steps=2)
    with pytest.raises(ValueError, match="steps_per_epoch. Received: data of unknown length"):
        make_model().fit(images, verbose=0, callbacks=[save])


@pytest.mark.parametrize("arguments", [{"every_minutes": 0}, {"mode": "least"}, {"best": "error"}])
def test_refuses_bad_times_and_modes(tmp_path: Path, arguments: dict) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}="):
        RunCheckpoint(tmp_path, **arguments)


@pytest.mark.parametrize("arguments", [{"keep": 0}, {"every_epochs": 0}, {"every_steps": 0}])
def test_refuses_bad_arguments(tmp_path: Path, arguments: dict) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}=0"):
        RunCheckpoint(tmp_path, **arguments)
