"""`drawn_house_numbers`: readable, balanced, the same wherever drawn, test in its own fonts."""

import itertools

import numpy as np
import pytest
import tensorflow_datasets as tfds
from scipy import ndimage
from sklearn.svm import SVC

from zoo import datasets
from zoo.datasets.drawing import random_streams
from zoo.datasets.drawn_house_numbers import fonts, layout, render
from zoo.datasets.drawn_house_numbers.drawn_house_numbers_dataset_builder import Builder

_TINY = {"train": 256, "validation": 64, "test": 64, "extra": 256}
_SPLITS = tuple(_TINY)


@pytest.fixture(scope="module")
def samples():
    """The first samples of each split, as many as `tiny` has."""
    return {
        split: [render.draw_sample(split, index) for index in range(size)]
        for split, size in _TINY.items()
    }


@pytest.fixture(scope="module")
def stored(data_dir):
    """Bytes and labels of each split of `tiny`, as they come from the disk."""

    def read(split):
        batches = list(
            datasets.load("drawn_house_numbers/tiny", split, with_labels=True, data_dir=data_dir)
        )
        images = np.concatenate([images.numpy() for images, _ in batches])
        labels = np.concatenate([labels.numpy() for _, labels in batches])
        return np.rint((images + 1) * 127.5).astype(np.uint8), labels

    return {split: read(split) for split in _SPLITS}


# === The data set ===


def test_description(data_dir):
    description = datasets.describe("drawn_house_numbers/tiny", data_dir)
    assert description.image_shape == (32, 32, 3)
    assert description.class_names == tuple("0123456789")
    assert description.num_examples == _TINY
    assert "Apache-2.0" in description.license
    assert "svhn_cropped" in description.stand_in


def test_features_are_named_and_shaped_as_those_of_svhn_cropped(tmp_path):
    ours = Builder(data_dir=tmp_path).info.features
    theirs = tfds.builder("svhn_cropped", data_dir=tmp_path).info.features
    # Theirs also have the number of the picture, `id`.
    assert set(ours) == set(theirs) - {"id"} == {"image", "label"}
    for key in ours:
        assert type(ours[key]) is type(theirs[key])
        assert (ours[key].shape, ours[key].np_dtype) == (theirs[key].shape, theirs[key].np_dtype)
    assert ours["label"].names == theirs["label"].names


def test_full_is_the_default_and_says_that_it_is_drawn(tmp_path):
    builder = Builder(data_dir=tmp_path)
    assert builder.builder_config.name == "full"
    assert set(builder.builder_configs) == {"full", "tiny"}
    assert "a score on them is not a score on SVHN" in builder.info.description.replace("\n", " ")


@pytest.mark.slow
@pytest.mark.parametrize("config", ["full", "tiny"])
def test_every_config_draws_the_same_samples(tmp_path, samples, config):
    generators = Builder(config=config, data_dir=tmp_path)._split_generators(dl_manager=None)
    for split in _SPLITS:
        for index, example in itertools.islice(generators[split], 3):
            np.testing.assert_array_equal(example["image"], samples[split][index].image)
            assert example["label"] == samples[split][index].label


@pytest.mark.slow
def test_full_holds_what_it_declares(tmp_path):
    description = datasets.describe("drawn_house_numbers", tmp_path)
    sizes = {"train": 20_000, "validation": 2_000, "test": 4_000, "extra": 20_000}
    assert description.num_examples == sizes


@pytest.mark.parametrize("split", _SPLITS)
def test_what_is_stored_is_what_was_drawn(stored, samples, split):
    images, labels = stored[split]
    drawn = {sample.image.tobytes(): sample.label for sample in samples[split]}
    assert {
        image.tobytes(): label for image, label in zip(images, labels.tolist(), strict=True)
    } == drawn


def test_no_picture_is_there_twice(stored):
    every_image = np.concatenate([images for images, _ in stored.values()])
    assert len({image.tobytes() for image in every_image}) == sum(_TINY.values())


def test_splits_are_not_stored_in_the_order_they_were_drawn(stored, samples):
    labels = [sample.label for sample in samples["train"]]
    assert (stored["train"][1] == labels).mean() < 0.3


# === One sample ===


def test_a_sample_does_not_depend_on_what_was_drawn_before(samples):
    fonts.glyph.cache_clear()
    np.random.seed(1)
    for index in (200, 3, 200):
        again = render.draw_sample("train", index)
        np.testing.assert_array_equal(again.image, samples["train"][index].image)
        assert again.label == samples["train"][index].label


def test_the_same_index_differs_between_splits(samples):
    for index in range(64):
        images = [samples[split][index].image for split in _SPLITS]
        for first, second in itertools.combinations(images, 2):
            assert np.abs(first.astype(int) - second).mean() > 5


@pytest.mark.parametrize("split", _SPLITS)
def test_every_ten_in_sequence_hold_each_digit_once_in_an_order_of_their_own(split):
    tens = np.array([render.label_of(split, index) for index in range(500)]).reshape(50, 10)
    assert (np.sort(tens) == np.arange(10)).all()
    assert len({tuple(ten) for ten in tens.tolist()}) == 50


def test_the_order_of_the_labels_never_changes():
    """It follows from SHA-256 and RandomState alone; another order would need a new version."""
    assert [render.label_of("train", index) for index in range(10)] == [
        7,
        3,
        5,
        2,
        8,
        9,
        1,
        0,
        4,
        6,
    ]


def test_labels_are_those_of_the_order(samples):
    for split in _SPLITS:
        labels = [sample.label for sample in samples[split]]
        assert labels == [render.label_of(split, index) for index in range(len(labels))]


