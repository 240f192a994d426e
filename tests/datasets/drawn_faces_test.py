"""`drawn_faces`: the promised faces, and each attribute drawn where it belongs and only there."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.datasets.celeb_a import celeb_a_dataset_builder as celeb_a

from zoo import datasets
from zoo.datasets.drawn_faces import appearance, render
from zoo.datasets.drawn_faces import drawn_faces_dataset_builder as builder_module

_SPLITS = ("train", "validation", "test", "quads")


@pytest.fixture(scope="module")
def faces_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("drawn_faces")


@pytest.fixture(scope="module")
def tiny(faces_dir):
    """All examples of the config `tiny`, split by split, in the order of their identities."""
    builder = builder_module.Builder(config="tiny", data_dir=faces_dir)
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    builder.download_and_prepare(download_config=config)
    return {
        split: sorted(
            tfds.as_numpy(builder.as_dataset(split=split)),
            key=lambda example: (
                example["identity"]["Identity_No"],
                example["attributes"]["Eyeglasses"],
                example["attributes"]["Smiling"],
            ),
        )
        for split in _SPLITS
    }


@pytest.fixture
def plain():
    """A face that looks straight ahead and has none of the attributes but straight brown hair."""
    return dataclasses.replace(
        appearance.sample_appearance("tests", 0),
        male=False,
        center=(0.0, 0.05),
        scale=1.0,
        yaw=0.0,
        pitch=0.0,
        roll=0.0,
        head_width=0.5,
        head_height=0.68,
        skin_tone=1.0,
        rosiness=0.0,
        hair_colour="brown",
        hair_length=0.1,
        hair_wave=0.0,
        bangs=0.0,
        bald=False,
        beard=0.0,
        goatee=0.0,
        mustache=0.0,
        eye_distance=0.4,
        eye_openness=0.55,
        brow_size=0.0,
        brow_arch=0.0,
        nose_size=0.0,
        lip_size=0.0,
        lipstick=0.0,
        smile=0.0,
        mouth_open=0.0,
        glasses=False,
        sunglasses=False,
        light_azimuth=0.0,
        background=((0.5, 0.5, 0.5), (0.6, 0.6, 0.6)),
        clothes=(0.3, 0.3, 0.6),
    )


def _changed(face, other, size=128, levels=1):
    """True in each pixel where two faces differ by so many of the 255 levels."""
    difference = render.render(face, size).astype(int) - render.render(other, size)
    return (np.abs(difference) >= levels).any(axis=-1)


# === Features ===


def test_features_are_named_as_in_celeb_a(tiny):
    for split, num_examples in zip(_SPLITS, (256, 64, 64, 64), strict=True):
        assert len(tiny[split]) == num_examples
    for examples in tiny.values():
        for example in examples:
            assert example["image"].shape == (64, 64, 3)
            assert example["image"].dtype == np.uint8
    example = tiny["train"][0]
    assert example["identity"].keys() == set(celeb_a.IDENTITY_HEADINGS)
    assert example["landmarks"].keys() == set(celeb_a.LANDMARK_HEADINGS)
    assert example["attributes"].keys() == set(appearance.ATTRIBUTE_NAMES)
    in_order_of_celeb_a = [
        name for name in celeb_a.ATTR_HEADINGS if name in appearance.ATTRIBUTE_NAMES
    ]
    assert list(appearance.ATTRIBUTE_NAMES) == in_order_of_celeb_a


def test_sizes_of_the_configs_and_that_they_load_by_name(tiny, faces_dir, tmp_path):
    assert tfds.builder("drawn_faces", data_dir=tmp_path).builder_config.name == "64x64"
    for name, size in (("64x64", 64), ("128x128", 128)):
        builder = tfds.builder(f"drawn_faces/{name}", data_dir=tmp_path)
        assert builder.info.features["image"].shape == (size, size, 3)
        assert builder.builder_config.num_examples == {
            "train": 20_000,
            "validation": 2_000,
            "test": 2_000,
            "quads": 2_000,
        }
    description = datasets.describe("drawn_faces/tiny", faces_dir)
    assert description.num_examples == {"train": 256, "validation": 64, "test": 64, "quads": 64}
    assert description.class_names is None
    assert description.attribute_names == appearance.ATTRIBUTE_NAMES
    assert "Apache-2.0" in description.license
    loaded = datasets.load("drawn_faces/tiny", "test", batch_size=64, data_dir=faces_dir)
    (images,) = loaded.as_numpy_iterator()
    levels = np.rint((images + 1) * 127.5).astype(np.uint8)
    assert {image.tobytes() for image in levels} == {
        example["image"].tobytes() for example in tiny["test"]
    }


# === Which face is where ===


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_stored_face_is_the_one_of_its_split_and_number(tiny, split):
    for index, example in enumerate(tiny[split][:40]):
        face = appearance.sample_appearance(split, index)
        assert example["identity"]["Identity_No"] == index
        np.testing.assert_array_equal(example["image"], render.render(face, 64))
        assert example["attributes"] == appearance.attributes(face)
        assert example["landmarks"] == render.landmarks(face, 64)


def test_no_face_is_there_twice(tiny):
    images = [example["image"].tobytes() for split in _SPLITS for example in tiny[split]]
    assert len(set(images)) == 256 + 64 + 64 + 64


def test_the_larger_picture_shows_the_same_face():
    for index in range(20):
        face = appearance.sample_appearance("train", index)
        large = render.render(face, 128).astype(float)
        means_of_squares = large.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
        # Each of both was rounded to a level once.
        assert np.abs(means_of_squares - render.render(face, 64)).max() <= 1
        for name, place in render.landmarks(face, 128).items():
            assert place // 2 == render.landmarks(face, 64)[name]


def test_only_sizes_that_divide_the_drawing_are_taken(plain):
    for size in (0, 48, 256):
        with pytest.raises(ValueError, match=f"^size must divide 128. Received: size={size}."):
            render.render(plain, size)


# === Attributes ===


def test_attributes_occur_as_often_as_documented():
    readme = (Path(builder_module.__file__).parent / "README.md").read_text()
    documented = {
        name: float(percent) / 100
        for name, percent in re.findall(r"\| `(\w+)` \| ([\d.]+) % \|", readme)
    }
    assert documented.keys() == set(appearance.ATTRIBUTE_NAMES)
    num_faces = 2000
    faces = [
        appearance.attributes(appearance.sample_appearance("train", index))
        for index in range(num_faces)
    ]
    for name, expected in documented.items():
        share = np.mean([face[name] for face in faces])
        deviation = np.sqrt(expected * (1 - expected) / num_faces)
        # The document rounds to a tenth of a percent.
        assert abs(share - expected) < 4.5 * deviation + 0.0005, name


def test_attributes_agree_with_each_other(tiny):
    for examples in tiny.values():
        for example in examples:
            has = example["attributes"]
            colours = [has[f"{colour}_Hair"] for colour in ("Black", "Blond", "Brown", "Gray")]
            assert sum(colours) + has["Bald"] <= 1
            assert has["Bald"] + has["Straight_Hair"] + has["Wavy_Hair"] == 1
            assert not (has["Bald"] and (has["Bangs"] or not has["Male"]))
            assert not (has["Mustache"] or has["Goatee"] or has["5_o_Clock_Shadow"]) or (
                has["Male"] and not has["No_Beard"]
            )


# What to change in the plain face, and the part of the picture that may change with it: left,
# right, top, bottom, in distances between the eyes from the point between them.
_UPPER_FACE, _MOUTH = (-1.35, 1.35, -0.55, 0.6), (-0.8, 0.8, 0.6, 1.5)
_HAIR = (-1.7, 1.7, -2.2, 0.7)
_TOGGLES = {
    "5_o_Clock_Shadow": ({"beard": 0.42, "mustache": 0.42}, (-1.3, 1.3, 0.0, 1.9)),
    "Arched_Eyebrows": ({"brow_arch": 1.3}, (-1.0, 1.0, -0.9, -0.1)),
    "Bangs": ({"bangs": 1.0}, (-1.3, 1.3, -1.4, 0.0)),
    "Big_Lips": ({"lip_size": 1.5}, _MOUTH),
    "Big_Nose": ({"nose_size": 1.3}, (-0.6, 0.6, 0.1, 1.1)),
    "Black_Hair": ({"hair_colour": "black"}, _HAIR),
    "Blond_Hair": ({"hair_colour": "blond"}, _HAIR),
    "Gray_Hair": ({"hair_colour": "gray"}, _HAIR),
    "Bushy_Eyebrows": ({"brow_size": 1.5}, (-1.0, 1.0, -0.9, -0.1)),
    "Eyeglasses": ({"glasses": True}, _UPPER_FACE),
    "Goatee": ({"goatee": 0.9}, (-0.6, 0.6, 1.0, 1.9)),
    "Male": ({"male": True}, (-2.5, 2.5, -1.0, 3.0)),
    "Mouth_Slightly_Open": ({"mouth_open": 0.8}, _MOUTH),
    "Mustache": ({"mustache": 0.9}, (-0.7, 0.7, 0.6, 1.2)),
    "Narrow_Eyes": ({"eye_openness": 0.3}, (-0.95, 0.95, -0.5, 0.4)),
    "Pale_Skin": ({"skin_tone": 0.1}, (-1.7, 1.7, -2.2, 2.6)),
    "Rosy_Cheeks": ({"rosiness": 1.0}, (-1.2, 1.2, 0.0, 1.1)),
    "Smiling": ({"smile": 0.8}, (-1.15, 1.15, -0.05, 1.6)),
    "Wavy_Hair": ({"hair_wave": 1.0}, _HAIR),
    "Bald": ({"bald": True}, _HAIR),
    "Wearing_Lipstick": ({"lipstick": 0.9}, _MOUTH),
}
# What else these can't but change.
_COMPANIONS = {
    "5_o_Clock_Shadow": {"No_Beard"},
    "Bald": {"Brown_Hair", "Straight_Hair"},
    "Black_Hair": {"Brown_Hair"},
    "Blond_Hair": {"Brown_Hair"},
    "Goatee": {"No_Beard"},
    "Gray_Hair": {"Brown_Hair"},
    "Mustache": {"No_Beard"},
    "Wavy_Hair": {"Straight_Hair"},
}


def test_the_plain_face_is_plain_and_every_attribute_is_toggled(plain):
    held = {name for name, holds in appearance.attributes(plain).items() if holds}
    assert held == {"Brown_Hair", "No_Beard", "Straight_Hair"}
    assert _TOGGLES.keys() | held == set(appearance.ATTRIBUTE_NAMES)


@pytest.mark.parametrize("name", _TOGGLES)
def test_an_attribute_changes_its_part_of_the_picture_and_no_other(plain, name):
    changes, (left, right, top, bottom) = _TOGGLES[name]
    other = dataclasses.replace(plain, **changes)
    before, after = appearance.attributes(plain), appearance.attributes(other)
    toggled = {attribute for attribute in before if before[attribute] != after[attribute]}
    assert toggled == {name} | _COMPANIONS.get(name, set())

    eyes = render.landmarks(plain, 128)
    unit = eyes["righteye_x"] - eyes["lefteye_x"]
    middle_x, middle_y = (eyes["righteye_x"] + eyes["lefteye_x"]) / 2, eyes["lefteye_y"]
    rows, columns = np.nonzero(_changed(plain, other))
    across, down = (columns - middle_x) / unit, (rows - middle_y) / unit
    assert left <= across.min() and across.max() <= right
    assert top <= down.min() and down.max() <= bottom
    # At 64 pixels, too, it is plain to see.
    assert _changed(plain, other, size=64, levels=20).sum() >= 8


def test_hair_leaves_the_face_below_the_brows_alone(plain):
    eyes = render.landmarks(plain, 128)
    inner_face = slice(eyes["lefteye_y"] - 4, None), slice(eyes["lefteye_x"], eyes["righteye_x"])
    for changes in ({"hair_colour": "blond"}, {"hair_wave": 1.0}, {"bald": True}):
        other = dataclasses.replace(plain, **changes)
        assert not _changed(plain, other)[inner_face].any()


# === Quads ===


def test_four_pictures_show_one_person_with_and_without_smile_and_glasses(tiny):
    quads = tiny["quads"]
    for identity in range(16):
        four = quads[4 * identity : 4 * identity + 4]
        assert {example["identity"]["Identity_No"] for example in four} == {identity}
        toggles = [
            (example["attributes"]["Smiling"], example["attributes"]["Eyeglasses"])
            for example in four
        ]
        assert toggles == [(False, False), (True, False), (False, True), (True, True)]
        others = [
            {**example["attributes"], "Smiling": None, "Eyeglasses": None} for example in four
        ]
        assert others[0] == others[1] == others[2] == others[3]


def test_in_a_quad_only_smile_and_glasses_are_drawn_differently(tiny):
    for identity in range(16):
        without, smiling, glasses, both = (
            example["image"].astype(int) for example in tiny["quads"][4 * identity :][:4]
        )
        smile_pixels = (without != smiling).any(axis=-1)
        glasses_pixels = (without != glasses).any(axis=-1)
        assert 0 < smile_pixels.mean() < 0.25 and 0 < glasses_pixels.mean() < 0.25
        unchanged = ~(smile_pixels | glasses_pixels)
        np.testing.assert_array_equal(without[unchanged], both[unchanged])
        # Where only one of both is at work, it works as it does alone, up to rounding.
        only_smile, only_glasses = smile_pixels & ~glasses_pixels, glasses_pixels & ~smile_pixels
        assert np.abs(smiling - both)[only_smile].max() <= 1
        assert np.abs(glasses - both)[only_glasses].max() <= 1


def test_people_of_quads_are_drawn_as_those_of_other_splits():
    for index in range(40):
        in_quad = appearance.sample_quad("quads", index)
        person = appearance.sample_appearance("quads", index // 4)
        same = {"smile": person.smile, "glasses": person.glasses}
        assert dataclasses.replace(in_quad, **same) == person


# === The drawing ===


def test_pictures_use_all_levels(tiny):
    images = np.stack([example["image"] for example in tiny["train"]])
    assert images.min() == 0 and images.max() == 255
    # Neither black nor white takes over.
    assert ((images == 0) | (images == 255)).mean() < 0.05
    assert len(np.unique(images)) == 256


def test_every_head_lies_within_its_picture():
    for index in range(300):
        face = appearance.sample_appearance("train", index)
        middle, half_height = face.center[1], face.scale * face.head_height
        assert middle + half_height < 0.95
        assert middle - half_height - face.scale * (face.hair_volume + 0.03) > -1
        for place in render.landmarks(face, 64).values():
            assert 10 < place < 54
    for index in range(30):
        face = appearance.sample_appearance("train", index)
        colour = "black" if face.hair_colour == "blond" else "blond"
        other = dataclasses.replace(face, skin_tone=6.0 - face.skin_tone, hair_colour=colour)
        changed = _changed(face, other, size=64)
        assert not changed[0].any()
        assert not changed[:40, [0, -1]].any()


_CONTRARY = {
    "glasses": True,
    "beard": 0.5,
    "mustache": 0.5,
    "mouth_open": 0.5,
    "hair_wave": 1.0,
    "hair_length": 0.6,
    "yaw": 0.3,
    "smile": 0.6,
}


@pytest.mark.parametrize("changes", [{}, _CONTRARY], ids=["plain", "contrary"])
def test_the_picture_is_a_continuous_function_of_every_number(plain, changes):
    face = dataclasses.replace(plain, **changes)
    picture = render.render(face, 64).astype(float)
    numbers = [name for name, value in vars(face).items() if type(value) is float]
    assert {"yaw", "smile", "hair_length", "light_azimuth"} < set(numbers)
    for name in numbers:
        nudged = dataclasses.replace(face, **{name: getattr(face, name) + 1e-4})
        change = np.abs(render.render(nudged, 64) - picture)
        # An edge that jumped by a pixel would change by some hundred levels there.
        assert change.max() <= 3, name


def test_edges_are_soft():
    """Moved by half a pixel, a picture lies about halfway to that moved by a whole one."""
    face = dataclasses.replace(
        appearance.sample_appearance("train", 3), background=((0.9, 0.9, 0.9), (0.9, 0.9, 0.9))
    )
    x, y = face.center
    still, half, whole = (
        render.render(dataclasses.replace(face, center=(x + pixels * 2 / 128, y)), 128).astype(
            float
        )
        for pixels in (0, 0.5, 1)
    )
    moved = np.abs(whole - still)
    off_middle = np.abs(half - (still + whole) / 2)
    # With hard edges every pixel that changes does so at once: off by half of its change.
    assert off_middle.sum() < 0.4 * moved.sum()


def test_landmarks_find_eyes_and_mouth():
    for index in range(30):
        face = dataclasses.replace(
            appearance.sample_appearance("train", index),
            glasses=False,
            lipstick=1.0,
            mouth_open=0.0,
        )
        places = render.landmarks(face, 128)
        bare = dataclasses.replace(face, lipstick=0.0)
        lips = _changed(face, bare)
        columns = np.flatnonzero(lips.any(axis=0))
        assert abs(columns[0] - places["leftmouth_x"]) <= 3
        assert abs(columns[-1] - places["rightmouth_x"]) <= 3
        for eye in ("lefteye", "righteye"):
            wide = dataclasses.replace(face, eye_openness=face.eye_openness + 0.05)
            rows, columns = np.nonzero(_changed(face, wide))
            at_this_side = np.abs(columns - places[f"{eye}_x"]) < 14
            assert abs(np.median(columns[at_this_side]) - places[f"{eye}_x"]) <= 4
            assert abs(np.median(rows[at_this_side]) - places[f"{eye}_y"]) <= 8
        assert places["lefteye_y"] < places["nose_y"] < places["leftmouth_y"]
