"""A user's own folder: what is read, what is skipped and why, splits, duplicates, the cache."""

import csv
import json
import os
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from tests.datasets import picture_files
from tests.datasets.picture_files import encoded, noise, save_pictures
from zoo import datasets
from zoo.datasets import decoding, memory


@pytest.fixture
def pictures(tmp_path) -> Path:
    """A folder of 40 different pictures, 24x24."""
    save_pictures(tmp_path / "pictures", 40)
    return tmp_path / "pictures"


@pytest.fixture
def scan(tmp_path, pictures):
    def scan_pictures(image_size=24, **options):
        return datasets.scan_folder(pictures, image_size, data_dir=tmp_path / "data", **options)

    return scan_pictures


@pytest.fixture
def load(tmp_path, pictures):
    def load_pictures(split="train", **options):
        options = {"image_size": 24, "data_dir": tmp_path / "data", **options}
        return datasets.load(f"folder:{pictures}", split, **options)

    return load_pictures


def _pixels(dataset) -> np.ndarray:
    images = np.concatenate(list(dataset.as_numpy_iterator()))
    return np.rint((images + 1) * 127.5).astype(np.uint8)


def _found(images: np.ndarray, wanted: np.ndarray) -> bool:
    return any(np.array_equal(image, wanted) for image in images)


# === What is read ===


def test_pictures_of_the_size_asked_for_come_out_as_they_are(load):
    images = _pixels(load("all"))
    assert images.shape == (40, 24, 24, 3)
    assert all(_found(images, noise(seed)) for seed in range(40))


def _flat(mode, colour, size=(24, 24)):
    return Image.new(mode, size, colour)


def _palette_with_transparency():
    image = _flat("P", 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    return encoded(image, "PNG", transparency=1)


def _grey_16_bit(value):
    return encoded(Image.fromarray(np.full((24, 24), value, np.uint16)), "PNG")


def _halves(first, second):
    """First above second."""
    image = _flat("RGB", second)
    image.paste(first, (0, 0, 24, 12))
    return image


def _animation(kind):
    frames = [_flat("RGB", "red"), _flat("RGB", "blue")]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)


def _grey_of_linear_light(value):
    return encoded(_flat("L", value), "PNG", icc_profile=picture_files.linear_grey_profile())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (encoded(_flat("1", 1), "PNG"), (255, 255, 255)),
        (encoded(_flat("L", 77), "PNG"), (77, 77, 77)),
        (encoded(_flat("LA", (77, 0)), "PNG"), (255, 255, 255)),
        # 255 · 128/255 of the colour and 255 · 127/255 of white.
        (encoded(_flat("RGBA", (255, 0, 0, 128)), "PNG"), (255, 127, 127)),
        (encoded(_flat("CMYK", (255, 0, 0, 0)), "TIFF"), (0, 255, 255)),
        (encoded(_flat("P", 0), "GIF"), (0, 0, 0)),
        (_palette_with_transparency(), (255, 255, 255)),
        # 16 bits hold 257 times the value of 8.
        (_grey_16_bit(128 * 257), (128, 128, 128)),
        (_grey_16_bit(65535), (255, 255, 255)),
        (_grey_16_bit(128), (0, 0, 0)),
        (_grey_16_bit(129), (1, 1, 1)),
        (_animation("GIF"), (255, 0, 0)),
        (_animation("PNG"), (255, 0, 0)),
        (_animation("WEBP"), (255, 0, 0)),
        # Half the light is 1.055 · 0.502^(1/2.4) − 0.055 = 0.737 in sRGB.
        (_grey_of_linear_light(128), (188, 188, 188)),
    ],
    ids=[
        "1 bit",
        "grey",
        "transparent grey",
        "half transparent",
        "CMYK",
        "palette",
        "transparent palette",
        *("16 bits", "16 bits, white", "16 bits, rounded down", "16 bits, rounded up"),
        *("GIF", "APNG", "WebP"),
        "colour profile",
    ],
)
def test_every_kind_of_pixel_becomes_srgb(pictures, load, content, expected):
    (pictures / "odd").write_bytes(content)
    images = _pixels(load("all"))
    assert len(images) == 41
    assert _found(images, np.full((24, 24, 3), expected, np.uint8))


