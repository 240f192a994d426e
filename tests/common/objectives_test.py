"""Objectives against their formulas in float64, their gradients, labels and replicas."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.common import objectives
from zoo.common.tfgan import tfgan

REAL_LOGITS = np.array([-5.0, 1.4, 12.5, 2.7])
GENERATED_LOGITS = np.array([10.0, 4.4, -5.5, 3.6])

# Generator and discriminator losses of the logits above, as published with TF-GAN's tests where
# it has the same loss; the others by the formulas below.
GOLDEN_VALUES = {
    "non_saturating": (1.38582, 5.83387),
    "minimax": (-4.51082, 5.83387),
    "least_squares": (17.69625, 41.73375),
    "wasserstein": (-3.125, 0.225),
    "hinge": (-3.125, 6.75),
}

LOGIT_SHAPES = [(4,), (4, 1), (2, 2, 1, 1), (1, 2, 2, 1)]


def softplus(values: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, values)


def loss_as_real(name: str, logits: np.ndarray, target: float = 1.0) -> np.ndarray:
    """The discriminator's loss of each logit under the label real, in float64."""
    if name == "least_squares":
        return 0.5 * (logits - target) ** 2
    if name == "wasserstein":
        return -logits
    if name == "hinge":
        return np.maximum(0.0, 1.0 - logits)
    return target * softplus(-logits) + (1.0 - target) * softplus(logits)


def loss_as_generated(name: str, logits: np.ndarray) -> np.ndarray:
    """The discriminator's loss of each logit under the label generated, in float64."""
    if name == "least_squares":
        return 0.5 * logits**2
    if name == "wasserstein":
        return logits
    if name == "hinge":
        return np.maximum(0.0, 1.0 + logits)
    return softplus(logits)


def expected_generator_loss(name: str, logits: np.ndarray) -> float:
    if name == "minimax":
        return -np.mean(softplus(logits))
    if name == "hinge":
        return -np.mean(logits)
    return np.mean(loss_as_real(name, logits))


def log_sum_exp(logits: np.ndarray) -> np.ndarray:
    return np.logaddexp.reduce(logits, axis=-1)


def tensor(values: np.ndarray, shape: tuple[int, ...] | None = None) -> tf.Tensor:
    return tf.constant(values if shape is None else values.reshape(shape), tf.float32)


def assert_gradient_is_the_slope(
    loss: Callable[[tf.Tensor], tf.Tensor], expected: Callable[[np.ndarray], float], at: np.ndarray
) -> None:
    """Compares a gradient with central differences of the formula in float64."""
    point = tensor(at)
    with tf.GradientTape() as tape:
        tape.watch(point)
        value = loss(point)
    gradient = tape.gradient(value, point)
    slopes = np.zeros_like(at)
    for index in np.ndindex(at.shape):
        shift = np.zeros_like(at)
        shift[index] = 1e-5
        slopes[index] = (expected(at + shift) - expected(at - shift)) / 2e-5
    np.testing.assert_allclose(gradient, slopes, rtol=1e-4, atol=1e-6)


# === Values ===


@pytest.mark.parametrize("shape", LOGIT_SHAPES)
@pytest.mark.parametrize("name", objectives.NAMES)
def test_values_are_the_golden_ones_in_each_shape(name: str, shape: tuple[int, ...]) -> None:
    objective = objectives.get(name)
    generator_loss = objective.generator_loss(tensor(GENERATED_LOGITS, shape))
    discriminator_loss = objective.discriminator_loss(
        tensor(REAL_LOGITS, shape), tensor(GENERATED_LOGITS, shape)
    )
    assert generator_loss.shape == discriminator_loss.shape == ()
    np.testing.assert_allclose(
        [generator_loss, discriminator_loss], GOLDEN_VALUES[name], rtol=0, atol=6e-6
    )


@pytest.mark.parametrize("name", objectives.NAMES)
def test_golden_values_follow_from_the_formulas(name: str) -> None:
    expected_discriminator_loss = np.mean(loss_as_real(name, REAL_LOGITS)) + np.mean(
        loss_as_generated(name, GENERATED_LOGITS)
    )
    np.testing.assert_allclose(
        [expected_generator_loss(name, GENERATED_LOGITS), expected_discriminator_loss],
        GOLDEN_VALUES[name],
        rtol=0,
        atol=6e-6,
    )


