"""Objectives against their formulas in float64, their gradients, labels, pairs and replicas."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.loss_checks import (
    assert_gradient_is_the_slope,
    assert_two_replicas_equal_one,
    softplus,
    tensor,
)
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
    "boundary_seeking": (40.6425, 5.83387),
}

RELATIVISTIC = ("relativistic", "relativistic_average")
DIVERGENCES = ("f_kl", "f_reverse_kl", "f_pearson", "f_hellinger", "f_js", "f_gan")
WITH_LABELS = tuple(name for name in objectives.NAMES if name not in RELATIVISTIC)
SMOOTHED = ("non_saturating", "minimax", "least_squares")

LOGIT_SHAPES = [(4,), (4, 1), (2, 2, 1, 1), (1, 2, 2, 1)]


def loss_as_real(name: str, logits: np.ndarray, target: float = 1.0) -> np.ndarray:
    """The discriminator's loss of each logit under the label real, in float64."""
    formulas = {
        "least_squares": lambda: 0.5 * (logits - target) ** 2,
        "wasserstein": lambda: -logits,
        "hinge": lambda: np.maximum(0.0, 1.0 - logits),
        "f_kl": lambda: -logits,
        "f_reverse_kl": lambda: np.exp(-logits),
        "f_pearson": lambda: -logits,
        "f_hellinger": lambda: np.exp(-logits) - 1.0,
        "f_js": lambda: -np.log(2.0 / (1.0 + np.exp(-logits))),
    }
    cross_entropy = target * softplus(-logits) + (1.0 - target) * softplus(logits)
    return formulas[name]() if name in formulas else cross_entropy


def loss_as_generated(name: str, logits: np.ndarray) -> np.ndarray:
    """The discriminator's loss of each logit under the label generated, in float64."""
    formulas = {
        "least_squares": lambda: 0.5 * logits**2,
        "wasserstein": lambda: logits,
        "hinge": lambda: np.maximum(0.0, 1.0 + logits),
        "f_kl": lambda: np.exp(logits - 1.0),
        "f_reverse_kl": lambda: logits - 1.0,
        "f_pearson": lambda: logits**2 / 4.0 + logits,
        "f_hellinger": lambda: np.exp(logits) - 1.0,
        "f_js": lambda: -np.log(2.0 - 2.0 / (1.0 + np.exp(-logits))),
    }
    return formulas[name]() if name in formulas else softplus(logits)


def comparison(name: str, high: np.ndarray, low: np.ndarray) -> float:
    """What a player loses who wants the first logits above the second, in float64."""
    if name == "relativistic":
        return np.mean(softplus(low - high))
    of_high, of_low = softplus(low.mean() - high), softplus(low - high.mean())
    return (of_high.mean() + of_low.mean()) / 2


def expected_generator_loss(
    name: str, generated: np.ndarray, real: np.ndarray = REAL_LOGITS
) -> float:
    if name in RELATIVISTIC:
        return comparison(name, generated, real)
    if name == "minimax":
        return -np.mean(softplus(generated))
    if name == "hinge":
        return -np.mean(generated)
    if name == "boundary_seeking":
        return np.mean(generated**2)
    return np.mean(loss_as_real(name, generated))


def expected_discriminator_loss(name: str, real: np.ndarray, generated: np.ndarray) -> float:
    if name in RELATIVISTIC:
        return comparison(name, real, generated)
    return np.mean(loss_as_real(name, real)) + np.mean(loss_as_generated(name, generated))


each_objective = pytest.mark.parametrize("name", objectives.NAMES)
each_relativistic = pytest.mark.parametrize("name", RELATIVISTIC)


# === Values ===


@pytest.mark.parametrize("shape", LOGIT_SHAPES)
@each_objective
def test_values_are_those_of_the_formulas_in_each_shape(name: str, shape: tuple[int, ...]) -> None:
    objective = objectives.get(name)
    real_logits, generated_logits = tensor(REAL_LOGITS, shape), tensor(GENERATED_LOGITS, shape)
    generator_loss = objective.generator_loss(generated_logits, real_logits)
    discriminator_loss = objective.discriminator_loss(real_logits, generated_logits)
    assert generator_loss.shape == discriminator_loss.shape == ()
    expected = (
        expected_generator_loss(name, GENERATED_LOGITS),
        expected_discriminator_loss(name, REAL_LOGITS, GENERATED_LOGITS),
    )
    np.testing.assert_allclose([generator_loss, discriminator_loss], expected, rtol=1e-6)
    if name in GOLDEN_VALUES:
        np.testing.assert_allclose(expected, GOLDEN_VALUES[name], rtol=0, atol=6e-6)


