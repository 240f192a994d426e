"""Precision, recall, density and coverage: by hand, by scikit-learn, and at equal distributions."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.neighbors import NearestNeighbors

from zoo import metrics
from zoo.metrics import kept_rows

RANDOM = np.random.RandomState(0)
REAL = RANDOM.normal(size=(120, 4)).astype(np.float32)
GENERATED = (0.7 * RANDOM.normal(size=(90, 4)) + 0.3).astype(np.float32)


def on_a_line(*places) -> np.ndarray:
    """Gives features of which the first is the place, and the others 0."""
    return np.pad(np.array(places, np.float32)[:, np.newaxis], [(0, 0), (0, 3)])


def values_of(measure, real, generated, batch_size: int = 1000) -> dict[str, float]:
    measure.reset_state()
    for first in range(0, max(len(real), len(generated)), batch_size):
        rows = slice(first, first + batch_size)
        measure.update_state(real[rows], generated[rows])
    return {name: float(value) for name, value in measure.result().items()}


def all_values(pixels, real, generated, k) -> dict[str, float]:
    makers = metrics.PrecisionRecall, metrics.DensityCoverage
    return {
        name: value
        for make in makers
        for name, value in values_of(make(pixels, k), real, generated).items()
    }


def test_on_a_line_by_hand(pixels, images):
    """Balls of the real places reach 1, 1, 1 and 8 far, those of the generated 2.5, 2.5, 1 and 1.

    0.5 lies in two real balls, 3 on the border of one and in another, 18 on the border of one, 19
    in none: a border counts for precision and not for density.
    """
    real, generated = on_a_line(0, 1, 2, 10), on_a_line(0.5, 3, 18, 19)
    values = all_values(pixels, images(real), images(generated), k=1)
    assert values == {"precision": 3 / 4, "recall": 3 / 4, "density": 3 / 4, "coverage": 3 / 4}
    swapped = all_values(pixels, images(generated), images(real), k=1)
    # 0 lies in the ball of 0.5, 1 and 2 in that of 3 too, 10 in none; only these two hold any.
    assert swapped == {"precision": 3 / 4, "recall": 3 / 4, "density": 5 / 4, "coverage": 2 / 4}


@pytest.mark.parametrize("k", [1, 3, 5])
def test_as_with_neighbours_of_scikit_learn(pixels, images, k):
    def radii_of(points):
        # Without points it leaves each point itself out.
        return NearestNeighbors(n_neighbors=k).fit(points).kneighbors()[0][:, -1]

    distances = np.linalg.norm(REAL[:, np.newaxis] - GENERATED, axis=-1)
    held = distances < radii_of(REAL)[:, np.newaxis]
    expected = {
        "precision": held.any(axis=0).mean(),
        "recall": (distances < radii_of(GENERATED)).any(axis=1).mean(),
        "density": held.sum() / (k * len(GENERATED)),
        "coverage": held.any(axis=1).mean(),
    }
    assert all_values(pixels, images(REAL), images(GENERATED), k) == pytest.approx(expected)


def test_density_and_coverage_of_equal_distributions(pixels, images):
    """In 4 dimensions as in any other, the mean of six draws within four standard errors."""
    draws = np.random.RandomState(1).normal(size=(6, 2, 1000, 4))
    measure = metrics.DensityCoverage(pixels)
    values = [values_of(measure, images(real), images(other)) for real, other in draws]
    for name, expected in (("density", 1.0), ("coverage", 0.96898)):
        found = [value[name] for value in values]
        standard_error = np.std(found, ddof=1) / np.sqrt(len(found))
        assert standard_error < 0.01
        assert abs(np.mean(found) - expected) < 4 * standard_error


def test_expected_coverage():
    assert metrics.expected_coverage(1000, 1000) == pytest.approx(0.96898, abs=5e-6)
    assert metrics.expected_coverage(1000, 1000, k=3) == pytest.approx(0.87538, abs=5e-6)
    assert metrics.expected_coverage(10_000, 10_000) == pytest.approx(0.96877, abs=5e-6)
    assert metrics.expected_coverage(9, 1, k=1) == pytest.approx(1 / 9)


def test_missing_modes_lower_recall_and_coverage_alone(pixels, images):
    """Ten clusters far apart, of which the generated images have five."""
    random = np.random.RandomState(2)
    centres = 100 * random.normal(size=(10, 4))

    def draw(clusters):
        return centres[np.arange(500) % clusters] + random.normal(size=(500, 4))

    values = all_values(pixels, images(draw(10)), images(draw(5)), k=5)
    assert values["precision"] > 0.85
    assert 0.4 < values["recall"] < 0.5
    assert values["density"] == pytest.approx(1.0, abs=0.15)
    assert 0.45 < values["coverage"] <= 0.5


@pytest.mark.parametrize("batch_size", [17, 50])
@pytest.mark.parametrize("make", [metrics.PrecisionRecall, metrics.DensityCoverage])
def test_the_same_for_every_split_into_batches(pixels, images, make, batch_size):
    measure = make(pixels, capacity=100)
    whole = values_of(measure, images(REAL), images(GENERATED))
    assert values_of(measure, images(REAL), images(GENERATED), batch_size) == whole


def test_keeps_the_first_images_up_to_its_capacity(pixels, images):
    few = values_of(metrics.DensityCoverage(pixels), images(REAL[:40]), images(GENERATED[:40]))
    measure = metrics.DensityCoverage(pixels, capacity=40)
    assert values_of(measure, images(REAL), images(GENERATED), 9) == few
    assert values_of(metrics.DensityCoverage(pixels), images(REAL), images(GENERATED)) != few


def test_rows_at_a_time_change_nothing(pixels, images, monkeypatch):
    whole = all_values(pixels, images(REAL), images(GENERATED), k=3)
    monkeypatch.setattr(kept_rows, "_DISTANCES_AT_ONCE", 700)
    assert all_values(pixels, images(REAL), images(GENERATED), k=3) == whole


def test_equal_images_are_at_no_distance(pixels, images):
    """Real images that lie k + 1 times in one place have balls of radius 0, which a copy is in."""
    places = 1000 + np.repeat(RANDOM.normal(size=(5, 4)), 4, axis=0)
    values = all_values(pixels, images(places), images(places), k=3)
    assert values["precision"] == values["recall"] == 1.0
    assert values["density"] == values["coverage"] == 0.0


@pytest.mark.parametrize("make", [metrics.PrecisionRecall, metrics.DensityCoverage])
def test_has_no_value_before_there_are_more_than_k_images(pixels, images, make):
    measure = make(pixels, k=3)
    assert all(np.isnan(float(value)) for value in measure.result().values())
    measure.update_state(images(REAL[:3]), images(GENERATED[:9]))
    assert all(np.isnan(float(value)) for value in measure.result().values())
    measure.update_state(images(REAL[3:4]), images(GENERATED[:0]))
    assert all(np.isfinite(float(value)) for value in measure.result().values())


@pytest.mark.parametrize("make", [metrics.PrecisionRecall, metrics.DensityCoverage])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_images_that_are_not_finite_give_nan(pixels, images, make, bad):
    broken = GENERATED.copy()
    broken[5, 2] = bad
    values = values_of(make(pixels), images(REAL), images(broken))
    assert all(np.isnan(list(values.values())))


def test_standard_errors_are_those_of_means_over_images(pixels, images):
    """Three of four held: the errors of a share of 3/4 of four images, with n - 1."""
    real, generated = images(on_a_line(0, 1, 2, 10)), images(on_a_line(0.5, 3, 18, 19))
    share = np.sqrt(3 / 4 * 1 / 4 / 3)
    measure = metrics.PrecisionRecall(pixels, k=1)
    measure.update_state(real, generated)
    assert measure.standard_errors() == pytest.approx({"precision": share, "recall": share})
    measure = metrics.DensityCoverage(pixels, k=1)
    measure.update_state(real, generated)
    density = np.std([2, 1, 0, 0], ddof=1) / 2
    assert measure.standard_errors() == pytest.approx({"density": density, "coverage": share})


def test_a_compiled_step_equals_an_eager_one(pixels, images):
    measure = metrics.PrecisionRecall(pixels)
    expected = values_of(measure, images(REAL[:90]), images(GENERATED), 30)
    measure.reset_state()

    @tf.function
    def step(real, generated):
        measure.update_state(real, generated)
        return measure.result()

    for first in range(0, 90, 30):
        rows = slice(first, first + 30)
        values = step(images(REAL[rows]), images(GENERATED[rows]))
    assert {name: float(value) for name, value in values.items()} == expected


def test_logs_can_be_told_apart(pixels):
    measure = metrics.PrecisionRecall(pixels, prefix="inception_")
    assert list(measure.directions) == ["inception_precision", "inception_recall"]
    assert measure.result().keys() == measure.directions.keys()


@pytest.mark.parametrize("make", [metrics.PrecisionRecall, metrics.DensityCoverage])
def test_refuses_numbers_that_mean_nothing(pixels, make):
    with pytest.raises(ValueError, match="`k` must be a positive integer. Received: k=0"):
        make(pixels, k=0)
    with pytest.raises(ValueError, match="an integer of 2 or more. Received: capacity=1.5"):
        make(pixels, capacity=1.5)
    with pytest.raises(ValueError, match="above k=3, .* Received: capacity=3"):
        make(pixels, k=3, capacity=3)
