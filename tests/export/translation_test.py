"""Translating a folder of pictures with an export, from the command line to the last file."""

import contextlib
import csv
import io
import os
import runpy
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import export
import zoo
from export import translation as translate
from tests.datasets import picture_files
from tests.datasets.picture_files import encoded, noise
from tests.recipes.command import REPOSITORY, Ended, contents
from zoo.datasets import decoding


def saved(folder: Path, channels: int = 3, **functions) -> Path:
    """A SavedModel that knows nothing of the zoo; its signatures take and give images."""
    module = tf.Module()
    spec = tf.TensorSpec((None, None, None, channels), tf.float32, name="images")

    def signature(function):
        return tf.function(lambda images: {"images": function(images)}, input_signature=[spec])

    for name, function in functions.items():
        setattr(module, name, signature(function))
    signatures = {name: getattr(module, name) for name in functions}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return folder


def negative(images):
    """Takes sides that 8 divides, as a network that halves its images three times."""
    with tf.control_dependencies([tf.debugging.assert_equal(tf.shape(images)[1:3] % 8, 0)]):
        return 1.0 - images


def mean_colour(images):
    return tf.zeros_like(images) + tf.reduce_mean(images, axis=(1, 2), keepdims=True)


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    return saved(tmp_path_factory.mktemp("export") / "1", a_to_b=negative, b_to_a=mean_colour)


@pytest.fixture(scope="module")
def cyclegan(tmp_path_factory) -> tuple[zoo.CycleGAN, Path]:
    model = zoo.CycleGAN(base_filters=1, num_blocks=1)
    folder = tmp_path_factory.mktemp("run")
    export.save(model, folder / "export", verify=False)
    return model, folder


@pytest.fixture
def pictures(tmp_path) -> Path:
    (tmp_path / "pictures").mkdir()
    return tmp_path / "pictures"


