"""Grey files of more than 8 bits: what of their range is used, what is told, how to scale them."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.datasets import picture_files
from tests.datasets.picture_files import noise, save_pictures
from zoo import datasets

SIDE = 24


def save_deep(folder: Path, count: int, factor: float = 16, offset: int = 0, dtype=np.uint16):
    """Saves pictures whose values are `factor` times those of `noise`: 16 makes 12 bits of 8."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        values = noise(seed, SIDE, channels=1).astype(float) * factor + offset
        kind = "png" if dtype == np.uint16 and seed % 2 else "tif"
        Image.fromarray(values.astype(dtype)).save(folder / f"{seed:02}.{kind}")


@pytest.fixture
def pictures(tmp_path) -> Path:
    """16 files of 12 bits, PNG and TIFF."""
    save_deep(tmp_path / "pictures", 16)
    return tmp_path / "pictures"


@pytest.fixture
def open_pictures(tmp_path, pictures):
    def open_them(**options) -> datasets.ImageDataset:
        options = {"image_size": SIDE, "channels": 1, "data_dir": tmp_path / "data", **options}
        return datasets.open(pictures, **options)

    return open_them


def pixels_of(opened: datasets.ImageDataset) -> np.ndarray:
    images = np.concatenate(list(opened.batches("all").as_numpy_iterator()))
    return np.rint((images + 1) * 127.5).astype(np.uint8)


def sorted_means(images: np.ndarray) -> np.ndarray:
    return np.sort(images.reshape(len(images), -1).mean(axis=1))


def test_values_of_12_bits_are_told_and_scaled_on_request(open_pictures, capsys):
    dark = open_pictures()
    assert pixels_of(dark).max() <= 16
    told = capsys.readouterr().err.splitlines()
    assert dark.scans[0].lines_of_deep_files() == [
        "  16 of 16 bits come out dark, for they go to 4080 of 65535; give value_range=(0, 4095) "
        "or 'data', with a recipe --set value_range=0,4095 or data."
    ]
    assert dark.scans[0].summary().splitlines() == told[-2:]
    # The scale asked for is 16 · 255 = 4080, at which each level is the one it was made of.
    scaled = pixels_of(open_pictures(value_range=(0, 4080)))
    expected = np.stack([noise(seed, SIDE, channels=1) for seed in range(16)])
    np.testing.assert_allclose(sorted_means(scaled), sorted_means(expected))
    assert {image.tobytes() for image in scaled} == {image.tobytes() for image in expected}
    assert "dark" not in capsys.readouterr().err


def test_the_range_of_the_data_is_found(open_pictures, pictures, capsys):
    values = [np.asarray(Image.open(path)) for path in sorted(pictures.iterdir())]
    limits = float(np.min(values)), float(np.max(values))
    found = open_pictures(value_range="data")
    assert found.scans[0].value_range == limits
    assert pixels_of(found).min() == 0 and pixels_of(found).max() == 255
    by_hand = open_pictures(value_range=limits)
    assert by_hand.description.fingerprint == found.description.fingerprint
    np.testing.assert_array_equal(pixels_of(by_hand), pixels_of(found))
    # Files that come later widen it.
    Image.fromarray(np.full((SIDE, SIDE), 50_000, np.uint16)).save(pictures / "bright.png")
    assert open_pictures(value_range="data").scans[0].value_range == (limits[0], 50_000)


def test_another_range_is_another_fingerprint(open_pictures):
    ranges = (None, (0, 4095), (0, 8191))
    prints = {open_pictures(value_range=each).description.fingerprint for each in ranges}
    assert len(prints) == 3


def test_the_list_names_each_file_and_its_maximum(open_pictures, pictures, tmp_path):
    save_pictures(pictures, 3, first_seed=50)  # of 8 bits
    Image.fromarray(np.full((SIDE, SIDE), 40_000, np.uint16)).save(pictures / "bright.png")
    (scan,) = open_pictures().scans
    assert {file.path for file in scan.deep_files} == {
        f"{seed:02}.{'png' if seed % 2 else 'tif'}" for seed in range(16)
    }
    scan.write_report(tmp_path / "list.csv")
    with open(tmp_path / "list.csv", newline="") as file:
        rows = {row["path"]: (row["used"], row["remark"]) for row in csv.DictReader(file)}
    assert len(rows) == 16
    for name, row in rows.items():
        highest = np.asarray(Image.open(pictures / name)).max()
        assert row == ("yes", f"maximum {highest} of 65535")


