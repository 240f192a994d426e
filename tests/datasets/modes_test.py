"""Data whose modes are known: where they lie, how points scatter, and that draws repeat."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tests.datasets.picture_files import save_pictures
from zoo import datasets

RING = datasets.ring_of_gaussians()
GRID = datasets.grid_of_gaussians()


def points_of(mixture: datasets.PointMixture, num_batches: int = 8, **options) -> np.ndarray:
    batches = mixture.batches(1000, **options).take(num_batches)
    return np.concatenate(list(batches.as_numpy_iterator()))


# === Points ===


def test_the_ring_has_eight_modes_in_eight_places():
    """A `linspace` from 0 to 2π with its end has seven, one of them twice."""
    radii = [math.hypot(*centre) for centre in RING.centres]
    np.testing.assert_allclose(radii, 1.0)
    gaps = [math.dist(RING.centres[i - 1], RING.centres[i]) for i in range(8)]
    np.testing.assert_allclose(gaps, 2 * math.sin(math.pi / 8))
    assert RING.sigma == 0.01


def test_the_grid_has_25_modes_two_apart():
    expected = {(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)}
    assert set(GRID.centres) == expected
    assert (GRID.sigma, GRID.extent) == (0.05, 4.0)


@pytest.mark.parametrize("mixture", [RING, GRID], ids=["ring", "grid"])
def test_points_fall_on_all_modes_alike_and_scatter_as_told(mixture):
    points = points_of(mixture)
    offsets = points[:, None] - np.array(mixture.centres, np.float32)
    nearest = np.linalg.norm(offsets, axis=-1).argmin(axis=1)
    counts = np.bincount(nearest, minlength=len(mixture.centres))
    expected = len(points) / len(mixture.centres)
    # Four standard deviations of a count.
    assert np.abs(counts - expected).max() < 4 * math.sqrt(expected)
    own = offsets[np.arange(len(points)), nearest] / mixture.sigma
    np.testing.assert_allclose(own.std(axis=0), 1.0, atol=0.04)
    np.testing.assert_allclose(own.mean(axis=0), 0.0, atol=0.05)
    assert points.dtype == np.float32


def test_batches_depend_on_seed_and_number_alone():
    points = points_of(RING, 4)
    np.testing.assert_array_equal(points, points_of(RING, 4))
    np.testing.assert_array_equal(points[2000:], points_of(RING, 2, first_step=2))
    assert not np.array_equal(points, points_of(RING, 4, seed=1))
    assert not np.array_equal(points[:1000], points[1000:2000])
    assert RING.batches().cardinality() == tf.data.INFINITE_CARDINALITY


def test_another_mixture_has_another_fingerprint():
    fingerprints = {
        mixture.fingerprint
        for mixture in (RING, GRID, datasets.ring_of_gaussians(9), datasets.ring_of_gaussians(8, 2))
    }
    assert len(fingerprints) == 4
    assert RING.fingerprint == datasets.ring_of_gaussians().fingerprint


@pytest.mark.parametrize(
    ("centres", "sigma", "message"),
    [
        ((), 0.1, "`centres` must hold one point or more"),
        (((0.0, 0.0),), 0.0, "`sigma` must be positive. Received: sigma=0.0"),
        (((1.0, 0.0), (1.0, 1e-17)), 0.1, r"they are one mode. Received: \(1.0, 0.0\) and"),
    ],
)
def test_a_mixture_that_is_none_is_refused(centres, sigma, message):
    with pytest.raises(ValueError, match=message):
        datasets.PointMixture("mine", centres, sigma)
    with pytest.raises(ValueError, match="`batch_size` must be a positive integer"):
        RING.batches(0)


# === Stacks ===


@pytest.fixture(scope="module")
def stacks(data_dir) -> datasets.DigitStacks:
    return datasets.DigitStacks(datasets.open("mnist_small", data_dir=data_dir), 2, "test")


def test_each_channel_of_a_stack_is_a_digit_of_the_split(stacks, digits):
    assert (stacks.image_shape, stacks.num_modes) == ((28, 28, 2), 100)
    (batch,) = stacks.batches(40).take(1).as_numpy_iterator()
    assert (batch.shape, batch.dtype) == ((40, 28, 28, 2), np.float32)
    images, labels = digits("test")
    labels_of = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    as_bytes = np.rint((batch + 1) * 127.5).astype(np.uint8)
    pairs = [[labels_of[stack[..., [c]].tobytes()] for c in range(2)] for stack in as_bytes]
    # Drawn apart: 40 pairs of one draw would have two equal digits each.
    assert 0 < sum(first == second for first, second in pairs) < 15
    assert len({tuple(pair) for pair in pairs}) > 20


def test_batches_of_stacks_depend_on_seed_and_number_alone(stacks):
    def first(**options) -> np.ndarray:
        return next(stacks.batches(4, **options).as_numpy_iterator())

    batches = list(stacks.batches(4).take(3).as_numpy_iterator())
    np.testing.assert_array_equal(first(first_step=2), batches[2])
    assert not np.array_equal(first(), batches[1])
    assert not np.array_equal(first(), first(seed=1))


def test_the_fingerprint_is_of_digits_and_their_number(stacks, data_dir):
    digits = datasets.open("mnist_small", data_dir=data_dir)
    three = datasets.DigitStacks(digits, 3, "test")
    assert three.fingerprint != stacks.fingerprint
    assert three.num_modes == 1000
    with pytest.raises(ValueError, match="`num_digits` must be a positive integer"):
        datasets.DigitStacks(digits, 0)


def test_what_can_t_be_stacked_is_refused(tmp_path):
    save_pictures(tmp_path / "pictures", 16)
    pictures = datasets.open(tmp_path / "pictures", image_size=16, data_dir=tmp_path / "data")
    with pytest.raises(ValueError, match=r"grey images with labels.*\(16, 16, 3\) and 0 classes"):
        datasets.DigitStacks(pictures)
