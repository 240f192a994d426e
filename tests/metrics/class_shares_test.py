"""Confidence and class shares, of a classifier whose probabilities are the pixels."""

import numpy as np
import pytest

from zoo import metrics

CLASSES = np.eye(4)


def test_mean_confidence_is_the_mean_of_the_largest_probability(pixels, images):
    measure = metrics.MeanConfidence(pixels)
    assert np.isnan(measure.result())
    measure.update_state(None, images([[0.7, 0.1, 0.1, 0.1], [0.25, 0.25, 0.25, 0.25]]))
    measure.update_state(None, images([[0.0, 0.0, 1.0, 0.0]]))
    assert float(measure.result()) == pytest.approx((0.7 + 0.25 + 1.0) / 3)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((5, 5, 5, 5), 1.0),
        ((10, 4, 3, 3), 4 * 10 / 20),
        ((2, 6, 6, 6), 20 / (4 * 2)),
        # A class is missing: ∞ in the formula, n images here.
        ((0, 7, 7, 6), 20.0),
        ((20, 0, 0, 0), 20.0),
    ],
)
def test_class_imbalance_is_the_largest_factor_from_uniform(pixels, images, counts, expected):
    measure = metrics.ClassImbalance(pixels)
    chosen = np.repeat(np.arange(4), counts)
    for half in (chosen[::2], chosen[1::2]):
        measure.update_state(None, images(CLASSES[half]))
    assert float(measure.result()) == pytest.approx(expected)


def test_a_missing_class_is_worse_than_any_rare_one(pixels, images):
    def imbalance(counts):
        measure = metrics.ClassImbalance(pixels)
        measure.update_state(None, images(np.repeat(CLASSES, counts, axis=0)))
        return float(measure.result())

    assert imbalance((0, 4, 4, 4)) > imbalance((1, 1, 1, 9)) > imbalance((2, 2, 2, 6)) == 2.0


def test_class_imbalance_has_no_value_before_any_image(pixels):
    assert np.isnan(metrics.ClassImbalance(pixels).result())


@pytest.mark.parametrize("make", [metrics.MeanConfidence, metrics.ClassImbalance])
def test_a_set_without_labels_has_no_classifier_to_ask(make):
    with pytest.raises(ValueError, match="`classifier` must be a built keras.Model.*NoneType"):
        make(None)
