"""A data set as an object gives what the short forms give, and remembers how it was opened."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from zoo import datasets

SIDE = 16


@pytest.fixture(scope="module")
def digits(data_dir) -> datasets.ImageDataset:
    return datasets.open("mnist_small", image_size=SIDE, data_dir=data_dir)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two folders of 20 and 24 images of one grey level each, 0 … 19 and 100 … 123."""
    root = tmp_path_factory.mktemp("domains")
    for name, levels in (("day", range(20)), ("night", range(100, 124))):
        (root / name).mkdir()
        for level in levels:
            image = Image.fromarray(np.full((SIDE, SIDE, 3), level, np.uint8))
            image.save(root / name / f"{level}.png")
    (root / "night" / "notes.txt").write_text("no image")
    return root


def assert_equal(batches: tf.data.Dataset, others: tf.data.Dataset, number: int = 3) -> None:
    assert batches.element_spec == others.element_spec
    for batch, other in zip(batches.take(number), others.take(number), strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, batch, other)


# === The short forms ===


def test_batches_are_those_of_load(digits, data_dir):
    options = {"batch_size": 7, "shuffle": True, "repeat": True, "seed": 3, "first_step": 80}
    loaded = datasets.load(
        "mnist_small", "test[:50]", image_size=SIDE, data_dir=data_dir, **options
    )
    assert_equal(digits.batches("test[:50]", **options), loaded, 10)
    for ask, flag in ((digits.batches, {}), (digits.labelled, {"with_labels": True})):
        whole = datasets.load("mnist_small", "test", image_size=SIDE, data_dir=data_dir, **flag)
        assert ask("test").cardinality() == whole.cardinality() == 8
        assert_equal(ask("test"), whole)


def test_few_labels_are_those_of_load_few_labels(digits, data_dir):
    options = {"split": "test", "label_seed": 2, "seed": 1, "batch_size": 30}
    loaded = datasets.load_few_labels(
        "mnist_small", 20, image_size=SIDE, data_dir=data_dir, **options
    )
    assert_equal(digits.few_labels(20, **options), loaded)


def test_the_description_is_that_of_describe_and_found_out_once(digits, data_dir):
    assert digits.description == datasets.describe("mnist_small", data_dir, image_size=SIDE)
    assert digits.description is digits.description
    assert digits.name == digits.description.name == "mnist_small"
    assert digits.scans == ()


def test_opening_prepares_nothing(tmp_path):
    datasets.open("drawn_horse2zebra", data_dir=tmp_path)
    assert not list(tmp_path.iterdir())


# === Folders ===


def test_a_folder_tells_what_scan_folder_tells(folders, tmp_path):
    options = {"image_size": SIDE, "drop_duplicates": "exact", "data_dir": tmp_path}
    night = datasets.open(f"folder:{folders / 'night'}", **options)
    assert night.scans == (datasets.scan_folder(folders / "night", **options),)
    assert night.scans is night.scans


def test_two_folders_are_one_set_of_two_domains(folders, tmp_path):
    options = {"image_size": SIDE, "data_dir": tmp_path}
    paths = [folders / name for name in ("day", "night")]
    both = datasets.open(f"folder:{paths[0]},{paths[1]}", **options)
    alone = [datasets.open(f"folder:{path}", **options) for path in paths]
    for domain, folder in zip("AB", alone, strict=True):
        assert_equal(both.batches(f"test{domain}"), folder.batches("test"))
        assert_equal(both.batches(f"train{domain}[:5]"), folder.batches("train[:5]"))
        for split, number in folder.description.num_examples.items():
            assert both.description.num_examples[f"{split}{domain}"] == number
    assert both.scans == alone[0].scans + alone[1].scans
    assert [file.path for scan in both.scans for file in scan.skipped] == ["notes.txt"]
    assert both.description.name == both.name
    assert both.description.image_shape == (SIDE, SIDE, 3)
    swapped = datasets.open(f"folder:{paths[1]},{paths[0]}", **options)
    fingerprints = {each.description.fingerprint for each in (both, swapped, *alone)}
    assert len(fingerprints) == 4


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda both: both.batches("train"), "has a domain in each folder; .* split='train'\\."),
        (lambda both: both.batches("trainA+trainB"), "Received: split='trainA\\+trainB'\\."),
        (lambda both: both.batches("tuneA"), "/day' has no split 'tune'; choose from 'train', "),
        (lambda both: both.labelled("trainA"), "/night' has no labels, only a domain in ea"),
        (lambda both: both.few_labels(10, "trainB"), "/night' has no labels, only a domain"),
        (lambda both: both.pairs(), "has no known pairs; .* `unpaired` gives images, and 'drawn_h"),
    ],
)
def test_what_two_folders_have_not_is_refused(folders, tmp_path, ask, message):
    name = f"folder:{folders / 'day'},{folders / 'night'}"
    with pytest.raises(ValueError, match=message):
        ask(datasets.open(name, image_size=SIDE, data_dir=tmp_path))


# === Errors ===


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda digits: digits.attributes(), "^'mnist_small' has no attributes, only labels"),
        (lambda digits: digits.unpaired(), "^'mnist_small' has no split 'trainA'; choose from"),
        (lambda digits: digits.unpaired("all"), "^part must be 'train' or 'test'. Received: part="),
        (lambda digits: digits.pairs(), "^'mnist_small' has no known pairs; "),
        (
            lambda digits: digits.batches("test", batch_size=600, drop_remainder=True),
            "^drop_remainder=True leaves no batch of the 500 images in split='test'",
        ),
    ],
)
def test_what_a_set_has_not_is_refused(digits, ask, message):
    with pytest.raises(ValueError, match=message):
        ask(digits)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "mnst"}, "^There is no data set 'mnst'. Did you mean 'mnist'"),
        ({"name": "folder:nowhere"}, "nowhere does not exist; give the path of a folder"),
        ({"name": "folder:a,b,c"}, "^'folder:a,b,c' names 3 folders; write 'folder:PATH,PATH'"),
        ({"name": "folder:."}, "^'folder:.' needs an image_size"),
        ({"channels": 2}, "^channels must be 3 for colour or 1 for grey"),
        ({"drop_duplicates": "near"}, "^drop_duplicates is for folders of images"),
    ],
)
def test_mistakes_are_named_when_the_set_is_opened(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        datasets.open(**{"name": "mnist_small", "data_dir": tmp_path, **options})


# === Stand-ins ===


@pytest.mark.parametrize(
    ("name", "original"),
    [
        ("mnist_small", "MNIST, 15 times larger"),
        ("drawn_house_numbers/tiny", "SVHN"),
        ("drawn_faces/128x128:1.0.0", "CelebA"),
        ("drawn_horse2zebra", "horse2zebra"),
        ("svhn_cropped", ""),
        ("folder:drawn_faces", ""),
    ],
)
def test_what_a_set_stands_in_for(name, original):
    assert datasets.stands_in_for(name) == original