def test_grey_is_one_channel(pictures, load):
    Image.fromarray(np.full((24, 24, 3), (0, 255, 0), np.uint8)).save(pictures / "green.png")
    images = _pixels(load("all", channels=1))
    assert images.shape == (41, 24, 24, 1)
    # ITU-R 601: green has 0.587 of the brightness of white.
    assert _found(images, np.full((24, 24, 1), round(0.587 * 255), np.uint8))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "HEIF"])
def test_images_are_turned_as_the_camera_was(pictures, load, kind):
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the picture lies at the right
    with decoding.without_pillow_warnings():
        content = encoded(_halves("white", "black"), kind, exif=exif.tobytes(), quality=-1)
    (pictures / "turned").write_bytes(content)
    right_is_white = np.zeros((24, 24, 3), int)
    right_is_white[:, 12:] = 255
    assert any(np.abs(image - right_is_white).max() < 60 for image in _pixels(load("all")))


def test_photos_of_telephones_are_read(pictures, load):
    with decoding.without_pillow_warnings():
        content = encoded(_halves("white", "black"), "HEIF", quality=-1)
    (pictures / "photo.HEIC").write_bytes(content)
    white_above_black = np.zeros((24, 24, 3), int)
    white_above_black[:12] = 255
    assert any(np.abs(image - white_above_black).max() < 5 for image in _pixels(load("all")))


@pytest.fixture
def without_pillow_heif(monkeypatch):
    decoding.readable_formats.cache_clear()
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    yield monkeypatch
    monkeypatch.undo()
    decoding.readable_formats.cache_clear()


def test_what_reads_photos_of_telephones_is_named(pictures, scan, without_pillow_heif):
    (pictures / "photo.heic").write_bytes(b"\0\0\0\x1cftypheic" + 400 * b"\0")
    ((_, reason),) = scan().skipped
    assert reason == "HEIC without pillow-heif: install that, or save the photo as JPEG"
    assert "1 HEIC without pillow-heif" in scan().summary()
    # Once that is done, the folder is read anew, though nothing in it has changed.
    without_pillow_heif.undo()
    decoding.readable_formats.cache_clear()
    assert scan().skipped == (("photo.heic", "damaged: no whole HEIC file"),)


def test_the_shorter_side_fits_and_the_middle_is_kept(pictures, load):
    image = _flat("RGB", "red", (96, 24))
    image.paste((0, 128, 0), (36, 0, 60, 24))
    image.save(pictures / "wide.png")
    assert _found(_pixels(load("all")), np.full((24, 24, 3), (0, 128, 0), np.uint8))


def test_sizes_may_be_oblong(load):
    assert load("all", image_size=(16, 32)).element_spec.shape == (None, 16, 32, 3)


def test_shrinking_takes_all_pixels_into_account(pictures, load):
    checks = np.indices((96, 96)).sum(axis=0) % 2 * 255
    Image.fromarray(checks.astype(np.uint8)).save(pictures / "checks.png")
    # Every second pixel is white: without antialiasing the result is black or white.
    assert any((np.abs(image.astype(int) - 127) <= 3).all() for image in _pixels(load("all")))


def test_a_large_jpeg_comes_out_as_if_read_in_full(tmp_path):
    large = Image.fromarray(noise(3, size=2000))
    save_pictures(tmp_path / "pictures", 15)
    large.save(tmp_path / "pictures" / "large.jpg", quality=95)
    images = _pixels(
        datasets.load(f"folder:{tmp_path / 'pictures'}", "all", image_size=24, data_dir=tmp_path)
    )
    expected = np.asarray(large.resize((24, 24), Image.Resampling.BICUBIC)).astype(int)
    assert min(np.abs(image - expected).mean() for image in images) < 1


# === What is skipped ===


