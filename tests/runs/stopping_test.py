"""Stopping: on what, with which weights, and for what stated reason."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.runs.two_players import make_images, make_model, state_of
from zoo.runs.stopping import StopOnNonFinite, StopOnQuality
from zoo.runs.training_state import is_discarded, optimizers_of, state_variables


class Spy(keras.callbacks.Callback):
    """Notes the state at each epoch's end and each batch, and changes what a test asks for."""

    def __init__(self, at_epoch_begin=None, validation=None) -> None:
        super().__init__()
        self.states, self.batches, self.discarded = [], [], []
        self.at_epoch_begin = at_epoch_begin or (lambda model, epoch: None)
        self.validation = validation

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self.at_epoch_begin(self.model, epoch)

    def on_train_batch_end(self, batch, logs=None) -> None:
        self.batches.append(batch)

    def on_epoch_end(self, epoch, logs=None) -> None:
        if self.validation is not None:
            logs["val_error"] = self.validation[epoch]
        self.states.append(state_of(self.model))
        self.discarded.append(is_discarded(self.model, epoch))


def assert_same_state(actual: list[np.ndarray], expected: list[np.ndarray]) -> None:
    assert len(actual) == len(expected)
    for left, right in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(left, right)


def test_state_holds_each_optimizer_once() -> None:
    model = make_model()
    assert set(optimizers_of(model)) == {"generator", "discriminator"}
    assert len(state_variables(model)) == len(state_of(model))


def test_nan_in_a_quiet_log_stops_within_the_batch() -> None:
    model, stop, spy = make_model(poison=8), StopOnNonFinite(), Spy()
    model.fit(make_images(5), epochs=4, verbose=0, callbacks=[stop, spy])
    assert spy.batches == [0, 1, 2, 3, 4, 0, 1, 2]
    assert spy.discarded == [False, True]
    assert "log quiet_log = nan at step 8 in epoch 2" in stop.stop_reason
    assert "restored the weights of step 5" in stop.stop_reason


def test_last_good_weights_and_slots_come_back() -> None:
    model, spy = make_model(poison=8), Spy()
    model.fit(make_images(5), epochs=4, verbose=0, callbacks=[StopOnNonFinite(), spy])
    assert_same_state(state_of(model), spy.states[0])
    momenta = [v for v in model.generator_optimizer.variables if "momentum" in v.path]
    assert momenta and all(np.any(momentum.numpy()) for momentum in momenta)


def test_failure_in_the_first_epoch_brings_back_the_beginning() -> None:
    model = make_model(poison=2)
    before = state_of(model)
    model.fit(make_images(), verbose=0, callbacks=[StopOnNonFinite()])
    assert_same_state(state_of(model), before)


