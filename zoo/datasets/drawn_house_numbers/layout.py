"""The number of a house, and how it comes to lie in the frame of the camera."""

from __future__ import annotations

import dataclasses

import numpy as np
from PIL import Image

from zoo.datasets.drawing import random_streams
from zoo.datasets.drawn_house_numbers import fonts

FRAME_SIZE = 32
"""Side of the drawn image, in pixels."""

_CANVAS_SIZE = (288, 224)  # Width and height: more than any view shows.
# A house number mostly has two or three digits.
_LENGTHS, _SHARE_UP_TO_LENGTH = (1, 2, 3, 4), np.cumsum([0.12, 0.43, 0.33, 0.12])
_MASKS_ARE_DRAWN_LARGER_BY = 2


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the digits are.

    Attributes:
        digit_mask: how much of each pixel is ink of the labelled digit, float32 in [0, 1],
            (32, 32).
        number_mask: the same of all digits, neighbours too.
        across, down: where each pixel of the frame lies on the wall, float32 (32, 32), measured in
            heights of a digit from the middle of the labelled digit.
        pixel: size of a pixel of the frame on the wall, in heights of a digit.
        left, right: where the number begins and ends on the wall, as `across` counts it.
        top, bottom: the same, as `down` counts it.
    """

    digit_mask: np.ndarray
    number_mask: np.ndarray
    across: np.ndarray
    down: np.ndarray
    pixel: float
    left: float
    right: float
    top: float
    bottom: float


def choose_layout(random: np.random.RandomState, label: int, style: fonts.Style) -> Layout:
    """Chooses the neighbours of the labelled digit, places all of them and looks at them."""
    digits, position = choose_number(random, label)
    digit, number, box = place_digits(random, digits, position, style)
    view = choose_view(random)
    across, down = _positions_on_the_wall(view)
    left, top, right, bottom = box
    return Layout(
        digit_mask=_seen(digit, view),
        number_mask=_seen(number, view),
        across=across,
        down=down,
        pixel=float(np.abs(np.diff(down, axis=0)).mean()),
        left=left,
        right=right,
        top=top,
        bottom=bottom,
    )


def choose_number(random: np.random.RandomState, label: int) -> tuple[list[int], int]:
    """Chooses a house number that contains the label, and the position of the label in it.

    House numbers do not begin with zero, so a zero stands alone or behind other digits.
    """
    length = _LENGTHS[int(np.searchsorted(_SHARE_UP_TO_LENGTH, random.random_sample()))]
    position = random.randint(length)
    if label == 0 and length > 1:
        position = random.randint(1, length)
    digits = [random.randint(1, 10), *random.randint(0, 10, size=length - 1).tolist()]
    digits[position] = label
    return digits, position


def place_digits(
    random: np.random.RandomState, digits: list[int], position: int, style: fonts.Style
) -> tuple[Image.Image, Image.Image, tuple[float, float, float, float]]:
    """Draws the digits side by side, the labelled one in the middle of the canvas.

    Returns:
        The canvas with the labelled digit alone, that with all digits, and the
        (left, top, right, bottom) of the number in heights of a digit from the middle.
    """
    gap = random.uniform(0.05, 0.22) * fonts.DIGIT_HEIGHT
    # Some numbers climb or descend like stairs; the nails of all of them are a bit off.
    step = random.uniform(-0.3, 0.3) * random_streams.chance(random, 0.08)
    offsets = random.normal(0, 0.015, size=len(digits))
    glyphs = [fonts.glyph(style, digit) for digit in digits]
    lefts = np.cumsum([0] + [glyph.ink.width + gap for glyph in glyphs])
    middle_across = lefts[position] + glyphs[position].ink.width / 2
    digit_canvas, number_canvas = Image.new("L", _CANVAS_SIZE), Image.new("L", _CANVAS_SIZE)
    tops, bottoms = [], []
    for index, glyph in enumerate(glyphs):
        rise = (step * (index - position) + offsets[index]) * fonts.DIGIT_HEIGHT
        row = round(glyph.top - glyphs[position].middle + rise)
        column = round(lefts[index] - middle_across)
        _paste(number_canvas, glyph.ink, row, column)
        if index == position:
            _paste(digit_canvas, glyph.ink, row, column)
        tops.append(row)
        bottoms.append(row + glyph.ink.height)
    right = lefts[-1] - gap - middle_across
    box = np.array([-middle_across, min(tops), right, max(bottoms)]) / fonts.DIGIT_HEIGHT
    return digit_canvas, number_canvas, tuple(box.tolist())


def _paste(canvas: Image.Image, ink: Image.Image, row: int, column: int) -> None:
    """Lays ink on the canvas at a place that is counted from the middle."""
    place = (column + canvas.width // 2, row + canvas.height // 2)
    # 255 through the mask of the ink: what lies outside of the canvas is cut off.
    canvas.paste(255, place, mask=ink)


def choose_view(random: np.random.RandomState) -> np.ndarray:
    """Chooses from where the number is looked at.

    Returns:
        The 3×3 projective map from the frame, where each side goes from -1 to 1, to the wall.
    """
    height = 2 * random.uniform(0.64, 0.95)
    width = height * random.uniform(0.82, 1.15)
    angle = random.normal(0, 0.07)
    slant = random.normal(0, 0.10)
    shift_across, shift_down = random.normal(0, 0.06), random.normal(0, 0.05)
    turn_across, turn_down = (
        min(max(random.normal(0, width), -0.25), 0.25) for width in (0.10, 0.06)
    )
    shift = np.array([[1, 0, -shift_across], [0, 1, -shift_down], [0, 0, 1]])
    perspective = np.array([[1, 0, 0], [0, 1, 0], [turn_across, turn_down, 1]])
    cosine, sine = np.cos(angle), np.sin(angle)
    rotation = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
    to_heights = np.array([[1 / width, slant / width, 0], [0, 1 / height, 0], [0, 0, 1]])
    return to_heights @ rotation @ perspective @ shift


def _positions_on_the_wall(view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    middles = (np.arange(FRAME_SIZE) + 0.5) * 2 / FRAME_SIZE - 1
    x, y = middles[None, :], middles[:, None]
    divisor = view[2, 0] * x + view[2, 1] * y + view[2, 2]
    across = (view[0, 0] * x + view[0, 1] * y + view[0, 2]) / divisor
    down = (view[1, 0] * x + view[1, 1] * y + view[1, 2]) / divisor
    return across.astype(np.float32), down.astype(np.float32)


def _seen(canvas: Image.Image, view: np.ndarray) -> np.ndarray:
    """Gives how much of each pixel of the frame is ink."""
    size = FRAME_SIZE * _MASKS_ARE_DRAWN_LARGER_BY
    pixels_to_frame = np.array([[2 / size, 0, -1], [0, 2 / size, -1], [0, 0, 1]])
    wall_to_canvas = np.array(
        [
            [fonts.DIGIT_HEIGHT, 0, canvas.width / 2],
            [0, fonts.DIGIT_HEIGHT, canvas.height / 2],
            [0, 0, 1],
        ]
    )
    pixels_to_canvas = wall_to_canvas @ view @ pixels_to_frame
    coefficients = (pixels_to_canvas / pixels_to_canvas[2, 2]).ravel()[:8].tolist()
    large = canvas.transform(
        (size, size), Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR
    )
    mask = large.reduce(_MASKS_ARE_DRAWN_LARGER_BY)
    return np.asarray(mask, dtype=np.float32) / np.float32(255)