def test_what_cannot_be_used_is_listed_with_its_reason(pictures, scan):
    broken = picture_files.broken_files()
    for name, (content, _) in broken.items():
        (pictures / name).write_bytes(content)
    (pictures / "deep" / "deeper").mkdir(parents=True)
    (pictures / "deep" / "deeper" / "note.txt").write_text("not a picture")
    (pictures / ".hidden.png").write_bytes(encoded(_flat("RGB", "red"), "PNG"))
    (pictures / "broken_link.png").symlink_to("nowhere.png")
    (pictures / "itself.png").symlink_to("itself.png")
    (pictures / "deep" / "loop").symlink_to(pictures)
    os.mkfifo(pictures / "pipe.png")
    before = picture_files.state_of(pictures / "deep")

    found = scan()

    reasons = dict(found.skipped)
    expected = {name: reason for name, (_, reason) in broken.items()} | {
        "deep/deeper/note.txt": "not an image",
        ".hidden.png": "hidden",
        "broken_link.png": "broken link: No such file",
        "itself.png": "broken link: Too many levels",
        "deep/loop": "link to a folder that is scanned already",
        "pipe.png": "not a regular file",
    }
    assert reasons.keys() == expected.keys()
    for name, reason in expected.items():
        assert reasons[name].startswith(reason) and "\n" not in reasons[name]
    assert len(found.files) == sum(found.num_examples.values()) == 40
    assert picture_files.state_of(pictures / "deep") == before


def test_a_folder_that_cannot_be_read_is_listed(pictures, scan):
    save_pictures(pictures / "locked", 2, first_seed=500)
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    # Not by its permissions, because these do not stop root.
    with mock.patch.object(os, "scandir", refuse):
        found = scan()
    assert found.skipped == (("locked", "folder can't be read: Permission denied"),)


def test_links_nested_folders_and_names_in_any_script_are_used(tmp_path, pictures, scan, load):
    elsewhere = save_pictures(tmp_path / "elsewhere", 2, first_seed=100)
    (pictures / "linked").symlink_to(tmp_path / "elsewhere")
    names = ["写真.png", "фото.png", "صورة.png", "é\u0301.png", 'a "b", c\nd.png', "no_suffix"]
    (pictures / "nested" / "猫").mkdir(parents=True)
    for number, name in enumerate(names):
        save_pictures(tmp_path / "new", 1, first_seed=200 + number)[0].rename(
            pictures / "nested" / "猫" / name
        )
    stray = os.fsencode(pictures) + b"/\xff\xfe.png"
    with open(stray, "wb") as file:
        file.write(b"broken")
    found = scan()
    assert len(found.files) == 40 + len(names) + len(elsewhere)
    assert {f"nested/猫/{name}" for name in names} < set(found.files)
    assert [os.fsencode(path) for path, _ in found.skipped] == [b"\xff\xfe.png"]
    found.write_report(tmp_path / "report.csv")
    assert "\\xff\\xfe.png" in (tmp_path / "report.csv").read_text(encoding="utf-8")
    assert len(_pixels(load("all"))) == len(found.files)


def test_a_broken_exif_block_loses_no_image(pictures, scan):
    (pictures / "photo.jpg").write_bytes(picture_files.truncated_exif())
    found = scan()
    assert "photo.jpg" in found.files and not found.skipped


# === Duplicates ===


@pytest.fixture
def doubled(pictures) -> Path:
    """Adds two equal files, a recompressed one, and two flat ones of unlike colours."""
    original = (pictures / "00003.png").read_bytes()
    (pictures / "copy.png").write_bytes(original)
    (pictures / "deep").mkdir()
    (pictures / "deep" / "copy.png").write_bytes(original)
    Image.fromarray(noise(7)).save(pictures / "recompressed.jpg", quality=90, subsampling=0)
    for colour in ("red", "blue"):
        _flat("RGB", colour).save(pictures / f"{colour}.png")
    return pictures


@pytest.mark.parametrize(("drop", "num_used"), [("none", 45), ("exact", 43), ("near", 42)])
def test_duplicates_are_counted_and_dropped_on_request(doubled, scan, load, drop, num_used):
    found = scan(drop_duplicates=drop)
    assert found.duplicates == (
        ("copy.png", "00003.png", True),
        ("deep/copy.png", "00003.png", True),
        ("recompressed.jpg", "00007.png", False),
    )
    assert (found.num_exact_duplicates, found.num_near_duplicates) == (2, 1)
    assert len(found.files) == num_used == len(_pixels(load("all", drop_duplicates=drop)))


def test_equal_files_lie_in_one_split(pictures, load):
    for number in range(40):
        content = (pictures / f"{number:05}.png").read_bytes()
        (pictures / f"copy_{number}.png").write_bytes(content)
    splits = [{image.tobytes() for image in _pixels(load(s))} for s in ("train", "validation")]
    assert not splits[0] & splits[1]


