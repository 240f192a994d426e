"""Drawing a face: one function a layer, from the background to the glasses.

The head is an egg, lit from one side. Each pixel on it is given its place on the surface: u to the
side and v down from the middle of the face, both in [-1, 1] in half-axes of the head, and w > 0 on
the front. What is on the face is drawn in (u, v), so it turns with the head.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from zoo.datasets.drawing import canvas
from zoo.datasets.drawing.canvas import Array, Box, coverage, paint
from zoo.datasets.drawn_faces.appearance import HAIR_COLOURS, Appearance

# Every face is drawn at this size, and made smaller from there, so that all sizes show the same.
DRAWING_SIZE = 128

_SKIN_COLOURS = np.array(
    [
        (0.98, 0.87, 0.79),
        (0.94, 0.78, 0.67),
        (0.89, 0.70, 0.57),
        (0.80, 0.60, 0.46),
        (0.66, 0.46, 0.33),
        (0.51, 0.34, 0.24),
        (0.38, 0.25, 0.18),
    ],
    np.float32,
)
_EYE_WHITE = canvas.colour((0.95, 0.94, 0.92))
_TEETH = canvas.colour((0.96, 0.95, 0.91))
_MOUTH_INSIDE = canvas.colour((0.30, 0.08, 0.09))
_LIPSTICK = canvas.colour((0.76, 0.12, 0.20))
_DARK_LENS = canvas.colour((0.08, 0.08, 0.10))

# v of the middle of the eyes, and of the line between the lips.
_EYE_HEIGHT = -0.04
_MOUTH_HEIGHT = 0.58

# As CelebA names them; "left" is the left of the picture.
LANDMARK_NAMES = tuple(
    f"{place}_{axis}"
    for place in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")
    for axis in "xy"
)


def render(face: Appearance, size: int = 64) -> Array:
    """Draws a face.

    Args:
        face: what it looks like.
        size: height and width in pixels; it must divide 128.

    Returns:
        uint8 `(size, size, 3)`.

    Raises:
        ValueError: if `size` does not divide 128.
    """
    if size < 1 or DRAWING_SIZE % size:
        raise ValueError(f"size must divide {DRAWING_SIZE}. Received: size={size}.")
    # Cut to what a pixel can show before it is made smaller, as the larger picture is.
    picture = canvas.shrink(canvas.clamp(_draw(face), 0, 1), DRAWING_SIZE // size)
    return (picture * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0)


def landmarks(face: Appearance, size: int = 64) -> dict[str, int]:
    """Tells in which pixels of `render(face, size)` each of `LANDMARK_NAMES` lies."""
    mouth_width, mouth_corner = _mouth_width(face), _MOUTH_HEIGHT - _mouth_curve(face)
    places = (
        (-face.eye_distance, _EYE_HEIGHT),
        (face.eye_distance, _EYE_HEIGHT),
        (0.0, face.nose_length),
        (-mouth_width, mouth_corner),
        (mouth_width, mouth_corner),
    )
    in_frame = [coordinate for u, v in places for coordinate in _frame_from_surface(face, u, v)]
    return {
        name: int((coordinate + 1) / 2 * size)
        for name, coordinate in zip(LANDMARK_NAMES, in_frame, strict=True)
    }


def _draw(face: Appearance) -> Array:
    """Gives float32 `(3, 128, 128)`, about in [0, 1]."""
    scene = _Scene(face)
    picture = _background(scene)
    _hair_behind_the_head(picture, scene)
    _neck(picture, scene)
    _clothes(picture, scene)
    _hair_on_the_shoulders(picture, scene)
    _ears(picture, scene)
    _head(picture, scene)
    _hair_on_the_head(picture, scene)
    _glasses(picture, scene)
    return picture


# === What the layers share ===


class _Scene:
    """A face, and what its layers share: places, light, colours, noise.

    Attributes:
        x, y: place of each pixel in the frame of the head: as in the picture, but the head is
            upright, of scale 1 and has its middle at 0.
        pixel: width of a pixel in that frame.
        hair_x: x, with the waves of the hair.
        frame_y: y of each pixel in the picture.
        light: unit vector towards the light: right, down, out of the picture.
        surface: of the head, at every pixel.
        skin, hair: their colours.
        blotches, grain: smooth noise, coarse and fine.
        strands: noise along the hair.
        hair_outline, hair_shade: signed distance to the hair, and the light on it.
    """

    def __init__(self, face: Appearance):
        self.face = face
        frame_x, frame_y = canvas.pixel_grid(DRAWING_SIZE)
        x, y = (frame_x - face.center[0]) / face.scale, (frame_y - face.center[1]) / face.scale
        cos, sin = math.cos(face.roll), math.sin(face.roll)
        self.x, self.y = cos * x + sin * y, cos * y - sin * x
        self.frame_y = frame_y
        self.pixel = 2 / DRAWING_SIZE / face.scale
        self.light = _light(face)
        self.skin = canvas.colour(_skin_colour(face.skin_tone))
        self.hair = canvas.colour(HAIR_COLOURS[face.hair_colour])
        random = np.random.RandomState(face.texture_seed)
        self.blotches = canvas.noise(random, DRAWING_SIZE, 5, 5)
        # Two grids, so that neither shows.
        self.grain = 0.7 * (
            canvas.noise(random, DRAWING_SIZE, 14, 14) + canvas.noise(random, DRAWING_SIZE, 23, 23)
        )
        phase = self.y * 2.6 + random.uniform() + 0.3 * self.blotches
        self.hair_x = self.x + 0.028 * face.hair_wave * canvas.wave(phase)
        self.strands = self._strands(random)
        self.surface = _surface(face, self.x, self.y)
        self.hair_outline = _hair_outline(self)
        self.hair_shade = _hair_shade(self)

    def _strands(self, random: np.random.RandomState) -> Array:
        """Strands fan out from above the parting."""
        crown_y = -self.face.head_height * 1.5
        fan = (self.hair_x - 0.2 * self.face.hair_part) / (self.y - crown_y + 0.25)
        points = random.uniform(-1, 1, 64).astype(np.float32)
        return canvas.lookup(points, fan * 40 + 32) * 0.6 + canvas.lookup(points, fan * 97) * 0.4

    def covers(self, distance: Array, pixels: float = 1.3) -> Array:
        """`coverage` for a distance in the head's frame, fading over so many pixels."""
        return coverage(distance, pixels * self.pixel)


