"""Images for every variant: ours, which need no network, any set of TFDS, any folder of images.

    train = zoo.datasets.load("mnist_small", "train", shuffle=True, repeat=True)
    model.fit(train, steps_per_epoch=zoo.datasets.steps_per_epoch(4000, 64), epochs=10)

    mine = zoo.datasets.load("folder:~/pictures", "train", image_size=64)

What comes out is a `tf.data.Dataset` of float32 `(batch, height, width, channels)` in [-1, 1].
"""

from zoo.datasets.description import DatasetDescription
from zoo.datasets.few_labels import few_label_split
from zoo.datasets.folder import DuplicateFile, FolderScan, scan_folder
from zoo.datasets.listing import SkippedFile
from zoo.datasets.memory import clear_memory
from zoo.datasets.pipeline import load, load_few_labels, steps_per_epoch
from zoo.datasets.sources import describe
from zoo.datasets.unpaired import load_unpaired

__all__ = [
    "DatasetDescription",
    "DuplicateFile",
    "FolderScan",
    "SkippedFile",
    "clear_memory",
    "describe",
    "few_label_split",
    "load",
    "load_few_labels",
    "load_unpaired",
    "scan_folder",
    "steps_per_epoch",
]