def test_relativistic_average_is_half_of_tfgan_s() -> None:
    real_logits, generated_logits = tensor(REAL_LOGITS), tensor(GENERATED_LOGITS)
    objective, losses = objectives.get("relativistic_average"), tfgan().losses.wargs
    np.testing.assert_allclose(
        [
            objective.generator_loss(generated_logits, real_logits),
            objective.discriminator_loss(real_logits, generated_logits),
        ],
        [
            losses.relativistic_generator_loss(real_logits, generated_logits) / 2,
            losses.relativistic_discriminator_loss(real_logits, generated_logits) / 2,
        ],
        rtol=1e-6,
    )


@each_objective
def test_gradients_are_the_slopes_of_the_formulas(name: str) -> None:
    objective = objectives.get(name)
    real, generated = REAL_LOGITS / 4, GENERATED_LOGITS / 4
    assert_gradient_is_the_slope(
        lambda logits: objective.generator_loss(logits, tensor(real)),
        lambda logits: expected_generator_loss(name, logits, real),
        generated,
    )
    assert_gradient_is_the_slope(
        lambda logits: objective.discriminator_loss(logits, tensor(generated)),
        lambda logits: expected_discriminator_loss(name, logits, generated),
        real,
    )
    assert_gradient_is_the_slope(
        lambda logits: objective.discriminator_loss(tensor(real), logits),
        lambda logits: expected_discriminator_loss(name, real, logits),
        generated,
    )


@each_relativistic
def test_the_generator_s_gradient_passes_through_real_logits_too(name: str) -> None:
    """They depend on the generator where a batch norm, or a mean, joins both kinds of images."""
    assert_gradient_is_the_slope(
        lambda logits: objectives.get(name).generator_loss(tensor(GENERATED_LOGITS), logits),
        lambda logits: expected_generator_loss(name, GENERATED_LOGITS, logits),
        REAL_LOGITS,
    )


def test_least_squares_loses_by_half_the_squares() -> None:
    undecided = tf.fill((4, 1), 0.5)
    objective = objectives.get("least_squares")
    assert float(objective.discriminator_loss(undecided, undecided)) == 0.25
    assert float(objective.generator_loss(undecided)) == 0.125


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@each_objective
def test_large_logits_of_any_type_give_finite_float32(name: str, dtype: str) -> None:
    # What has exponentials is infinite at 1e3 by its formula, and never what is no number.
    has_exponentials = name in ("f_kl", "f_reverse_kl", "f_hellinger")
    largest = (8.0 if dtype == "float16" else 64.0) if has_exponentials else 1e3
    objective = objectives.Objective(name, label_noise=0.0 if name in RELATIVISTIC else 0.5)
    logits = tf.Variable([[-largest], [largest], [0.0]], dtype=dtype)
    with tf.GradientTape(persistent=True) as tape:
        losses = [
            objective.generator_loss(logits, -logits),
            objective.discriminator_loss(logits, -logits, seed=(1, 2)),
        ]
    for loss in losses:
        assert loss.dtype == tf.float32
        assert np.isfinite(loss)
        assert np.all(np.isfinite(tf.cast(tape.gradient(loss, logits), tf.float32)))


def test_noise_keeps_finite_what_is_infinite_under_the_other_label() -> None:
    """The gradient of e^1000 is infinite, and 0 times that no number."""
    objective = objectives.Objective("f_reverse_kl", label_noise=1e-9)
    logits = tf.Variable([[-1e3]])
    with tf.GradientTape() as tape:
        loss = objective.discriminator_loss(tf.ones((1, 1)), logits, seed=(1, 2))
    assert float(loss) == pytest.approx(np.exp(-1) - 1001)
    assert float(tape.gradient(loss, logits)[0, 0]) == 1.0


