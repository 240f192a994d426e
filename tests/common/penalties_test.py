"""The gradient penalties: values by hand, their own gradients, and small games under them."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from scipy import stats

from tests.case import ramp_images
from zoo.common import objectives
from zoo.common.penalties import (
    every_nth_step,
    images_around,
    images_between,
    one_centred_gradient_penalty,
    zero_centred_gradient_penalty,
)


def discriminator_of(function, image_shape) -> keras.Model:
    """A network without weights whose logit is the sum of `function(image)`."""
    images = keras.Input(image_shape)
    logits = layers.Lambda(
        lambda x: tf.reduce_sum(function(x), axis=(1, 2, 3))[:, tf.newaxis], output_shape=(1,)
    )(images)
    return keras.Model(images, logits)


def test_penalty_of_a_linear_discriminator_is_its_squared_norm():
    discriminator = discriminator_of(lambda x: 2.0 * x, (2, 2, 1))
    penalty = zero_centred_gradient_penalty(discriminator, tf.constant(ramp_images(3, (2, 2, 1))))
    assert float(penalty) == 4 * 2.0**2


def test_penalty_of_a_quadratic_discriminator_is_the_mean_over_the_images():
    images = ramp_images(3, (2, 3, 2))
    factors = ramp_images(1, (2, 3, 2))
    discriminator = discriminator_of(lambda x: factors * x**2, (2, 3, 2))
    expected = np.mean([np.sum((2 * factors * image) ** 2) for image in images])
    assert float(
        zero_centred_gradient_penalty(discriminator, tf.constant(images))
    ) == pytest.approx(expected, rel=1e-6)


def test_logits_of_patches_are_added_up():
    images = keras.Input((4, 4, 1))
    patches = layers.AveragePooling2D(2)(images)
    # The logits sum to a quarter of every pixel.
    penalty = zero_centred_gradient_penalty(
        keras.Model(images, patches), tf.constant(ramp_images(2, (4, 4, 1)))
    )
    assert float(penalty) == pytest.approx(16 * 0.25**2)


def smooth_discriminator() -> keras.Model:
    keras.utils.set_random_seed(3)
    images = keras.Input((6, 6, 2))
    x = layers.Conv2D(3, 3, 2, activation="softplus")(images)
    x = layers.Conv2D(2, 2, activation="tanh")(x)
    return keras.Model(images, layers.Dense(1)(layers.Flatten()(x)))


def test_penalty_of_a_batch_is_the_mean_of_those_of_its_images():
    discriminator, images = smooth_discriminator(), tf.constant(ramp_images(3, (6, 6, 2)))
    alone = [
        float(zero_centred_gradient_penalty(discriminator, images[i : i + 1])) for i in range(3)
    ]
    assert len(set(alone)) == 3
    assert float(zero_centred_gradient_penalty(discriminator, images)) == pytest.approx(
        np.mean(alone)
    )


PENALTIES = {
    "R1": zero_centred_gradient_penalty,
    "WGAN-GP": lambda critic, images: one_centred_gradient_penalty(
        critic, images_between(images, images[::-1], (1, 2))
    ),
    "DRAGAN": lambda discriminator, images: one_centred_gradient_penalty(
        discriminator, images_around(images, (1, 2))
    ),
}


@pytest.mark.parametrize("penalty_of", PENALTIES.values(), ids=PENALTIES)
def test_gradient_with_respect_to_the_weights_agrees_with_finite_differences(penalty_of):
    discriminator, images = smooth_discriminator(), tf.constant(ramp_images(3, (6, 6, 2)))
    weights = discriminator.trainable_variables
    with tf.GradientTape() as tape:
        penalty = penalty_of(discriminator, images)
    gradients = tape.gradient(penalty, [w.value for w in weights])
    random = np.random.default_rng(0)
    directions = [random.normal(size=w.shape).astype("float32") for w in weights]
    # The last bias moves no gradient of the logit.
    assert gradients[-1] is None or float(gradients[-1][0]) == 0
    slope = sum(
        float(tf.reduce_sum(gradient * direction))
        for gradient, direction in zip(gradients[:-1], directions[:-1], strict=True)
    )
    step = 1e-3
    values = []
    for sign in (1, -1):
        for weight, direction in zip(weights, directions, strict=True):
            weight.assign_add(sign * step * direction)
        values.append(float(penalty_of(discriminator, images)))
        for weight, direction in zip(weights, directions, strict=True):
            weight.assign_sub(sign * step * direction)
    assert abs(slope) > 0.1
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(slope, rel=5e-3)


def test_penalty_of_a_slope_is_what_it_lacks_to_1():
    # The slope of 2 · sum in four dimensions is 2 · √4, that of 0.25 · sum 0.5.
    images = tf.constant(ramp_images(3, (2, 2, 1)))
    for factor, expected in ((2.0, 9.0), (0.8, 0.36), (0.5, 0.0), (0.25, 0.25)):
        critic = discriminator_of(lambda x, factor=factor: factor * x, (2, 2, 1))
        penalty = one_centred_gradient_penalty(critic, images)
        assert float(penalty) == pytest.approx(expected, abs=1e-6)


def test_a_flat_critic_has_a_finite_gradient():
    images = keras.Input((2, 2, 1))
    dense = layers.Dense(1, kernel_initializer="zeros")
    critic = keras.Model(images, dense(layers.Flatten()(images)))
    with tf.GradientTape() as tape:
        penalty = one_centred_gradient_penalty(critic, tf.ones((3, 2, 2, 1)))
    assert float(penalty) == pytest.approx(1.0, abs=1e-5)
    gradient = tape.gradient(penalty, dense.kernel.value)
    assert np.isfinite(gradient.numpy()).all()


@pytest.mark.parametrize("penalty_of", PENALTIES.values(), ids=PENALTIES)
def test_gradients_reach_the_images_as_differences_say(penalty_of):
    images = tf.constant(ramp_images(3, (6, 6, 2)))
    discriminator = smooth_discriminator()
    with tf.GradientTape() as tape:
        tape.watch(images)
        penalty = penalty_of(discriminator, images)
    gradient = tape.gradient(penalty, images).numpy()
    step = 0.01 * gradient / np.linalg.norm(gradient)
    up, down = (float(penalty_of(discriminator, images + sign * step)) for sign in (1, -1))
    assert (up - down) / 0.02 == pytest.approx(np.linalg.norm(gradient), rel=0.05)


@pytest.mark.parametrize("penalty_of", PENALTIES.values(), ids=PENALTIES)
def test_points_of_the_plane_have_penalties_too(penalty_of):
    points = keras.Input((2,))
    dense = layers.Dense(1)
    discriminator = keras.Model(points, dense(points))
    dense.kernel.assign([[3.0], [4.0]])
    penalty = float(penalty_of(discriminator, tf.constant(ramp_images(5, (2,)))))
    assert penalty == pytest.approx(25 if penalty_of is zero_centred_gradient_penalty else 16)


# === Images between and around ===


def test_each_pair_has_one_place_of_its_own_anywhere_between():
    ones = tf.ones((2000, 2, 2, 1))
    points = images_between(-ones, ones, (3, 4)).numpy()
    np.testing.assert_array_equal(points, np.broadcast_to(points[:, :1, :1], points.shape))
    places = (points[:, 0, 0, 0] + 1) / 2
    assert stats.kstest(places, stats.uniform().cdf).pvalue > 0.01
    assert not np.array_equal(points, images_between(-ones, ones, (3, 5)))


def test_images_around_are_off_by_up_to_half_the_deviation_of_all_pixels():
    # Each image is of one grey, so only the batch as a whole deviates: by 0.6.
    greys = np.where(np.arange(1000) % 2, 0.6, -0.6)
    images = np.broadcast_to(greys[:, None, None, None], (1000, 20, 20, 1)).astype("float32")
    noise = (images_around(tf.constant(images), (3, 4)).numpy() - images) / 0.3
    assert -1e-6 <= noise.min() < noise.max() <= 1 + 1e-6  # up alone: not centred
    # The share of each image, α: of 400 pixels the largest u is all but 1.
    shares = noise.max(axis=(1, 2, 3))
    assert stats.kstest(shares, stats.uniform().cdf).pvalue > 0.01
    # Within each image the pixels are spread evenly from 0 to α.
    within = noise / shares[:, None, None, None]
    np.testing.assert_allclose(within.mean(axis=(1, 2, 3)), 0.5, atol=0.08)
    assert stats.kstest(within[::50].ravel(), stats.uniform().cdf).pvalue > 0.01
    assert abs(np.corrcoef(noise[:, 0, 0, 0] / shares, shares)[0, 1]) < 0.1


def test_two_replicas_draw_the_points_that_one_does(two_replicas):
    images = ramp_images(8, (3, 3, 2))

    def points(strategy):
        num_replicas = strategy.num_replicas_in_sync

        def share(context):
            return tf.constant(np.split(images, num_replicas)[context.replica_id_in_sync_group])

        def draw(share):
            return images_between(share, -share, (1, 2)), images_around(share, (3, 4))

        shares = strategy.experimental_distribute_values_from_function(share)
        drawn = tf.function(lambda: strategy.run(draw, args=(shares,)), autograph=False)()
        return [np.concatenate(strategy.experimental_local_results(each)) for each in drawn]

    one, two = points(tf.distribute.OneDeviceStrategy("CPU:0")), points(two_replicas)
    for of_one, of_two in zip(one, two, strict=True):
        np.testing.assert_allclose(of_two, of_one, atol=1e-6)
        assert not np.allclose(of_two[:4], of_two[4:], atol=0.1)


# === Every n-th step ===


def test_every_nth_step_is_n_times_as_strong_and_none_between():
    calls = []

    def penalty():
        calls.append(None)
        return tf.constant(0.5)

    given = [float(every_nth_step(penalty, tf.constant(step), 3)) for step in range(7)]
    assert given == [1.5, 0, 0, 1.5, 0, 0, 1.5]
    assert len(calls) == 3
    assert [float(every_nth_step(penalty, tf.constant(step), 1)) for step in range(3)] == [0.5] * 3


# === One number against one number ===


@dataclasses.dataclass(frozen=True)
class DiracGame:
    """The smallest game: the real image is 0, the generated one θ, and D(x) = ψx.

    Reference: [Mescheder et al., 2018](https://arxiv.org/abs/1801.04406), section 2.
    """

    objective: str
    penalty: Callable = lambda discriminator, real, generated: 0.0

    def pull(self, theta: tf.Tensor, psi: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Where either player goes: down the slope of its own loss."""
        objective = objectives.get(self.objective)
        real = tf.zeros((1, 1))
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([theta, psi])
            generated = tf.reshape(theta, (1, 1))

            def discriminator(images, training=True):
                return psi * images

            logits = discriminator(real), discriminator(generated)
            discriminator_loss = objective.discriminator_loss(*logits)
            penalized_loss = discriminator_loss + self.penalty(discriminator, real, generated)
            generator_loss = objective.generator_loss(logits[1], logits[0])
        return -tape.gradient(generator_loss, theta), -tape.gradient(penalized_loss, psi)

    def distance_after(self, steps: int, alternating: bool, rate: float = 0.2) -> float:
        """How far from the solution, (0, 0), gradient descent is that began at (1, −1)."""

        def step(number, theta, psi):
            theta_pull, psi_pull = self.pull(theta, psi)
            theta = theta + rate * theta_pull
            if alternating:
                psi_pull = self.pull(theta, psi)[1]
            return number + 1, theta, psi + rate * psi_pull

        def play():
            start = (0, tf.constant(1.0), tf.constant(-1.0))
            return tf.while_loop(lambda number, *_: number < steps, step, start)[1:]

        return float(tf.norm(tf.function(play, autograph=False)()))

    def eigenvalues(self) -> np.ndarray:
        """Those of the Jacobian of the pulls at the solution."""
        shift = 1e-2
        columns = [
            np.subtract(self.pull(*tf.constant(at)), self.pull(*tf.constant(-at))) / (2 * shift)
            for at in shift * np.eye(2, dtype="float32")
        ]
        return in_order(np.linalg.eigvals(np.transpose(columns)))


def in_order(eigenvalues) -> np.ndarray:
    # Rounded, so that those of a conjugate pair have the same real part.
    return np.sort_complex(np.round(eigenvalues, 4))


def r1(gamma):
    return lambda discriminator, real, generated: (
        gamma / 2 * zero_centred_gradient_penalty(discriminator, real)
    )


def r2(gamma):
    return lambda discriminator, real, generated: (
        gamma / 2 * zero_centred_gradient_penalty(discriminator, generated)
    )


def both(gamma):
    return lambda *arguments: r1(gamma)(*arguments) + r2(gamma)(*arguments)


@pytest.mark.parametrize(
    ("objective", "alternating", "distance"),
    [
        ("minimax", False, 3.10),
        ("minimax", True, 1.42),
        ("non_saturating", False, 0.64),
        ("non_saturating", True, 0.28),
    ],
)
def test_without_a_penalty_the_players_circle(objective, alternating, distance):
    game = DiracGame(objective)
    assert game.distance_after(500, alternating) == pytest.approx(distance, abs=0.01)


@pytest.mark.parametrize(
    ("objective", "penalty"),
    [
        ("minimax", r1(0.3)),
        ("wasserstein", r2(0.3)),
        ("relativistic", both(0.15)),
    ],
    ids=["minimax with R1", "wasserstein with R2", "relativistic with both"],
)
def test_zero_centred_penalties_bring_them_home(objective, penalty):
    assert DiracGame(objective, penalty).distance_after(500, alternating=True) < 1e-5


def between(discriminator, real, generated):
    images = images_between(real, generated, (1, 2))
    return 0.1 * one_centred_gradient_penalty(discriminator, images)


def around(discriminator, real, generated):
    images = images_around(real, (1, 2))
    return 0.1 * one_centred_gradient_penalty(discriminator, images)


@pytest.mark.parametrize(
    ("objective", "penalty"), [("wasserstein", between), ("non_saturating", around)]
)
def test_one_centred_penalties_do_not(objective, penalty):
    assert DiracGame(objective, penalty).distance_after(500, alternating=True) > 0.8


@pytest.mark.parametrize(
    ("penalty", "gamma"),
    [(r1(0.0), 0.0), (r1(0.3), 0.3), (r2(0.3), 0.3), (both(0.3), 0.6), (r1(2.0), 2.0)],
    ids=["none", "R1", "R2", "both", "strong"],
)
def test_eigenvalues_at_the_solution_are_the_papers(penalty, gamma):
    # f′(0) = ½ of f(t) = −log(1 + e^(−t)).
    root = np.emath.sqrt(gamma**2 / 4 - 1 / 4)
    expected = in_order([-gamma / 2 - root, -gamma / 2 + root])
    np.testing.assert_allclose(DiracGame("minimax", penalty).eigenvalues(), expected, atol=1e-3)


# === Two points ===


@pytest.mark.parametrize("distance", [0.5, 2.0])
def test_a_penalized_critic_tells_how_far_two_points_are_apart(distance):
    psi, weight = tf.Variable(-0.1), 10.0
    real, generated = tf.zeros((4, 1)), tf.fill((4, 1), distance)

    def critic(images, training=True):
        return psi * images

    for step in range(15):
        images = images_between(real, generated, (1, step))
        with tf.GradientTape() as tape:
            critic_loss = objectives.get("wasserstein").discriminator_loss(
                critic(real), critic(generated)
            )
            loss = critic_loss + weight * one_centred_gradient_penalty(critic, images)
        psi.assign_sub(0.04 * tape.gradient(loss, psi))
    # ψ·d + λ(|ψ| − 1)² is least at |ψ| = 1 + d/2λ; without the penalty it had no end.
    slope = 1 + distance / (2 * weight)
    assert float(psi) == pytest.approx(-slope, rel=1e-4)
    assert -float(critic_loss) == pytest.approx(distance * slope, rel=1e-4)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("penalty", [zero_centred_gradient_penalty, one_centred_gradient_penalty])
def test_in_half_precision_it_is_nearly_the_same_and_so_is_its_own_gradient(penalty, policy):
    """The penalty of a network of the same weights, whose layers compute in 16 bits."""

    def network() -> keras.Model:
        images = keras.Input((8, 8, 1))
        x = layers.Conv2D(8, 3, 2, activation="leaky_relu")(images)
        x = layers.Dense(16, activation="softplus")(layers.Flatten()(x))
        return keras.Model(images, layers.Dense(1, dtype="float32")(x))

    full = network()
    keras.config.set_dtype_policy(policy)
    try:
        half = network()
    finally:
        keras.config.set_dtype_policy("float32")
    half.set_weights(full.get_weights())
    images = tf.constant(ramp_images(4, (8, 8, 1)))

    def found(discriminator: keras.Model) -> tuple[float, np.ndarray]:
        with tf.GradientTape() as tape:
            value = penalty(discriminator, images)
        assert value.dtype == tf.float32
        # Biases of the last layer are no part of a slope.
        slopes = tape.gradient(value, discriminator.trainable_variables[:-1])
        return float(value), np.concatenate([np.ravel(slope) for slope in slopes])

    (value, slope), (of_half, slope_of_half) = found(full), found(half)
    assert of_half == pytest.approx(value, rel=0.03)
    assert np.isfinite(slope_of_half).all()
    difference = np.linalg.norm(slope_of_half - slope) / np.linalg.norm(slope)
    assert difference < 0.05
