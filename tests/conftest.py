"""What every test starts from: quiet, no display, two logical CPUs, the same seed."""

import os
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import zoo  # noqa: I001 - before TensorFlow: it sets the environment that TensorFlow reads

import keras
import pytest
import tensorflow as tf

# Two replicas fit on one CPU, but only if it is split before TensorFlow initialises it.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.fixture(autouse=True)
def _same_random_numbers_in_every_test() -> None:
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of data sets with one prepared copy of `mnist_small`, for all tests."""
    folder = tmp_path_factory.mktemp("data_sets")
    zoo.datasets.describe("mnist_small", folder)
    return folder


@pytest.fixture(scope="session")
def two_replicas() -> tf.distribute.MirroredStrategy:
    """One strategy for all tests: each new one numbers its collectives from the start again.

    TensorFlow then takes a collective of the new strategy for the old one's of that number, and
    fails if they differ in data type.
    """
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
