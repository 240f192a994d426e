"""`load`: what a batch holds, in which order, and what it says when it can't."""

import itertools
import subprocess
import sys
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from zoo import datasets

_ROOT = Path(__file__).parents[2]


@pytest.fixture
def load(data_dir):
    def load_digits(*args, **kwargs):
        return datasets.load("mnist_small", *args, data_dir=data_dir, **kwargs)

    return load_digits


def _take(dataset, num_batches):
    return list(itertools.islice(dataset.as_numpy_iterator(), num_batches))


def _add_noise(image, seed):
    noise = tf.random.stateless_uniform(image.shape, seed, maxval=8, dtype=tf.int32)
    return image // 2 + tf.cast(noise, tf.uint8)


def _seed_as_pixels(image, seed):
    """Writes the eight bytes of the seed over the first pixels."""
    seed_bytes = tf.bitcast(seed, tf.uint8)
    return tf.reshape(
        tf.concat([tf.reshape(seed_bytes, [-1]), tf.reshape(image, [-1])[8:]], 0), image.shape
    )


# === What is in a batch ===


def test_batches_are_float32_images_in_range_and_the_last_may_be_smaller(load):
    batches = _take(load("validation", batch_size=64), 100)
    assert [len(batch) for batch in batches] == [64] * 7 + [52]
    assert batches[0].dtype == np.float32 and batches[0].shape[1:] == (28, 28, 1)
    assert min(batch.min() for batch in batches) == -1.0
    assert max(batch.max() for batch in batches) == 1.0


def test_drop_remainder_leaves_the_last_batch_out(load):
    dataset = load("validation", batch_size=64, drop_remainder=True)
    assert [len(batch) for batch in _take(dataset, 100)] == [64] * 7
    assert dataset.element_spec.shape == (64, 28, 28, 1)
    assert len(dataset) == 7 and len(load("validation", batch_size=64)) == 8


def test_every_byte_is_scaled_as_documented(load):
    ramp = tf.cast(tf.reshape(tf.range(784) % 256, (28, 28, 1)), tf.uint8)
    (images,) = _take(load("test", batch_size=2, repeat=True, augment=lambda *_: ramp), 1)
    scaled = images[0].reshape(-1)[:256]
    assert scaled[0] == -1.0 and scaled[255] == 1.0
    np.testing.assert_allclose(scaled, np.arange(256) / 127.5 - 1, atol=1e-7)


@pytest.mark.parametrize("repeat", [False, True])
def test_labels_stay_with_their_images_when_shuffled(load, digits, index_of, repeat):
    images, labels = _take(load(shuffle=True, repeat=repeat, with_labels=True, batch_size=500), 1)[
        0
    ]
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, digits("train")[1][index_of(images)])


def test_slices_and_sums_of_splits_are_those_of_tfds(load, digits):
    (images,) = _take(load("validation[:7]+test[:5]"), 10)
    expected = np.concatenate([digits("validation")[0][:7], digits("test")[0][:5]])
    np.testing.assert_array_equal(images, expected.astype(np.float32) / np.float32(127.5) - 1)


# === The order ===


def test_each_epoch_is_another_permutation(load, index_of):
    stream = np.concatenate(_take(load(shuffle=True, repeat=True, batch_size=64), 125))
    epochs = index_of(stream).reshape(2, 4000)
    for epoch in epochs:
        assert sorted(epoch) == list(range(4000))
        # Six standard deviations of a random order.
        assert abs(np.corrcoef(epoch, np.arange(4000))[0, 1]) < 0.1
    assert abs(np.corrcoef(*epochs)[0, 1]) < 0.1


def test_epochs_are_permutations_when_a_batch_holds_many_of_them(load, index_of):
    stream = np.concatenate(_take(load("train[:7]", shuffle=True, repeat=True, batch_size=20), 7))
    epochs = index_of(stream).reshape(20, 7)
    assert (np.sort(epochs) == np.arange(7)).all()
    assert len({tuple(epoch) for epoch in epochs}) > 15
    # Every image is first of an epoch now and then.
    assert len(set(epochs[:, 0])) >= 5


def test_no_epoch_comes_near_the_stored_order(load, index_of):
    dataset = load("train[:100]", shuffle=True, repeat=True, batch_size=100)
    epochs = index_of(np.concatenate(_take(dataset, 400))).reshape(400, 100)
    correlations = [np.corrcoef(epoch, np.arange(100))[0, 1] for epoch in epochs]
    # The correlation of a random order has a standard deviation of 0.1.
    assert 0.085 < np.std(correlations) < 0.115
    assert np.abs(correlations).max() < 0.5


