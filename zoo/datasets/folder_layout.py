"""What the folders within a folder of images are by their names: splits, domains, classes.

Splits are folders such as `train` beside `val` or `test`, domains `trainA`, `trainB`, `testA` and
`testB`, in any case. Below them, or at the top if there are none, a folder is a class, as for
`keras.utils.image_dataset_from_directory` and torchvision's `ImageFolder`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np

from zoo.common.messages import counted, listed, printable

SPLITS = ("train", "validation", "test")
DOMAIN_SPLITS = ("trainA", "trainB", "testA", "testB")
NO_FOLDERS = "it has no folders of classes"
_IN_ORDER = (*SPLITS, "trainA", "trainB", "validationA", "validationB", "testA", "testB")
_OF_EITHER_USE = ("eval", "evaluation")  # Beside a `val` they are what is tested on.
_NAMES = {
    **dict.fromkeys(("train", "training", "trainset"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "valset", "dev", "devset"), "validation"),
    **dict.fromkeys(_OF_EITHER_USE, "validation"),
    **dict.fromkeys(("test", "testing", "testset"), "test"),
}


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a folder of images is divided.

    Attributes:
        folders: of each split, the folder that holds it; empty if the images are in none.
        has_domains: whether the splits are those of two domains.
        top: the folder below which all images lie that are in no split; "" for the whole.
    """

    folders: dict[str, str]
    has_domains: bool = False
    top: str = ""

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that there are; those into which the images are drawn if none is given."""
        return tuple(self.folders) or SPLITS

    def split_of(self, path: str) -> str | None:
        """Names the split of a file within the folder; None if it is in none."""
        first = path.partition("/")[0]
        return next((split for split, folder in self.folders.items() if folder == first), None)

    def class_of(self, path: str) -> str | None:
        """Names the class of a file within the folder; None if it lies in no class's folder."""
        parts = path.split("/")[:-1]
        if self.folders or (self.top and parts[:1] == [self.top]):
            parts = parts[1:]
        return parts[0] if parts else None


def find_layout(name: str, path: Path) -> Layout:
    """Tells how a folder is divided, by the names of the folders in it.

    Names that say more than a split, such as `val2017` or `seg_test`, count if no other folder is
    beside them. A lone `train` is split as if it were the whole; a lone `val` or `test` is none to
    train on.

    Args:
        name: of the data set, for messages.
        path: of the folder.

    Raises:
        ValueError: if two folders would be the same split.
        OSError: if the folder can't be read.
    """
    with os.scandir(path) as entries:
        names = sorted(each.name for each in entries if _is_folder(each))
    domains = _found(names, _domain_split_of, name)
    if len(domains) > 1:
        return Layout(domains, has_domains=True)
    found = _found_splits(names, name)
    if len(found) > 1 or (found and names == list(found.values()) and "train" not in found):
        return Layout(found)
    return Layout({}, top=names[0] if found and len(names) == 1 else "")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with contextlib.suppress(OSError):  # of a link to itself
        return entry.is_dir() and not entry.name.startswith(".")
    return False


def check_none_below(name: str, paths: Iterable[str]) -> None:
    """Refuses splits that lie deeper, and would be mixed.

    Args:
        name: of the data set, for the message.
        paths: of all files.

    Raises:
        ValueError: naming the folder to give instead.
    """
    within: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        parts = path.split("/")[:-1]
        for number in range(1, len(parts)):
            within["/".join(parts[:number])].add(parts[number])
    for folder in sorted(within):
        found = _found_splits(sorted(within[folder]), f"{name}/{folder}")
        if len(found) > 1:
            raise ValueError(
                f"{name!r} would mix {listed(found.values(), ' and ')}, which lie in its folder "
                f"{printable(folder)!r}; give {f'{name}/{printable(folder)}'!r}, or sort all "
                "images into train, validation and test first."
            )


def _found_splits(names: Sequence[str], of: str) -> dict[str, str]:
    """Gives the folder of each split among these."""
    splits = {name: _NAMES.get(name.lower()) for name in names}
    if len(set(splits.values()) - {None}) < 2:
        loosely = {name: _split_named_in(name) for name in names}
        if None not in loosely.values() and len(set(loosely.values())) > 1:
            splits = loosely
    if list(splits.values()).count("validation") > 1:
        for name in names:
            if splits[name] == "validation" and not set(_words(name)).isdisjoint(_OF_EITHER_USE):
                splits[name] = "test"
    return _found(names, splits.get, of)


def _split_named_in(name: str) -> str | None:
    """Gives the split that is one of the words of a name; None if there is none, or several."""
    splits = {_NAMES[word] for word in _words(name) if word in _NAMES}
    return splits.pop() if len(splits) == 1 else None


def _words(name: str) -> list[str]:
    return re.split(r"[\W\d_]+", name.lower())


def _domain_split_of(name: str) -> str | None:
    found = re.fullmatch(rf"({'|'.join(_NAMES)})[ _-]?([ab])", name, re.IGNORECASE)
    return _NAMES[found[1].lower()] + found[2].upper() if found else None


def _found(names: Sequence[str], split_of, of: str) -> dict[str, str]:
    folders: dict[str, str] = {}
    for name in names:
        split = split_of(name)
        if split is None:
            continue
        if split in folders:
            raise ValueError(
                f"Both {folders[split]!r} and {name!r} in {of!r} would be the split {split!r}; "
                "rename one, or put them together."
            )
        folders[split] = name
    return {split: folders[split] for split in _IN_ORDER if split in folders}


# === Classes ===


@dataclasses.dataclass(frozen=True, eq=False)
class Classes:
    """The classes of all images of a folder.

    Attributes:
        names: sorted; None if the images have no labels.
        labels: int32, the number of each image's class; None likewise.
        why_none: why there are no labels; "" if there are.
    """

    names: tuple[str, ...] | None
    labels: np.ndarray | None
    why_none: str = ""


def find_classes(layout: Layout, paths: Sequence[str]) -> Classes:
    """Gives the classes of images, which are the folders that hold them, at the top or in a split.

    Args:
        layout: of the folder.
        paths: of the images that can be used.
    """
    if layout.has_domains:
        return Classes(None, None, "it has two domains")
    classes = [layout.class_of(path) for path in paths]
    loose = [path for path, name in zip(paths, classes, strict=True) if name is None]
    if len(loose) == len(paths):
        return Classes(None, None, NO_FOLDERS)
    if loose:
        number = f"{counted(len(loose), 'image')} (of {len(paths):,})"
        example = printable(loose[0])
        return Classes(None, None, f"it has {number} in no class's folder, such as {example!r}")
    splits = [layout.split_of(path) for path in paths]
    names = _class_names(classes, splits)
    unknown = next((n for n, name in enumerate(classes) if name not in names), None)
    if unknown is not None:
        own, of_train = layout.folders[splits[unknown]], layout.folders["train"]
        missing = printable(classes[unknown])
        return Classes(None, None, f"{own!r} has a class {missing!r}, which {of_train!r} has not")
    if len(names) == 1:
        return Classes(None, None, f"all its images are of one class, {printable(names[0])!r}")
    numbers = {name: number for number, name in enumerate(names)}
    labels = np.array([numbers[name] for name in classes], np.int32)
    return Classes(tuple(map(printable, names)), labels)


def _class_names(classes: Sequence[str], splits: Collection[str | None]) -> tuple[str, ...]:
    """Gives the classes of the training images, or of all if there is no split to train on."""
    of_train = {name for name, split in zip(classes, splits, strict=True) if split == "train"}
    return tuple(sorted(of_train or set(classes)))
