"""Two domains without pairs: their orders, their sizes, and where they come from."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from zoo import datasets

SIDE = 8


def write_domain(folder: Path, levels: range) -> None:
    """Images of one grey level each, which tells them apart."""
    folder.mkdir(parents=True)
    for level in levels:
        Image.fromarray(np.full((SIDE, SIDE, 3), level, np.uint8)).save(folder / f"{level}.png")


@pytest.fixture(scope="module")
def name(tmp_path_factory) -> str:
    """20 images in domain A, grey levels 0 … 19, and 33 in B, 100 … 132."""
    folder = tmp_path_factory.mktemp("domains")
    write_domain(folder / "trainA", range(20))
    write_domain(folder / "trainB", range(100, 133))
    write_domain(folder / "testA", range(40, 56))
    write_domain(folder / "testB", range(200, 216))
    return f"folder:{folder}"


def load(name: str, tmp_path, part: str = "train", **options):
    return datasets.load_unpaired(name, part, image_size=SIDE, data_dir=tmp_path, **options)


def levels(batches, number: int) -> np.ndarray:
    """The grey levels `(number, 2)` of that many pairs."""
    pairs = [[images[:, 0, 0, 0] for images in batch] for batch in batches.take(number)]
    return np.round(127.5 * (np.concatenate(pairs, axis=1) + 1)).astype(int).T


def test_each_domain_goes_through_all_its_images_before_any_comes_again(name, tmp_path):
    pairs = levels(load(name, tmp_path), 66)
    for epoch in range(3):
        assert sorted(pairs[20 * epoch :][:20, 0]) == list(range(20))
    for epoch in range(2):
        assert sorted(pairs[33 * epoch :][:33, 1]) == list(range(100, 133))


def test_the_steps_of_an_epoch_are_those_of_the_larger_domain(name, tmp_path):
    assert load(name, tmp_path).steps_per_epoch == 33
    assert load(name, tmp_path, batch_size=4).steps_per_epoch == 9


def test_every_epoch_has_other_orders_and_other_pairs(name, tmp_path):
    pairs = levels(load(name, tmp_path), 66)
    assert pairs[:20, 0].tolist() != pairs[20:40, 0].tolist()
    assert pairs[:33, 1].tolist() != pairs[33:, 1].tolist()
    partners = [set(pairs[pairs[:, 0] == level, 1]) for level in range(20)]
    assert sum(map(len, partners)) > 55  # of 60 that three epochs could give


def test_domains_of_one_size_have_orders_of_their_own(name, tmp_path):
    pairs = levels(load(name, tmp_path, "test"), 16)
    assert (pairs[:, 0] - 40).tolist() != (pairs[:, 1] - 200).tolist()


def test_batches_continue_where_a_run_stopped(name, tmp_path):
    whole = levels(load(name, tmp_path, batch_size=2, seed=3), 6)
    rest = levels(load(name, tmp_path, batch_size=2, seed=3, first_step=2), 4)
    np.testing.assert_array_equal(whole[4:], rest)
    assert whole.tolist() != levels(load(name, tmp_path, batch_size=2, seed=4), 6).tolist()


def test_stored_order_in_one_pass(name, tmp_path):
    batches = load(name, tmp_path, "test", shuffle=False, repeat=False, batch_size=16)
    ((images_a, images_b),) = list(batches)
    alone = datasets.load(name, "testA", image_size=SIDE, batch_size=16, data_dir=tmp_path)
    np.testing.assert_array_equal(images_a, next(iter(alone)))
    assert images_b.shape == (16, SIDE, SIDE, 3)


def test_the_open_data_set_gives_the_same(name, tmp_path):
    images = datasets.open(name, image_size=SIDE, data_dir=tmp_path)
    options = {"batch_size": 3, "seed": 2, "first_step": 30}
    asked, loaded = images.unpaired(**options), load(name, tmp_path, **options)
    np.testing.assert_array_equal(levels(asked, 5), levels(loaded, 5))


def test_two_paths_are_a_domain_each(name, tmp_path):
    folder = name.removeprefix("folder:")
    both = f"folder:{folder}/trainA,{folder}/trainB"
    pairs, tests = (levels(load(both, tmp_path, part), 40) for part in ("train", "test"))
    for domain, all_levels in enumerate((range(20), range(100, 133))):
        trained, tested = set(pairs[:, domain]), set(tests[:, domain])
        assert trained and tested and not trained & tested
        assert trained | tested < set(all_levels)


def test_a_domain_may_have_few_test_images(tmp_path):
    for split, count in (("trainA", 20), ("trainB", 17), ("testA", 1), ("testB", 2)):
        write_domain(tmp_path / "small" / split, range(count))
    (tmp_path / "small" / "testB" / "notes.txt").write_text("of no domain")
    name = f"folder:{tmp_path / 'small'}"
    assert levels(load(name, tmp_path, "test", shuffle=False), 2)[:, 0].tolist() == [0, 0]
    scan = datasets.scan_folder(tmp_path / "small", SIDE, data_dir=tmp_path)
    assert scan.num_examples == {"trainA": 20, "trainB": 17, "testA": 1, "testB": 2}
    assert [file.path for file in scan.skipped] == ["testB/notes.txt"]


def test_a_scene_may_be_in_both_domains(tmp_path):
    for split, count in (("trainA", 16), ("trainB", 18)):
        write_domain(tmp_path / "same" / split, range(count))
    for copy in ("trainA/copy.png", "trainB/copy.png"):
        Image.fromarray(np.full((SIDE, SIDE, 3), 3, np.uint8)).save(tmp_path / "same" / copy)
    scan = datasets.scan_folder(tmp_path / "same", SIDE, drop_duplicates="exact", data_dir=tmp_path)
    assert scan.num_examples == {"trainA": 16, "trainB": 18}


def test_domains_may_be_there_to_test_alone(tmp_path):
    for split in ("testA", "testB"):
        write_domain(tmp_path / "tests" / split, range(8))
    assert len(levels(load(f"folder:{tmp_path / 'tests'}", tmp_path, "test"), 8)) == 8


def test_sets_of_tfds_by_name(tmp_path):
    with tfds.testing.mock_data(num_examples=5):
        batches = datasets.load_unpaired("cycle_gan/horse2zebra", image_size=16, batch_size=3)
        for images_a, images_b in batches.take(1):
            assert images_a.shape == images_b.shape == (3, 16, 16, 3)


@pytest.mark.parametrize(
    ("part", "wrong", "message"),
    [
        ("train", "/trainA", "has no folder trainA and no trainB; sort the images into trainA"),
        ("train", ",b,c", "names 3 folders; write 'folder:PATH,PATH'"),
        ("validation", "", "part must be 'train' or 'test'. Received: part='validation'"),
    ],
)
def test_what_is_no_pair_of_domains_is_named(name, tmp_path, part, wrong, message):
    with pytest.raises(ValueError, match=message):
        load(name + wrong, tmp_path, part)


def test_a_pass_ends_without_waiting_for_a_tuner(name):
    assert datasets.load_unpaired(name, image_size=SIDE).options().autotune.enabled is False
