"""`load_classifier`: trained once, equal each time, kept, and none of the caller's business."""

import functools
import random
import shutil
import sys
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tests.datasets.picture_files import save_pictures
from zoo import datasets, metrics
from zoo.metrics.classifier import FOLDER
from zoo.metrics.classifier_training import build_classifier

STEPS = 3
SIGN_STEPS = 40
# Of the modules in which it looks for the builder's code.
ignore_what_tfds_warns_of = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def own_data_dir(data_dir, tmp_path):
    """A folder of its own with the prepared `mnist_small` and no classifier."""
    shutil.copytree(data_dir / "mnist_small", tmp_path / "mnist_small")
    return tmp_path


@pytest.fixture(scope="module")
def briefly_trained(data_dir):
    """The classifier after three steps, kept in `data_dir`."""
    return load(data_dir)


@pytest.fixture
def dir_with_classifier(own_data_dir, data_dir, briefly_trained):
    """A folder of its own with `mnist_small` and that classifier."""
    (own_data_dir / FOLDER).mkdir()
    for path in (data_dir / FOLDER).glob(f"*-steps{STEPS}-*"):
        shutil.copy(path, own_data_dir / FOLDER)
    return own_data_dir


def load(data_dir, name="mnist_small", **options):
    """Three steps without a graph, which it would take longer to trace."""
    eagerly = functools.partialmethod(keras.Model.compile, run_eagerly=True)
    with mock.patch.object(keras.Model, "compile", eagerly):
        options = {"training_steps": STEPS, **options}
        return metrics.load_classifier(name, data_dir=data_dir, **options)


def weights(classifier):
    return classifier.feature_extractor.get_weights()


def assert_equal_weights(first, second):
    for one, other in zip(weights(first), weights(second), strict=True):
        np.testing.assert_array_equal(one, other)


def assert_trained_alike(first, second):
    """Equal but for sums that threads took in another order; Adam's steps are of 1e-3."""
    for one, other in zip(weights(first), weights(second), strict=True):
        assert np.abs(one - other).mean() < 1e-6


# === What it is ===


def test_gives_features_probabilities_and_a_line_for_protocols(quick_classifier, data_dir):
    images = next(iter(datasets.load("mnist_small", "test", batch_size=5, data_dir=data_dir)))
    features = quick_classifier.feature_extractor(images)
    assert features.shape == (5, 64) and features.dtype == tf.float32
    assert np.all(features.numpy() >= 0)
    probabilities = quick_classifier.model(images)
    assert probabilities.shape == (5, 10)
    np.testing.assert_allclose(np.sum(probabilities, axis=1), 1, atol=1e-5)
    assert quick_classifier.class_names == tuple("0123456789")
    percent = f"{100 * quick_classifier.accuracy:.1f} %"
    assert quick_classifier.description.startswith(
        f"64 features of the zoo's classifier of mnist_small (test accuracy {percent}, weights "
    )


def test_accuracy_is_that_on_the_test_split(quick_classifier, data_dir):
    data = datasets.load("mnist_small", "test", with_labels=True, data_dir=data_dir)
    right = sum(
        int(np.sum(np.argmax(quick_classifier.model(images), axis=1) == labels))
        for images, labels in data
    )
    assert quick_classifier.accuracy == pytest.approx(right / 500)
    assert quick_classifier.accuracy > 0.3  # after 40 steps; a guess has 0.1


@pytest.mark.parametrize(
    ("image_shape", "num_features"),
    [
        ((16, 16, 1), 64),
        ((28, 28, 1), 64),
        ((32, 32, 3), 64),
        ((48, 80, 3), 128),
        ((128, 128, 3), 128),
    ],
)
def test_the_network_takes_images_from_16_to_128_pixels(image_shape, num_features):
    model = build_classifier(image_shape, 7)
    assert model.output_shape == (None, 7)
    assert model.get_layer("features").output.shape == (None, num_features)
    assert model(np.zeros((2, *image_shape), np.float32)).shape == (2, 7)
    # The last maps are of 4 to 7 pixels: enough to look at parts, few enough to see the whole.
    assert 4 <= min(model.get_layer("features").input.shape[1:3]) <= 7


# === Keeping ===


def test_is_trained_once_and_loaded_the_next_time(own_data_dir, capfd):
    first = load(own_data_dir)
    assert "training the classifier that the scores are taken with (mnist_small)" in (
        capfd.readouterr().err
    )
    second = load(own_data_dir)
    assert "training" not in capfd.readouterr().err
    assert_equal_weights(first, second)
    assert (second.accuracy, second.description) == (first.accuracy, first.description)
    fingerprint = datasets.describe("mnist_small", own_data_dir).fingerprint[:12]
    name = f"mnist_small-{fingerprint}-steps{STEPS}-v1"
    kept = sorted(path.name for path in (own_data_dir / FOLDER).iterdir())
    assert kept == [f"{name}.json", f"{name}.keras"]


