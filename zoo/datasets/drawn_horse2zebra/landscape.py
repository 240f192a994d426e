"""The picture around the animal: sky, hills, trees, grass, from far to near."""

from __future__ import annotations

import numpy as np

from zoo.datasets.drawing import canvas
from zoo.datasets.drawing.canvas import Array
from zoo.datasets.drawn_horse2zebra.anatomy import Figure
from zoo.datasets.drawn_horse2zebra.scene import Landscape, Light, Place, Tree

_CLOUD = canvas.colour((0.95, 0.95, 0.95))
_EARTH = canvas.colour((0.55, 0.43, 0.30))
_BARK = canvas.colour((0.27, 0.20, 0.14))


def draw_landscape(
    random: np.random.RandomState, landscape: Landscape, place: Place, light: Light, size: int
) -> Array:
    """Gives float32 `(3, size, size)`, about in [0, 1]."""
    _, y = canvas.pixel_grid(size)
    grain = canvas.noise(random, size, 40, 40)
    picture = _draw_sky(random, landscape, place, size)
    _draw_hills(picture, random, landscape, place, grain)
    _draw_forest(picture, random, landscape, place, light, grain)
    ground = _draw_ground(random, landscape, place, grain)
    edge = y - place.horizon - 0.012 * canvas.noise(random, size, 2, 24)
    canvas.paint(picture, ground, canvas.coverage(-edge, 2.5 / size))
    for tree in landscape.trees:
        _draw_tree(picture, random, tree, landscape, place, light, grain)
    return picture


def _draw_sky(
    random: np.random.RandomState, landscape: Landscape, place: Place, size: int
) -> Array:
    _, y = canvas.pixel_grid(size)
    zenith, haze = (canvas.colour(shade) for shade in landscape.sky)
    low = canvas.clamp((y + 1) / (place.horizon + 1.3), 0, 1)
    sky = zenith + low * low * (haze - zenith)
    shapes = (
        0.55 * canvas.noise(random, size, 6, 4)
        + 0.35 * canvas.noise(random, size, 13, 8)
        + 0.2 * canvas.noise(random, size, 25, 19)
    )
    if landscape.clouds:
        cover = canvas.smooth(canvas.clamp(1.7 * (shapes + landscape.clouds - 0.3), 0, 1))
        canvas.paint(sky, _CLOUD * (0.96 + 0.06 * shapes), 0.85 * cover)
    return sky


def _draw_hills(
    picture: Array,
    random: np.random.RandomState,
    landscape: Landscape,
    place: Place,
    grain: Array,
) -> None:
    size = grain.shape[0]
    x, y = canvas.pixel_grid(size)
    haze, green = canvas.colour(landscape.sky[1]), canvas.colour(landscape.tree_green)
    meadow = 0.8 * canvas.colour(landscape.meadow[0])
    for number, height in enumerate(landscape.hills):
        points = random.uniform(0, 1, 16).astype(np.float32)
        outline = 0.8 * canvas.lookup(points, 1.7 * x + 3) + 0.2 * canvas.lookup(points, 7 * x + 9)
        nearness = (number + 1) / (len(landscape.hills) + 1)
        colour = 0.5 * (green + meadow) * (1 + 0.12 * grain)
        colour = haze * 0.85 + (0.25 + 0.5 * nearness) * (colour - haze * 0.85)
        top = place.horizon - height * outline
        canvas.paint(picture, colour, canvas.coverage(top - y, 2.5 / size))


def _draw_forest(
    picture: Array,
    random: np.random.RandomState,
    landscape: Landscape,
    place: Place,
    light: Light,
    grain: Array,
) -> None:
    if not landscape.forest:
        return
    size = grain.shape[0]
    x, y = canvas.pixel_grid(size)
    points = random.uniform(0, 1, 32).astype(np.float32)
    crowns = canvas.lookup(points, 9 * x + 16)
    # Gaps, where the wood stands back.
    gaps = canvas.clamp(2.5 * canvas.lookup(points, 1.3 * x + 7) - 0.3, 0, 1)
    height = landscape.forest * gaps * (0.55 + 0.45 * canvas.lookup(points, 3 * x + 2))
    height = height * (0.75 + 0.25 * crowns) + 0.008 * grain
    up = place.horizon - y
    shade = 0.75 + 0.5 * canvas.clamp(up / landscape.forest, 0, 1) + 0.3 * grain
    shade += 0.12 * (crowns - 0.5)
    colour = canvas.colour(landscape.tree_green) * (shade * (0.8 + 0.3 * light.ambient))
    haze = canvas.colour(landscape.sky[1])
    colour = colour + 0.12 * (haze - colour)
    mask = canvas.coverage(up - height, 2.5 / size) * canvas.coverage(0.01 - height, 0.02)
    canvas.paint(picture, colour, mask)