@dataclasses.dataclass(frozen=True)
class _Surface:
    """Places on the head's surface, an array each; see the module.

    Attributes:
        u, v, w: the place.
        x, y, z: the same place before yaw and pitch turn it: right, down and out of the picture.
        radius_square: x² + y²; above 1 beside the head, where u, v and w go on somehow.
    """

    u: Array
    v: Array
    w: Array
    x: Array
    y: Array
    z: Array
    radius_square: Array

    @property
    def front(self) -> Array:
        """1 on the side that the face is on, fading to 0 where the back of the head begins."""
        return canvas.clamp(8 * self.w, 0, 1)

    def __getitem__(self, box: Box) -> _Surface:
        return _Surface(*(getattr(self, field.name)[box] for field in dataclasses.fields(self)))


def _surface(face: Appearance, x: Array, y: Array) -> _Surface:
    y = y / face.head_height
    x = x / (face.head_width * _taper(face, y))
    radius_square = x * x + y * y
    z = np.sqrt(np.maximum(1 - radius_square, 0))
    cos, sin = math.cos(face.yaw), math.sin(face.yaw)
    u, w = cos * x - sin * z, sin * x + cos * z
    cos, sin = math.cos(face.pitch), math.sin(face.pitch)
    v, w = cos * y + sin * w, cos * w - sin * y
    return _Surface(u, v, w, x, y, z, radius_square)


def _frame_from_surface(face: Appearance, u: float, v: float) -> tuple[float, float]:
    """Undoes `_surface` and the frame of the head: gives x and y in the picture, in [-1, 1]."""
    w = math.sqrt(1 - u * u - v * v)
    cos, sin = math.cos(face.pitch), math.sin(face.pitch)
    y, w = cos * v - sin * w, cos * w + sin * v
    cos, sin = math.cos(face.yaw), math.sin(face.yaw)
    x = cos * u + sin * w
    x, y = x * face.head_width * float(_taper(face, np.float32(y))), y * face.head_height
    cos, sin = math.cos(face.roll), math.sin(face.roll)
    x, y = cos * x - sin * y, cos * y + sin * x
    return x * face.scale + face.center[0], y * face.scale + face.center[1]


