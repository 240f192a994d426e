"""An extractor whose features are the pixels, and a classifier trained for a moment."""

import keras
import numpy as np
import pytest

from zoo import metrics


@pytest.fixture(scope="session")
def pixels() -> keras.Model:
    """Images `(batch, 2, 2, 1)` → their four pixels, so that a test chooses features itself."""
    return keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten()])


@pytest.fixture(scope="session")
def quick_classifier(data_dir) -> metrics.Classifier:
    """A classifier of `mnist_small` after 40 steps, seconds long."""
    return metrics.load_classifier("mnist_small", data_dir=data_dir, training_steps=40)


def as_images(features) -> np.ndarray:
    """Gives the images `(batch, 2, 2, 1)` of which the four pixels are those features."""
    return np.asarray(features, np.float32).reshape(-1, 2, 2, 1)


@pytest.fixture
def images():
    return as_images
