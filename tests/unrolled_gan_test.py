"""Looking ahead in numbers worked out by hand, what it leaves alone, and that it learns."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.case import ramp_images, trained_at_rates
from zoo.unrolled_gan import build_discriminator, build_generator

# === θ against ψ, worked out by hand ===

SHAPE = (1, 2, 1)
THETA, PSI, X, RATE = np.array([0.7, -0.4]), np.array([0.3, 0.5]), np.array([0.2, -0.1]), 0.1


def hand_made(unrolled_steps: int, rates: tuple[float, float]) -> zoo.UnrolledGAN:
    """G makes the image θ, D says ψ · image; f is ψ · (x − θ), which D raises."""
    latents, images = keras.Input((3,)), keras.Input(SHAPE)
    theta = layers.Dense(2, None, True, "zeros", keras.initializers.Constant(THETA))(latents)
    kernel = keras.initializers.Constant(PSI[:, np.newaxis])
    model = zoo.UnrolledGAN(
        SHAPE,
        latent_dim=3,
        unrolled_steps=unrolled_steps,
        generator=keras.Model(latents, layers.Reshape(SHAPE)(theta)),
        discriminator=keras.Model(
            images, layers.Dense(1, None, False, kernel)(layers.Flatten()(images))
        ),
    )
    model.compile(
        generator_optimizer=keras.optimizers.SGD(rates[0]),
        discriminator_optimizer=keras.optimizers.SGD(rates[1]),
        objective="wasserstein",
    )
    return model


def trained(model: zoo.UnrolledGAN, steps: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """θ and ψ after some steps on images that are x."""
    images = np.broadcast_to(X.astype("float32").reshape(SHAPE), (4, *SHAPE))
    data = tf.data.Dataset.from_tensors(images).repeat(steps)
    model.fit(data, verbose=0)
    return model.generator.layers[1].bias.numpy(), model.discriminator.layers[-1].kernel.numpy()[
        :, 0
    ]


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_the_gradient_passes_through_the_steps_to_come(steps):
    """ψ_K = ψ + Kη(x − θ), so that df_K/dθ = −ψ + 2Kη(θ − x).

    A copy of D that is trained and put back would give −ψ + Kη(θ − x).
    """
    theta, psi = trained(hand_made(steps, rates=(1.0, RATE)))
    np.testing.assert_allclose(THETA - theta, -PSI + 2 * steps * RATE * (THETA - X), rtol=1e-5)
    # D takes one step, from where G was.
    np.testing.assert_allclose(psi, PSI + RATE * (X - THETA), rtol=1e-5)


def test_players_that_would_circle_come_to_rest():
    """Without looking ahead this game spirals outwards; the equilibrium is θ = x, ψ = 0."""
    usual, unrolled = (trained(hand_made(k, rates=(0.1, 0.1)), steps=200) for k in (0, 5))
    start = np.hypot(np.linalg.norm(THETA - X), np.linalg.norm(PSI))
    assert np.hypot(np.linalg.norm(usual[0] - X), np.linalg.norm(usual[1])) > start
    np.testing.assert_allclose(unrolled[0], X, atol=1e-3)
    np.testing.assert_allclose(unrolled[1], 0.0, atol=1e-3)


# === Against differences ===

IMAGES = ramp_images(6, (2, 2, 1))


def smooth_model(optimizer, unrolled_steps: int = 3) -> zoo.UnrolledGAN:
    keras.utils.set_random_seed(4)
    latents, images = keras.Input((3,)), keras.Input((2, 2, 1))
    y = layers.Dense(4, "tanh")(layers.Dense(5, "tanh")(latents))
    x = layers.Dense(5, "tanh")(layers.Flatten()(images))
    model = zoo.UnrolledGAN(
        (2, 2, 1),
        latent_dim=3,
        unrolled_steps=unrolled_steps,
        generator=keras.Model(latents, layers.Reshape((2, 2, 1))(y)),
        discriminator=keras.Model(images, layers.Dense(1)(x)),
    )
    model.compile(
        generator_optimizer=keras.optimizers.SGD(1.0),
        discriminator_optimizer=optimizer,
        run_eagerly=True,
    )
    return model


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(
            lambda: keras.optimizers.SGD(1.0, momentum=0.5), id="momentum", marks=pytest.mark.slow
        ),
        pytest.param(lambda: keras.optimizers.Adam(0.1, 0.5), id="adam"),
    ],
)
def test_the_gradient_is_the_slope_of_what_d_loses_after_real_steps(make):
    """D takes K steps by Keras's own optimizer, which begins with the moments that it has."""
    model = smooth_model(make())
    model.fit(IMAGES, batch_size=6, epochs=2, verbose=0)
    discriminator, optimizer = model.discriminator, model.discriminator_optimizer
    state = [*discriminator.variables, *optimizer.variables]
    start = [variable.numpy() for variable in state]
    before = model.generator.get_weights()
    latents = model.draw_latents(len(IMAGES))
    model.fit(IMAGES, batch_size=6, shuffle=False, verbose=0)
    gradient = [a - b for a, b in zip(before, model.generator.get_weights(), strict=True)]

    def value_after_steps(generator_weights) -> float:
        model.generator.set_weights(generator_weights)
        for variable, value in zip(state, start, strict=True):
            variable.assign(value)
        generated_images = model.generator(latents)
        trainable = discriminator.trainable_variables
        for number in range(4):
            with tf.GradientTape() as tape:
                loss = model.objective.discriminator_loss(
                    discriminator(IMAGES), discriminator(generated_images)
                )
            if number < 3:
                optimizer.apply_gradients(
                    zip(tape.gradient(loss, trainable), trainable, strict=True)
                )
        return -float(loss)

    random, differences, slopes = np.random.default_rng(0), [], []
    for _ in range(6):
        direction = [random.normal(size=weight.shape) for weight in before]
        up, down = (
            value_after_steps([w + h * d for w, d in zip(before, direction, strict=True)])
            for h in (2e-3, -2e-3)
        )
        differences.append((up - down) / 4e-3)
        slopes.append(sum(np.sum(g * d) for g, d in zip(gradient, direction, strict=True)))
    assert np.abs(slopes).max() > 0.1
    np.testing.assert_allclose(slopes, differences, rtol=0.03, atol=3e-3)


