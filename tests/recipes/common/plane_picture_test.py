"""The picture of the plane: what the discriminator says where, and where points are pulled."""

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from recipes.common.plane_picture import discriminator_field, draw_plane

RING = zoo.datasets.ring_of_gaussians()


def model_of(logit, packing: int = 1, point=(0.5, 0.0)) -> zoo.ModeLabGAN:
    """A model of one generated point whose discriminator is a function of packs."""
    packs = keras.Input((2 * packing,))
    latents = keras.Input((3,))
    bias = keras.initializers.Constant(point)
    model = zoo.ModeLabGAN(
        latent_dim=3,
        packing=packing,
        generator=keras.Model(latents, layers.Dense(2, None, True, "zeros", bias)(latents)),
        discriminator=keras.Model(
            packs, layers.Dense(1)(layers.Lambda(logit, output_shape=(1,))(packs))
        ),
    )
    model.discriminator.layers[-1].set_weights([np.ones((1, 1)), np.zeros(1)])
    model.compile(objective="wasserstein")
    return model


def field_of(model: zoo.ModeLabGAN) -> np.ndarray:
    real, generated = RING.draw(64, (0, 1)), RING.draw(64, (0, 2))
    return discriminator_field(model, real, generated, side=2.0)


def test_the_field_rises_from_left_to_right_where_the_discriminator_does():
    field = field_of(model_of(lambda x: 3.0 * x[:, :1] + 7.0))
    assert (np.diff(field, axis=1) > 0).all()
    np.testing.assert_allclose(np.diff(field, axis=0), 0.0, atol=1e-5)
    # The average of the points is in the middle, and what is added to all logits is not seen.
    assert abs(field[0, 47:49].mean()) < 0.15
    assert np.abs(field).max() < 1
    upwards = field_of(model_of(lambda x: x[:, 1:2]))
    assert (np.diff(upwards, axis=0) > 0).all()


def test_of_a_pack_the_other_places_hold_real_points():
    """D(x, y) = x₁ · y₁² rises to the right, if y is no point of the place itself."""
    field = field_of(model_of(lambda x: x[:, :1] * (0.1 + x[:, 2:3] ** 2), packing=2))
    assert (np.diff(field, axis=1) > 0).all()


@pytest.mark.parametrize("packing", [1, 3])
def test_points_are_pulled_where_the_discriminator_rises(packing):
    model = model_of(lambda x: x[:, :1] - 2.0 * x[:, 1:2], packing)
    points = RING.draw(12, (0, 1))
    pulls = model.pulls(points, points).numpy()
    expected = np.zeros((12, 2))
    expected[::packing] = [1.0, -2.0]  # D looks at the first of a pack
    np.testing.assert_allclose(pulls, expected / (12 / packing), atol=1e-6)


def test_the_picture_shows_field_and_points():
    pixels = draw_plane(model_of(lambda x: x[:, :1]), RING)
    assert pixels.shape == (480, 480, 3)
    assert (pixels.min() >= -1, pixels.max() <= 1) == (True, True)
    red, _, blue = pixels[20, -20]
    assert red > blue  # high on the right
    red, _, blue = pixels[20, 20]
    assert red < blue


def test_a_discriminator_of_company_leaves_the_ground_white():
    model = zoo.ModeLabGAN(minibatch_kernels=2, generator_width=4, discriminator_width=4)
    model.compile()
    pixels = draw_plane(model, RING)
    np.testing.assert_array_equal(pixels[[0, 0, -1, -1], [0, -1, 0, -1]], 1.0)