def test_the_stored_order_repeats_without_shuffle(load, index_of):
    stream = np.concatenate(_take(load("train[:10]", repeat=True, batch_size=4), 5))
    assert index_of(stream).tolist() == [*range(10), *range(10)]


def test_one_pass_visits_every_image_once_and_each_pass_in_another_order(load, index_of):
    dataset = load(shuffle=True, batch_size=300)
    first, second = (index_of(np.concatenate(_take(dataset, 100))) for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(4000))
    assert (first != second).mean() > 0.9


@pytest.mark.parametrize("augment", [None, _add_noise])
def test_first_step_continues_the_unbroken_stream(load, augment):
    arguments = {"shuffle": True, "repeat": True, "batch_size": 30, "with_labels": True}
    unbroken = _take(load("test", augment=augment, seed=3, **arguments), 40)
    resumed = _take(load("test", augment=augment, seed=3, first_step=15, **arguments), 25)
    for (images, labels), (expected_images, expected_labels) in zip(
        resumed, unbroken[15:], strict=True
    ):
        np.testing.assert_array_equal(images, expected_images)
        np.testing.assert_array_equal(labels, expected_labels)


def test_the_seed_decides_the_order(load):
    def first_batch(seed):
        return _take(load("test", shuffle=True, repeat=True, seed=seed), 1)[0]

    np.testing.assert_array_equal(first_batch(-(2**80)), first_batch(-(2**80)))
    assert (first_batch(0) != first_batch(1)).any()


# === Augmentation ===


@pytest.mark.parametrize("repeat", [False, True])
def test_augmentation_is_drawn_anew_in_every_epoch(load, repeat):
    dataset = load("test[:8]", batch_size=8, repeat=repeat, augment=_add_noise)
    epochs = _take(dataset, 3) if repeat else [_take(dataset, 1)[0] for _ in range(3)]
    for one, other in itertools.combinations(epochs, 2):
        assert all((image != same).any() for image, same in zip(one, other, strict=True))


def test_every_image_of_every_epoch_has_a_seed_of_its_own(load):
    dataset = load("test", batch_size=50, repeat=True, shuffle=True, augment=_seed_as_pixels)
    images = np.concatenate(_take(dataset, 30))
    seeds = images.reshape(1500, -1)[:, :8]
    assert len({seed.tobytes() for seed in seeds}) == 1500


def test_augment_must_keep_type_and_size(load):
    with pytest.raises(ValueError, match=r"^augment must give uint8 \(28, 28, 1\).*: float32 \(28"):
        load("test", augment=lambda image, seed: tf.cast(image, tf.float32))
    with pytest.raises(ValueError, match=r"Received: uint8 \(14, 28, 1\)\.$"):
        load("test", augment=lambda image, seed: image[:14])


# === One copy in memory ===


def test_a_split_is_decoded_once_for_all_who_load_it(load, data_dir):
    datasets.clear_memory()
    as_dataset = tfds.core.DatasetBuilder.as_dataset
    with mock.patch.object(
        tfds.core.DatasetBuilder, "as_dataset", autospec=True, side_effect=as_dataset
    ) as decoding:
        for dataset in (load(), load(shuffle=True, repeat=True, with_labels=True)):
            _take(dataset, 70)
        _take(datasets.load_few_labels("mnist_small", 100, data_dir=data_dir), 1)
        assert decoding.call_count == 1
        load("test")
        assert decoding.call_count == 2
        datasets.clear_memory()
        load("test")
        assert decoding.call_count == 3


@pytest.mark.slow
def test_importing_the_package_imports_neither_tfds_nor_mlxtend():
    command = (
        "import sys; import zoo.datasets; "
        "print([name for name in ('tensorflow_datasets', 'mlxtend') if name in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", command], check=True, capture_output=True, text=True, cwd=_ROOT
    ).stdout
    assert printed.strip() == "[]"


# === Data sets of TFDS ===


@pytest.mark.parametrize(
    ("name", "image_shape"),
    [("mnist", (28, 28, 1)), ("svhn_cropped", (32, 32, 3)), ("cifar10", (32, 32, 3))],
)
def test_any_image_data_set_of_tfds_loads_by_name(name, image_shape):
    datasets.clear_memory()
    with tfds.testing.mock_data(num_examples=50):
        batches = _take(datasets.load(name, "train", batch_size=32, with_labels=True), 10)
    datasets.clear_memory()
    assert [images.shape for images, _ in batches] == [(32, *image_shape), (18, *image_shape)]
    assert -1 <= batches[0][0].min() < -0.9 and 0.9 < batches[0][0].max() <= 1
    assert all(0 <= label < 10 for label in batches[0][1])


