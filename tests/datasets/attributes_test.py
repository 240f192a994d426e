"""Attributes, of which any number are true of an image: their order, their images, their errors."""

import itertools
import json

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from tests.datasets.picture_files import encoded, noise
from zoo import datasets
from zoo.datasets import memory

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class SpottedTiles(tfds.core.GeneratorBasedBuilder):
    """Tiles that show in their colour which attributes they have, and a label beside those."""

    VERSION = tfds.core.Version("1.0.0")
    # Neither in alphabetical order nor in that of the channels.
    CHANNELS = {"Red": 0, "Blue": 2, "Green": 1}  # noqa: RUF012 - a constant
    NUM_TILES = 40

    def _info(self):
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(8, 8, 3)),
                "label": tfds.features.ClassLabel(num_classes=self.NUM_TILES),
                "attributes": dict.fromkeys(self.CHANNELS, np.bool_),
            }
        )
        return self.dataset_info_from_configs(features=features)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for index in range(self.NUM_TILES):
            # All eight combinations of the three, five times each.
            attributes = {name: bool(index >> bit & 1) for bit, name in enumerate(self.CHANNELS)}
            image = np.full((8, 8, 3), index, np.uint8)
            for name, held in attributes.items():
                image[..., self.CHANNELS[name]] += 200 * held
            yield index, {"image": image, "label": index, "attributes": attributes}


class MeasuredTiles(SpottedTiles):
    """The same, with numbers in place of what is true or false."""

    def _info(self):
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(8, 8, 3)),
                "attributes": {"height": np.int64, "width": np.int64},
            }
        )
        return self.dataset_info_from_configs(features=features)

    def _generate_examples(self):
        for index in range(self.NUM_TILES):
            attributes = {"height": 8, "width": 8}
            yield index, {"image": np.zeros((8, 8, 3), np.uint8), "attributes": attributes}


@pytest.fixture(scope="module")
def tiles_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiles")
    datasets.describe("spotted_tiles", folder)
    return folder


@pytest.fixture
def load(tiles_dir):
    def load_tiles(**options):
        return datasets.load("spotted_tiles", data_dir=tiles_dir, **options)

    yield load_tiles
    datasets.clear_memory()


def _take(dataset, num_batches):
    return list(itertools.islice(dataset.as_numpy_iterator(), num_batches))


def _assert_equal_batches(batches, expected_batches):
    for batch, expected in zip(batches, expected_batches, strict=True):
        for array, expected_array in zip(batch, expected, strict=True):
            np.testing.assert_array_equal(array, expected_array)


def _shown(images):
    """Gives which attributes are seen in images; in alphabetical order, blue comes first."""
    brightest_without, darkest_with = 39, 200
    threshold = (brightest_without + darkest_with) / 2 / 127.5 - 1
    return images.mean(axis=(1, 2))[:, ::-1] > threshold


# === What a batch holds ===


def test_the_description_names_them_in_alphabetical_order(tiles_dir, data_dir):
    names = datasets.describe("spotted_tiles", tiles_dir).attribute_names
    assert names == ("Blue", "Green", "Red")
    assert datasets.describe("mnist_small", data_dir).attribute_names is None


@pytest.mark.parametrize("order", [{}, {"shuffle": True}, {"shuffle": True, "repeat": True}])
@pytest.mark.parametrize("form", [{}, {"image_size": 4}])
def test_attributes_stay_with_their_images(load, order, form):
    dataset = load(with_attributes=True, batch_size=16, **order, **form)
    for images, attributes in _take(dataset, 5):
        assert attributes.dtype == np.bool_ and attributes.shape == (len(images), 3)
        np.testing.assert_array_equal(attributes, _shown(images))


def test_the_open_data_set_gives_the_same(load, tiles_dir):
    tiles = datasets.open("spotted_tiles", data_dir=tiles_dir)
    options = {"shuffle": True, "repeat": True, "batch_size": 16, "seed": 3}
    asked = _take(tiles.attributes(**options), 3)
    assert len(asked) == 3
    _assert_equal_batches(asked, _take(load(with_attributes=True, **options), 3))


