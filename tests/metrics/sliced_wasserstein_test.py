"""Sliced Wasserstein distances: closed forms, TF-GAN's pyramid, and what each level sees."""

import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo import metrics
from zoo.common.tfgan import tfgan
from zoo.metrics.sliced_wasserstein import laplacian_pyramid

RANDOM = np.random.RandomState(0)
REAL = RANDOM.normal(size=(60, 4)).astype(np.float32)
GENERATED = (0.5 + 1.5 * RANDOM.normal(size=(60, 4))).astype(np.float32)
# Smooth pictures, for the pyramid to split.
WAVES = np.cos(np.linspace(0, 3, 32) * RANDOM.uniform(1, 3, size=(24, 1)) + RANDOM.rand(24, 1))
PICTURES = np.clip(
    WAVES[:, :, None, None] * WAVES[:, None, ::-1, None] * np.array([1.0, 0.8, 0.6])
    + 0.05 * RANDOM.normal(size=(24, 32, 32, 3)),
    -1,
    1,
).astype(np.float32)


def value_of(measure, real, generated, batch_size: int = 1000):
    measure.reset_state()
    for first in range(0, len(real), batch_size):
        rows = slice(first, first + batch_size)
        measure.update_state(real[rows], generated[rows])
    return measure.result()


# === Of features ===


def test_a_shift_counts_with_its_part_along_each_direction(pixels, images):
    """In 4 dimensions |s·u| is |s| Γ(2) / (√π Γ(5/2)) = 0.42441 |s|, on average over directions."""
    shift = np.array([3.0, 0.0, -4.0, 0.0])
    measure = metrics.SlicedWassersteinDistance(pixels, num_directions=20_000)
    value = value_of(measure, images(REAL), images(REAL + shift))
    assert float(value) == pytest.approx(0.42441 * 5, rel=0.01)


def test_features_of_one_dimension_need_no_directions(images):
    one = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.GlobalAveragePooling2D()])
    value = value_of(metrics.SlicedWassersteinDistance(one), images(REAL), images(GENERATED))
    expected = np.abs(np.sort(REAL.mean(axis=1)) - np.sort(GENERATED.mean(axis=1))).mean()
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_equal_sets_have_a_distance_of_zero_in_any_order(pixels, images):
    measure = metrics.SlicedWassersteinDistance(pixels)
    assert float(value_of(measure, images(REAL), images(REAL[::-1]))) == pytest.approx(0, abs=1e-6)
    assert float(value_of(measure, images(REAL), images(GENERATED))) > 0.1


def test_it_sees_more_than_means_and_covariances(pixels, images):
    """Two points a feature and a Gaussian, of equal moments: 0 to the Fréchet distance."""
    random = np.random.RandomState(3)
    whitened = []
    for sample in (random.normal(size=(1000, 4)), random.choice([-1.0, 1.0], size=(1000, 4))):
        sample -= sample.mean(axis=0)
        whitened.append(sample @ np.linalg.inv(np.linalg.cholesky(np.cov(sample.T))).T)
    two = [images(sample) for sample in whitened]
    assert float(value_of(metrics.FrechetDistance(pixels), *two)) < 1e-5
    assert float(value_of(metrics.SlicedWassersteinDistance(pixels), *two)) > 0.05


@pytest.mark.parametrize("batch_size", [7, 20])
def test_the_same_for_every_split_into_batches(pixels, images, batch_size):
    measure = metrics.SlicedWassersteinDistance(pixels, capacity=50)
    whole = float(value_of(measure, images(REAL), images(GENERATED)))
    assert float(value_of(measure, images(REAL), images(GENERATED), batch_size)) == whole


def test_no_value_without_images_or_of_such_as_are_not_finite(pixels, images):
    measure = metrics.SlicedWassersteinDistance(pixels)
    assert np.isnan(float(measure.result()))
    broken = GENERATED.copy()
    broken[3, 1] = np.nan
    assert np.isnan(float(value_of(measure, images(REAL), images(broken))))


def test_refuses_unequal_numbers(pixels, images):
    measure = metrics.SlicedWassersteinDistance(pixels)
    with pytest.raises(ValueError, match="as many generated as real images. Received: 2 generated"):
        measure.update_state(images(REAL[:3]), images(GENERATED[:2]))


# === Of patches ===


def test_the_pyramid_is_tfgans():
    theirs = importlib.import_module(f"{tfgan().__name__}.python.eval.sliced_wasserstein")
    large = RANDOM.uniform(-1, 1, size=(2, 64, 64, 3)).astype(np.float32)
    levels = laplacian_pyramid(tf.constant(large))
    assert [level.shape[1] for level in levels] == [64, 32, 16]
    for level, expected in zip(levels, theirs.laplacian_pyramid(large, 3), strict=True):
        np.testing.assert_allclose(level, expected, atol=1e-5)


def test_logs_a_value_a_level_and_their_mean():
    measure = metrics.PyramidWassersteinDistance((32, 32, 3))
    values = value_of(measure, PICTURES, PICTURES[::-1] * 0.5)
    names = ["pyramid_wasserstein", "pyramid_wasserstein_32", "pyramid_wasserstein_16"]
    assert list(values) == list(measure.directions) == names
    of_levels = [float(values[name]) for name in names[1:]]
    assert float(values["pyramid_wasserstein"]) == pytest.approx(np.mean(of_levels))


@pytest.mark.parametrize("shape", [(28, 28, 1), (33, 64, 3)])
def test_sizes_that_can_not_be_halved_are_one_level(shape):
    measure = metrics.PyramidWassersteinDistance(shape)
    side = min(shape[:2])
    assert list(measure.directions) == ["pyramid_wasserstein", f"pyramid_wasserstein_{side}"]


def test_neither_brightness_nor_contrast_counts():
    measure = metrics.PyramidWassersteinDistance((32, 32, 3))
    values = value_of(measure, PICTURES, 0.5 * PICTURES + 0.2)
    assert max(float(value) for value in values.values()) < 1e-2


def test_what_is_fine_shows_on_the_fine_level():
    """Stripes of one pixel leave the coarse level nearly as it is."""
    striped = PICTURES + 0.3 * (-1.0) ** np.arange(32)[:, np.newaxis, np.newaxis]
    measure = metrics.PyramidWassersteinDistance((32, 32, 3))
    values = value_of(measure, PICTURES, striped.astype(np.float32))
    fine, coarse = (float(values[f"pyramid_wasserstein_{side}"]) for side in (32, 16))
    assert fine > 100 > 5 * coarse


@pytest.mark.parametrize("batch_size", [1, 7])
def test_patches_are_the_same_for_every_split_into_batches(batch_size):
    measure = metrics.PyramidWassersteinDistance((32, 32, 3), capacity=20)
    other = np.flip(PICTURES, axis=1)
    whole = value_of(measure, PICTURES, other)
    split = value_of(measure, PICTURES, other, batch_size)
    assert {name: float(value) for name, value in split.items()} == whole


def test_refuses_images_that_hold_no_patch():
    with pytest.raises(ValueError, match=r"Received: image_shape=\(28, 6, 1\)"):
        metrics.PyramidWassersteinDistance((28, 6, 1))
    with pytest.raises(ValueError, match="Received: patches_per_image=0"):
        metrics.PyramidWassersteinDistance((28, 28, 1), patches_per_image=0)