# === Distribution ===


def test_replicas_share_each_batch(load, two_replicas):
    dataset = load("test", batch_size=20, shuffle=True, repeat=True)
    distributed = iter(two_replicas.experimental_distribute_dataset(dataset))
    for expected in _take(dataset, 3):
        parts = two_replicas.experimental_local_results(next(distributed))
        assert [len(part) for part in parts] == [10, 10]
        np.testing.assert_array_equal(np.concatenate(parts), expected)


@pytest.mark.parametrize("repeat", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_fit_on_two_replicas_sees_every_image_in_every_epoch(load, repeat, two_replicas):
    with two_replicas.scope():
        model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
        model.compile(
            optimizer=keras.optimizers.SGD(0.0),
            loss=lambda labels, outputs: tf.cast(labels, tf.float32)[:, None] + 0 * outputs,
        )
    dataset = load("test", batch_size=50, shuffle=True, repeat=repeat, with_labels=True)
    history = model.fit(dataset, epochs=2, steps_per_epoch=10 if repeat else None, verbose=0)
    # The loss is the label; its mean over all images is 4.5 whatever their order.
    np.testing.assert_allclose(history.history["loss"], [4.5, 4.5], rtol=1e-6)


# === Errors ===


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, r"^`batch_size` must be a positive integer. Received: batch_size=0$"),
        (
            {"first_step": -1},
            r"^`first_step` must be an integer of 0 or more. Received: first_step=-1$",
        ),
        ({"first_step": 3}, r"^first_step needs repeat=True.* first_step=3, repeat=False\.$"),
        ({"name": "mnst"}, r"^There is no data set 'mnst'. Did you mean 'mnist'\? .*'mnist_small'"),
        (
            {"split": "tests"},
            r"^'mnist_small' has no split 'tests'; choose from 'train', 'validation', 'test'\.",
        ),
        ({"split": "train[:5]+tset"}, r"has no split 'tset'.* split='train\[:5\]\+tset'\.$"),
        ({"name": "imdb_reviews"}, r"^'imdb_reviews' is not a data set of images.*'text', 'label'"),
        ({"name": "oxford_flowers102"}, r"^'oxford_flowers102' has images whose sizes vary"),
        ({"name": "celeb_a", "with_labels": True}, r"^'celeb_a' has no labels"),
        ({"name": "mnist/nope"}, r"^Can't make the data set 'mnist/nope': .*nope not found"),
    ],
)
def test_mistakes_are_named_before_anything_is_prepared(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        datasets.load(**{"name": "mnist_small", "data_dir": tmp_path, **arguments})
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_slice_without_images_is_named(load):
    with pytest.raises(ValueError, match=r"^split='train\[:0\]' of 'mnist_small' can't be read"):
        load("train[:0]")
    with pytest.raises(ValueError, match=r"^drop_remainder=True leaves no batch of the 5 images"):
        load("train[:5]", drop_remainder=True)


def test_a_failed_download_is_one_line_that_names_what_needs_no_network(tmp_path):
    offline = ConnectionError("no route to host\nand much more")
    with (
        mock.patch.object(tfds.download.DownloadManager, "download", side_effect=offline),
        mock.patch.object(
            tfds.download.DownloadManager, "download_and_extract", side_effect=offline
        ),
        pytest.raises(RuntimeError, match=r"^The download or prep.* of 'cifar10' failed") as error,
    ):
        datasets.load("cifar10", data_dir=tmp_path)
    assert "no route to host" in str(error.value) and "'mnist_small'" in str(error.value)
    assert "\n" not in str(error.value)


def test_steps_per_epoch_rounds_up():
    assert [datasets.steps_per_epoch(4000, size) for size in (64, 100, 4000, 5000)] == [
        63,
        40,
        1,
        1,
    ]
    with pytest.raises(ValueError, match=r"^`num_examples` must be a positive integer"):
        datasets.steps_per_epoch(0, 64)
    with pytest.raises(ValueError, match=r"^`batch_size` must be a positive integer"):
        datasets.steps_per_epoch(64, 0)


def test_a_pass_ends_without_waiting_for_a_tuner(load, data_dir):
    """TensorFlow's tuning thread often holds the end of a pass up for as long as the pass took."""
    few_labels = datasets.load_few_labels("mnist_small", 20, batch_size=10, data_dir=data_dir)
    for dataset in (load(), load(repeat=True), few_labels):
        assert dataset.options().autotune.enabled is False