def _taper(face: Appearance, y: Array) -> Array:
    """How wide the head is at a height, as a share of its full width."""
    below = np.maximum(y, 0)
    return 1 - face.jaw_taper * below * below


def _light(face: Appearance) -> tuple[float, float, float]:
    return _unit(
        0.8 * math.sin(face.light_azimuth), -face.light_elevation, math.cos(face.light_azimuth)
    )


def _unit(x: float, y: float, z: float) -> tuple[float, float, float]:
    length = math.sqrt(x * x + y * y + z * z)
    return x / length, y / length, z / length


def _skin_colour(tone: float) -> Array:
    lighter = min(int(tone), len(_SKIN_COLOURS) - 2)
    share = tone - lighter
    return _SKIN_COLOURS[lighter] * (1 - share) + _SKIN_COLOURS[lighter + 1] * share


# === Behind the head ===


def _background(scene: _Scene) -> Array:
    top, bottom = (canvas.colour(shade) for shade in scene.face.background)
    share = canvas.clamp(0.5 + 0.5 * scene.frame_y + 0.35 * scene.blotches, 0, 1)
    return (top + share * (bottom - top)) * (1 + 0.03 * scene.grain)


def _neck(picture: Array, scene: _Scene) -> None:
    face = scene.face
    box = canvas.box_around((scene.y > 0.2) & (np.abs(scene.x) < 0.5))
    x, y = scene.x[box], scene.y[box]
    half_width = (0.27 if face.male else 0.215) + 0.25 * np.maximum(y - 0.72, 0)
    roundness = canvas.clamp(0.5 + 1.6 * scene.light[0] * x, 0, 1)
    chin_shadow = canvas.clamp(1 - (y - 0.97 * face.head_height) * 4.5, 0, 1)
    shade = (0.8 * face.ambient + 0.4 * roundness) * (1 - 0.4 * chin_shadow)
    mask = scene.covers(np.maximum(np.abs(x) - half_width, 0.25 - y))
    paint(picture[:, *box], scene.skin * shade, mask)


def _clothes(picture: Array, scene: _Scene) -> None:
    face = scene.face
    box = canvas.box_around(scene.y > 0.7)
    x, y = scene.x[box], scene.y[box]
    shoulders = canvas.ellipse(x, y - 1.32, 0.98 if face.male else 0.84, 0.52)
    neckline = canvas.ellipse(x, y - 0.78, 0.30, 0.16)
    shade = 0.72 + 0.3 * scene.light[0] * x + 0.1 * scene.grain[box]
    mask = scene.covers(shoulders, 1.6) * (1 - scene.covers(neckline, 1.6))
    paint(picture[:, *box], canvas.colour(face.clothes) * shade, mask)


def _ears(picture: Array, scene: _Scene) -> None:
    face = scene.face
    for side in (-1, 1):
        # An ear shows when the face looks the other way.
        showing = min(1.0, max(0.0, 1.0 - 2.2 * side * face.yaw))
        if not showing:
            continue
        x, y = scene.x - side * (face.head_width * 0.96), scene.y - 0.02
        box = canvas.box_around((np.abs(x) < 0.12) & (np.abs(y) < 0.16))
        x, y = x[box], y[box]
        lit = face.ambient + 0.2 + 0.25 * side * scene.light[0]
        lit = lit * (1 - 0.35 * canvas.bump((39 * (x - side * 0.03)) ** 2 + (13 * y) ** 2))
        mask = scene.covers(canvas.ellipse(x, y, 0.03 + 0.06 * showing, 0.13))
        paint(picture[:, *box], scene.skin * canvas.colour((1.0, 0.9, 0.87)) * lit, mask)


# === Hair ===


def _hair_half_axes(face: Appearance) -> tuple[float, float]:
    return face.head_width + 0.01 + face.hair_volume, face.head_height + 0.02 + face.hair_volume


