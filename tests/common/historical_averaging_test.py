"""Historical averaging on the game of its paper, and as the optimizer of a player."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.case import ramp_images, state_of
from tests.dense_gan import dense_gan
from zoo.common.historical_averaging import HistoricalAveraging
from zoo.common.schedules import ConstantThenLinearDecay

# === The game of the paper ===


def distance_from_equilibrium(weight: float, is_alternating: bool, rate=0.02, steps=20_000):
    """Plays (f(x) − 1)(y − 1), which x minimises and y maximises; returns how far (1, 1) is."""
    x, y = keras.Variable(-0.5), keras.Variable(0.3)
    x_player, y_player = (HistoricalAveraging(keras.optimizers.SGD(rate), weight) for _ in range(2))
    x_player.build([x])
    y_player.build([y])

    def value():
        f = tf.where(x.value < 0, x.value, x.value**2)
        return (f - 1.0) * (y.value - 1.0)

    @tf.function
    def play():
        for _ in tf.range(steps):
            with tf.GradientTape(persistent=True) as tape:
                loss = value()
            y_slope = tape.gradient(loss, y.value)
            x_player.apply([tape.gradient(loss, x.value)], [x])
            if is_alternating:
                with tf.GradientTape() as tape:
                    loss = value()
                y_slope = tape.gradient(loss, y.value)
            y_player.apply([-y_slope], [y])

    play()
    return np.hypot(float(x) - 1.0, float(y) - 1.0)


@pytest.mark.parametrize(
    ("weight", "is_alternating"),
    [
        (0.05, True),
        (0.1, False),
        pytest.param(0.05, False, marks=pytest.mark.slow),
        pytest.param(0.1, True, marks=pytest.mark.slow),
    ],
)
def test_the_game_ends_at_its_equilibrium(weight, is_alternating):
    assert distance_from_equilibrium(weight, is_alternating) < 0.002


def test_without_a_pull_the_game_does_not_end():
    assert distance_from_equilibrium(0.0, is_alternating=True) == pytest.approx(1.815, abs=0.1)
    # Players that move at once leave for infinity.
    assert not distance_from_equilibrium(0.0, is_alternating=False) < 10.0


@pytest.mark.slow
def test_a_pull_too_strong_slows_the_game_down():
    assert 0.05 < distance_from_equilibrium(1.0, is_alternating=True) < 0.2


# === The formula ===


def test_follows_the_formula_step_by_step():
    weights, gradients = np.array([1.0, -2.0]), np.array([[1.0, 0.5], [-1.0, 2.0], [0.3, 0.1]])
    variable = keras.Variable(weights)
    optimizer = HistoricalAveraging(keras.optimizers.SGD(0.1, momentum=0.5), weight=0.3)
    past, velocity = [], 0.0
    for gradient in gradients:
        past.append(weights)
        pulled = gradient + 2 * 0.3 * (weights - np.mean(past, axis=0))
        velocity = 0.5 * velocity - 0.1 * pulled
        weights = weights + velocity
        optimizer.apply_gradients([(tf.constant(gradient, tf.float32), variable)])
        np.testing.assert_allclose(variable, weights, rtol=1e-5)


def test_a_weight_of_0_is_the_inner_optimizer():
    plain, wrapped = (keras.Variable([1.0, -2.0]) for _ in range(2))
    adam = keras.optimizers.Adam(0.1)
    around_adam = HistoricalAveraging(keras.optimizers.Adam(0.1), weight=0.0)
    for number in range(3):
        adam.apply([plain - number], [plain])
        around_adam.apply([wrapped - number], [wrapped])
    np.testing.assert_array_equal(plain, wrapped)


def test_two_replicas_equal_one(two_replicas):
    def stepped(strategy):
        with strategy.scope():
            variable = keras.Variable([1.0, -2.0])
            optimizer = HistoricalAveraging(keras.optimizers.SGD(0.1), weight=0.5)
            optimizer.build([variable])

        def step():
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            optimizer.apply([(variable - 0.5) / replicas], [variable])

        run = tf.function(lambda: strategy.run(step))
        for _ in range(4):
            run()
        return [v.numpy() for v in (variable, *optimizer.variables)]

    one, two = stepped(tf.distribute.get_strategy()), stepped(two_replicas)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


# === As the optimizer of a player ===


def build(rate=1e-3):
    keras.utils.set_random_seed(4)
    model = dense_gan()
    optimizers = {
        f"{player}_optimizer": HistoricalAveraging(keras.optimizers.Adam(rate), 0.5)
        for player in model.players
    }
    model.compile(run_eagerly=True, **optimizers)
    return model


def train(model, epochs=2, **arguments):
    data = tf.data.Dataset.from_tensors(ramp_images(4))
    return model.fit(data, epochs=epochs, verbose=0, **arguments).history


@pytest.mark.slow
def test_a_resumed_run_is_the_unbroken_one(tmp_path):
    unbroken = build()
    train(unbroken)
    unbroken.save(tmp_path / "run.keras")
    unbroken.save_weights(tmp_path / "run.weights.h5")
    train(unbroken)
    from_weights = build()
    from_weights.load_weights(tmp_path / "run.weights.h5")
    from_keras = keras.saving.load_model(tmp_path / "run.keras")
    from_keras.run_eagerly = True
    for resumed in (from_weights, from_keras):
        assert resumed.generator_optimizer.weight == 0.5
        train(resumed)
        for a, b in zip(state_of(unbroken), state_of(resumed), strict=True):
            np.testing.assert_array_equal(a, b)


def test_callbacks_set_its_learning_rate():
    model = build(rate=4e-3)
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    history = train(model, callbacks=[halve])
    assert history["discriminator_learning_rate"] == pytest.approx([2e-3, 1e-3])
    assert float(model.generator_optimizer.inner_optimizer.learning_rate) == pytest.approx(1e-3)
    model.generator_optimizer.learning_rate = 1e-2
    assert float(model.generator_optimizer.inner_optimizer.learning_rate) == pytest.approx(1e-2)


def test_a_schedule_counts_the_steps_and_is_not_to_be_set():
    model = build(rate=ConstantThenLinearDecay(1.0, 0, 10))
    train(model)
    assert float(model.generator_optimizer.learning_rate) == pytest.approx(0.8)
    assert int(model.generator_optimizer.iterations) == 2
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    with pytest.raises(ValueError, match="generator_optimizer=keras.optimizers.Adam"):
        train(model, callbacks=[halve])


def test_half_precision_scales_the_loss_and_not_the_pull():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = build(rate=0.0)
    finally:
        keras.config.set_dtype_policy("float32")
    optimizer = model.discriminator_optimizer
    assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    # Adam's mean of the gradient, at a scale of 2 ** 15.
    variable = keras.Variable([1.0])
    scaled = keras.optimizers.LossScaleOptimizer(
        HistoricalAveraging(keras.optimizers.Adam(0.0), weight=0.5)
    )
    scaled.apply([tf.constant([3.0]) * 2.0**15], [variable])
    variable.assign([2.0])
    scaled.apply([tf.constant([3.0]) * 2.0**15], [variable])
    # The mean of 1 and 2 is 1.5: 3, then 3 + 2 · 0.5 · (2 − 1.5).
    moment = scaled.inner_optimizer.inner_optimizer._momentums[0]
    np.testing.assert_allclose(moment, [0.9 * 0.1 * 3.0 + 0.1 * 3.5], rtol=1e-5)
    before = state_of(model)
    train(model, epochs=8)
    assert any(not np.array_equal(a, b) for a, b in zip(before, state_of(model), strict=True))
    assert all(np.isfinite(value).all() for value in state_of(model))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HistoricalAveraging("adam"), "Received: inner_optimizer='adam'"),
        (
            lambda: HistoricalAveraging(
                keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())
            ),
            "wrap HistoricalAveraging in LossScaleOptimizer",
        ),
        (
            lambda: HistoricalAveraging(keras.optimizers.Adam(), weight=-1.0),
            "`weight` must be 0 or more. Received: weight=-1.0",
        ),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
