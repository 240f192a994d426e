"""Confidence and class shares, of a classifier whose probabilities are the pixels."""

import numpy as np
import pytest
import tensorflow as tf

from zoo import metrics
from zoo.common.tfgan import tfgan

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


def score_of(pixels, images, *batches):
    measure = metrics.ClassifierScore(pixels)
    for probabilities in batches:
        measure.update_state(None, images(probabilities))
    return measure


def test_classifier_score_is_between_one_and_the_number_of_classes(pixels, images):
    assert np.isnan(metrics.ClassifierScore(pixels).result())
    uniform = score_of(pixels, images, np.full((5, 4), 0.25))
    assert float(uniform.result()) == 1.0
    sure_of_all = score_of(pixels, images, CLASSES[:1], CLASSES[1:])
    assert float(sure_of_all.result()) == pytest.approx(4.0)
    sure_of_one = score_of(pixels, images, np.repeat(CLASSES[:1], 9, axis=0))
    assert float(sure_of_one.result()) == 1.0


def test_classifier_score_equals_tfgan(pixels, images):
    logits = np.random.RandomState(0).normal(size=(60, 4)).astype(np.float32)
    probabilities = tf.nn.softmax(logits).numpy()
    expected = float(tfgan().eval.classifier_score_from_logits(tf.constant(logits)))
    whole = score_of(pixels, images, probabilities)
    assert float(whole.result()) == pytest.approx(expected, rel=1e-5)
    split = score_of(pixels, images, probabilities[:7], probabilities[7:])
    assert float(split.result()) == pytest.approx(expected, rel=1e-5)


def test_the_error_of_a_classifier_score_is_its_spread_over_draws(pixels, images):
    random = np.random.RandomState(0)
    measure = metrics.ClassifierScore(pixels)
    scores, errors = [], []
    for _ in range(200):
        measure.reset_state()
        measure.update_state(None, images(random.dirichlet((0.3, 0.5, 1.0, 2.0), size=200)))
        scores.append(float(measure.result()))
        errors.append(measure.standard_errors()["classifier_score"])
    assert np.mean(errors) == pytest.approx(np.std(scores, ddof=1), rel=0.15)


@pytest.mark.parametrize(
    "make", [metrics.MeanConfidence, metrics.ClassImbalance, metrics.ClassifierScore]
)
def test_a_set_without_labels_has_no_classifier_to_ask(make):
    with pytest.raises(ValueError, match="`classifier` must be a built keras.Model.*NoneType"):
        make(None)
