"""Both penalties, pairs, blocks that start as nothing, the sizes, and that it learns."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.case import ramp_images, trained_at_rates
from zoo import r3gan

IMAGE_SHAPE = (8, 8, 1)


def small_model(**arguments) -> zoo.R3GAN:
    arguments = {"latent_dim": 3, "filters": 8, **arguments}
    return zoo.R3GAN(IMAGE_SHAPE, **arguments)


def repeated(images: np.ndarray) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(images).repeat()


def compile_with_rates(model: zoo.R3GAN, generator: float, discriminator: float) -> None:
    model.compile(
        generator_optimizer=keras.optimizers.SGD(generator),
        discriminator_optimizer=keras.optimizers.SGD(discriminator),
        run_eagerly=True,
    )


# === Penalties ===


def linear_discriminator(weight=None) -> keras.Model:
    """D(x) = w · x, whose slope is w everywhere."""
    images = keras.Input(IMAGE_SHAPE)
    dense = layers.Dense(1, use_bias=False, kernel_initializer=weight or "glorot_uniform")
    return keras.Model(images, dense(layers.Flatten()(images)))


def weights_after_a_step(gradient_penalty_weight: float):
    keras.utils.set_random_seed(0)
    model = small_model(
        discriminator=linear_discriminator(), gradient_penalty_weight=gradient_penalty_weight
    )
    compile_with_rates(model, generator=0.0, discriminator=0.01)
    before = model.discriminator.get_weights()[0]
    history = model.fit(repeated(ramp_images(4, IMAGE_SHAPE)), steps_per_epoch=1, verbose=0)
    return before, model.discriminator.get_weights()[0], history.history


def test_both_penalties_pull_with_half_of_the_weight_each():
    before, penalized, logs = weights_after_a_step(0.5)
    _, unpenalized, _ = weights_after_a_step(0.0)
    square = float(np.sum(before**2))
    assert logs["real_gradient_penalty"] == pytest.approx([square], rel=1e-5)
    assert logs["generated_gradient_penalty"] == pytest.approx([square], rel=1e-5)
    # γ/2 (‖w‖² + ‖w‖²) has the gradient 2γw; the rate is 0.01.
    np.testing.assert_allclose(penalized - unpenalized, -0.01 * 2 * 0.5 * before, atol=1e-7)


def generator_change(gradient_penalty_weight: float) -> list[np.ndarray]:
    keras.utils.set_random_seed(0)
    model = small_model(gradient_penalty_weight=gradient_penalty_weight)
    compile_with_rates(model, generator=0.1, discriminator=0.0)
    before = model.generator.get_weights()
    model.fit(repeated(ramp_images(4, IMAGE_SHAPE)), steps_per_epoch=1, verbose=0)
    return [new - old for new, old in zip(model.generator.get_weights(), before, strict=True)]


def test_penalty_at_generated_images_moves_no_generator():
    without, with_penalty = generator_change(0.0), generator_change(100.0)
    assert max(np.abs(change).max() for change in without) > 1e-3
    for one, other in zip(without, with_penalty, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)


def test_penalty_is_of_the_image_before_it_is_changed():
    # The sum of the pixels: of an image shifted with mirrored pixels some count twice, some never.
    penalties = {}
    for augmentation in ("", "shift"):
        discriminator = linear_discriminator("ones")
        model = small_model(discriminator=discriminator, augmentation=augmentation)
        compile_with_rates(model, 0.0, 0.0)
        logs = model.fit(repeated(ramp_images(16, IMAGE_SHAPE)), steps_per_epoch=1, verbose=0)
        penalties[augmentation] = logs.history["real_gradient_penalty"][0]
    assert penalties[""] == pytest.approx(64.0)
    assert penalties["shift"] > 1.05 * 64.0


def test_weight_0_leaves_both_penalties_out():
    *_, logs = weights_after_a_step(0.0)
    assert logs["real_gradient_penalty"] == logs["generated_gradient_penalty"] == [0.0]


# === Pairs ===


def test_losses_compare_the_pairs_of_a_step():
    keras.utils.set_random_seed(0)
    model = small_model(gradient_penalty_weight=0.0)
    compile_with_rates(model, 0.0, 0.0)
    images = ramp_images(4, IMAGE_SHAPE)
    logs = model.fit(repeated(images), steps_per_epoch=1, verbose=0).history
    difference = logs["real_output"][0] - logs["generated_output"][0]
    assert abs(difference) > 1e-3
    # Softplus of means and the mean of softplus differ; but loss_D(v) − loss_G(v) = −v exactly.
    gap = logs["discriminator_loss"][0] - logs["generator_loss"][0]
    assert gap == pytest.approx(-difference, rel=1e-4)


class Keeping(layers.Layer):
    """Hands on what it is given, and keeps what that was at each call."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seen = []

    def call(self, inputs):
        self.seen.append(np.array(inputs))
        return inputs

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs.shape, inputs.dtype)


