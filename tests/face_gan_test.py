"""The penalty every n-th step, the shifts that D sees, the sizes, and that it learns."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.case import ramp_images, trained_at_rates
from zoo import face_gan

IMAGE_SHAPE = (32, 32, 1)


def repeated(images: np.ndarray) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(images).repeat()


def layers_of(network: keras.Model, *kinds: type) -> list[layers.Layer]:
    return [layer for layer in network.layers if isinstance(layer, kinds)]


# === Gradient penalty ===


def linear_discriminator() -> keras.Model:
    """D(x) = w · x, whose penalty is ‖w‖², and the gradient of that 2w."""
    images = keras.Input(IMAGE_SHAPE)
    logits = layers.Dense(1, use_bias=False, name="w")(layers.Flatten()(images))
    return keras.Model(images, logits)


def model_with_linear_discriminator(weight: float, interval: int) -> zoo.FaceGAN:
    keras.utils.set_random_seed(2)
    model = zoo.FaceGAN(
        IMAGE_SHAPE,
        latent_dim=3,
        filters=4,
        gradient_penalty_weight=weight,
        gradient_penalty_interval=interval,
        discriminator=linear_discriminator(),
    )
    model.compile(
        generator_optimizer=keras.optimizers.SGD(0.0),
        discriminator_optimizer=keras.optimizers.SGD(0.01),
        run_eagerly=True,
    )
    return model


def weights_and_penalties(weight: float, interval: int, steps: int):
    """The weights before and after each step, and the penalty that each step logs."""
    model = model_with_linear_discriminator(weight, interval)
    weights, penalties = [model.discriminator.get_weights()[0]], []
    for _ in range(steps):
        logs = model.fit(repeated(ramp_images(4, IMAGE_SHAPE)), steps_per_epoch=1, verbose=0)
        penalties.append(logs.history["gradient_penalty"][0])
        weights.append(model.discriminator.get_weights()[0])
    return weights, penalties


def test_penalty_comes_every_nth_step_n_times_as_strong():
    weights, penalties = weights_and_penalties(weight=0.5, interval=3, steps=4)
    squares = [float(np.sum(w**2)) for w in weights]
    assert penalties == pytest.approx([3 * squares[0], 0, 0, 3 * squares[3]], rel=1e-5)
    unpenalized, _ = weights_and_penalties(weight=0.0, interval=3, steps=1)
    # The loss has γ/2 · n · ‖w‖², of which the gradient is γ · n · w; the rate is 0.01.
    np.testing.assert_allclose(
        weights[1] - unpenalized[1], -0.01 * 0.5 * 3 * weights[0], rtol=1e-4, atol=1e-8
    )
    assert not np.allclose(weights[1], weights[2])


def test_penalty_of_weight_0_is_left_out():
    _, penalties = weights_and_penalties(weight=0.0, interval=1, steps=1)
    assert penalties == [0.0]


def count_convolutions(weight: float) -> int:
    """Convolutions and their gradients in a step, those in the branch of the penalty left out."""
    model = zoo.FaceGAN(IMAGE_SHAPE, latent_dim=3, filters=4, gradient_penalty_weight=weight)
    model.compile()
    images = tf.TensorSpec((4, *IMAGE_SHAPE))
    graph = tf.function(model.train_step, autograph=False).get_concrete_function(images).graph
    return sum(operation.type.startswith("Conv2D") for operation in graph.get_operations())


def test_steps_without_penalty_compute_nothing_for_it():
    # D sees three batches, G makes one, whose images get a gradient through both.
    assert count_convolutions(weight=1.0) == count_convolutions(weight=0.0) > 0


def test_batch_norm_in_the_discriminator_goes_only_without_a_penalty():
    images = keras.Input(IMAGE_SHAPE)
    x = layers.BatchNormalization(name="norm")(layers.Flatten()(images))
    discriminator = keras.Model(images, layers.Dense(1)(x))
    with pytest.raises(ValueError, match="set the weight of the penalty to 0. Received: .*'norm'"):
        zoo.FaceGAN(IMAGE_SHAPE, filters=4, discriminator=discriminator)
    zoo.FaceGAN(IMAGE_SHAPE, filters=4, discriminator=discriminator, gradient_penalty_weight=0.0)


# === Shifts ===


class Recorder(layers.Layer):
    """Hands on its inputs, and remembers them."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def call(self, inputs):
        if tf.executing_eagerly() and not isinstance(inputs, keras.KerasTensor):
            self.seen.append(inputs.numpy())
        return inputs


