"""`drawn_horse2zebra`: pairs that differ in the coat alone, and a coat that follows the body."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import tensorflow_datasets as tfds
from scipy import ndimage

from zoo import datasets
from zoo.datasets.drawn_horse2zebra import anatomy, coats, render, scene
from zoo.datasets.drawn_horse2zebra.drawn_horse2zebra_dataset_builder import Builder

_TINY = {"trainA": 64, "trainB": 64, "testA": 16, "testB": 16}
_SPLITS = tuple(_TINY)
_ALL_COATS = (*render.COATS, render.ZEBRA)


@pytest.fixture(scope="module")
def stored(data_dir):
    """All examples of each split of `tiny`, in the order in which they lie on the disk."""
    datasets.describe("drawn_horse2zebra/tiny", data_dir)
    builder = tfds.builder("drawn_horse2zebra/tiny", data_dir=data_dir)
    return {split: list(tfds.as_numpy(builder.as_dataset(split=split))) for split in _SPLITS}


@pytest.fixture(scope="module")
def samples():
    """Enough of each training split to count."""
    return {
        split: [render.draw_sample(split, index) for index in range(120)]
        for split in ("trainA", "trainB")
    }


@pytest.fixture(scope="module")
def in_each_coat():
    """The first test scenes in all coats: of each scene, images by the name of the coat."""
    return [
        {coat: render.draw_sample("testA", index, coat) for coat in _ALL_COATS}
        for index in range(8)
    ]


def _luma(image):
    return image.astype(float) @ (0.299, 0.587, 0.114) / 255


# === The data set ===


def test_features_are_named_as_in_cycle_gan(tmp_path):
    ours = Builder(data_dir=tmp_path).info.features
    theirs = tfds.builder("cycle_gan/horse2zebra", data_dir=tmp_path).info.features
    assert set(ours) == set(theirs) | {"mask"}
    assert ours["label"].names == theirs["label"].names == ["A", "B"]
    assert ours["image"].shape == (64, 64, 3) and ours["mask"].shape == (64, 64, 1)


def test_description(data_dir):
    description = datasets.describe("drawn_horse2zebra/tiny", data_dir)
    assert description.image_shape == (64, 64, 3)
    assert description.class_names == ("A", "B")
    assert description.num_examples == _TINY
    assert "Apache-2.0" in description.license
    assert "horse2zebra" in description.stand_in


@pytest.mark.slow
def test_the_default_config_holds_a_thousand_of_each(tmp_path, monkeypatch):
    drawn = []

    def blank(split, index):
        drawn.append((split, index))
        grey = np.full((64, 64, 3), 128, np.uint8)
        return render.Sample(image=grey, mask=grey[:, :, :1], coat="bay")

    monkeypatch.setattr(render, "draw_sample", blank)
    builder = tfds.builder("drawn_horse2zebra", data_dir=tmp_path)
    assert builder.builder_config.name == "64x64"
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(try_download_gcs=False)
    )
    sizes = {"trainA": 1_000, "trainB": 1_000, "testA": 128, "testB": 128}
    assert {split: builder.info.splits[split].num_examples for split in sizes} == sizes
    assert set(drawn) == {(split, index) for split, size in sizes.items() for index in range(size)}


def test_a_stored_example_is_the_one_of_its_split_and_index(stored):
    for split in _SPLITS:
        assert len(stored[split]) == _TINY[split]
        for index in (*range(8), 15):
            example, sample = stored[split][index], render.draw_sample(split, index)
            np.testing.assert_array_equal(example["image"], sample.image)
            np.testing.assert_array_equal(example["mask"], sample.mask)
        assert {example["label"] for example in stored[split]} == {_SPLITS.index(split) % 2}


def test_loaded_test_images_are_in_the_same_order_in_both_splits(stored, data_dir):
    for split in ("testA", "testB"):
        dataset = datasets.load(
            "drawn_horse2zebra/tiny", split, batch_size=16, with_labels=True, data_dir=data_dir
        )
        ((images, labels),) = dataset.as_numpy_iterator()
        np.testing.assert_array_equal(
            np.rint((images + 1) * 127.5), [example["image"] for example in stored[split]]
        )
        np.testing.assert_array_equal(labels, [split == "testB"] * 16)


def test_no_image_and_no_animal_is_there_twice(stored):
    images = [example["image"].tobytes() for split in _SPLITS for example in stored[split]]
    assert len(set(images)) == sum(_TINY.values())
    masks = [
        example["mask"].tobytes()
        for split in ("trainA", "trainB", "testA")
        for example in stored[split]
    ]
    assert len(set(masks)) == 64 + 64 + 16


def test_a_sample_does_not_depend_on_those_before():
    first = render.draw_sample("trainA", 5)
    render.draw_sample("trainB", 3)
    second = render.draw_sample("trainA", 5)
    assert first.image.tobytes() == second.image.tobytes() and first.coat == second.coat


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", 0), "^There is no split 'train'; choose from 'trainA', 'trainB', 'testA', 'te"),
        (("testA", -1), "^index must be 0 or more. Received: -1.$"),
        (("testA", 0, "roan"), "^There is no coat 'roan'; choose from 'bay', .*, 'zebra'.$"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        render.draw_sample(*arguments)


# === Pairs ===


def test_a_pair_differs_inside_the_mask_and_nowhere_else(stored):
    for horse, zebra in zip(stored["testA"], stored["testB"], strict=True):
        np.testing.assert_array_equal(horse["mask"], zebra["mask"])
        outside = horse["mask"][..., 0] == 0
        np.testing.assert_array_equal(horse["image"][outside], zebra["image"][outside])
        changed = (horse["image"] != zebra["image"]).any(axis=-1)
        assert changed[~outside].mean() > 0.85
        difference = np.abs(horse["image"].astype(float) - zebra["image"])[~outside] / 255
        assert difference.mean() > 0.1


def test_all_coats_share_one_mask_that_is_no_larger_than_the_animal(in_each_coat):
    for samples in in_each_coat:
        images = np.stack([sample.image for sample in samples.values()])
        assert [sample.coat for sample in samples.values()] == list(_ALL_COATS)
        assert len({sample.mask.tobytes() for sample in samples.values()}) == 1
        inside = samples["bay"].mask[..., 0] == 255
        changes = (images != images[0]).any(axis=(0, 3))
        assert not changes[~inside].any()
        # A pixel at the edge may be touched so little that rounding hides it.
        assert changes[inside].mean() > 0.97
        assert set(np.unique(samples["bay"].mask)) == {0, 255}


def test_test_splits_show_the_same_scenes_in_any_coat(in_each_coat):
    for index, samples in enumerate(in_each_coat):
        own = render.draw_sample("testA", index)
        assert own.coat in render.COATS
        assert own.image.tobytes() == samples[own.coat].image.tobytes()
        zebra = render.draw_sample("testB", index)
        assert zebra.coat == render.ZEBRA
        assert zebra.image.tobytes() == samples[render.ZEBRA].image.tobytes()
        as_bay = render.draw_sample("testB", index, "bay")
        assert as_bay.image.tobytes() == samples["bay"].image.tobytes()


def test_coats_lie_far_enough_apart_to_be_told(in_each_coat):
    for samples in in_each_coat:
        inside = samples["bay"].mask[..., 0] == 255
        for one, other in itertools.combinations(_ALL_COATS, 2):
            difference = samples[one].image.astype(float) - samples[other].image
            assert np.abs(difference)[inside].mean() / 255 > 0.02, (one, other)


# === What is drawn ===


def test_each_coat_is_as_likely_as_the_others(samples):
    names = [sample.coat for sample in samples["trainA"]]
    expected = len(names) / len(render.COATS)
    deviation = math.sqrt(expected * (1 - 1 / len(render.COATS)))
    for coat in render.COATS:
        assert abs(names.count(coat) - expected) < 4 * deviation
    assert {sample.coat for sample in samples["trainB"]} == {render.ZEBRA}


def test_landscapes_and_silhouettes_are_the_same_lots_in_both_domains(samples):
    def measured(sample):
        outside = sample.mask[..., 0] == 0
        return [*sample.image[outside].mean(axis=0), *sample.image[outside].std(axis=0),
                (~outside).sum(), *ndimage.center_of_mass(~outside)]  # fmt: skip

    horses, zebras = (
        np.array([measured(sample) for sample in samples[split]]) for split in ("trainA", "trainB")
    )
    error = np.sqrt((horses.var(axis=0) + zebras.var(axis=0)) / len(horses))
    assert (np.abs(horses.mean(axis=0) - zebras.mean(axis=0)) < 4 * error).all()


def test_the_whole_animal_is_in_the_picture(samples):
    heights = []
    for sample in itertools.chain(*samples.values()):
        inside = sample.mask[..., 0] == 255
        parts, num_parts = ndimage.label(inside, np.ones((3, 3)))
        # Grass may hide a pastern, but not more.
        largest = np.bincount(parts.ravel())[1:].max()
        assert num_parts <= 3 and largest > 0.97 * inside.sum()
        assert not (inside[[0, -1]].any() or inside[:, [0, -1]].any())
        assert 0.08 < inside.mean() < 0.5
        heights.append(inside.any(axis=1).sum())
    assert max(heights) > 1.6 * min(heights)


def test_zebras_are_black_and_white_and_keep_all_levels(in_each_coat):
    for samples in in_each_coat:
        zebra, palomino = samples[render.ZEBRA], samples["palomino"]
        inside = ndimage.binary_erosion(zebra.mask[..., 0] == 255)
        light, dark = np.percentile(_luma(zebra.image)[inside], (90, 10))
        assert dark < 0.25 and light > 2.2 * dark
        red, _, blue = zebra.image[inside].reshape(-1, 3).mean(axis=0)
        assert red < 1.35 * blue
        red, _, blue = palomino.image[inside].reshape(-1, 3).mean(axis=0)
        assert red > 1.6 * blue


# === Stripes ===


def _slopes(x, y, step=0.004):
    """How fast the stripes follow each other, forward and upward from a place on the body."""
    here = coats.stripe_phase(np.float32([x]), np.float32([y]))[0]
    forward = coats.stripe_phase(np.float32([x + step]), np.float32([y]))[0] - here
    upward = coats.stripe_phase(np.float32([x]), np.float32([y + step]))[0] - here
    return forward / step, upward / step


@pytest.mark.parametrize("place", [(-0.05, 0.75), (0.1, 0.8), (0.2, 0.7), (-0.12, 0.8)])
def test_stripes_stand_on_the_trunk(place):
    forward, upward = _slopes(*place)
    assert abs(forward) > 2.5 * abs(upward)


@pytest.mark.parametrize("place", [(0.31, 0.2), (0.3, 0.35), (-0.4, 0.2), (-0.4, 0.33)])
def test_stripes_lie_on_the_legs(place):
    forward, upward = _slopes(*place)
    assert abs(upward) > 2.5 * abs(forward)


def test_stripes_fan_out_over_the_rump():
    directions = [
        math.degrees(math.atan2(*map(abs, reversed(_slopes(x, y)))))
        for x, y in ((-0.14, 0.85), (-0.28, 0.85), (-0.4, 0.8), (-0.45, 0.65), (-0.42, 0.54))
    ]
    # From upright (0°) to lying (90°), always further.
    assert directions == sorted(directions) and directions[0] < 15 and directions[-1] > 70


def test_stripes_cross_the_neck_and_the_head():
    for chain, place in (
        (anatomy.NECK, anatomy.NECK[1]),
        (anatomy.HEAD, np.add(anatomy.HEAD[1], anatomy.HEAD[2]) / 2),
    ):
        along = np.subtract(chain[-1], chain[0]) / math.dist(chain[0], chain[-1])
        slopes = _slopes(*place)
        assert abs(np.dot(slopes, along)) > 3 * abs(np.dot(slopes, (-along[1], along[0])))


def test_stripes_go_on_from_the_trunk_to_the_muzzle():
    joints = ((0.1, 0.75), *anatomy.NECK, *anatomy.HEAD[1:])
    places = np.concatenate(
        [np.linspace(a, b, 40, endpoint=False) for a, b in itertools.pairwise(joints)]
    )
    phase = coats.stripe_phase(*places.T.astype(np.float32))
    # Neither a jump nor a turn: each stripe is crossed once.
    assert (np.diff(phase) > 0).all() and np.diff(phase).max() < 0.25


def test_no_stripe_breaks_off_on_the_trunk():
    x, y = np.meshgrid(np.arange(-0.5, 0.5, 0.005), np.arange(0.6, 0.95, 0.005), indexing="xy")
    phase = coats.stripe_phase(x.astype(np.float32), y.astype(np.float32))
    assert np.abs(np.diff(phase, axis=0)).max() < 0.25
    assert np.abs(np.diff(phase, axis=1)).max() < 0.25


# === The body ===


@pytest.fixture
def plain():
    """A scene without any grass before an animal that stands in the middle, seen from its side."""
    sampled = scene.sample_scene("tests", 0)
    return dataclasses.replace(
        sampled,
        pose=dataclasses.replace(
            sampled.pose,
            heading=0.0,
            neck_bends=(0.0, 0.0),
            head_bend=0.0,
            head_turn=0.0,
            stride=0.0,
            tail_swing=0.0,
            fatness=1.0,
            leg_thickness=1.0,
            neck_length=1.0,
            head_length=1.0,
        ),
        place=scene.Place(height=1.0, across=0.5, ground=0.6, horizon=0.0, tilt=0.15),
        light=dataclasses.replace(sampled.light, direction=(0.5, -0.6, 0.62), grain=0.0),
        landscape=dataclasses.replace(sampled.landscape, tufts=-0.2, trees=()),
    )


def _with(plain, part, **changes):
    return dataclasses.replace(
        plain, **{part: dataclasses.replace(getattr(plain, part), **changes)}
    )


def _mask(plain):
    return render.draw_scene(plain, "bay")[1][..., 0] == 255


def test_the_animal_stands_where_it_is_placed(plain):
    rows, columns = np.nonzero(_mask(plain))
    # The near hooves are 0.095 nearer, which the tilt puts by 0.15 · 0.095 lower.
    assert abs(rows.max() + 1 - (0.6 + 0.15 * 0.095 + 1) * 32) <= 1.5
    assert abs((columns.min() + columns.max() + 1) / 2 - 32) <= 1
    # The withers, half of the way from front hooves to the croup, are about one height up.
    back = np.flatnonzero(_mask(plain)[:, int((columns.min() + columns.max()) / 2)])
    assert abs((0.6 + 1) * 32 - back.min() - 32) <= 3


def test_one_that_looks_left_mirrors_one_that_looks_right(plain):
    # When all legs stand straight, the left side is as the right.
    other = _mask(_with(plain, "pose", heading=math.pi))
    assert (_mask(plain)[:, ::-1] != other).sum() <= 4


def test_an_animal_that_would_not_fit_is_drawn_smaller(plain):
    mask = _mask(_with(plain, "place", height=2.5))
    assert not (mask[[0, -1]].any() or mask[:, [0, -1]].any())
    assert mask.any(axis=1).sum() > 1.1 * _mask(plain).any(axis=1).sum() - 1


def test_a_grazing_animal_has_its_muzzle_at_its_hooves(plain):
    grazing = _with(_with(plain, "pose", neck_bends=(-1.47, -0.5)), "pose", head_bend=1.35)
    ahead, down = _mask(plain), _mask(grazing)
    assert np.flatnonzero(ahead.any(axis=1)).min() + 5 < np.flatnonzero(down.any(axis=1)).min()
    front = np.flatnonzero(down.any(axis=0)).max()
    muzzle = np.flatnonzero(down[:, front - 4 : front].any(axis=1)).max()
    assert np.flatnonzero(down.any(axis=1)).max() - muzzle <= 6


def test_the_side_towards_the_light_is_brighter(plain):
    left_to_right = []
    for right in (-0.7, 0.7):
        lit = _with(plain, "light", direction=(right, -0.5, 0.51))
        image, mask = render.draw_scene(lit, "palomino")
        levels = np.where(mask[..., 0] == 255, _luma(image), np.nan)
        middle = int(np.nonzero(mask)[1].mean())
        # Where the rump and the chest curve away.
        left_to_right.append(
            np.nanmean(levels[:, : middle - 12]) / np.nanmean(levels[:, middle + 8 :])
        )
    assert left_to_right[0] > 1.1 * left_to_right[1]


@pytest.mark.parametrize("heading", [0.0, 0.4, math.pi - 0.5])
def test_the_coat_moves_with_the_body(plain, heading):
    pose = dataclasses.replace(
        plain.pose, heading=heading, stride=0.4, gait_phase=0.1, neck_bends=(-0.5, -0.2)
    )
    figure = anatomy.place_animal(pose, plain.place)
    surface, (rows, columns) = anatomy.surface(figure, 128)
    checked = 0
    for bone in figure.bones:
        x, y, depth = np.add(bone.start, bone.end) / 2
        pixel = int((y + 1) * 64) - rows.start, int((x + 1) * 64) - columns.start
        is_hidden = surface.depth[pixel] > depth + 1.1 * max(bone.start_radius, bone.end_radius)
        if is_hidden or surface.region[pixel] != bone.region:
            continue
        rest = np.add(bone.rest_start, bone.rest_end) / 2
        shown = surface.rest_x[pixel], surface.rest_y[pixel]
        # Fillets move it a little, where a bone meets others.
        assert math.dist(rest, shown) < 0.06, bone
        checked += 1
    assert checked >= 15
