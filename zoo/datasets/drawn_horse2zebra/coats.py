"""Coats: the colour of each place on the resting body, before any light.

A coat is a function of the place alone, with no lots drawn: the stripes of a zebra can be told from
the pose of a horse, and one of `COATS` is what a zebra is as a horse, to the last pixel.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from zoo.datasets.drawing import canvas
from zoo.datasets.drawing.canvas import Array
from zoo.datasets.drawn_horse2zebra import anatomy
from zoo.datasets.drawn_horse2zebra.anatomy import Point, Region, Surface
from zoo.datasets.drawn_horse2zebra.scene import Colour

ZEBRA = "zebra"


@dataclasses.dataclass(frozen=True)
class HorseCoat:
    """The colours of a horse.

    Attributes:
        body, mane, legs, muzzle: colours; the mane's is also the tail's.
        legs_height: up to which share of the withers' height the legs have a colour of their own.
        blaze: a white stripe down the face.
        dapples: how much lighter the body is in round spots.
        patches: white patches on the body.
    """

    body: Colour
    mane: Colour
    legs: Colour
    muzzle: Colour
    legs_height: float = 0.3
    blaze: bool = False
    dapples: float = 0.0
    patches: bool = False


_BLACK: Colour = (0.075, 0.065, 0.065)
_WHITE: Colour = (0.90, 0.88, 0.84)
_HORSE_COATS = {
    "bay": HorseCoat((0.50, 0.26, 0.13), _BLACK, _BLACK, (0.16, 0.11, 0.09), 0.36),
    "dark bay": HorseCoat((0.27, 0.155, 0.10), _BLACK, _BLACK, (0.12, 0.09, 0.08), 0.40),
    "chestnut": HorseCoat(
        (0.64, 0.32, 0.15), (0.60, 0.33, 0.17), _WHITE, (0.50, 0.30, 0.20), 0.17, blaze=True
    ),
    "black": HorseCoat((0.115, 0.105, 0.115), _BLACK, _BLACK, (0.09, 0.08, 0.08)),
    "grey": HorseCoat(
        (0.64, 0.65, 0.67), (0.43, 0.44, 0.47), (0.38, 0.39, 0.42), (0.33, 0.33, 0.35), dapples=0.14
    ),
    "palomino": HorseCoat((0.83, 0.60, 0.30), (0.95, 0.90, 0.77), _WHITE, (0.60, 0.44, 0.30), 0.2),
    "buckskin": HorseCoat((0.72, 0.58, 0.39), _BLACK, _BLACK, (0.25, 0.20, 0.16), 0.34),
    "pinto": HorseCoat(
        (0.42, 0.22, 0.12), (0.16, 0.10, 0.07), _WHITE, (0.30, 0.20, 0.15), 0.48, patches=True
    ),
}
COATS = tuple(_HORSE_COATS)
"""The names of the coats that horses have, each as likely as the others."""

_STRIPE_BLACK: Colour = (0.085, 0.075, 0.08)
_STRIPE_WHITE: Colour = (0.94, 0.92, 0.87)
_HORN: Colour = (0.16, 0.14, 0.13)
_EYE: Colour = (0.03, 0.025, 0.025)

# Middle and radius of the pinto's white patches on the resting body.
_PATCHES = ((0.17, 0.80, 0.17), (-0.02, 0.62, 0.12), (-0.42, 0.80, 0.15), (0.47, 0.98, 0.10))


def coat_colour(name: str, surface: Surface) -> Array:
    """Gives the colour of each pixel, float32 `(3, height, width)`.

    Args:
        name: one of `COATS`, or `ZEBRA`.
        surface: of the animal.
    """
    colours = _zebra(surface) if name == ZEBRA else _horse(_HORSE_COATS[name], surface)
    _paint_eye(colours, surface)
    return colours


def _paint_eye(colours: Array, surface: Surface) -> None:
    eye_x, eye_y = anatomy.EYE
    x, y = surface.rest_x - eye_x, surface.rest_y - eye_y
    spot = canvas.clamp(1.6 * canvas.bump((x * x + y * y) / 0.00055), 0, 1)
    canvas.paint(colours, canvas.colour(_EYE), spot * (surface.region == Region.SKIN))


# === Horses ===


def _horse(coat: HorseCoat, surface: Surface) -> Array:
    x, y = surface.rest_x, surface.rest_y
    colours = np.empty((3, *x.shape), np.float32)
    colours[:] = canvas.colour(coat.body)
    if coat.dapples:
        colours *= 1 + coat.dapples * _dapples(x, y)
    if coat.patches:
        for patch_x, patch_y, radius in _PATCHES:
            edge = 0.03 * canvas.wave(4.1 * x + 2.3 * y) + 0.02 * canvas.wave(7.3 * y - 5 * x)
            outside = canvas.ellipse(x - patch_x, y - patch_y, radius, radius) + edge
            canvas.paint(colours, canvas.colour(_WHITE), canvas.coverage(outside, 0.025))
    # The belly is lighter, as it is on most animals.
    colours *= 1 + 0.12 * canvas.clamp((0.62 - y) * 6, 0, 1) * canvas.clamp((y - 0.4) * 8, 0, 1)
    legs = canvas.coverage(y - coat.legs_height, 0.06)
    canvas.paint(colours, canvas.colour(coat.legs), legs)
    _paint_horse_head(colours, coat, surface)
    hair = _mane_over_neck(x, y) * (surface.region == Region.SKIN)
    hair[(surface.region == Region.MANE) | (surface.region == Region.TAIL)] = 1
    strands = 1 + 0.12 * canvas.wave(11 * (x + 0.35 * y)) * canvas.wave(4.3 * x - 1.7 * y)
    canvas.paint(colours, canvas.colour(coat.mane) * strands, hair)
    canvas.paint(colours, canvas.colour(_HORN), 1.0 * (surface.region == Region.HOOF))
    return colours


def _dapples(x: Array, y: Array) -> Array:
    """Round spots on the trunk, in [-1, 1], in rows that are bent so that they don't show."""
    bent_x, bent_y = x + 0.03 * canvas.wave(3.1 * y + 1.7 * x), y + 0.03 * canvas.wave(2.3 * x - y)
    spots = canvas.wave(5.5 * bent_x + 2.5 * bent_y) * canvas.wave(3.1 * bent_x - 5.2 * bent_y)
    return spots * canvas.clamp((y - 0.5) * 5, 0, 1) * canvas.clamp((0.55 - x) * 5, 0, 1)