# === Splits ===


def test_splits_are_nine_tenths_and_twice_a_twentieth(tmp_path):
    save_pictures(tmp_path / "many", 1000, size=8)
    found = datasets.scan_folder(tmp_path / "many", 8, data_dir=tmp_path)
    # Within four standard deviations, √(1000 · 0.9 · 0.1) and √(1000 · 0.05 · 0.95).
    assert abs(found.num_examples["train"] - 900) < 4 * 9.5
    assert abs(found.num_examples["validation"] - 50) < 4 * 6.9
    assert sum(found.num_examples.values()) == 1000


def test_no_split_of_a_small_folder_is_empty(tmp_path):
    for number in range(12):
        save_pictures(tmp_path / str(number), 16, size=8, first_seed=100 * number)
        scan = datasets.scan_folder(tmp_path / str(number), 8, data_dir=tmp_path)
        assert min(scan.num_examples.values()) > 0 and len(scan.files) == 16


def test_an_image_stays_in_its_split_when_others_come_and_names_change(pictures, load):
    def of_split():
        return [{i.tobytes() for i in _pixels(load(s))} for s in ("train", "validation")]

    before = of_split()
    save_pictures(pictures / "later", 20, first_seed=300)
    (pictures / "00001.png").rename(pictures / "zzz.png")
    after = of_split()
    assert all(old <= new for old, new in zip(before, after, strict=True))
    assert sum(map(len, after)) > sum(map(len, before))


def test_folders_named_like_splits_are_the_splits(tmp_path):
    for split, count in (("train", 20), ("test", 5), ("other", 3)):
        save_pictures(tmp_path / "sorted" / split / "deep", count, first_seed=100 * count)
    found = datasets.scan_folder(tmp_path / "sorted", 24, data_dir=tmp_path)
    assert found.num_examples == {"train": 20, "test": 5}
    assert len(found.skipped) == 3
    assert found.skipped[0] == ("other/deep/00300.png", "outside of the folders train, test")
    name = f"folder:{tmp_path / 'sorted'}"
    test = _pixels(datasets.load(name, "test", image_size=24, data_dir=tmp_path))
    assert len(test) == 5 and all(_found(test, noise(500 + i)) for i in range(5))
    with pytest.raises(ValueError, match=r"has no split 'validation'; choose from 'train', 'test'"):
        datasets.load(name, "validation", image_size=24, data_dir=tmp_path)


def test_slices_and_sums_are_those_of_tfds(load):
    train, test = _pixels(load("train")), _pixels(load("test"))
    parts = [_pixels(load("train[:50%]")), _pixels(load("train[50%:]"))]
    np.testing.assert_array_equal(np.concatenate(parts), train)
    np.testing.assert_array_equal(_pixels(load("train[3:7]")), train[3:7])
    np.testing.assert_array_equal(
        _pixels(load("test+train[-2:]")), np.concatenate([test, train[-2:]])
    )


def test_the_order_has_nothing_to_do_with_the_names(load):
    images = [image.tobytes() for image in _pixels(load("train"))]
    order = [images.index(n.tobytes()) for n in map(noise, range(40)) if n.tobytes() in images]
    assert sorted(order) == list(range(len(images))) != order


# === Batches ===


@pytest.mark.parametrize("repeat", [False, True])
def test_images_too_many_for_memory_are_read_from_disk(load, repeat, monkeypatch):
    options = {"shuffle": True, "repeat": repeat, "batch_size": 7, "seed": 5}
    in_memory = list(load("train", **options).take(20).as_numpy_iterator())
    datasets.clear_memory()
    monkeypatch.setattr(memory, "MAX_BYTES_IN_MEMORY", 1000)
    dataset = load("train", **options)
    assert dataset.element_spec.shape[1:] == (24, 24, 3)
    on_disk = list(dataset.take(20).as_numpy_iterator())
    if repeat:
        for batch, expected in zip(on_disk, in_memory, strict=True):
            np.testing.assert_array_equal(batch, expected)
        resumed = load("train", first_step=13, **options).take(7).as_numpy_iterator()
        for batch, expected in zip(resumed, in_memory[13:], strict=True):
            np.testing.assert_array_equal(batch, expected)
    else:
        images = [{i.tobytes() for i in np.concatenate(x)} for x in (on_disk, in_memory)]
        assert images[0] == images[1]
    datasets.clear_memory()


