"""Adam with its ε inside the root."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.common.optimizers import RootEpsilonAdam


def steps_of(optimizer: keras.optimizers.Optimizer, gradients: list[float]) -> np.ndarray:
    """Returns what each gradient takes from a weight of 0, in turn."""
    weight = keras.Variable(0.0)
    values = [0.0]
    for gradient in gradients:
        optimizer.apply([tf.constant(gradient)], [weight])
        values.append(float(weight))
    return -np.diff(values)


@pytest.mark.parametrize("gradient", [1e-6, 1e-4, 1.0, -3.0])
def test_first_step_is_the_rate_times_g_over_the_root_of_g_squared_and_epsilon(gradient):
    (step,) = steps_of(RootEpsilonAdam(0.01), [gradient])
    assert step == pytest.approx(0.01 * gradient / np.sqrt(gradient**2 + 1e-8), rel=1e-4)


def test_steps_shrink_with_small_gradients_where_keras_s_keep_the_rate():
    (ours,) = steps_of(RootEpsilonAdam(0.01), [1e-5])
    (keras_s,) = steps_of(keras.optimizers.Adam(0.01), [1e-5])
    assert ours == pytest.approx(0.1 * 0.01, rel=0.01)
    assert keras_s > 0.7 * 0.01


def test_steps_follow_the_formula_of_the_authors():
    gradients, rate, beta_1, beta_2 = [3e-4, -1e-4, 2e-4, 5e-5], 3e-3, 0.5, 0.999
    expected, mean, squares = [], 0.0, 0.0
    for number, gradient in enumerate(gradients, start=1):
        mean = beta_1 * mean + (1 - beta_1) * gradient
        squares = beta_2 * squares + (1 - beta_2) * gradient**2
        root = np.sqrt(squares / (1 - beta_2**number) + 1e-8)
        expected.append(rate * mean / (1 - beta_1**number) / root)
    np.testing.assert_allclose(
        steps_of(RootEpsilonAdam(rate, beta_1=beta_1), gradients), expected, rtol=1e-3
    )


def test_equals_keras_s_where_epsilon_is_nothing():
    gradients = [0.3, -1.0, 2.0]
    ours = steps_of(RootEpsilonAdam(0.01, epsilon_root=1e-30), gradients)
    keras_s = steps_of(keras.optimizers.Adam(0.01, epsilon=1e-15), gradients)
    np.testing.assert_allclose(ours, keras_s, rtol=1e-4)


def test_is_rebuilt_from_its_config():
    optimizer = RootEpsilonAdam(0.02, beta_1=0.5, epsilon_root=1e-6, clipnorm=1.0)
    serialized = keras.optimizers.serialize(optimizer)
    assert keras.optimizers.deserialize(serialized).get_config() == optimizer.get_config()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"epsilon": 1e-7}, "takes `epsilon_root`, and no `epsilon`. Received: epsilon=1e-07"),
        ({"amsgrad": True}, "takes `epsilon_root`, and no `amsgrad`. Received: amsgrad=True"),
        ({"epsilon_root": 0.0}, "`epsilon_root` must be positive. Received: epsilon_root=0.0"),
        ({"epsilon_root": float("nan")}, "must be positive. Received: epsilon_root=nan"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        RootEpsilonAdam(**arguments)
