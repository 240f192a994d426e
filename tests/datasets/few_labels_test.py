"""`load_few_labels` and `few_label_split`: who keeps a label, and that nobody else's is seen."""

import itertools

import numpy as np
import pytest
import tensorflow_datasets as tfds

from zoo import datasets


@pytest.fixture
def load(data_dir):
    def load_digits(num_labels, **kwargs):
        return datasets.load_few_labels("mnist_small", num_labels, data_dir=data_dir, **kwargs)

    return load_digits


def _take(dataset, num_batches):
    return list(itertools.islice(dataset.as_numpy_iterator(), num_batches))


def _labelled(batches, index_of):
    return set(index_of(np.concatenate([images for (images, _), _ in batches])).tolist())


# === few_label_split ===


@pytest.mark.parametrize("num_labels", [20, 50, 100, 4000])
def test_every_class_keeps_as_many_labels_and_nobody_is_in_both(digits, num_labels):
    labels = digits("train")[1]
    labelled, unlabelled = datasets.few_label_split(labels, num_labels)
    assert np.bincount(labels[labelled]).tolist() == [num_labels // 10] * 10
    assert sorted([*labelled, *unlabelled]) == list(range(4000))


def test_the_seed_decides_and_a_smaller_choice_lies_within_a_larger(digits):
    labels = digits("train")[1]

    def chosen(num_labels, seed):
        return set(datasets.few_label_split(labels, num_labels, seed)[0].tolist())

    assert chosen(100, 1) == chosen(100, 1)
    assert len(chosen(100, 1) & chosen(100, 2)) < 20
    assert chosen(100, 1) < chosen(200, 1)


@pytest.mark.parametrize(
    ("labels", "num_labels", "message"),
    [
        (
            [0, 1] * 50,
            7,
            r"^num_labels=7 can't be shared equally among 2 classes; "
            r"use a multiple of 2, such as 6 or 8\.$",
        ),
        (
            list(range(10)) * 50,
            7,
            r"^num_labels=7 can't be shared equally among 10 classes; "
            r"use a multiple of 10, such as 10 or 20\.$",
        ),
        ([0, 1], 0, r"^num_labels=0 can't be shared.*such as 2 or 4\.$"),
        ([0, 1], -2, r"^num_labels=-2 can't be shared.*such as 2 or 4\.$"),
        ([0, 1], 4, r"^num_labels=4 is more than the 2 images there are; use fewer\.$"),
        (
            [0, 0, 0, 0, 1],
            4,
            r"^class 1 has 1 images, too few for its share of 2 labels; use num_labels=2 or fewer",
        ),
        ([0, 0, 0, 2], 3, r"^class 1 has no image, so it can't have its share of 1 labels"),
        ([-1, 0, 0, 1], 2, r"^labels must be 0 or more\. Received: -1"),
        ([], 2, r"^labels must be one integer an image\. Received: an array of shape \(0,\)\.$"),
    ],
)
def test_impossible_shares_are_refused(labels, num_labels, message):
    with pytest.raises(ValueError, match=message):
        datasets.few_label_split(labels, num_labels)


# === load_few_labels ===


def test_batches_are_full_however_few_the_labels(load):
    for (labelled, labels), unlabelled in _take(load(20), 45):
        assert labelled.shape == unlabelled.shape == (100, 28, 28, 1)
        assert labelled.dtype == unlabelled.dtype == np.float32
        assert labels.dtype == np.int32
        # 100 positions are five whole epochs of 20 images, two of each class.
        assert np.bincount(labels).tolist() == [10] * 10


def test_the_steps_of_an_epoch_are_those_of_the_unlabelled(load):
    assert load(20, batch_size=100).steps_per_epoch == 40
    assert load(500, batch_size=100).steps_per_epoch == 35


def test_labels_are_right_and_the_halves_never_mix(load, digits, index_of):
    stored_labels = digits("train")[1]
    batches = _take(load(100, label_seed=5), 39)
    for (images, labels), _ in batches:
        np.testing.assert_array_equal(labels, stored_labels[index_of(images)])
    unlabelled = index_of(np.concatenate([images for _, images in batches]))
    expected_labelled, expected_unlabelled = datasets.few_label_split(stored_labels, 100, seed=5)
    assert _labelled(batches, index_of) == set(expected_labelled.tolist())
    assert sorted(unlabelled) == expected_unlabelled.tolist()


def test_only_label_seed_decides_who_is_labelled(load, index_of):
    first = _take(load(100, seed=1), 2)
    same = _take(load(100, seed=2, first_step=9, batch_size=200), 1)
    other = _take(load(100, label_seed=1, seed=1), 2)
    assert _labelled(first, index_of) == _labelled(same, index_of)
    assert _labelled(first, index_of) != _labelled(other, index_of)
    assert (first[0][1] != same[0][1][:100]).any()


def test_first_step_continues_the_unbroken_stream(load):
    unbroken = _take(load(50, batch_size=30, seed=4), 12)
    resumed = _take(load(50, batch_size=30, seed=4, first_step=7), 5)
    for ((images, labels), unlabelled), expected in zip(resumed, unbroken[7:], strict=True):
        np.testing.assert_array_equal(images, expected[0][0])
        np.testing.assert_array_equal(labels, expected[0][1])
        np.testing.assert_array_equal(unlabelled, expected[1])


def test_one_pass_goes_once_over_the_unlabelled_and_differs_from_the_next(load, index_of):
    dataset = load(20, repeat=False)
    assert len(dataset) == 40
    passes = [_take(dataset, 100) for _ in range(2)]
    orders = [index_of(np.concatenate([images for _, images in batches])) for batches in passes]
    assert len(set(orders[0].tolist())) == len(orders[0]) == 3980
    assert (orders[0] != orders[1]).mean() > 0.9
    assert passes[0][-1][1].shape[0] == 80
    assert passes[0][-1][0][0].shape[0] == 100
    assert (passes[0][0][0][1] != passes[1][0][0][1]).any()


def test_data_sets_of_tfds_give_few_labels_too():
    datasets.clear_memory()
    with tfds.testing.mock_data(num_examples=200):
        (batch,) = _take(datasets.load_few_labels("svhn_cropped", 20, batch_size=40), 1)
    datasets.clear_memory()
    (labelled, labels), unlabelled = batch
    assert labelled.shape == unlabelled.shape == (40, 32, 32, 3)
    assert np.bincount(labels).tolist() == [4] * 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_labels": 7}, r"^num_labels=7 can't be shared equally among 10 classes; use a mult"),
        ({"num_labels": 20, "batch_size": -1}, r"^`batch_size` must be a positive integer"),
        ({"num_labels": 20, "name": "celeb_a"}, r"^'celeb_a' has no labels"),
        ({"num_labels": 20, "repeat": False, "first_step": 2}, r"^first_step needs repeat=True"),
    ],
)
def test_mistakes_are_named_before_anything_is_prepared(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        datasets.load_few_labels(**{"name": "mnist_small", "data_dir": tmp_path, **arguments})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("num_labels", "message"),
    [
        (4000, r"^num_labels=4000 leaves no image of split='train' without a label"),
        (4010, r"^num_labels=4010 is more than the 4000 images there are"),
    ],
)
def test_more_labels_than_can_be_given_are_refused(load, num_labels, message):
    with pytest.raises(ValueError, match=message):
        load(num_labels)