def test_each_image_is_judged_beside_one_other_by_both_players_as_they_are():
    keras.utils.set_random_seed(0)
    plain = zoo.r3gan.build_discriminator(IMAGE_SHAPE, (4, 4))
    kept = Keeping()
    discriminator = keras.Model(plain.inputs, kept(plain.outputs[0]))
    model = small_model(gradient_penalty_weight=0.0, discriminator=discriminator)
    compile_with_rates(model, 0.0, 0.5)
    kept.seen.clear()
    logs = model.fit(repeated(ramp_images(4, IMAGE_SHAPE)), steps_per_epoch=1, verbose=0).history
    judged = [rows[:, 0] for rows in kept.seen if len(rows) == 4]
    assert len(judged) == 4, [rows.shape for rows in kept.seen]
    d_real, d_generated, g_generated, g_real = judged
    losses = [np.mean(np.log1p(np.exp(v))) for v in (d_generated - d_real, g_real - g_generated)]
    assert logs["discriminator_loss"][0] == pytest.approx(losses[0], rel=1e-5)
    assert logs["generator_loss"][0] == pytest.approx(losses[1], rel=1e-5)
    # The discriminator has moved between.
    assert np.abs(g_real - d_real).max() > 1e-3


# === Networks ===


def test_networks_start_linear_for_every_block_starts_as_nothing():
    model = zoo.R3GAN((16, 16, 3), filters=16, blocks_per_map=3)
    a, b = np.random.default_rng(0).normal(size=(2, 4, 16, 16, 3)).astype("float32")
    d = model.discriminator
    np.testing.assert_allclose(d(a + b), d(a) + d(b), atol=1e-4)
    z, y = np.random.default_rng(1).normal(size=(2, 4, 64)).astype("float32")
    images = [model.generator(x, training=True) for x in (z, y, z + y)]
    np.testing.assert_allclose(images[0] + images[1], images[2], atol=1e-4)


def test_size_of_outputs_at_the_start_does_not_grow_with_depth():
    deviations = []
    for side in (8, 32):
        model = zoo.R3GAN((side, side, 3), filters=32, halved_from=256, blocks_per_map=2)
        latents = np.random.default_rng(0).normal(size=(64, 64)).astype("float32")
        deviations.append(float(np.std(model.generator(latents, training=True))))
    assert deviations[1] == pytest.approx(deviations[0], rel=0.4)


def test_no_layer_of_the_discriminator_shrinks_what_it_is_given_at_the_start():
    images = np.random.default_rng(0).normal(size=(64, 16, 16, 3)).astype("float32")
    logits = []
    for filters in (16, 128):
        deviations = []
        for seed in range(3):
            keras.utils.set_random_seed(seed)
            model = zoo.R3GAN((16, 16, 3), filters=filters, halved_from=256)
            last_map = model.discriminator.get_layer("whole_image")
            inner = keras.Model(model.discriminator.input, [last_map.input, last_map.output])
            maps, vectors = inner(images)
            np.testing.assert_allclose(np.std(vectors), np.std(maps), rtol=0.35)
            deviations.append(np.std(model.discriminator(images)))
        logits.append(np.mean(deviations))
    # Of a network with a gain of 1 the width changes nothing.
    assert logits[1] == pytest.approx(logits[0], rel=0.5)


def test_generator_is_clipped_only_where_it_is_used():
    model = small_model()
    latents = 10.0 * np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
    assert np.abs(model.generator(latents, training=True)).max() > 1.5
    assert np.abs(model.predict(latents, verbose=0)).max() == 1.0
    assert np.abs(model.generator(latents, training=False)).max() == 1.0


@pytest.mark.parametrize(
    ("arguments", "widths"),
    [
        ((64, 768, 64), [768, 768, 768, 768, 384]),
        ((256, 768, 64), [768, 768, 768, 768, 384, 192, 96]),
        ((32, 768, 64), [768, 768, 768, 768]),
        ((64, 256, 8), [256, 128, 64, 32, 16]),
    ],
)
def test_channels_are_halved_from_the_given_side_on(arguments, widths):
    assert r3gan.widths_of_maps(*arguments) == widths


def test_groups_mix_the_channels_they_are_given():
    model = zoo.R3GAN((8, 8, 1), filters=16, group_size=4)
    shapes = [
        layer.kernel.shape
        for layer in model.discriminator.layers
        if isinstance(layer, layers.Conv2D) and layer.kernel_size == (3, 3)
    ]
    assert [tuple(shape) for shape in shapes] == [(3, 3, 4, 16), (3, 3, 4, 32)]