@pytest.fixture
def run(exported, tmp_path):
    def run_translate(*options, export=exported, inputs="pictures", outputs="out") -> Ended:
        script = str(REPOSITORY / "recipes" / "translate.py")
        arguments = [str(export), str(tmp_path / inputs), str(tmp_path / outputs), *options]
        out, err, code = io.StringIO(), io.StringIO(), 0
        with (
            mock.patch.object(sys, "argv", [script, *arguments]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                runpy.run_path(script, run_name="__main__")
            except SystemExit as ended:
                code = ended.code
        return Ended(code, out.getvalue(), err.getvalue())

    return run_translate


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image)


def colours(height: int, width: int, channels: int = 3) -> np.ndarray:
    random = np.random.default_rng(height * width)
    return random.integers(0, 256, (height, width, channels), dtype=np.uint8)


# === Pixels ===


@pytest.mark.parametrize("sides", [(1, 1), (63, 65), (10, 1000), (64, 64), (1, 30)])
def test_any_size_is_kept_and_every_pixel_translated(run, pictures, tmp_path, sides):
    pixels = colours(*sides)
    Image.fromarray(pixels).save(pictures / "picture.png")
    ended = run()
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"1 picture translated to {tmp_path / 'out'}\n"
    np.testing.assert_array_equal(pixels_of(tmp_path / "out" / "picture.png"), 255 - pixels)


def test_images_are_extended_by_reflection(run, pictures, tmp_path):
    # 6 rows become 8: the mirror gives one more of the second row and of the fifth.
    rows = np.array([10, 20, 30, 40, 50, 60], np.uint8)
    image = np.tile(rows[:, np.newaxis, np.newaxis], (1, 8, 3))
    Image.fromarray(image).save(pictures / "picture.png")
    assert run("--direction=b_to_a").code == 0
    expected = round((rows.sum() + 20 + 50) / 8)
    np.testing.assert_array_equal(pixels_of(tmp_path / "out" / "picture.png"), expected)


def test_larger_pictures_are_shrunk_on_request(run, pictures, tmp_path):
    # Checks of one pixel: at their own size the network takes them for black and white.
    checks = np.indices((64, 96)).sum(axis=0) % 2 * 255
    Image.fromarray(checks.astype(np.uint8)).save(pictures / "large.png")
    small = colours(16, 24)
    Image.fromarray(small).save(pictures / "small.png")
    model = saved(tmp_path / "model", a_to_b=lambda images: tf.where(images > 0.9, 0.0, images))
    assert run("--shorter_side=16", export=model).code == 0
    # Shrunk, they are the grey that they look like from afar.
    large = pixels_of(tmp_path / "out" / "large.png")
    assert large.shape == (64, 96, 3)
    np.testing.assert_allclose(large, 127.5, atol=3)
    expected = np.where(small > 0.9 * 255, 0, small)
    np.testing.assert_array_equal(pixels_of(tmp_path / "out" / "small.png"), expected)


@pytest.mark.parametrize("slopes", [(200, 0), (0, 200)])
def test_shrunk_pictures_stay_in_place(run, pictures, tmp_path, slopes):
    ramp = np.add.outer(np.linspace(0, slopes[0], 90), np.linspace(0, slopes[1], 110))
    Image.fromarray(ramp.astype(np.uint8)).save(pictures / "ramp.png")
    assert run("--shorter_side=30").code == 0
    found = pixels_of(tmp_path / "out" / "ramp.png")[3:-3, 3:-3].astype(int)
    # A pixel of the network's is three wide, and so 5 to 7 of 255.
    expected = 255 - np.repeat(ramp[3:-3, 3:-3, np.newaxis], 3, axis=-1)
    np.testing.assert_allclose(found, expected, atol=2.5)


def test_kinds_of_images(run, pictures, tmp_path):
    rgba, grey = colours(9, 7, 4), colours(5, 6, 1)[:, :, 0]
    deep = np.array([[0, 257, 65535]], np.uint16)
    Image.fromarray(rgba).save(pictures / "rgba.png")
    Image.fromarray(grey).save(pictures / "grey.png")
    Image.fromarray(deep).save(pictures / "deep.png")
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    palette.save(pictures / "palette.gif", transparency=1)
    assert run().code == 0
    opacity = rgba[:, :, 3:] / 255
    on_white = opacity * rgba[:, :, :3] + (1 - opacity) * 255
    found = pixels_of(tmp_path / "out" / "rgba.png")
    np.testing.assert_array_equal(found[:, :, 3], rgba[:, :, 3])
    np.testing.assert_allclose(found[:, :, :3], 255 - on_white, atol=1)
    np.testing.assert_array_equal(
        pixels_of(tmp_path / "out" / "grey.png"), np.repeat(255 - grey[:, :, np.newaxis], 3, -1)
    )
    np.testing.assert_array_equal(
        pixels_of(tmp_path / "out" / "deep.png"), [[[255] * 3, [254] * 3, [0] * 3]]
    )
    np.testing.assert_array_equal(
        pixels_of(tmp_path / "out" / "palette.png"), [[[245, 235, 225, 255], [0, 0, 0, 0]]]
    )


def test_images_are_turned_as_their_exif_says(run, pictures, tmp_path):
    upright = colours(6, 4)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    Image.fromarray(np.rot90(upright)).save(pictures / "turned.png", exif=exif)
    translucent = np.concatenate([upright, np.full((6, 4, 1), 255, np.uint8)], axis=-1)
    translucent[0, 0, 3] = 0
    Image.fromarray(np.rot90(translucent)).save(pictures / "turned too.png", exif=exif)
    assert run().code == 0
    np.testing.assert_array_equal(pixels_of(tmp_path / "out" / "turned.png"), 255 - upright)
    found = pixels_of(tmp_path / "out" / "turned too.png")
    np.testing.assert_array_equal(found[:, :, 3], translucent[:, :, 3])


def test_photos_of_telephones(run, pictures, tmp_path):
    with decoding.without_pillow_warnings():
        photo = encoded(Image.new("RGB", (40, 30), (200, 100, 50)), "HEIF", quality=95)
    (pictures / "IMG_0001.HEIC").write_bytes(photo)
    assert run().code == 0
    found = pixels_of(tmp_path / "out" / "IMG_0001.png")
    assert found.shape == (30, 40, 3)
    np.testing.assert_allclose(found, np.broadcast_to([55, 155, 205], found.shape), atol=3)


def test_model_of_grey_images(run, pictures, tmp_path):
    folder = saved(tmp_path / "grey_model", channels=1, a_to_b=lambda images: 1.0 - images)
    grey = colours(5, 6, 1)[:, :, 0]
    Image.fromarray(grey).save(pictures / "grey.png")
    translucent = np.stack([grey, 255 - grey], axis=-1)
    Image.fromarray(translucent, "LA").save(pictures / "translucent.png")
    assert run(export=folder).code == 0
    np.testing.assert_array_equal(pixels_of(tmp_path / "out" / "grey.png"), 255 - grey)
    found = pixels_of(tmp_path / "out" / "translucent.png")
    assert found.shape == (5, 6, 2)
    np.testing.assert_array_equal(found[:, :, 1], 255 - grey)


def test_values_of_12_bits_are_scaled_on_request(run, pictures, tmp_path):
    folder = saved(tmp_path / "grey_model", channels=1, a_to_b=lambda images: 1.0 - images)
    grey = colours(5, 6, 1)[:, :, 0]
    Image.fromarray(16 * grey.astype(np.uint16)).save(pictures / "grey.png")
    assert run("--value_range=0,4080", export=folder).code == 0
    np.testing.assert_array_equal(pixels_of(tmp_path / "out" / "grey.png"), 255 - grey)
    ended = run("--value_range=4080", export=folder)
    assert ended.code == 2 and "must be BLACK,WHITE, such as 0,4095. Received: '4080'" in ended.err


# === A CycleGAN ===


@pytest.mark.parametrize("sides", [(1, 1), (63, 65), (10, 1000)])
def test_cyclegan_translates_any_size(cyclegan, sides):
    _, folder = cyclegan
    translator = translate.load_translator(folder, "a_to_b")
    assert (translator.multiple, translator.channels) == (4, 3)
    assert translator.translate(colours(*sides)).shape == (*sides, 3)


def test_size_that_fits_is_translated_as_the_model_does(cyclegan):
    model, folder = cyclegan
    pixels = colours(64, 32)
    for direction, generator in zip(("a_to_b", "b_to_a"), model.players["generator"], strict=True):
        translated = translate.load_translator(folder, direction).translate(pixels)
        expected = generator(pixels[np.newaxis] / np.float32(127.5) - 1, training=False)[0]
        np.testing.assert_allclose(translated, (expected + 1) * 127.5, atol=0.51)


def test_u_net_needs_sides_that_32_divides(tmp_path):
    model = zoo.CycleGAN(base_filters=1, architecture="u_net")
    export.save(model, tmp_path, verify=False)
    translator = translate.load_translator(tmp_path, "b_to_a")
    assert translator.multiple == 32
    assert translator.translate(colours(33, 1)).shape == (33, 1, 3)


def test_export_is_found_in_a_run_in_a_folder_of_versions_and_itself(cyclegan):
    _, run = cyclegan
    for folder in (run, run / "export", run / "export" / "1"):
        assert translate.load_translator(folder, "b_to_a").channels == 3


# === Files ===


def test_names_and_folders_are_kept(run, pictures, tmp_path):
    (pictures / "a" / "b").mkdir(parents=True)
    picture = Image.fromarray(noise(1))
    for name in ("one.jpg", "a/one.jpg", "a/one.png", "a/one.jpg.png", "a/b/ü two.WEBP"):
        picture.save(pictures / name)
    before = contents(pictures)
    assert run().code == 0
    assert set(contents(tmp_path / "out")) == {
        *("one.png", "a/one.jpg.png", "a/one.png", "a/one.jpg.png.png", "a/b/ü two.png"),
        "skipped_images.csv",
    }
    assert contents(pictures) == before


def test_names_are_told_apart_only_where_they_must_be():
    def named(*paths: str) -> list[str]:
        return translate.output_names(paths)

    assert named("a.jpg", "a.png") == ["a.jpg.png", "a.png"]
    assert named("a.jpg", "a.webp", "b.jpg") == ["a.jpg.png", "a.webp.png", "b.png"]
    assert named("A.jpg", "a.png", "a.PNG") == ["A.jpg.png", "a.png", "a.PNG.png"]
    assert named("a.png", "A.png") == ["a.png", "A.png.png"]
    # A folder of a picture's name, and a picture of the name that another would flee to.
    assert named("a.jpg", "a.png/x.png") == ["a.jpg.png", "a.png/x.png"]
    assert named("a.jpg", "a.png", "a.jpg.png") == ["a.jpg.png", "a.png", "a.jpg.png.png"]


def test_files_beside_pictures_change_no_names(run, pictures, tmp_path):
    for name in ("one.png", "two.jpg"):
        Image.fromarray(noise(1)).save(pictures / name)
    for name in ("one.txt", "two.xmp", "two.MOV"):
        (pictures / name).write_text("no picture")
    assert "; 3 files skipped, see skipped_images.csv" in run().out
    assert set(contents(tmp_path / "out")) == {"one.png", "two.png", "skipped_images.csv"}


def test_what_cannot_be_read_is_skipped_and_listed(run, pictures, tmp_path):
    broken = picture_files.broken_files()
    del broken["tiny.png"]  # small, but a picture
    for name, (content, _) in broken.items():
        (pictures / name).write_bytes(content)
    (pictures / ".hidden.png").write_bytes(encoded(Image.fromarray(noise(1)), "PNG"))
    Image.fromarray(noise(2)).save(pictures / "good.png")
    ended = run()
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        f"1 picture translated to {tmp_path / 'out'}; {len(broken) + 1} files skipped, see "
        "skipped_images.csv\n"
    )
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "good.png",
        "skipped_images.csv",
    }
    with open(tmp_path / "out" / "skipped_images.csv", newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    assert set(rows) == {".hidden.png", *broken}
    for name, (_, reason) in broken.items():
        assert rows[name]["remark"].startswith(reason) and rows[name]["used"] == "no"


def test_nothing_is_overwritten_unless_asked_for(run, pictures, tmp_path):
    Image.fromarray(colours(4, 4)).save(pictures / "a.png")
    assert run().code == 0
    Image.fromarray(colours(4, 5)).save(pictures / "a.png")
    before = contents(tmp_path / "out")
    ended = run()
    assert ended.code == 2
    assert ended.err == (
        f"translate.py: error: {tmp_path / 'out'} holds 2 of the files to be written, the first of "
        "them a.png; name another OUTPUT_FOLDER, or add --continue to translate the others alone, "
        "--overwrite to replace them.\n"
    )
    assert contents(tmp_path / "out") == before
    assert run("--overwrite").code == 0
    assert pixels_of(tmp_path / "out" / "a.png").shape == (4, 5, 3)


def test_continue_translates_what_is_not_there_yet(run, pictures, tmp_path):
    Image.fromarray(colours(4, 4)).save(pictures / "a.png")
    (pictures / "text.png").write_text("no picture")
    assert run().code == 0
    before = contents(tmp_path / "out")
    Image.fromarray(colours(8, 8)).save(pictures / "a.png")
    Image.fromarray(colours(4, 5)).save(pictures / "b.png")
    ended = run("--continue")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        f"2 pictures translated to {tmp_path / 'out'}; 1 file skipped, see skipped_images.csv\n"
    )
    after = contents(tmp_path / "out")
    np.testing.assert_array_equal(pixels_of(tmp_path / "out" / "b.png"), 255 - colours(4, 5))
    assert before == {path: content for path, content in after.items() if path != "b.png"}