def _draw_ground(
    random: np.random.RandomState, landscape: Landscape, place: Place, grain: Array
) -> Array:
    size = grain.shape[0]
    _, y = canvas.pixel_grid(size)
    near = canvas.clamp((y - place.horizon) / (1 - place.horizon), 0, 1)
    # Patches lie flat: far ones are seen from the side.
    far_patches = canvas.noise(random, size, 34, 5)
    near_patches = canvas.noise(random, size, 9, 4)
    patches = far_patches + near * (near_patches - far_patches)
    blades = canvas.noise(random, size, 22, 62)
    speckle = canvas.noise(random, size, 60, 62)
    tufts = canvas.noise(random, size, 15, 26)
    one, other = (canvas.colour(shade) for shade in landscape.meadow)
    share = canvas.clamp(0.5 + 0.75 * patches + 0.2 * tufts, 0, 1)
    ground = one + share * (other - one)
    if landscape.bareness:
        shapes = 0.7 * near_patches + 0.4 * far_patches + 0.2 * tufts
        bare = canvas.clamp(3 * shapes + 3.2 * landscape.bareness - 1.9, 0, 1)
        canvas.paint(ground, _EARTH * (1 + 0.1 * grain), 0.8 * bare)
    texture = 0.05 * grain + near * (0.17 * blades + 0.10 * tufts + 0.09 * speckle)
    ground *= (1.1 - 0.2 * near) * (1 + landscape.roughness * texture)
    return ground


# Height of the crown's middle, and its half-width and half-height, as shares of the tree's height.
_CROWNS = {
    "round": (0.66, 0.36, 0.36),
    "umbrella": (0.84, 0.62, 0.16),
    "bush": (0.42, 0.75, 0.50),
}


def _draw_tree(
    picture: Array,
    random: np.random.RandomState,
    tree: Tree,
    landscape: Landscape,
    place: Place,
    light: Light,
    grain: Array,
) -> None:
    size, height = grain.shape[0], tree.height
    x, y = canvas.pixel_grid(size)
    x, y = x - tree.x, y - (place.horizon + tree.foot)
    light_right, light_down, _ = light.direction
    lumps = canvas.lookup(random.uniform(-1, 1, 24).astype(np.float32), 12 * x)
    leaves = canvas.noise(random, size, 48, 48)
    green = canvas.colour(landscape.tree_green) * random.uniform(0.85, 1.2)

    across = (x + 0.15 * height * light_right) / (0.5 * height)
    down = y / (0.06 * height + 0.01)
    canvas.darken(picture, canvas.bump(across * across + down * down), 0.4)
    if tree.kind != "bush":
        half_width = 0.045 * height * (1.3 + 0.4 * y / height)
        trunk = np.maximum(np.maximum(np.abs(x) - half_width, y), -y - 0.75 * height)
        bark = _BARK * (0.9 + 0.3 * light_right / height * x)
        canvas.paint(picture, bark, canvas.coverage(trunk, 2.5 / size))
    middle, half_width, half_height = (share * height for share in _CROWNS[tree.kind])
    from_middle = y + middle
    crown = canvas.ellipse(x, from_middle, half_width, half_height)
    crown = crown + 0.3 * half_height * (0.35 * leaves + 0.3 * grain + 0.35 * lumps)
    lit = canvas.clamp(light_right / half_width * x + light_down / half_height * from_middle, -1, 1)
    shade = 0.85 + 0.3 * lit + 0.3 * leaves + 0.15 * grain
    canvas.paint(picture, green * shade, canvas.coverage(crown, 3 / size))


def cast_shadow(picture: Array, figure: Figure, place: Place, light: Light) -> None:
    """Darkens the ground under the animal and around its hooves, in place."""
    x, y = canvas.pixel_grid(picture.shape[1])
    feet = [hoof.end[0] for hoof in figure.hooves]
    # Away from the light.
    shift = -0.45 * figure.height * light.direction[0]
    middle, half_length = (min(feet) + max(feet)) / 2 + shift, (max(feet) - min(feet)) / 2
    across = np.maximum(np.abs(x - middle) - half_length, 0) / (0.28 * figure.height)
    down = (y - place.ground - 0.01) / (0.10 * figure.height)
    shadow = 0.85 * canvas.bump(across * across + down * down)
    for hoof in figure.hooves:
        across = (x - hoof.end[0] - 0.08 * shift) / (0.13 * figure.height)
        down = (y - hoof.end[1] - hoof.end_radius) / (0.05 * figure.height)
        shadow = np.maximum(shadow, canvas.bump(across * across + down * down))
    canvas.darken(picture, (0.75 - 0.45 * light.ambient) * shadow, (1.0, 0.97, 0.88))