def test_replicas_share_batches_from_disk(load, two_replicas, monkeypatch):
    datasets.clear_memory()
    monkeypatch.setattr(memory, "MAX_BYTES_IN_MEMORY", 0)
    dataset = load("train", batch_size=8, repeat=True)
    distributed = iter(two_replicas.experimental_distribute_dataset(dataset))
    parts = two_replicas.experimental_local_results(next(distributed))
    expected = next(dataset.as_numpy_iterator())
    np.testing.assert_array_equal(np.concatenate(parts), expected)


# === The cache ===


def test_files_are_decoded_once(scan, load, pictures, capsys):
    scan()
    assert "Reading 40 files" in capsys.readouterr().err
    scan()
    load("train")
    datasets.clear_memory()
    load("test")
    assert "Reading" not in capsys.readouterr().err
    save_pictures(pictures, 1, first_seed=700)
    assert len(scan().files) == 41
    assert "Reading 41 files" in capsys.readouterr().err


def test_a_file_that_has_changed_is_read_anew(pictures, scan, load):
    first = scan()
    _flat("RGB", "red").save(pictures / "00000.png")
    second = scan()
    assert second.fingerprint != first.fingerprint
    assert _found(_pixels(load("all")), np.full((24, 24, 3), (255, 0, 0), np.uint8))


def test_a_damaged_cache_is_made_anew(tmp_path, scan, load, capsys):
    scan()
    (images,) = (tmp_path / "data").rglob("images.bin")
    content = images.read_bytes()
    for damaged in (content[:-1], content[:50], b""):
        images.write_bytes(damaged)
        datasets.clear_memory()
        assert len(_pixels(load("all"))) == 40
    (notes,) = (tmp_path / "data").rglob("scan.json")
    notes.write_text("{")
    assert len(scan().files) == 40
    assert capsys.readouterr().err.count("Reading") == 5


def test_what_a_killed_process_left_is_removed(tmp_path, pictures, scan):
    scan()
    root = tmp_path / "data" / "zoo_decoded"
    (entry,) = (path for path in root.iterdir() if path.is_dir())
    leftover, of_another = root / f".{entry.name}.77.partial", root / ".other.77.partial"
    for folder in (leftover, of_another):
        folder.mkdir()
        (folder / "images.bin").write_bytes(b"half")
    save_pictures(pictures, 1, first_seed=700)
    scan()
    assert not leftover.exists() and of_another.exists()


def test_a_full_disk_is_named_before_work_starts(scan):
    with (
        mock.patch("shutil.disk_usage", return_value=mock.Mock(free=1000)),
        pytest.raises(RuntimeError, match=r"^The decoded images need up to 0\.0 GB.* 0\.0 GB left"),
    ):
        scan()


# === Descriptions and reports ===


def test_a_folder_is_described(tmp_path, pictures):
    name = f"folder:{pictures}"
    options = {"data_dir": tmp_path / "data", "image_size": (24, 16), "channels": 1}
    described = datasets.describe(name, **options)
    assert described.name == name and described.image_shape == (24, 16, 1)
    assert described.class_names is None and sum(described.num_examples.values()) == 40
    other_size = datasets.describe(name, tmp_path / "data", image_size=24)
    assert described.fingerprint != other_size.fingerprint


def test_the_fingerprint_is_of_the_content_not_of_names_and_times(tmp_path, pictures, scan):
    first = scan()
    os.utime(pictures / "00000.png", (0, 0))
    (pictures / "00001.png").rename(pictures / "renamed.png")
    pictures.rename(tmp_path / "moved")
    moved = datasets.scan_folder(tmp_path / "moved", 24, data_dir=tmp_path)
    assert moved.fingerprint == first.fingerprint and len(first.fingerprint) == 64


