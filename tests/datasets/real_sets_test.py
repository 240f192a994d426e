"""Sets of TFDS: resized, kept on disk, and what is said when they can't be had. No network."""

import contextlib
import dataclasses
import itertools
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.datasets.celeb_a.celeb_a_dataset_builder import ATTR_HEADINGS

from tests.datasets.picture_files import encoded, noise
from zoo import datasets
from zoo.common.messages import listed
from zoo.datasets import catalogue, memory
from zoo.datasets.catalogue import OWN_DATASETS


@pytest.fixture(autouse=True)
def _no_images_of_other_tests():
    datasets.clear_memory()
    yield
    datasets.clear_memory()


def _pixels(dataset) -> np.ndarray:
    images = np.concatenate(list(dataset.as_numpy_iterator()))
    return np.rint((images + 1) * 127.5).astype(np.uint8)


@contextlib.contextmanager
def _mock_files(files: list[bytes], **features):
    """Has every set of TFDS hold these image files, and other features."""

    def as_dataset(self, split, decoders=None, read_config=None, **kwargs):
        dataset = tf.data.Dataset.from_tensor_slices({"image": files, **features})
        return dataset.apply(tf.data.experimental.assert_cardinality(len(files)))

    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        yield


# === Sizes ===


def test_celeb_a_is_cut_in_the_middle_as_for_dcgan_and_keeps_its_attributes(tmp_path):
    photo = Image.new("RGB", (178, 218), "red")
    # From (178 − 108) / 2 = 35 to 143 across, from (218 − 108) / 2 = 55 to 163 down.
    photo.paste((0, 0, 255), (35, 55, 143, 163))
    attributes = {name: [False, name in ("Bangs", "Young"), True] for name in ATTR_HEADINGS}
    with _mock_files([encoded(photo, "PNG")] * 3, attributes=attributes):
        images = _pixels(datasets.load("celeb_a", image_size=64, data_dir=tmp_path))
        datasets.clear_memory()
        again = datasets.load("celeb_a", with_attributes=True, image_size=64, data_dir=tmp_path)
    ((_, held),) = again.as_numpy_iterator()
    # CelebA's own list is in alphabetical order, as ours.
    np.testing.assert_array_equal(held, np.array(list(attributes.values())).T)
    expected = np.full((3, 64, 64, 3), (0, 0, 255), np.uint8)
    np.testing.assert_array_equal(images, expected)


def test_celeb_a_keeps_its_own_size_unless_told(tmp_path):
    with tfds.testing.mock_data(num_examples=3):
        dataset = datasets.load("celeb_a", data_dir=tmp_path)
        assert dataset.element_spec.shape == (None, 218, 178, 3)
    assert not list(tmp_path.iterdir())


def test_images_of_varying_sizes_are_resized_and_keep_their_labels(tmp_path):
    sizes = [(30 + 7 * i, 90 - 5 * i) for i in range(10)]
    files = [encoded(Image.new("RGB", size, (20 * i,) * 3), "PNG") for i, size in enumerate(sizes)]
    with _mock_files(files, label=np.arange(10)):
        options = {"image_size": (16, 24), "shuffle": True, "data_dir": tmp_path}
        dataset = datasets.load("oxford_flowers102", with_labels=True, **options)
        ((images, labels),) = dataset.as_numpy_iterator()
        grey = datasets.load("oxford_flowers102", channels=1, **options)
    assert images.shape == (10, 16, 24, 3) and sorted(labels) == list(range(10))
    for image, label in zip(images, labels, strict=True):
        np.testing.assert_allclose(image, 20 * label / 127.5 - 1, atol=1e-6)
    assert grey.element_spec.shape == (None, 16, 24, 1)


def test_resized_images_are_decoded_once(tmp_path, capsys):
    files = [encoded(Image.fromarray(noise(seed, 40)), "PNG") for seed in range(6)]
    with _mock_files(files):
        first = _pixels(datasets.load("celeb_a_hq", image_size=40, data_dir=tmp_path))
        assert capsys.readouterr().err.count("Decoding the images of 'celeb_a_hq', once.") == 1
        datasets.clear_memory()
        again = _pixels(datasets.load("celeb_a_hq", image_size=40, data_dir=tmp_path))
    assert "Decoding" not in capsys.readouterr().err
    np.testing.assert_array_equal(first, [noise(seed, 40) for seed in range(6)])
    np.testing.assert_array_equal(again, first)


