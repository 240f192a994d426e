"""What recipes ask of images: the form that they are brought to, and which splits a folder has."""

import dataclasses

import pytest
import tensorflow_datasets as tfds

from benchmarks.registry import RECIPES
from recipes.common.images import splits_of_folder, told_split
from recipes.common.modes import ModeCoverage
from tests.datasets.picture_files import save_pictures

# Data whose modes are known are drawn.
WITH_IMAGES = [
    name for name, recipe in RECIPES.items() if not isinstance(recipe.family, ModeCoverage)
]
WITH_SPLITS = [name for name in WITH_IMAGES if name != "cyclegan"]


@pytest.mark.parametrize("recipe", WITH_IMAGES)
def test_a_call_of_no_steps_is_refused(recipe):
    values = RECIPES[recipe].preset("quick", RECIPES[recipe].dataset)
    dataclasses.replace(values, steps_per_execution=5).check()
    with pytest.raises(ValueError, match="steps_per_execution must be positive. Received: 0"):
        dataclasses.replace(values, steps_per_execution=0).check()


@pytest.mark.parametrize(
    ("folders", "watched", "tested"),
    [
        ((), "validation", "test"),
        (("cat", "dog"), "validation", "test"),
        (("train", "val", "test"), "validation", "test"),
        (("train", "Testing"), "test", "test"),
        (("train", "dev"), "validation", "validation"),
        (("train", "val", "valid"), "validation", "test"),  # whatever opens it refuses it
        (None, "validation", "test"),
    ],
)
@pytest.mark.parametrize("recipe", WITH_SPLITS)
def test_presets_watch_and_test_on_the_splits_there_are(tmp_path, recipe, folders, watched, tested):
    for name in folders or ():
        (tmp_path / "pictures" / name).mkdir(parents=True)
    if folders == ():
        (tmp_path / "pictures").mkdir()
    dataset = f"folder:{tmp_path / 'pictures'}"
    splits = {"train_split": "train", "validation_split": watched, "test_split": tested}
    assert splits_of_folder(dataset) == splits
    for preset in ("quick", "paper"):
        values = RECIPES[recipe].preset(preset, dataset)
        assert (values.train_split, values.dataset) == ("train", dataset)
        own = values.validation_split.partition("[")[0], values.test_split.partition("[")[0]
        assert own == (watched, tested)


@pytest.mark.parametrize("recipe", WITH_IMAGES)
def test_options_are_those_that_do_something(recipe):
    values = RECIPES[recipe].preset("quick", "folder:pictures")
    assert values.image_options == {"image_size": values.image_size}
    values = dataclasses.replace(values, image_size=None, drop_duplicates="near")
    assert values.image_options == {"drop_duplicates": "near"}
    values = dataclasses.replace(values, drop_duplicates="none", value_range="-1000,3000")
    assert values.image_options == {"value_range": (-1000.0, 3000.0)}
    assert dataclasses.replace(values, value_range="data").image_options == {"value_range": "data"}
    for wrong in ("4095", "9,1", "a,b", "1,2,3", "0,inf", ""):
        with pytest.raises(ValueError, match="value_range must be none, data or BLACK,WHITE"):
            RECIPES[recipe].check(dataclasses.replace(values, value_range=wrong))


def test_a_folder_is_opened_so(tmp_path, monkeypatch):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    save_pictures(tmp_path / "pictures", 20)
    values = RECIPES["dcgan_svhn"].preset("quick", f"folder:{tmp_path / 'pictures'}")
    values = dataclasses.replace(values, image_size=16, value_range="0,4095")
    (scan,) = values.open_images().scans
    assert (scan.image_shape, scan.value_range) == ((16, 16, 3), (0, 4095))


def test_what_is_for_folders_is_refused_for_others():
    values = RECIPES["dcgan_svhn"].preset("quick", "mnist_small")
    for name, value in (("drop_duplicates", "near"), ("value_range", "data")):
        with pytest.raises(ValueError, match=f"{name} is for folders of images"):
            dataclasses.replace(values, **{name: value}).open_images()


def test_a_moved_folder_is_called_the_same_in_stamps():
    names = {told_split(f"folder:{path}", "validation", "0123456789abcdef") for path in ("a", "b")}
    assert names == {"folder 0123456789ab validation"}
    assert told_split("folder:a", "validation", "fedcba9876543210") not in names
    assert told_split("mnist_small", "test", "0123456789abcdef") == "mnist_small test"
