"""Copies of the training set pass for perfect elsewhere, and are caught here."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import mannwhitneyu

from zoo import metrics

RANDOM = np.random.RandomState(0)
TRAINING, HELD_OUT, FRESH = RANDOM.normal(size=(3, 400, 4)).astype(np.float32)


def values_of(measure, real, generated, batch_size: int = 1000) -> dict[str, float]:
    measure.reset_state()
    for first in range(0, max(len(real), len(generated)), batch_size):
        rows = slice(first, first + batch_size)
        measure.update_state(real[rows], generated[rows])
    return {name: float(value) for name, value in measure.result().items()}


# === What it is for ===


def test_copies_pass_precision_and_recall_and_are_caught(pixels, images):
    """The copies are hardly worse than fresh images to the one, and nothing else to the other."""
    copies = images(TRAINING)
    against_fresh = {}
    for make in (metrics.PrecisionRecall, metrics.DensityCoverage):
        of_copies = values_of(make(pixels), images(HELD_OUT), copies)
        of_fresh = values_of(make(pixels), images(HELD_OUT), images(FRESH))
        against_fresh |= {name: of_copies[name] / of_fresh[name] for name in of_copies}
    assert min(against_fresh.values()) > 0.95
    against_training = values_of(metrics.PrecisionRecall(pixels), copies, copies)
    assert against_training == {"precision": 1.0, "recall": 1.0}

    measure = metrics.Memorisation(pixels, images(TRAINING))
    caught = values_of(measure, images(HELD_OUT), copies)
    assert caught["authenticity"] == 0.0
    assert caught["data_copying"] < -5
    assert metrics.suspects_copies(**caught)


@pytest.mark.parametrize("seed", range(3))
def test_fresh_images_are_not_suspected(pixels, images, seed):
    fresh = np.random.RandomState(10 + seed).normal(size=(400, 4))
    measure = metrics.Memorisation(pixels, images(TRAINING))
    values = values_of(measure, images(HELD_OUT), images(fresh))
    assert values["authenticity"] == pytest.approx(values["real_authenticity"], abs=0.1)
    assert abs(values["data_copying"]) < 2
    assert not metrics.suspects_copies(**values)


def test_copies_with_a_little_noise_are_caught_and_far_images_are_underfit(pixels, images):
    measure = metrics.Memorisation(pixels, images(TRAINING))
    near = TRAINING + 0.05 * RANDOM.normal(size=TRAINING.shape)
    assert metrics.suspects_copies(**values_of(measure, images(HELD_OUT), images(near)))
    far = values_of(measure, images(HELD_OUT), images(2 * FRESH))
    assert far["data_copying"] > 3
    assert not metrics.suspects_copies(**far)


def test_half_of_the_images_being_copies_is_alarming(pixels, images):
    """Each of both scores alone may be: here C_T, while every second image is authentic enough."""
    measure = metrics.Memorisation(pixels, images(TRAINING))
    half = np.concatenate([TRAINING[:200], FRESH[:200]])
    values = values_of(measure, images(HELD_OUT), images(half))
    assert values["data_copying"] < -3
    assert metrics.suspects_copies(**values)


# === By hand ===


def on_a_line(*places) -> np.ndarray:
    return np.pad(np.array(places, np.float32)[:, np.newaxis], [(0, 0), (0, 3)])


def test_authenticity_on_a_line(pixels, images):
    """Of training places 0, 1 and 5, the distances from the nearest other are 1, 1 and 4."""
    measure = metrics.Memorisation(pixels, images(on_a_line(0, 1, 5)), num_cells=1)
    # 0.4 is 0.4 from 0, 2.5 is 1.5 from 1, 9 is 4 from 5 and no farther than 1 is; 5 is a copy.
    generated, real = on_a_line(0.4, 2.5, 9, 5), on_a_line(-3, 10)
    values = values_of(measure, images(real), images(generated))
    assert values["authenticity"] == 1 / 4
    assert values["real_authenticity"] == 1.0
    errors = measure.standard_errors()
    assert errors == pytest.approx(
        {"authenticity": np.sqrt(1 / 4 * 3 / 4 / 3), "real_authenticity": 0.0}
    )


def z_of(generated, real) -> float:
    """Of distances, with the continuity correction of the authors' code."""
    m, n = len(generated), len(real)
    u = mannwhitneyu(generated, real).statistic
    return (u - n * m / 2 + 0.5) / np.sqrt(n * m * (n + m + 1) / 12)


def test_data_copying_of_one_cell_is_the_z_of_scipy(pixels, images):
    measure = metrics.Memorisation(pixels, images(TRAINING), num_cells=1)
    generated = 0.8 * FRESH[:300]
    value = values_of(measure, images(HELD_OUT), images(generated))["data_copying"]

    def distances(points):
        return np.linalg.norm(points[:, np.newaxis] - TRAINING, axis=-1).min(axis=1)

    assert value == pytest.approx(z_of(distances(generated), distances(HELD_OUT)), rel=1e-4)