def _paint_horse_head(colours: Array, coat: HorseCoat, surface: Surface) -> None:
    along, across = _along_head(surface.rest_x, surface.rest_y)
    skin = 1.0 * (surface.region == Region.SKIN)
    if coat.blaze:
        stripe = canvas.coverage(0.038 - across, 0.02) * canvas.coverage(0.06 - along, 0.03)
        canvas.paint(colours, canvas.colour(_WHITE), stripe * skin * (along < 0.4))
    muzzle = canvas.coverage(0.24 - along, 0.06) * canvas.coverage(across - 0.2, 0.02)
    canvas.paint(colours, canvas.colour(coat.muzzle), muzzle * skin * _on_head_share(along, across))


def _mane_over_neck(x: Array, y: Array) -> Array:
    """How much of the neck is hidden by the mane that falls over it."""
    along, across = _along_neck(x, y)
    locks = 0.02 * canvas.wave(along * 7.0) + 0.012 * canvas.wave(along * 17.0 + 0.3)
    lower_edge = 0.055 - 0.1 * (along - 0.2) + locks
    falls = canvas.coverage(lower_edge - across, 0.02)
    return falls * canvas.coverage(np.abs(along - 0.235) - 0.235, 0.04) * (across < 0.25)


# === Zebras ===

# Lengths of one black and one white stripe.
_TRUNK_PERIOD, _NECK_PERIOD, _HEAD_PERIOD, _LEG_PERIOD = 0.118, 0.108, 0.075, 0.1
# Around this point before the thigh the stripes of the rump fan out, from upright to lying.
_FAN_X, _FAN_Y, _FAN_RADIUS = -0.13, 0.52, 0.30
_ELBOW_HEIGHT, _HOCK_HEIGHT = 0.55, 0.44
# Phases where one part of the body meets the next, so that stripes go over into each other.
_ELBOW_PHASE = 3.5
_NECK_PHASE = (anatomy.NECK[0][0] - _FAN_X) / _TRUNK_PERIOD
_HEAD_PHASE = _NECK_PHASE + math.dist(anatomy.NECK[0], anatomy.NECK[-1]) / _NECK_PERIOD
_HOCK_PHASE = -1.85 * _FAN_RADIUS / _TRUNK_PERIOD