def images_seen(augmentation: str, seed: int) -> list[np.ndarray]:
    """What D is shown in one step: real ones, generated ones, and generated ones for G."""
    recorder = Recorder()
    images = keras.Input(IMAGE_SHAPE)
    discriminator = keras.Model(images, layers.Dense(1)(layers.Flatten()(recorder(images))))
    model = zoo.FaceGAN(
        IMAGE_SHAPE,
        latent_dim=3,
        augmentation=augmentation,
        gradient_penalty_weight=0.0,
        seed=seed,
        generator=generator_of_one_image(),
        discriminator=discriminator,
    )
    model.compile(
        generator_optimizer=keras.optimizers.SGD(0.0),
        discriminator_optimizer=keras.optimizers.SGD(0.0),
        run_eagerly=True,
    )
    recorder.seen.clear()
    model.fit(repeated(ramp_images(8, IMAGE_SHAPE)), steps_per_epoch=1, verbose=0)
    return recorder.seen


def generator_of_one_image() -> keras.Model:
    """A generator that makes the ramp, whatever the latents."""
    latents = keras.Input((3,))
    dense = layers.Dense(32 * 32, activation="tanh", kernel_initializer="zeros")
    generator = keras.Model(latents, layers.Reshape(IMAGE_SHAPE)(dense(latents)))
    dense.bias.assign(np.arctanh(0.9 * ramp_images(1, IMAGE_SHAPE)).ravel())
    return generator


def shift_of(image: np.ndarray, original: np.ndarray) -> tuple[int, int] | None:
    """The shift of up to 8 pixels that makes one image of the other, or `None`."""
    mirrored = np.pad(original, ((8, 8), (8, 8), (0, 0)), mode="symmetric")
    for down in range(-8, 9):
        for right in range(-8, 9):
            window = mirrored[8 - down : 40 - down, 8 - right : 40 - right]
            if np.allclose(window, image, atol=1e-5):
                return down, right
    return None


@pytest.mark.parametrize("player_sees", ["real", "generated", "generated for G"])
def test_discriminator_sees_every_image_shifted_by_its_own_draw(player_sees):
    which = ["real", "generated", "generated for G"].index(player_sees)
    originals = ramp_images(8, IMAGE_SHAPE)
    if player_sees != "real":
        originals = np.broadcast_to(0.9 * ramp_images(1, IMAGE_SHAPE), originals.shape)
    batches = images_seen("shift", seed=0)
    assert len(batches) == 3
    shifts = [shift_of(*pair) for pair in zip(batches[which], originals, strict=True)]
    assert None not in shifts
    assert len(set(shifts)) > 4
    assert max(max(map(abs, shift)) for shift in shifts) <= 4  # an eighth of 32
    other = images_seen("shift", seed=1)[which]
    assert not np.allclose(batches[which], other)


def test_both_players_are_shown_the_same_generated_images():
    real, generated, generated_for_g = images_seen("shift", seed=0)
    np.testing.assert_array_equal(generated, generated_for_g)
    assert not np.allclose(real, generated)


def test_no_shift_shows_the_images_as_they_are():
    real, generated, _ = images_seen("", seed=0)
    np.testing.assert_array_equal(real, ramp_images(8, IMAGE_SHAPE))
    expected = np.broadcast_to(0.9 * ramp_images(1, IMAGE_SHAPE), generated.shape)
    np.testing.assert_allclose(generated, expected, atol=1e-5)


def adaptive_model(weight: float, **compiled) -> zoo.FaceGAN:
    """A model that learns nothing, whose discriminator gives the sum of pixels times a weight."""
    discriminator = linear_discriminator()
    model = zoo.FaceGAN(
        IMAGE_SHAPE,
        latent_dim=3,
        filters=4,
        augmentation="shift",
        adaptive_augmentation=64,
        gradient_penalty_weight=0.0,
        discriminator=discriminator,
    )
    discriminator.layers[-1].kernel.assign(np.full((32 * 32, 1), weight))
    model.compile(
        generator_optimizer=keras.optimizers.SGD(0.0),
        discriminator_optimizer=keras.optimizers.SGD(0.0),
        run_eagerly=True,
        **compiled,
    )
    return model


def test_probability_rises_while_the_discriminator_knows_the_images():
    # All real images are brighter than grey: this discriminator takes each of them for real.
    model = adaptive_model(weight=0.01)
    images = np.abs(ramp_images(4, IMAGE_SHAPE))
    images[:, 0, 0] = -1.0
    history = model.fit(repeated(images), epochs=9, steps_per_epoch=1, verbose=0).history
    # A quarter of 64 images in 4 steps of 4.
    assert history["augmentation_probability"] == [0.0] * 3 + [0.25] * 4 + [0.5] * 2