# === What it leaves alone ===


@pytest.mark.parametrize("run_eagerly", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_discriminator_and_its_optimizer_are_as_without_bit_for_bit(run_eagerly):
    def after_two_steps(unrolled_steps: int) -> zoo.UnrolledGAN:
        keras.utils.set_random_seed(3)
        model = zoo.UnrolledGAN(
            (8, 8, 1),
            latent_dim=4,
            generator_filters=2,
            discriminator_filters=2,
            unrolled_steps=unrolled_steps,
        )
        # G at rest, so that D is shown the same images.
        model.compile(generator_optimizer=keras.optimizers.SGD(0.0), run_eagerly=run_eagerly)
        model.fit(ramp_images(8, (8, 8, 1)), batch_size=4, shuffle=False, verbose=0)
        return model

    usual, unrolled = (after_two_steps(k) for k in (0, 3))
    for one, other in (
        (usual.discriminator.variables, unrolled.discriminator.variables),
        (usual.discriminator_optimizer.variables, unrolled.discriminator_optimizer.variables),
    ):
        assert len(one) == len(other) > 0
        for first, second in zip(one, other, strict=True):
            np.testing.assert_array_equal(first.numpy(), second.numpy())


def test_an_optimizer_whose_steps_are_not_known_is_refused():
    model = smooth_model(keras.optimizers.Adam())
    with pytest.raises(ValueError, match="SGD or Adam. Received: RMSprop"):
        model.compile(discriminator_optimizer="rmsprop")


def test_without_steps_ahead_any_optimizer_trains():
    model = smooth_model(keras.optimizers.RMSprop(), unrolled_steps=0)
    logs = model.train_on_batch(ramp_images(4, model.image_shape), return_dict=True)
    assert np.isfinite(list(logs.values())).all()


# === Networks ===


@pytest.mark.parametrize("shape", [(28, 28, 3), (32, 32, 1), (25, 30, 3), (1, 7, 1)])
def test_images_of_every_size_are_made_and_judged(shape):
    assert build_generator(shape, latent_dim=3, filters=1).output_shape[1:] == shape
    assert build_discriminator(shape, filters=1).output_shape[1:] == (1,)


def test_scales_are_the_paper_s():
    generator = build_generator((28, 28, 3))
    maps = [each.output.shape[1:] for each in generator.layers if isinstance(each, layers.ReLU)]
    assert maps == [(4, 4, 64), (7, 7, 32), (14, 14, 16), (28, 28, 8)]
    discriminator = build_discriminator((28, 28, 3))
    leaky = [each for each in discriminator.layers if isinstance(each, layers.LeakyReLU)]
    assert [each.output.shape[1:] for each in leaky] == [(14, 14, 4), (7, 7, 8), (4, 4, 16)]
    assert {each.negative_slope for each in leaky} == {0.3}


# === Learning ===


@pytest.mark.slow
def test_learns_only_if_the_discriminator_does():
    keras.utils.set_random_seed(1)
    latents, images = keras.Input((4,)), keras.Input((2, 2, 1))
    y = layers.Dense(4, "tanh")(layers.Dense(16, "relu")(latents))
    x = layers.Dense(16, "relu")(layers.Flatten()(images))
    model = zoo.UnrolledGAN(
        (2, 2, 1),
        latent_dim=4,
        unrolled_steps=2,
        generator=keras.Model(latents, layers.Reshape((2, 2, 1))(y)),
        # Flat at first, so that one that does not learn moves no generator.
        discriminator=keras.Model(images, layers.Dense(1, kernel_initializer="zeros")(x)),
    )
    model.compile(
        generator_optimizer=keras.optimizers.Adam(1e-2, 0.5),
        discriminator_optimizer=keras.optimizers.Adam(1e-2, 0.5),
    )
    pattern = np.array([0.8, -0.8, -0.8, 0.8]).reshape(2, 2, 1)
    noise = np.random.default_rng(0).normal(0.0, 0.05, (64, 2, 2, 1))
    data = np.clip(pattern + noise, -1, 1).astype("float32")
    errors = []
    for learnt in trained_at_rates(model, "discriminator", (1e-2, 0.0), data, steps=200):
        errors.append(np.abs(learnt.generate(100, seed=0).mean(axis=0) - pattern).mean())
    assert errors[0] < 0.2
    assert errors[1] > 0.5
