"""Soft-edged drawing on arrays of numbers, in the same bytes whatever the processor.

Arrays meet nothing but +, −, ×, ÷, √ and comparisons, which IEEE 754 rounds alike everywhere;
NumPy's exp and sin differ in the last digit from one processor to the next. So there are no
Gaussians here but `bump` and `ridge`, which also end somewhere, and no sine but `wave`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

Array = np.ndarray
Box = tuple[slice, slice]


@functools.cache
def pixel_grid(size: int) -> tuple[Array, Array]:
    """Gives x and y of the middle of each pixel, float32 `(size, size)`, in [-1, 1]."""
    middles = ((np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1).astype(np.float32)
    x, y = np.meshgrid(middles, middles)
    x.setflags(write=False)
    y.setflags(write=False)
    return x, y


def clamp(values: Array, low: float, high: float) -> Array:
    """Moves values below `low` or above `high` to the nearer of these."""
    return np.minimum(np.maximum(values, low), high)


def coverage(distance: Array, softness: float) -> Array:
    """How much of each pixel lies inside: 1 where the signed distance is negative, 0 outside.

    Args:
        distance: signed distance to the edge.
        softness: the width over which the edge fades, in the unit of `distance`.
    """
    return clamp(0.5 - distance / softness, 0, 1)


def bump(square: Array) -> Array:
    """A hill of height 1 over a squared radius, about exp(−square), but 0 from √2.7 on."""
    hill = np.maximum(1 - square / 2.7, 0)
    return hill * hill


def ridge(distance: Array) -> Array:
    """A ridge of height 1 along distance 0, about exp(−distance²)."""
    return bump(distance * distance)


def wave(phase: Array) -> Array:
    """A smooth wave between −1 and 1 with a period of 1."""
    triangle = np.abs(2 * (phase - np.floor(phase)) - 1)
    return 2 * smooth(triangle) - 1


def smooth(values: Array) -> Array:
    """Rounds off the ends of a ramp from 0 to 1."""
    return values * values * (3 - 2 * values)


def ellipse(x: Array, y: Array, half_width: float, half_height: float) -> Array:
    """About the signed distance to an ellipse around the origin."""
    x, y = x / half_width, y / half_height
    return (np.sqrt(x * x + y * y) - 1) * min(half_width, half_height)


def rounded_box(x: Array, y: Array, half_width: float, half_height: float, radius: float) -> Array:
    """The signed distance to a box around the origin with rounded corners."""
    x, y = np.abs(x) - (half_width - radius), np.abs(y) - (half_height - radius)
    outside_x, outside_y = np.maximum(x, 0), np.maximum(y, 0)
    outside = np.sqrt(outside_x * outside_x + outside_y * outside_y)
    return outside + np.minimum(np.maximum(x, y), 0) - radius


def noise(random: np.random.RandomState, size: int, rows: int, columns: int) -> Array:
    """Smooth noise in [-1, 1], float32 `(size, size)`, random at `rows` × `columns` points."""
    points = random.uniform(-1, 1, (rows, columns)).astype(np.float32)
    first, second, share = _between_points(size, rows)
    points = points[first] + (points[second] - points[first]) * share[:, np.newaxis]
    first, second, share = _between_points(size, columns)
    left = points[:, first]
    return left + (points[:, second] - left) * share


@functools.cache
def _between_points(size: int, num_points: int) -> tuple[Array, Array, Array]:
    """For each pixel of a row: the points before and after it, and how far it is in between."""
    place = np.arange(size, dtype=np.float32) * np.float32((num_points - 1) / size)
    first = place.astype(np.intp)
    return first, first + 1, smooth(place - first).astype(np.float32)


def lookup(points: Array, place: Array) -> Array:
    """Reads smooth one-dimensional noise at fractional places, again and again from the start."""
    floor = np.floor(place)
    share = smooth(place - floor)
    first = floor.astype(np.intp) % len(points)
    left = points[first]
    return left + (np.append(points[1:], points[0])[first] - left) * share


def box_around(inside: Array) -> Box:
    """Gives the smallest box of pixels that holds every True; an empty one if there is none."""
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def colour(values: Sequence[float]) -> Array:
    """Gives red, green and blue a shape that meets `(3, height, width)`."""
    return np.asarray(values, np.float32).reshape(3, 1, 1)


def paint(picture: Array, paint_colour: Array, mask: Array) -> None:
    """Lays a colour over the picture, in place.

    Args:
        picture: float32 `(3, height, width)`.
        paint_colour: anything that broadcasts to it.
        mask: `(height, width)`; 0 leaves the picture as it is, 1 hides it.
    """
    picture += mask * (paint_colour - picture)


def darken(picture: Array, mask: Array, strength: Sequence[float] | float = 1.0) -> None:
    """Multiplies the picture, in place, by 1 − strength × mask; a strength may be one a channel."""
    if not isinstance(strength, float):
        strength = colour(strength)
    picture *= 1 - strength * mask


def shrink(picture: Array, factor: int) -> Array:
    """Gives each square of factor × factor pixels its mean. `(3, size, size)` in and out."""
    size = picture.shape[1] // factor
    squares = picture.reshape(3, size, factor, size, factor)
    parts = [squares[:, :, i, :, j] for i in range(factor) for j in range(factor)]
    # Summed one by one, because the order in which `sum` adds depends on the machine.
    return functools.reduce(np.add, parts) / len(parts)