def test_equal_distances_count_half(pixels, images):
    """Real places 1 and 2 away, generated ones 1, 1 and 3: they win 0.5 + 0.5 + 2 of six pairs."""
    measure = metrics.Memorisation(pixels, images(on_a_line(0, 100)), num_cells=1)
    values = values_of(measure, images(on_a_line(1, 2)), images(on_a_line(-1, 1, 3)))
    assert values["data_copying"] == pytest.approx((3 - 3 + 0.5) / np.sqrt(6 * 6 / 12))


def test_cells_are_weighed_by_their_real_images(pixels, images):
    """In one of two cells all is copied, in the other nothing: 60 and 30 of the real images.

    A third place has too few images to tell of.
    """
    random = np.random.RandomState(5)
    centres = np.array([[0.0] * 4, [100.0] * 4, [-100.0] * 4])

    def around(*numbers):
        which = np.repeat(np.arange(3), numbers)
        return centres[which] + random.normal(size=(len(which), 4))

    training, real, generated = around(50, 50, 50), around(60, 30, 10), around(40, 40, 10)
    generated[:40] = training[:40]
    measure = metrics.Memorisation(pixels, images(training), num_cells=3)
    value = values_of(measure, images(real), images(generated))["data_copying"]

    def distances(points):
        return np.linalg.norm(points[:, np.newaxis] - training, axis=-1).min(axis=1)

    expected = (
        60 * z_of(distances(generated[:40]), distances(real[:60]))
        + 30 * z_of(distances(generated[40:80]), distances(real[60:90]))
    ) / 90
    assert expected < -3
    assert value == pytest.approx(expected, rel=1e-3)


# === As every measure ===


def test_the_same_for_every_split_into_batches(pixels, images):
    measure = metrics.Memorisation(pixels, images(TRAINING))
    whole = values_of(measure, images(HELD_OUT), images(FRESH))
    measure = metrics.Memorisation(pixels, [images(TRAINING[:150]), images(TRAINING[150:])])
    assert values_of(measure, images(HELD_OUT), images(FRESH), 93) == whole


def test_a_compiled_step_equals_an_eager_one(pixels, images):
    measure = metrics.Memorisation(pixels, images(TRAINING))
    expected = values_of(measure, images(HELD_OUT), images(FRESH))
    measure.reset_state()

    @tf.function
    def step(real, generated):
        measure.update_state(real, generated)
        return measure.result()

    values = step(images(HELD_OUT), images(FRESH))
    assert {name: float(value) for name, value in values.items()} == pytest.approx(expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_no_value_without_images_or_of_such_as_are_not_finite(pixels, images, bad):
    measure = metrics.Memorisation(pixels, images(TRAINING))
    assert all(np.isnan(float(value)) for value in measure.result().values())
    broken = FRESH.copy()
    broken[3, 1] = bad
    values = values_of(measure, images(HELD_OUT), images(broken))
    assert np.isnan(values["authenticity"])
    assert np.isnan(values["data_copying"])


def test_refuses_fewer_training_images_than_cells(pixels, images):
    with pytest.raises(ValueError, match="10 training images or more.*Received: 9"):
        metrics.Memorisation(pixels, images(TRAINING[:9]))
    with pytest.raises(ValueError, match="Received: 0"):
        metrics.Memorisation(pixels, [])


# === To look at ===


def test_nearest_images_are_found_in_all_batches(pixels, images):
    asked = images(TRAINING[[7, 300]] + 0.01)
    batches = [images(TRAINING[:150]), images(TRAINING[150:])]
    nearest, distances = metrics.nearest_images(asked, batches, pixels)
    np.testing.assert_array_equal(nearest, images(TRAINING[[7, 300]]))
    np.testing.assert_allclose(distances, 0.02, rtol=1e-4)
    assert metrics.nearest_images(asked, images(TRAINING), pixels)[1] == pytest.approx(distances)


def test_an_image_that_is_not_finite_is_near_to_nothing(pixels, images):
    asked = images(TRAINING[:3]).copy()
    asked[1] = np.nan
    with pytest.raises(ValueError, match="must be finite. Received: of 1 images"):
        metrics.nearest_images(asked, images(TRAINING), pixels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.repeat(), "`training_images` must end, .* repeat for ever"),
        (lambda data: data.map(lambda x: (x, 0)), "give images alone; .* a tuple of 2 parts"),
        (lambda data: data.map(lambda x: tf.cast(x, tf.uint8)), "float32 in .* Received: uint8"),
    ],
    ids=["endless", "labels", "bytes"],
)
def test_training_images_that_are_none_are_refused(pixels, images, change, message):
    data = change(tf.data.Dataset.from_tensor_slices(images(TRAINING)).batch(50))
    with pytest.raises(ValueError, match=message):
        metrics.Memorisation(pixels, data)
    with pytest.raises(ValueError, match=message):
        metrics.nearest_images(images(FRESH[:2]), data, pixels)


def test_bytes_have_no_nearest_images(pixels, images):
    with pytest.raises(ValueError, match="Pixels of `images` .* Received: uint8"):
        metrics.nearest_images(np.uint8(images(FRESH[:2])), images(TRAINING), pixels)


def test_nearest_images_need_images_to_choose_from(pixels, images):
    with pytest.raises(ValueError, match="must hold an image"):
        metrics.nearest_images(images(FRESH[:2]), [], pixels)
