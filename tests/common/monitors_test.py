"""Callbacks of Keras that would wait in vain, or fail after an epoch, are refused before it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau

from tests.case import ramp_images
from tests.cases.vanilla_gan import CASE
from zoo import metrics


@pytest.fixture(scope="module")
def model():
    model = CASE.build()
    optimizers = {f"{player}_optimizer": keras.optimizers.SGD(1e-3) for player in model.players}
    model.compile(run_eagerly=True, quality_measures=CASE.quality_measures(), **optimizers)
    return model


@pytest.fixture
def fit(model):
    def fit(*callbacks, **arguments):
        data = tf.data.Dataset.from_tensors(ramp_images(4))
        return model.fit(data, callbacks=list(callbacks), verbose=0, **arguments)

    return fit


@pytest.mark.parametrize(
    "callback",
    [
        EarlyStopping(),
        EarlyStopping("generater_loss", mode="min"),
        ReduceLROnPlateau(),
        ModelCheckpoint("a.keras", save_best_only=True),
        ModelCheckpoint("a-{val_loss:.2f}.keras"),
        EarlyStopping("real_output", mode="max"),  # its objective gives a score
    ],
)
def test_what_waits_for_what_is_not_logged_is_refused(model, fit, callback):
    before = int(model.step)
    with pytest.raises(ValueError, match="which is not logged; give it one of .*generator_loss"):
        fit(callback)
    assert int(model.step) == before


@pytest.mark.parametrize(
    "callback",
    [
        EarlyStopping("val_frechet_distance", mode="min"),
        ModelCheckpoint("{epoch}-{val_kernel_distance:.2f}.keras"),
    ],
)
def test_what_waits_for_a_measure_needs_data_to_validate_on(fit, callback, tmp_path):
    if isinstance(callback, ModelCheckpoint):
        callback.filepath = str(tmp_path / callback.filepath)
    with pytest.raises(ValueError, match="is not logged; give it validation_data"):
        fit(callback)
    fit(callback, validation_data=ramp_images(4))
    assert len(list(tmp_path.iterdir())) == isinstance(callback, ModelCheckpoint)


@pytest.mark.parametrize("kind", [EarlyStopping, ReduceLROnPlateau, ModelCheckpoint])
def test_keras_guesses_no_direction(fit, kind, tmp_path):
    file = (tmp_path / "a.keras",) if kind is ModelCheckpoint else ()
    with pytest.raises(ValueError, match="whether less or more of 'generator_loss' is better"):
        fit(kind(*file, monitor="generator_loss"))
    fit(kind(*file, monitor="generator_loss", mode="min"))


def test_measures_of_several_logs_may_be_watched(fit, model):
    images = keras.Input((28, 28, 1))
    pixels = keras.Model(images, keras.layers.Flatten()(images))
    model.set_quality_measures([metrics.PrecisionRecall(pixels, np.int64(1), np.int64(4))])
    stopping = EarlyStopping("val_recall", mode="max")
    try:
        recalls = fit(stopping, validation_data=ramp_images(4)).history["val_recall"]
        assert [stopping.best] == recalls
    finally:
        model.set_quality_measures(CASE.quality_measures())


def test_checkpoints_in_the_old_format_are_refused(fit):
    with pytest.raises(ValueError, match=r"as \.weights\.h5; .*Received: filepath='a\.h5'"):
        fit(ModelCheckpoint("a.h5"))


def test_logs_that_other_callbacks_add_may_be_watched(fit):
    class Adds(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["own"] = 1.0

    stopping = EarlyStopping("own", mode="min", patience=1)
    with pytest.raises(ValueError, match="waits for 'own'"):
        fit(stopping)
    assert len(fit(Adds(), stopping, epochs=3).history["own"]) == 2


class Logs(keras.callbacks.Callback):
    """Logs these values as `val_own`, and keeps the weights of each epoch."""

    def __init__(self, *values: float):
        super().__init__()
        self.values, self.weights = values, []

    def on_epoch_end(self, epoch, logs=None):
        logs["val_own"] = self.values[epoch]
        self.weights.append(self.model.get_weights())


def assert_weights(model, expected) -> None:
    for weight, value in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(weight, value)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_nan_is_worse_than_a_number_and_said_once(fit, model, mode, tmp_path):
    logs = Logs(np.nan, 2.0, np.nan, np.nan)
    stopping = EarlyStopping("val_own", mode=mode, patience=9, restore_best_weights=True)
    file = str(tmp_path / "{epoch}.weights.h5")
    keeping = ModelCheckpoint(
        file, "val_own", save_best_only=True, save_weights_only=True, mode=mode
    )
    with pytest.warns(UserWarning, match="val_own is NaN after epoch 1") as warned:
        fit(logs, stopping, keeping, epochs=4)
    assert len([each for each in warned if "NaN" in str(each.message)]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["2.weights.h5"]
    assert (stopping.best, stopping.best_epoch) == (2.0, 1)
    assert_weights(model, logs.weights[1])


def test_nothing_but_nan_stops_a_run_and_brings_no_weights_back(fit, model):
    logs = Logs(np.nan, np.nan, np.nan, np.nan)
    stopping = EarlyStopping("val_own", mode="min", patience=2, restore_best_weights=True)
    with pytest.warns(UserWarning, match="is NaN after epoch 1"):
        fit(logs, stopping, epochs=4)
    assert len(logs.weights) == 2
    assert_weights(model, logs.weights[-1])


def test_rates_that_a_callback_sets_may_be_watched(fit):
    constant = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate)
    stopping = EarlyStopping("generator_learning_rate", mode="min")
    rates = fit(constant, stopping).history["generator_learning_rate"]
    assert [stopping.best] == rates == pytest.approx([1e-3])
