"""What latents are drawn from."""

import keras
import numpy as np
import pytest
from scipy import stats

from zoo.common.priors import Categorical, Concatenation, Normal, Uniform

# InfoGAN's for MNIST.
OF_THREE_PARTS = Concatenation((Uniform(62), Categorical(10), Uniform(2)))


@pytest.mark.parametrize(
    ("prior", "expected"),
    [
        (Normal(50), stats.norm()),
        (Uniform(50), stats.uniform(-1, 2)),
        (Uniform(50, 0.0, 1.0), stats.uniform(0, 1)),
    ],
)
def test_latents_follow_their_distribution(prior, expected):
    latents = prior.draw(200, (1, 2)).numpy()
    assert latents.shape == (200, 50)
    assert latents.dtype == np.float32
    assert stats.kstest(latents.ravel(), expected.cdf).pvalue > 0.01


def test_categories_are_equally_likely_and_one_at_a_time():
    latents = Categorical(5).draw(5000, (3, 4)).numpy()
    np.testing.assert_array_equal(np.sort(latents, axis=1), np.eye(5)[[4] * 5000])
    assert stats.chisquare(latents.sum(axis=0)).pvalue > 0.01


@pytest.mark.parametrize("prior", [Normal(3), Uniform(3), Categorical(3), OF_THREE_PARTS])
def test_equal_seeds_give_equal_latents(prior):
    first = prior.draw(4, (1, 2)).numpy()
    np.testing.assert_array_equal(first, prior.draw(4, (1, 2)))
    assert not np.array_equal(first, prior.draw(4, (1, 3)))


@pytest.mark.parametrize(("prior", "centre"), [(Normal(5), 0), (Uniform(5, 0.0, 1.0), 0.5)])
def test_truncation_shrinks_latents_toward_the_centre(prior, centre):
    latents = prior.draw(20, (1, 2))
    np.testing.assert_allclose(prior.truncate(latents, 1.0), latents, atol=1e-6)
    np.testing.assert_allclose(prior.truncate(latents, 0.0), centre, atol=1e-6)
    half = prior.truncate(latents, 0.5)
    np.testing.assert_allclose(half - centre, (latents - centre) / 2, atol=1e-6)


def test_a_concatenation_holds_its_parts_and_truncates_each_its_way():
    assert OF_THREE_PARTS.latent_dim == 74
    latents = OF_THREE_PARTS.draw(100, (1, 2))
    noise, category, code = (part.numpy() for part in OF_THREE_PARTS.split(latents))
    assert (noise.shape, category.shape, code.shape) == ((100, 62), (100, 10), (100, 2))
    assert not np.array_equal(noise[:, :2], code)  # each part has a draw of its own
    np.testing.assert_array_equal(category.sum(axis=1), 1.0)
    truncated = OF_THREE_PARTS.split(OF_THREE_PARTS.truncate(latents, 0.5))
    np.testing.assert_allclose(truncated[0], noise / 2)
    np.testing.assert_array_equal(truncated[1], category)


@pytest.mark.parametrize("prior", [Normal(3), Uniform(3, 0.0, 2.0), OF_THREE_PARTS])
def test_a_prior_is_rebuilt_from_its_config(prior):
    config = keras.saving.serialize_keras_object(prior)
    assert keras.saving.deserialize_keras_object(config) == prior


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Normal(0), "`latent_dim` .* Received: latent_dim=0"),
        (lambda: Uniform(2.5), "`latent_dim` .* Received: latent_dim=2.5"),
        (lambda: Uniform(2, 1.0, 1.0), "`highest` must be above .* highest=1.0"),
        (lambda: Categorical(True), "`num_categories` .* Received: num_categories=True"),
        (lambda: Concatenation(()), r"`parts` must hold priors.*Received: parts=\(\)"),
        (lambda: Concatenation((3,)), r"`parts` must hold priors.*Received: parts=\(3,\)"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_bounds_are_those_of_each_part_and_others_are_those_of_the_type():
    assert Uniform(2, 0.0, 3.0).bounds() == ([0.0, 0.0], [3.0, 3.0])
    lowest, highest = Concatenation((Uniform(1), Normal(2), Uniform(1, 0.0, 1.0))).bounds()
    largest = float(np.finfo(np.float32).max)
    assert lowest == [-1.0, -largest, -largest, 0.0] and highest == [1.0, largest, largest, 1.0]