@pytest.mark.parametrize("name", [n for n in objectives.NAMES if n != "relativistic"])
def test_real_and_generated_batches_may_differ_in_size(name: str) -> None:
    loss = objectives.get(name).discriminator_loss(
        tensor(REAL_LOGITS), tensor(GENERATED_LOGITS[:3])
    )
    expected = expected_discriminator_loss(name, REAL_LOGITS, GENERATED_LOGITS[:3])
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_graphs_and_xla_agree_with_eager(jit_compile: bool) -> None:
    def losses(real_logits: tf.Tensor, generated_logits: tf.Tensor) -> list[tf.Tensor]:
        # All labels are flipped: XLA draws from another stream, so fewer would be others.
        certain = objectives.Objective("non_saturating", label_noise=1.0)
        smoothed = objectives.Objective("non_saturating", label_smoothing=0.1)
        values = [
            certain.discriminator_loss(real_logits, generated_logits, seed=(3, 4)),
            smoothed.discriminator_loss(real_logits, generated_logits),
        ]
        for name in ("boundary_seeking", *DIVERGENCES, *RELATIVISTIC):
            objective = objectives.get(name)
            values.append(objective.generator_loss(generated_logits, real_logits))
            values.append(objective.discriminator_loss(real_logits, generated_logits))
        return values

    arguments = tensor(REAL_LOGITS, (4, 1)), tensor(GENERATED_LOGITS, (4, 1))
    compiled = tf.function(losses, jit_compile=jit_compile, autograph=False)
    np.testing.assert_allclose(compiled(*arguments), losses(*arguments), rtol=1e-6)


# === What each is for ===