def _hair_outline(scene: _Scene) -> Array:
    """About the signed distance to all hair: half an egg on top, from its middle down a box."""
    face = scene.face
    half_width, half_height = _hair_half_axes(face)
    top = canvas.ellipse(scene.hair_x, np.minimum(scene.y, 0), half_width, half_height)
    below = np.maximum(scene.y, 0)
    beside = top - 0.1 * face.hair_length * np.minimum(below, 1)
    bottom = -0.02 + 1.15 * face.hair_length
    beneath = scene.y - bottom + (0.02 + 0.05 * min(1.0, 3 * face.hair_length)) * scene.strands
    radius = 0.12
    over_x, over_y = np.maximum(beside + radius, 0), np.maximum(beneath + radius, 0)
    corner = np.sqrt(over_x * over_x + over_y * over_y) - radius
    outline = corner + np.minimum(np.maximum(beside, beneath) + radius, 0)
    return outline + 0.01 * scene.strands


def _hair_shade(scene: _Scene) -> Array:
    """Light on the hair, as on the egg and the box of its outline, and its strands."""
    half_width, half_height = _hair_half_axes(scene.face)
    x = scene.x / (1.1 * half_width)
    y = (np.minimum(scene.y, 0) + 0.1 * scene.y) / half_height
    light_x, light_y, light_z = scene.light
    z = np.sqrt(np.maximum(1 - x * x - y * y, 0))
    lit = canvas.clamp(light_x * x + light_y * y + light_z * z + 0.12, 0, 1.2)
    strands = 1 + 0.22 * scene.strands + 0.06 * scene.blotches
    return (0.75 * scene.face.ambient + 0.6 * lit) * strands


def _hair_behind_the_head(picture: Array, scene: _Scene) -> None:
    if scene.face.bald:
        return
    shade = 0.55 * scene.face.ambient * (1 + 0.2 * scene.strands)
    paint(picture, scene.hair * shade, scene.covers(scene.hair_outline, 1.6))


def _hair_on_the_shoulders(picture: Array, scene: _Scene) -> None:
    if scene.face.bald:
        return
    gap = 0.36 + 0.04 * scene.strands - np.abs(scene.hair_x)
    mask = scene.covers(np.maximum(scene.hair_outline, gap), 1.6)
    paint(picture, scene.hair * scene.hair_shade, mask)


def _hairline(scene: _Scene) -> Array:
    """v at which the hair ends above the forehead, at each u."""
    face, u = scene.face, scene.surface.u
    parting = 0.1 * canvas.ridge((u - face.hair_part) / 0.4) * (1 - face.bangs)
    free = -0.6 + 0.28 * u * u - parting + 0.02 * scene.strands
    fringe = -0.34 + 0.06 * u * u + 0.05 * scene.strands
    return free + (fringe - free) * face.bangs


def _hair_on_the_head(picture: Array, scene: _Scene) -> None:
    face, surface = scene.face, scene.surface
    if face.bald:
        return
    above_hairline = (surface.v - _hairline(scene)) * face.head_height
    # At the sides the hair comes forward, further the longer it is.
    reach = 0.9 - 0.12 * min(1.0, face.hair_length * 1.5) + 0.03 * scene.strands
    beside = (reach - np.abs(surface.u)) * face.head_width
    distance = np.maximum(scene.hair_outline, np.minimum(above_hairline, beside))
    on_head = coverage(surface.radius_square - 1, 0.1)
    shadow = canvas.ridge((distance - 0.02) / 0.045) * on_head
    canvas.darken(picture, shadow, 0.22)
    shine = canvas.ridge((surface.v + 0.74 + 0.06 * scene.blotches + 0.03 * scene.strands) / 0.1)
    gloss = (0.16 + 0.1 * float(scene.hair.mean())) * shine * scene.hair_shade
    paint(picture, scene.hair * scene.hair_shade + gloss, scene.covers(distance, 1.5))


# === The face ===


