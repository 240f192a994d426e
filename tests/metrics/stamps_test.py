"""Scores carry what they were taken on, and are compared with their like alone."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo import metrics

REAL = np.random.RandomState(0).uniform(-1, 1, size=(30, 2, 2, 1)).astype(np.float32)
STAMP = metrics.Stamp("0123456789ab", "none", 500, 500, "mnist_small test", None)


def noise(num_images, seed):
    return np.random.RandomState(seed).uniform(-0.5, 1, size=(num_images, 2, 2, 1))


@pytest.fixture
def dense():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")]
    )


def evaluate(measures, images=REAL, **options):
    return metrics.evaluate(
        measures, tf.data.Dataset.from_tensor_slices(images).batch(8), noise, **options
    )


def test_each_score_has_its_own_stamp(pixels, dense):
    measures = [
        metrics.MeanConfidence(dense),
        metrics.PrecisionRecall(pixels, k=2, capacity=20),
        metrics.Memorisation(dense, REAL, num_cells=3),
    ]
    scores = evaluate(measures, seed=5, split="noise test")
    assert list(scores) == list(scores.stamps)
    own = scores.stamps["mean_confidence"]
    assert own == metrics.Stamp(own.extractor, "none", 30, 30, "noise test", 5)
    assert len(own.extractor) == 12 and int(own.extractor, 16)
    assert scores.stamps["precision"] == metrics.Stamp(
        "none", "none", 20, 20, "noise test", 5, settings="k=2"
    )
    assert scores.stamps["precision"] == scores.stamps["recall"]
    assert scores.stamps["authenticity"].settings == "num_training_images=30, num_cells=3"
    assert scores.stamps["authenticity"].extractor == own.extractor


def test_the_digest_is_that_of_the_weights(dense):
    def digest():
        return evaluate([metrics.FrechetDistance(dense)]).stamps["frechet_distance"].extractor

    before = digest()
    assert digest() == before
    dense.layers[-1].bias.assign([0.0, 1.0, 0.0])
    assert digest() != before


def test_scores_have_standard_errors_where_they_are_cheap(pixels):
    measures = [metrics.FrechetDistance(pixels), metrics.PrecisionRecall(pixels)]
    scores = evaluate(measures)
    assert scores.standard_errors.keys() == {"precision", "recall"}
    assert scores.standard_errors == measures[1].standard_errors()


def test_scores_of_one_stamp_stand_side_by_side(pixels):
    one = evaluate([metrics.FrechetDistance(pixels), metrics.MeanConfidence(pixels)])
    other = evaluate([metrics.FrechetDistance(pixels)])
    value = one["frechet_distance"]
    assert metrics.compare({"one": one, "other": other}) == {
        "frechet_distance": {"one": value, "other": value}
    }
    assert metrics.compare({}) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extractor": "ffff"}, "extractor is '0123456789ab' in a and 'ffff' in b"),
        ({"resizing": "299 pixels"}, "resizing is 'none' in a and '299 pixels' in b"),
        ({"num_real": 2000}, "num_real is 500 in a and 2,000 in b"),
        ({"num_generated": 2000}, "num_generated is 500 in a and 2,000 in b"),
        ({"split": "mnist test"}, "split is 'mnist_small test' in a and 'mnist test' in b"),
        ({"seed": 3}, "seed is None in a and 3 in b"),
        ({"settings": "k=5"}, "settings is '' in a and 'k=5' in b"),
    ],
)
def test_different_stamps_are_refused_with_their_difference(change, message):
    other = dataclasses.replace(STAMP, **change)
    metrics.refuse_different({"a": STAMP, "b": STAMP})
    with pytest.raises(ValueError, match="the same. Received: ") as raised:
        metrics.refuse_different({"a": STAMP, "b": other})
    assert str(raised.value).endswith(f"Received: {message}.")


def test_scores_on_other_images_are_not_compared(pixels):
    one = evaluate([metrics.FrechetDistance(pixels)])
    fewer = evaluate([metrics.FrechetDistance(pixels)], REAL[:20])
    with pytest.raises(ValueError, match="num_real is 30 in frechet_distance of one and 20 in"):
        metrics.compare({"one": one, "fewer": fewer})
