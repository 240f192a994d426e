"""Each cure of the mode lab seen to act, in numbers worked out by hand; and that it learns."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.case import ramp_images, state_of, trained_at_rates
from zoo.common.batch_layers import MinibatchDiscrimination


def sgd(generator_rate: float, discriminator_rate: float) -> dict[str, keras.optimizers.Optimizer]:
    return {
        "generator_optimizer": keras.optimizers.SGD(generator_rate),
        "discriminator_optimizer": keras.optimizers.SGD(discriminator_rate),
    }


def point_generator(point) -> keras.Model:
    """A generator of one point θ, whatever the latents."""
    latents = keras.Input((3,))
    bias = keras.initializers.Constant(point)
    return keras.Model(latents, layers.Dense(2, None, True, "zeros", bias)(latents))


def linear_discriminator(psi, packing: int = 1) -> keras.Model:
    """D(x) = ψ · x."""
    points = keras.Input((2 * packing,))
    kernel = keras.initializers.Constant(np.reshape(psi, (-1, 1)))
    return keras.Model(points, layers.Dense(1, None, False, kernel)(points))


def linear_model(theta, psi, rates=(0.0, 0.0), **arguments) -> zoo.ModeLabGAN:
    model = zoo.ModeLabGAN(
        latent_dim=3,
        generator=point_generator(theta),
        discriminator=linear_discriminator(psi, arguments.get("packing", 1)),
        **arguments,
    )
    model.compile(**sgd(*rates), objective="wasserstein", run_eagerly=True)
    return model


def theta_of(model) -> np.ndarray:
    return model.generator.layers[-1].bias.numpy()


def psi_of(model) -> np.ndarray:
    return model.discriminator.layers[-1].kernel.numpy()[:, 0]


def train(model, points, steps: int = 1) -> dict[str, float]:
    data = tf.data.Dataset.from_tensors(np.asarray(points, np.float32)).repeat(steps)
    history = model.fit(data, verbose=0).history
    return {name: values[-1] for name, values in history.items()}


# === Unrolling ===

THETA, PSI, RATE = np.array([0.7, -0.4]), np.array([0.3, 0.5]), 0.1


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_the_generator_s_gradient_passes_through_the_steps_that_it_looks_ahead(steps):
    """G minimises −ψ·θ where D minimises ψ·θ, so that ψ_K = ψ − Kηθ.

    The gradient is −ψ + 2Kηθ. Looking ahead without going back through the steps gives −ψ + Kηθ.
    """
    model = linear_model(THETA, PSI, rates=(1.0, RATE), unrolled_steps=steps)
    train(model, np.zeros((4, 2)))
    psi = PSI - RATE * THETA  # D's own step came before
    np.testing.assert_allclose(psi_of(model), psi, rtol=1e-6)
    gradient = THETA - theta_of(model)
    np.testing.assert_allclose(gradient, -psi + 2 * steps * RATE * THETA, rtol=1e-5)


def small_model(unrolled_steps: int, optimizer, noise: float = 0.0, **arguments) -> zoo.ModeLabGAN:
    keras.utils.set_random_seed(4)
    points = keras.Input((2,))
    x = layers.GaussianNoise(noise)(points) if noise else points
    x = layers.Dense(5, "tanh")(x)
    latents = keras.Input((3,))
    y = layers.Dense(4, "tanh")(latents)
    model = zoo.ModeLabGAN(
        latent_dim=3,
        unrolled_steps=unrolled_steps,
        generator=keras.Model(latents, layers.Dense(2)(y)),
        discriminator=keras.Model(points, layers.Dense(1)(x)),
        **arguments,
    )
    model.compile(
        generator_optimizer=keras.optimizers.SGD(1.0),
        discriminator_optimizer=optimizer,
        objective="minimax",
        run_eagerly=True,
    )
    return model


POINTS = 2.0 * ramp_images(6, (2,))


@pytest.mark.parametrize("penalty", [pytest.param("none", marks=pytest.mark.slow), "r1_r2"])
def test_the_gradient_is_the_slope_of_the_loss_after_real_steps(penalty):
    """Against differences: D trained for K more steps by Keras itself, then G's loss."""
    rate = 2.0
    model = small_model(3, keras.optimizers.SGD(rate), penalty=penalty, penalty_weight=0.1)
    before = [v.numpy() for v in model.trainable_variables_of("generator")]
    latents = model.draw_latents(len(POINTS))
    train(model, POINTS)
    weights = model.trainable_variables_of("generator")
    gradient = [a - v.numpy() for a, v in zip(before, weights, strict=True)]
    discriminator = model.discriminator
    start = discriminator.get_weights()

    def penalty_at(points) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(points)
            logits = discriminator(points)
        return tf.reduce_sum(tf.square(tape.gradient(logits, points))) / len(POINTS)

    def loss_after_steps(generator_weights) -> float:
        model.generator.set_weights(generator_weights)
        discriminator.set_weights(start)
        real, generated = tf.constant(POINTS), model.generator(latents)
        for _ in range(3):
            with tf.GradientTape() as tape:
                loss = model.objective.discriminator_loss(
                    discriminator(real), discriminator(generated)
                )
                if penalty != "none":
                    loss += 0.1 / 2 * (penalty_at(real) + penalty_at(generated))
            trained = discriminator.trainable_variables
            slopes = tape.gradient(loss, trained)
            for variable, slope in zip(trained, slopes, strict=True):
                variable.assign_sub(rate * slope)
        return float(model.objective.generator_loss(discriminator(generated)))

    random, differences, slopes = np.random.default_rng(0), [], []
    for _ in range(6):
        direction = [random.normal(size=weight.shape) for weight in before]
        up, down = (
            loss_after_steps([w + h * d for w, d in zip(before, direction, strict=True)])
            for h in (2e-3, -2e-3)
        )
        differences.append((up - down) / 4e-3)
        slopes.append(sum(np.sum(g * d) for g, d in zip(gradient, direction, strict=True)))
    assert np.abs(slopes).max() > 0.2
    np.testing.assert_allclose(slopes, differences, rtol=0.02, atol=2e-3)