def test_sets_too_large_for_memory_are_read_from_disk(tmp_path, monkeypatch):
    options = {"batch_size": 7, "shuffle": True, "repeat": True, "with_labels": True}
    options["data_dir"] = tmp_path
    with tfds.testing.mock_data(num_examples=30):
        in_memory = datasets.load("cifar10", **options)
        expected = list(itertools.islice(in_memory.as_numpy_iterator(), 12))
        datasets.clear_memory()
        monkeypatch.setattr(memory, "MAX_BYTES_IN_MEMORY", 30 * 32 * 32 * 3 - 1)
        assert not list(tmp_path.iterdir())
        on_disk = datasets.load("cifar10", **options)
    assert on_disk.element_spec == in_memory.element_spec
    assert list(tmp_path.rglob("images.bin"))
    for batch, expected_batch in zip(on_disk.as_numpy_iterator(), expected, strict=False):
        np.testing.assert_array_equal(batch[0], expected_batch[0])
        np.testing.assert_array_equal(batch[1], expected_batch[1])


def test_own_sets_can_be_resized(data_dir, digits):
    images = _pixels(datasets.load("mnist_small", "test", image_size=32, data_dir=data_dir))
    assert images.shape == (500, 32, 32, 1)
    enlarged = Image.fromarray(digits("test")[0][7, :, :, 0]).resize((32, 32), Image.BICUBIC)
    np.testing.assert_array_equal(images[7, :, :, 0], enlarged)
    described = datasets.describe("mnist_small", data_dir, image_size=32)
    assert described.image_shape == (32, 32, 1)
    assert described.fingerprint != datasets.describe("mnist_small", data_dir).fingerprint


def test_grey_images_can_be_given_three_channels(data_dir, digits):
    images = _pixels(datasets.load("mnist_small", "test[:9]", channels=3, data_dir=data_dir))
    np.testing.assert_array_equal(images, np.repeat(digits("test")[0][:9], 3, axis=3))


def test_an_image_that_cannot_be_read_is_named(tmp_path):
    files = [encoded(Image.fromarray(noise(seed)), "PNG") for seed in range(3)]
    with (
        _mock_files([*files, files[0][:90]]),
        pytest.raises(RuntimeError, match=r"^Image number 3 of 'celeb_a_hq' can't be used \(trunc"),
    ):
        datasets.load("celeb_a_hq", image_size=24, data_dir=tmp_path)


# === Errors ===


def test_varying_sizes_need_an_image_size(tmp_path):
    with pytest.raises(ValueError, match=r"'oxford_flowers102' .*vary.*give an image_size, such"):
        datasets.describe("oxford_flowers102", tmp_path)


@pytest.mark.parametrize("name", ["celeb_a", "celeb_a:2.1.0"])
def test_attributes_are_no_labels(tmp_path, name):
    with pytest.raises(
        ValueError, match=r"has no labels, only attributes; use a data set .* with_attributes=True"
    ):
        datasets.load(name, with_labels=True, image_size=64, data_dir=tmp_path)


def test_lsun_needs_a_library_that_is_named_before_the_download(tmp_path):
    with (
        mock.patch("importlib.util.find_spec", return_value=None),
        mock.patch.object(tfds.core.DatasetBuilder, "download_and_prepare") as prepare,
        pytest.raises(RuntimeError, match=r"^'lsun/bedroom' can't be .* without tensorflow_io"),
    ):
        datasets.load("lsun/bedroom", image_size=64, data_dir=tmp_path)
    assert not prepare.called


@pytest.mark.parametrize(
    ("name", "stand_in"),
    [
        ("svhn_cropped", "use its stand-in 'drawn_house_numbers', or images of your own, 'folder"),
        ("celeb_a", "use its stand-in 'drawn_faces', or images of your own, 'folder:PATH'."),
        ("mnist", "use its stand-in 'mnist_small', or images of your own, 'folder:PATH'."),
        ("cycle_gan/horse2zebra", "use its stand-in 'drawn_horse2zebra', or images of your own"),
        ("cifar10", f"use {listed(OWN_DATASETS)}, or images of your own, 'folder:PATH'."),
    ],
)
def test_a_failed_download_names_what_can_be_used_instead(tmp_path, name, stand_in):
    offline = ConnectionError("no route to host\nand much more")
    with (
        mock.patch.object(tfds.core.DatasetBuilder, "download_and_prepare", side_effect=offline),
        pytest.raises(RuntimeError, match=rf"^The download or prep.* of '{name}' failed") as error,
    ):
        datasets.load(name, image_size=32, data_dir=tmp_path)
    assert "ConnectionError: no route to host" in str(error.value)
    assert stand_in in str(error.value) and "\n" not in str(error.value)


def test_long_preparations_are_told_once(tmp_path, capfd):
    own = dataclasses.replace(catalogue.OWN_DATASETS["mnist_small"], work="drawing, for a minute")
    with mock.patch.dict(catalogue.OWN_DATASETS, {"mnist_small": own}):
        datasets.describe("mnist_small", tmp_path)
        assert capfd.readouterr().err.strip() == "Drawing, for a minute, once."
        datasets.describe("mnist_small", tmp_path)
        assert capfd.readouterr().err == ""
