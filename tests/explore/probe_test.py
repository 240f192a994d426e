"""The probe: what it finds, that it leaves the model alone, and what it refuses."""

import random

import keras
import numpy as np
import pytest
from sklearn.svm import LinearSVC

import zoo
from tests.explore.small_runs import small_dcgan
from zoo.common.convolution_features import ConvolutionFeatures
from zoo.explore import Findings
from zoo.explore.probe import _fitted

QUICK = {"num_labels": 50, "num_draws": 2, "num_supervised_draws": 1, "max_epochs": 2}


@pytest.fixture(scope="module")
def digits(data_dir) -> zoo.datasets.ImageDataset:
    return zoo.datasets.open("mnist_small", data_dir=data_dir)


@pytest.fixture(scope="module")
def model(digits) -> zoo.DCGAN:
    """A model whose discriminator knows digits, which takes no game but a few labelled batches."""
    model = small_dcgan()
    body = ConvolutionFeatures(model.discriminator).body
    probabilities = keras.layers.Dense(10, "softmax")(keras.layers.Flatten()(body.outputs[-1]))
    classifier = keras.Model(body.inputs[0], probabilities)
    classifier.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    classifier.fit(digits.labelled("train", batch_size=100), epochs=3, shuffle=False, verbose=0)
    return model


@pytest.fixture(scope="module")
def weights_before(model) -> list[np.ndarray]:
    return [np.array(weight) for weight in model.get_weights()]


@pytest.fixture(scope="module")
def findings(model, digits, weights_before) -> Findings:
    return zoo.explore.probe(model, digits, **QUICK)


@pytest.mark.slow
def test_a_discriminator_that_knows_digits_tells_them(findings: Findings) -> None:
    means = {name: scores["mean"] for name, scores in findings.facts["scores"].items()}
    names = ["discriminator", "untrained discriminator", "raw pixels", "supervised network"]
    assert list(means) == names
    assert means["discriminator"] < 0.25
    assert means["untrained discriminator"] > 1.3 * means["discriminator"]
    assert means["raw pixels"] > 1.3 * means["discriminator"]


def test_c_is_the_best_on_the_validation_images(findings: Findings) -> None:
    assert findings.facts["validation_split"] == "validation"
    for name in ("discriminator", "untrained discriminator", "raw pixels"):
        scores = findings.facts["scores"][name]
        by_c = scores["validation_errors_by_c"]
        assert by_c[str(scores["c"])] == min(by_c.values())
        assert len(set(by_c.values())) > 1


def test_each_draw_has_labels_of_its_own(findings: Findings) -> None:
    scores = findings.facts["scores"]
    errors = scores["raw pixels"]["test_errors"]
    assert len(errors) == 2 and errors[0] != errors[1]
    assert scores["raw pixels"]["mean"] == pytest.approx(np.mean(errors))
    assert len(scores["supervised network"]["test_errors"]) == 1


def test_the_headline_and_the_picture_say_it(findings: Findings) -> None:
    mean = 100 * findings.facts["scores"]["discriminator"]["mean"]
    assert f"{mean:.1f} % by the discriminator" in findings.headline
    assert findings.pictures["probe"].shape[-1] == 3


def test_the_model_stays_as_it_was(model, findings, weights_before) -> None:
    for before, after in zip(weights_before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_same_seed_finds_the_same_whatever_was_drawn_before(model, digits) -> None:
    quick = {**QUICK, "num_labels": 20, "num_draws": 1, "num_supervised_draws": 0}
    random.seed(3)
    first = zoo.explore.probe(model, digits, **quick)
    following = random.random()
    random.seed(4)
    assert zoo.explore.probe(model, digits, **quick).facts == first.facts
    random.seed(3)
    assert random.random() == following


def test_what_can_not_be_probed_is_refused(model, digits, data_dir) -> None:
    with pytest.raises(ValueError, match="a discriminator or a critic of images"):
        zoo.explore.probe(keras.Sequential([keras.Input((3,))]), digits)
    with pytest.raises(ValueError, match="Features are of a network's convolutions"):
        zoo.explore.probe(zoo.VanillaGAN((28, 28, 1)), digits, **QUICK)
    with pytest.raises(ValueError, match=r"takes images of shape \(32, 32, 3\)"):
        zoo.explore.probe(zoo.DCGAN((32, 32, 3), base_filters=2), digits, **QUICK)
    with pytest.raises(ValueError, match="can't be shared equally among 10 classes"):
        zoo.explore.probe(model, digits, **{**QUICK, "num_labels": 55})
    with pytest.raises(ValueError, match="num_draws"):
        zoo.explore.probe(model, digits, **{**QUICK, "num_draws": 0})
    faces = zoo.datasets.open("drawn_faces/tiny", image_size=28, channels=1, data_dir=data_dir)
    with pytest.raises(ValueError, match="'drawn_faces/tiny' has none"):
        zoo.explore.probe(model, faces, **QUICK)


def test_c_is_looked_for_beyond_the_first_ones_while_the_outermost_is_best(findings) -> None:
    for name in ("discriminator", "untrained discriminator", "raw pixels"):
        scores = findings.facts["scores"][name]
        tried = sorted(map(float, scores["validation_errors_by_c"]))
        assert tried[0] < scores["c"] < tried[-1]


def test_classifiers_are_those_of_all_features(digits) -> None:
    """Though they are found in the fewer dimensions that the images span."""
    images, labels = next(iter(digits.labelled("train", batch_size=60).as_numpy_iterator()))
    rows = np.asarray(images, np.float64).reshape(60, -1)
    expected = LinearSVC(C=0.01, random_state=0, tol=1e-8, max_iter=100_000).fit(rows, labels)
    found = _fitted((rows, labels), 0.01)
    others = next(iter(digits.batches("test", batch_size=200))).numpy().reshape(200, -1)
    np.testing.assert_allclose(
        found.decision_function(others), expected.decision_function(others), atol=2e-3
    )