def cut_short(path):
    path.write_bytes(path.read_bytes()[:5000])


def exchange_weights(path):
    model = keras.models.load_model(path, compile=False)
    model.set_weights([weight + 1 for weight in model.get_weights()])
    model.save(path)


def remove_facts(path):
    path.with_suffix(".json").unlink()


@pytest.mark.slow
@pytest.mark.parametrize("damage", [cut_short, exchange_weights, remove_facts])
def test_a_damaged_one_is_trained_anew(dir_with_classifier, briefly_trained, capfd, damage):
    damage(next((dir_with_classifier / FOLDER).glob("*.keras")))
    assert_trained_alike(load(dir_with_classifier), briefly_trained)
    notice = capfd.readouterr().err
    assert "the classifier of mnist_small in" in notice and "trained anew" in notice
    load(dir_with_classifier)
    assert "trained anew" not in capfd.readouterr().err


def test_a_place_that_cannot_be_written_is_no_failure(own_data_dir, capfd):
    (own_data_dir / FOLDER).write_text("a file where the folder should be")
    classifier = load(own_data_dir)
    assert classifier.model.output_shape == (None, 10)
    assert "the classifier can't be kept in" in capfd.readouterr().err


def test_a_folder_keeps_its_classifier_when_it_is_moved(tmp_path, capfd):
    def load_of(folder):
        options = {"image_size": 16, "training_steps": 1, "data_dir": tmp_path / "data"}
        return metrics.load_classifier(f"folder:{folder}", **options)

    save_pictures(tmp_path / "old" / "a", 10)
    save_pictures(tmp_path / "old" / "b", 10, first_seed=10)
    trained = load_of(tmp_path / "old")
    assert trained.class_names == ("a", "b")
    assert "training the classifier" in capfd.readouterr().err
    (tmp_path / "old").rename(tmp_path / "new")
    assert_equal_weights(load_of(tmp_path / "new"), trained)
    assert "training the classifier" not in capfd.readouterr().err


# === Sameness ===


def some_random_numbers():
    return (
        random.random(),
        np.random.random(),
        float(tf.random.uniform(())),
        float(keras.random.uniform(())),
    )


def test_nothing_passes_between_training_and_its_caller(own_data_dir, briefly_trained):
    """Neither seeds nor the dtype policy, in neither direction."""
    keras.utils.set_random_seed(99)
    expected = some_random_numbers()
    keras.utils.set_random_seed(99)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        trained = load(own_data_dir)
        numbers = some_random_numbers()
        loaded = load(own_data_dir)
        policy = keras.config.dtype_policy().name
    finally:
        keras.config.set_dtype_policy("float32")
    assert numbers == expected
    assert policy == "mixed_float16"
    assert_trained_alike(trained, briefly_trained)
    assert_equal_weights(loaded, trained)
    images = np.linspace(-1, 1, 2 * 784, dtype=np.float32).reshape(2, 28, 28, 1)
    expected = briefly_trained.feature_extractor(images)
    for classifier in (trained, loaded):
        np.testing.assert_allclose(classifier.feature_extractor(images), expected, atol=1e-4)


