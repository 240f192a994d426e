"""Drawing of one labelled picture from the name of its split and its index."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from PIL import Image, ImageFilter

from zoo.datasets.drawing import random_streams
from zoo.datasets.drawn_house_numbers import camera, colours, fonts, layout, surfaces

NUM_CLASSES = 10
LEAST_CONTRAST = 0.12
"""The least difference in brightness, of a white of 1, between the digit and what is around it."""

LEAST_CLARITY = 1.75
"""The same difference, in standard deviations of brightness within the digit and around it."""

_WITHIN_3_PIXELS = ImageFilter.BoxBlur(3)

FAMILIES_OF_SPLIT = {
    "train": fonts.TRAIN_FAMILIES,
    "validation": fonts.TRAIN_FAMILIES,
    "test": fonts.TEST_FAMILIES,
    "extra": fonts.TRAIN_FAMILIES,
}


@dataclasses.dataclass(frozen=True)
class Sample:
    """One labelled picture.

    Attributes:
        image: uint8 (32, 32, 3).
        label: the digit in the middle, in [0, 10).
        family: name of the family of fonts that it is drawn in.
        digit_mask: how much of each pixel is ink of the labelled digit, float32 in [0, 1],
            (32, 32).
        number_mask: the same of all digits, neighbours too.
    """

    image: np.ndarray
    label: int
    family: str
    digit_mask: np.ndarray
    number_mask: np.ndarray


def draw_sample(split: str, index: int) -> Sample:
    """Draws a picture.

    It depends on the arguments alone: not on how many are drawn, nor on which were before.

    Args:
        split: `"train"`, `"validation"`, `"test"` or `"extra"`. The fonts of `"test"` are in no
            other split.
        index: 0 or more.

    Raises:
        ValueError: if there is no such split, or index is below 0.
    """
    label = label_of(split, index)
    random = random_streams.stream("drawn_house_numbers", split, index)
    while True:
        sample = _draw_once(random, label, FAMILIES_OF_SPLIT[split])
        if _is_readable(sample):
            return sample


def label_of(split: str, index: int) -> int:
    """Gives the label of a picture: each ten in sequence hold each digit once, in some order."""
    if split not in FAMILIES_OF_SPLIT:
        raise ValueError(
            f"There is no split {split!r}; choose from {', '.join(map(repr, FAMILIES_OF_SPLIT))}."
        )
    if index < 0:
        raise ValueError(f"index must be 0 or more. Received: {index}.")
    ten, place = divmod(index, NUM_CLASSES)
    return int(_labels_of_ten(split, ten)[place])


@functools.lru_cache(maxsize=16)
def _labels_of_ten(split: str, ten: int) -> np.ndarray:
    random = random_streams.stream("drawn_house_numbers", split, "labels", ten)
    return random.permutation(NUM_CLASSES)


def _is_readable(sample: Sample) -> bool:
    brightness = colours.luma(sample.image) / 255
    ink = sample.digit_mask > 0.6 * sample.digit_mask.max()
    # A blurred pixel is above 0 if there is ink within three pixels of it.
    near_ink = np.asarray(Image.fromarray(ink.astype(np.uint8) * 255).filter(_WITHIN_3_PIXELS)) > 0
    digit, ground = brightness[ink], brightness[near_ink & (sample.number_mask < 0.1)]
    contrast = abs(digit.mean() - ground.mean())
    spread = np.sqrt((digit.var() + ground.var()) / 2)
    return bool(contrast >= max(LEAST_CONTRAST, LEAST_CLARITY * spread))


def _draw_once(
    random: np.random.RandomState, label: int, families: dict[str, tuple[fonts.Face, ...]]
) -> Sample:
    family, style = fonts.choose_style(random, families)
    placed = layout.choose_layout(random, label, style)
    scene = camera.light(random, draw_scene(random, placed))
    return Sample(
        image=camera.photograph(random, scene),
        label=label,
        family=family,
        digit_mask=placed.digit_mask,
        number_mask=placed.number_mask,
    )


# === The scene ===


def draw_scene(random: np.random.RandomState, placed: layout.Layout) -> np.ndarray:
    """Draws the wall, perhaps a plate, and the digits, float32 (32, 32, 3), before any light."""
    ground_colour = colours.wall_colour(random)
    scene = surfaces.draw_wall(random, ground_colour, placed)
    has_plate = random_streams.chance(random, 0.35)
    if has_plate:
        ground_colour = colours.plate_colour(random)
    ink_colour = colours.digit_colour(random, ground_colour)
    if has_plate:
        scene = surfaces.draw_plate(random, scene, ground_colour, ink_colour, placed)
    from_light = _choose_direction(random)
    if random_streams.chance(random, 0.5):
        scene = cast_shadow_of_digits(random, scene, placed.number_mask, from_light)
    scene = paint_digits(random, scene, ink_colour, placed)
    if random_streams.chance(random, 0.35):
        scene = light_edges_of_digits(random, scene, placed.number_mask, from_light)
    return scene


def paint_digits(
    random: np.random.RandomState, scene: np.ndarray, colour: np.ndarray, placed: layout.Layout
) -> np.ndarray:
    """Paints the digits, with uneven colour: worn paint, or the sky mirrored in metal."""
    wear = 0.08 * random.random_sample() * surfaces.smooth_noise(random, 4, 4)
    mirrored = random.normal(0, 0.10) * placed.down
    ink = colour * (1 + wear + mirrored)[..., None]
    return scene + placed.number_mask[..., None] * (ink - scene)


def cast_shadow_of_digits(
    random: np.random.RandomState, scene: np.ndarray, mask: np.ndarray, from_light: np.ndarray
) -> np.ndarray:
    """Darkens the wall beside digits that stand off it."""
    shadow = _shifted(mask, random.uniform(0.7, 2.5) * from_light, random.uniform(0, 0.9))
    return scene * (1 - random.uniform(0.15, 0.55) * shadow)[..., None]


def light_edges_of_digits(
    random: np.random.RandomState, scene: np.ndarray, mask: np.ndarray, from_light: np.ndarray
) -> np.ndarray:
    """Lights the edges of thick digits that face the light, and darkens those that do not."""
    towards_light = mask - _shifted(mask, 0.8 * from_light, blur=0.3)
    away_from_light = mask - _shifted(mask, -0.8 * from_light, blur=0.3)
    relief = np.clip(towards_light, 0, 1) - np.clip(away_from_light, 0, 1)
    return scene + random.uniform(0.05, 0.25) * relief[..., None]


def _choose_direction(random: np.random.RandomState) -> np.ndarray:
    """Chooses in which direction, across and down, light falls: mostly down."""
    angle = random.normal(np.pi / 2, 0.9)
    return np.array([np.cos(angle), np.sin(angle)])


def _shifted(mask: np.ndarray, shift: np.ndarray, blur: float) -> np.ndarray:
    """Moves a mask by fractions of pixels, across and down, and blurs it by so many pixels."""
    image = Image.fromarray((mask * 255).astype(np.uint8))
    moved = image.transform(
        image.size,
        Image.Transform.AFFINE,
        (1, 0, -float(shift[0]), 0, 1, -float(shift[1])),
        Image.Resampling.BILINEAR,
    )
    return np.asarray(moved.filter(ImageFilter.BoxBlur(blur)), np.float32) / np.float32(255)