def trained_logits(name: str) -> tuple[tf.Tensor, tf.Tensor]:
    """What a discriminator says of two separate normal distributions that it learnt to tell."""
    random = np.random.default_rng(0)
    real, generated = (tensor(random.normal(mean, 0.5, (64, 1))) for mean in (1.5, -0.5))
    objective = objectives.get(name)
    weight, bias = tf.Variable(0.0), tf.Variable(0.0)
    for _ in range(10):
        with tf.GradientTape() as tape:
            loss = objective.discriminator_loss(weight * real + bias, weight * generated + bias)
        gradients = tape.gradient(
            loss, [weight, bias], unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        for variable, gradient in zip((weight, bias), gradients, strict=True):
            variable.assign_sub(0.3 * gradient)
    return weight * real + bias, weight * generated + bias


@each_objective
def test_real_images_score_higher_than_generated_ones(name: str) -> None:
    real, generated = objectives.get(name).outputs(*trained_logits(name)).values()
    assert np.mean(real) > np.mean(generated) + 0.2
    has_score = name not in ("least_squares", "wasserstein", "hinge", *RELATIVISTIC)
    if has_score:
        assert np.mean(generated) < 0.5 < np.mean(real)
        assert 0 <= np.min(generated) <= np.max(real) <= 1


@each_objective
def test_the_generator_gains_where_generated_images_look_more_real(name: str) -> None:
    # Boundary-seeking gains up to the boundary.
    logits = tf.Variable(np.linspace(-3.0, -0.1, 8), dtype=tf.float32)
    with tf.GradientTape() as tape:
        loss = objectives.get(name).generator_loss(logits, tf.zeros(8))
    assert np.all(tape.gradient(loss, logits) < 0)


def test_outputs_are_named_for_what_they_are() -> None:
    scored = {"real_score", "generated_score"}
    for name in objectives.NAMES:
        outputs = objectives.get(name).outputs(tf.zeros((2, 1)), tf.zeros((2, 1)))
        assert tuple(outputs) == objectives.get(name).logs
        assert set(outputs) <= set(objectives.OUTPUT_LOGS)
        is_scored = name in ("non_saturating", "minimax", "boundary_seeking", *DIVERGENCES)
        assert (set(outputs) == scored) == is_scored


@pytest.mark.parametrize(("name", "undecided"), [("f_kl", 1.0), ("f_pearson", 0.0), ("f_js", 0.0)])
def test_scores_are_by_the_ratio_of_densities(name: str, undecided: float) -> None:
    outputs = objectives.get(name).outputs(tf.constant([undecided]), tf.constant([undecided]))
    assert outputs["real_score"] == outputs["generated_score"] == 0.5


@pytest.mark.parametrize(
    ("name", "smoothing"),
    [*((name, 0.0) for name in objectives.NAMES), *((name, 0.25) for name in SMOOTHED)],
)
def test_undecided_is_where_as_many_real_as_generated_images_lead(
    name: str, smoothing: float
) -> None:
    objective = objectives.Objective(name, label_smoothing=smoothing)

    def slope(output: float) -> float:
        """How D's loss changes with its one output for images of either kind."""
        logits = tf.Variable([output])
        with tf.GradientTape() as tape:
            loss = objective.discriminator_loss(logits, logits)
        return float(tape.gradient(loss, logits)[0])

    undecided = objective.undecided_output
    if undecided is None:  # any output is as good
        assert slope(-1.5) == slope(0.0) == slope(2.5) == 0.0
    else:
        assert slope(undecided) == pytest.approx(0.0, abs=1e-6)
        assert slope(undecided - 1.5) < -0.05 and slope(undecided + 1.5) > 0.05


def test_the_f_gan_of_the_first_gan_is_that() -> None:
    real_logits, generated_logits = tensor(REAL_LOGITS), tensor(GENERATED_LOGITS)
    for zero_sum, name in ((False, "non_saturating"), (True, "minimax")):
        f_gan, first = objectives.Objective("f_gan", zero_sum=zero_sum), objectives.get(name)
        for loss in ("generator_loss", "discriminator_loss"):
            arguments = (
                (generated_logits,) if loss == "generator_loss" else (real_logits, generated_logits)
            )
            np.testing.assert_allclose(
                getattr(f_gan, loss)(*arguments), getattr(first, loss)(*arguments), rtol=1e-6
            )


@pytest.mark.parametrize("name", DIVERGENCES)
def test_a_zero_sum_generator_gains_what_the_discriminator_loses(name: str) -> None:
    objective = objectives.Objective(name, zero_sum=True)
    loss = objective.generator_loss(tensor(GENERATED_LOGITS))
    expected = -np.mean(loss_as_generated(name, GENERATED_LOGITS))
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_boundary_seeking_draws_to_the_boundary_from_both_sides() -> None:
    logits = tf.Variable([-3.0, 0.0, 3.0])
    with tf.GradientTape() as tape:
        loss = objectives.get("boundary_seeking").generator_loss(logits)
    np.testing.assert_allclose(tape.gradient(loss, logits) * 3, [-6.0, 0.0, 6.0])


# === Real images against generated ones ===


def losses_and_gradients(name: str, real: np.ndarray, generated: np.ndarray) -> list[np.ndarray]:
    objective = objectives.get(name)
    real_logits, generated_logits = tensor(real), tensor(generated)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real_logits, generated_logits])
        losses = [
            objective.generator_loss(generated_logits, real_logits),
            objective.discriminator_loss(real_logits, generated_logits),
        ]
    gradients = [tape.gradient(loss, [real_logits, generated_logits]) for loss in losses]
    return [np.array(losses), np.array(gradients)]


@each_relativistic
def test_a_constant_added_to_all_logits_changes_nothing(name: str) -> None:
    before = losses_and_gradients(name, REAL_LOGITS, GENERATED_LOGITS)
    after = losses_and_gradients(name, REAL_LOGITS + 8, GENERATED_LOGITS + 8)
    for value, shifted in zip(before, after, strict=True):
        np.testing.assert_allclose(shifted, value, rtol=1e-5, atol=1e-6)


@each_relativistic
def test_equal_logits_cost_either_player_log_2(name: str) -> None:
    losses, _ = losses_and_gradients(name, np.full(4, 3.0), np.full(4, 3.0))
    np.testing.assert_allclose(losses, np.log(2), rtol=1e-6)


@each_relativistic
def test_exchanged_roles_exchange_losses(name: str) -> None:
    losses, _ = losses_and_gradients(name, REAL_LOGITS, GENERATED_LOGITS)
    exchanged, _ = losses_and_gradients(name, GENERATED_LOGITS, REAL_LOGITS)
    np.testing.assert_array_equal(losses, exchanged[::-1])
    assert losses[0] != losses[1]


