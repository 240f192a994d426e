"""Arithmetic on a generator of which it is known what each latent does."""

import dataclasses

import numpy as np
import pytest

import zoo
from tests.explore.small_runs import linear_model, pixel_classifier
from zoo.explore import Sum
from zoo.explore.arithmetic import SUMS

SMILES = (Sum("Smiling", "Male", present=False),)
SMALL = {"num_samples": 400, "num_draws": 50}


def test_a_smile_is_added_and_nothing_else() -> None:
    findings = zoo.explore.arithmetic(linear_model(), pixel_classifier(), sums=SMILES, **SMALL)
    scores = findings.facts["sums"]["Smiling"]
    assert scores["has_attribute"] > 0.9
    assert scores["base_has_attribute"] == 0.0
    # Of the two others, `Male` is the concept's own, and `Bright` moves as chance has it.
    assert scores["others_agree_with_base"] > 0.7
    assert scores["control"]["has_attribute"] < 0.5 * scores["has_attribute"]
    assert "Smiling" in findings.headline and set(findings.pictures) == {"smiling", "smiling_more"}


def test_the_concepts_are_with_without_and_the_other_without() -> None:
    assert SMILES[0].concepts == (
        {"Smiling": True, "Male": False},
        {"Smiling": False, "Male": False},
        {"Smiling": False, "Male": True},
    )
    assert [each.attribute for each in SUMS] == ["Smiling", "Eyeglasses", "Male"]


def test_concepts_are_taken_where_the_classifier_is_sure_if_that_does() -> None:
    sure = zoo.explore.arithmetic(linear_model(), pixel_classifier(), sums=SMILES, **SMALL)
    assert sure.facts["sums"]["Smiling"]["least_probability"] == 0.9
    unsure = zoo.explore.arithmetic(linear_model(), pixel_classifier(0.1), sums=SMILES, **SMALL)
    assert unsure.facts["sums"]["Smiling"]["least_probability"] == 0.5


def test_the_same_seed_adds_the_same() -> None:
    first, second, other = (
        zoo.explore.arithmetic(linear_model(), pixel_classifier(), sums=SMILES, **SMALL, seed=seed)
        for seed in (0, 0, 1)
    )
    assert first.facts == second.facts != other.facts
    np.testing.assert_array_equal(first.pictures["smiling"], second.pictures["smiling"])


def test_what_can_not_be_added_is_refused() -> None:
    model, classifier = linear_model(), pixel_classifier()
    with pytest.raises(ValueError, match="no attribute 'Eyeglasses'; the classifier knows Bright"):
        zoo.explore.arithmetic(model, classifier, **SMALL)
    with pytest.raises(ValueError, match="images whose attributes are known"):
        unknowing = dataclasses.replace(classifier, attribute_model=None, attribute_names=None)
        zoo.explore.arithmetic(model, unknowing, sums=SMILES, **SMALL)
    grave = linear_model(0.0)
    grave.generator.layers[0].bias.assign(np.full(16, -0.5))
    with pytest.raises(ValueError, match="Only 0 of 400 generated images show 'Smiling and not"):
        zoo.explore.arithmetic(grave, classifier, sums=SMILES, **SMALL)