@pytest.mark.parametrize("name", objectives.NAMES)
def test_gradients_are_the_slopes_of_the_formulas(name: str) -> None:
    objective = objectives.get(name)
    assert_gradient_is_the_slope(
        objective.generator_loss,
        lambda logits: expected_generator_loss(name, logits),
        GENERATED_LOGITS,
    )
    assert_gradient_is_the_slope(
        lambda logits: objective.discriminator_loss(logits, tensor(GENERATED_LOGITS)),
        lambda logits: np.mean(loss_as_real(name, logits)),
        REAL_LOGITS,
    )
    assert_gradient_is_the_slope(
        lambda logits: objective.discriminator_loss(tensor(REAL_LOGITS), logits),
        lambda logits: np.mean(loss_as_generated(name, logits)),
        GENERATED_LOGITS,
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("name", objectives.NAMES)
def test_large_logits_of_any_type_give_finite_float32(name: str, dtype: str) -> None:
    objective = objectives.Objective(name, label_noise=0.5)
    logits = tf.Variable([[-1e4], [1e4], [0.0]], dtype=dtype)
    with tf.GradientTape(persistent=True) as tape:
        losses = [
            objective.generator_loss(logits),
            objective.discriminator_loss(logits, -logits, seed=(1, 2)),
        ]
    for loss in losses:
        assert loss.dtype == tf.float32
        assert np.isfinite(loss)
        assert np.all(np.isfinite(tf.cast(tape.gradient(loss, logits), tf.float32)))


def test_real_and_generated_batches_may_differ_in_size() -> None:
    loss = objectives.get("non_saturating").discriminator_loss(
        tensor(REAL_LOGITS), tensor(GENERATED_LOGITS[:3])
    )
    expected = np.mean(softplus(-REAL_LOGITS)) + np.mean(softplus(GENERATED_LOGITS[:3]))
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_graphs_and_xla_agree_with_eager(jit_compile: bool) -> None:
    # All labels are flipped: XLA draws from another stream, so fewer would be others.
    certain = objectives.Objective("non_saturating", label_noise=1.0)
    smoothed = objectives.Objective("non_saturating", label_smoothing=0.1)

    def losses(real_logits: tf.Tensor, generated_logits: tf.Tensor) -> list[tf.Tensor]:
        return [
            certain.discriminator_loss(real_logits, generated_logits, seed=(3, 4)),
            smoothed.discriminator_loss(real_logits, generated_logits),
            smoothed.generator_loss(generated_logits),
        ]

    arguments = tensor(REAL_LOGITS, (4, 1)), tensor(GENERATED_LOGITS, (4, 1))
    compiled = tf.function(losses, jit_compile=jit_compile)
    np.testing.assert_allclose(compiled(*arguments), losses(*arguments), rtol=1e-6)


# === Smoothed and noisy labels ===


@pytest.mark.parametrize("smoothing", [0.1, 0.25, 0.6])
@pytest.mark.parametrize("name", ["non_saturating", "minimax", "least_squares"])
def test_smoothing_softens_the_real_target_only(name: str, smoothing: float) -> None:
    objective = objectives.Objective(name, label_smoothing=smoothing)
    loss = objective.discriminator_loss(tensor(REAL_LOGITS), tensor(GENERATED_LOGITS))
    expected = np.mean(loss_as_real(name, REAL_LOGITS, target=1 - smoothing)) + np.mean(
        loss_as_generated(name, GENERATED_LOGITS)
    )
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    np.testing.assert_allclose(
        objective.generator_loss(tensor(GENERATED_LOGITS)),
        expected_generator_loss(name, GENERATED_LOGITS),
        rtol=1e-6,
    )


@pytest.mark.parametrize("name", objectives.NAMES)
def test_certain_noise_exchanges_the_labels(name: str) -> None:
    noisy = objectives.Objective(name, label_noise=1.0)
    real_logits, generated_logits = tensor(REAL_LOGITS), tensor(GENERATED_LOGITS)
    np.testing.assert_allclose(
        noisy.discriminator_loss(real_logits, generated_logits, seed=(5, 6)),
        objectives.get(name).discriminator_loss(generated_logits, real_logits),
        rtol=1e-6,
    )


def flipped_images(
    objective: objectives.Objective, shape: tuple[int, ...], seed: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Reads the flips of real and of generated labels off the gradients: −1 without, 1 with."""
    real_logits, generated_logits = tf.zeros(shape), tf.zeros(shape)
    with tf.GradientTape() as tape:
        tape.watch([real_logits, generated_logits])
        loss = objective.discriminator_loss(real_logits, generated_logits, seed=seed)
    real_gradient, generated_gradient = tape.gradient(loss, [real_logits, generated_logits])
    return real_gradient.numpy() > 0, generated_gradient.numpy() < 0


def test_noise_flips_the_asked_share_of_both_labels() -> None:
    objective = objectives.Objective("wasserstein", label_noise=0.2)
    real_flips, generated_flips = flipped_images(objective, (20_000, 1), seed=(7, 8))
    # Five standard deviations of a binomial share.
    tolerance = 5 * np.sqrt(0.2 * 0.8 / 20_000)
    assert real_flips.mean() == pytest.approx(0.2, abs=tolerance)
    assert generated_flips.mean() == pytest.approx(0.2, abs=tolerance)
    both = (real_flips & generated_flips).mean()
    assert both == pytest.approx(0.2**2, abs=tolerance), "the two labels are not independent"


def test_noise_repeats_with_its_seed_and_changes_with_another() -> None:
    objective = objectives.Objective("non_saturating", label_noise=0.5)
    first, _ = flipped_images(objective, (64,), seed=(7, 8))
    again, _ = flipped_images(objective, (64,), seed=(7, 8))
    other, _ = flipped_images(objective, (64,), seed=(7, 9))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_patches_of_an_image_share_its_noisy_label() -> None:
    objective = objectives.Objective("hinge", label_noise=0.5)
    real_flips, generated_flips = flipped_images(objective, (32, 3, 3, 1), seed=(1, 1))
    for flips in (real_flips, generated_flips):
        per_image = flips.reshape(32, 9).mean(axis=1)
        assert set(per_image) == {0.0, 1.0}


def test_noise_without_a_seed_is_refused() -> None:
    objective = objectives.Objective(label_noise=0.1)
    with pytest.raises(ValueError, match="`seed=None`"):
        objective.discriminator_loss(tf.zeros(2), tf.zeros(2))


# === Names, arguments, config ===


def test_get_takes_a_name_or_an_objective() -> None:
    objective = objectives.Objective("hinge")
    assert objectives.get(objective) is objective
    assert objectives.get("hinge").get_config() == objective.get_config()


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    for make in (objectives.get, objectives.Objective):
        with pytest.raises(ValueError, match=r"non_saturating, minimax, least_squares.*'hinges'"):
            make("hinges")
    with pytest.raises(ValueError, match="`objective=7`"):
        objectives.get(7)


@pytest.mark.parametrize(
    ("arguments", "received"),
    [
        ({"label_smoothing": -0.1}, "`label_smoothing=-0.1`"),
        ({"label_smoothing": 1.0}, "`label_smoothing=1.0`"),
        ({"label_noise": 1.5}, "`label_noise=1.5`"),
        ({"label_noise": float("nan")}, "`label_noise=nan`"),
        ({"name": "hinge", "label_smoothing": 0.1}, "no labels to smooth.*`label_smoothing=0.1`"),
        ({"name": "wasserstein", "label_smoothing": 0.1}, "'wasserstein' has no labels"),
    ],
)
def test_bad_arguments_are_named(arguments: dict, received: str) -> None:
    with pytest.raises(ValueError, match=received):
        objectives.Objective(**arguments)


def test_config_round_trip() -> None:
    objective = objectives.Objective("least_squares", label_smoothing=0.1, label_noise=0.05)
    serialised = keras.saving.serialize_keras_object(objective)
    restored = keras.saving.deserialize_keras_object(serialised)
    assert isinstance(restored, objectives.Objective)
    assert restored.get_config() == objective.get_config()
    assert repr(restored) == (
        "Objective(name='least_squares', label_smoothing=0.1, label_noise=0.05)"
    )


# === Feature matching ===


def test_feature_matching_by_hand() -> None:
    real_features = tensor(np.array([[1.0, 2.0], [3.0, 6.0]]))
    generated_features = tensor(np.array([[0.0, 0.0], [2.0, 2.0], [1.0, 1.0]]))
    # Means (2, 4) and (1, 1): differences 1 and 3.
    assert float(objectives.feature_matching(real_features, generated_features)) == 5.0
    assert float(objectives.feature_matching(real_features, generated_features, order=1)) == 2.0


@pytest.mark.parametrize("order", [1, 2])
def test_feature_matching_has_the_slope_of_its_formula(order: int) -> None:
    random = np.random.default_rng(0)
    real_features, generated_features = random.normal(size=(2, 3, 2, 2))

    def expected(generated: np.ndarray) -> float:
        difference = real_features.mean(axis=0) - generated.mean(axis=0)
        return np.mean(np.abs(difference) ** order)

    assert_gradient_is_the_slope(
        lambda generated: objectives.feature_matching(tensor(real_features), generated, order),
        expected,
        generated_features,
    )


def test_feature_matching_refuses_what_it_cannot_match() -> None:
    with pytest.raises(ValueError, match="`order=3`"):
        objectives.feature_matching(tf.zeros((2, 3)), tf.zeros((2, 3)), order=3)
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 1\)"):
        objectives.feature_matching(tf.zeros((2, 3)), tf.zeros((2, 1)))


# === The semi-supervised discriminator ===


def random_logits(num_classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    real_logits, generated_logits = random.normal(scale=4.0, size=(2, 6, num_classes))
    return real_logits, generated_logits


def test_classes_and_the_fake_class_normalise() -> None:
    logits, _ = random_logits()
    with_fake = tf.concat([tensor(logits), tf.zeros((6, 1))], axis=-1)
    probabilities = tf.nn.softmax(with_fake).numpy()
    real = objectives.real_probability(tensor(logits))
    assert real.shape == (6,)
    np.testing.assert_allclose(real, probabilities[:, :10].sum(axis=-1), rtol=1e-5)
    joint = real[:, None] * tf.nn.softmax(tensor(logits))
    np.testing.assert_allclose(joint, probabilities[:, :10], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(1 - real, probabilities[:, 10], rtol=1e-4, atol=1e-7)


def test_unlabelled_loss_is_the_formula_of_the_paper() -> None:
    real_logits, generated_logits = random_logits()
    real, generated = log_sum_exp(real_logits), log_sum_exp(generated_logits)
    expected = (
        -0.5 * np.mean(real) + 0.5 * np.mean(softplus(real)) + 0.5 * np.mean(softplus(generated))
    )
    loss = objectives.unlabelled_loss(tensor(real_logits), tensor(generated_logits))
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_unlabelled_loss_of_one_class_is_half_the_two_player_loss() -> None:
    real_logits, generated_logits = tensor(REAL_LOGITS, (4, 1)), tensor(GENERATED_LOGITS, (4, 1))
    two_player_loss = tfgan().losses.wargs.modified_discriminator_loss(
        real_logits, generated_logits, label_smoothing=0.0
    )
    np.testing.assert_allclose(
        objectives.unlabelled_loss(real_logits, generated_logits), two_player_loss / 2, rtol=1e-6
    )


def test_unlabelled_loss_has_the_slope_of_its_formula() -> None:
    real_logits, generated_logits = random_logits(num_classes=3)
    assert_gradient_is_the_slope(
        lambda logits: objectives.unlabelled_loss(logits, tensor(generated_logits)),
        lambda logits: 0.5 * np.mean(softplus(-log_sum_exp(logits))),
        real_logits,
    )
    assert_gradient_is_the_slope(
        lambda logits: objectives.unlabelled_loss(tensor(real_logits), logits),
        lambda logits: 0.5 * np.mean(softplus(log_sum_exp(logits))),
        generated_logits,
    )


def test_unlabelled_loss_keeps_its_digits_when_the_discriminator_is_sure() -> None:
    """In float32, softplus(20) − 20 is 0; the loss is 2e-9."""
    loss = objectives.unlabelled_loss(tf.constant([[20.0]]), tf.constant([[-20.0]]))
    np.testing.assert_allclose(loss, np.log1p(np.exp(-20.0)), rtol=1e-5)


def test_labelled_loss_is_the_cross_entropy_of_the_real_classes() -> None:
    logits, _ = random_logits()
    labels = np.array([0, 9, 3, 3, 1, 7])
    expected = np.mean(log_sum_exp(logits) - logits[np.arange(6), labels])
    loss = objectives.labelled_loss(tensor(logits), tf.constant(labels))
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    assert_gradient_is_the_slope(
        lambda logits: objectives.labelled_loss(logits, tf.constant(labels)),
        lambda logits: np.mean(log_sum_exp(logits) - logits[np.arange(6), labels]),
        logits,
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_semi_supervised_losses_are_finite_for_large_logits(dtype: str) -> None:
    logits = tf.Variable([[-1e4, -1e4], [1e4, 1e4], [-1e4, 1e4]], dtype=dtype)
    with tf.GradientTape(persistent=True) as tape:
        values = [
            objectives.labelled_loss(logits, tf.constant([0, 1, 0])),
            objectives.unlabelled_loss(logits, logits[::-1]),
            tf.reduce_sum(objectives.real_probability(logits)),
        ]
    for value in values:
        assert value.dtype == tf.float32
        assert np.isfinite(value)
        assert np.all(np.isfinite(tf.cast(tape.gradient(value, logits), tf.float32)))


# === Replicas ===

INITIAL_WEIGHTS = np.linspace(-1, 1, 6).reshape(3, 2)


def step_of_sgd(
    strategy: tf.distribute.Strategy,
    images: np.ndarray,
    loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
) -> tuple[float, np.ndarray]:
    """The global loss, and the weights after a step in which the replicas share the batch."""
    num_replicas = strategy.num_replicas_in_sync
    with strategy.scope():
        weights = keras.Variable(INITIAL_WEIGHTS, dtype="float32")
        optimizer = keras.optimizers.SGD(1.0)
        optimizer.build([weights])

    def step(images: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            share_of_loss = loss(images, tf.tanh(images @ weights)) / num_replicas
        optimizer.apply([tape.gradient(share_of_loss, weights.value)], [weights])
        return share_of_loss

    def share(context: tf.distribute.experimental.ValueContext) -> tf.Tensor:
        size = len(images) // num_replicas
        start = context.replica_id_in_sync_group * size
        return tensor(images[start : start + size])

    shares = strategy.experimental_distribute_values_from_function(share)
    losses = tf.function(lambda: strategy.run(step, args=(shares,)))()
    global_loss = strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)
    return float(global_loss), weights.numpy()


@pytest.mark.parametrize(
    "loss",
    [
        lambda images, features: objectives.feature_matching(images[:, :2], features, order=2),
        lambda images, features: objectives.feature_matching(images[:, :2], features, order=1),
        lambda images, features: objectives.Objective(label_noise=0.5).discriminator_loss(
            features[:, :1], features[:, 1:], seed=(1, 2)
        ),
        lambda images, features: objectives.unlabelled_loss(features, -features),
    ],
    ids=["feature_matching", "feature_matching_l1", "noisy_labels", "unlabelled"],
)
def test_two_replicas_equal_one(
    two_replicas: tf.distribute.Strategy, loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
) -> None:
    images = np.random.default_rng(0).normal(size=(8, 3))
    one_loss, one_weights = step_of_sgd(tf.distribute.OneDeviceStrategy("CPU:0"), images, loss)
    two_loss, two_weights = step_of_sgd(two_replicas, images, loss)
    assert two_loss == pytest.approx(one_loss, rel=1e-6)
    np.testing.assert_allclose(two_weights, one_weights, atol=1e-6)
    assert np.abs(one_weights - INITIAL_WEIGHTS).max() > 1e-3
