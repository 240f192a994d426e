"""Colours of walls, plates and digits, as a camera sees them by daylight."""

import numpy as np

from zoo.datasets.drawing import random_streams

LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)
"""How much red, green and blue add to the brightness of a pixel, ITU-R BT.601."""

_LEAST_PAINTED_CONTRAST = 0.22


def _palette(*colours: str) -> np.ndarray:
    """Gives float32 (colours, 3) in [0, 1] from hexadecimal sRGB."""
    return np.array([list(bytes.fromhex(colour)) for colour in colours], np.float32) / 255


_WALLS = _palette(
    *("e6e4de", "dcd0b4", "c4b294", "b4b4b2", "8c8a84", "6e6c6a", "505256", "2c2c30"),  # paint
    *("8e4a3a", "6e4034", "a0684e", "5c3a34"),  # brick
    *("74502e", "4a3426", "a88054", "8a6c50"),  # wood
    *("5c6c80", "26324e", "2c4838", "7c8a74", "5c2026", "aebcca", "c0a070", "94a4b0"),  # doors
)
_PLATES = _palette("f0efe8", "20407e", "24262a", "b08c4c", "e2d8b4", "28563e", "6a5038", "9ca0a4")
_DIGITS = _palette(
    *("1c1c1e", "1c1c1e", "1c1c1e", "38383c", "f0f0ec", "f0f0ec", "f0f0ec", "e6dcbe"),
    *("b48c48", "ceac5e", "acb0b4", "5e4630", "24428c", "96282a", "24543c"),
)


def luma(colours: np.ndarray) -> np.ndarray:
    """Gives the brightness of colours (..., 3)."""
    return colours @ LUMA_WEIGHTS


def wall_colour(random: np.random.RandomState) -> np.ndarray:
    """Chooses the paint of a wall, float32 (3,)."""
    return _weathered(random, random_streams.pick(random, _WALLS))


def plate_colour(random: np.random.RandomState) -> np.ndarray:
    """Chooses the enamel, metal or wood of a plate, float32 (3,)."""
    return _weathered(random, random_streams.pick(random, _PLATES))


def digit_colour(random: np.random.RandomState, ground: np.ndarray) -> np.ndarray:
    """Chooses a colour that is lighter or darker than the ground by enough to be read.

    Most digits are faded somewhat towards the ground.
    """
    differences = np.abs(luma(_DIGITS) - luma(ground))
    # Black or white is always far enough from the ground.
    readable = np.flatnonzero(differences >= 1.5 * _LEAST_PAINTED_CONTRAST)
    chosen = random_streams.pick(random, readable)
    least_kept = _LEAST_PAINTED_CONTRAST / differences[chosen]
    kept = random.uniform(least_kept, 1) if random_streams.chance(random, 0.7) else 1.0
    return ground + np.float32(kept) * (_DIGITS[chosen] - ground)


def _weathered(random: np.random.RandomState, colour: np.ndarray) -> np.ndarray:
    """Changes a colour a little, mostly towards grey."""
    greyed = luma(colour) + np.float32(random.uniform(0.45, 1.1)) * (colour - luma(colour))
    tinted = greyed * random.uniform(0.85, 1.15) + random.normal(0, 0.02, size=3)
    return np.clip(tinted, 0.04, 0.96).astype(np.float32)