@pytest.mark.parametrize(
    ("objective", "probability"), [("hinge", 0.25), ("least_squares", 0.0), ("f_kl", 0.0)]
)
def test_probability_follows_what_the_objective_takes_for_real(objective, probability):
    # A fourth for each real image: above hinge's 0, below the ½ of least squares and the 1 of KL.
    model = adaptive_model(weight=0.25 / (32 * 32 * 0.5), objective=objective)
    images = np.full((4, *IMAGE_SHAPE), 0.5, np.float32)
    images[:, 0, 0], images[:, 0, 1] = -0.5, 0.7
    history = model.fit(repeated(images), epochs=4, steps_per_epoch=1, verbose=0).history
    assert 0.0 < history.get("real_output", history.get("real_score"))[-1] < 0.5
    assert history["augmentation_probability"][-1] == probability


@pytest.mark.parametrize("objective", ["relativistic", "wasserstein"])
def test_adaptive_augmentation_refuses_logits_that_are_only_compared(objective):
    model = zoo.FaceGAN(
        IMAGE_SHAPE, latent_dim=3, filters=4, augmentation="shift", adaptive_augmentation=100
    )
    with pytest.raises(ValueError, match=f"only compared.*objective='{objective}'"):
        model.compile(objective=objective)


# === Networks ===


@pytest.mark.parametrize("side", [64, 128])
def test_maps_double_from_4_and_filters_halve_from_256(side):
    model = zoo.FaceGAN((side, side, 3))
    maps = [(4, 4, 256), (8, 8, 128), (16, 16, 64), (32, 32, 32), (64, 64, 16)]
    maps = maps[: {64: 4, 128: 5}[side]]
    transposed = layers_of(model.generator, layers.Conv2DTranspose)
    assert [layer.output.shape[1:] for layer in transposed] == [*maps, (side, side, 3)]
    convolutions = layers_of(model.discriminator, layers.Conv2D)
    assert [layer.output.shape[1:] for layer in convolutions] == maps[::-1]


def test_batch_norm_is_in_the_generator_alone():
    model = zoo.FaceGAN()
    assert len(layers_of(model.generator, layers.BatchNormalization)) == 4
    assert not layers_of(model.discriminator, layers.BatchNormalization)


def test_other_sizes_are_refused_and_named():
    taken = []
    for side in range(1, 600):
        try:
            face_gan.num_doublings(side)
        except ValueError as error:
            assert f"Received: {side}" in str(error)
            continue
        taken.append(side)
    assert tuple(taken) == face_gan.SIDES


def test_filters_must_halve_once_a_map():
    zoo.FaceGAN((64, 64, 3), filters=8)
    with pytest.raises(ValueError, match="multiple of 8 for images of side 64.*filters=4"):
        zoo.FaceGAN((64, 64, 3), filters=4)


def test_default_optimizers_have_no_momentum():
    model = zoo.FaceGAN(IMAGE_SHAPE, filters=4)
    model.compile()
    for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
        assert isinstance(optimizer, keras.optimizers.Adam)
        assert float(optimizer.learning_rate) == pytest.approx(1e-3)
        assert (optimizer.beta_1, optimizer.beta_2) == (0.0, 0.99)


# === Learning ===


@pytest.mark.slow
def test_learns_only_if_the_discriminator_does():
    keras.utils.set_random_seed(1)
    model = zoo.FaceGAN(IMAGE_SHAPE, latent_dim=8, filters=16, average_decay=0.9)
    model.compile(
        generator_optimizer=keras.optimizers.Adam(1e-3, beta_1=0.0, beta_2=0.99),
        discriminator_optimizer=keras.optimizers.Adam(1e-3, beta_1=0.0, beta_2=0.99),
    )
    half = np.where(np.arange(32) < 16, 0.8, -0.8)
    noise = np.random.default_rng(0).normal(0.0, 0.1, (16, *IMAGE_SHAPE))
    images = np.clip(half[:, None, None] + noise, -1, 1).astype("float32")
    differences = []
    for trained in trained_at_rates(model, "discriminator", (1e-3, 0.0), images, steps=150):
        mean = trained.generate(32, seed=0).mean(axis=(0, 2, 3))
        differences.append(mean[:16].mean() - mean[16:].mean())
    learnt, by_chance = differences
    # Of 1.6. Five seeds with and without oneDNN: 0.72 to 1.23; at rest -0.04 to 0.03.
    assert learnt > 0.4
    assert abs(by_chance) < 0.2
