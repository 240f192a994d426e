"""Images for every variant: ours, which need no network, and any image set of TFDS by its name.

    train = zoo.datasets.load("mnist_small", "train", shuffle=True, repeat=True)
    model.fit(train, steps_per_epoch=zoo.datasets.steps_per_epoch(4000, 64), epochs=10)

What comes out is a `tf.data.Dataset` of float32 `(batch, height, width, channels)` in [-1, 1].
"""

from zoo.datasets.catalogue import DatasetDescription, describe
from zoo.datasets.few_labels import few_label_split
from zoo.datasets.memory import clear_memory
from zoo.datasets.pipeline import load, load_few_labels, steps_per_epoch

__all__ = [
    "DatasetDescription",
    "clear_memory",
    "describe",
    "few_label_split",
    "load",
    "load_few_labels",
    "steps_per_epoch",
]
