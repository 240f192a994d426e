"""Scores of translations: of the right generator, against the right truth, under the right name."""

import types

import numpy as np
import pytest

from recipes.common import translation_scores
from zoo import datasets, metrics

NUM_PAIRS = 4


def generator(change):
    return types.SimpleNamespace(predict=lambda images, **_: change(images))


NOTHING, BLACK, WHITE = (
    generator(change)
    for change in (
        lambda images: images,
        lambda images: 0 * images - 1,
        lambda images: 0 * images + 1,
    )
)


@pytest.fixture(scope="module")
def classifier(data_dir):
    return metrics.load_classifier("drawn_horse2zebra/tiny", data_dir=data_dir, training_steps=1)


def test_generator_that_does_nothing_scores_as_doing_nothing(classifier):
    scores = translation_scores.scores_against_truth([NOTHING, NOTHING], classifier, NUM_PAIRS)
    assert set(scores) == set(translation_scores.TRUTH_SCORES)
    for name, value in scores.items():
        if not name.startswith(translation_scores.UNTRAINED):
            assert value == scores[f"untranslated_{name}"]


def test_each_generator_is_scored_in_its_direction(classifier):
    one, other = (
        translation_scores.scores_against_truth(pair, classifier, NUM_PAIRS)
        for pair in ([BLACK, WHITE], [WHITE, BLACK])
    )
    paired = translation_scores.scores_of_paired([WHITE, BLACK], classifier, NUM_PAIRS)
    assert set(paired) == set(translation_scores.PAIRED_SCORES)
    for direction in datasets.DIRECTIONS:
        name = f"{direction}_error_inside"
        assert paired[f"paired_{name}"] == other[name] != one[name]
    truth = datasets.open("drawn_horse2zebra").truth("a_to_b", NUM_PAIRS)
    expected = [
        np.abs(answer[mask] / 2 + 0.5).mean()
        for answer, mask in zip(truth.answers[0], truth.masks[..., 0], strict=True)
    ]
    assert one["a_to_b_error_inside"] == pytest.approx(np.mean(expected))


def test_table_without_truth_has_the_losses_alone():
    results = dict.fromkeys((*translation_scores.TRUTH_SCORES, *translation_scores.PAIRED_SCORES))
    results |= {"cycle_loss": 0.25, "identity_loss": 0.125, "classifier_accuracy": None}
    rows = translation_scores.result_rows(results)
    assert [row[:2] for row in rows] == [("cycle loss", "0.250"), ("identity loss", "0.125")]
    assert translation_scores.headline(results) == "Cycle loss 0.250 on the test images."
