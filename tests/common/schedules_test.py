"""Schedules against the formulas of their papers, at many steps."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

from zoo.common import schedules

STEPS_PER_EPOCH = 7


def test_exponential_decay_follows_its_formula() -> None:
    schedule = schedules.exponential_decay(3e-4, 0.9, STEPS_PER_EPOCH)
    steps = np.arange(0, 100 * STEPS_PER_EPOCH, 5)
    expected = 3e-4 * 0.9 ** (steps / STEPS_PER_EPOCH)
    np.testing.assert_allclose([schedule(step) for step in steps], expected, rtol=1e-5)


def test_constant_then_linear_decay_follows_its_formula() -> None:
    schedule = schedules.ConstantThenLinearDecay(0.2, constant_steps=10, decay_steps=40)
    steps = np.arange(0, 100)
    expected = np.interp(steps, [0, 10, 50, 100], [0.2, 0.2, 0.0, 0.0])
    np.testing.assert_allclose([schedule(step) for step in steps], expected, atol=1e-8)


@pytest.mark.parametrize("epochs", [9, 10, 900])
def test_salimans_decay_follows_the_paper(epochs: int) -> None:
    schedule = schedules.salimans_decay(3e-4, epochs, STEPS_PER_EPOCH)
    epoch = np.linspace(0, epochs, 200)
    steps = np.round(epoch * STEPS_PER_EPOCH)
    expected = 3e-4 * np.minimum(3 - steps / STEPS_PER_EPOCH / (epochs / 3), 1)
    np.testing.assert_allclose([schedule(step) for step in steps], expected, atol=1e-9)


@pytest.mark.parametrize("epochs", [5, 200])
def test_cyclegan_decay_follows_the_paper(epochs: int) -> None:
    schedule = schedules.cyclegan_decay(2e-4, epochs, STEPS_PER_EPOCH)
    steps = np.arange(0, epochs * STEPS_PER_EPOCH + 1, 5)
    expected = 2e-4 * np.minimum(2 - 2 * steps / (epochs * STEPS_PER_EPOCH), 1)
    np.testing.assert_allclose([schedule(step) for step in steps], expected, atol=1e-9)


def test_linear_decay_falls_from_the_first_step() -> None:
    schedule = schedules.linear_decay(2.0, 4, 5)
    values = [float(schedule(step)) for step in (0, 5, 10, 20)]
    assert values == pytest.approx([2.0, 1.5, 1.0, 0.0])


@pytest.mark.parametrize(
    "decay", [schedules.salimans_decay, schedules.cyclegan_decay, schedules.linear_decay]
)
def test_decays_end_at_zero_and_never_go_below(decay: Callable) -> None:
    schedule = decay(1.0, 12, STEPS_PER_EPOCH)
    assert float(schedule(12 * STEPS_PER_EPOCH)) == pytest.approx(0.0, abs=1e-6)
    assert float(schedule(1000 * STEPS_PER_EPOCH)) == 0.0


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.exponential_decay(3e-4, 0.9, STEPS_PER_EPOCH),
        schedules.ConstantThenLinearDecay(0.2, 10, 40),
        schedules.salimans_decay(3e-4, 10, STEPS_PER_EPOCH),
        schedules.cyclegan_decay(2e-4, 10, STEPS_PER_EPOCH),
    ],
)
def test_config_round_trip(schedule: keras.optimizers.schedules.LearningRateSchedule) -> None:
    serialised = keras.saving.serialize_keras_object(schedule)
    restored = keras.saving.deserialize_keras_object(serialised)
    assert type(restored) is type(schedule)
    assert restored.get_config() == schedule.get_config()
    for step in range(0, 80, 3):
        assert float(restored(step)) == float(schedule(step))


def test_an_optimizer_follows_a_schedule_and_serialises_it() -> None:
    schedule = schedules.ConstantThenLinearDecay(0.5, constant_steps=1, decay_steps=2)
    optimizer = keras.optimizers.SGD(schedule)
    restored = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    weight = keras.Variable(0.0)
    restored.build([weight])
    for expected in (-0.5, -1.0, -1.25, -1.25, -1.25):
        restored.apply([np.float32(1.0)])
        assert float(weight) == expected


@pytest.mark.parametrize(
    ("make", "received"),
    [
        (lambda: schedules.exponential_decay(0.0, 0.9, 10), "`initial=0.0`"),
        (lambda: schedules.exponential_decay(0.1, 1.5, 10), "`factor_per_epoch=1.5`"),
        (lambda: schedules.exponential_decay(0.1, 0.0, 10), "`factor_per_epoch=0.0`"),
        (lambda: schedules.exponential_decay(0.1, 0.9, 0), "`steps_per_epoch=0`"),
        (
            lambda: schedules.ConstantThenLinearDecay(-1, 10, 10),
            "`initial_learning_rate=-1`",
        ),
        (lambda: schedules.ConstantThenLinearDecay(0.1, -1, 10), "`constant_steps=-1`"),
        (lambda: schedules.ConstantThenLinearDecay(0.1, 1, 0), "`decay_steps=0`"),
        (lambda: schedules.ConstantThenLinearDecay(float("nan"), 1, 1), "=nan`"),
        (lambda: schedules.salimans_decay(0.1, 0, 10), "`epochs=0`"),
        (lambda: schedules.cyclegan_decay(0.1, 10, -5), "`steps_per_epoch=-5`"),
    ],
)
def test_bad_arguments_are_named(make: Callable, received: str) -> None:
    with pytest.raises(ValueError, match=received):
        make()
