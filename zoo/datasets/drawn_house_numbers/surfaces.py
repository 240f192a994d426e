"""What the number is fixed to: a wall of some make, and often a plate."""

import functools

import numpy as np
from PIL import Image

from zoo.datasets.drawing import random_streams
from zoo.datasets.drawn_house_numbers import colours
from zoo.datasets.drawn_house_numbers.layout import FRAME_SIZE, Layout

# === The wall ===


def draw_wall(random: np.random.RandomState, colour: np.ndarray, layout: Layout) -> np.ndarray:
    """Draws a wall of that colour, float32 (32, 32, 3) about [0, 1]."""
    make = random_streams.pick(random, _MAKES)
    tone = make(random, layout) * _stains(random) * _grain(random)
    wall = tone[..., None] * colour
    if random_streams.chance(random, 0.2):
        wall = _beside_a_door_frame(random, wall, layout)
    return wall


def smooth_noise(random: np.random.RandomState, rows: int, columns: int) -> np.ndarray:
    """Gives noise of variance about 1/2 that changes slowly, so many times over the frame."""
    lattice = random.standard_normal((rows, columns)).astype(np.float32)
    return _enlarging(rows) @ lattice @ _enlarging(columns).T


@functools.cache
def _enlarging(size: int) -> np.ndarray:
    """Gives the (32, size) matrix of bicubic interpolation, which is linear in the pixels."""
    unit_columns = Image.fromarray(np.eye(size, dtype=np.float32))
    return np.asarray(unit_columns.resize((size, FRAME_SIZE), Image.Resampling.BICUBIC))


def _stains(random: np.random.RandomState) -> np.ndarray:
    return 1 + random.uniform(0.01, 0.10) * smooth_noise(random, 4, 4)


def _grain(random: np.random.RandomState) -> np.ndarray:
    """Gives the roughness of plaster or stone."""
    return 1 + random.uniform(0, 0.07) * smooth_noise(random, 20, 20)


def _smooth_wall(random: np.random.RandomState, layout: Layout) -> np.ndarray:
    return np.ones_like(layout.across)


def _boards(random: np.random.RandomState, layout: Layout) -> np.ndarray:
    """Draws the lying boards of a clad wall: each is shaded from its top to the groove below it."""
    board = random.uniform(0.35, 0.9)
    place = np.mod(layout.down / board + random.uniform(), 1)
    groove = _line(place * board, layout.pixel, random.uniform(0.03, 0.08))
    shading = random.uniform(-0.05, 0.12) * (0.5 - place)
    return (1 + shading) * (1 - random.uniform(0.15, 0.45) * groove)


def _bricks(random: np.random.RandomState, layout: Layout) -> np.ndarray:
    """Draws bricks, each of another tone, with mortar between."""
    height = random.uniform(0.3, 0.55)
    width = height * random.uniform(2.2, 3.2)
    down = layout.down / height + random.uniform()
    row = np.floor(down).astype(int)
    across = layout.across / width + random.uniform() + 0.5 * (row % 2)
    column = np.floor(across).astype(int)
    tones = 1 + 0.08 * random.standard_normal((8, 8))
    joint = random.uniform(0.03, 0.06)
    mortar = np.maximum(
        _line((down - row) * height, layout.pixel, joint),
        _line((across - column) * width, layout.pixel, joint),
    )
    return tones[row % 8, column % 8] * (1 + random.uniform(-0.35, 0.35) * mortar)


def _wood(random: np.random.RandomState, layout: Layout) -> np.ndarray:
    """Draws long fibres."""
    fibres = smooth_noise(random, *random_streams.pick(random, [(16, 2), (2, 16)]))
    return 1 + random.uniform(0.03, 0.12) * fibres


# A smooth wall three times: most numbers hang on one.
_MAKES = (_smooth_wall, _smooth_wall, _smooth_wall, _boards, _bricks, _wood)


def _line(distance: np.ndarray, pixel: float, width: float) -> np.ndarray:
    """Tells how much of each pixel lies within `width` behind an edge, in [0, 1]."""
    return np.clip((width - distance) / pixel + 0.5, 0, 1)


def _beside_a_door_frame(
    random: np.random.RandomState, wall: np.ndarray, layout: Layout
) -> np.ndarray:
    """Draws a door frame to the left or right of the number, with the shadow in its corner."""
    distance_from_number = random.uniform(0.12, 0.5)
    if random_streams.chance(random, 0.5):
        beyond = layout.across - layout.right - distance_from_number
    else:
        beyond = layout.left - distance_from_number - layout.across
    frame = np.clip(beyond / layout.pixel + 0.5, 0, 1)[..., None]
    corner = 1 - 0.35 * np.exp(-np.abs(beyond) / 0.06)[..., None]
    return (wall * (1 - frame) + colours.wall_colour(random) * frame) * corner


# === The plate ===


def draw_plate(
    random: np.random.RandomState,
    wall: np.ndarray,
    colour: np.ndarray,
    rim_colour: np.ndarray,
    layout: Layout,
) -> np.ndarray:
    """Lays a plate with round corners under the whole number."""
    margin = random.uniform(0.10, 0.35)
    radius = random.uniform(0.02, 0.3)
    outside = _outside_of_box(layout, margin, radius)
    shadow = np.clip(1 - outside / random.uniform(0.05, 0.2), 0, 1)
    wall = wall * (1 - random.uniform(0, 0.5) * shadow)[..., None]
    plate = colour * (1 + random.uniform(0, 0.06) * smooth_noise(random, 3, 3))[..., None]
    if random_streams.chance(random, 0.35):
        inset, width = random.uniform(0.03, 0.08), random.uniform(0.03, 0.06)
        rim = _line(-outside - inset, layout.pixel, width) * (-outside > inset)
        plate = plate + rim[..., None] * (rim_colour - plate)
    covered = np.clip(0.5 - outside / layout.pixel, 0, 1)[..., None]
    return wall * (1 - covered) + plate * covered


def _outside_of_box(layout: Layout, margin: float, radius: float) -> np.ndarray:
    """Gives the distance from a box with round corners around the number; below 0 inside."""
    half_width = (layout.right - layout.left) / 2 + margin - radius
    half_height = (layout.bottom - layout.top) / 2 + margin - radius
    across = np.abs(layout.across - (layout.left + layout.right) / 2) - half_width
    down = np.abs(layout.down - (layout.top + layout.bottom) / 2) - half_height
    from_corner = np.hypot(np.maximum(across, 0), np.maximum(down, 0))
    return from_corner + np.minimum(np.maximum(across, down), 0) - radius
