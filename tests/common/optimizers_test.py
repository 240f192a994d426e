"""Adam as one operation a variable, and Adam with its ε inside the root."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.runs.small_game import images_from, make_game
from zoo.common.optimizers import FusedAdam, RootEpsilonAdam


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


@pytest.mark.parametrize(
    "options", [{}, {"amsgrad": True}, {"weight_decay": 0.1}, {"clipnorm": 0.5}, {"use_ema": True}]
)
def test_fused_steps_are_keras_s(options):
    gradients = [0.3, -1e-3, 2.0, 1e-6, -0.1]
    ours = steps_of(FusedAdam(0.01, beta_1=0.5, **options), gradients)
    keras_s = steps_of(keras.optimizers.Adam(0.01, beta_1=0.5, **options), gradients)
    np.testing.assert_allclose(ours, keras_s, rtol=1e-4)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_fused_step_is_one_operation_a_variable(jit_compile):
    weights = [keras.Variable(np.full((3, 2), 0.5)), keras.Variable(np.full(2, 0.5))]
    optimizer, other = FusedAdam(0.01), keras.optimizers.Adam(0.01)
    copies = [keras.Variable(weight) for weight in weights]
    optimizer.build(weights)
    other.build(copies)
    step = tf.function(lambda *g: optimizer.apply(g, weights), jit_compile=jit_compile)
    gradients = [tf.random.stateless_normal(weight.shape, (1, 2)) for weight in weights]
    for _ in range(3):
        step(*gradients)
        other.apply(gradients, copies)
    for ours, keras_s in zip(optimizer.variables, other.variables, strict=True):
        # A checkpoint of either is one of the other; 1 − 0.999 is rounded otherwise.
        np.testing.assert_allclose(ours, keras_s, rtol=3e-5)
    kinds = [node.type for node in step.get_concrete_function(*gradients).graph.get_operations()]
    assert kinds.count("ResourceApplyAdam") == 2 and len(kinds) < 60


def test_fused_steps_under_replicas_take_the_sum_of_gradients(two_replicas):
    with two_replicas.scope():
        weight, optimizer = keras.Variable(0.0), FusedAdam(0.01)
        optimizer.build([weight])

    @tf.function
    def step():
        def on_a_replica():
            optimizer.apply([tf.constant(0.25)], [weight])

        two_replicas.run(on_a_replica)

    step()
    step()
    np.testing.assert_allclose(-float(weight.numpy()), 0.02, rtol=1e-3)
    total = 0.25 * two_replicas.num_replicas_in_sync
    mean = optimizer._momentums[0].numpy()
    np.testing.assert_allclose(mean, total * (1 - 0.9**2), rtol=1e-5)


def test_ten_fused_steps_of_a_game_are_those_of_keras_s_adam():
    def weights_after_ten_steps(adam: type[keras.optimizers.Adam]) -> list[np.ndarray]:
        model = make_game()
        model.compile(
            generator_optimizer=adam(2e-4, beta_1=0.5),
            discriminator_optimizer=adam(2e-4, beta_1=0.5),
        )
        model.fit(images_from(0), steps_per_epoch=10, verbose=0)
        return model.get_weights()

    begun = make_game().get_weights()
    ours, keras_s = map(weights_after_ten_steps, (FusedAdam, keras.optimizers.Adam))
    assert max(np.abs(now - before).max() for now, before in zip(ours, begun, strict=True)) > 1e-3
    for one, other in zip(ours, keras_s, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