def test_a_share_of_the_channels_is_a_whole_number_but_for_rounding():
    model = zoo.R3GAN((8, 8, 1), filters=100, expansion=1.1)  # 1.1 * 100 is 110.00000000000001
    shapes = [
        tuple(layer.kernel.shape)
        for layer in model.generator.layers
        if isinstance(layer, layers.Conv2D) and layer.kernel_size == (3, 3)
    ]
    assert shapes == [(3, 3, 110, 110), (3, 3, 55, 55)]


def _ungrouped(kernel: np.ndarray, channels: int) -> np.ndarray:
    """The kernel of all channels that mixes only those of a group."""
    side, _, size, filters = kernel.shape
    whole = np.zeros((side, side, channels, filters), np.float32)
    per_group = filters // (channels // size)
    for group in range(channels // size):
        filters_of_group = slice(group * per_group, (group + 1) * per_group)
        whole[:, :, group * size : (group + 1) * size, filters_of_group] = kernel[
            ..., filters_of_group
        ]
    return whole


@pytest.mark.slow  # XLA compiles each grouped convolution, its gradients and theirs
def test_a_step_with_groups_is_that_of_whole_kernels_which_mix_no_others():
    grouped, whole = (
        zoo.R3GAN((8, 8, 1), latent_dim=4, filters=8, group_size=size) for size in (4, None)
    )
    keras.utils.set_random_seed(0)
    for network in ("generator", "discriminator"):
        ours, theirs = (getattr(model, network) for model in (grouped, whole))
        ours.set_weights(
            [np.random.normal(0, 0.3, v.shape).astype(np.float32) for v in ours.weights]
        )
        theirs.set_weights(
            [
                _ungrouped(weight, wanted.shape[2]) if weight.shape != wanted.shape else weight
                for weight, wanted in zip(ours.get_weights(), theirs.weights, strict=True)
            ]
        )
    before = [model.discriminator.get_weights() for model in (grouped, whole)]
    images = np.random.uniform(-1, 1, (4, 8, 8, 1)).astype(np.float32)
    logs = []
    for model in (grouped, whole):
        model.compile(
            generator_optimizer=keras.optimizers.SGD(0.0),
            discriminator_optimizer=keras.optimizers.SGD(0.1),
            jit_compile=False,
        )
        logs.append(model.fit(images, batch_size=4, verbose=0).history)
    for name in ("discriminator_loss", "real_gradient_penalty", "generated_gradient_penalty"):
        assert logs[0][name] == pytest.approx(logs[1][name], rel=1e-4), name
    after = [model.discriminator.get_weights() for model in (grouped, whole)]
    steps = [[b - a for a, b in zip(*own, strict=True)] for own in zip(before, after, strict=True)]
    for ours, theirs in zip(*steps, strict=True):
        assert np.abs(ours).max() > 1e-4
        if ours.shape != theirs.shape:  # of what whole kernels mix beyond groups nothing is asked
            theirs = theirs * _ungrouped(np.ones_like(ours), theirs.shape[2])
            ours = _ungrouped(ours, theirs.shape[2])
        np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=2e-5)


def test_there_is_no_normalisation():
    model = zoo.R3GAN()
    for network in (model.generator, model.discriminator):
        assert not any("ormalization" in type(layer).__name__ for layer in network.layers)


# === Learning ===


@pytest.mark.slow
def test_learns_only_if_the_discriminator_does():
    keras.utils.set_random_seed(1)
    model = zoo.R3GAN(IMAGE_SHAPE, latent_dim=8, filters=16, average_decay=0.9)
    model.compile(
        generator_optimizer=keras.optimizers.Adam(2e-3, beta_1=0.0, beta_2=0.99),
        discriminator_optimizer=keras.optimizers.Adam(2e-3, beta_1=0.0, beta_2=0.99),
    )
    half = np.where(np.arange(8) < 4, 0.8, -0.8)
    noise = np.random.default_rng(0).normal(0.0, 0.1, (16, *IMAGE_SHAPE))
    images = np.clip(half[:, None, None] + noise, -1, 1).astype("float32")
    differences = []
    for trained in trained_at_rates(model, "discriminator", (2e-3, 0.0), images, steps=150):
        mean = trained.generate(32, seed=0).mean(axis=(0, 2, 3))
        differences.append(mean[:4].mean() - mean[4:].mean())
    learnt, by_chance = differences
    assert learnt > 0.4
    assert abs(by_chance) < 0.2
