"""The paper's losses in numbers, its networks, its known mistakes, and that it learns."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import export
import zoo
from tests.case import ramp_images, state_of, trained_at_rates
from zoo import cyclegan
from zoo.common import translation_networks
from zoo.common.tfgan import tfgan
from zoo.common.translation_networks import instance_norm

SHAPE = (16, 16, 1)


def identity(name: str) -> keras.Model:
    images = keras.Input((None, None, 1))
    # A weight, for an optimizer needs one: 1 leaves images alone.
    convolution = layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones")
    return keras.Model(images, convolution(images), name=name)


def small(**arguments) -> zoo.CycleGAN:
    keras.utils.set_random_seed(0)
    defaults = {"base_filters": 2, "num_blocks": 1, "discriminator_scales": 1, "pool_size": 0}
    return zoo.CycleGAN(SHAPE, **(defaults | arguments))


def resting() -> dict:
    """Optimizers that move nothing, so that logs are of the weights as they are.

    And no graph, which takes longer to trace than a few steps take without one.
    """
    optimizers = {
        f"{player}_optimizer": keras.optimizers.SGD(0.0)
        for player in ("generator", "discriminator")
    }
    return {**optimizers, "run_eagerly": True}


def logs_of(model: zoo.CycleGAN, images_a, images_b) -> dict[str, float]:
    data = tf.data.Dataset.from_tensors((images_a, images_b))
    return {name: values[0] for name, values in model.fit(data, verbose=0).history.items()}


@pytest.fixture
def images() -> tuple[np.ndarray, np.ndarray]:
    both = ramp_images(6, SHAPE)
    return both[:3], both[3:]


# === The game ===


def test_generators_that_change_nothing_lose_nothing_by_cycle_and_identity(images):
    model = small(generator_ab=identity("ab"), generator_ba=identity("ba"))
    model.compile(**resting())
    logs = logs_of(model, *images)
    assert logs["cycle_loss"] == logs["identity_loss"] == 0
    assert logs["generator_loss"] == logs["adversarial_loss"] > 0
    data = tf.data.Dataset.from_tensors(images)
    evaluated = model.evaluate(data, verbose=0, return_dict=True)
    assert evaluated == {"cycle_loss": 0, "identity_loss": 0}


def test_losses_are_those_of_the_formula(images):
    images_a, images_b = images
    model = small(cycle_weight=7.0, forward_cycle_weight=0.3, identity_weight=0.25)
    model.compile(**resting())
    logs = logs_of(model, images_a, images_b)

    to_b, to_a = (lambda x, n=n: n(x).numpy() for n in model.players["generator"])
    judge_a, judge_b = (lambda x, n=n: n(x) for n in model.players["discriminator"])
    error = lambda x, y: np.abs(x - y).mean()  # noqa: E731
    cycle = 0.3 * error(to_a(to_b(images_a)), images_a) + error(to_b(to_a(images_b)), images_b)
    same = error(to_b(images_b), images_b) + error(to_a(images_a), images_a)
    losses = tfgan().losses.wargs
    logits_a, logits_b = judge_a(to_a(images_b)), judge_b(to_b(images_a))
    # TF-GAN halves the squares of both players, the authors those of D alone.
    fooling = 2 * (
        losses.least_squares_generator_loss(logits_a)
        + losses.least_squares_generator_loss(logits_b)
    )
    telling = losses.least_squares_discriminator_loss(judge_a(images_a), logits_a)
    telling += losses.least_squares_discriminator_loss(judge_b(images_b), logits_b)
    expected = {
        "cycle_loss": cycle,
        "identity_loss": same,
        "adversarial_loss": float(fooling),
        "discriminator_loss": float(telling),
        "generator_loss": float(fooling) + 7.0 * (cycle + 0.25 * same),
    }
    assert {name: logs[name] for name in expected} == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("generator", ["generator_ab", "generator_ba"])
def test_train_step_lets_both_cycle_terms_move_both_generators(generator, images):
    """With the other losses off, a generator moves by both terms, as the sum of their gradients.

    In a well-known implementation ‖F(G(x)) − x‖ never reaches G.
    """
    model = small(identity_weight=0.0, cycle_weight=1.0)
    for network in model.players["discriminator"]:
        for variable in network.trainable_variables:
            variable.assign(tf.zeros_like(variable))  # the logits are 0, whatever G does
    variables = getattr(model, generator).trainable_variables
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.abs(model.generator_ba(model.generator_ab(images[0])) - images[0]))
        loss += tf.reduce_mean(
            tf.abs(model.generator_ab(model.generator_ba(images[1])) - images[1])
        )
    gradients = tape.gradient(loss, variables)
    before = [variable.numpy() for variable in variables]
    model.compile(
        generator_optimizer=keras.optimizers.SGD(0.1),
        discriminator_optimizer=keras.optimizers.SGD(0.0),
        run_eagerly=True,
    )
    logs_of(model, *images)
    for old, variable, gradient in zip(before, variables, gradients, strict=True):
        np.testing.assert_allclose(variable, old - 0.1 * gradient, atol=1e-5)


@pytest.mark.parametrize("cycle_terms", ["forward", "backward"])
def test_one_cycle_term_alone_is_that_direction(cycle_terms, images):
    model = small(cycle_terms=cycle_terms)
    model.compile(**resting())
    first, second = model.players["generator"]
    real = images[0]
    if cycle_terms == "backward":
        first, second, real = second, first, images[1]
    logs = logs_of(model, *images)
    assert logs["cycle_loss"] == pytest.approx(np.abs(second(first(real)) - real).mean(), rel=1e-5)
    # What is measured stays the same, so that an ablation can be compared.
    evaluated = model.evaluate(tf.data.Dataset.from_tensors(images), verbose=0, return_dict=True)
    assert evaluated["cycle_loss"] > 1.2 * logs["cycle_loss"]


def test_pools_are_filled_with_generated_images():
    model = small(generator_ab=identity("ab"), generator_ba=identity("ba"), pool_size=2)
    model.compile(**resting())
    old, new = (np.full((2, *SHAPE), value, "float32") for value in (-0.8, -0.3))
    logs_of(model, old, old)
    for pool in (model.pool_a, model.pool_b):
        assert int(pool.num_images) == 2
        np.testing.assert_array_equal(pool.images, old)
    for _ in range(8):
        logs_of(model, new, new)
    # Every step shows two new images, each in the place of a stored one or past them.
    stored = np.unique(model.pool_a.images)
    assert np.float32(-0.3) in stored


def test_discriminators_are_shown_what_the_pools_give():
    # Logits are the pixels, and generated images of one domain are the other's real ones.
    names = ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b")
    model = small(pool_size=2, **{name: identity(name) for name in names})
    model.compile(**resting())
    pools = (model.pool_b, model.pool_a)  # in the order of the images that they come from
    num_exchanged = []
    for step in range(10):
        levels = [-0.05 * step, -0.05 * step - 0.5]
        before = [np.array(pool.images) for pool in pools]
        logs = logs_of(model, *(np.full((2, *SHAPE), level, "float32") for level in levels))
        after = [np.array(pool.images) for pool in pools]
        real = sum((level - 1) ** 2 for level in levels)
        # What went in and is not there now was shown.
        shown = sum(
            2 * level**2 + np.sum(old[:, 0, 0, 0] ** 2) - np.sum(new[:, 0, 0, 0] ** 2)
            for level, old, new in zip(levels, before, after, strict=True)
        )
        if step > 0:  # while a pool fills, it stores what it shows
            assert logs["discriminator_loss"] == pytest.approx(0.5 * (real + shown / 2), rel=1e-5)
            num_exchanged.append(
                [
                    int((old != new)[:, 0, 0, 0].sum())
                    for old, new in zip(before, after, strict=True)
                ]
            )
    assert all(0 < sum(numbers) < 18 for numbers in zip(*num_exchanged, strict=True))
    assert any(number_a != number_b for number_a, number_b in num_exchanged)


def test_without_identity_weight_its_loss_is_not_computed(images):
    model = small(identity_weight=0.0)
    model.compile(**resting())
    assert logs_of(model, *images)["identity_loss"] == 0


# === Averages ===


def test_averages_translate_while_the_generators_play(images):
    images_a, images_b = images
    model = small(generator_ab=identity("ab"), generator_ba=identity("ba"), average_decay=0.9)
    for network, factor in zip(model.translators, (0.5, 0.25), strict=True):
        network.layers[-1].kernel.assign([[[[factor]]]])
    model.compile(**resting())
    np.testing.assert_allclose(model.predict(images_a, verbose=0), 0.5 * images_a, rtol=1e-6)

    evaluated = model.evaluate(tf.data.Dataset.from_tensors(images), verbose=0, return_dict=True)
    size_a, size_b = np.abs(images_a).mean(), np.abs(images_b).mean()
    cycle_loss = 0.875 * (size_a + size_b)
    assert evaluated["cycle_loss"] == pytest.approx(cycle_loss, rel=1e-5)
    identity_loss = 0.5 * size_b + 0.75 * size_a
    assert evaluated["identity_loss"] == pytest.approx(identity_loss, rel=1e-5)

    for direction, factor in (("a_to_b", 0.5), ("b_to_a", 0.25)):
        translate = model.export_signatures()[direction]
        given = translate(images=tf.constant((images_a + 1) / 2))["images"]
        np.testing.assert_allclose(given, (factor * images_a + 1) / 2, atol=1e-6)

    assert logs_of(model, images_a, images_b)["cycle_loss"] == 0


def test_averages_follow_both_generators(images):
    model = small(average_decay=0.9)
    model.compile(run_eagerly=True)
    data = tf.data.Dataset.from_tensors(images)
    model.fit(data, verbose=0)
    first = [network.get_weights() for network in model.players["generator"]]
    model.fit(data, verbose=0)
    for network, average, before in zip(
        model.players["generator"], model.translators, first, strict=True
    ):
        for now, mean, then in zip(network.weights, average.weights, before, strict=True):
            expected = (0.9 * then + now.numpy()) / 1.9
            np.testing.assert_allclose(mean, expected, atol=1e-7)
        # Steps are of 2e-4.
        assert np.abs(network.weights[0] - average.weights[0]).max() > 1e-5


def test_without_averages_the_generators_translate():
    model = small()
    assert model.translators == model.players["generator"] and not model.averages


# === Networks ===


GENERATORS = {
    "residual": cyclegan.build_generator,
    "residual_skip": translation_networks.build_residual_skip_generator,
    "attention": translation_networks.build_attention_generator,
    "u_net": translation_networks.build_u_net_generator,
}


@pytest.mark.parametrize("architecture", GENERATORS)
def test_only_the_papers_generator_is_blind_to_light_and_colour_cast(architecture):
    images = tf.random.stateless_uniform((2, 32, 32, 3), (1, 2), -0.9, 0.9)
    seen_otherwise = 0.5 * images + [0.4, 0.0, -0.3]
    generator = GENERATORS[architecture](base_filters=4)
    convolutions = [each for each in generator.layers if hasattr(each, "kernel")]
    # As initialised, it gives all but the same for any image.
    for convolution in (convolutions[0], convolutions[-1]):
        convolution.kernel.assign(20 * convolution.kernel)
    answers, others = generator(images), generator(seen_otherwise)
    assert np.std(answers) > 0.05
    difference = np.abs(answers - others).mean() / np.std(answers)
    assert difference < 0.01 if architecture == "residual" else difference > 0.1


def test_generator_that_keeps_colours_can_leave_an_image_as_it_is():
    generator = translation_networks.build_residual_skip_generator(base_filters=3)
    convolutions = [each for each in generator.layers if hasattr(each, "kernel")]
    first, last = convolutions[0], convolutions[-1]
    for convolution in (first, last):
        convolution.set_weights([np.zeros_like(each) for each in convolution.get_weights()])
    copying = np.zeros(first.kernel.shape, np.float32)
    copying[3, 3] = 0.1 * np.eye(3)
    first.kernel.assign(copying)
    # The last sees the 3 feature maps of the decoder, then those of the first.
    last.kernel.assign(np.concatenate([np.zeros_like(copying), copying], axis=3))
    images = np.linspace(-1, 1, 16 * 16 * 3, dtype=np.float32).reshape(1, 16, 16, 3)
    np.testing.assert_allclose(generator(images), np.tanh(0.01 * images), atol=1e-6)


@pytest.mark.parametrize("architecture", ["residual", "residual_skip"])
@pytest.mark.parametrize("size", [(8, 8), (16, 36)])
def test_generator_ends_in_a_convolution_of_reflected_features(architecture, size):
    """Its transpose computes it faster: that must be the same to the edge of the image."""
    generator = GENERATORS[architecture](base_filters=4)
    last = [each for each in generator.layers if hasattr(each, "kernel")][-1]
    (padding,) = [each for each in generator.layers if each.output is last.input]
    last.bias.assign([0.3, -0.2, 0.1])
    images = tf.random.stateless_uniform((2, *size, 3), (1, 2), -0.9, 0.9)
    features = keras.Model(generator.input, padding.input)(images)
    reflected = np.pad(features, ((0, 0), (3, 3), (3, 3), (0, 0)), mode="reflect")
    turned = tf.transpose(last.kernel[::-1, ::-1], (0, 1, 3, 2))
    logits = tf.nn.conv2d(reflected, turned, 1, "VALID") + last.bias
    assert np.std(logits) > 0.01
    np.testing.assert_allclose(generator(images), np.tanh(logits), atol=1e-5)


def attention_generator(mask_weights: float, mask_offset: float) -> keras.Model:
    generator = translation_networks.build_attention_generator(base_filters=4, num_blocks=1)
    (norm,) = [each for each in generator.layers if each.weights and "normalization" in each.name]
    norm.set_weights([np.array([mask_weights]), np.array([mask_offset])])
    return generator


@pytest.mark.parametrize("offset", [-20, 20])
def test_a_mask_copies_the_image_where_shut_and_draws_where_open(offset):
    generator = attention_generator(0.0, offset)
    content = keras.Model(generator.input, generator.get_layer("content").output)
    images = tf.random.stateless_uniform((2, 16, 20, 3), (1, 2), -0.9, 0.9)
    assert np.std(content(images)) > 0.05
    expected = content(images) if offset > 0 else images
    np.testing.assert_allclose(generator(images), expected, atol=1e-6)


def test_a_mask_mixes_each_pixel_of_all_channels_alike():
    generator = attention_generator(3.0, 0.0)
    parts = [generator.get_layer(name).output for name in ("content", "mask")]
    images = tf.random.stateless_uniform((2, 16, 20, 3), (1, 2), -0.9, 0.9)
    content, mask = keras.Model(generator.input, parts)(images)
    assert mask.shape == (2, 16, 20, 1)
    assert np.min(mask) < 0.1 and np.max(mask) > 0.9
    np.testing.assert_allclose(generator(images), mask * content + (1 - mask) * images, atol=1e-6)


def test_a_mask_can_not_shut_everywhere():
    generator = attention_generator(3.0, 0.0)
    last = [each for each in generator.layers if hasattr(each, "kernel")][-1]
    mask = keras.Model(generator.input, generator.get_layer("mask").output)
    images = tf.random.stateless_uniform((2, 16, 20, 3), (1, 2), -0.9, 0.9)
    before = mask(images)
    last.bias.assign([0.0, 0.0, 0.0, -50.0])
    np.testing.assert_allclose(mask(images), before, atol=1e-4)


@pytest.mark.parametrize("architecture", cyclegan.ARCHITECTURES)
def test_architecture_chooses_the_generator(architecture):
    model = zoo.CycleGAN((32, 32, 3), base_filters=4, architecture=architecture)
    for network in model.players["generator"]:
        built = GENERATORS[architecture](base_filters=4)
        assert network.count_params() == built.count_params()
        assert [type(each) for each in network.layers] == [type(each) for each in built.layers]


@pytest.mark.slow
# The contract tests build the paper's generator alone.
@pytest.mark.parametrize("architecture", ["residual_skip", "attention", "u_net"])
def test_every_generator_survives_its_file_and_its_export(architecture, tmp_path):
    keras.utils.set_random_seed(0)
    model = zoo.CycleGAN(
        (32, 32, 3), base_filters=2, num_blocks=1, architecture=architecture, pool_size=0
    )
    images_a, images_b = np.split(ramp_images(4, (32, 32, 3)), 2)
    initially = model.predict(images_a, verbose=0)
    model.compile(run_eagerly=True)
    logs_of(model, images_a, images_b)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    loaded.run_eagerly = True  # a graph rounds otherwise
    translated = model.predict(images_a, verbose=0)
    np.testing.assert_array_equal(loaded.predict(images_a, verbose=0), translated)
    assert not np.array_equal(initially, translated)
    for ours, theirs in zip(*map(state_of, (model, loaded)), strict=True):
        np.testing.assert_array_equal(ours, theirs)

    export.save(loaded, tmp_path / "export", verify=False)
    exported = export.load(tmp_path / "export")
    images = exported.a_to_b(tf.constant(images_a / 2 + 0.5))["images"]
    np.testing.assert_allclose(images, translated / 2 + 0.5, atol=1e-5)


def test_networks_are_those_of_the_authors():
    generator = cyclegan.build_generator(num_blocks=9)
    norms = [layer for layer in generator.layers if isinstance(layer, layers.LayerNormalization)]
    assert len(norms) == 5 + 2 * 9
    assert not any(layer.weights for layer in norms)
    paddings = [layer.padding for layer in generator.layers if "reflection" in layer.name]
    assert paddings == [3, *[1] * 18, 3]
    assert generator.layers[-1].activation is keras.activations.tanh
    for layer in generator.layers:
        if hasattr(layer, "kernel"):
            assert np.std(layer.kernel) == pytest.approx(0.02, rel=0.1)


def test_instance_norm_is_group_norm_with_a_group_a_channel():
    images = tf.random.stateless_normal((2, 6, 5, 3), (0, 1)) * 3 + 1
    inputs = keras.Input((None, None, 3))
    normalise = keras.Model(inputs, instance_norm(inputs))
    by_group = layers.GroupNormalization(groups=-1, epsilon=1e-5, center=False, scale=False)
    np.testing.assert_allclose(normalise(images), by_group(images), atol=1e-6)
    mean, variance = tf.nn.moments(normalise(images), axes=[1, 2])
    np.testing.assert_allclose(mean, np.zeros((2, 3)), atol=1e-6)
    np.testing.assert_allclose(variance, np.ones((2, 3)), atol=1e-4)


@pytest.mark.parametrize(("num_scales", "patch"), [(3, 70), (2, 34), (1, 16)])
def test_a_logit_sees_the_patch_that_is_promised(num_scales, patch):
    network = cyclegan.build_discriminator(1, 2, num_scales)
    images = tf.Variable(ramp_images(1, (128, 128, 1)))
    # Instance norm looks at the whole image: take it for constant.
    path = [layer for layer in network.layers[1:] if "normalization" not in layer.name]
    with tf.GradientTape() as tape:
        x = images
        for layer in path:
            x = layer(x)
        middle = x[0, x.shape[1] // 2, x.shape[2] // 2, 0]
    rows = np.flatnonzero(np.abs(tape.gradient(middle, images)[0]).sum(axis=(1, 2)))
    assert rows[-1] - rows[0] + 1 == patch


@pytest.mark.parametrize("size", [(8, 8), (64, 64), (32, 100)])
def test_the_generator_takes_any_size_that_4_divides(size):
    generator = cyclegan.build_generator(3, 2, 1)
    images = ramp_images(1, (*size, 3))
    assert generator(images).shape == images.shape


def test_translates_either_way(images):
    model = small(generator_ba=identity("ba"))
    np.testing.assert_array_equal(model.translate(images[1], "b_to_a"), images[1])
    expected = model.predict(images[0], verbose=0)
    np.testing.assert_allclose(model.translate(images[0], batch_size=2), expected, atol=1e-6)
    with pytest.raises(ValueError, match="one of a_to_b, b_to_a. Received: direction='b'"):
        model.translate(images[0], "b")
    with pytest.raises(ValueError, match=r"translate\(\) takes .*of shape \(None, None, 1\)"):
        model.translate(np.zeros((1, 16, 16, 3), "float32"))
    with pytest.raises(ValueError, match=r"scaled to \[-1, 1\]"):
        model.translate(127.5 * images[0] + 127.5)


@pytest.mark.parametrize(
    ("architecture", "size", "nearest"),
    [
        ("residual", (19, 20), "20 by 20"),
        ("attention", (19, 20), "20 by 20"),
        ("u_net", (36, 100), "32 by 96"),
    ],
)
def test_images_that_would_change_their_size_are_refused(architecture, size, nearest):
    model = zoo.CycleGAN((32, 32, 1), 1, 1, architecture=architecture)
    images = ramp_images(1, (*size, 1))
    message = f"Images of {size[0]} by {size[1]} pixels .*such as to {nearest}. "
    for translate in (model.predict, model.predict_on_batch, model.translate):
        with pytest.raises(ValueError, match=message):
            translate(images)
    if architecture == "residual":  # the others can't be called
        with pytest.raises(ValueError, match=message):
            model(images)


def test_u_net_takes_its_place():
    model = zoo.CycleGAN((32, 64, 3), base_filters=2, architecture="u_net")
    images = ramp_images(2, (32, 64, 3))
    assert model.predict(images, verbose=0).shape == images.shape
    joins = [x for x in model.generator_ab.layers if isinstance(x, layers.Concatenate)]
    assert len(joins) == 4


def test_default_optimizers_are_the_papers():
    model = small()
    model.compile()
    for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
        assert isinstance(optimizer, keras.optimizers.Adam)
        assert float(optimizer.learning_rate) == pytest.approx(2e-4)
        assert optimizer.beta_1 == 0.5


def test_patches_are_smaller_for_small_images():
    scales = [zoo.CycleGAN((s, s, 1), 1, 1).discriminator_scales for s in (64, 128)]
    assert scales == [2, 3]


# === Refusals ===


@pytest.mark.parametrize(
    ("architecture", "received"),
    [
        ("residual", r"generator_ab, which gives \(32, 32, 1\)"),
        ("attention", "generator_ab, which can't be called on them"),
    ],
)
def test_a_generator_that_changes_the_size_is_refused(architecture, received):
    with pytest.raises(ValueError, match=f"sides that 4 divides.*{received}") as refusal:
        zoo.CycleGAN((30, 30, 1), 1, 1, architecture=architecture)
    # What a network itself had to say is not lost.
    assert (refusal.value.__cause__ is None) == (architecture == "residual")


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((2, *SHAPE), "float32"),
        (np.zeros((2, *SHAPE), "float32"), np.zeros((2, 8, 8, 1), "float32")),
    ],
)
def test_other_batches_are_refused(batch):
    model = small()
    model.compile()
    with pytest.raises(ValueError, match=r"\(images_a, images_b\) with images of shape \(16, 16"):
        model.fit(tf.data.Dataset.from_tensors(batch), verbose=0)


def test_domains_may_end_in_batches_of_unequal_size():
    images = ramp_images(5, SHAPE)
    model = small()
    model.compile(run_eagerly=True)
    logs = logs_of(model, images[:3], images[3:])
    assert np.isfinite(list(logs.values())).all()


def test_quality_measures_are_refused():
    with pytest.raises(ValueError, match="Received: quality_measures="):
        small().compile(quality_measures=[keras.metrics.Mean(name="mean")])


# === Learning ===


@pytest.mark.slow
def test_learns_only_if_the_discriminators_do():
    """A, dark by `sign`, is made bright and B dark, over textures that are alike.

    One that does not learn may by chance ask for the right thing, but not both ways round.
    """
    # The cycle alone would show a generator how bright the images of its domain are.
    model = small(base_filters=4, identity_weight=0.0, cycle_weight=0.0)
    model.compile(
        generator_optimizer=keras.optimizers.Adam(5e-3, beta_1=0.5),
        discriminator_optimizer=keras.optimizers.Adam(5e-3, beta_1=0.5),
    )
    texture = 0.2 * ramp_images(4, SHAPE)
    rates = (5e-3, 0.0)
    brightness = dict.fromkeys(rates, np.inf)
    for sign in (1, -1):
        dark, bright = texture[:2] - sign * 0.6, texture[2:] + sign * 0.6
        for rate, trained in zip(
            rates,
            trained_at_rates(model, "discriminator", rates, (dark, bright), steps=50),
            strict=True,
        ):
            made_bright = sign * np.mean(trained.generator_ab(dark))
            made_dark = -sign * np.mean(trained.generator_ba(bright))
            brightness[rate] = min(brightness[rate], made_bright, made_dark)
    # Of about 0.6. Five runs of either sign, some without oneDNN: 0.55 to 0.83; at rest -0.28 to
    # 0.12 each way round, and -0.28 to -0.03 the worse of both.
    assert brightness[5e-3] > 0.4
    assert brightness[0.0] < 0.2


@pytest.mark.slow
def test_one_call_on_two_batches_trains_what_two_calls_do(monkeypatch):
    random = np.random.default_rng(0)
    images = tuple(random.uniform(-1, 1, (2, *SHAPE)).astype("float32") for _ in "ab")

    def trained() -> list[np.ndarray]:
        model = small(cycle_weight=1.0)
        model.compile(**{f"{p}_optimizer": keras.optimizers.SGD(1e-3) for p in model.players})
        # At larger rates ten steps take what rounds otherwise far apart, in eager mode too.
        model.fit(tf.data.Dataset.from_tensors(images).repeat(10), verbose=0)
        return [weight.numpy() for weight in model.trainable_weights]

    once, calls = trained(), []

    def twice(network, one, other):
        calls.append(network)
        return network(one, training=True), network(other, training=True)

    monkeypatch.setattr(cyclegan, "train_on_both", twice)
    apart = trained()
    assert len(calls) == 4
    begun = small(cycle_weight=1.0).trainable_weights
    assert max(np.abs(a - b.numpy()).max() for a, b in zip(once, begun, strict=True)) > 1e-4
    for a, b in zip(once, apart, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
