"""Changes of images against their formulas, who draws what, and how many images are changed."""

import numpy as np
import pytest
import tensorflow as tf

from tests.case import ramp_images
from zoo.common.augmentation import (
    ALL_AUGMENTATIONS,
    AUGMENTATIONS,
    AdaptiveProbability,
    augment,
    change_colours,
    check_augmentation,
    cut_out,
    draw_shifts,
    shift_images,
)

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


# === Colours ===


def test_colours_follow_the_formulas():
    images = ramp_images(2, (4, 5, 3))
    draws = np.array([[0.9, 0.25, 0.5], [0.5, 0.5, 0.8]], "float32")
    changed = change_colours(tf.constant(images), tf.constant(draws)).numpy()
    # The first is 0.4 brighter and half as far from grey, the second has 1.3 times the contrast.
    brighter = images[0] + 0.4
    grey = brighter.mean(axis=2, keepdims=True)
    np.testing.assert_allclose(changed[0], (brighter + grey) / 2, atol=1e-6)
    mean = images[1].mean()
    np.testing.assert_allclose(changed[1], mean + 1.3 * (images[1] - mean), atol=1e-6)


def test_saturation_leaves_images_of_one_channel_alone():
    images = ramp_images(2, (4, 5, 1))
    draws = tf.constant([[0.5, 0.0, 0.5], [0.5, 1.0, 0.5]])
    np.testing.assert_allclose(change_colours(tf.constant(images), draws), images, atol=1e-6)


# === Cutting out ===


@pytest.mark.parametrize(
    ("centre", "rows", "columns"),
    [
        ((0.5, 0.5), range(2, 6), range(3, 8)),
        ((0.0, 0.0), range(2), range(3)),
        ((0.999, 0.999), range(6, 8), range(8, 10)),
    ],
)
def test_half_of_each_side_becomes_grey(centre, rows, columns):
    images = np.full((1, 8, 10, 3), 0.7, "float32")
    expected = images.copy()
    expected[:, rows.start : rows.stop, columns.start : columns.stop] = 0.0
    np.testing.assert_array_equal(cut_out(tf.constant(images), tf.constant([centre])), expected)


# === All together ===


def images_of_one_kind(number: int) -> tf.Tensor:
    return tf.constant(np.broadcast_to(ramp_images(1, (16, 16, 3)), (number, 16, 16, 3)).copy())


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_each_image_is_changed_by_a_draw_of_its_own(augmentation):
    changed = augment(images_of_one_kind(16), augmentation, (1, 2)).numpy()
    assert len(np.unique(changed.reshape(16, -1), axis=0)) > 8
    again, other = (augment(images_of_one_kind(16), augmentation, (1, s)) for s in (2, 3))
    np.testing.assert_array_equal(changed, again)
    assert not np.array_equal(changed, other)


def test_probability_0_is_the_identity_bit_for_bit():
    images = images_of_one_kind(8)
    np.testing.assert_array_equal(augment(images, ALL_AUGMENTATIONS, (1, 2), 0.0), images)
    np.testing.assert_array_equal(augment(images, "", (1, 2)), images)


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_each_change_is_made_with_the_probability(augmentation):
    images = images_of_one_kind(1000)
    changed = augment(images, augmentation, (1, 2), tf.constant(0.3)).numpy()
    share = np.mean(np.any(changed != images.numpy(), axis=(1, 2, 3)))
    # Of shifts by up to 2 pixels, one in 25 is by none. Binomial: a deviation of 0.0145.
    expected = 0.3 * (24 / 25 if augmentation == "shift" else 1)
    assert share == pytest.approx(expected, abs=0.05)


def test_gradient_passes_through_all_changes():
    images = images_of_one_kind(4)
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(augment(images, ALL_AUGMENTATIONS, (1, 2)))
    gradient = tape.gradient(total, images).numpy()
    step = 0.25 * ramp_images(4, (16, 16, 3))
    moved = tf.reduce_sum(augment(images + step, ALL_AUGMENTATIONS, (1, 2)))
    # All are linear in the image, but for the brightness, which is added.
    assert float(moved - total) == pytest.approx(np.sum(gradient * step), rel=1e-3)
    assert np.all(np.any(gradient != 0, axis=(1, 2, 3)))


def test_two_replicas_change_together_what_one_does(two_replicas):
    images = ramp_images(6, (8, 8, 3))

    def share():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return augment(tf.constant(images)[3 * replica :][:3], ALL_AUGMENTATIONS, (1, 2), 0.7)

    together = np.concatenate([part.numpy() for part in two_replicas.run(share).values])
    alone = augment(tf.constant(images), ALL_AUGMENTATIONS, (1, 2), 0.7)
    np.testing.assert_allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize("augmentation", ["flip", "shift, colour", "shift,", "shift,shift", None])
def test_unknown_changes_are_refused(augmentation):
    with pytest.raises(ValueError, match="some of colour, shift, cutout, with commas"):
        check_augmentation(augmentation)


# === Adaptive probability ===


def test_probability_follows_a_scripted_discriminator():
    adaptive = AdaptiveProbability(num_images=80)
    known, unknown = tf.ones((10, 1)), tf.constant([[1.0], [-1.0]] * 5)
    # Of 80 images a step of 4 · 10 is a half: r is 1, then 0, then ¾ of 1, which is above 0.6.
    script = [known] * 4 + [unknown] * 4 + [known] * 3 + [unknown] + [known] * 8
    update = tf.function(adaptive.update)  # as in a train step
    probabilities = [float(update(logits)) for logits in script]
    assert probabilities == [0.0] * 3 + [0.5] * 4 + [0.0] * 4 + [0.5] * 4 + [1.0] * 5


def test_probability_counts_the_images_of_all_replicas(two_replicas):
    with two_replicas.scope():
        adaptive = AdaptiveProbability(num_images=80, interval=1)

    def share():
        # One replica's images are known and the other's are not: r is 0.5, less than the target.
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        adaptive.update(tf.where(replica == 0, tf.ones((10, 1)), tf.zeros((10, 1))))

    two_replicas.run(lambda: adaptive.update(tf.ones((10, 1))))
    assert adaptive.probability.numpy() == 0.25  # 20 of 80
    two_replicas.run(share)
    assert adaptive.probability.numpy() == 0.0


def test_probability_refuses_no_images():
    with pytest.raises(ValueError, match="num_images=0"):
        AdaptiveProbability(num_images=0)


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
