"""Forgetting, of a generator of which it is known which map draws the object."""

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.explore.small_runs import linear_model, pixel_classifier
from zoo.metrics import Classifier

SIDE, NUM_MAPS, OBJECT_MAP = 8, 5, 3
SMALL = {"num_samples": 300, "layer": -1}


def drawing_model() -> zoo.VanillaGAN:
    """A model that draws a light square into the middle if the first latent is above 0.4.

    The square is in one map; another holds the brightness of the whole, the third latent.
    """
    weights = np.zeros((4, SIDE, SIDE, NUM_MAPS), "float32")
    bias = np.zeros((SIDE, SIDE, NUM_MAPS), "float32")
    weights[0, 3:5, 3:5, OBJECT_MAP], bias[3:5, 3:5, OBJECT_MAP] = 1.0, -0.4
    weights[2, :, :, 0], bias[:, :, 0] = 0.2, 0.2
    weights[1, :, :4, 1] = weights[3, :4, :, 2] = 0.1
    latents = keras.Input((4,))
    x = layers.Dense(SIDE * SIDE * NUM_MAPS)(latents)
    x = layers.Reshape((SIDE, SIDE, NUM_MAPS))(x)
    x = layers.ReLU()(layers.Conv2D(NUM_MAPS, 1, use_bias=False, name="maps")(x))
    generator = keras.Model(latents, layers.Conv2D(1, 1, use_bias=False)(x))
    sums = np.ones((1, 1, NUM_MAPS, 1), "float32")
    identity = np.eye(NUM_MAPS, dtype="float32")[None, None]
    flat = weights.reshape(4, -1), bias.ravel()
    generator.set_weights([*flat, identity, sums])
    return zoo.VanillaGAN((SIDE, SIDE, 1), latent_dim=4, generator=generator)


def square_classifier() -> Classifier:
    """Knows whether the middle is lighter than the corners, and calls it a pair of glasses."""
    kernel = np.zeros((SIDE, SIDE, 1), "float32")
    kernel[3:5, 3:5], kernel[0, 0], kernel[-1, -1] = 25.0, -50.0, -50.0
    images = keras.Input((SIDE, SIDE, 1))
    flat = layers.Flatten()(images)
    last = layers.Dense(1, "sigmoid")
    attribute_model = keras.Model(images, last(flat))
    last.set_weights([kernel.reshape(-1, 1), np.array([-2.0])])
    return Classifier(
        feature_extractor=keras.Model(images, flat),
        model=None,
        class_names=None,
        accuracy=1.0,
        description="a square",
        attribute_model=attribute_model,
        attribute_names=("Eyeglasses",),
    )


@pytest.fixture(scope="module")
def faces(data_dir) -> zoo.datasets.ImageDataset:
    return zoo.datasets.open("drawn_faces/tiny", image_size=SIDE, channels=1, data_dir=data_dir)


def test_the_map_that_draws_the_object_is_found_and_dropped_alone(faces) -> None:
    findings = zoo.explore.forget(drawing_model(), square_classifier(), faces, **SMALL)
    facts = findings.facts
    assert facts["layer"] == "maps" and facts["num_maps"] == NUM_MAPS
    assert facts["num_dropped"] == 1
    assert 0.1 < facts["share_before"] < 0.5
    assert facts["share_after"] == 0.0 and facts["fall_of_share"] == 1.0
    # Without the object, its map is 0: nothing else is lost.
    assert abs(facts["rise_of_kernel_distance"]) < 1e-3
    assert set(findings.pictures) == {"forget", "choice"}
    assert "Without 1 of 5 maps 0.0% of samples have Eyeglasses" in findings.headline


def test_the_model_still_remembers(faces) -> None:
    model = drawing_model()
    before = model.generate(5, seed=0)
    zoo.explore.forget(model, square_classifier(), faces, **SMALL)
    np.testing.assert_array_equal(model.generate(5, seed=0), before)


def test_all_maps_for_the_object_are_dropped_if_no_few_will_do(faces) -> None:
    facts = zoo.explore.forget(
        drawing_model(), square_classifier(), faces, **SMALL, wanted_fall=1.1
    ).facts
    assert facts["num_dropped"] == facts["num_maps_for_it"] < NUM_MAPS


def test_what_can_not_be_forgotten_is_refused(faces) -> None:
    model, classifier = drawing_model(), square_classifier()
    with pytest.raises(ValueError, match="no attribute 'Hat'"):
        zoo.explore.forget(model, classifier, faces, attribute="Hat", **SMALL)
    with pytest.raises(ValueError, match="has 1 convolutions with maps, maps. Received: layer=-2"):
        zoo.explore.forget(model, classifier, faces, num_samples=300)
    with pytest.raises(ValueError, match="has 0 convolutions"):
        zoo.explore.forget(linear_model(), pixel_classifier(), faces, attribute="Male", **SMALL)
    model.generator.layers[1].bias.assign(model.generator.layers[1].bias - 1.0)
    with pytest.raises(ValueError, match="Received: 0 of 300 with it"):
        zoo.explore.forget(model, classifier, faces, **SMALL)