def test_non_finite_weight_is_found_at_the_epochs_end() -> None:
    def spoil(model, epoch) -> None:
        if epoch == 1:
            unused = model.discriminator_optimizer.variables[-1]
            unused.assign(np.full(unused.shape, np.inf))

    class SpoilLate(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None) -> None:
            spoil(self.model, epoch)

    model, stop, spy = make_model(), StopOnNonFinite(), Spy()
    model.fit(make_images(), epochs=3, verbose=0, callbacks=[spy, SpoilLate(), stop])
    path = model.discriminator_optimizer.variables[-1].path
    assert f"non-finite weight {path} (first bad value inf) at step 10" in stop.stop_reason
    assert_same_state(state_of(model), spy.states[0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_validation_discards_the_epoch(bad: float) -> None:
    model, stop = make_model(), StopOnNonFinite()
    spy, after = Spy(validation=[0.1, bad, 0.1]), Spy()
    model.fit(make_images(), epochs=3, verbose=0, callbacks=[spy, stop, after])
    assert after.discarded == [False, True]
    assert f"log val_error = {bad} at step 10 in epoch 2" in stop.stop_reason


def test_ignored_log_does_not_stop() -> None:
    model, stop, spy = make_model(poison=8), StopOnNonFinite(ignore=["quiet_log"]), Spy()
    model.fit(make_images(5), epochs=2, verbose=0, callbacks=[stop, spy])
    assert stop.stop_reason is None and len(spy.batches) == 10
    assert spy.discarded == [False, False]


def test_healthy_training_is_not_touched() -> None:
    guarded, free = make_model(), make_model()
    guarded.fit(make_images(), epochs=2, verbose=0, callbacks=[StopOnNonFinite()])
    free.fit(make_images(), epochs=2, verbose=0)
    assert_same_state(state_of(guarded), state_of(free))


def test_restores_every_replica(two_replicas: tf.distribute.Strategy) -> None:
    with two_replicas.scope():
        variable = keras.Variable([1.0, 2.0])
    model = make_model(poison=1)
    model._track_variable(variable)

    class Spoil(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None) -> None:
            variable.assign([9.0, np.nan])

    model.fit(make_images(), verbose=0, callbacks=[StopOnNonFinite(), Spoil()])
    replicas = two_replicas.experimental_local_results(variable.value)
    assert [replica.numpy().tolist() for replica in replicas] == [[1.0, 2.0]] * 2


def test_stops_when_quality_stands_still_and_restores_the_best() -> None:
    model, stop = make_model(), StopOnQuality("val_error", patience=2)
    spy = Spy(validation=[5.0, 3.0, 4.0, 3.5, 1.0])
    model.fit(make_images(), epochs=5, verbose=0, callbacks=[spy, stop])
    assert len(spy.states) == 4
    assert stop.stop_reason == "val_error has not improved on 3 (epoch 2) for 2 epochs"
    weights = len(model.weights)
    assert_same_state(model.get_weights(), spy.states[1][:weights])


def test_larger_can_be_better() -> None:
    model, stop = make_model(), StopOnQuality("val_error", patience=1, mode="max")
    spy = Spy(validation=[1.0, 2.0, 1.5, 9.0])
    model.fit(make_images(), epochs=4, verbose=0, callbacks=[spy, stop])
    assert (len(spy.states), stop.best, stop.best_epoch) == (3, 2.0, 1)


def test_missing_monitor_is_an_error_at_the_first_epochs_end() -> None:
    model, spy = make_model(), Spy()
    message = "Received: monitor='val_eror'; logs: discriminator_loss, generator_gradient_norm"
    with pytest.raises(ValueError, match=message):
        model.fit(
            make_images(),
            epochs=3,
            verbose=0,
            callbacks=[spy, StopOnQuality("val_eror", patience=2)],
        )
    assert len(spy.states) == 1


def test_nan_never_is_the_best() -> None:
    model, stop = make_model(), StopOnQuality("val_error", patience=3)
    spy = Spy(validation=[np.nan, 2.0, 3.0])
    model.fit(make_images(), epochs=3, verbose=0, callbacks=[spy, stop])
    assert (stop.best, stop.best_epoch) == (2.0, 1)


def test_nothing_but_nan_stops_with_the_last_weights_and_says_why(tmp_path: Path) -> None:
    model, stop = make_model(), StopOnQuality("val_error", patience=2)
    spy = Spy(validation=[np.nan] * 4)
    model.fit(make_images(), epochs=4, verbose=0, callbacks=[spy, stop])
    assert stop.stop_reason == "val_error was no finite number for 2 epochs"
    assert len(spy.states) == 2
    assert_same_state(model.get_weights(), spy.states[-1][: len(model.weights)])
    assert stop.save_state(tmp_path)["best"] is None
    assert not list(tmp_path.iterdir())


def test_discarded_epoch_does_not_count_for_quality() -> None:
    model, quality = make_model(poison=8), StopOnQuality("val_error", patience=1)
    spy = Spy(validation=[2.0, 1.0])
    model.fit(make_images(), epochs=3, verbose=0, callbacks=[spy, StopOnNonFinite(), quality])
    assert quality.best == 2.0


def test_state_carries_over_a_resume(tmp_path: Path) -> None:
    validation = [5.0, 1.0, 2.0, 3.0, 4.0]
    model, first = make_model(), StopOnQuality("val_error", patience=3)
    spy = Spy(validation=validation)
    model.fit(make_images(), epochs=3, verbose=0, callbacks=[spy, first])
    # What a checkpoint after epoch 3 holds: training went on from there, not from the best.
    model.set_weights(spy.states[2][: len(model.weights)])
    state = json.loads(json.dumps(first.save_state(tmp_path)))

    second = StopOnQuality("val_error", patience=3)
    second.restore_state(tmp_path, state)
    later = Spy(validation=validation)
    model.fit(make_images(), epochs=5, initial_epoch=3, verbose=0, callbacks=[later, second])
    assert second.stop_reason == "val_error has not improved on 1 (epoch 2) for 3 epochs"
    assert_same_state(model.get_weights(), spy.states[1][: len(model.weights)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patience": 0}, "Received: patience=0"),
        ({"patience": 1, "mode": "auto"}, "Received: mode='auto'"),
    ],
)
def test_refuses_bad_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StopOnQuality("val_error", **arguments)
