"""Two folders of images as one data set of two domains, with the splits `trainA`, `trainB`, ..."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from pathlib import Path

from zoo.datasets import memory
from zoo.datasets.description import DatasetDescription
from zoo.datasets.folder import PREFIX, FolderSource
from zoo.datasets.folder_scan import FolderScan

_DOMAINS = ("A", "B")


def names_two_folders(name: str) -> bool:
    """Whether a name is `"folder:PATH,PATH"`; a comma may also be a part of one folder's name."""
    path = name.removeprefix(PREFIX)
    return "," in path and not Path(path).expanduser().is_dir()


class TwoFoldersSource:
    """Two folders as an `ImageDataset` sees them; arguments as for `open`.

    Split `trainA` is the split `train` of the first folder, `testB` the split `test` of the second.
    """

    class_names = None
    is_resized = True

    def __init__(self, name: str, *arguments):
        paths = name.removeprefix(PREFIX).split(",")
        if len(paths) != len(_DOMAINS):
            raise ValueError(
                f"{name!r} names {len(paths)} folders; write 'folder:PATH,PATH', one a domain."
            )
        self._name = name
        self._folders = {
            domain: FolderSource(f"{PREFIX}{path.strip()}", *arguments)
            for domain, path in zip(_DOMAINS, paths, strict=True)
        }

    def check(self, split: str, with_labels: bool, with_attributes: bool) -> None:
        """Raises a ValueError for what can be refused before any file is read."""
        folder, split_of_folder = self._found(split)
        if with_labels:
            raise ValueError(
                f"{self._name!r} has no labels, only a domain in each folder; use it without, or "
                "open one folder alone."
            )
        folder.check(split_of_folder, with_labels, with_attributes)

    def decode(self, split: str) -> memory.DecodedSplit:
        """Gives all images of a split."""
        folder, split_of_folder = self._found(split)
        return folder.decode(split_of_folder)

    def describe(self) -> DatasetDescription:
        """Tells what both folders hold."""
        described = {domain: folder.describe() for domain, folder in self._folders.items()}
        fingerprints = "\n".join(each.fingerprint for each in described.values())
        return dataclasses.replace(
            described["A"],
            name=self._name,
            class_names=None,
            num_examples={
                f"{split}{domain}": number
                for domain, each in described.items()
                for split, number in each.num_examples.items()
            },
            fingerprint=hashlib.sha256(fingerprints.encode()).hexdigest(),
        )

    def scans(self) -> tuple[FolderScan, ...]:
        """Tells which files of each folder can be used."""
        return tuple(folder.scan() for folder in self._folders.values())

    def _found(self, split: str) -> tuple[FolderSource, str]:
        found = re.fullmatch(r"(\w+)([AB])(\[.*\])?", str(split))
        if found is None:
            raise ValueError(
                f"{self._name!r} has a domain in each folder; end the name of one split in A or "
                f"B, such as 'trainA' or 'testB[:10]'. Received: split={split!r}."
            )
        name, domain, part = found.groups(default="")
        return self._folders[domain], f"{name}{part}"
