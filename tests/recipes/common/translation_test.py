"""What translation recipes share: data of two domains, augmentation, rows of samples."""

import csv
import dataclasses
import json
import types
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from recipes import cyclegan
from recipes.common import translation
from recipes.common.translation_scores import PAIRED_SCORES, TRUTH_SCORES
from tests.datasets.picture_files import noise, save_pictures
from tests.recipes.command import contents, run_recipe
from zoo import datasets


@pytest.fixture
def prepared(data_dir, monkeypatch) -> None:
    """Has data sets lie where those of all tests do."""
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(data_dir))


@pytest.fixture
def domains(tmp_path) -> Path:
    """A folder of two domains, 17 and 33 images to train on."""
    folder = tmp_path / "domains"
    for seed, (name, number) in enumerate(
        (("trainA", 17), ("trainB", 33), ("testA", 9), ("testB", 11))
    ):
        save_pictures(folder / name, number, first_seed=1000 * seed)
    (folder / "trainA" / "notes.png").write_text("no picture")
    (folder / "testB" / "empty.jpg").write_bytes(b"")
    return folder


# === Samples and augmentation ===


def test_each_column_of_the_samples_comes_from_its_generator():
    # G adds 0.25 and F halves, so that each place shows what was applied.
    model = types.SimpleNamespace(
        translators=[
            lambda images, training: images + 0.25,
            lambda images, training: images / 2,
        ]
    )
    images_a, images_b = np.full((2, 1, 1, 3), 0.5), np.full((2, 1, 1, 3), -0.5)
    draw = translation.rows_of_samples(model, images_a, images_b)
    row = [0.5, 0.75, 0.375, -0.5, -0.25, 0.0]
    np.testing.assert_allclose(draw(14, seed=1)[:, 0, 0, 0], [*row, *row, -1, -1])


def test_augmentation_without_scale_is_the_image_or_its_mirror():
    image = tf.constant(noise(3))
    flipped = 0
    for number in range(40):
        seed = tf.constant([7, number])
        same = translation.enlarge_crop_flip(image, seed, load_scale=1.0, random_flip=False)
        np.testing.assert_array_equal(same, image)
        augmented = translation.enlarge_crop_flip(image, seed, load_scale=1.0, random_flip=True)
        is_flipped = np.array_equal(augmented, image[:, ::-1])
        assert is_flipped or np.array_equal(augmented, image)
        flipped += is_flipped
    assert 10 <= flipped <= 30  # of a fair coin, all but 1 in 500


def test_augmentation_cuts_a_part_of_the_enlarged_image_anywhere():
    # Columns rise by 8; of the image enlarged twice, by 4.
    ramp = 8 * np.arange(32, dtype=np.uint8)
    image = tf.constant(np.broadcast_to(ramp[np.newaxis, :, np.newaxis], (32, 32, 3)))
    starts = set()
    for number in range(30):
        cut = translation.enlarge_crop_flip(image, tf.constant([1, number]), 2.0, False).numpy()
        again = translation.enlarge_crop_flip(image, tf.constant([1, number]), 2.0, False).numpy()
        np.testing.assert_array_equal(cut, again)
        assert cut.dtype == np.uint8 and cut.shape == image.shape
        np.testing.assert_allclose(np.diff(cut[5, 4:-4, 0].astype(int)), 4, atol=1)
        starts.add(int(cut[0, 16, 0]))
    assert max(starts) - min(starts) > 60 and len(starts) > 10


# === Data ===


def test_epoch_has_as_many_steps_as_the_larger_domain_has_batches(domains, prepared):
    values = dataclasses.replace(
        cyclegan.preset("quick", f"folder:{domains}"), image_size=24, batch_size=4
    )
    data = translation.TranslationData(values)
    assert data.steps_per_epoch == 9  # 33 images in batches of 4
    assert data.num_test_pairs == 9 and len(list(data.test)) == 2
    first, again = (next(iter(data.train_from(5))) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert [images.shape for images in first] == [(4, 24, 24, 3)] * 2


def test_images_to_train_on_are_augmented_as_the_hyper_parameters_say(domains, prepared):
    def is_stored(**changes) -> list[bool]:
        values = dataclasses.replace(
            cyclegan.preset("quick", f"folder:{domains}"), image_size=24, batch_size=8, **changes
        )
        data = translation.TranslationData(values)
        trained = [domain.numpy() for domain in next(iter(data.train_from(0)))]
        stored = datasets.load_unpaired(
            f"folder:{domains}", image_size=24, batch_size=8, seed=values.seed
        )
        return [
            np.array_equal(image, alone)
            for domains_alone in stored.take(1)
            for domain, domain_alone in zip(trained, domains_alone, strict=True)
            for image, alone in zip(domain, domain_alone, strict=True)
        ]

    assert all(is_stored(load_scale=1.0, random_flip=False))
    assert 0 < sum(is_stored(load_scale=1.0, random_flip=True)) < 16
    assert not any(is_stored(load_scale=1.25, random_flip=False))


def skipped_in(path: Path) -> list[tuple[str, str, str]]:
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return [(Path(row["folder"]).name, row["path"], row["used"]) for row in rows]


SKIPPED = [("domains", "testB/empty.jpg", "no"), ("domains", "trainA/notes.png", "no")]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [("{0}", SKIPPED), ("{0}/trainB,{0}/trainA", [("trainA", "notes.png", "no")])],
)
def test_skipped_files_of_both_domains_are_listed(domains, tmp_path, prepared, paths, expected):
    name = f"folder:{paths.format(domains)}"
    values = dataclasses.replace(cyclegan.preset("quick", name), image_size=24)
    data = translation.TranslationData(values)
    data.write_skipped_images(tmp_path / "skipped_images.csv")
    assert skipped_in(tmp_path / "skipped_images.csv") == expected


@pytest.mark.slow
def test_two_folders_of_ones_own(domains, tmp_path, data_dir):
    before = contents(domains)
    ended = run_recipe(
        "cyclegan",
        "--smoke",
        "--epochs=1",
        f"--dataset=folder:{domains}",
        "--set=image_size=24",
        "--set=learning_rate_schedule=cyclegan",
        "--set=average_decay=0.9",
        *("--set=base_filters=2", "--set=num_blocks=1"),
        f"--workdir={tmp_path}/run",
        folder=tmp_path,
        data_dir=data_dir,
    )
    assert ended.code == 0, ended.err
    assert skipped_in(tmp_path / "run" / "skipped_images.csv") == SKIPPED
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert all(results[n] is None for n in (*TRUTH_SCORES, *PAIRED_SCORES))
    assert np.isfinite(results["cycle_loss"])
    assert results["weights"] == "averaged weights of the last step"
    assert "blurred" not in ended.out and "cycle loss" in ended.out
    assert contents(domains) == before
