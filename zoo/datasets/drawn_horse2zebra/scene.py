"""What one picture shows but for the animal's coat, drawn by lot from the name of its scene."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from zoo.datasets.drawing.random_streams import chance, pick, stream

Colour = tuple[float, float, float]

# Zenith and horizon, above which light is this bright and of this colour.
_SKIES: tuple[tuple[Colour, Colour, Colour], ...] = (
    ((0.35, 0.56, 0.86), (0.76, 0.86, 0.94), (1.02, 1.00, 0.97)),
    ((0.47, 0.65, 0.88), (0.87, 0.90, 0.91), (1.00, 1.00, 1.00)),
    ((0.66, 0.71, 0.76), (0.86, 0.87, 0.87), (0.88, 0.91, 0.95)),
    ((0.48, 0.58, 0.78), (0.96, 0.83, 0.66), (1.03, 0.99, 0.92)),
)
# Two colours that a meadow's patches have.
_MEADOWS: tuple[tuple[Colour, Colour], ...] = (
    ((0.29, 0.45, 0.15), (0.42, 0.53, 0.20)),
    ((0.36, 0.47, 0.19), (0.58, 0.56, 0.28)),
    ((0.55, 0.52, 0.26), (0.70, 0.61, 0.35)),
    ((0.70, 0.59, 0.35), (0.80, 0.69, 0.44)),
    ((0.62, 0.49, 0.33), (0.57, 0.54, 0.29)),
)
_TREE_GREENS: tuple[Colour, ...] = ((0.15, 0.27, 0.12), (0.23, 0.31, 0.14), (0.33, 0.35, 0.18))

# Bends of base and middle of the neck, and of the head, against an animal that looks ahead.
_CARRIAGES = {
    "looking ahead": (0.0, 0.0, 0.0),
    "alert": (0.16, 0.12, 0.05),
    "walking on": (-0.35, -0.15, 0.2),
    "low": (-0.85, -0.35, 0.65),
    "grazing": (-1.47, -0.5, 1.35),
}


@dataclasses.dataclass(frozen=True)
class Pose:
    """How the animal is built and how it stands. Angles are in radians.

    Attributes:
        heading: 0 looks to the right of the picture, π to its left; in between, at the viewer.
        neck_bends: at the base and the middle of the neck; below 0 is forward and down.
        head_bend: of the head against the neck.
        head_turn: how far the head turns to its right, in neck lengths.
        stride: how far the legs swing; 0 stands.
        gait_phase: where in the stride the animal is, in [0, 1).
        tail_swing: how far the tail is lifted backwards.
        fatness: radius of the trunk, as a share of the usual one.
        leg_thickness: the same of the legs.
        neck_length, head_length: as a share of the usual ones.
    """

    heading: float
    neck_bends: tuple[float, float]
    head_bend: float
    head_turn: float
    stride: float
    gait_phase: float
    tail_swing: float
    fatness: float
    leg_thickness: float
    neck_length: float
    head_length: float


@dataclasses.dataclass(frozen=True)
class Place:
    """Where the animal stands, in half-widths of the picture; y goes down.

    Attributes:
        height: of its withers above the ground.
        across: 0 is as far left as the whole animal fits, 1 as far right.
        ground: y of the ground under its feet.
        horizon: y of the horizon; what is as high as the viewer's eye lies on it.
        tilt: how much lower the ground is seen, for what is nearer by one height of the withers.
    """

    height: float
    across: float
    ground: float
    horizon: float
    tilt: float


@dataclasses.dataclass(frozen=True)
class Light:
    """Where light comes from, and how the camera takes it.

    Attributes:
        direction: unit vector towards the light: right, down, out of the picture.
        ambient: share of the light that comes from everywhere.
        colour: the picture is multiplied by it.
        grain: of the camera, as a share of white.
        vignette: how much darker the corners are.
    """

    direction: tuple[float, float, float]
    ambient: float
    colour: Colour
    grain: float
    vignette: float


@dataclasses.dataclass(frozen=True)
class Tree:
    """One tree or bush before the horizon.

    Attributes:
        x, height: in half-widths of the picture.
        kind: `"round"`, `"umbrella"` (an acacia) or `"bush"`.
        foot: how far below the horizon it stands.
    """

    x: float
    height: float
    kind: str
    foot: float


@dataclasses.dataclass(frozen=True)
class Landscape:
    """What is around the animal; heights are in half-widths of the picture.

    Attributes:
        sky: colours of zenith and horizon.
        clouds: share of the sky that they cover, in [0, 1].
        hills: height of each ridge, the farthest first.
        forest: height of the wood at the horizon; 0 is none.
        trees: the farthest first.
        tree_green: colour.
        meadow: colours of its patches.
        bareness: how much earth shows through, in [0, 1].
        tufts: height of the grass before the animal's feet.
        roughness: how uneven the grass is.
    """

    sky: tuple[Colour, Colour]
    clouds: float
    hills: tuple[float, ...]
    forest: float
    trees: tuple[Tree, ...]
    tree_green: Colour
    meadow: tuple[Colour, Colour]
    bareness: float
    tufts: float
    roughness: float


@dataclasses.dataclass(frozen=True)
class Scene:
    """All of a picture but the coat. The seed is that of every texture."""

    pose: Pose
    place: Place
    light: Light
    landscape: Landscape
    texture_seed: int


def sample_scene(name: str, index: int) -> Scene:
    """Gives scene number `index` of that name, always the same one."""
    weather = stream("drawn_horse2zebra", name, index, "weather")
    sky, haze, tint = pick(weather, _SKIES)
    return Scene(
        pose=_sample_pose(stream("drawn_horse2zebra", name, index, "pose")),
        place=_sample_place(stream("drawn_horse2zebra", name, index, "place")),
        light=_sample_light(weather, tint),
        landscape=_sample_landscape(
            stream("drawn_horse2zebra", name, index, "landscape"), sky, haze
        ),
        texture_seed=int(stream("drawn_horse2zebra", name, index, "texture").randint(2**31 - 1)),
    )


def _sample_pose(random: np.random.RandomState) -> Pose:
    base, middle, head = pick(random, tuple(_CARRIAGES.values()))
    # Mostly seen from the side, as people take animals.
    aside = 0.75 * (random.uniform(-1, 1) + random.uniform(-1, 1)) / 2
    strides = chance(random, 0.6)
    stride = random.uniform(0.12, 0.42)
    return Pose(
        heading=aside if chance(random, 0.5) else math.pi + aside,
        neck_bends=(base + random.uniform(-0.1, 0.1), middle + random.uniform(-0.08, 0.08)),
        head_bend=head + random.uniform(-0.12, 0.12),
        head_turn=random.uniform(-0.35, 0.35),
        stride=stride if strides else random.uniform(0.02, 0.08),
        gait_phase=random.uniform(0, 1),
        tail_swing=random.uniform(-0.05, 0.5) if strides else random.uniform(-0.08, 0.15),
        fatness=random.uniform(0.94, 1.08),
        leg_thickness=random.uniform(0.92, 1.1),
        neck_length=random.uniform(0.94, 1.06),
        head_length=random.uniform(0.94, 1.06),
    )


def _sample_place(random: np.random.RandomState) -> Place:
    height = random.uniform(0.80, 1.22)
    # Larger animals stand lower in the picture, because they are nearer.
    ground = 0.34 + 0.38 * height + random.uniform(-0.1, 0.1)
    eye_height = random.uniform(0.35, 1.35)
    return Place(
        height=height,
        across=random.uniform(0, 1),
        ground=min(0.9, ground),
        horizon=max(-0.75, ground - eye_height * height),
        tilt=0.12 + 0.1 * eye_height,
    )


def _sample_light(random: np.random.RandomState, tint: Colour) -> Light:
    azimuth, elevation = random.uniform(-1.2, 1.2), random.uniform(0.5, 1.1)
    exposure = random.uniform(0.88, 1.1)
    flat = math.cos(elevation)
    return Light(
        direction=(
            flat * math.sin(azimuth),
            -math.sin(elevation),
            max(0.2, flat * math.cos(azimuth)),
        ),
        ambient=random.uniform(0.42, 0.62),
        colour=tuple(exposure * level * random.uniform(0.97, 1.03) for level in tint),
        grain=random.uniform(0.002, 0.012),
        vignette=random.uniform(0, 0.14),
    )


def _sample_landscape(random: np.random.RandomState, sky: Colour, haze: Colour) -> Landscape:
    num_hills = random.randint(3)
    num_trees = pick(random, (0, 0, 1, 1, 2, 3, 5))
    has_forest = chance(random, 0.45)
    clear = chance(random, 0.35)
    is_bare = chance(random, 0.35)
    return Landscape(
        sky=(sky, haze),
        clouds=0.0 if clear else random.uniform(0.15, 0.75),
        hills=tuple(sorted((random.uniform(0.06, 0.4) for _ in range(num_hills)), reverse=True)),
        forest=random.uniform(0.05, 0.32) if has_forest else 0.0,
        trees=tuple(
            sorted((_sample_tree(random) for _ in range(num_trees)), key=lambda tree: tree.foot)
        ),
        tree_green=pick(random, _TREE_GREENS),
        meadow=pick(random, _MEADOWS),
        bareness=random.uniform(0.2, 0.8) if is_bare else 0.0,
        tufts=random.uniform(-0.04, 0.09),
        roughness=random.uniform(0.6, 1.3),
    )


def _sample_tree(random: np.random.RandomState) -> Tree:
    kind = pick(random, ("round", "umbrella", "bush"))
    return Tree(
        x=random.uniform(-1.05, 1.05),
        height=random.uniform(0.08, 0.2) if kind == "bush" else random.uniform(0.3, 0.85),
        kind=kind,
        foot=random.uniform(0.01, 0.14),
    )
