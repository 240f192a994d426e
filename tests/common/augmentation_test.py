"""Shifts of images: where pixels land, what comes in at the border, and who draws what."""

import numpy as np
import pytest
import tensorflow as tf

from tests.case import ramp_images
from zoo.common.augmentation import draw_shifts, shift_images

# === Shifting ===


@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (0, -2), (3, 2), (-3, 5), (-5, -7)])
def test_shifted_images_are_a_window_of_the_mirrored_ones(shift):
    images = ramp_images(2, (5, 7, 3))
    down, right = shift
    mirrored = np.pad(images, ((0, 0), (5, 5), (7, 7), (0, 0)), mode="symmetric")
    expected = mirrored[:, 5 - down : 10 - down, 7 - right : 14 - right]
    shifted = shift_images(tf.constant(images), tf.constant([shift, shift]))
    np.testing.assert_array_equal(shifted, expected)


def test_each_image_has_a_shift_of_its_own():
    images = tf.constant(ramp_images(3, (6, 6, 1)))
    shifts = tf.constant([(1, 2), (0, 0), (-2, 1)])
    together = shift_images(images, shifts)
    for i in range(3):
        alone = shift_images(images[i : i + 1], shifts[i : i + 1])
        np.testing.assert_array_equal(together[i], alone[0])


def test_gradient_passes_to_the_pixels_that_are_seen():
    images = tf.constant(ramp_images(2, (5, 7, 3)))
    weights = ramp_images(2, (5, 7, 3))[::-1].copy()
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(weights * shift_images(images, tf.constant([(2, -3), (-1, 4)])))
    gradient = tape.gradient(total, images)
    # The shift is linear: ⟨w, Tx⟩ = ⟨T'w, x⟩ with T'w the gradient, at this x and at any other.
    other = ramp_images(4, (5, 7, 3))[2:]
    shifted = shift_images(tf.constant(other), tf.constant([(2, -3), (-1, 4)]))
    assert float(total) == pytest.approx(float(tf.reduce_sum(gradient * images)), rel=1e-4)
    assert np.sum(weights * shifted) == pytest.approx(np.sum(gradient * other), rel=1e-4)


# === Drawing ===


def test_shifts_reach_every_pixel_up_to_the_largest_and_none_beyond():
    shifts = draw_shifts(2000, 3, (1, 2)).numpy()
    assert shifts.shape == (2000, 2)
    for column in shifts.T:
        values, counts = np.unique(column, return_counts=True)
        assert values.tolist() == [-3, -2, -1, 0, 1, 2, 3]
        # Binomial with mean 286 and deviation 15.6: five of them.
        assert np.abs(counts - 2000 / 7).max() < 5 * 15.7
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.1


def test_same_seed_draws_the_same_shifts():
    first, again, other = (draw_shifts(20, 8, seed).numpy() for seed in ((1, 2), (1, 2), (1, 3)))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_nothing_is_shifted_by_at_most_nothing():
    np.testing.assert_array_equal(draw_shifts(5, 0, (1, 2)), np.zeros((5, 2)))


def test_two_replicas_draw_together_what_one_does(two_replicas):
    per_replica = two_replicas.run(lambda: draw_shifts(3, 8, (1, 2)))
    together = np.concatenate([part.numpy() for part in per_replica.values])
    np.testing.assert_array_equal(together, draw_shifts(6, 8, (1, 2)))
