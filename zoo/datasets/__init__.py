"""Images for every variant: ours, which need no network, any set of TFDS, any folder of images.

    images = zoo.datasets.open("drawn_faces", image_size=32)
    train = images.batches("train", shuffle=True, repeat=True)
    steps = zoo.datasets.steps_per_epoch(images.description.num_examples["train"], 64)
    model.fit(train, steps_per_epoch=steps, epochs=10)

    mine = zoo.datasets.open("folder:~/pictures", image_size=64).batches("train")

What comes out is a `tf.data.Dataset` of float32 `(batch, height, width, channels)` in [-1, 1]; see
`ImageDataset` for labels, attributes, few labels, two domains and pairs. `load`, `load_few_labels`,
`load_unpaired`, `describe` and `scan_folder` ask the same in one call.

To see which modes of its data a generator drops, there are data whose modes are known:
`ring_of_gaussians`, `grid_of_gaussians` and `DigitStacks`.
"""

from zoo.datasets.catalogue import license_of, stands_in_for
from zoo.datasets.dataset import ImageDataset, open
from zoo.datasets.description import DatasetDescription
from zoo.datasets.few_labels import few_label_split
from zoo.datasets.folder import scan_folder
from zoo.datasets.folder_scan import DeepFile, DuplicateFile, FolderScan
from zoo.datasets.listing import SkippedFile
from zoo.datasets.memory import clear_memory
from zoo.datasets.modes import DigitStacks, PointMixture, grid_of_gaussians, ring_of_gaussians
from zoo.datasets.pipeline import steps_per_epoch
from zoo.datasets.short_forms import describe, load, load_few_labels, load_unpaired
from zoo.datasets.translation_truth import DIRECTIONS, TranslationTruth

__all__ = [
    "DIRECTIONS",
    "DatasetDescription",
    "DeepFile",
    "DigitStacks",
    "DuplicateFile",
    "FolderScan",
    "ImageDataset",
    "PointMixture",
    "SkippedFile",
    "TranslationTruth",
    "clear_memory",
    "describe",
    "few_label_split",
    "grid_of_gaussians",
    "license_of",
    "load",
    "load_few_labels",
    "load_unpaired",
    "open",
    "ring_of_gaussians",
    "scan_folder",
    "stands_in_for",
    "steps_per_epoch",
]