def test_looking_ahead_leaves_the_discriminator_as_it_is_bit_for_bit():
    def after_a_step(unrolled_steps: int, noise: float) -> zoo.ModeLabGAN:
        model = small_model(unrolled_steps, keras.optimizers.Adam(0.1), noise)
        train(model, POINTS)
        return model

    for few, many, noise in ((0, 5, 0.0), (1, 5, 0.3)):
        one, other = after_a_step(few, noise), after_a_step(many, noise)
        for a, b in (
            (one.discriminator.variables, other.discriminator.variables),
            (one.discriminator_optimizer.variables, other.discriminator_optimizer.variables),
        ):
            for first, second in zip(a, b, strict=True):
                np.testing.assert_array_equal(first.numpy(), second.numpy())
        assert not np.array_equal(one.generator.get_weights()[0], other.generator.get_weights()[0])


def test_a_discriminator_whose_steps_are_not_known_is_refused():
    model = zoo.ModeLabGAN(unrolled_steps=1)
    with pytest.raises(ValueError, match="SGD or Adam. Received: RMSprop"):
        model.compile(discriminator_optimizer="rmsprop")


# === Packing ===


def test_the_discriminator_sees_packs_and_gradients_reach_each_of_their_samples():
    model = linear_model(THETA, [1.0, 2.0, 3.0, 5.0], rates=(1.0, 0.0), packing=2)
    logs = train(model, [[1, 0], [0, 1], [1, 1], [2, 0], [9, 9]])  # the last fills no pack
    assert logs["real_output"] == pytest.approx(((1 + 5) + (1 + 2 + 2 * 3)) / 2)
    assert logs["generated_output"] == pytest.approx(THETA @ [1 + 3, 2 + 5], abs=1e-6)
    np.testing.assert_allclose(theta_of(model) - THETA, [1 + 3, 2 + 5], rtol=1e-6)