def test_images_and_order_are_those_without_attributes(load):
    options = {"shuffle": True, "repeat": True, "batch_size": 16, "seed": 3}
    with_attributes = _take(load(with_attributes=True, **options), 6)
    with_labels = _take(load(with_labels=True, **options), 6)
    images_alone = _take(load(**options), 6)
    for (images, _), (labelled_images, _), expected in zip(
        with_attributes, with_labels, images_alone, strict=True
    ):
        np.testing.assert_array_equal(images, expected)
        np.testing.assert_array_equal(labelled_images, expected)
    resumed = load(with_attributes=True, first_step=2, **options)
    _assert_equal_batches(_take(resumed, 4), with_attributes[2:])


# === On disk ===


def test_sets_too_large_for_memory_keep_their_attributes_on_disk(load, monkeypatch, capsys):
    options = {"with_attributes": True, "shuffle": True, "repeat": True, "batch_size": 16}
    expected = _take(load(**options), 5)
    datasets.clear_memory()
    monkeypatch.setattr(memory, "MAX_BYTES_IN_MEMORY", 40 * 8 * 8 * 3 - 1)
    _assert_equal_batches(_take(load(**options), 5), expected)
    assert "Decoding the images of 'spotted_tiles', once." in capsys.readouterr().err
    datasets.clear_memory()
    _assert_equal_batches(_take(load(**options), 5), expected)
    assert "Decoding" not in capsys.readouterr().err


def test_copies_from_before_there_were_attributes_are_made_anew(load, tiles_dir):
    options = {"with_attributes": True, "image_size": 5}
    expected = _take(load(**options), 1)
    datasets.clear_memory()
    (attributes,) = (
        path
        for path in tiles_dir.glob("zoo_decoded/*/attributes.npy")
        if (path.parent / "images.bin").stat().st_size == 40 * 5 * 5 * 3
    )
    notes = attributes.parent / "notes.json"
    identity = json.loads(notes.read_text())
    assert identity.pop() == ["Blue", "Green", "Red"]
    notes.write_text(json.dumps(identity))
    attributes.unlink()
    _assert_equal_batches(_take(load(**options), 1), expected)
    assert attributes.exists()


def test_copies_that_lack_a_file_are_made_anew(load, tiles_dir):
    options = {"with_attributes": True, "image_size": 6}
    expected = _take(load(**options), 1)
    datasets.clear_memory()
    (images,) = (
        path
        for path in tiles_dir.glob("zoo_decoded/*/images.bin")
        if path.stat().st_size == 40 * 6 * 6 * 3
    )
    attributes = images.with_name("attributes.npy")
    attributes.unlink()
    _assert_equal_batches(_take(load(**options), 1), expected)
    assert attributes.exists()


# === Errors ===


def test_labels_and_attributes_at_once_are_refused(load):
    with pytest.raises(ValueError, match=r"^load gives either labels or attributes; .* Received"):
        load(with_labels=True, with_attributes=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "mnist_small",
            r"^'mnist_small' has no attributes, only labels; use a data set that has "
            r"attributes, or in Python with_labels=True\.$",
        ),
        ("celeb_a_hq", r"^'celeb_a_hq' has no attributes; use it without, or use a data set that"),
        ("measured_tiles", r"^'measured_tiles' has no attributes; use it without"),
    ],
)
def test_attributes_asked_of_a_set_without_are_refused(tmp_path, name, message):
    with pytest.raises(ValueError, match=message):
        datasets.load(name, with_attributes=True, data_dir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_attributes_asked_of_a_folder_are_refused(tmp_path):
    (tmp_path / "tile.png").write_bytes(encoded(Image.fromarray(noise(0)), "PNG"))
    with pytest.raises(ValueError, match=r"has no attributes, for a folder has none; use it"):
        datasets.load(f"folder:{tmp_path}", with_attributes=True, image_size=8)
