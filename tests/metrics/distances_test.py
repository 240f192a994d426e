"""Distances against closed forms, TF-GAN and plain loops, however the data are split."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo import metrics
from zoo.common.tfgan import tfgan

RANDOM = np.random.RandomState(0)
REAL = RANDOM.normal(size=(60, 4)).astype(np.float32)
GENERATED = (0.5 + 1.5 * RANDOM.normal(size=(60, 4)) @ RANDOM.normal(size=(4, 4))).astype(
    np.float32
)


def with_moments(mean, covariance) -> np.ndarray:
    """Gives features of exactly that mean and that (n − 1) covariance, up to float32."""
    sample = np.random.RandomState(1).normal(size=(50, len(mean)))
    sample -= sample.mean(axis=0)
    whitened = sample @ np.linalg.inv(np.linalg.cholesky(np.cov(sample.T))).T
    return whitened @ np.linalg.cholesky(covariance).T + mean


def value_of(measure, real, generated, batch_size: int = 1000) -> float:
    measure.reset_state()
    for first in range(0, len(real), batch_size):
        measure.update_state(
            real[first : first + batch_size], generated[first : first + batch_size]
        )
    return float(measure.result())


def two_sided_discrepancy(real, generated) -> float:
    """The unbiased estimate of Bińkowski et al., 2018, equation 4, pair by pair."""

    def kernel(a, b):
        return (np.dot(a.astype(np.float64), b) / len(a) + 1) ** 3

    num = len(real)
    within = sum(
        kernel(side[i], side[j])
        for side in (real, generated)
        for i in range(num)
        for j in range(num)
        if i != j
    )
    between = sum(kernel(x, y) for x in real for y in generated)
    return within / (num * (num - 1)) - 2 * between / num**2


def tfgan_kernel_distance(real, generated, block_size) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(
            tfgan().eval.kernel_classifier_distance_from_activations(
                tf.constant(real, tf.float64), tf.constant(generated, tf.float64), block_size
            )
        )


# === Fréchet distance ===


def test_frechet_distance_of_gaussians_with_commuting_covariances(pixels, images):
    """There it is Σ (μ − μ′)² + Σ (σ − σ′)², with σ² the eigenvalues."""
    rotation, _ = np.linalg.qr(np.random.RandomState(2).normal(size=(4, 4)))
    deviations, others = np.array([1.0, 2.0, 0.5, 3.0]), np.array([2.0, 2.0, 1.0, 0.1])
    real = with_moments(np.zeros(4), rotation @ np.diag(deviations**2) @ rotation.T)
    generated = with_moments(
        np.array([1.0, 0, -2.0, 0]), rotation @ np.diag(others**2) @ rotation.T
    )
    expected = (1 + 4) + (1 + 0 + 0.25 + 2.9**2)
    value = value_of(metrics.FrechetDistance(pixels), images(real), images(generated))
    assert value == pytest.approx(expected, rel=1e-5)


def test_frechet_distance_equals_tfgan(pixels, images):
    expected = tfgan().eval.frechet_classifier_distance_from_activations(
        tf.constant(REAL, tf.float64), tf.constant(GENERATED, tf.float64)
    )
    value = value_of(metrics.FrechetDistance(pixels), images(REAL), images(GENERATED))
    assert value == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("batch_size", [1, 7, 60])
def test_frechet_distance_is_the_same_for_every_split_into_batches(pixels, images, batch_size):
    measure = metrics.FrechetDistance(pixels)
    whole = value_of(measure, images(REAL), images(GENERATED))
    assert value_of(measure, images(REAL), images(GENERATED), batch_size) == pytest.approx(
        whole, rel=1e-6
    )


def test_frechet_distance_of_equal_images_is_zero(pixels, images):
    value = value_of(metrics.FrechetDistance(pixels), images(REAL), images(REAL))
    assert 0 <= value < 1e-6


def test_frechet_distance_with_fewer_images_than_features():
    """Three points in 30 dimensions: covariances of rank two, shifted apart by 2 in each of 30."""
    flat = keras.Sequential([keras.Input((5, 6, 1)), keras.layers.Flatten()])
    real = np.random.RandomState(3).normal(size=(3, 5, 6, 1)).astype(np.float32)
    measure = metrics.FrechetDistance(flat)
    assert value_of(measure, real, real + 2) == pytest.approx(30 * 2**2, rel=1e-5)
    assert 0 <= value_of(measure, real, real) < 1e-4


def test_frechet_distance_keeps_small_spreads_around_large_means(pixels, images):
    """Float32 sums would lose a spread of 1 around 4,096 altogether: 4,096² has no digit for it."""
    spread = with_moments(np.zeros(4), np.eye(4))
    real = np.round(spread * 1024) / 1024 + 4096.0  # exact in float32
    generated = 2 * (real - 4096.0) + 4096.0
    real_covariance = np.cov(real.T)
    expected = np.trace(real_covariance) + np.sum((real.mean(0) - generated.mean(0)) ** 2)
    value = value_of(metrics.FrechetDistance(pixels), images(real), images(generated), 10)
    assert value == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_needs_two_images_of_each_kind(pixels, images):
    measure = metrics.FrechetDistance(pixels)
    assert np.isnan(measure.result())
    measure.update_state(images(REAL[:1]), images(GENERATED[:1]))
    assert np.isnan(measure.result())
    measure.update_state(images(REAL[1:2]), images(GENERATED[1:2]))
    assert np.isfinite(measure.result())


# === Kernel distance ===


def test_kernel_distance_of_one_block_equals_the_double_loop(pixels, images):
    measure = metrics.KernelDistance(pixels, block_size=20)
    value = value_of(measure, images(REAL[:20]), images(GENERATED[:20]))
    assert value == pytest.approx(two_sided_discrepancy(REAL[:20], GENERATED[:20]), rel=1e-6)


def test_kernel_distance_of_full_blocks_equals_tfgan(pixels, images):
    measure = metrics.KernelDistance(pixels, block_size=15)
    value = value_of(measure, images(REAL), images(GENERATED))
    assert value == pytest.approx(tfgan_kernel_distance(REAL, GENERATED, 15), rel=1e-6)


@pytest.mark.parametrize("batch_size", [1, 7, 16, 60])
def test_kernel_distance_takes_blocks_in_order_and_leaves_the_rest_out(pixels, images, batch_size):
    """Three blocks of 16 of the 60, whatever the batches, several of them in one batch or none."""
    expected = np.mean(
        [two_sided_discrepancy(REAL[i : i + 16], GENERATED[i : i + 16]) for i in (0, 16, 32)]
    )
    measure = metrics.KernelDistance(pixels, block_size=16)
    value = value_of(measure, images(REAL), images(GENERATED), batch_size)
    assert value == pytest.approx(expected, rel=1e-6)


def test_kernel_distance_of_less_than_a_block_is_the_estimate_of_those(pixels, images):
    measure = metrics.KernelDistance(pixels)
    assert measure.block_size == 250
    assert np.isnan(measure.result())
    assert np.isnan(value_of(measure, images(REAL[:1]), images(GENERATED[:1])))
    value = value_of(measure, images(REAL[:9]), images(GENERATED[:9]), 4)
    assert value == pytest.approx(two_sided_discrepancy(REAL[:9], GENERATED[:9]), rel=1e-6)


def test_kernel_distance_has_no_bias(pixels, images):
    """Of 100 blocks of one distribution, the mean lies within four standard errors of 0."""
    sample = np.random.RandomState(4).normal(size=(2, 2000, 4))
    estimates = [
        value_of(metrics.KernelDistance(pixels, block_size=20), images(real), images(generated))
        for real, generated in zip(np.split(sample[0], 10), np.split(sample[1], 10), strict=True)
    ]
    standard_error = np.std(estimates, ddof=1) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates)) < 4 * standard_error
    assert min(estimates) < 0


@pytest.mark.parametrize(("square", "expected"), [(64, 7.14209), (4, 0.202850), (1, 0.048389)])
def test_kernel_distance_of_gaussians_shifted_apart(square, expected):
    """In d dimensions 3m/d + 3m²/d² + (m³ + 6m² + 3md + 6m)/d³, of a squared shift of m."""
    d, m = 64, square
    closed_form = 3 * m / d + 3 * m**2 / d**2 + (m**3 + 6 * m**2 + 3 * m * d + 6 * m) / d**3
    assert closed_form == pytest.approx(expected, rel=1e-5)
    pixels = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    random = np.random.RandomState(5)
    real, generated = random.normal(size=(2, 2000, 8, 8, 1)).astype(np.float32)
    measure = metrics.KernelDistance(pixels, block_size=100)
    estimates = []
    for first in range(0, 2000, 100):
        rows = slice(first, first + 100)
        estimates.append(value_of(measure, real[rows], generated[rows] + np.sqrt(m / d)))
    standard_error = np.std(estimates, ddof=1) / np.sqrt(len(estimates))
    assert standard_error < 0.15 * expected
    assert abs(np.mean(estimates) - expected) < 4 * standard_error


def test_kernel_distance_refuses_unequal_numbers(pixels, images):
    measure = metrics.KernelDistance(pixels)
    with pytest.raises(ValueError, match="as many generated as real images. Received: 2 generated"):
        measure.update_state(images(REAL[:3]), images(GENERATED[:2]))


def test_kernel_distance_refuses_blocks_without_pairs(pixels):
    with pytest.raises(ValueError, match="Received: block_size=1"):
        metrics.KernelDistance(pixels, block_size=1)


# === Both ===


@pytest.mark.parametrize("make", [metrics.FrechetDistance, metrics.KernelDistance])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_images_that_are_not_finite_give_nan(pixels, images, make, bad):
    """Not an exception from the decomposition: the run's guard should see it and stop."""
    broken = GENERATED.copy()
    broken[5, 2] = bad
    measure = make(pixels)
    assert np.isnan(value_of(measure, images(REAL), images(broken)))
    assert np.isfinite(value_of(measure, images(REAL), images(GENERATED)))


