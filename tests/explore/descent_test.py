"""Descent in latents: to the least cost, within the prior, each image on its own."""

import numpy as np
import tensorflow as tf

from tests.explore.small_runs import linear_model
from zoo.explore.descent import descend
from zoo.explore.subjects import images_of

TARGETS = np.array([[0.5, -0.3, 0.1, 0.8], [-0.9, 0.2, 0.0, 0.4]], "float32")


def distance_to(targets: np.ndarray):
    """The squared distance of the first four pixels, which are the latents."""

    def cost(latents, images, rows):
        del latents
        pixels = tf.reshape(images, (-1, 16))[:, :4]
        return tf.reduce_sum(tf.square(pixels - tf.gather(targets, rows)), axis=1)

    return cost


def test_latents_are_found_where_they_cost_least() -> None:
    model = linear_model()
    before = [np.array(weight) for weight in model.get_weights()]
    found, course = descend(model, np.zeros((2, 4)), distance_to(TARGETS), iterations=150)
    np.testing.assert_allclose(found, TARGETS, atol=0.02)
    assert course.shape == (151,)
    np.testing.assert_allclose(course[0], np.square(TARGETS).sum(axis=1).mean(), rtol=1e-5)
    assert course[-1] < 0.01 * course[0]
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_what_lies_beyond_the_prior_is_not_reached() -> None:
    far = 3.0 * TARGETS
    found, _ = descend(linear_model(), np.zeros((2, 4)), distance_to(far), iterations=150)
    np.testing.assert_allclose(found, np.clip(far, -1, 1), atol=0.02)
    assert np.abs(found).max() <= 1.0


def test_an_image_s_way_does_not_depend_on_the_others() -> None:
    """More images than a batch has, so that rows of a second batch are told right too."""
    model = linear_model()
    many = np.asarray(model.latents_for(130, seed=0))
    together, _ = descend(model, np.zeros((130, 4)), distance_to(many), iterations=20)
    alone, _ = descend(model, np.zeros((1, 4)), distance_to(many[120:121]), iterations=20)
    np.testing.assert_allclose(together[120:121], alone, atol=1e-5)


def test_the_best_on_the_way_is_kept() -> None:
    """Large steps overshoot; the last place is then not the best."""
    found, course = descend(
        linear_model(), TARGETS, distance_to(TARGETS), iterations=5, learning_rate=0.5
    )
    np.testing.assert_allclose(images_of(linear_model(), found).reshape(2, 16)[:, :4], TARGETS)
    assert course[0] == 0.0