@pytest.mark.parametrize(
    ("split", "index", "message"),
    [
        ("training", 0, r"^There is no split 'training'; choose from 'train', 'validation', 'te"),
        ("train", -1, r"^index must be 0 or more\. Received: -1\.$"),
    ],
)
def test_impossible_samples_are_refused(split, index, message):
    with pytest.raises(ValueError, match=message):
        render.draw_sample(split, index)


# === Readable ===


def test_every_digit_stands_out_from_what_is_around_it(samples):
    for sample in itertools.chain(*samples.values()):
        brightness = sample.image @ np.array([0.299, 0.587, 0.114]) / 255
        ink = sample.digit_mask > 0.6 * sample.digit_mask.max()
        near = ndimage.binary_dilation(ink, np.ones((7, 7)))
        ground = near & (sample.number_mask < 0.1)
        digit, around = brightness[ink], brightness[ground]
        difference = abs(digit.mean() - around.mean())
        assert difference >= 0.12 - 1e-6
        assert difference >= 1.75 * np.sqrt((digit.var() + around.var()) / 2) - 1e-6


def test_the_digit_is_in_the_middle_and_mostly_in_the_frame(samples):
    for sample in itertools.chain(*samples.values()):
        rows, columns = np.nonzero(sample.digit_mask > 0.5)
        assert np.ptp(rows) + 1 >= 16 and abs((rows.min() + rows.max()) / 2 - 15.5) < 8
        assert abs((columns.min() + columns.max()) / 2 - 15.5) < 8


def test_neighbours_are_ink_beside_the_digit_and_never_on_it(samples):
    shares = []
    for sample in samples["train"]:
        assert (sample.number_mask >= sample.digit_mask - 1 / 255).all()
        inside = ndimage.binary_erosion(sample.digit_mask > 0.9)
        np.testing.assert_allclose(
            sample.number_mask[inside], sample.digit_mask[inside], atol=2 / 255
        )
        shares.append((sample.number_mask - sample.digit_mask).sum() > 5)
    # 12% of the numbers have one digit; the neighbours of some others are out of sight.
    assert 0.6 < np.mean(shares) < 0.95


def test_a_small_classifier_reads_digits_it_has_not_seen(samples):
    def pixels_and_labels(split):
        grey = np.array([sample.image[2:30, 6:26].mean(-1).ravel() for sample in samples[split]])
        grey -= grey.mean(1, keepdims=True)
        grey /= np.linalg.norm(grey, axis=1, keepdims=True)
        return grey, [sample.label for sample in samples[split]]

    # An even kernel reads light digits on dark ground as it reads dark ones on light.
    reader = SVC(kernel="poly", degree=2, coef0=0, gamma=1, C=10)
    reader.fit(*pixels_and_labels("train"))
    assert reader.score(*pixels_and_labels("extra")) > 0.8
    assert reader.score(*pixels_and_labels("validation")) > 0.75
    assert reader.score(*pixels_and_labels("test")) > 0.6


# === Fonts and numbers ===


def test_the_fonts_of_test_are_in_no_other_split(samples):
    families = {split: {sample.family for sample in samples[split]} for split in _SPLITS}
    assert families["test"] == set(fonts.TEST_FAMILIES)
    for split in ("train", "validation", "extra"):
        assert families[split] == set(fonts.TRAIN_FAMILIES)
    files = [
        {face.file for faces in of_split.values() for face in faces}
        for of_split in (fonts.TRAIN_FAMILIES, fonts.TEST_FAMILIES)
    ]
    assert files[0].isdisjoint(files[1])


@pytest.mark.parametrize("family", [*fonts.TRAIN_FAMILIES, *fonts.TEST_FAMILIES])
def test_every_face_has_ten_different_digits_of_its_height(family):
    for face in {**fonts.TRAIN_FAMILIES, **fonts.TEST_FAMILIES}[family]:
        style = fonts.Style(face, stroke=0)
        glyphs = [fonts.glyph(style, digit) for digit in range(10)]
        assert len({glyph.ink.tobytes() for glyph in glyphs}) == 10
        assert abs(glyphs[0].ink.height - fonts.DIGIT_HEIGHT) <= 1
        for glyph in glyphs:
            assert abs(glyph.ink.height - fonts.DIGIT_HEIGHT) <= 0.3 * fonts.DIGIT_HEIGHT
            assert np.asarray(glyph.ink).max() == 255


def test_strokes_thicken_both_sides():
    face = fonts.TRAIN_FAMILIES["DejaVu Sans"][0]
    thin, thick = (fonts.glyph(fonts.Style(face, stroke), 1).ink for stroke in (0, 3))
    assert abs(thick.height - thin.height - 6) <= 1 and abs(thick.width - thin.width - 6) <= 1


@pytest.mark.parametrize("label", range(10))
def test_a_number_holds_its_label_and_does_not_begin_with_zero(label):
    random = random_streams.stream("test", label)
    numbers = [layout.choose_number(random, label) for _ in range(2000)]
    assert all(digits[position] == label for digits, position in numbers)
    assert all(digits[0] != 0 for digits, _ in numbers if len(digits) > 1)
    lengths = np.bincount([len(digits) for digits, _ in numbers], minlength=5) / 2000
    # Within five standard deviations of a share of 2,000, sqrt(0.43 * 0.57 / 2000) = 0.011.
    np.testing.assert_allclose(lengths, [0, 0.12, 0.43, 0.33, 0.12], atol=0.056)