@pytest.mark.parametrize(
    ("make", "jit_compile"),
    [
        (metrics.FrechetDistance, False),
        (metrics.KernelDistance, False),
        (metrics.KernelDistance, True),
        pytest.param(metrics.FrechetDistance, True, marks=pytest.mark.slow),
    ],
)
def test_a_compiled_update_and_result_equal_eager_ones(pixels, images, make, jit_compile):
    measure = make(pixels)
    expected = value_of(measure, images(REAL), images(GENERATED), 20)
    measure.reset_state()

    @tf.function(jit_compile=jit_compile)
    def step(real, generated):
        measure.update_state(real, generated)
        return measure.result()

    for first in range(0, 60, 20):
        value = step(images(REAL[first : first + 20]), images(GENERATED[first : first + 20]))
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_refuses_an_extractor_that_gives_no_rows():
    maps = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 3)])
    with pytest.raises(ValueError, match="`feature_extractor` must be a built keras.Model"):
        metrics.FrechetDistance(maps)


def test_refuses_images_that_do_not_fit_the_extractor(pixels):
    measure = metrics.FrechetDistance(pixels)
    with pytest.raises(ValueError, match=r"Received: images of shape \(4, 4, 1\)"):
        measure.update_state(np.zeros((3, 4, 4, 1)), np.zeros((3, 4, 4, 1)))
