"""Steps on tensors: they are the optimizer's own, they change nothing, and gradients flow."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.common.constraints import WeightClipping
from zoo.common.historical_averaging import HistoricalAveraging
from zoo.common.unrolling import LookAhead, gradients_ahead

OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.3),
    "momentum": lambda: keras.optimizers.SGD(0.3, momentum=0.9),
    "nesterov": lambda: keras.optimizers.SGD(0.3, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(0.05, beta_1=0.5),
    "schedule": lambda: keras.optimizers.Adam(
        keras.optimizers.schedules.PiecewiseConstantDecay([2], [0.01, 0.05])
    ),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.05)),
}


def variables() -> list[keras.Variable]:
    return [keras.Variable([[0.5, -2.0]]), keras.Variable([1.5])]


def gradients_at(weights, scale=1.0) -> list[tf.Tensor]:
    """The gradients of a curved function of all weights, part of which `scale` multiplies."""
    with tf.GradientTape() as tape:
        tape.watch(weights)
        product = tf.reduce_sum(weights[0]) * weights[1][0]
        loss = tf.reduce_sum(tf.square(weights[0])) + scale * tf.sin(product)
    return tape.gradient(loss, weights)


def apply(optimizer, weights, steps: int) -> None:
    for _ in range(steps):
        factor = optimizer.scale_loss(1.0)
        gradients = [factor * each for each in gradients_at([w.value for w in weights])]
        optimizer.apply_gradients(zip(gradients, weights, strict=True))


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_steps_are_those_that_the_optimizer_takes_next(make):
    optimizer, weights = make(), variables()
    optimizer.build(weights)
    apply(optimizer, weights, steps=3)  # moments of its own
    state = [v.numpy() for v in (*weights, *optimizer.variables)]

    ahead, steps = [tf.convert_to_tensor(w.value) for w in weights], LookAhead(optimizer)
    for _ in range(4):
        ahead = steps.take(ahead, gradients_at(ahead))
    for before, variable in zip(state, (*weights, *optimizer.variables), strict=True):
        np.testing.assert_array_equal(before, variable.numpy())

    apply(optimizer, weights, steps=4)
    for looked, taken in zip(ahead, weights, strict=True):
        np.testing.assert_allclose(looked, taken.numpy(), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_what_was_frozen_since_has_no_part(name):
    """Moments are the variable's own, though it is not the first of the optimizer any more."""
    optimizer, weights = OPTIMIZERS[name](), variables()
    optimizer.build(weights)
    apply(optimizer, weights, steps=3)
    first, last = (weight.value for weight in weights)
    steps, ahead = LookAhead(optimizer, weights[1:]), [tf.convert_to_tensor(last)]
    ahead = steps.take(ahead, gradients_at([first, last])[1:])
    apply(optimizer, weights, steps=1)
    np.testing.assert_allclose(ahead[0], weights[1].numpy(), rtol=2e-5)


def test_a_weight_on_which_the_loss_does_not_depend_stands_still():
    optimizer, weights = keras.optimizers.Adam(), variables()
    optimizer.build(weights)
    ahead = [tf.convert_to_tensor(weight.value) for weight in weights]
    with tf.GradientTape() as tape:
        tape.watch(ahead)
        loss = tf.reduce_sum(ahead[0])
    gradients = gradients_ahead(tape, loss, ahead, optimizer)
    _, still = LookAhead(optimizer).take(ahead, gradients)
    np.testing.assert_array_equal(still, weights[1].numpy())


def test_constraints_hold_after_each_step_ahead():
    optimizer, weights = keras.optimizers.SGD(0.1), variables()
    for weight in weights:
        weight.constraint = WeightClipping(0.2)
    optimizer.build(weights)
    ahead, steps = [tf.convert_to_tensor(w.value) for w in weights], LookAhead(optimizer)
    for _ in range(3):
        ahead = steps.take(ahead, gradients_at(ahead))
    apply(optimizer, weights, steps=3)
    assert max(np.abs(weight.numpy()).max() for weight in weights) == pytest.approx(0.2)
    for looked, taken in zip(ahead, weights, strict=True):
        np.testing.assert_allclose(looked, taken.numpy(), rtol=1e-5)


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_gradients_flow_through_the_steps(name):
    """Of the last weights with respect to what the gradients hang on, against differences."""
    optimizer, weights = OPTIMIZERS[name](), variables()
    optimizer.build(weights)
    apply(optimizer, weights, steps=3)

    def last(scale: tf.Tensor) -> tf.Tensor:
        ahead, steps = [tf.convert_to_tensor(w.value) for w in weights], LookAhead(optimizer)
        for _ in range(3):
            ahead = steps.take(ahead, gradients_at(ahead, scale))
        return tf.reduce_sum(ahead[0])

    scale = tf.constant(1.0)
    with tf.GradientTape() as tape:
        tape.watch(scale)
        result = last(scale)
    slope = (last(tf.constant(1.05)) - last(tf.constant(0.95))) / 0.1
    assert abs(float(slope)) > 1e-3
    assert float(tape.gradient(result, scale)) == pytest.approx(float(slope), rel=0.02)


def test_a_unit_that_is_off_leaves_adam_s_gradient_finite():
    optimizer, weights = keras.optimizers.Adam(0.1), [keras.Variable([0.0, 1.0])]
    optimizer.build(weights)
    scale = tf.constant(1.0)
    with tf.GradientTape() as tape:
        tape.watch(scale)
        steps = LookAhead(optimizer)
        (ahead,) = steps.take([weights[0].value], [scale * tf.constant([0.0, 2.0])])
        result = tf.reduce_sum(ahead)
    assert np.isfinite(tape.gradient(result, scale))


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (keras.optimizers.RMSprop(), "SGD or Adam. Received: RMSprop"),
        (keras.optimizers.AdamW(), "SGD or Adam. Received: AdamW"),
        (keras.optimizers.Adam(amsgrad=True), "know no amsgrad; .* amsgrad=True"),
        (keras.optimizers.SGD(clipnorm=1.0), "know no clipnorm; .* clipnorm=1.0"),
        (keras.optimizers.SGD(use_ema=True, ema_overwrite_frequency=2), "know no ema_overwrite"),
        (
            HistoricalAveraging(keras.optimizers.Adam()),
            "SGD or Adam. Received: HistoricalAveraging",
        ),
    ],
)
def test_steps_that_would_be_others_are_refused(optimizer, message):
    with pytest.raises(ValueError, match=message):
        LookAhead(optimizer)


def test_gradients_that_half_precision_would_lose_survive_by_the_scale_of_the_loss():
    def gradient_by(optimizer) -> float:
        weights = [tf.constant([2.0])]
        with tf.GradientTape() as tape:
            tape.watch(weights)
            in_half = tf.cast(weights[0], tf.float16)
            loss = 1e-8 * tf.reduce_sum(tf.cast(in_half * in_half, tf.float32))
        return float(gradients_ahead(tape, loss, weights, optimizer)[0][0])

    assert gradient_by(keras.optimizers.SGD(0.1)) == 0.0
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
    assert gradient_by(scaled) == pytest.approx(4e-8, rel=1e-3)


def test_gradients_that_overflow_at_the_scale_stand_still():
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=2.0**20)
    weights = [tf.constant([2.0]), tf.constant([1.0])]
    with tf.GradientTape() as tape:
        tape.watch(weights)
        loss = tf.reduce_sum(tf.cast(tf.cast(weights[0], tf.float16), tf.float32) + weights[1])
    for gradient in gradients_ahead(tape, loss, weights, scaled):
        np.testing.assert_array_equal(gradient, [0.0])