def test_a_batch_must_fill_a_pack_for_each_step():
    model = linear_model(THETA, np.ones(6), packing=3, discriminator_steps=2)
    with pytest.raises(ValueError, match="each of the 6 discriminator steps. Received: .* of 5"):
        model.fit(np.zeros((5, 2), np.float32), verbose=0)


# === Penalties ===


@pytest.mark.parametrize(
    ("penalty", "expected"),
    [
        ("none", 0.0),
        ("r1", 0.5 * 25.0),
        ("r2", 0.5 * 25.0),
        ("r1_r2", 25.0),
        ("wgan_gp", (5.0 - 1.0) ** 2),
        ("dragan", (5.0 - 1.0) ** 2),
    ],
)
def test_penalties_of_a_linear_discriminator(penalty, expected):
    """Of the slope 5 everywhere; the logged loss is without it, and D descends both."""
    psi, weight, rate = np.array([3.0, 4.0]), 0.2, 0.01
    model = linear_model(
        np.zeros(2), psi, rates=(0.0, rate), penalty=penalty, penalty_weight=weight
    )
    logs = train(model, [[1.0, 1.0], [1.0, -1.0], [-2.0, 0.0]])  # of mean 0, as G's point
    assert logs["gradient_penalty"] == pytest.approx(expected, rel=1e-5)
    assert logs["discriminator_loss"] == pytest.approx(0.0, abs=1e-5)
    by_norm = {"none": 0.0, "r1": 5.0, "r2": 5.0, "r1_r2": 10.0}.get(penalty, 2 * (5.0 - 1.0))
    np.testing.assert_allclose(psi_of(model), psi - rate * weight * by_norm * psi / 5, rtol=1e-5)


def test_penalties_are_taken_where_they_should_be():
    """D(x) = x₁², of slope 2x₁: 1 at the real points, 3 at the generated one."""
    points = keras.Input((2,))
    squares = layers.Lambda(lambda x: x[:, :1] ** 2, output_shape=(1,))(points)
    logits = layers.Dense(1, None, False, "ones")(squares)

    def penalty_of(penalty: str) -> float:
        model = zoo.ModeLabGAN(
            latent_dim=3,
            penalty=penalty,
            generator=point_generator([1.5, 0.0]),
            discriminator=keras.Model(points, logits),
        )
        model.compile(**sgd(0.0, 0.0), objective="wasserstein", run_eagerly=True)
        return train(model, np.tile([[0.5, 0.0], [0.5, 2.0]], (32, 1)))["gradient_penalty"]

    assert penalty_of("r1") == pytest.approx(0.5)
    assert penalty_of("r2") == pytest.approx(4.5)
    assert penalty_of("r1_r2") == pytest.approx(5.0)
    # Slopes from 1 to 3, uniformly: the mean of (s − 1)² is 4/3.
    assert penalty_of("wgan_gp") == pytest.approx(4 / 3, rel=0.35)
    # Half the standard deviation of all coordinates, up to which points are moved, is 0.375.
    assert 0 < penalty_of("dragan") < (2 * 0.375) ** 2


# === Other cures ===


def test_the_discriminator_is_shown_samples_of_the_past():
    model = linear_model([0.0, 0.0], [1.0, 0.0], replay_size=64)
    train(model, np.zeros((64, 2)))
    model.generator.layers[-1].bias.assign([1.0, 0.0])
    shown = train(model, np.zeros((64, 2)))["generated_output"]
    assert 0.2 < shown < 0.8  # about half are old


def test_minibatch_discrimination_starts_from_the_data():
    model = zoo.ModeLabGAN(packing=2, minibatch_kernels=3)
    layer = next(x for x in model.discriminator.layers if isinstance(x, MinibatchDiscrimination))
    model.adapt(zoo.datasets.ring_of_gaussians().batches(40).take(2))
    assert np.all(np.abs(layer.log_scale.numpy()) > 1e-3)
    plain = zoo.ModeLabGAN()
    before = plain.get_weights()
    plain.adapt(POINTS)
    assert all(map(np.array_equal, before, plain.get_weights()))
    with pytest.raises(ValueError, match=r"adapt\(\) takes batches of points of shape \(2,\)"):
        plain.adapt(ramp_images(4))


