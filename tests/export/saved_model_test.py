"""Exports as their consumers see them; that they stand alone is in the contract test."""

import os
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import export
from tests.case import ramp_images
from tests.cases.semi_supervised_gan import CASE as SEMI_SUPERVISED
from zoo import SemiSupervisedGAN

NAMES = ["zero", "één", "zwei", "trois", "四", "five", "six", "seven", "eight", "nine"]


@pytest.fixture(scope="module")
def model() -> SemiSupervisedGAN:
    keras.utils.set_random_seed(0)
    config = SEMI_SUPERVISED.build().get_config()
    return SemiSupervisedGAN.from_config(config | {"class_names": NAMES})


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "deep" / "down"
    assert export.save(model, folder) == folder / "1"
    return folder


def images_in_0_1(batch_size: int) -> np.ndarray:
    return (ramp_images(batch_size) + 1) / 2


def test_classify_names_the_likeliest_class(model, folder):
    loaded = export.load(folder)
    outputs = loaded.classify(images_in_0_1(6))
    probabilities = model.predict(ramp_images(6), verbose=0)
    np.testing.assert_allclose(outputs["probabilities"], probabilities, atol=1e-6)
    np.testing.assert_allclose(outputs["probabilities"].numpy().sum(axis=1), 1, atol=1e-5)
    names = [name.decode() for name in outputs["labels"].numpy()]
    assert names == [NAMES[k] for k in probabilities.argmax(axis=1)]


def test_only_networks_that_are_asked_are_packed(model, folder):
    packed = sum(int(tf.size(v)) for v in export.load(folder).variables_of_signatures)
    asked = model.generator.count_params() + model.averaged_discriminator.count_params()
    assert packed == asked < model.count_params()


def test_generate_gives_what_the_model_generates(model, folder):
    generate = export.load(folder).signatures["generate"]
    arguments = {"num": tf.constant(5), "seed": tf.constant(2**40, tf.int64)}
    images = generate(**arguments, truncation=tf.constant(1.0))["images"].numpy()
    assert images.min() >= 0 and images.max() <= 1
    np.testing.assert_allclose(images * 2 - 1, model.generate(5, seed=2**40), atol=1e-5)
    typical = generate(**arguments, truncation=tf.constant(0.0))["images"].numpy()
    assert np.ptp(typical, axis=0).max() < 1e-6 < np.ptp(images, axis=0).max()


def test_serving_default_is_classify_and_takes_any_batch(folder):
    served = export.load(folder).signatures["serving_default"]
    assert set(served.structured_outputs) == {"probabilities", "labels"}
    for batch_size in (1, 4):
        outputs = served(images=tf.constant(images_in_0_1(batch_size)))
        assert outputs["probabilities"].shape == (batch_size, 10)


def test_labels_travel_with_a_moved_export(folder, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    loaded = export.load(moved)
    path = loaded.labels.asset_path.numpy().decode()
    assert path.startswith(str(moved))
    with open(path, encoding="utf-8") as file:
        assert file.read().splitlines() == NAMES


def test_a_version_is_never_overwritten(model, folder):
    before = sorted(os.walk(folder))
    with pytest.raises(FileExistsError, match=r"1 exists already.*version=2"):
        export.save(model, folder)
    assert sorted(os.walk(folder)) == before


def test_load_takes_the_newest_version_or_the_one_named(model, tmp_path):
    for version in (2, 10):
        export.save(model, tmp_path, version=version)
    (tmp_path / "notes").mkdir()
    shutil.rmtree(tmp_path / "2" / "variables")
    export.load(tmp_path)
    export.load(tmp_path / "10")
    with pytest.raises(ValueError, match="2 is damaged.*Export the model again"):
        export.load(tmp_path / "2")


def test_a_crash_leaves_nothing_behind(model, tmp_path, monkeypatch):
    def crash(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(tf.saved_model, "save", crash)
    with pytest.raises(KeyboardInterrupt):
        export.save(model, tmp_path / "export")
    assert list((tmp_path / "export").iterdir()) == []


def test_a_flipped_byte_is_noticed(folder, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(folder, damaged)
    data = next((damaged / "1" / "variables").glob("*.data*"))
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        export.load(damaged)


@pytest.mark.parametrize("version", [0, -1, "1", True, 1.0])
def test_a_version_that_is_no_number_is_named(model, tmp_path, version):
    with pytest.raises(ValueError, match=f"version={version!r}"):
        export.save(model, tmp_path, version=version)


def test_only_models_of_the_zoo_are_exported(tmp_path):
    with pytest.raises(TypeError, match="Received: Sequential"):
        export.save(keras.Sequential(), tmp_path)


def test_a_folder_that_cannot_be_written_is_named(model, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match="can't write an export to .*file"):
        export.save(model, tmp_path / "file" / "export")


def test_a_folder_without_an_export_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="No export in"):
        export.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="No export in .*missing"):
        export.load(tmp_path / "missing")