def test_the_summary_and_the_report_tell_what_is_not_used(tmp_path, doubled, scan):
    (doubled / "empty.jpg").write_bytes(b"")
    (doubled / "写真.jpg").write_bytes(b"no picture")
    found = scan(image_size=32, drop_duplicates="exact")
    assert found.summary().splitlines()[0].endswith(", 2 files skipped.")
    assert "43 images used (split by content: train " in found.summary()
    assert "\n  1 empty\n" in found.summary()
    assert "  2 equal to another file and 1 more that look like one; dropped: exact." in (
        found.summary()
    )
    assert found.summary().splitlines()[-1] == "  45 enlarged, being smaller than 32x32."

    found.write_report(tmp_path / "skipped.csv")
    with open(tmp_path / "skipped.csv", encoding="utf-8", newline="") as file:
        rows = {row["path"]: (row["used"], row["remark"]) for row in csv.DictReader(file)}
    assert rows["empty.jpg"] == ("no", "empty: 0 bytes")
    assert rows["写真.jpg"][1].startswith("not an image")
    assert rows["copy.png"] == ("no", "equal to 00003.png")
    assert rows["recompressed.jpg"] == ("yes", "looks like 00007.png")
    assert len(rows) == 5

    found.write_report(tmp_path / "skipped.json")
    as_json = json.loads((tmp_path / "skipped.json").read_text(encoding="utf-8"))
    assert {row["path"] for row in as_json} == rows.keys()
    with pytest.raises(ValueError, match=r"must end in \.csv or \.json\. Received: .*skipped\.txt"):
        found.write_report(tmp_path / "skipped.txt")


# === Errors ===


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("folder:", {}, r"^'folder:' names no folder; write 'folder:PATH'\.$"),
        ("folder:{0}/nope", {}, r"nope does not exist; give the path of a folder of images\.$"),
        ("folder:{0}/00000.png", {}, r"00000\.png is a file, not a folder; give"),
        ("{0}", {}, r"^There is no data set '.*'; for the images in that folder write 'folder:/"),
        ("folder:{0}", {"image_size": None}, r"^'folder:.*' needs an image_size.*image_size=64"),
        ("folder:{0}", {"image_size": 0}, r"^image_size must be a positive .*: image_size=0\.$"),
        ("folder:{0}", {"image_size": (8, 8, 3)}, r"^image_size must be .*=\(8, 8, 3\)\.$"),
        ("folder:{0}", {"image_size": 24.0}, r"^image_size must be .*image_size=24\.0\.$"),
        ("folder:{0}", {"channels": 4}, r"^channels must be 3 for .* Received: channels=4\.$"),
        ("folder:{0}", {"with_labels": True}, r"^'folder:.*' has no labels, for it has no fol"),
        ("folder:{0}", {"split": "tests"}, r"has no split 'tests'; choose from 'train', 'valid"),
        ("folder:{0}", {"drop_duplicates": "all"}, r"^drop_duplicates must be 'none', 'exact' or"),
        ("mnist_small", {"drop_duplicates": "near"}, r"^drop_duplicates is for folders of images"),
    ],
)
def test_mistakes_are_named_before_any_file_is_read(tmp_path, pictures, name, options, message):
    options = {"image_size": 24, "data_dir": tmp_path / "data", **options}
    with pytest.raises(ValueError, match=message) as error:
        datasets.load(name.format(pictures), **options)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "data").exists()


def test_labels_of_a_folder_are_refused(pictures):
    with pytest.raises(ValueError, match=r"^'folder:.*' has no labels"):
        datasets.load_few_labels(f"folder:{pictures}", 10, image_size=24)


def test_too_few_images_are_refused_with_the_reasons(tmp_path):
    save_pictures(tmp_path / "few", 15)
    for number in range(3):
        (tmp_path / "few" / f"{number}.jpg").write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"has 15 images that can be used, and 16 are needed; skipped: 3 empty;"
    ) as error:
        datasets.scan_folder(tmp_path / "few", 24, data_dir=tmp_path)
    assert "\n" not in str(error.value)
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match=r"has 0 images that can be used, and 16 are needed; add"):
        datasets.scan_folder(tmp_path / "none", 24, data_dir=tmp_path)


def test_a_slice_without_images_is_named(load):
    with pytest.raises(ValueError, match=r"^split='train\[:0\]' of 'folder:.*holds no image of"):
        load("train[:0]")
    with pytest.raises(ValueError, match=r"^split='train\[:900\]' of .* can't be read \(Requested"):
        load("train[:900]")
