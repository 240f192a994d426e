"""Trained models by name: what is shipped is what was exported, but for rounding."""

import json
import sys
import types
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import export
import zoo
from export import shipping
from export.shipping import ship
from tests.cases.semi_supervised_gan import CASE as SEMI_SUPERVISED
from zoo.common import pretrained

NAME = "semi_supervised_gan/ramps"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("export")
    export.save(SEMI_SUPERVISED.build(), folder, verify=False)
    return folder


@pytest.fixture(scope="module")
def shipped(folder, tmp_path_factory):
    shipped = tmp_path_factory.mktemp("weights")
    ship(folder, NAME, "mnist_small", shipped)
    return shipped


@pytest.fixture(autouse=True)
def _own_weights(monkeypatch, shipped):
    monkeypatch.setattr(pretrained, "SHIPPED", shipped)


def images_of(loaded) -> np.ndarray:
    return loaded.generate(3, 5, 1.0)["images"].numpy()


def test_a_name_gives_what_was_exported_but_for_rounding(folder):
    (entry,) = zoo.pretrained()
    assert (entry.name, entry.model, entry.trained_on) == (
        *(NAME, "SemiSupervisedGAN", "mnist_small"),
    )
    assert "CC BY-SA 3.0" in entry.data_license
    loaded, exact = zoo.load_pretrained(NAME), export.load(folder)
    difference = np.abs(images_of(loaded) - images_of(exact)).max()
    assert 0 < difference <= 2 * entry.difference < 1e-2
    kernel = loaded.trainable_variables[0]
    assert kernel.dtype == "float32", "it is fine-tuned in single precision"
    np.testing.assert_array_equal(kernel, kernel.numpy().astype(np.float16))
    with open(loaded.labels.asset_path.numpy(), encoding="utf-8") as labels:
        assert len(labels.read().splitlines()) == 10


def test_a_package_unpacks_to_a_saved_model(shipped, tmp_path):
    unpacked = pretrained.unpack(shipped / f"{NAME}.tar.gz", tmp_path / "export")
    loaded = tf.saved_model.load(str(unpacked))
    np.testing.assert_array_equal(images_of(loaded), images_of(zoo.load_pretrained(NAME)))


def test_a_package_takes_about_half_the_room(folder, shipped):
    whole = folder.parent / "whole.tar.gz"
    export.pack(folder, whole)
    package = shipped / f"{NAME}.tar.gz"
    assert package.stat().st_size == zoo.pretrained()[0].size < whole.stat().st_size


def test_shipping_again_gives_the_same_bytes(folder, shipped, tmp_path):
    again = ship(folder, NAME, "mnist_small", tmp_path)
    assert (again,) == tuple(zoo.pretrained())


def test_a_package_that_is_another_is_refused(shipped, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "SHIPPED", tmp_path)
    content = bytearray((shipped / f"{NAME}.tar.gz").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / NAME).parent.mkdir()
    (tmp_path / f"{NAME}.tar.gz").write_bytes(content)
    (tmp_path / "index.json").write_bytes((shipped / "index.json").read_bytes())
    with pytest.raises(ValueError, match="is not what came with the zoo"):
        zoo.load_pretrained(NAME)


def test_folders_and_archives_are_loaded(folder, tmp_path):
    expected = images_of(export.load(folder))
    np.testing.assert_array_equal(images_of(zoo.load_pretrained(str(folder))), expected)
    export.pack(folder, tmp_path / "a.tar.gz")
    np.testing.assert_array_equal(
        images_of(zoo.load_pretrained(str(tmp_path / "a.tar.gz"))), expected
    )
    (tmp_path / "b.tar.gz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"b.tar.gz is no .tar.gz"):
        zoo.load_pretrained(str(tmp_path / "b.tar.gz"))


@pytest.mark.parametrize(
    "source, library, function, asked, below",
    [
        ("hf://someone/faces", "huggingface_hub", "snapshot_download", "someone/faces", ""),
        ("hf://someone/faces/1", "huggingface_hub", "snapshot_download", "someone/faces", "1"),
        ("kaggle://a/b/c/d", "kagglehub", "model_download", "a/b/c/d", ""),
    ],
)
def test_handles_are_downloaded_by_their_libraries(
    source, library, function, asked, below, folder, monkeypatch
):
    received = []

    def download(handle: str) -> str:
        received.append(handle)
        return str(folder)

    monkeypatch.setitem(sys.modules, library, types.SimpleNamespace(**{function: download}))
    loaded = zoo.load_pretrained(source)
    assert received == [asked]
    np.testing.assert_array_equal(images_of(loaded), images_of(export.load(folder)))
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=f"takes {library}: pip install {library}"):
        zoo.load_pretrained(source)


def test_an_unknown_name_is_told_which_there_are(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=f"no trained model 'face_gan/moon'.*'{NAME}'"):
        zoo.load_pretrained("face_gan/moon")
    monkeypatch.setattr(pretrained, "SHIPPED", tmp_path)
    assert zoo.pretrained() == []


def test_what_gives_no_numbers_once_rounded_is_not_shipped(folder, tmp_path, monkeypatch):
    load = shipping.exports.load

    def spoilt(path):
        loaded = load(path)
        if folder in Path(path).parents:
            return loaded

        def generate(**arguments):
            images = loaded.signatures["generate"](**arguments)["images"]
            return {"images": images * np.nan}

        return types.SimpleNamespace(signatures={**loaded.signatures, "generate": generate})

    monkeypatch.setattr(shipping.exports, "load", spoilt)
    with pytest.raises(ValueError, match=r"Received: images of generate\(\) that differs by nan"):
        ship(folder, "a/b", "mnist_small", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_is_not_shipped(folder, shipped, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="Received: '../evil'"):
        ship(folder, "../evil", "ramps", tmp_path)
    monkeypatch.setattr("export.shipping.MOST_BYTES", 100)
    with pytest.raises(ValueError, match="is 100 bytes at most"):
        ship(folder, "a/b", "ramps", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_shipped_is_within_bounds_and_as_the_index_says():
    folder = Path(zoo.__file__).parent / "weights"
    index = folder / "index.json"
    entries = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else {}
    packages = {path.relative_to(folder).as_posix() for path in folder.rglob("*.tar.gz")}
    assert packages == {entry["file"] for entry in entries.values()}
    sizes = [(folder / name).stat().st_size for name in packages]
    assert sum(sizes) <= 20_000_000 and max(sizes, default=0) <= 6_000_000
