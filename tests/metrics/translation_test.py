"""Scores of translations, by hand."""

import keras
import numpy as np
import pytest
from scipy import ndimage

from zoo import metrics
from zoo.datasets import TranslationTruth
from zoo.metrics import Classifier, masked_errors

LEFT_HALF = np.zeros((1, 4, 4, 1), bool)
LEFT_HALF[:, :, :2] = True


def even(level: float, shape=(1, 4, 4, 3)) -> np.ndarray:
    return np.full(shape, level, np.float32)


# === Errors ===


def test_error_is_in_units_of_pixels_from_0_to_1():
    everywhere = np.ones((1, 4, 4, 1), bool)
    assert masked_errors(even(-1), even(1), everywhere) == 1.0
    assert masked_errors(even(0.5), even(0.25), everywhere) == 0.125


def test_error_is_the_mean_over_pixels_of_the_mask_and_channels():
    images = even(0.0)
    images[0, 0, 0] = (0.2, -0.4, 0.0)  # inside: |differences| 0.1, 0.2 and 0 of 8 · 3 numbers
    images[0, 3, 3] = 1.0  # outside: 3 · 0.5 of 8 · 3
    assert masked_errors(images, even(0.0), LEFT_HALF) == pytest.approx(0.3 / 24)
    assert masked_errors(images, even(0.0), ~LEFT_HALF) == pytest.approx(1.5 / 24)


def test_each_image_has_an_error_of_its_own():
    masks = np.concatenate([LEFT_HALF, ~LEFT_HALF])
    images = np.concatenate([even(0.4), even(-0.2)])
    np.testing.assert_allclose(masked_errors(images, 0 * images, masks), [0.2, 0.1], atol=1e-7)


def test_blur_leaves_an_even_difference_as_it_is_up_to_the_borders():
    error = masked_errors(even(0.5), even(0.1), LEFT_HALF, blur_sigma=4.0)
    assert error == pytest.approx(0.2, abs=1e-7)


def test_blur_is_a_gaussian_that_sees_the_mask_alone():
    random = np.random.default_rng(0)
    images, others = random.uniform(-1, 1, (2, 1, 24, 20, 1))
    mask = np.zeros((1, 24, 20, 1), bool)
    mask[0, 5:19, 3:12] = True

    def blurred(plane):
        return ndimage.gaussian_filter(plane, 4.0, mode="constant", truncate=20)

    inside = mask[0, :, :, 0]
    difference = (images - others)[0, :, :, 0] / 2 * inside
    expected = np.abs(blurred(difference) / blurred(inside.astype(float)))[inside].mean()
    assert masked_errors(images, others, mask, 4.0) == pytest.approx(expected, rel=1e-6)
    others[~mask] = 1.0
    assert masked_errors(images, others, mask, 4.0) == pytest.approx(expected, rel=1e-6)


def test_blur_forgives_stripes_that_are_out_of_phase():
    stripes = np.sign(np.sin((np.arange(64) + 0.5) * np.pi / 4))  # 8 pixels from black to black
    image = np.broadcast_to(stripes[:, np.newaxis], (1, 64, 64, 1)).swapaxes(1, 2)
    everywhere = np.ones((1, 64, 64, 1), bool)
    assert masked_errors(image, -image, everywhere) == 1.0
    assert masked_errors(image, -image, everywhere, metrics.BLUR_SIGMA) < 0.1


@pytest.mark.parametrize(
    ("others", "masks", "message"),
    [
        (even(0, (1, 4, 4, 1)), LEFT_HALF, r"their shape, \(1, 4, 4, 3\). Received: \(1, 4, 4, 1"),
        (
            even(0),
            LEFT_HALF.astype(int),
            r"Masks must be bool of shape \(1, 4, 4, 1\). Received: i",
        ),
        (even(0), LEFT_HALF[:, :2], r"Received: bool of shape \(1, 2, 4, 1\)"),
        (even(0), LEFT_HALF & False, r"Received: none in that of image 0\."),
    ],
)
def test_what_does_not_fit_is_refused(others, masks, message):
    with pytest.raises(ValueError, match=message):
        masked_errors(even(0), others, masks)


# === Scores ===


@pytest.fixture(scope="module")
def bright_or_dark() -> Classifier:
    """Takes an image for B if it is brighter than middle grey."""
    images = keras.Input((4, 4, 3))
    mean = keras.layers.GlobalAveragePooling2D()(images)
    layer = keras.layers.Dense(2, activation="softmax", use_bias=False)
    model = keras.Model(images, layer(mean))
    layer.set_weights([np.array([[-1.0, 1.0]] * 3)])
    return Classifier(None, model, ("A", "B"), accuracy=1.0, description="")


def scores_of(classifier, translate, answers, inputs=None) -> dict[str, float]:
    inputs = even(0, answers.shape[1:]) if inputs is None else inputs
    masks = np.repeat(LEFT_HALF, len(inputs), axis=0)
    truth = TranslationTruth(inputs, answers, masks)
    return metrics.score_translation(translate, truth, classifier, "B")


def test_scores_by_hand(bright_or_dark):
    answers = np.where(LEFT_HALF, even(0.6), even(0))[np.newaxis]
    found = scores_of(bright_or_dark, lambda images: images + 0.2, answers)
    # Inside 0.6 is to be reached, outside nothing should have changed.
    assert found == {
        "error_inside": pytest.approx(0.2),
        "blurred_error_inside": pytest.approx(0.2),
        "error_outside": pytest.approx(0.1),
        "blurred_error_outside": pytest.approx(0.1),
        "taken_for_target": 1.0,
    }


def test_each_image_is_held_against_the_answer_that_is_nearest(bright_or_dark):
    dark, bright = even(-0.6), even(0.6)
    answers = np.stack([np.concatenate([dark, dark]), np.concatenate([bright, bright])])
    translated = np.concatenate([bright, dark + 0.2])
    found = scores_of(bright_or_dark, lambda images: translated, answers)
    assert found["error_inside"] == pytest.approx((0.0 + 0.1) / 2)
    assert found["taken_for_target"] == 0.5


def test_translation_that_changes_the_shape_is_refused(bright_or_dark):
    with pytest.raises(ValueError, match=r"must keep the shape .*Received: \(1, 2, 4, 3\)"):
        scores_of(bright_or_dark, lambda images: images[:, :2], even(0)[np.newaxis])


def test_class_that_there_is_not_is_refused(bright_or_dark):
    with pytest.raises(ValueError, match="knows the classes A, B. Received: target='zebra'"):
        metrics.share_taken_for("zebra", even(0), bright_or_dark)


# === What scores stand beside ===


def test_silhouette_is_the_animal_in_the_mean_colour_of_the_answers():
    inputs, answers = even(0.25), np.stack([even(-1.0), even(0.0)])
    answers[0, 0, 0, 0] = (1.0, -1.0, -1.0)  # one of 16 pixels inside, in both answers, is redder
    answers[:, :, :, 2:] = 1.0  # outside: does not count
    truth = TranslationTruth(inputs=inputs, answers=answers, masks=LEFT_HALF)
    filled = metrics.silhouette(inputs, truth)
    inside = filled[0, :, :2].reshape(-1, 3)
    np.testing.assert_allclose(inside, np.tile([-0.375, -0.5, -0.5], (8, 1)))
    np.testing.assert_array_equal(filled[0, :, 2:], inputs[0, :, 2:])
