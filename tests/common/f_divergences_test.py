"""The bounds of f-GAN against the divergences of normal distributions, by quadrature in float64."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from zoo.common.f_divergences import F_DIVERGENCES, FDivergence
from zoo.common.objectives import Objective

PLACES = np.linspace(-25.0, 25.0, 5001)
WIDTH = PLACES[1] - PLACES[0]

# v where T = f′(p/q), of log p/q.
BEST_OUTPUTS: dict[str, Callable[[Any], Any]] = {
    "f_kl": lambda log_ratio: 1.0 + log_ratio,
    "f_reverse_kl": lambda log_ratio: log_ratio,
    "f_pearson": lambda log_ratio: 2.0 * tf.math.expm1(log_ratio),
    "f_hellinger": lambda log_ratio: log_ratio / 2.0,
    "f_js": lambda log_ratio: log_ratio,
    "f_gan": lambda log_ratio: log_ratio,
}

# f(u), of log u.
GENERATING_FUNCTIONS = {
    "f_kl": lambda log_u: np.exp(log_u) * log_u,
    "f_reverse_kl": lambda log_u: -log_u,
    "f_pearson": lambda log_u: np.expm1(log_u) ** 2,
    "f_hellinger": lambda log_u: np.expm1(log_u / 2) ** 2,
    "f_js": lambda log_u: (
        np.exp(log_u) * log_u - (np.exp(log_u) + 1) * (np.logaddexp(0, log_u) - np.log(2))
    ),
    "f_gan": lambda log_u: np.exp(log_u) * log_u - (np.exp(log_u) + 1) * np.logaddexp(0, log_u),
}

# Of N(0, 1) and N(mean, deviation²), in closed form but for the last two.
DIVERGENCES = {
    (1.0, 2.0): {
        "f_kl": np.log(2) + (1 + 1) / 8 - 1 / 2,
        "f_reverse_kl": -np.log(2) + (4 + 1) / 2 - 1 / 2,
        "f_pearson": 4 / np.sqrt(7) * np.exp(1 / 7) - 1,
        "f_hellinger": 2 - 2 * np.sqrt(4 / 5) * np.exp(-1 / 20),
        "f_js": 0.256350,
        "f_gan": -1.129944,
    },
    (1.0, 1.0): {
        "f_kl": 1 / 2,
        "f_reverse_kl": 1 / 2,
        "f_pearson": np.e - 1,
        "f_hellinger": 2 - 2 * np.exp(-1 / 8),
        "f_js": 0.222843,
        "f_gan": -1.163451,
    },
}

# f″(1): near p = q all divergences are multiples of one, as Fisher's information has it.
CURVATURES = {
    "f_kl": 1.0,
    "f_reverse_kl": 1.0,
    "f_pearson": 2.0,
    "f_hellinger": 0.5,
    "f_js": 0.5,
    "f_gan": 0.5,
}

each_divergence = pytest.mark.parametrize("name", F_DIVERGENCES)


def densities(mean: float, deviation: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """p = N(0, 1), q = N(mean, deviation²) and log p/q at all places."""
    p, q = stats.norm(0.0, 1.0), stats.norm(mean, deviation)
    return p.pdf(PLACES), q.pdf(PLACES), p.logpdf(PLACES) - q.logpdf(PLACES)


def expectation(density: np.ndarray, values: np.ndarray) -> float:
    return np.sum(density * values) * WIDTH


def bound(divergence: FDivergence, p: np.ndarray, q: np.ndarray, outputs: np.ndarray) -> float:
    outputs = tf.constant(outputs, tf.float64)
    discriminator_loss = expectation(p, divergence.loss_as_real(outputs).numpy()) + expectation(
        q, divergence.loss_as_generated(outputs).numpy()
    )
    return -discriminator_loss


# === The divergence at the best output ===


@pytest.mark.parametrize("normal", DIVERGENCES, ids=str)
@each_divergence
def test_the_bound_is_the_divergence_at_the_best_output(name: str, normal: tuple) -> None:
    p, q, log_ratio = densities(*normal)
    best = bound(F_DIVERGENCES[name], p, q, BEST_OUTPUTS[name](log_ratio))
    assert best == pytest.approx(DIVERGENCES[normal][name], abs=1e-6)
    assert best == pytest.approx(expectation(q, GENERATING_FUNCTIONS[name](log_ratio)), abs=1e-9)


@each_divergence
def test_any_other_output_gives_less(name: str) -> None:
    p, q, log_ratio = densities(1.0, 2.0)
    outputs = BEST_OUTPUTS[name](log_ratio)
    best = bound(F_DIVERGENCES[name], p, q, outputs)
    random = np.random.default_rng(0)
    for scale in (0.05, 0.3):
        for _ in range(20):
            waves = np.sin(random.normal() * PLACES + random.normal())
            other = outputs + scale * (random.normal() + random.normal() * waves)
            assert bound(F_DIVERGENCES[name], p, q, other) < best - 1e-9


@each_divergence
def test_near_equality_it_is_half_the_curvature_times_the_squared_distance(name: str) -> None:
    p, q, log_ratio = densities(0.1, 1.0)
    divergence = bound(F_DIVERGENCES[name], p, q, BEST_OUTPUTS[name](log_ratio))
    if name == "f_gan":
        divergence += np.log(4)
    assert divergence == pytest.approx(CURVATURES[name] * 0.1**2 / 2, rel=0.01)


@each_divergence
def test_score_is_the_probability_by_the_ratio_of_the_densities(name: str) -> None:
    log_ratio = np.linspace(-6, 6, 25)
    outputs = tf.constant(BEST_OUTPUTS[name](log_ratio), tf.float64)
    score = F_DIVERGENCES[name].score(outputs)
    np.testing.assert_allclose(score, 1 / (1 + np.exp(-log_ratio)), rtol=1e-9)


def test_score_of_pearson_ends_at_0() -> None:
    outputs = tf.constant([-1e3, -2.5, -2.0, 0.0, 1e3])
    score = F_DIVERGENCES["f_pearson"].score(outputs)
    np.testing.assert_allclose(score, [0, 0, 0, 0.5, 501 / 502], rtol=1e-6)


# === By way of T ===

CONJUGATES = {
    "f_kl": lambda t: np.exp(t - 1),
    "f_reverse_kl": lambda t: -1 - np.log(-t),
    "f_pearson": lambda t: t**2 / 4 + t,
    "f_hellinger": lambda t: t / (1 - t),
    "f_js": lambda t: -np.log(2 - np.exp(t)),
    "f_gan": lambda t: -np.log(1 - np.exp(t)),
}


@each_divergence
def test_conjugate_is_that_of_the_output_where_that_keeps_its_digits(name: str) -> None:
    outputs = tf.constant(np.linspace(-5, 5, 41), tf.float64)
    divergence = F_DIVERGENCES[name]
    variational = divergence.output(outputs).numpy()
    np.testing.assert_allclose(
        divergence.conjugate(outputs), CONJUGATES[name](variational), rtol=1e-9, atol=1e-12
    )
    assert np.all(np.diff(variational) > 0), "a high output must be real"


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
@each_divergence
def test_no_output_gives_what_is_no_number(name: str, dtype: tf.DType) -> None:
    outputs = tf.constant([-1e3, -90.0, 0.0, 90.0, 1e3], dtype)
    divergence = F_DIVERGENCES[name]
    with np.errstate(over="ignore"):
        formulas = {
            divergence.loss_as_real: {
                "f_reverse_kl": np.exp(-outputs.numpy()),
                "f_hellinger": np.exp(-outputs.numpy()) - 1,
            },
            divergence.loss_as_generated: {
                "f_kl": np.exp(outputs.numpy() - 1),
                "f_hellinger": np.exp(outputs.numpy()) - 1,
            },
        }
    for loss, exponential in formulas.items():
        values = loss(outputs).numpy()
        assert not np.isnan(values).any()
        # Infinite only where an exponential is beyond the type.
        is_finite = np.isfinite(exponential.get(name, outputs.numpy()))
        np.testing.assert_array_equal(np.isfinite(values), is_finite)
    assert np.isfinite(divergence.score(outputs)).all()


# === What the generator descends ===

MEAN, DEVIATION = 1.0, 1.5


def slopes_of_generator(name: str, zero_sum: bool) -> np.ndarray:
    """∂/∂μ and ∂/∂σ of the loss of G(z) = μ + σz against p = N(0, 1), with D at its best."""
    mean, deviation = tf.Variable(MEAN), tf.Variable(DEVIATION)
    latents = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000).astype("float32")
    with tf.GradientTape() as tape:
        images = mean + deviation * latents
        # D knows q as it was: a function of the images alone.
        log_q = -0.5 * tf.square((images - MEAN) / DEVIATION) - np.log(DEVIATION)
        logits = BEST_OUTPUTS[name](-0.5 * tf.square(images) - log_q)
        loss = Objective(name, zero_sum=zero_sum).generator_loss(logits)
    return np.array(tape.gradient(loss, [mean, deviation]))


def slopes_of_divergence(name: str) -> np.ndarray:
    def divergence(mean: float, deviation: float) -> float:
        _, q, log_ratio = densities(mean, deviation)
        return expectation(q, GENERATING_FUNCTIONS[name](log_ratio))

    return np.array(
        [
            (divergence(MEAN + 1e-4, DEVIATION) - divergence(MEAN - 1e-4, DEVIATION)) / 2e-4,
            (divergence(MEAN, DEVIATION + 1e-4) - divergence(MEAN, DEVIATION - 1e-4)) / 2e-4,
        ]
    )


@each_divergence
def test_the_zero_sum_generator_descends_the_divergence(name: str) -> None:
    np.testing.assert_allclose(
        slopes_of_generator(name, zero_sum=True), slopes_of_divergence(name), rtol=5e-3
    )


def test_the_generator_of_kl_descends_the_reverse_unless_the_game_is_zero_sum() -> None:
    in_practice = slopes_of_generator("f_kl", zero_sum=False)
    np.testing.assert_allclose(in_practice, slopes_of_divergence("f_reverse_kl"), rtol=5e-3)
    assert not np.allclose(in_practice, slopes_of_divergence("f_kl"), rtol=0.2)
