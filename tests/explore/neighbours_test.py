"""The nearest training images, of a generator that copies and of one that does not."""

import keras
import numpy as np
import pytest

import zoo

SMALL = {"num_shown": 2, "num_neighbours": 3, "num_images": 10}


@pytest.fixture(scope="module")
def digits(data_dir) -> zoo.datasets.ImageDataset:
    return zoo.datasets.open("mnist_small", data_dir=data_dir)


def copying_model(image: np.ndarray, noise: float = 0.0) -> zoo.VanillaGAN:
    """A model that makes one image, with some noise."""
    size = image.size
    generator = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(size), keras.layers.Reshape(image.shape)]
    )
    weights = noise * np.random.default_rng(0).normal(size=(4, size))
    generator.layers[0].set_weights([weights.astype("float32"), image.ravel()])
    return zoo.VanillaGAN(image.shape, latent_dim=4, generator=generator)


def test_a_copy_is_found_and_told_from_what_is_new(digits) -> None:
    batch = next(iter(digits.batches("train", batch_size=700))).numpy()
    findings = zoo.explore.neighbours(copying_model(batch[650]), digits, **SMALL)
    assert findings.facts["median_distance"] == pytest.approx(0.0, abs=1e-3)
    assert findings.facts["median_distance_of_held_out"] > 0.1
    assert findings.facts["share_nearer_than_held_out"] == 1.0
    picture = findings.pictures["neighbours"]
    left = picture.shape[1] - 4 * (84 + 4)  # a generated image and three training images
    generated, nearest = (picture[4:88, x : x + 84] for x in (left, left + 88))
    np.testing.assert_array_equal(generated, nearest)


def test_noise_is_far_from_all_training_images(digits) -> None:
    facts = zoo.explore.neighbours(
        copying_model(np.zeros((28, 28, 1), "float32"), 0.5), digits, **SMALL
    ).facts
    assert facts["median_distance"] > facts["median_distance_of_held_out"]
    assert facts["share_nearer_than_held_out"] == 0.0


def test_distances_may_be_taken_in_features(digits) -> None:
    """Whose one feature is the mean brightness: then a grey image is near to some digit."""
    images = keras.Input((28, 28, 1))
    features = keras.layers.GlobalAveragePooling2D()(images)
    brightness = keras.Model(images, features, name="brightness")
    model = copying_model(np.full((28, 28, 1), -0.8, "float32"))
    facts = zoo.explore.neighbours(model, digits, feature_extractor=brightness, **SMALL).facts
    assert facts["distances_in"] == "brightness"
    assert facts["median_distance"] < 0.01


def test_bad_arguments_are_refused(digits) -> None:
    with pytest.raises(ValueError, match="num_neighbours"):
        zoo.explore.neighbours(copying_model(np.zeros((28, 28, 1), "f")), digits, num_neighbours=0)


def test_there_are_no_more_neighbours_than_training_images(digits) -> None:
    number = digits.description.num_examples["train"]
    message = f"at most {number}, .*'mnist_small'. Received: num_neighbours={number + 1}"
    with pytest.raises(ValueError, match=message):
        zoo.explore.neighbours(
            copying_model(np.zeros((28, 28, 1), "f")), digits, num_neighbours=number + 1
        )
