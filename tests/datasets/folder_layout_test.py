"""What the folders within a folder mean: splits that are kept apart, classes that give labels."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.picture_files import noise, save_pictures
from zoo import datasets
from zoo.datasets.folder_layout import find_layout

SIDE = 24
VALIDATION = ("val", "valid", "validation", "dev", "eval", "Val", "DEV", "evaluation")
TEST = ("test", "testing", "TEST", "Testing")


@pytest.fixture
def make(tmp_path):
    """Makes a folder of pictures: so many in each place, all different."""

    def make_folder(name: str = "pictures", **counts: int) -> Path:
        first_seed = 0
        for place, count in counts.items():
            folder = tmp_path / name / place.replace("__", "/")
            save_pictures(folder, count, first_seed=first_seed)
            first_seed += count
        return tmp_path / name

    return make_folder


@pytest.fixture
def open_folder(tmp_path):
    def open_pictures(folder: Path) -> datasets.ImageDataset:
        return datasets.open(folder, image_size=SIDE, data_dir=tmp_path / "data")

    return open_pictures


def seeds_of(images) -> list[int]:
    """Tells which pictures these are: the seeds that `make` counted up."""
    as_bytes = np.rint((np.asarray(images) + 1) * 127.5).astype(np.uint8)
    known = {noise(seed).tobytes(): seed for seed in range(200)}
    return [known[image.tobytes()] for image in as_bytes]


def labels_by_seed(opened: datasets.ImageDataset, split: str = "all") -> dict[int, int]:
    found = {}
    for images, labels in opened.labelled(split):
        assert labels.dtype == np.int32
        found |= dict(zip(seeds_of(images), labels.numpy().tolist(), strict=True))
    return found


# === Splits ===


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        *((("train", name), {"train": "train", "validation": name}) for name in VALIDATION),
        *((("Train", name), {"train": "Train", "test": name}) for name in TEST),
        (("train", "val", "eval"), {"train": "train", "validation": "val", "test": "eval"}),
        (("train", "eval", "test"), {"train": "train", "validation": "eval", "test": "test"}),
        (("train2017", "val2017"), {"train": "train2017", "validation": "val2017"}),
        (("seg_train", "seg_test"), {"train": "seg_train", "test": "seg_test"}),
        (("training_set", "testset"), {"train": "training_set", "test": "testset"}),
        (("val", "test"), {"validation": "val", "test": "test"}),
        (("train", "test", "train_masks"), {"train": "train", "test": "test"}),
        (("val",), {"validation": "val"}),
        (("train",), {}),
        # A class of the PASCAL sets is called so.
        (("bus", "train"), {}),
        (("cat", "test"), {}),
        (("train_station", "test_tube", "bus"), {}),
        (
            ("trainA", "TrainB", "test_a"),
            {"trainA": "trainA", "trainB": "TrainB", "testA": "test_a"},
        ),
        (("trainA", "trainB", "train", "test"), {"trainA": "trainA", "trainB": "trainB"}),
        (("train", ".test"), {}),
    ],
)
def test_names_of_splits(tmp_path, names, expected):
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / "test.png").write_text("no folder")
    layout = find_layout("name", tmp_path)
    assert layout.folders == expected and list(layout.folders) == list(expected)
    assert layout.splits == (tuple(expected) or ("train", "validation", "test"))


@pytest.mark.parametrize(
    "counts",
    [
        {"train": 16, "Dev": 5},
        {"train2017": 16, "val2017": 3, "test2017": 2},
        {"trainA": 16, "TrainB": 3, "testA": 1, "testb": 2},
    ],
)
def test_splits_are_kept_apart(make, open_folder, counts):
    opened = open_folder(make(**counts))
    splits, first_seed = opened.description.num_examples, 0
    assert list(splits.values()) == list(counts.values())
    for split, count in splits.items():
        seeds = sorted(seeds_of(next(iter(opened.batches(split)))))
        assert seeds == list(range(first_seed, first_seed + count))
        first_seed += count


@pytest.mark.parametrize("counts", [{"train": 40}, {"bus": 20, "train": 20}])
def test_one_name_of_a_split_alone_is_none(make, open_folder, counts):
    opened = open_folder(make(**counts))
    assert set(opened.description.num_examples) == {"train", "validation", "test"}
    assert len(set(seeds_of(next(iter(opened.batches("all")))))) == 40


@pytest.mark.parametrize("name", ["val", "test"])
def test_a_split_that_is_none_to_train_on_is_not_trained_on(make, open_folder, name):
    opened = open_folder(make(**{name: 20}))
    with pytest.raises(ValueError, match=rf"has no split 'train', for its images lie in '{name}'"):
        opened.batches("train")
    assert len(open_folder(make() / name).batches("train[:3]")) == 1


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (
            {"train": 16, "val": 3, "valid": 3},
            r"^Both 'val' and 'valid' in 'folder:.*' would be the split 'validation'; rename one",
        ),
        (
            {"sub__train": 16, "sub__val": 3},
            r"would mix 'train' and 'val', which lie in its folder 'sub'; give 'folder:.*/sub'",
        ),
        (
            {"cat__train": 16, "cat__test": 3, "dog__train": 16, "dog__test": 3},
            r"would mix 'train' and 'test', which lie in its folder 'cat'; .* or sort all images",
        ),
    ],
)
def test_splits_that_would_be_mixed_are_refused_before_any_is_read(
    tmp_path, make, open_folder, counts, message
):
    opened = open_folder(make(**counts))
    with pytest.raises(ValueError, match=message):
        opened.batches("train")
    assert not (tmp_path / "data").exists()


# === Classes ===


def test_folders_are_classes_in_the_order_of_their_names(make, open_folder):
    folder = make(Zebra=8, cat=8, ant__red__small=3, ant__black=2)
    (folder / ".hidden").mkdir()
    (folder / "empty").mkdir()
    (folder / "notes").mkdir()
    (folder / "notes" / "a.txt").write_text("no picture")
    (folder / "README.md").write_text("no picture")
    opened = open_folder(folder)
    assert opened.description.class_names == ("Zebra", "ant", "cat")
    assert labels_by_seed(opened) == {
        seed: label for seed, label in zip(range(21), [0] * 8 + [2] * 8 + [1] * 5, strict=True)
    }


def test_each_split_has_the_classes_of_the_training_images(make, open_folder):
    opened = open_folder(make(train__a=9, train__b=4, train__test=3, val__test=2, val__b=1))
    assert opened.description.class_names == ("a", "b", "test")
    assert labels_by_seed(opened, "validation") == {16: 2, 17: 2, 18: 1}
    assert list(labels_by_seed(opened, "train").values()).count(2) == 3


def test_a_lone_train_is_no_class(make, open_folder):
    assert open_folder(make(train__a=9, train__b=9)).description.class_names == ("a", "b")


def test_labels_stay_with_their_images_when_doubles_are_dropped(tmp_path, make):
    folder = make(a=10, b=10)
    (folder / "b" / "copy.png").write_bytes((folder / "a" / "00003.png").read_bytes())
    opened = datasets.open(
        folder, image_size=SIDE, drop_duplicates="exact", data_dir=tmp_path / "data"
    )
    assert labels_by_seed(opened) == {seed: int(seed >= 10) for seed in range(20)}


def test_few_labels_are_drawn_from_the_classes(make, open_folder):
    opened = open_folder(make(a=20, b=12, train=9))
    (labelled, labels), unlabelled = next(iter(opened.few_labels(6, "all", batch_size=6)))
    assert sorted(labels.numpy()) == [0, 0, 1, 1, 2, 2]
    truth = labels_by_seed(opened)
    assert [truth[seed] for seed in seeds_of(labelled)] == labels.numpy().tolist()
    assert not set(seeds_of(labelled)) & set(seeds_of(unlabelled))
    with pytest.raises(ValueError, match="num_labels=7 can't be shared equally among 3 classes"):
        opened.few_labels(7)


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        ({"": 20}, "it has no folders of classes;"),
        ({"train": 16, "test": 4}, "it has no folders of classes;"),
        ({"train__a": 8, "train__b": 8, "val": 3}, r"it has 3 images \(of 19\) in no class's fo"),
        ({"a": 8, "b": 8, "": 1}, r"it has 1 image \(of 17\) in no class's folder, such as '0001"),
        ({"train__a": 8, "train__b": 8, "val__c": 3}, "'val' has a class 'c', which 'train' has n"),
        ({"photos": 20}, "all its images are of one class, 'photos';"),
        ({"trainA__a": 9, "trainA__b": 9, "trainB": 9}, "it has two domains;"),
    ],
)
def test_what_gives_no_labels_is_named_and_gives_images_all_the_same(
    make, open_folder, counts, why
):
    opened = open_folder(make(**counts))
    split = "trainA" if "trainB" in counts else "train"
    for ask in (lambda: opened.labelled(split), lambda: opened.few_labels(10, split)):
        with pytest.raises(ValueError, match=rf"^'folder:.*' has no labels, for {why}") as error:
            ask()
        assert "\n" not in str(error.value)
    assert opened.description.class_names is None
    assert opened.description.num_examples[split]


def test_moving_an_image_to_another_class_changes_the_fingerprint(make, open_folder):
    folder = make(a=10, b=10)
    before = open_folder(folder).description.fingerprint
    os.rename(folder / "a" / "00000.png", folder / "a" / "renamed.png")
    assert open_folder(folder).description.fingerprint == before
    os.rename(folder / "a" / "renamed.png", folder / "b" / "renamed.png")
    assert open_folder(folder).description.fingerprint != before


# === What is told ===


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        (
            {"": 20},
            "20 images used (split by content: train 14, validation 2, test 4), no classes, "
            "0 files skipped.",
        ),
        (
            {"train__cat": 10, "train__dog": 6, "Val__cat": 3},
            "19 images used (train 16, validation 3 of 'Val'), 2 classes ('cat', 'dog'), "
            "0 files skipped.",
        ),
        (
            {"train": 16, "test": 2, "other": 3},
            "18 images used (train 16, test 2), no classes, 3 files skipped.",
        ),
        (
            {"train__a": 8, "train__b": 8, "val": 3},
            "19 images used (train 16, validation 3 of 'val'), no classes, for it has 3 images "
            "(of 19) in no class's folder, such as 'val/00016.png', 0 files skipped.",
        ),
        (
            {f"class_{number:02}": 2 for number in range(12)},
            "12 classes ('class_00', 'class_01', 'class_02', 'class_03', 'class_04', 'class_05', "
            "'class_06', 'class_07', ...), 0 files skipped.",
        ),
    ],
)
def test_one_line_says_once_how_a_folder_was_read(make, open_folder, capsys, counts, line):
    folder = make(**counts)
    (scan,) = open_folder(folder).scans
    told = [each for each in capsys.readouterr().err.splitlines() if "used" in each]
    assert len(told) == 1 and told[0].startswith(f"{folder}: ") and told[0].endswith(line)
    assert scan.first_line() == told[0]
    assert open_folder(folder).scans == (scan,)
    assert "used" not in capsys.readouterr().err
