"""The digits of `mnist_small`, for all tests of the data sets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zoo import datasets

Arrays = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="session")
def digits(data_dir: Path) -> Callable[[str], Arrays]:
    """Gives the bytes and labels of a split of `mnist_small`, in the stored order."""

    def of_split(split: str) -> Arrays:
        batches = list(datasets.load("mnist_small", split, with_labels=True, data_dir=data_dir))
        images = np.concatenate([images.numpy() for images, _ in batches])
        labels = np.concatenate([labels.numpy() for _, labels in batches])
        return np.rint((images + 1) * 127.5).astype(np.uint8), labels

    return of_split


@pytest.fixture(scope="session")
def index_of(digits: Callable[[str], Arrays]) -> Callable[[np.ndarray], np.ndarray]:
    """Gives the number of each image within the train split; no two of its images are equal."""
    stored = {image.tobytes(): i for i, image in enumerate(digits("train")[0])}

    def indices(images: np.ndarray) -> np.ndarray:
        as_bytes = np.rint((np.asarray(images) + 1) * 127.5).astype(np.uint8)
        return np.array([stored[image.tobytes()] for image in as_bytes])

    return indices
