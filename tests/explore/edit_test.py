"""Edits on a generator whose latents are pixels: a stroke has an answer by hand."""

import json

import numpy as np
import pytest

import zoo
from tests.explore.small_runs import linear_model, pixel_classifier
from zoo.explore import Stroke
from zoo.explore.edit import _painted

# Over the first pixel of four times four.
STROKE = Stroke(0.0, 0.0, 0.25, 0.25, (0.9,))


def test_a_stroke_is_met_as_far_as_smoothness_lets_it() -> None:
    """(z − c)² + w/4 (z − z₀)² is least where z − c = (w/4) / (1 + w/4) (z₀ − c)."""
    facts = zoo.explore.edit_by_strokes(linear_model(), [STROKE], iterations=200).facts
    before = facts["error_under_strokes_before"]
    start = linear_model().generate(8, seed=0)[:, 0, 0, 0]
    assert before == pytest.approx(np.mean(np.square(start - 0.8)), rel=1e-5)
    kept = (5 / 4) / (1 + 5 / 4)
    smooth, free = facts["edits"]["smooth"], facts["edits"]["free"]
    assert smooth["error_under_strokes"] == pytest.approx(kept**2 * before, rel=0.02)
    assert free["error_under_strokes"] < 0.01 * before
    assert smooth["mean_move"] < free["mean_move"]
    assert smooth["change_outside"] == pytest.approx(0.0, abs=1e-3)


def test_the_picture_shows_before_the_stroke_and_both_answers() -> None:
    findings = zoo.explore.edit_by_strokes(linear_model(), [STROKE], num_images=2, iterations=2)
    picture = findings.pictures["edit"]
    assert picture.shape[0] == 4 * (64 + 4) + 4
    left = picture.shape[1] - 2 * (64 + 4)
    painted = picture[4 + 68 : 4 + 132, left : left + 64, 0]
    assert (painted[:16, :16] == 230).all()  # 0.9 of 255
    before = picture[4:68, left : left + 64, 0]
    np.testing.assert_array_equal(painted[16:], before[16:])


@pytest.mark.parametrize(
    ("left", "right", "pixels"),
    [
        (0.5, 0.51, [2]),
        (0.0, 0.01, [0]),
        (0.999, 1.0, [3]),
        (0.2, 0.3, [0, 1]),
        (0.25, 0.75, [1, 2]),
    ],
)
def test_a_stroke_has_all_pixels_that_it_touches_and_no_others(left, right, pixels) -> None:
    upright, _ = _painted([Stroke(left, 0.0, right, 1.0, (0.9,))], (4, 4, 1))
    lying, _ = _painted([Stroke(0.0, left, 1.0, right, (0.9,))], (4, 4, 1))
    assert np.flatnonzero(upright[0]).tolist() == pixels
    np.testing.assert_array_equal(lying[..., 0], upright[..., 0].T)


def test_errors_of_rounding_touch_no_pixel() -> None:
    """0.28 of 25 is more than 7 in floating point, and 0.58 of 50 less than 29."""
    mask, _ = _painted([Stroke(0.0, 0.58, 0.28, 1.0, (0.9,))], (50, 25, 1))
    assert mask.any(axis=0).sum() == 7 and mask.any(axis=1).sum() == 50 - 29


def test_a_thin_stroke_is_met_as_any_other() -> None:
    thin = Stroke(0.5, 0.0, 0.51, 0.1, (0.9,))
    facts = zoo.explore.edit_by_strokes(linear_model(), [thin], iterations=200).facts
    assert (
        facts["edits"]["free"]["error_under_strokes"] < 0.01 * facts["error_under_strokes_before"]
    )
    json.dumps(facts, allow_nan=False)


def test_outside_of_a_stroke_over_all_nothing_changes_and_the_headline_says_why() -> None:
    findings = zoo.explore.edit_by_strokes(
        linear_model(), [Stroke(0.0, 0.0, 1.0, 1.0, (0.9,))], iterations=2
    )
    assert [edit["change_outside"] for edit in findings.facts["edits"].values()] == [None, None]
    assert "under the strokes, which cover the whole image, falls from " in findings.headline


@pytest.mark.parametrize("present", [True, False])
def test_an_attribute_is_given_or_taken_and_nothing_else(present: bool) -> None:
    facts = zoo.explore.edit_by_attribute(
        linear_model(), pixel_classifier(), "Smiling", present=present, num_samples=500
    ).facts
    assert facts["num_images"] == 200
    assert facts["share_arrived"][0] == 0.0
    assert facts["share_ever_arrived"] > 0.9
    assert facts["others_agree"] > 0.85
    assert 0.0 < facts["mean_move"] < 0.7


def test_strokes_that_can_not_be_are_refused() -> None:
    with pytest.raises(ValueError, match="from left to right"):
        Stroke(0.5, 0.0, 0.5, 1.0, (1.0,))
    with pytest.raises(ValueError, match="from 0 to 1"):
        Stroke(0.0, 0.0, 1.0, 1.0, (255.0,))
    with pytest.raises(ValueError, match="have 1 channels"):
        zoo.explore.edit_by_strokes(linear_model(), [Stroke(0, 0, 1, 1, (1.0, 1.0, 1.0))])
    with pytest.raises(ValueError, match="one or more"):
        zoo.explore.edit_by_strokes(linear_model(), [])


def test_attributes_that_nothing_tells_of_are_refused() -> None:
    with pytest.raises(ValueError, match="no attribute 'Hat'"):
        zoo.explore.edit_by_attribute(linear_model(), pixel_classifier(), "Hat")
    grave = linear_model(0.0)
    grave.generator.layers[0].bias.assign(np.full(16, -0.5))
    with pytest.raises(ValueError, match="None of 100 generated images have"):
        zoo.explore.edit_by_attribute(grave, pixel_classifier(), "Smiling", num_samples=100)