def _zebra(surface: Surface) -> Array:
    x, y = surface.rest_x, surface.rest_y
    black = canvas.clamp(0.5 + 1.5 * (canvas.wave(stripe_phase(x, y)) + 0.04), 0, 1)
    skin, mane, tail = (surface.region == each for each in (Region.SKIN, Region.MANE, Region.TAIL))
    # Stripes end before the middle of the belly, which is white.
    belly = canvas.coverage(y - 0.535, 0.05) * canvas.coverage(np.abs(x - 0.02) - 0.2, 0.06)
    black = black * (1 - belly * skin)
    along, across = _along_head(x, y)
    muzzle = canvas.coverage(0.25 - along, 0.05) * _on_head_share(along, across) * skin
    black = np.maximum(black, muzzle)
    black = np.where(mane, np.maximum(black, 0.25), black)
    bars = canvas.clamp(0.5 + 1.5 * canvas.wave(y / 0.07), 0, 1)
    tuft = canvas.coverage(y - 0.66, 0.08)
    black = np.where(tail, np.maximum(bars * 0.9, tuft), black)
    black[surface.region == Region.HOOF] = 0.95
    white = canvas.colour(_STRIPE_WHITE)
    return white + black * (canvas.colour(_STRIPE_BLACK) - white)


def stripe_phase(x: Array, y: Array) -> Array:
    """Gives how many stripes away from the flank a place of the resting body is.

    Upright on the trunk, across the neck and the head, fanning out over the rump and lying on the
    legs; where two of these meet, one goes over into the other.
    """
    phase = _trunk_phase(x, y)
    hind_leg = _mixing(_HOCK_HEIGHT + 0.06 - y, 0.12) * _mixing(-0.05 - x, 0.1)
    phase = phase + hind_leg * (_HOCK_PHASE + (y - _HOCK_HEIGHT) / _LEG_PERIOD - phase)
    front_leg = _mixing(_ELBOW_HEIGHT + 0.03 - y, 0.16) * _mixing(x - 0.15, 0.1)
    phase = phase + front_leg * (_ELBOW_PHASE + (y - _ELBOW_HEIGHT) / _LEG_PERIOD - phase)
    along, across = _along_neck(x, y)
    neck = _mixing(along + 0.02, 0.2) * _mixing(across + 0.27, 0.1)
    phase = phase + neck * (_NECK_PHASE + along / _NECK_PERIOD - phase)
    along, across = _along_head(x, y)
    head = _on_head_share(along, across)
    return phase + head * (_HEAD_PHASE + along / _HEAD_PERIOD - phase)


def _trunk_phase(x: Array, y: Array) -> Array:
    from_x, from_y = x - _FAN_X, y - _FAN_Y
    # A little of a bow, as on a barrel.
    bow = 0.45 * (from_y - 0.2) * (from_y - 0.2)
    ahead = (from_x - bow) / _TRUNK_PERIOD
    fan = -_FAN_RADIUS / _TRUNK_PERIOD * _angle_from_up(-from_x, from_y)
    return np.where(from_x > 0, ahead, fan)


def _angle_from_up(back: Array, up: Array) -> Array:
    """About the angle, in radians in [0, π], from upright backwards; `back` must not be below 0."""
    low, high = np.minimum(back, np.abs(up)), np.maximum(np.maximum(back, np.abs(up)), 1e-6)
    share = low / high
    octant = share * (1.0584 - 0.273 * share)
    quarter = np.where(back > np.abs(up), 1.5707964 - octant, octant)
    return np.where(up < 0, 3.1415927 - quarter, quarter)


# === Places ===


def _along_neck(x: Array, y: Array) -> tuple[Array, Array]:
    """Gives how far along the neck a place is, from its base, and how far across, to the mane."""
    return _along(anatomy.NECK[0], anatomy.NECK[-1], x, y)


def _along_head(x: Array, y: Array) -> tuple[Array, Array]:
    """Gives how far along the head a place is, from between the ears, and how far up from it."""
    return _along(anatomy.HEAD[0], anatomy.HEAD[-1], x, y)


def _along(start: Point, end: Point, x: Array, y: Array) -> tuple[Array, Array]:
    axis_x, axis_y = anatomy.direction(start, end)
    from_x, from_y = x - start[0], y - start[1]
    return from_x * axis_x + from_y * axis_y, from_y * axis_x - from_x * axis_y


def _on_head_share(along: Array, across: Array) -> Array:
    """How much a place belongs to the head and not to the neck, in [0, 1]."""
    return _mixing(along - 0.04, 0.1) * _mixing(across + 0.11, 0.06)


def _mixing(lead: Array, width: float) -> Array:
    return canvas.clamp(0.5 + lead / width, 0, 1)