def test_values_outside_of_the_range_are_cut_and_told(open_pictures, pictures):
    opened = open_pictures(value_range=(1000, 3000))
    pixels = pixels_of(opened)
    assert pixels.min() == 0 and pixels.max() == 255
    (scan,) = opened.scans
    assert "  16 with values outside of 1000 to 3000, which are cut." in scan.summary()
    lowest, highest = (
        limit(np.asarray(Image.open(pictures / "00.tif"))) for limit in (np.min, np.max)
    )
    assert scan.deep_files[0].remark == f"values {lowest} to {highest}, cut to 1000 to 3000"


@pytest.mark.parametrize(
    ("dtype", "reason"),
    [(np.int32, "pixels have 32 bits"), (np.float32, "pixels are floating point")],
)
@pytest.mark.parametrize("value_range", [(-1000, 3080), "data"])
def test_values_of_no_known_range_are_used_with_one(
    open_pictures, pictures, dtype, reason, value_range
):
    save_deep(pictures, 16, offset=-1000, dtype=dtype)
    for path in pictures.glob("*.png"):
        path.unlink()
    with pytest.raises(ValueError, match=f"16 {reason}, .*give value_range=.* 'data'"):
        open_pictures().batches("all")
    pixels = pixels_of(open_pictures(value_range=value_range))
    assert len(pixels) == 16 and pixels.min() < 3 and pixels.max() > 252


def test_pixels_that_are_no_numbers_are_named(open_pictures, pictures):
    Image.fromarray(np.full((SIDE, SIDE), np.nan, np.float32)).save(pictures / "nan.tif")
    for value_range in ((0, 4095), "data"):
        (scan,) = open_pictures(value_range=value_range).scans
        assert scan.skipped == (("nan.tif", "some pixels are no finite numbers"),)


def test_colours_of_16_bits_are_told_too(open_pictures, pictures):
    colours = np.full((SIDE, SIDE, 3), (4000, 100, 0), np.uint16)
    (pictures / "colour.png").write_bytes(picture_files.colour_of_16_bits(colours))
    bright = np.full((SIDE, SIDE, 3), (64_000, 100, 0), np.uint16)
    (pictures / "bright.png").write_bytes(picture_files.colour_of_16_bits(bright))
    Image.new("RGB", (SIDE, SIDE), (8, 0, 0)).save(pictures / "dark.png")
    Image.new("RGB", (SIDE, SIDE), (9, 0, 0)).save(pictures / "dark.bmp")
    for value_range in (None, (0, 4095)):
        (scan,) = open_pictures(value_range=value_range).scans
        (file,) = [file for file in scan.deep_files if file.is_coarse]
        assert (file.path, file.remark) == ("colour.png", "maximum 4095 of 65535")
        assert "  1 of 16 bits a colour come out dark, for they go to 4095 of" in scan.summary()


def test_files_of_8_bits_stay_as_they_are(tmp_path):
    save_pictures(tmp_path / "pictures", 16)
    with pytest.raises(ValueError, match="has no grey images of 16 bits or more with values to sc"):
        datasets.scan_folder(tmp_path / "pictures", SIDE, value_range="data", data_dir=tmp_path)
    options = {"image_size": SIDE, "data_dir": tmp_path / "data"}
    opened = [
        datasets.open(tmp_path / "pictures", value_range=value_range, **options)
        for value_range in (None, (0, 4095))
    ]
    np.testing.assert_array_equal(*map(pixels_of, opened))
    assert not opened[1].scans[0].deep_files


@pytest.mark.parametrize("value_range", [4095, (0,), (5, 5), (9, 1), "full", (0, np.inf)])
def test_what_is_no_range_is_refused(open_pictures, value_range):
    with pytest.raises(
        ValueError, match=r"^value_range must be \(black, white\), .* Received: val"
    ):
        open_pictures(value_range=value_range)


def test_sets_of_tfds_take_none():
    with pytest.raises(ValueError, match=r"^value_range is for folders of images, 'folder:PATH'"):
        datasets.open("mnist_small", value_range=(0, 4095))


@pytest.mark.parametrize("form", [datasets.load, datasets.load_few_labels, datasets.describe])
def test_the_short_forms_take_it_too(form):
    arguments = (4,) if form is datasets.load_few_labels else ()
    with pytest.raises(ValueError, match=r"^value_range is for folders of images"):
        form("mnist_small", *arguments, value_range=(0, 4095))
