"""Light on the scene, and what a camera far off makes of it."""

import io

import numpy as np
from PIL import Image

from zoo.datasets.drawing import random_streams
from zoo.datasets.drawn_house_numbers.layout import FRAME_SIZE

_MIDDLES = (np.arange(FRAME_SIZE, dtype=np.float32) + 0.5) * 2 / FRAME_SIZE - 1
_X, _Y = np.meshgrid(_MIDDLES, _MIDDLES)
_SKY_VARIES_BY = np.array([0.03, 0.015, 0.04])
_FEWEST_PIXELS = 13
# Its square is 0.16 for each channel alone and 0.64 for what the channels share.
_NOISE_OF_CHANNELS = 0.4 * np.eye(3) + 0.347 * np.ones((3, 3))

# === Light ===


def light(random: np.random.RandomState, scene: np.ndarray) -> np.ndarray:
    """Lights a scene float32 (32, 32, 3) unevenly, by a sky that is not quite white."""
    brightness = _falling_light(random)
    if random_streams.chance(random, 0.15):
        brightness = brightness * _cast_shadow(random)
    sky = (1 + _SKY_VARIES_BY * random.standard_normal(3)).astype(np.float32)
    lit = scene * brightness[..., None] * sky
    if random_streams.chance(random, 0.1):
        lit = lit + _glare(random)[..., None]
    return lit


def _falling_light(random: np.random.RandomState) -> np.ndarray:
    slope_x, slope_y = random.normal(0, 0.10, size=2)
    return random.uniform(0.65, 1.1) * (1 + slope_x * _X + slope_y * _Y)


def _cast_shadow(random: np.random.RandomState) -> np.ndarray:
    """Darkens what lies beyond a line, as the shadow of an eave or a branch does."""
    direction = random.uniform(0, 2 * np.pi)
    distance = np.cos(direction) * _X + np.sin(direction) * _Y - random.uniform(-0.6, 0.6)
    softness = random.uniform(0.1, 0.5)
    return 1 - random.uniform(0.2, 0.45) * np.clip(distance / softness + 0.5, 0, 1)


def _glare(random: np.random.RandomState) -> np.ndarray:
    x, y = random.uniform(-0.9, 0.9, size=2)
    width = random.uniform(0.3, 0.8)
    return random.uniform(0.05, 0.25) * np.exp(-((_X - x) ** 2 + (_Y - y) ** 2) / width**2)


# === Camera ===


def photograph(random: np.random.RandomState, scene: np.ndarray) -> np.ndarray:
    """Takes a picture of a scene (32, 32, 3) in [0, 1] from far off, and enlarges it.

    Returns:
        uint8 (32, 32, 3).
    """
    if random_streams.chance(random, 0.15):
        scene = _move_camera(random, scene)
    if random_streams.chance(random, 0.3):
        scene = _veil(random, scene)
    picture = _noisy(random, _few_pixels(random, scene))
    if random_streams.chance(random, 0.6):
        picture = _as_jpeg(picture, quality=random.randint(45, 93))
    return np.asarray(picture.resize((FRAME_SIZE, FRAME_SIZE), Image.Resampling.BICUBIC))


def _move_camera(random: np.random.RandomState, scene: np.ndarray) -> np.ndarray:
    """Blurs along a row, as a camera does that moves while it takes the picture."""
    reach = random.uniform(0.3, 1)
    padded = np.pad(scene, ((0, 0), (1, 1), (0, 0)), mode="edge")
    return (reach * (padded[:, :-2] + padded[:, 2:]) + scene) / (1 + 2 * reach)


def _veil(random: np.random.RandomState, scene: np.ndarray) -> np.ndarray:
    """Lightens the dark parts, as haze and a dirty lens do."""
    return scene + random.uniform(0.03, 0.25) * (random.uniform(0.5, 0.8) - scene)


def _few_pixels(random: np.random.RandomState, scene: np.ndarray) -> Image.Image:
    """Takes the scene with as many pixels as a number far off would have."""
    picture = Image.fromarray(_to_bytes(scene))
    distance = random.uniform(np.log(1 / 40), np.log(1 / _FEWEST_PIXELS))
    size = min(FRAME_SIZE, round(np.exp(-distance)))
    return picture.resize((size, size), Image.Resampling.BILINEAR)


def _noisy(random: np.random.RandomState, picture: Image.Image) -> Image.Image:
    """Adds the noise of the sensor: mostly brightness, a little colour."""
    noise = random.standard_normal((*picture.size, 3)) @ _NOISE_OF_CHANNELS
    noisy = np.asarray(picture) + random.uniform(0.5, 6) * noise
    return Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))


def _as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file)


def _to_bytes(scene: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(scene, 0, 1) * 255).astype(np.uint8)
