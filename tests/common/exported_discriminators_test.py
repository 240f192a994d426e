"""What is exported of discriminators: each kind of network that judges, without a file written."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.case import ramp_images
from tests.cases import CASES
from tests.explore.small_runs import small_dcgan
from zoo.common.convolution_features import ConvolutionFeatures
from zoo.common.exported_discriminators import discriminator_signatures

BY_NAME = {case.name: case for case in CASES}


def images_in_0_1(number: int, shape=(28, 28, 1)) -> np.ndarray:
    return (ramp_images(number, shape) + 1) / 2


def test_features_are_those_that_the_probe_reads():
    model = small_dcgan()
    found = discriminator_signatures(model)["features"](images_in_0_1(3))["features"]
    expected = ConvolutionFeatures(model.discriminator)(ramp_images(3))
    assert found.shape == (3, 4 * 4 * (8 + 16))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_logits_are_those_of_the_average_if_there_is_one():
    model = BY_NAME["semi_supervised_gan"].build()
    model.discriminator.set_weights([0 * weight for weight in model.discriminator.get_weights()])
    logits = discriminator_signatures(model)["discriminate"](images_in_0_1(3))["logits"]
    expected = model.averaged_discriminator(ramp_images(3), training=False)
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    assert np.ptp(expected) > 0.1


def test_a_discriminator_of_packs_is_shown_one_image_repeatedly():
    model = small_dcgan(packing=2)
    logits = discriminator_signatures(model)["discriminate"](images_in_0_1(3))["logits"]
    packs = np.concatenate([ramp_images(3)] * 2, axis=-1)
    np.testing.assert_allclose(logits, model.discriminator(packs, training=False), atol=1e-5)


def test_an_autoencoder_judges_by_its_energy():
    model = BY_NAME["energy_based_gan"].build()
    functions = discriminator_signatures(model)
    energies, _ = model.energies(ramp_images(3))
    logits = functions["discriminate"](images_in_0_1(3))["logits"]
    np.testing.assert_allclose(logits, energies, rtol=1e-5)


def test_either_domain_has_a_discriminator():
    model = BY_NAME["cyclegan"].build()
    functions = discriminator_signatures(model)
    assert set(functions) == {"discriminate_a", "features_a", "discriminate_b", "features_b"}
    images = images_in_0_1(2, model.image_shape)
    for domain, network in (("a", model.discriminator_a), ("b", model.discriminator_b)):
        logits = functions[f"discriminate_{domain}"](images)["logits"]
        np.testing.assert_allclose(logits, network(2 * images - 1, training=False), atol=1e-5)
        features = functions[f"features_{domain}"](images)["features"]
        assert features.shape[0] == 2 and features.shape[1] > 16
    larger = images_in_0_1(1, (40, 36, model.image_shape[-1]))
    assert functions["discriminate_a"](larger)["logits"].shape.rank == 4


def test_dense_networks_and_points_are_judged_and_have_no_features():
    assert set(discriminator_signatures(BY_NAME["vanilla_gan"].build())) == {"discriminate"}
    points = zoo.ModeLabGAN(
        (2,),
        latent_dim=2,
        packing=2,
        generator=keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]),
        discriminator=keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]),
    )
    discriminate = discriminator_signatures(points)["discriminate"]
    assert [spec.name for spec in discriminate.input_signature] == ["points"]
    given = np.array([[5.0, -7.0]], "float32")
    expected = points.discriminator(np.tile(given, 2))
    np.testing.assert_allclose(discriminate(given)["logits"], expected, rtol=1e-6)


def test_images_that_are_no_images_are_refused():
    discriminate = discriminator_signatures(small_dcgan())["discriminate"]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"pixels in \[0, 1\]"):
        discriminate(255 * images_in_0_1(2))