def _head(picture: Array, scene: _Scene) -> None:
    """The head and what lies on its skin: colours first, then the light that falls on them."""
    box = canvas.box_around(scene.surface.radius_square < 1.1)
    surface, grain = scene.surface[box], scene.grain[box]
    skin = scene.skin * (1 + 0.03 * grain)
    _cheeks(skin, scene.face, surface)
    _beard(skin, scene, surface, grain)
    _nose(skin, scene.face, surface)
    _mouth(skin, scene, surface)
    _mustache(skin, scene, surface)
    _eyes(skin, scene, surface)
    _brows(skin, scene, surface)
    shade, gloss = _light_on_the_face(scene, surface)
    skin *= shade
    skin += gloss
    _eye_glints(skin, scene, surface)
    edge = (np.sqrt(surface.radius_square) - 1) * scene.face.head_width
    paint(picture[:, *box], skin, scene.covers(edge))


def _light_on_the_face(scene: _Scene, surface: _Surface) -> tuple[Array, Array]:
    """Gives what the skin's colour is multiplied by, and the gloss that is added to it."""
    face = scene.face
    tilt_x, tilt_y = _relief(face, surface)
    normal_x, normal_y = 0.8 * (surface.x + tilt_x), 0.8 * (surface.y + tilt_y)
    normal_z = 0.9 * surface.z + 0.25
    length = np.sqrt(normal_x * normal_x + normal_y * normal_y + normal_z * normal_z)
    light_x, light_y, light_z = scene.light
    lit = np.maximum((normal_x * light_x + normal_y * light_y + normal_z * light_z) / length, 0)
    # Gloss lies halfway between the light and the viewer, and falls off with the 16th power.
    half_x, half_y, half_z = _unit(light_x, light_y, light_z + 1)
    gloss = (normal_x * half_x + normal_y * half_y + normal_z * half_z) / length
    gloss = np.maximum(gloss, 0)
    for _ in range(4):
        gloss = gloss * gloss
    shade = face.ambient + (1.04 - face.ambient) * lit
    shade *= 1 - 0.14 * canvas.clamp(surface.radius_square - 0.55, 0, 1)
    return shade, 0.1 * gloss


def _relief(face: Appearance, surface: _Surface) -> tuple[Array, Array]:
    """How far nose, eye sockets, cheeks and chin tilt the surface to the right and down."""
    u, v, side = surface.u, surface.v, np.sign(surface.u)
    tip_width = 0.15 + 0.02 * face.nose_size
    hills = (
        # (u, v, half-width, half-height, height)
        (0.0, 0.4 * face.nose_length, 0.12, 0.28, 0.5),
        (0.0, face.nose_length - 0.01, tip_width, 0.13, 0.5 + 0.1 * face.nose_size),
        (0.0, 0.86, 0.22, 0.13, 0.22),
        (face.eye_distance, _EYE_HEIGHT - 0.02, 0.24, 0.15, -0.3),
        (0.46, 0.3, 0.24, 0.22, 0.16 + 0.12 * max(0.0, face.smile)),
    )
    tilt_x, tilt_y = np.zeros_like(u), np.zeros_like(u)
    for hill_u, hill_v, width, height, rise in hills:
        from_u = (np.abs(u) - hill_u if hill_u else u) / width
        from_v = (v - hill_v) / height
        hill = rise * canvas.bump(from_u * from_u + from_v * from_v)
        tilt_x += hill * from_u * (side if hill_u else 1)
        tilt_y += 0.6 * hill * from_v
    return tilt_x, tilt_y


def _cheeks(skin: Array, face: Appearance, surface: _Surface) -> None:
    u, v = (np.abs(surface.u) - 0.5) / 0.24, (surface.v - 0.27) / 0.19
    blush = canvas.bump(u * u + v * v) * surface.w
    canvas.darken(skin, blush * (0.1 + 0.28 * face.rosiness), (-0.3, 0.8, 0.65))


