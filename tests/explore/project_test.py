"""Projection, on a generator that can make only some images."""

import keras
import numpy as np
import pytest

import zoo
from tests.explore.small_runs import linear_model, pixel_classifier
from zoo.explore import Findings
from zoo.explore.project import build_network

SMALL = {"num_images": 16, "iterations": 60, "network_steps": 80, "filters": 8}


@pytest.fixture(scope="module")
def digits(data_dir) -> zoo.datasets.ImageDataset:
    return zoo.datasets.open("mnist_small", image_size=4, data_dir=data_dir)


@pytest.fixture(scope="module")
def findings(digits) -> Findings:
    return zoo.explore.project(linear_model(), digits, **SMALL)


def test_descent_finds_the_nearest_image_there_is(findings: Findings, digits) -> None:
    """Which is the target in the first row of pixels, and 0 in all others."""
    targets = next(iter(digits.batches("test", batch_size=16))).numpy()
    nearest = np.zeros_like(targets)
    nearest[:, 0] = targets[:, 0]
    expected = np.sqrt(np.mean(np.square(targets - nearest), axis=(1, 2, 3))).mean()
    errors = findings.facts["errors"]
    assert errors["optimisation"] == pytest.approx(expected, rel=0.01)
    assert errors["hybrid"] == pytest.approx(expected, rel=0.01)
    assert findings.facts["start_error"] > 1.2 * expected


def test_the_network_learns_to_answer_at_once(findings: Findings, digits) -> None:
    """From some steps more than one it is nearer than a random start."""
    untaught = zoo.explore.project(linear_model(), digits, **{**SMALL, "network_steps": 1})
    errors = findings.facts["errors"]
    assert errors["hybrid"] <= errors["network"] < untaught.facts["errors"]["network"]
    assert errors["network"] < findings.facts["start_error"]


def test_generated_images_are_recovered(findings: Findings) -> None:
    recovered = findings.facts["own_samples_over_start"]
    assert recovered["optimisation"] < 0.1 and recovered["hybrid"] < 0.1
    assert recovered["hybrid"] < recovered["network"]


def test_features_count_if_they_are_asked_for(digits, findings: Findings) -> None:
    extractor = pixel_classifier().feature_extractor
    other = zoo.explore.project(
        linear_model(), digits, feature_extractor=extractor, feature_weight=0.5, **SMALL
    )
    assert other.facts["features"] == extractor.name
    assert other.facts["errors"]["network"] != findings.facts["errors"]["network"]
    with pytest.raises(ValueError, match="needs a `feature_extractor`"):
        zoo.explore.project(linear_model(), digits, feature_weight=0.5, **SMALL)


def test_the_network_answers_within_the_prior() -> None:
    network = build_network(linear_model(), filters=4, seed=0)
    latents = network(1e4 * np.ones((2, 4, 4, 1), "float32"))
    assert latents.shape == (2, 4) and np.abs(latents).max() <= 1.0
    again = build_network(linear_model(), filters=4, seed=0)
    for one, other in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_has_no_latents_is_refused(digits) -> None:
    with pytest.raises(ValueError, match="project needs a model that makes images of latents"):
        zoo.explore.project(keras.Sequential([keras.Input((3,))]), digits)