@pytest.mark.parametrize(
    ("options", "advice"), [((), "--continue goes on"), (("--overwrite",), "--overwrite begins")]
)
def test_interrupted_it_says_how_to_go_on(run, pictures, tmp_path, monkeypatch, options, advice):
    for name in ("a.png", "b.png"):
        Image.fromarray(colours(4, 4)).save(pictures / name)
    first = decoding.Decoded(colours(4, 4), is_enlarged=False, levels=None)
    monkeypatch.setattr(decoding, "decode_image", mock.Mock(side_effect=[first, KeyboardInterrupt]))
    ended = run(*options)
    assert (ended.code, ended.out) == (130, "")
    assert ended.err.startswith(f"\ntranslate.py: interrupted; {advice}")
    assert set(contents(tmp_path / "out")) == {"a.png"}


@pytest.mark.parametrize("option", ["--continue", "--overwrite"])
def test_a_folder_where_a_picture_belongs_is_refused(run, pictures, tmp_path, option):
    Image.fromarray(colours(4, 4)).save(pictures / "a.png")
    Image.fromarray(colours(4, 4)).save(pictures / "b.png")
    (tmp_path / "out" / "b.png").mkdir(parents=True)
    ended = run(option)
    assert ended.code == 2
    assert f"{tmp_path / 'out' / 'b.png'} is a folder, where a file is to be written" in ended.err
    assert contents(tmp_path / "out") == {}


