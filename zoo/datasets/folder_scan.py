"""What is in a folder of images, told in words and in a list of files."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from zoo.common.files import write_atomically
from zoo.common.messages import counted, listed, printable
from zoo.datasets import folder_layout
from zoo.datasets.decoding import FULL_RANGE, Levels
from zoo.datasets.listing import SkippedFile

REASONS_IN_SUMMARY = 5
_CLASSES_IN_SUMMARY = 8


class DuplicateFile(NamedTuple):
    """A file that is there already.

    Attributes:
        path: within the folder.
        original: the first file of which it is a copy, or which it looks like.
        is_exact: whether the two have the same bytes.
    """

    path: str
    original: str
    is_exact: bool


class DeepFile(NamedTuple):
    """A file of more than 8 bits that comes out darker than it need, or is cut.

    Attributes:
        path: within the folder.
        lowest: of the values of its pixels.
        highest: likewise.
        is_coarse: whether it has 16 bits a colour, of which the upper 8 are used.
        remark: what is so of it.
    """

    path: str
    lowest: float
    highest: float
    is_coarse: bool
    remark: str


@dataclasses.dataclass(frozen=True)
class FolderScan:
    """What is in a folder of images.

    Attributes:
        path: of the folder, absolute.
        image_shape: (height, width, channels) to which the images were made.
        files: paths within the folder of the images that are used, ordered by their bytes.
        num_examples: used images in each split.
        split_folders: of each split, the folder in which its images lie; empty if the images were
            not sorted into splits, but split by their content.
        class_names: one a label, those of the folders in which the images lie; None without labels.
        why_no_classes: why there are no labels; "" if there are.
        skipped: files and folders that can't be used, each with the reason.
        duplicates: files of which the bytes are those of an earlier one, and files that look like
            an earlier one.
        drop_duplicates: which of these were left out: `"none"`, `"exact"` or `"near"` (both).
        value_range: which values of grey files of more than 8 bits become black and white.
        deep_files: files of 16 bits that fill less than half of their range, and if a `value_range`
            was given those with values outside of that.
        num_enlarged: images, of all that can be used, that were smaller than `image_shape`.
        fingerprint: SHA-256 over the content of the used files, their splits, their classes and
            `image_shape`.
    """

    path: Path
    image_shape: tuple[int, int, int]
    files: tuple[str, ...]
    num_examples: dict[str, int]
    split_folders: dict[str, str]
    class_names: tuple[str, ...] | None
    why_no_classes: str
    skipped: tuple[SkippedFile, ...]
    duplicates: tuple[DuplicateFile, ...]
    drop_duplicates: str
    value_range: tuple[float, float]
    deep_files: tuple[DeepFile, ...]
    num_enlarged: int
    fingerprint: str

    @property
    def num_exact_duplicates(self) -> int:
        """Files whose bytes are those of an earlier one."""
        return sum(duplicate.is_exact for duplicate in self.duplicates)

    @property
    def num_near_duplicates(self) -> int:
        """Further files that look like an earlier one."""
        return len(self.duplicates) - self.num_exact_duplicates

    def first_line(self) -> str:
        """Tells in one line how the folder was read: splits, classes, images, files skipped."""
        in_splits = ", ".join(
            f"{split} {number:,}{self._place_of(split)}"
            for split, number in self.num_examples.items()
        )
        how = "" if self.split_folders else "split by content: "
        return (
            f"{printable(os.fspath(self.path))}: {counted(len(self.files), 'image')} used "
            f"({how}{in_splits}), {self._classes_in_words()}, "
            f"{counted(len(self.skipped), 'file')} skipped."
        )

    def _place_of(self, split: str) -> str:
        folder = self.split_folders.get(split, split)
        return "" if folder == split else f" of {printable(folder)!r}"

    def _classes_in_words(self) -> str:
        if self.class_names is None:
            is_obvious = self.why_no_classes == folder_layout.NO_FOLDERS
            return "no classes" if is_obvious else f"no classes, for {self.why_no_classes}"
        names = self.class_names
        shown = listed(names[:_CLASSES_IN_SUMMARY]) + ", ..." * (len(names) > _CLASSES_IN_SUMMARY)
        return f"{len(names):,} classes ({shown})"

    def summary(self) -> str:
        """Tells in a few lines what is used, what is not, and why."""
        lines = [self.first_line()]
        kinds = Counter(file.reason.partition(":")[0] for file in self.skipped)
        lines += [f"  {n:,} {kind}" for kind, n in kinds.most_common(REASONS_IN_SUMMARY)]
        num_others = sum(n for _, n in kinds.most_common()[REASONS_IN_SUMMARY:])
        lines += [f"  {num_others:,} for other reasons"] if num_others else []
        if self.duplicates:
            lines.append(
                f"  {self.num_exact_duplicates:,} equal to another file and "
                f"{self.num_near_duplicates:,} more that look like one; dropped: "
                f"{self.drop_duplicates}."
            )
        lines += self.lines_of_deep_files()
        if self.num_enlarged:
            height, width, _ = self.image_shape
            lines.append(f"  {self.num_enlarged:,} enlarged, being smaller than {width}x{height}.")
        return "\n".join(lines)

    def lines_of_deep_files(self) -> list[str]:
        """Says what is lost of files of more than 8 bits, and what to do; empty if nothing is."""
        lines = []
        grey = [file for file in self.deep_files if not file.is_coarse]
        coarse = [file for file in self.deep_files if file.is_coarse]
        if grey and self.value_range == FULL_RANGE:
            highest = max(file.highest for file in grey)
            white = 2 ** max(8, int(highest).bit_length()) - 1
            lines.append(
                f"  {len(grey):,} of 16 bits come out dark, for they go to {highest} of "
                f"{FULL_RANGE[1]}; give value_range=(0, {white}) or 'data', with a recipe "
                f"--set value_range=0,{white} or data."
            )
        elif grey:
            lines.append(
                f"  {len(grey):,} with values outside of {shown_range(self.value_range)}, which "
                "are cut."
            )
        if coarse:
            highest = max(file.highest for file in coarse)
            lines.append(
                f"  {len(coarse):,} of 16 bits a colour come out dark, for they go to {highest} of "
                f"{FULL_RANGE[1]}, and the upper 8 bits are used; save them in 8 bits."
            )
        return lines

    def write_report(self, path: str | os.PathLike[str]) -> None:
        """Lists what is skipped, doubled or dark, one row a file: path, used, remark.

        Args:
            path: a file that ends in `.csv` or `.json`, to create or replace.

        Raises:
            ValueError: if it ends in something else.
            OSError: if it can't be written.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in (".csv", ".json"):
            raise ValueError(
                f"The report's name must end in .csv or .json. Received: {os.fspath(path)!r}"
            )
        rows = self.report_rows()
        if suffix == ".json":
            write_atomically(path, json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
            return
        table = io.StringIO()
        writer = csv.DictWriter(table, ["path", "used", "remark"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "used": "yes" if row["used"] else "no"} for row in rows)
        write_atomically(path, table.getvalue())

    def report_rows(self) -> list[dict[str, str | bool]]:
        """Gives what `write_report` writes: `path`, whether it is `used`, and a `remark`."""
        used = set(self.files)
        remarks = defaultdict(list)
        for path, reason in self.skipped:
            remarks[path].append(reason)
        for path, original, is_exact in self.duplicates:
            remarks[path].append(
                f"{'equal to' if is_exact else 'looks like'} {printable(original)}"
            )
        for file in self.deep_files:
            remarks[file.path].append(file.remark)
        rows = [
            {"path": printable(path), "used": path in used, "remark": "; ".join(of_file)}
            for path, of_file in remarks.items()
        ]
        return sorted(rows, key=lambda row: row["path"])


# === Files of more than 8 bits ===


def deep_files(
    paths: Sequence[str], levels: Mapping[int, Levels], value_range: tuple[float, float] | None
) -> tuple[DeepFile, ...]:
    """Lists the files of more than 8 bits that fill less than half of the range, or go beyond it.

    Args:
        paths: of all files.
        levels: number of each file of more than 8 bits → the values that it has.
        value_range: that was asked for; None for 0 to 65535.
    """
    files = []
    for number, (lowest, highest, is_coarse) in levels.items():
        remark = ""
        if is_coarse:
            lowest, highest = 256 * lowest, 256 * highest + 255  # the lower 8 bits are not known
        if is_coarse or value_range is None:
            if 2 * highest <= FULL_RANGE[1]:
                remark = f"maximum {highest} of {FULL_RANGE[1]}"
        elif lowest < value_range[0] or highest > value_range[1]:
            remark = f"values {shown_range((lowest, highest))}, cut to {shown_range(value_range)}"
        if remark:
            files.append(DeepFile(paths[number], lowest, highest, is_coarse, remark))
    return tuple(files)


def shown_range(limits: tuple[float, float]) -> str:
    """Shows two numbers: "0 to 4095"."""
    return f"{limits[0]:g} to {limits[1]:g}"