# === Points ===


def test_points_are_generated_evaluated_and_exported_as_they_are():
    mixture = zoo.datasets.grid_of_gaussians()
    model = linear_model([-4.0, 2.0], PSI)
    model.set_quality_measures([zoo.metrics.ModesCovered(zoo.metrics.PointModes(mixture))])
    np.testing.assert_array_equal(model.generate(3, seed=1), [[-4.0, 2.0]] * 3)
    scores = model.evaluate(mixture.batches(50).take(2), verbose=0, return_dict=True)
    assert scores == {"modes": 1.0}
    generate = model.export_signatures()["generate"]
    points = generate(num=2, seed=tf.constant(1, tf.int64), truncation=tf.constant(1.0))["points"]
    np.testing.assert_array_equal(points, [[-4.0, 2.0]] * 2)


def test_images_for_a_model_of_points_are_refused():
    model = linear_model(THETA, PSI)
    with pytest.raises(ValueError, match=r"fit\(\) takes batches of points of shape \(2,\) and no"):
        model.fit(ramp_images(2), verbose=0)


@pytest.mark.parametrize("architecture", ["plain", "published"])
def test_stacks_of_every_size_are_made_and_judged(architecture):
    for side in (8, 28, 32):
        model = zoo.ModeLabGAN((side, side, 3), architecture=architecture, packing=2)
        assert model.generator.output_shape == (None, side, side, 3)
        assert model.discriminator.input_shape == (None, side, side, 6)
    norms = [x for x in model.discriminator.layers if isinstance(x, layers.BatchNormalization)]
    assert len(norms) == (3 if architecture == "published" else 0)


# === Learning ===


def test_the_first_layer_bends_all_over_the_plane():
    for extent in (1.0, 4.0):
        model = zoo.ModeLabGAN(discriminator_width=2000, extent=extent, seed=3)
        first = next(x for x in model.discriminator.layers if isinstance(x, layers.Dense))
        weights, biases = (v.numpy() for v in (first.kernel, first.bias))
        distances = np.abs(biases) / np.linalg.norm(weights, axis=0)
        assert 0.4 < np.mean(distances < extent) < 0.9
        assert np.mean(distances > 0.5 * extent) > 0.1


@pytest.mark.slow
def test_learns_only_if_the_discriminator_does():
    keras.utils.set_random_seed(1)
    model = zoo.ModeLabGAN(
        latent_dim=4,
        generator_width=16,
        discriminator_width=16,
        extent=2.0,
        penalty="r1",
        penalty_weight=0.1,
    )
    adam = keras.optimizers.Adam
    model.compile(
        generator_optimizer=adam(2e-3, beta_1=0.0), discriminator_optimizer=adam(2e-3, beta_1=0.0)
    )
    points = np.random.default_rng(0).normal([2.0, -1.0], 0.2, (64, 2)).astype("float32")
    errors = []
    for trained in trained_at_rates(model, "discriminator", (2e-3, 0.0), points, steps=300):
        errors.append(np.linalg.norm(trained.generate(200, seed=0).mean(axis=0) - [2.0, -1.0]))
    # Over three seeds 0.01 to 0.08, and 1.2 to 17.
    learnt, by_chance = errors
    assert learnt < 0.4
    assert by_chance > 0.8


def test_runs_repeat_whatever_the_number_of_steps_in_one_call():
    def trained(steps_per_execution: int) -> list[np.ndarray]:
        keras.utils.set_random_seed(2)
        model = zoo.ModeLabGAN(latent_dim=3, generator_width=4, discriminator_width=4)
        model.compile(steps_per_execution=steps_per_execution)
        ring = zoo.datasets.ring_of_gaussians()
        model.fit(ring.batches(8), steps_per_epoch=6, verbose=0)
        return state_of(model)

    for one, many in zip(trained(1), trained(3), strict=True):
        np.testing.assert_allclose(one, many, atol=1e-6)
