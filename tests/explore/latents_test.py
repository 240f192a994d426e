"""Paths between latents, and how they stay within the prior."""

import numpy as np
import pytest

from zoo.common.priors import Categorical, Concatenation, Normal, Uniform
from zoo.explore.latents import PATHS, inside, linear, spherical

SHARES = np.linspace(0, 1, 5)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_paths_begin_and_end_at_the_latents(path) -> None:
    start, end = np.random.default_rng(0).normal(size=(2, 3, 7)).astype("float32")
    points = path(start, end, SHARES)
    assert points.shape == (3, 5, 7)
    np.testing.assert_allclose(points[:, 0], start, atol=1e-5)
    np.testing.assert_allclose(points[:, -1], end, atol=1e-5)


def test_a_straight_line_is_even_and_cuts_through_the_middle() -> None:
    points = linear([[2.0, 0.0]], [[0.0, 2.0]], SHARES)
    np.testing.assert_allclose(points[0, 1], [1.5, 0.5])
    np.testing.assert_allclose(np.linalg.norm(points[0, 2]), np.sqrt(2.0), rtol=1e-6)


def test_an_arc_turns_evenly_and_keeps_its_distance() -> None:
    points = spherical([[2.0, 0.0]], [[0.0, 2.0]], SHARES)[0]
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 2.0, rtol=1e-5)
    np.testing.assert_allclose(
        np.arctan2(points[:, 1], points[:, 0]), SHARES * np.pi / 2, atol=1e-5
    )


def test_an_arc_s_distance_grows_evenly() -> None:
    lengths = np.linalg.norm(spherical([[1.0, 0.0]], [[0.0, 3.0]], SHARES)[0], axis=1)
    np.testing.assert_allclose(lengths, [1.0, 1.5, 2.0, 2.5, 3.0], rtol=1e-5)


@pytest.mark.parametrize("end", [[3.0, 0.0], [-1.0, 0.0]], ids=["parallel", "opposite"])
def test_latents_without_an_arc_are_joined_and_finite(end) -> None:
    points = spherical([[1.0, 0.0]], [end], SHARES)[0]
    np.testing.assert_allclose(points[[0, -1]], [[1.0, 0.0], end], atol=1e-5)
    assert np.isfinite(points).all()


def test_uniform_latents_stay_within_their_bounds_and_others_go_where_they_will() -> None:
    latents = np.array([[-3.0, 0.5, 3.0]], "float32")
    np.testing.assert_array_equal(inside(Uniform(3), latents), [[-1.0, 0.5, 1.0]])
    np.testing.assert_array_equal(inside(Uniform(3, 0.0, 2.0), latents), [[0.0, 0.5, 2.0]])
    np.testing.assert_array_equal(inside(Normal(3), latents), latents)
    parts = Concatenation((Uniform(1), Categorical(2)))
    np.testing.assert_array_equal(inside(parts, latents), [[-1.0, 0.5, 3.0]])
