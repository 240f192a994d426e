"""Ten thousand files of many kinds, three in a hundred of them broken in ten ways."""

import os
import time

import numpy as np
import pytest
from PIL import Image

from tests.datasets import picture_files
from tests.datasets.picture_files import encoded, noise
from zoo import datasets

_NUM_FILES = 10_000
_NUM_OF_EACH_BROKEN = 30
_GOOD_KINDS = (
    ("jpg", "RGB", "JPEG"),
    ("png", "RGB", "PNG"),
    ("webp", "RGB", "WEBP"),
    ("bmp", "RGB", "BMP"),
    ("gif", "P", "GIF"),
    ("tif", "CMYK", "TIFF"),
    ("png", "RGBA", "PNG"),
    ("png", "LA", "PNG"),
    ("jpg", "L", "JPEG"),
    ("ppm", "RGB", "PPM"),
)


def _write_good(folder, number):
    suffix, mode, kind = _GOOD_KINDS[number % len(_GOOD_KINDS)]
    size = 48 + 16 * (number % 9)
    image = Image.fromarray(noise(number, size)).convert(mode)
    place = folder / f"{number % 37}" / f"{number % 3}"
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{number}.{suffix}").write_bytes(encoded(image, kind))


def _write_broken(folder) -> dict[str, str]:
    """Breaks files in ten ways; gives the reason of each."""
    broken = picture_files.broken_files()
    del broken["header_only.gif"], broken["program.eps"]
    reasons = {}
    (folder / "broken").mkdir(parents=True)
    for number in range(_NUM_OF_EACH_BROKEN):
        for name, (content, reason) in broken.items():
            path = f"broken/{number}_{name}"
            (folder / path).write_bytes(content)
            reasons[path] = reason
        path = f"broken/{number}_link.jpg"
        (folder / path).symlink_to("nowhere")
        reasons[path] = "broken link"
    return reasons


@pytest.mark.slow
def test_ten_thousand_files_of_which_some_are_broken_in_ten_ways(tmp_path):
    folder = tmp_path / "pictures"
    reasons = _write_broken(folder)
    assert len(reasons) == 300
    for number in range(_NUM_FILES - len(reasons)):
        _write_good(folder, number)
    before = picture_files.state_of(folder)

    start = time.perf_counter()
    scan = datasets.scan_folder(folder, 64, data_dir=tmp_path / "data")
    scanned = time.perf_counter()
    again = datasets.scan_folder(folder, 64, data_dir=tmp_path / "data")
    opened = time.perf_counter()
    dataset = datasets.load(
        f"folder:{folder}",
        image_size=64,
        shuffle=True,
        repeat=True,
        data_dir=tmp_path / "data",
    )
    images = list(dataset.take(200).as_numpy_iterator())
    read = time.perf_counter()

    found = dict(scan.skipped)
    assert found.keys() == reasons.keys()
    for path, reason in reasons.items():
        assert found[path].startswith(reason)
    assert len(scan.files) == sum(scan.num_examples.values()) == 9_700
    assert again == scan
    assert np.isfinite(images).all() and np.abs(images).max() <= 1
    assert picture_files.state_of(folder) == before
    assert len(os.listdir(folder / "broken")) == 300
    print(
        f"\nscanned and decoded in {scanned - start:.1f} s, opened again in "
        f"{opened - scanned:.2f} s, 200 batches of 64 read in {read - opened:.1f} s\n"
        + scan.summary()
    )
    # Decoding is a small part of a training, and what is kept of it no part at all.
    assert opened - scanned < (scanned - start) / 5