def _nose(skin: Array, face: Appearance, surface: _Surface) -> None:
    box = canvas.box_around(
        (np.abs(surface.u) < 0.5) & (np.abs(surface.v - face.nose_length) < 0.25)
    )
    skin, u, v = skin[:, *box], np.abs(surface.u[box]), surface.v[box]
    half_width = 0.13 + 0.03 * face.nose_size
    below = v - face.nose_length
    under = canvas.bump((u / (1.15 * half_width)) ** 2 + ((below - 0.075) / 0.05) ** 2)
    canvas.darken(skin, under, (0.28, 0.36, 0.38))
    wings = canvas.bump(((u - 1.12 * half_width) / 0.035) ** 2 + ((below - 0.02) / 0.06) ** 2)
    canvas.darken(skin, wings, (0.2, 0.28, 0.3))
    nostrils = canvas.bump(((u - 0.52 * half_width) / 0.042) ** 2 + ((below - 0.062) / 0.028) ** 2)
    canvas.darken(skin, nostrils, 0.62)


# === Mouth and beard ===


def _mouth_width(face: Appearance) -> float:
    return face.mouth_width * (1 + 0.3 * max(0.0, face.smile))


def _mouth_curve(face: Appearance) -> float:
    """How far the corners of the mouth lie above its middle height."""
    return 0.11 * face.smile


def _mouth(skin: Array, scene: _Scene, surface: _Surface) -> None:
    face = scene.face
    box = canvas.box_around((np.abs(surface.u) < 0.75) & (np.abs(surface.v - 0.55) < 0.36))
    skin, surface = skin[:, *box], surface[box]
    front = surface.front
    across = surface.u / _mouth_width(face)
    # From the line between the lips, which a smile bends, downwards.
    down = surface.v - _MOUTH_HEIGHT - _mouth_curve(face) * (0.6 - 1.6 * across * across)
    _smile_folds(skin, face, surface)
    inside = np.maximum(1 - across * across, 0)
    rounded = np.sqrt(inside)
    notch = 1 - 0.25 * canvas.ridge(across / 0.2)
    fullness = 0.062 + 0.014 * face.lip_size + (0 if face.male else 0.008)
    gap = 0.095 * face.mouth_open * inside
    upper, lower = -gap * 0.55, gap * 0.8
    soft = 1.4 * scene.pixel / face.head_height
    lips = np.maximum(
        upper - fullness * rounded * notch - down, down - lower - 1.45 * fullness * rounded
    )
    lip_colour = scene.skin * canvas.colour((0.84, 0.58, 0.56))
    lip_colour = lip_colour + face.lipstick * (_LIPSTICK - lip_colour)
    lit = 1 + 0.1 * canvas.clamp(down / 0.05, -1, 1)
    paint(skin, lip_colour * lit, coverage(lips, soft) * front * (np.abs(across) < 1))
    if face.mouth_open:
        opening = coverage(np.maximum(upper - down, down - lower), soft) * (inside > 0.02) * front
        # It replaces the line between the lips, little by little.
        opening *= min(1.0, 2.5 * face.mouth_open)
        paint(skin, _MOUTH_INSIDE, opening)
        teeth = coverage(down - upper - 0.1 * inside * max(0.35, face.smile), soft)
        paint(skin, _TEETH, opening * teeth)
    between_lips = canvas.ridge(down / 0.02) * coverage(np.abs(across) - 1.03, 0.1) * front
    canvas.darken(skin, between_lips, 0.6 * (1 - min(1.0, 2.5 * face.mouth_open)))
    below_lips = canvas.bump((surface.u / 0.2) ** 2 + ((down - 0.155) / 0.04) ** 2)
    canvas.darken(skin, below_lips, (0.13, 0.17, 0.18))


def _smile_folds(skin: Array, face: Appearance, surface: _Surface) -> None:
    """The folds from the nose to beside the mouth."""
    smile = max(0.0, face.smile)
    u, v = np.abs(surface.u), surface.v
    fold = canvas.ridge((u - 0.27 - 0.75 * (v - face.nose_length)) / 0.04)
    extent = canvas.ridge((v - 0.46) / 0.1)
    corner = ((u - 1.12 * _mouth_width(face)) / 0.05) ** 2
    corner = canvas.bump(corner + ((v - _MOUTH_HEIGHT + _mouth_curve(face)) / 0.07) ** 2)
    canvas.darken(
        skin, (fold * extent + corner) * surface.front, (0.2 * smile, 0.26 * smile, 0.28 * smile)
    )


def _beard_colour(scene: _Scene) -> Array:
    return scene.hair * 0.7 + scene.skin * 0.06


