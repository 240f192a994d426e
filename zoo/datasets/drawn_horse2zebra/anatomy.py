"""The body of a horse or zebra: bones with flesh around them, and the surface that they make.

A bone is a round cone between two joints. It is known twice: at rest, where the animal is seen from
its side with its head to the right, in the plane (x forward, y up) with the feet at y = 0 and the
withers at about y = 1; and posed, where the picture shows it. So each pixel of the animal can be
told which place of the resting body it shows: a coat is painted there, and moves with the body.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Sequence

import numpy as np

from zoo.datasets.drawing import canvas
from zoo.datasets.drawing.canvas import Array, Box
from zoo.datasets.drawn_horse2zebra.scene import Place, Pose

Point = tuple[float, float]
Point3 = tuple[float, float, float]

# Joints of the resting body.
_CHEST, _BARREL, _LOIN, _CROUP = (0.27, 0.735), (-0.02, 0.715), (-0.27, 0.755), (-0.38, 0.77)
_WITHERS, _BACK = (0.20, 0.905), (0.0, 0.87)
NECK = ((0.33, 0.79), (0.47, 0.95), (0.59, 1.14))
HEAD = (NECK[-1], (0.662, 1.07), (0.835, 0.875))
EYE = (0.668, 1.082)
_FRONT_LEG = ((0.35, 0.76), (0.28, 0.57), (0.31, 0.32), (0.305, 0.12), (0.335, 0.06), (0.35, 0.03))
_HIND_LEG = (
    (-0.34, 0.77),
    (-0.23, 0.58),
    (-0.41, 0.385),
    (-0.385, 0.13),
    (-0.355, 0.06),
    (-0.34, 0.03),
)
_TAIL = ((-0.50, 0.885), (-0.57, 0.80), (-0.605, 0.60), (-0.59, 0.36))

_NECK_RADII = (0.175, 0.118, 0.082)
_HEAD_RADII = (0.082, 0.086, 0.052)
_FRONT_LEG_RADII = ((0.12, 0.082), (0.076, 0.05), (0.042, 0.036), (0.037, 0.042), (0.044, 0.05))
_HIND_LEG_RADII = ((0.165, 0.12), (0.11, 0.054), (0.046, 0.037), (0.037, 0.042), (0.044, 0.05))
_TAIL_RADII = ((0.032, 0.042), (0.045, 0.058), (0.06, 0.022))

# How far legs and ears stand off the middle plane.
_FRONT_LEG_ASIDE, _HIND_LEG_ASIDE, _EAR_ASIDE = 0.085, 0.095, 0.035
# Where in the stride each leg is: a walk, in which one foot moves after the other.
_GAIT_OFFSETS = {"near hind": 0.0, "near front": 0.25, "far hind": 0.5, "far front": 0.75}


class Region(enum.IntEnum):
    """What a pixel shows, where the place on the resting body does not tell it."""

    SKIN = 0
    MANE = 1
    TAIL = 2
    HOOF = 3


@dataclasses.dataclass(frozen=True)
class Bone:
    """A round cone; lengths are in heights of the withers.

    Attributes:
        start, end: of its axis when posed: forward, up, to the animal's right.
        rest_start, rest_end: of its axis at rest.
        start_radius, end_radius: at the ends.
        region: what it is.
        fillet: over which length it blends into its neighbours.
        flatness: depth of the cross-section as a share of its height.
    """

    start: Point3
    end: Point3
    rest_start: Point
    rest_end: Point
    start_radius: float
    end_radius: float
    region: Region = Region.SKIN
    fillet: float = 0.03
    flatness: float = 0.75


# === Bones ===


def bones(pose: Pose) -> tuple[Bone, ...]:
    """Gives all bones of an animal that stands so, its lowest hoof on the ground."""
    all_bones = [*_trunk(pose), *_neck_and_head(pose), *_tail(pose), *_legs(pose)]
    sole = min(bone.end[1] - bone.end_radius for bone in all_bones if bone.region is Region.HOOF)
    return tuple(
        dataclasses.replace(bone, start=_raised(bone.start, -sole), end=_raised(bone.end, -sole))
        for bone in all_bones
    )


def _trunk(pose: Pose) -> list[Bone]:
    chest, barrel, loin, croup = (pose.fatness * radius for radius in (0.222, 0.225, 0.2, 0.172))
    spans = (
        (_CHEST, _BARREL, chest, barrel, 0.05),
        (_BARREL, _LOIN, barrel, loin, 0.05),
        (_LOIN, _CROUP, loin, croup, 0.05),
        (_WITHERS, _BACK, 0.055, 0.05, 0.08),
    )
    return [
        Bone((*a, 0.0), (*b, 0.0), a, b, a_radius, b_radius, fillet=fillet, flatness=0.62)
        for a, b, a_radius, b_radius, fillet in spans
    ]


def _neck_and_head(pose: Pose) -> list[Bone]:
    neck = _bent(_stretched(NECK, pose.neck_length), NECK[0], pose.neck_bends)
    head = _bent(
        _stretched(HEAD, pose.head_length), neck[-1], (sum(pose.neck_bends) + pose.head_bend,)
    )

    def turned(point: Point) -> Point3:
        return (*point, pose.head_turn * max(0.0, math.dist(point, neck[0])) ** 2)

    def between(a: Point, b: Point, rest_a: Point, rest_b: Point, radii: Point, **how) -> Bone:
        return Bone(turned(a), turned(b), rest_a, rest_b, *radii, **how)

    made = [
        between(neck[0], neck[1], NECK[0], NECK[1], _NECK_RADII[:2], fillet=0.09, flatness=0.55),
        between(neck[1], neck[2], NECK[1], NECK[2], _NECK_RADII[1:], fillet=0.05, flatness=0.55),
        between(head[0], head[1], HEAD[0], HEAD[1], _HEAD_RADII[:2], fillet=0.04),
        between(head[1], head[2], HEAD[1], HEAD[2], _HEAD_RADII[1:], fillet=0.02),
    ]
    made += _ears(head, pose.head_turn * math.dist(head[0], neck[0]) ** 2)
    crest, rest_crest = _crest(neck, head), _crest(NECK, HEAD)
    radii = (0.03, 0.045, 0.052, 0.03)
    made += [
        between(
            *crest[i : i + 2],
            *rest_crest[i : i + 2],
            radii[i : i + 2],
            region=Region.MANE,
            fillet=0.015,
            flatness=0.5,
        )
        for i in range(3)
    ]
    return made


def _ears(head: Sequence[Point], turn: float) -> list[Bone]:
    def axis(head: Sequence[Point]) -> tuple[Point, Point]:
        (x, y), along = head[0], direction(head[0], head[1])
        up = (-along[1], along[0])
        foot = x + 0.055 * up[0] + 0.005 * along[0], y + 0.055 * up[1] + 0.005 * along[1]
        tip = foot[0] + 0.125 * up[0] - 0.02 * along[0], foot[1] + 0.125 * up[1] - 0.02 * along[1]
        return foot, tip

    (foot, tip), (rest_foot, rest_tip) = axis(head), axis(HEAD)
    return [
        Bone((*foot, turn + z), (*tip, turn + 1.3 * z), rest_foot, rest_tip, 0.032, 0.014)
        for z in (-_EAR_ASIDE, _EAR_ASIDE)
    ]


def _crest(neck: Sequence[Point], head: Sequence[Point]) -> tuple[Point, ...]:
    """Gives the line along which the mane grows, from between the ears to the withers."""
    along, low, high = (direction(*ends) for ends in (head[:2], neck[:2], neck[1:]))
    forelock = _beside(head[0], along, 0.06)
    poll, middle, base = (
        _beside(neck[2], high, 0.083),
        _beside(neck[1], high, 0.118),
        _beside(neck[0], low, 0.155),
    )
    return forelock, poll, middle, base


def _tail(pose: Pose) -> list[Bone]:
    swing = -pose.tail_swing
    posed = _bent(_TAIL, _TAIL[0], (swing, 0.2 * swing, -0.5 * swing))
    return [
        Bone((*a, 0.0), (*b, 0.0), rest_a, rest_b, *radii, region=Region.TAIL, fillet=0.01)
        for a, b, rest_a, rest_b, radii in zip(
            posed, posed[1:], _TAIL, _TAIL[1:], _TAIL_RADII, strict=False
        )
    ]


def _legs(pose: Pose) -> list[Bone]:
    made = []
    for leg, offset in _GAIT_OFFSETS.items():
        is_front, side = leg.endswith("front"), 1 if leg.startswith("near") else -1
        rest = _FRONT_LEG if is_front else _HIND_LEG
        all_radii = _FRONT_LEG_RADII if is_front else _HIND_LEG_RADII
        aside = side * (_FRONT_LEG_ASIDE if is_front else _HIND_LEG_ASIDE)
        posed = _bent(rest, rest[0], _leg_bends(pose, offset, is_front))
        for i, radii in enumerate(all_radii):
            # The thighs and upper arms lie in the trunk, only the rest is as thick as the animal's.
            thickness = pose.leg_thickness if i else 1.0
            made.append(
                Bone(
                    (*posed[i], aside),
                    (*posed[i + 1], aside),
                    rest[i],
                    rest[i + 1],
                    thickness * radii[0],
                    thickness * radii[1],
                    region=Region.HOOF if i == len(all_radii) - 1 else Region.SKIN,
                    fillet=(0.05, 0.03)[i] if i < 2 else 0.012,
                    flatness=0.5 if i == 0 else 0.8,
                )
            )
    return made


def _leg_bends(pose: Pose, offset: float, is_front: bool) -> tuple[float, ...]:
    """Gives the bends of the joints from the shoulder or hip down; above 0 is forward."""
    turn = 2 * math.pi * (pose.gait_phase + offset)
    swing = pose.stride * math.sin(turn)
    # A leg is lifted while it swings forward.
    lift = pose.stride * max(0.0, math.cos(turn))
    if is_front:
        return (0.5 * swing, 0.6 * swing + 0.9 * lift, -2.2 * lift, 0.2 * lift, 0.0)
    return (0.6 * swing + 0.5 * lift, 0.2 * swing - 1.0 * lift, 0.3 * lift, -0.6 * lift, 0.0)


def _bent(rest: Sequence[Point], start: Point, bends: Sequence[float]) -> list[Point]:
    """Bends a chain of joints at the start of each span, anticlockwise; the last bend goes on."""
    posed, total = [start], 0.0
    for i in range(len(rest) - 1):
        total += bends[i] if i < len(bends) else 0.0
        cos, sin = math.cos(total), math.sin(total)
        x, y = rest[i + 1][0] - rest[i][0], rest[i + 1][1] - rest[i][1]
        posed.append((posed[-1][0] + cos * x - sin * y, posed[-1][1] + sin * x + cos * y))
    return posed


def _stretched(chain: Sequence[Point], factor: float) -> list[Point]:
    (x, y), rest = chain[0], chain[1:]
    return [(x, y), *((x + factor * (u - x), y + factor * (v - y)) for u, v in rest)]


def direction(start: Point, end: Point) -> Point:
    """Gives the unit vector from one point to another."""
    length = math.dist(start, end)
    return (end[0] - start[0]) / length, (end[1] - start[1]) / length


def _beside(point: Point, direction: Point, distance: float) -> Point:
    """Gives the point so far to the left of another, seen in that direction."""
    return point[0] - distance * direction[1], point[1] + distance * direction[0]


def _raised(point: Point3, by: float) -> Point3:
    return point[0], point[1] + by, point[2]


# === Into the picture ===


@dataclasses.dataclass(frozen=True)
class Figure:
    """An animal in its place.

    Attributes:
        bones: with their posed ends in the picture: right, down, out of it, and all lengths in
            half-widths of the picture.
        height: of the withers.
        facing: 1 if the head is at the right, −1 at the left.
    """

    bones: tuple[Bone, ...]
    height: float
    facing: int

    @property
    def hooves(self) -> tuple[Bone, ...]:
        return tuple(bone for bone in self.bones if bone.region is Region.HOOF)


# How near to the edge of the picture the bones may come; fillets and soft edges reach further.
_MARGIN = 0.07


def place_animal(pose: Pose, place: Place) -> Figure:
    """Turns the animal and puts it where it belongs, smaller if it would not fit."""
    turned = [_turned(bone, pose.heading, place.tilt) for bone in bones(pose)]
    left = min(min(b.start[0] - b.start_radius, b.end[0] - b.end_radius) for b in turned)
    right = max(max(b.start[0] + b.start_radius, b.end[0] + b.end_radius) for b in turned)
    top = min(min(b.start[1] - b.start_radius, b.end[1] - b.end_radius) for b in turned)
    height = min(
        place.height,
        2 * (1 - _MARGIN) / (right - left),
        (place.ground + 1 - _MARGIN) / -top,
    )
    leftmost, rightmost = _MARGIN - 1 - height * left, 1 - _MARGIN - height * right
    x = leftmost + place.across * (rightmost - leftmost)
    return Figure(
        bones=tuple(_moved(bone, height, x, place.ground) for bone in turned),
        height=height,
        facing=1 if math.cos(pose.heading) > 0 else -1,
    )


def _turned(bone: Bone, heading: float, tilt: float) -> Bone:
    cos, sin = math.cos(heading), math.sin(heading)

    def view(point: Point3) -> Point3:
        forward, up, aside = point
        right, out = cos * forward - sin * aside, sin * forward + cos * aside
        return right, tilt * out - up, out

    return dataclasses.replace(bone, start=view(bone.start), end=view(bone.end))


def _moved(bone: Bone, scale: float, x: float, y: float) -> Bone:
    def moved(point: Point3) -> Point3:
        return x + scale * point[0], y + scale * point[1], scale * point[2]

    return dataclasses.replace(
        bone,
        start=moved(bone.start),
        end=moved(bone.end),
        start_radius=scale * bone.start_radius,
        end_radius=scale * bone.end_radius,
        fillet=scale * bone.fillet,
    )


# === Surface ===

_FAR = 9.0
# How steeply the surface falls off beside a bone, so that the nearest bone colours a soft edge.
_STEEPNESS = 40.0


@dataclasses.dataclass(frozen=True)
class Surface:
    """What each pixel of a box shows of the animal, float32 `(height, width)` each.

    Attributes:
        outline: signed distance to the animal, in half-widths of the picture.
        depth: how far out of the picture the surface is.
        right, down: of the vector that stands on the surface, which has about length 1.
        rest_x, rest_y: the place on the resting body.
        region: a `Region`.
    """

    outline: Array
    depth: Array
    right: Array
    down: Array
    rest_x: Array
    rest_y: Array
    region: Array

    def __getitem__(self, box: Box) -> Surface:
        return Surface(*(getattr(self, field.name)[box] for field in dataclasses.fields(self)))


def surface(figure: Figure, size: int) -> tuple[Surface, Box]:
    """Gives the surface of an animal at a picture of size × size pixels, and where it lies there.

    Returns:
        The surface at the pixels of a box that holds the whole animal, and that box.
    """
    x, y = canvas.pixel_grid(size)
    box = _box_of(figure.bones, size, margin=4 / size)
    x, y = x[box], y[box]
    outline, depth = np.full_like(x, _FAR), np.full_like(x, -_FAR)
    whole = Surface(outline, depth, *(np.zeros_like(x) for _ in range(5)))
    for bone in figure.bones:
        near = _box_of([bone], size, margin=bone.fillet + 4 / size, origin=box)
        _add_bone(whole[near], bone, x[near], y[near], figure)
    return whole, box


def _box_of(
    bones: Sequence[Bone], size: int, margin: float, origin: Box = (slice(0), slice(0))
) -> Box:
    """Gives the pixels around bones, counted from the start of another box."""
    ends = [
        (point, radius + margin)
        for bone in bones
        for point, radius in ((bone.start, bone.start_radius), (bone.end, bone.end_radius))
    ]

    def pixels(axis: int) -> slice:
        first = min(point[axis] - radius for point, radius in ends)
        last = max(point[axis] + radius for point, radius in ends)
        start = origin[axis - 1].start or 0
        low, high = int((first + 1) / 2 * size), int((last + 1) / 2 * size) + 1
        return slice(max(0, low - start), max(0, min(size, high) - start))

    return pixels(1), pixels(0)


def _add_bone(layers: Surface, bone: Bone, x: Array, y: Array, figure: Figure) -> None:
    """Lays a bone over the surface, in place: what is nearer wins, and what is as near blends."""
    (start_x, start_y, start_z), (end_x, end_y, end_z) = bone.start, bone.end
    # A bone that points at the viewer has almost no length in the picture.
    length = max(math.hypot(end_x - start_x, end_y - start_y), 1e-3)
    axis_x, axis_y = (end_x - start_x) / length, (end_y - start_y) / length
    from_x, from_y = x - start_x, y - start_y
    along = (from_x * axis_x + from_y * axis_y) / length
    # Anticlockwise of the axis as the animal is seen with its head to the right.
    aside = (axis_y * from_x - axis_x * from_y) * figure.facing
    inner = canvas.clamp(along, 0, 1)
    radius = bone.start_radius + (bone.end_radius - bone.start_radius) * inner
    from_axis_x = from_x - inner * (axis_x * length)
    from_axis_y = from_y - inner * (axis_y * length)
    square = from_axis_x * from_axis_x + from_axis_y * from_axis_y
    outline = np.sqrt(square) - radius
    depth = start_z + (end_z - start_z) * inner - _STEEPNESS * np.maximum(outline, 0)
    depth = depth + bone.flatness * np.sqrt(np.maximum(radius * radius - square, 0))
    rest_x, rest_y = _at_rest(bone, along, aside / figure.height)

    nearer = _share(depth - layers.depth, bone.fillet)
    _mix(layers.right, from_axis_x / radius, nearer)
    _mix(layers.down, from_axis_y / radius, nearer)
    _mix(layers.rest_x, rest_x, nearer)
    _mix(layers.rest_y, rest_y, nearer)
    layers.region[nearer > 0.5] = bone.region
    _mix(layers.depth, depth, nearer, bulge=bone.fillet)
    _mix(layers.outline, outline, _share(layers.outline - outline, bone.fillet), -bone.fillet)


def _at_rest(bone: Bone, along: Array, aside: Array) -> tuple[Array, Array]:
    (start_x, start_y), (end_x, end_y) = bone.rest_start, bone.rest_end
    axis_x, axis_y = direction(bone.rest_start, bone.rest_end)
    along = canvas.clamp(along, -1, 2)
    return (
        start_x + along * (end_x - start_x) - aside * axis_y,
        start_y + along * (end_y - start_y) + aside * axis_x,
    )


def _share(lead: Array, fillet: float) -> Array:
    """How much of the new there is: 1 if it leads by more than the fillet, 0 if it lags so far."""
    return canvas.clamp(0.5 + lead * (0.5 / fillet), 0, 1)


def _mix(layer: Array, value: Array, share: Array, bulge: float = 0.0) -> None:
    """Replaces that share of a layer, in place; where both meet, `bulge` rounds off the corner."""
    layer += share * (value - layer)
    if bulge:
        layer += bulge * share * (1 - share)
