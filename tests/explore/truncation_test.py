"""Truncation: at 1 as generated, at less more alike."""

import numpy as np
import pytest

import zoo
from tests.explore.small_runs import linear_model, pixel_classifier

EXTRACTOR = pixel_classifier().feature_extractor


def test_variety_falls_with_the_square_of_truncation_of_a_linear_generator() -> None:
    model = linear_model()
    real = model.generate(60, seed=0)
    facts = zoo.explore.truncation(model, EXTRACTOR, real, truncations=(1.0, 0.5, 0.0)).facts
    np.testing.assert_allclose(facts["varieties"], [1.0, 0.25, 0.0], atol=1e-5)
    distances = facts["kernel_distances"]
    assert distances[0] < distances[1] < distances[2]
    assert facts["num_images"] == 60


def test_the_best_is_told() -> None:
    model = linear_model(5.0)
    real = 0.5 * model.generate(60, seed=0)
    findings = zoo.explore.truncation(model, EXTRACTOR, real, truncations=(1.0, 0.5))
    assert "least at truncation 0.5" in findings.headline
    assert set(findings.pictures) == {"truncation", "curves"}


def test_images_without_a_variety_are_refused() -> None:
    real = linear_model().generate(2, seed=0)
    with pytest.raises(ValueError, match=r"2 or more real images.*Received: 1\. Take"):
        zoo.explore.truncation(linear_model(), EXTRACTOR, real[:1])
    with pytest.raises(ValueError, match="all 2 have the same features"):
        zoo.explore.truncation(linear_model(), EXTRACTOR, real[[0, 0]])


@pytest.mark.parametrize("truncations", [(), (1.5,), (-0.1, 1.0)])
def test_truncations_are_from_0_to_1(truncations) -> None:
    with pytest.raises(ValueError, match="truncations"):
        zoo.explore.truncation(
            linear_model(), EXTRACTOR, linear_model().generate(4), truncations=truncations
        )
