"""Several replicas and processes train what one does; the page that says so."""

from pathlib import Path

import numpy as np
import pytest

import zoo
from benchmarks import replicas
from benchmarks.replicas import ONE, SETTINGS, VARIANTS, Setting, largest_difference, page_of


def test_every_variant_is_among_them():
    of_the_zoo = {name for name in zoo.__all__ if isinstance(getattr(zoo, name), type)}
    assert set(VARIANTS) == of_the_zoo


def test_the_page_leaves_blank_what_did_not_run():
    page = page_of({"DCGAN": {"2 replicas": 1.25e-7}, "WGANGP": {"2 processes": 0.0}})
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows] == [
        ["`DCGAN`", "1.2e-07", "", "", ""],
        ["`WGANGP`", "", "", "0.0e+00", ""],
    ]
    assert all(setting.title in page for setting in SETTINGS)


def test_the_largest_difference(tmp_path: Path):
    np.savez(tmp_path / "one.npz", np.zeros(3), np.float32([1, 2]), np.zeros(0))
    np.savez(tmp_path / "other.npz", np.zeros(3), np.float32([1, 2.5]), np.zeros(0))
    assert largest_difference(tmp_path / "one.npz", tmp_path / "other.npz") == 0.5


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path):
    """Fails if a new Keras breaks what `zoo/common/distribution.py` cures.

    Of pools, packs, batch norm and parts of a batch: each over all processes.
    """
    names = ["DCGAN", "SemiSupervisedGAN", "VanillaGAN"]
    two = Setting(processes=2)
    for setting in (ONE, two):
        replicas.train(names, setting, tmp_path / setting.title)
    for name in names:
        files = (tmp_path / setting.title / f"{name}.npz" for setting in (ONE, two))
        assert largest_difference(*files) < 1e-5