def _beard(skin: Array, scene: _Scene, surface: _Surface, grain: Array) -> None:
    face = scene.face
    if not (face.beard or face.goatee):
        return
    u, v = np.abs(surface.u), surface.v
    chin = canvas.clamp((v - 0.60) / 0.14, 0, 1)
    jaw = canvas.clamp((u - 0.66 + 0.2 * v) / 0.2, 0, 1) * canvas.clamp(v / 0.3, 0, 1)
    full = face.beard * np.maximum(chin, jaw)
    goatee = face.goatee * canvas.clamp((0.36 - u) / 0.1, 0, 1) * chin
    bare = canvas.bump((u / 0.27) ** 2 + ((v - _MOUTH_HEIGHT) / 0.085) ** 2)
    mask = np.maximum(full, goatee) * (1 - bare) * (0.92 + 0.08 * grain)
    paint(skin, _beard_colour(scene), mask)


def _mustache(skin: Array, scene: _Scene, surface: _Surface) -> None:
    face = scene.face
    if not face.mustache:
        return
    u, v = surface.u, surface.v
    middle = 0.5 * (face.nose_length + 0.07 + _MOUTH_HEIGHT) - 0.01
    droop = 0.5 * u * u * (1 - 1.5 * max(0.0, face.smile))
    shape = coverage(np.abs(v - middle - droop) - 0.05, 0.06)
    ends = canvas.clamp((0.36 - np.abs(u)) / 0.1, 0, 1)
    paint(skin, _beard_colour(scene), face.mustache * shape * ends * surface.front)


# === Eyes ===


@dataclasses.dataclass(frozen=True)
class _EyePlaces:
    """Both eyes at once, since they mirror each other: places in half-widths of an eye.

    Attributes:
        box: the pixels around both eyes.
        across: from the middle of the eye, outwards from the nose.
        down: the same downwards.
        side: −1 for the eye at the left of the picture, 1 at the right.
        front: as of the surface.
        lid: distance above (> 0) the edge of the upper lid, in half-widths of the eye.
        opening: signed distance to the opening between the lids.
    """

    box: Box
    across: Array
    down: Array
    side: Array
    front: Array
    lid: Array
    opening: Array


def _eye_places(face: Appearance, surface: _Surface) -> _EyePlaces:
    box = canvas.box_around((np.abs(surface.v - _EYE_HEIGHT) < 0.3) & (np.abs(surface.u) < 0.9))
    surface = surface[box]
    across = (np.abs(surface.u) - face.eye_distance) / face.eye_size
    # v is measured in half-heights of the head; an iris is round.
    down = (surface.v - _EYE_HEIGHT) * (face.head_height / face.head_width / face.eye_size)
    down = down + 0.07 * across
    inside = np.maximum(1 - across * across, 0)
    lid = -down - face.eye_openness * np.sqrt(inside * np.sqrt(inside)) * 1.05
    lower_lid = down - face.eye_openness * 0.72 * inside
    opening = np.maximum(np.maximum(lid, lower_lid), np.abs(across) - 1)
    return _EyePlaces(box, across, down, np.sign(surface.u), surface.front, lid, opening)


def _eyes(skin: Array, scene: _Scene, surface: _Surface) -> None:
    face = scene.face
    eye = _eye_places(face, surface)
    skin = skin[:, *eye.box]
    soft = 1.3 * scene.pixel / (face.head_width * face.eye_size)
    beside = coverage(np.abs(eye.across) - 1.15, 0.5) * eye.front
    canvas.darken(skin, canvas.ridge(eye.opening / 0.42) * beside, (0.2, 0.26, 0.26))
    canvas.darken(skin, canvas.ridge((eye.lid - 0.3) / 0.1) * beside, (0.22, 0.27, 0.28))
    from_pupil = eye.across - _gaze(face) * eye.side
    from_pupil = np.sqrt(from_pupil * from_pupil + eye.down * eye.down)
    ball = np.broadcast_to(_EYE_WHITE, skin.shape).copy()
    paint(ball, 0.55 * canvas.colour(face.iris_colour), coverage(from_pupil - 0.56, soft))
    paint(ball, canvas.colour(face.iris_colour), coverage(from_pupil - 0.46, soft))
    paint(ball, canvas.colour((0.03, 0.03, 0.03)), coverage(from_pupil - 0.25, soft))
    # The lid throws a shadow on the ball.
    canvas.darken(ball, canvas.ridge(eye.lid / 0.22), 0.35)
    paint(skin, ball, coverage(eye.opening, soft) * eye.front)
    lashes = canvas.ridge(eye.lid / (0.11 if face.male else 0.16))
    lashes *= coverage(np.abs(eye.across) - (1.02 if face.male else 1.15), 0.1) * eye.front
    canvas.darken(skin, lashes, 0.7 if face.male else 0.9)


