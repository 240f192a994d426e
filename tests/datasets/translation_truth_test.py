"""The truth of `drawn_horse2zebra`, and its aligned pairs."""

import numpy as np
import pytest
import tensorflow as tf

from zoo import datasets
from zoo.datasets import TranslationTruth
from zoo.datasets.drawn_horse2zebra.coats import COATS, ZEBRA
from zoo.datasets.drawn_horse2zebra.render import draw_sample

TINY = "drawn_horse2zebra/tiny"
LEFT_HALF = np.zeros((1, 4, 4, 1), bool)
LEFT_HALF[:, :, :2] = True


@pytest.fixture(scope="module")
def images(data_dir) -> datasets.ImageDataset:
    return datasets.open(TINY, data_dir=data_dir)


def first(batches: tf.data.Dataset):
    return tf.nest.map_structure(lambda tensor: tensor.numpy(), next(iter(batches)))


# === Truth ===


@pytest.fixture(scope="module")
def truths(images) -> dict[str, TranslationTruth]:
    return {each: images.truth(each, 3) for each in datasets.DIRECTIONS}


def test_truth_is_of_the_stored_test_images(truths, images):
    horses, zebras = (first(images.batches(f"test{each}", batch_size=3)) for each in "AB")
    to_zebra, to_horse = truths["a_to_b"], truths["b_to_a"]
    np.testing.assert_allclose(to_zebra.inputs, horses, atol=1e-6)
    np.testing.assert_allclose(to_horse.inputs, zebras, atol=1e-6)
    np.testing.assert_allclose(to_zebra.answers, zebras[np.newaxis], atol=1e-6)
    nearest = np.abs(to_horse.answers - horses).max(axis=(2, 3, 4)).min(axis=0)
    np.testing.assert_allclose(nearest, 0, atol=1e-6)


@pytest.mark.parametrize("direction", datasets.DIRECTIONS)
def test_doing_nothing_is_right_outside_of_the_animal_and_wrong_inside(truths, direction):
    truth = truths[direction]
    for answer in truth.answers:
        wrong = np.abs(truth.inputs - answer)
        assert not np.where(truth.masks, 0, wrong).any()
        assert np.mean(wrong, axis=(1, 2, 3), where=truth.masks).min() > 0.2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("A", 1), "`direction` must be one of a_to_b, b_to_a. Received: direction='A'"),
        (("a_to_b", 0), "`num_scenes` must be positive. Received: num_scenes=0"),
    ],
)
def test_truth_that_there_is_not_is_refused(images, arguments, message):
    with pytest.raises(ValueError, match=message):
        images.truth(*arguments)


def test_truth_is_known_of_drawn_domains_at_their_own_size_alone(images, tmp_path):
    assert images.has_truth
    resized = datasets.open(TINY, image_size=32, data_dir=tmp_path)
    digits = datasets.open("mnist_small", data_dir=tmp_path)
    assert not resized.has_truth and not digits.has_truth
    with pytest.raises(ValueError, match=f"^The truth of '{TINY}' is drawn at its own size; open"):
        resized.truth("a_to_b", 1)
    with pytest.raises(ValueError, match=r"^'mnist_small' has no known truth; .*'drawn_horse2zebr"):
        digits.truth("a_to_b", 1)
    assert not list(tmp_path.iterdir())


def test_answers_of_another_shape_are_refused():
    image = np.zeros((1, 4, 4, 3), np.float32)
    with pytest.raises(ValueError, match=r"`answers` must have the shape \(num_answers, 1, 4, 4, "):
        TranslationTruth(image, image, LEFT_HALF)
    with pytest.raises(ValueError, match=r"Masks must be bool of shape \(1, 4, 4, 1\). Received: "):
        TranslationTruth(image, image[np.newaxis], LEFT_HALF.astype(int))


# === Pairs ===


def as_bytes(images: np.ndarray) -> np.ndarray:
    return np.rint((images + 1) * 127.5).astype(np.uint8)


@pytest.mark.parametrize(
    ("direction", "split", "coat"), [("a_to_b", "trainA", ZEBRA), ("b_to_a", "trainB", COATS[0])]
)
def test_training_pairs_are_the_training_images_and_their_answers(images, direction, split, coat):
    pairs = images.pairs(direction=direction, num_pairs=3, batch_size=3, shuffle=False)
    inputs, answers = first(pairs)
    np.testing.assert_array_equal(inputs, first(images.batches(split, batch_size=3)))
    for index, (image, answer) in enumerate(zip(as_bytes(inputs), as_bytes(answers), strict=True)):
        sample = draw_sample(split, index)
        np.testing.assert_array_equal(image, sample.image)
        np.testing.assert_array_equal(answer, draw_sample(split, index, coat).image)
        changed = (image != answer).any(axis=-1)
        assert changed.any() and not changed[sample.mask[..., 0] == 0].any()


