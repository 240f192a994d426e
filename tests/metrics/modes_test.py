"""Measures of modes in numbers that are known: of true samples, of collapse, and by hand."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo import datasets, metrics
from zoo.metrics.modes import Found

RING = datasets.ring_of_gaussians()
GRID = datasets.grid_of_gaussians()


def measured(measure: keras.metrics.Metric, samples, num_batches: int = 1) -> float:
    for batch in np.array_split(np.asarray(samples, np.float32), num_batches):
        measure.update_state(None, batch)
    return float(measure.result())


def all_of(modes, samples) -> dict[str, float]:
    makers = (metrics.ModesCovered, metrics.HighQualityShare, metrics.ModeDivergence)
    if isinstance(modes, metrics.PointModes):
        makers += (metrics.ModeSpread,)
    measures = [make(modes) for make in makers]
    return {measure.name: measured(measure, samples) for measure in measures}


# === Points of the data themselves ===


@pytest.mark.parametrize("mixture", [RING, GRID], ids=["ring", "grid"])
def test_true_points_score_what_the_closed_forms_say(mixture):
    modes = metrics.PointModes(mixture)
    scores = all_of(modes, mixture.draw(100_000, (3, 5)))
    assert metrics.true_high_quality_share() == pytest.approx(0.98889, abs=5e-6)
    assert scores["modes"] == len(mixture.centres)
    assert scores["high_quality"] == pytest.approx(0.98889, abs=0.0015)
    # Cut at 3 σ, both axes vary less; without that in the account it were 0.974.
    assert scores["mode_spread"] == pytest.approx(1.0, abs=0.01)
    assert 0 < scores["mode_divergence"] < 3 * metrics.divergence_floor(modes.number, 100_000)


class Known:
    """Samples that say themselves of which mode they are."""

    sample_shape = (1,)

    def __init__(self, number: int):
        self.number = number

    def find(self, samples: tf.Tensor) -> Found:
        everything = tf.ones((len(samples),), tf.bool)
        return Found(tf.cast(samples[:, 0], tf.int32), is_good=everything, counts=everything)


def test_even_samples_diverge_by_the_floor():
    floor = metrics.divergence_floor(1000, 26_000)
    assert floor == pytest.approx(0.0192, abs=5e-5)
    random = np.random.default_rng(0)
    divergences = [
        measured(metrics.ModeDivergence(Known(1000)), random.integers(0, 1000, (26_000, 1)))
        for _ in range(8)
    ]
    # One has a standard deviation of 0.0007; terms of higher order add 0.0005 to the mean.
    assert np.mean(divergences) == pytest.approx(floor, abs=0.0015)


# === Points made by hand ===


def test_each_point_goes_to_the_nearest_mode_and_counts_within_three_sigmas():
    near, far = (1.0 + 0.0299, 0.0), (0.0, 1.0 - 0.0301)  # of the first mode, and of the third
    scores = all_of(metrics.PointModes(RING), [near, far, near, (5.0, 5.0)])
    assert scores["modes"] == 1
    assert scores["high_quality"] == 0.5
    assert scores["mode_divergence"] == pytest.approx(math.log(8))


def test_divergence_is_that_of_the_shares():
    first, second = RING.centres[:2]
    divergence = measured(
        metrics.ModeDivergence(metrics.PointModes(RING)), [first] * 3 + [second], num_batches=2
    )
    assert divergence == pytest.approx(0.75 * math.log(8 * 0.75) + 0.25 * math.log(8 * 0.25))


def test_nothing_but_junk_is_as_bad_as_it_gets_and_finite():
    scores = all_of(metrics.PointModes(GRID), [(1.0, 1.0)] * 3)
    assert scores == {
        "modes": 0.0,
        "high_quality": 0.0,
        "mode_divergence": pytest.approx(math.log(25)),
        "mode_spread": 0.0,
    }


@pytest.mark.parametrize("width", [0.0, 0.5, 1.2])
def test_spread_is_the_width_of_the_modes_wherever_they_lie(width):
    """About their own mean: one point a mode is no spread, though it be off the centre."""
    noise = np.random.default_rng(0).normal(size=(20_000, 2)).astype("float32")
    noise = noise[np.linalg.norm(noise, axis=1) < 1.0 / max(width, 1.0)]
    points = np.array(GRID.centres[3], np.float32) + GRID.sigma * (width * noise + [1.0, -0.5])
    spread = measured(metrics.ModeSpread(metrics.PointModes(GRID)), points, num_batches=7)
    scale = math.sqrt(0.94953)  # what the cut at 3 σ leaves of a variance
    assert spread == pytest.approx(width * noise.std() / scale, abs=0.005)


def test_spread_is_not_lost_far_from_the_origin():
    """Squares of coordinates, not of offsets, would hide a variance of 1e-8 in float32."""
    far = datasets.PointMixture("far", ((3e3, -2e3),), 1.0)
    spread = measured(metrics.ModeSpread(metrics.PointModes(far)), far.draw(20_000, (1, 2)))
    assert spread == pytest.approx(1.0, abs=0.02)


def test_measures_start_anew_and_add_up_batches():
    measure = metrics.ModesCovered(metrics.PointModes(RING))
    assert measured(measure, RING.centres[:5], num_batches=5) == 5
    measure.reset_state()
    assert measured(measure, RING.centres[6:]) == 2
    assert np.isnan(metrics.HighQualityShare(metrics.PointModes(RING)).result())


def test_evaluate_takes_them_over_as_many_points_as_asked_for():
    modes = metrics.PointModes(GRID)
    scores = metrics.evaluate(
        [metrics.ModesCovered(modes), metrics.HighQualityShare(modes)],
        GRID.batches(250).take(10),
        lambda num_points, seed: GRID.draw(num_points, (seed, 1)),
    )
    assert scores["modes"] == 25
    # Three standard deviations at 2,500 points.
    assert scores["high_quality"] == pytest.approx(0.98889, abs=0.0063)


def test_replicas_add_up_their_samples(two_replicas):
    halves = tf.constant(RING.centres[:4], tf.float32), tf.constant(RING.centres[2:6], tf.float32)
    with two_replicas.scope():
        measure = metrics.ModesCovered(metrics.PointModes(RING))
    shares = two_replicas.experimental_distribute_values_from_function(
        lambda context: halves[context.replica_id_in_sync_group]
    )
    two_replicas.run(lambda points: measure.update_state(None, points), args=(shares,))
    assert float(measure.result()) == 6


# === Stacks ===


@pytest.fixture(scope="module")
def brightest() -> keras.Model:
    """Images `(batch, 2, 2, 1)` → a softmax of their four pixels, as of four classes."""
    images = keras.Input((2, 2, 1))
    x = keras.layers.Rescaling(10.0)(keras.layers.Flatten()(images))
    return keras.Model(images, keras.layers.Softmax()(x))


def stack(*classes: int, strength: float = 1.0) -> np.ndarray:
    """A stack whose channels are bright in the pixels of those classes."""
    pixels = np.full((4, len(classes)), -1.0, np.float32)
    pixels[list(classes), range(len(classes))] = -1.0 + 2 * strength
    return pixels.reshape(2, 2, len(classes))


def test_a_stack_is_the_mode_of_its_digits_in_their_order(brightest):
    modes = metrics.StackModes(brightest, 3)
    assert (modes.number, modes.sample_shape) == (64, (2, 2, 3))
    found = modes.find(tf.constant([stack(1, 2, 3), stack(3, 0, 0), stack(0, 0, 0)]))
    assert found.modes.numpy().tolist() == [1 * 16 + 2 * 4 + 3, 48, 0]


def test_a_stack_counts_though_the_classifier_doubts_one_of_its_digits(brightest):
    clear, doubtful = stack(1, 2), stack(1, 2)
    doubtful[..., 1] = stack(3, strength=0.1)[..., 0]  # p = e² / (e² + 3) = 0.71
    scores = all_of(metrics.StackModes(brightest, 2), [clear, doubtful])
    assert scores["modes"] == 2
    assert scores["high_quality"] == 0.5
    assert scores["mode_divergence"] == pytest.approx(math.log(16 / 2))


# === What fits ===


def test_samples_of_another_shape_are_refused(brightest):
    measure = metrics.ModesCovered(metrics.StackModes(brightest, 2))
    with pytest.raises(ValueError, match=r"shape \(2, 2, 2\). Received: .* \(2, 2, 3\)"):
        measure.update_state(None, np.zeros((1, 2, 2, 3), np.float32))
    with pytest.raises(ValueError, match=r"shape \(2,\). Received: .* \(28, 28, 1\)"):
        metrics.ModesCovered(metrics.PointModes(RING)).check_image_shape((28, 28, 1))


def test_a_set_without_labels_has_no_classifier_to_ask():
    with pytest.raises(ValueError, match="`classifier` must be a keras.Model of grey.*NoneType"):
        metrics.StackModes(None, 2)