# === What can't be translated ===


@pytest.mark.parametrize(
    ("options", "changes", "message"),
    [
        (["--direction=c_to_d"], {}, "has no translation 'c_to_d'; it has a_to_b, b_to_a."),
        ([], {"inputs": "nowhere"}, "nowhere does not exist."),
        ([], {"inputs": "pictures/a.png"}, "INPUT_FOLDER must be a folder of pictures; "),
        ([], {"outputs": "pictures/a.png"}, "OUTPUT_FOLDER must be a folder; "),
        ([], {"outputs": "pictures"}, "must not lie in each other"),
        ([], {"outputs": "pictures/out"}, "must not lie in each other"),
        ([], {"outputs": "."}, "must not lie in each other"),
        ([], {"outputs": "link"}, "must not lie in each other"),
        (
            [],
            {"inputs": "texts"},
            "texts holds no picture that can be used (1 not an image), a.txt for one",
        ),
        ([], {"inputs": "nothing"}, "nothing holds no picture that can be used (it is empty)"),
        ([], {"export": "nowhere"}, "No export in nowhere: "),
        (["--size=3"], {}, "unrecognized arguments: --size=3. See --help."),
        (["--continue", "--overwrite"], {}, "not allowed with argument --continue"),
        (["--shorter_side=0"], {}, "must be a positive integer. Received: '0'"),
    ],
)
def test_refused_in_one_line(run, pictures, tmp_path, options, changes, message):
    Image.fromarray(noise(1)).save(pictures / "a.png")
    os.symlink(pictures, tmp_path / "link")
    (tmp_path / "nothing").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("no picture")
    before = contents(tmp_path)
    ended = run(*options, **changes)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("translate.py: error: ") and ended.err.count("\n") == 1
    assert message in ended.err
    assert contents(tmp_path) == before


def test_export_that_translates_nothing_is_refused(tmp_path):
    export.save(zoo.VanillaGAN(), tmp_path / "gan", verify=False)
    with pytest.raises(ValueError, match="it has none at all, and other signatures: generate"):
        translate.load_translator(tmp_path / "gan", "a_to_b")
    fixed = saved(tmp_path / "fixed", a_to_b=lambda images: tf.reshape(images, (-1, 30, 30, 3)))
    with pytest.raises(ValueError, match="translates no images of 12 to 768 pixels a side"):
        translate.load_translator(fixed, "a_to_b")
    four = saved(tmp_path / "four", channels=4, a_to_b=lambda images: images)
    with pytest.raises(ValueError, match="must take images of 3 or 1 channels. Received: 4"):
        translate.load_translator(four, "a_to_b")
