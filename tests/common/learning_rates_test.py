"""Callbacks that know one learning rate change that of every player."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.case import ramp_images
from tests.cases.vanilla_gan import CASE

OWN = {"generator": 1e-3, "discriminator": 4e-3}


def build(**arguments):
    model = CASE.build()
    optimizers = {f"{player}_optimizer": keras.optimizers.SGD(OWN[player]) for player in OWN}
    model.compile(run_eagerly=True, **(optimizers | arguments))
    return model


def history_of(model, *callbacks, epochs=3) -> dict[str, list[float]]:
    data = tf.data.Dataset.from_tensors(ramp_images(4))
    return model.fit(data, epochs=epochs, callbacks=list(callbacks), verbose=0).history


def rates(model) -> list[float]:
    return [float(model.optimizers[player].learning_rate) for player in OWN]


def test_the_rate_of_all_is_scaled_by_one_factor():
    model = build()
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3)
    model.optimizer.learning_rate = 5e-4
    assert rates(model) == pytest.approx([5e-4, 2e-3])
    model.optimizer.learning_rate.assign(1e-3)
    assert rates(model) == pytest.approx([1e-3, 4e-3])
    model.discriminator_optimizer.learning_rate = 1e-3
    model.optimizer.learning_rate = 2e-3
    assert rates(model) == pytest.approx([2e-3, 2e-3])


def test_to_set_the_same_rate_changes_nothing():
    model = build()
    before = rates(model)
    for _ in range(100):
        model.optimizer.learning_rate = 1e-3
    assert rates(model) == before


def test_a_warm_up_may_begin_at_0():
    model = build()
    history = history_of(model, keras.callbacks.LearningRateScheduler(lambda epoch: epoch / 1e3))
    assert history["generator_learning_rate"] == pytest.approx([0, 1e-3, 2e-3])
    assert history["discriminator_learning_rate"] == pytest.approx([0, 4e-3, 8e-3])
    assert "discriminator_learning_rate" not in history_of(model, epochs=1)


def test_a_rate_compiled_at_0_gives_no_factor():
    model = build(generator_optimizer=keras.optimizers.SGD(0.0))
    with pytest.raises(ValueError, match="From a learning rate of 0.*Received: learning_rate=0.1"):
        model.optimizer.learning_rate = 0.1


def test_reduction_on_a_plateau_reduces_both():
    reduction = keras.callbacks.ReduceLROnPlateau(
        "generator_loss", factor=0.5, patience=1, min_delta=1e9, mode="min"
    )
    history = history_of(build(), reduction, epochs=4)
    ratio = np.divide(history["discriminator_learning_rate"], history["generator_learning_rate"])
    assert ratio == pytest.approx([4, 4, 4, 4])
    assert history["generator_learning_rate"][-1] < 1e-3


def test_a_callback_of_the_users_own_sets_both():
    def halve(epoch, logs):
        model.optimizer.learning_rate = model.optimizer.learning_rate / 2

    model = build()
    history = history_of(model, keras.callbacks.LambdaCallback(on_epoch_begin=halve), epochs=2)
    assert history["discriminator_learning_rate"] == pytest.approx([2e-3, 1e-3])


@pytest.mark.parametrize(
    "callback",
    [
        keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3),
        keras.callbacks.ReduceLROnPlateau("generator_loss", mode="min"),
    ],
)
def test_on_a_schedule_they_are_refused_before_the_first_step(callback):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    model = build(discriminator_optimizer=keras.optimizers.Adam(schedule))
    message = (
        f"discriminator follows a schedule, which {type(callback).__name__} can't set; compile "
        r"with a number, such as discriminator_optimizer=keras.optimizers.Adam\(0.1\)"
    )
    with pytest.raises(ValueError, match=message):
        history_of(model, callback)
    with pytest.raises(ValueError, match="discriminator follows a schedule, which a callback"):
        model.optimizer.learning_rate = 0.1
    assert int(model.step) == 0


def test_swapping_averaged_weights_is_refused_for_the_zoos_own():
    optimizer = keras.optimizers.SGD(0.1, use_ema=True)
    with pytest.raises(ValueError, match="average_decay=0.999"):
        history_of(build(generator_optimizer=optimizer), keras.callbacks.SwapEMAWeights())


def test_all_else_is_the_first_players():
    model = build()
    history_of(model, epochs=2)
    assert int(model.optimizer.iterations) == int(model.generator_optimizer.iterations) == 2
    assert not hasattr(model.optimizer, "no_such_thing")


def test_losses_are_scaled_in_half_precision_as_before():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = build()
    finally:
        keras.config.set_dtype_policy("float32")
    model.optimizer.learning_rate = 5e-4
    assert rates(model) == pytest.approx([5e-4, 2e-3])
