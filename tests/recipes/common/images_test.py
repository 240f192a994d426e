"""What recipes ask of images: the form that they are brought to, and which splits a folder has."""

import dataclasses

import pytest

from benchmarks.registry import RECIPES
from recipes.common.images import splits_of_folder

WITH_SPLITS = [name for name in RECIPES if name != "cyclegan"]


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


@pytest.mark.parametrize("recipe", RECIPES)
def test_options_are_those_that_do_something(recipe):
    values = RECIPES[recipe].preset("quick", "folder:pictures")
    assert values.image_options == {"image_size": values.image_size}
    values = dataclasses.replace(values, image_size=None, drop_duplicates="near")
    assert values.image_options == {"drop_duplicates": "near"}


def test_doubles_are_dropped_of_folders_alone():
    values = RECIPES["dcgan_svhn"].preset("quick", "mnist_small")
    with pytest.raises(ValueError, match="drop_duplicates is for folders of images"):
        dataclasses.replace(values, drop_duplicates="near").open_images()
