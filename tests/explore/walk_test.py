"""Walks: where they begin and end, how even they are, and the film that comes home."""

import keras
import numpy as np
import pytest

import zoo
from tests.explore.small_runs import linear_model
from zoo.explore.pictures import as_bytes

SMALL = {"num_walks": 2, "num_steps": 5, "num_places": 3, "frames_between": 4}


def test_steps_of_a_linear_generator_are_all_equal_on_a_straight_line() -> None:
    findings = zoo.explore.walk(linear_model(), **SMALL)
    paths = findings.facts["paths"]
    assert paths["linear"]["largest_over_mean_step"] == pytest.approx(1.0, abs=1e-4)
    assert paths["spherical"]["largest_over_mean_step"] > 1.001
    ends = linear_model().generate(4, seed=0)
    walked = np.sqrt(np.mean(np.square(ends[2:] - ends[:2]), axis=(1, 2, 3))).mean()
    assert paths["linear"]["mean_step"] == pytest.approx(walked / 4, rel=1e-4)


def test_a_generator_that_jumps_is_found_out() -> None:
    """Gain 10,000 and a bound make images that change at one place of the way, or not at all."""
    jumping = linear_model(1e4)
    jumping.generator.layers[0].activation = keras.activations.hard_tanh
    ratio = zoo.explore.walk(jumping, **{**SMALL, "num_walks": 20}).facts["paths"]["linear"]
    assert ratio["largest_over_mean_step"] > 2.0


def test_the_film_has_all_its_frames_and_no_cut() -> None:
    frames = zoo.explore.walk(linear_model(0.9), **SMALL, path="linear").films["walk"]
    assert len(frames) == 3 * 4
    assert frames[0].shape == (16, 16, 1)
    steps = [
        np.abs(one.astype(int) - other).max()
        for one, other in zip(frames, frames[1:] + frames[:1], strict=True)
    ]
    farthest = 0.9 * 127.5 * 2 / 4
    assert max(steps) <= farthest + 1
    assert min(steps) > 0


def test_the_picture_shows_both_paths_of_each_walk() -> None:
    model = linear_model()
    picture = zoo.explore.walk(model, **SMALL).pictures["walk"]
    assert picture.shape[0] == 4 * (64 + 4) + 4
    first = as_bytes(model.generate(1, seed=0))[0].repeat(16, axis=0).repeat(16, axis=1)
    left = picture.shape[1] - 5 * (64 + 4)
    np.testing.assert_array_equal(picture[4:68, left : left + 64], first)


def test_numbers_may_be_numpys_and_the_folder_a_path(tmp_path) -> None:
    numbers = {name: np.int64(value) for name, value in {**SMALL, "seed": 3}.items()}
    findings = zoo.explore.walk(linear_model(), **numbers)
    assert findings.facts == zoo.explore.walk(linear_model(), **SMALL, seed=3).facts
    assert (findings.save(tmp_path / "walk") / "walk.json").exists()


def test_what_can_not_walk_is_refused() -> None:
    cyclegan = zoo.CycleGAN((16, 16, 3), base_filters=1, num_blocks=1, discriminator_scales=1)
    with pytest.raises(ValueError, match="images of latents.*Received: a CycleGAN"):
        zoo.explore.walk(cyclegan)
    with pytest.raises(ValueError, match="of points in the plane"):
        zoo.explore.walk(zoo.ModeLabGAN((2,)))
    with pytest.raises(ValueError, match="num_steps"):
        zoo.explore.walk(linear_model(), num_steps=2)
    with pytest.raises(ValueError, match="path"):
        zoo.explore.walk(linear_model(), path="round")