@pytest.mark.parametrize(("direction", "domains"), [("a_to_b", "AB"), ("b_to_a", "BA")])
def test_test_pairs_are_those_of_the_stored_splits(images, direction, domains):
    (pairs,) = list(
        images.pairs("test", direction=direction, batch_size=16, shuffle=False, repeat=False)
    )
    for found, domain in zip(pairs, domains, strict=True):
        np.testing.assert_array_equal(found, first(images.batches(f"test{domain}", batch_size=16)))


def test_pairs_keep_together_in_any_order_and_are_augmented_alike(images):
    def flip(image, seed):
        return tf.image.stateless_random_flip_left_right(image, seed)

    stored = first(images.pairs("test", batch_size=16, shuffle=False))
    answer_of = dict(zip((each.tobytes() for each in stored[0]), stored[1], strict=True))
    batches = list(images.pairs("test", batch_size=8, augment=flip, seed=1).take(4))
    num_flipped = 0
    for image, answer in zip(*map(np.concatenate, zip(*batches, strict=True)), strict=True):
        is_flipped = image.tobytes() not in answer_of
        num_flipped += is_flipped
        turn = np.s_[:, ::-1] if is_flipped else np.s_[:]
        np.testing.assert_array_equal(answer_of[image[turn].tobytes()][turn], answer)
    assert 0 < num_flipped < 32


def test_pairs_continue_where_a_run_stopped(images):
    whole = list(images.pairs(num_pairs=3, batch_size=2, seed=3).take(4))
    rest = list(images.pairs(num_pairs=3, batch_size=2, seed=3, first_step=2).take(2))
    for expected, found in zip(whole[2:], rest, strict=True):
        np.testing.assert_array_equal(expected, found)


def test_pairs_are_drawn_once(images, monkeypatch):
    drawn = first(images.pairs(num_pairs=3, batch_size=3, shuffle=False))
    datasets.clear_memory()
    monkeypatch.setattr("zoo.datasets.drawn_horse2zebra.truth.draw_sample", None)
    again = first(images.pairs(num_pairs=3, batch_size=3, shuffle=False))
    np.testing.assert_array_equal(drawn, again)


@pytest.mark.parametrize("part", ["train", "test"])
def test_pairs_are_resized_as_the_images_are(data_dir, part):
    small = datasets.open(TINY, image_size=16, channels=1, data_dir=data_dir)
    options = {"num_pairs": 2, "batch_size": 2, "shuffle": False}
    inputs, answers = first(small.pairs(part, **options))
    assert answers.shape == (2, 16, 16, 1)
    np.testing.assert_array_equal(inputs, first(small.batches(f"{part}A", batch_size=2)))
    whole = first(datasets.open(TINY, data_dir=data_dir).pairs(part, **options))[1]
    grey = (whole @ [0.299, 0.587, 0.114]).reshape(2, 16, 4, 16, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(answers[..., 0], grey, atol=0.35)
    assert np.abs(answers[..., 0] - grey).mean() < 0.05


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"direction": "a_to_a"}, "must be one of a_to_b, b_to_a. Received: direction='a_to_a'"),
        ({"part": "all"}, "part must be 'train' or 'test'. Received: part='all'"),
        ({"num_pairs": 65}, "num_pairs must be from 1 to 64, the images in 'trainA' of .*=65\\."),
        ({"num_pairs": 0}, "num_pairs must be from 1 to 64, .* Received: num_pairs=0\\."),
        ({"batch_size": 0}, "`batch_size` must be a positive integer. Received: batch_size=0"),
    ],
)
def test_pairs_that_there_are_not_are_refused(images, arguments, message):
    with pytest.raises(ValueError, match=message):
        images.pairs(**arguments)


def test_sets_without_known_pairs_refuse(tmp_path):
    with pytest.raises(
        ValueError,
        match=r"^'cycle_gan/horse2zebra' has no known pairs; .* 'drawn_horse2zebra' has pairs\.$",
    ):
        datasets.open("cycle_gan/horse2zebra", image_size=16, data_dir=tmp_path).pairs()