def _gaze(face: Appearance) -> float:
    """How far to the right the pupils are, in half-widths of an eye: halfway back to the viewer."""
    return -0.5 * math.sin(face.yaw)


def _eye_glints(skin: Array, scene: _Scene, surface: _Surface) -> None:
    eye = _eye_places(scene.face, surface)
    across = eye.across - (_gaze(scene.face) + 0.4 * scene.light[0]) * eye.side
    glint = canvas.bump((across * across + (eye.down + 0.2) ** 2) / 0.02)
    glint *= coverage(eye.opening, 0.1) * eye.front
    paint(skin[:, *eye.box], canvas.colour((1.0, 1.0, 1.0)), 0.8 * glint)


def _brows(skin: Array, scene: _Scene, surface: _Surface) -> None:
    face = scene.face
    box = canvas.box_around((np.abs(surface.v + 0.3) < 0.25) & (np.abs(surface.u) < 0.95))
    skin, surface = skin[:, *box], surface[box]
    across = (np.abs(surface.u) - face.eye_distance - 0.01) / 0.27
    arch = 0.035 + 0.03 * face.brow_arch
    middle = _EYE_HEIGHT - 0.225 - arch * (0.75 - (across - 0.2) ** 2)
    thickness = (0.036 if face.male else 0.024) + 0.011 * face.brow_size
    thickness = thickness * (1 - 0.55 * canvas.clamp(across, 0, 1))
    soft = 1.5 * scene.pixel / face.head_height
    mask = coverage(np.abs(surface.v - middle) - thickness, soft)
    mask *= coverage(np.abs(across) - 1, 0.15) * surface.front
    paint(skin, np.minimum(scene.hair, scene.skin) * 0.7, 0.85 * mask)


# === Before the face ===


def _glasses(picture: Array, scene: _Scene) -> None:
    face = scene.face
    if not face.glasses:
        return
    box = canvas.box_around(
        (np.abs(scene.surface.v - _EYE_HEIGHT) < 0.45) & (scene.surface.radius_square < 1.15)
    )
    picture, surface = picture[:, *box], scene.surface[box]
    front = surface.front
    # In half-widths of the head; the left lens mirrors the right one.
    across = np.abs(surface.u) - face.eye_distance - 0.005
    down = (surface.v - _EYE_HEIGHT - 0.015) * (face.head_height / face.head_width)
    half_width, half_height = 0.31, 0.25
    radius = 0.08 + face.glasses_roundness * (half_height - 0.08)
    lens = canvas.rounded_box(across, down, half_width, half_height, radius)
    soft = 1.3 * scene.pixel / face.head_width
    inside = coverage(lens, soft) * front
    paint(picture, _DARK_LENS, inside * (0.9 if face.sunglasses else 0.06))
    reflection = canvas.ridge((across - 0.8 * down + 0.05) / 0.1) * inside
    picture += 0.07 * reflection
    thickness = face.glasses_thickness
    rim = np.abs(lens) - thickness
    bar = np.abs(down + 0.07) - thickness * 0.8
    bridge = np.maximum(bar, across + half_width)
    temple = np.maximum(bar, half_width - across)
    on_head = coverage(surface.radius_square - 1, 0.1)
    frame = np.maximum(
        coverage(np.minimum(rim, bridge), soft) * front, coverage(temple, soft) * on_head * front
    )
    lit = canvas.clamp(0.7 + 0.4 * scene.light[0] * surface.x, 0.5, 1.1)
    paint(picture, canvas.colour(face.glasses_colour) * lit, frame)