def test_another_seed_gives_another_classifier(own_data_dir, briefly_trained, monkeypatch, capfd):
    """And a terminal gets a bar."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    other = load(own_data_dir, seed=1)
    assert not np.array_equal(weights(other)[0], weights(briefly_trained)[0])
    assert briefly_trained.description != other.description
    shown = capfd.readouterr().err
    assert f"{STEPS}/{STEPS}" in shown and "(mnist_small) …" not in shown


# === Sets of other kinds ===


class Arrows(tfds.core.GeneratorBasedBuilder):
    """Upright arrows of random thickness, without labels and with a training split only."""

    VERSION = tfds.core.Version("1.0.0")
    SHAPE = (16, 16, 3)

    def _info(self):
        features = tfds.features.FeaturesDict({"image": tfds.features.Image(shape=self.SHAPE)})
        return self.dataset_info_from_configs(features=features)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for index in range(200):
            image = np.full(self.SHAPE, index % 50, np.uint8)
            image[2 : 4 + index % 4, 3:-3] = 255
            image[2:-2, 7:9] = 200
            yield index, {"image": image}


class WideArrows(Arrows):
    """The same, wider than high."""

    SHAPE = (16, 24, 3)


@pytest.mark.slow
@ignore_what_tfds_warns_of
@pytest.mark.parametrize(("name", "num_turns"), [("arrows", 4), ("wide_arrows", 2)])
def test_a_set_without_labels_is_told_apart_by_rotations(tmp_path, name, num_turns):
    classifier = metrics.load_classifier(name, data_dir=tmp_path, training_steps=40)
    assert classifier.model is None and classifier.class_names is None
    assert classifier.feature_extractor.output_shape == (None, 64)
    assert classifier.accuracy > 1.5 / num_turns  # a guess has 1 / num_turns
    assert classifier.description.startswith(
        f"64 features of the zoo's rotation classifier, trained without labels, of {name} "
        "(held-out accuracy "
    )


# === Sets with attributes ===


class Signs(Arrows):
    """Arrows with attributes, of which one is always true and one but once."""

    def _info(self):
        names = ("Framed", "Dotted", "Always", "Once")
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=self.SHAPE),
                "attributes": dict.fromkeys(names, np.bool_),
            }
        )
        return self.dataset_info_from_configs(features=features)

    def _generate_examples(self):
        for index, example in super()._generate_examples():
            image = example["image"]
            attributes = {"Dotted": index % 2 == 0, "Framed": index % 3 == 0}
            if attributes["Dotted"]:
                image[12:14, 3:5] = (60, 60, 160)
            if attributes["Framed"]:
                image[[0, -1]] = (200, 60, 60)
            attributes |= {"Always": True, "Once": index == 0}
            yield index, {"image": image, "attributes": attributes}


class MuteSigns(Signs):
    """The same images, of which all that is told is true of each."""

    def _generate_examples(self):
        for index, example in super()._generate_examples():
            yield index, example | {"attributes": dict.fromkeys(example["attributes"], True)}


@pytest.fixture(scope="module")
def signs_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("signs")


@pytest.fixture(scope="module")
def of_signs(signs_dir):
    return metrics.load_classifier("signs", data_dir=signs_dir, training_steps=SIGN_STEPS)


@pytest.fixture(scope="module")
def of_mute_signs(signs_dir):
    return metrics.load_classifier("mute_signs", data_dir=signs_dir, training_steps=SIGN_STEPS)


@ignore_what_tfds_warns_of
def test_a_set_with_attributes_gives_a_classifier_of_those_that_vary(of_signs, signs_dir):
    assert of_signs.model is None and of_signs.class_names is None
    assert of_signs.attribute_names == ("Dotted", "Framed", "Once")
    images = next(iter(datasets.load("signs", batch_size=5, data_dir=signs_dir)))
    features = of_signs.feature_extractor(images)
    probabilities = of_signs.attribute_model(images).numpy()
    assert features.shape == (5, 64) and probabilities.shape == (5, 3)
    assert probabilities.min() >= 0 and probabilities.max() <= 1
    percent = f"{100 * of_signs.accuracy:.1f} %"
    assert of_signs.description.startswith(
        "64 features of the zoo's classifier of 3 attributes of signs "
        f"(held-out mean balanced accuracy {percent}, weights "
    )


@ignore_what_tfds_warns_of
def test_the_accuracy_of_attributes_is_balanced(of_signs, signs_dir):
    """The mean over attributes and over yes and no of the shares of right answers."""
    assert datasets.describe("signs", signs_dir).attribute_names[1:] == of_signs.attribute_names
    held_out = datasets.load("signs", "train[90%:]", with_attributes=True, data_dir=signs_dir)
    ((images, attributes),) = held_out.as_numpy_iterator()
    truths = attributes[:, 1:]
    # What none of these images has is left out.
    assert truths.any(axis=0).tolist() == [True, True, False]
    guesses = of_signs.attribute_model(images).numpy() > 0.5
    shares = [
        np.mean(guesses[truths[:, number] == answer, number] == answer)
        for number in range(2)
        for answer in (False, True)
    ]
    assert of_signs.accuracy == pytest.approx(np.mean(shares))
    assert of_signs.accuracy > 0.8  # a guess has 0.5


@ignore_what_tfds_warns_of
def test_a_classifier_of_attributes_is_kept(of_signs, signs_dir, capfd):
    again = metrics.load_classifier("signs", data_dir=signs_dir, training_steps=SIGN_STEPS)
    assert "training" not in capfd.readouterr().err
    assert_equal_weights(again, of_signs)
    for field in ("attribute_names", "accuracy", "description", "class_names", "model"):
        assert getattr(again, field) == getattr(of_signs, field)
    images = np.linspace(-1, 1, 768, dtype=np.float32).reshape(1, 16, 16, 3)
    np.testing.assert_array_equal(again.attribute_model(images), of_signs.attribute_model(images))
    # Not to be mistaken for one of rotations, which earlier versions kept of such sets.
    (kept,) = (signs_dir / FOLDER).glob("signs-*.keras")
    assert f"-attributes-steps{SIGN_STEPS}-v1" in kept.name


@ignore_what_tfds_warns_of
def test_attributes_that_do_not_vary_leave_rotations(signs_dir):
    mute = load(signs_dir, name="mute_signs")
    assert mute.attribute_names is None and mute.attribute_model is None
    assert mute.description.startswith("64 features of the zoo's rotation classifier")


@pytest.mark.slow
@ignore_what_tfds_warns_of
def test_features_of_attributes_see_what_those_of_rotations_overlook(
    of_signs, of_mute_signs, signs_dir
):
    """Images that all have a dot, where half of the real ones have it."""
    data = datasets.load("signs", batch_size=200, with_attributes=True, data_dir=signs_dir)
    ((images, attributes),) = data.as_numpy_iterator()
    only_dotted = images[attributes[:, 1]]

    def moved_by_the_dot(classifier):
        """The Fréchet distance, in units of the variance of the real features."""
        variance = np.var(classifier.feature_extractor(images), axis=0, ddof=1).sum()
        distance = metrics.FrechetDistance(classifier.feature_extractor)
        return value_of(distance, images, only_dotted) / variance

    assert moved_by_the_dot(of_signs) > 3 * moved_by_the_dot(of_mute_signs)


# === Refusals ===


def test_refuses_small_images(data_dir):
    with pytest.raises(
        ValueError, match=r"16 pixels a side.*'mnist_small', with images of shape \(8, 8, 1\)"
    ):
        load(data_dir, image_size=8)


def test_refuses_a_training_of_no_steps(data_dir):
    with pytest.raises(ValueError, match="Received: training_steps=0"):
        load(data_dir, training_steps=0)


def test_refuses_to_depend_on_replicas(data_dir, two_replicas):
    with two_replicas.scope(), pytest.raises(ValueError, match="outside of `strategy.scope"):
        load(data_dir)


# === Whether it is any good ===


@pytest.fixture(scope="module")
def digits(data_dir):
    """Test and validation images, and the labels of the latter, in random order."""
    order = np.random.RandomState(0).permutation(500)
    test = next(iter(datasets.load("mnist_small", "test", batch_size=500, data_dir=data_dir)))
    images, labels = next(
        iter(
            datasets.load(
                "mnist_small", "validation", batch_size=500, with_labels=True, data_dir=data_dir
            )
        )
    )
    return test.numpy()[order], images.numpy()[order], labels.numpy()[order]


def value_of(measure, real, generated):
    measure.update_state(real, generated)
    return float(measure.result())


def box_blurred(images, side):
    return tf.nn.avg_pool2d(images, side, 1, "SAME").numpy()


def test_distances_grow_with_noise_blur_and_missing_classes(quick_classifier, digits):
    real, others, labels = (array[:250] for array in digits)
    noise = np.random.RandomState(1).normal(size=others.shape).astype(np.float32)
    ladders = {
        "noise": [np.clip(others + level * noise, -1, 1) for level in (0, 0.3, 0.6, 1.2)],
        "blur": [others, *(box_blurred(others, side) for side in (3, 5, 9))],
        "classes": [np.resize(others[labels < k], others.shape) for k in (10, 6, 3, 1)],
    }
    # Features are run once, and measured through an extractor that passes them on.
    network = quick_classifier.feature_extractor
    passing_on = keras.Sequential([keras.Input((1, 1, 64)), keras.layers.Flatten()])

    def features_of(images):
        return network(images).numpy().reshape(-1, 1, 1, 64)

    real_features = features_of(real)
    for images in ladders.values():
        features = [features_of(rung) for rung in images]
        for make in (metrics.FrechetDistance, metrics.KernelDistance):
            values = [value_of(make(passing_on), real_features, rung) for rung in features]
            assert values == sorted(values)
            assert values[-1] > 5 * values[1]


@pytest.mark.slow
def test_a_full_training_is_good_enough_to_count_classes(data_dir, digits):
    classifier = metrics.load_classifier("mnist_small", data_dir=data_dir)
    assert classifier.accuracy >= 0.97
    real, others, labels = digits

    def imbalance(images):
        return value_of(metrics.ClassImbalance(classifier.model), real, images)

    assert imbalance(others) < 1.2  # 50 a class, and few mistaken
    assert imbalance(np.resize(others[labels < 9], others.shape)) > 10