@each_relativistic
def test_a_generator_without_real_logits_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' compares.*needs `real_logits`"):
        objectives.get(name).generator_loss(tensor(GENERATED_LOGITS))


def test_pairs_of_unequal_batches_are_refused() -> None:
    objective = objectives.get("relativistic")
    for shape in ((3, 1), (1, 1), (4,)):  # the last two would broadcast
        with pytest.raises(ValueError, match=r"as many of real as of generated.*\(4, 1\)"):
            objective.discriminator_loss(tf.zeros(shape), tf.zeros((4, 1)))
    unknown = tf.function(objective.discriminator_loss, autograph=False).get_concrete_function(
        tf.TensorSpec((None, 1)), tf.TensorSpec((None, 1))
    )
    assert float(unknown(tf.zeros((4, 1)), tf.zeros((4, 1)))) == pytest.approx(np.log(2))
    with pytest.raises(tf.errors.InvalidArgumentError, match="as many real as generated"):
        unknown(tf.zeros((1, 1)), tf.zeros((4, 1)))


# === Smoothed and noisy labels ===


@pytest.mark.parametrize("smoothing", [0.1, 0.25, 0.6])
@pytest.mark.parametrize("name", SMOOTHED)
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


@pytest.mark.parametrize("name", WITH_LABELS)
def test_certain_noise_exchanges_the_labels(name: str) -> None:
    noisy = objectives.Objective(name, label_noise=1.0)
    real_logits, generated_logits = tensor(REAL_LOGITS / 4), tensor(GENERATED_LOGITS / 4)
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
    for make, argument in ((objectives.get, "objective"), (objectives.Objective, "name")):
        expected = f"`{argument}` must be one of non_saturating, .*, f_gan, .* {argument}='hinges'"
        with pytest.raises(ValueError, match=expected):
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
        ({"name": "hinge", "label_smoothing": 0.1}, "has none to smooth.*`label_smoothing=0.1`"),
        ({"name": "wasserstein", "label_smoothing": 0.1}, "'wasserstein' takes no smoothed labels"),
        ({"name": "f_kl", "label_smoothing": 0.1}, "'f_kl' takes no smoothed labels"),
        ({"name": "boundary_seeking", "label_smoothing": 0.1}, "seeks a boundary that they move"),
        ({"name": "relativistic", "label_smoothing": 0.1}, "compares.*no labels.*smoothing=0.1`"),
        ({"name": "relativistic_average", "label_noise": 0.1}, "no labels.*`label_noise=0.1`"),
        ({"name": "hinge", "zero_sum": True}, "for f_kl, .*minimax.*`zero_sum=True` for 'hinge'"),
    ],
)
def test_bad_arguments_are_named(arguments: dict, received: str) -> None:
    with pytest.raises(ValueError, match=received):
        objectives.Objective(**arguments)


def test_config_round_trip() -> None:
    for objective in (
        objectives.Objective("least_squares", label_smoothing=0.1, label_noise=0.05),
        objectives.Objective("f_kl", zero_sum=True),
    ):
        serialised = keras.saving.serialize_keras_object(objective)
        restored = keras.saving.deserialize_keras_object(serialised)
        assert isinstance(restored, objectives.Objective)
        assert restored.get_config() == objective.get_config()
    assert repr(restored) == (
        "Objective(name='f_kl', label_smoothing=0.0, label_noise=0.0, zero_sum=True)"
    )


# === Replicas ===


def both_losses(objective: objectives.Objective, features: tf.Tensor) -> tf.Tensor:
    real_logits, generated_logits = features[:, :1], features[:, 1:]
    discriminator_loss = objective.discriminator_loss(real_logits, generated_logits, seed=(1, 2))
    return discriminator_loss + 3.0 * objective.generator_loss(generated_logits, real_logits)


@pytest.mark.slow
def test_two_replicas_equal_one(two_replicas: tf.distribute.Strategy) -> None:
    compared = {name: objectives.get(name) for name in objectives.NAMES}
    compared["noisy labels"] = objectives.Objective(label_noise=0.5)
    losses = {
        name: lambda _, features, objective=objective: both_losses(objective, features)
        for name, objective in compared.items()
    }
    assert_two_replicas_equal_one(two_replicas, losses)
