"""What one drawn face looks like, and which of CelebA's attributes that makes true."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

Colour = tuple[float, float, float]
Item = TypeVar("Item")

HAIR_COLOURS = {
    "black": (0.10, 0.09, 0.10),
    "brown": (0.36, 0.23, 0.14),
    "blond": (0.87, 0.71, 0.42),
    "gray": (0.67, 0.66, 0.65),
    "red": (0.62, 0.26, 0.12),
}
_HAIR_COLOUR_SHARES = (0.32, 0.32, 0.18, 0.10, 0.08)

# How much hair (beard, goatee, mustache) hides the skin: 0 is none of it, 1 all.
_BEARDS = {
    "none": (0.0, 0.0, 0.0),
    "stubble": (0.42, 0.0, 0.42),
    "full": (0.9, 0.0, 0.9),
    "goatee": (0.0, 0.9, 0.9),
    "mustache": (0.0, 0.0, 0.95),
}
_BEARD_SHARES = (0.60, 0.12, 0.12, 0.08, 0.08)

_IRIS_COLOURS = (
    (0.27, 0.18, 0.11),
    (0.38, 0.26, 0.16),
    (0.31, 0.43, 0.27),
    (0.27, 0.43, 0.62),
    (0.43, 0.51, 0.55),
)
_IRIS_SHARES = (0.35, 0.25, 0.14, 0.16, 0.10)

_GLASSES_COLOURS = ((0.06, 0.06, 0.07), (0.38, 0.20, 0.10), (0.72, 0.70, 0.66))
_GLASSES_SHARES = (0.5, 0.3, 0.2)

# Where attributes that have a size begin. The drawing stays clear of them: no face is in doubt.
_SMILE_THRESHOLD = 0.3
_SIZE_THRESHOLD = 1.0
_NARROW_EYES_THRESHOLD = 0.36
_STUBBLE_THRESHOLD = 0.5


@dataclasses.dataclass(frozen=True)
class Appearance:
    """One face. The picture is a continuous function of every number in here.

    Lengths are in half-widths of the picture, those on the face in half-widths or half-heights of
    the head. Angles are in radians, colours are (red, green, blue) in [0, 1]. x goes right, y down.

    Attributes:
        male: the face is a man's; it shifts the shape of head, brows, eyes and lips.
        center: (x, y) of the middle of the head.
        scale: of everything but the background.
        yaw, pitch, roll: how the head is turned; yaw > 0 looks to the right of the picture, pitch
            > 0 up, roll > 0 leans clockwise.
        head_width, head_height: half-axes of the head.
        jaw_taper: how much narrower than its middle the head is at the chin, as a share.
        skin_tone: 0 is the palest, 6 the darkest.
        rosiness: of the cheeks, in [0, 1].
        hair_colour: a name in `HAIR_COLOURS`.
        hair_length: 0 is cropped, 1 falls below the shoulders; ears show below 0.3.
        hair_volume: how far the hair stands off the skull.
        hair_wave: 0 is straight, 1 wavy.
        hair_part: where on the forehead the hair is parted.
        bangs: how much hair falls over the forehead, in [0, 1].
        bald: no hair on the skull.
        beard, goatee, mustache: how much hair hides the skin there, in [0, 1].
        eye_distance: of each eye from the middle of the face.
        eye_size: half the width of an eye.
        eye_openness: height over width of an eye.
        iris_colour: colour.
        brow_size: thickness of the brows; 1 and above is bushy.
        brow_arch: height of the brows' arch; 1 and above is arched.
        nose_size: 1 and above is big.
        nose_length: from between the eyes to its tip.
        mouth_width: half the width of the mouth at rest.
        lip_size: fullness; 1 and above is big.
        lipstick: in [0, 1].
        smile: −0.1 is glum, 0 neutral, 1 a broad smile.
        mouth_open: 0 is shut, 1 wide open.
        glasses, sunglasses: whether they are worn; sunglasses only matter with glasses.
        glasses_colour: of the frame.
        glasses_roundness: 0 is square, 1 round.
        glasses_thickness: of the rim.
        light_azimuth, light_elevation: where the light comes from.
        ambient: share of the light that comes from everywhere.
        background: the colours of its top and bottom.
        clothes: colour.
        texture_seed: of the grain in hair and background.
    """

    male: bool
    center: tuple[float, float]
    scale: float
    yaw: float
    pitch: float
    roll: float
    head_width: float
    head_height: float
    jaw_taper: float
    skin_tone: float
    rosiness: float
    hair_colour: str
    hair_length: float
    hair_volume: float
    hair_wave: float
    hair_part: float
    bangs: float
    bald: bool
    beard: float
    goatee: float
    mustache: float
    eye_distance: float
    eye_size: float
    eye_openness: float
    iris_colour: Colour
    brow_size: float
    brow_arch: float
    nose_size: float
    nose_length: float
    mouth_width: float
    lip_size: float
    lipstick: float
    smile: float
    mouth_open: float
    glasses: bool
    sunglasses: bool
    glasses_colour: Colour
    glasses_roundness: float
    glasses_thickness: float
    light_azimuth: float
    light_elevation: float
    ambient: float
    background: tuple[Colour, Colour]
    clothes: Colour
    texture_seed: int


# === Attributes ===


# Each attribute, in CelebA's order, and when a face has it.
_ATTRIBUTES = {
    "5_o_Clock_Shadow": lambda face: 0 < face.beard < _STUBBLE_THRESHOLD,
    "Arched_Eyebrows": lambda face: face.brow_arch >= _SIZE_THRESHOLD,
    "Bald": lambda face: face.bald,
    "Bangs": lambda face: face.bangs >= 0.5 and not face.bald,
    "Big_Lips": lambda face: face.lip_size >= _SIZE_THRESHOLD,
    "Big_Nose": lambda face: face.nose_size >= _SIZE_THRESHOLD,
    "Black_Hair": lambda face: face.hair_colour == "black" and not face.bald,
    "Blond_Hair": lambda face: face.hair_colour == "blond" and not face.bald,
    "Brown_Hair": lambda face: face.hair_colour == "brown" and not face.bald,
    "Bushy_Eyebrows": lambda face: face.brow_size >= _SIZE_THRESHOLD,
    "Eyeglasses": lambda face: face.glasses,
    "Goatee": lambda face: face.goatee > 0,
    "Gray_Hair": lambda face: face.hair_colour == "gray" and not face.bald,
    "Male": lambda face: face.male,
    "Mouth_Slightly_Open": lambda face: face.mouth_open > 0,
    "Mustache": lambda face: face.mustache >= _STUBBLE_THRESHOLD,
    "Narrow_Eyes": lambda face: face.eye_openness < _NARROW_EYES_THRESHOLD,
    "No_Beard": lambda face: not (face.beard or face.goatee or face.mustache),
    "Pale_Skin": lambda face: face.skin_tone < 0.5,
    "Rosy_Cheeks": lambda face: face.rosiness >= 0.5,
    "Smiling": lambda face: face.smile >= _SMILE_THRESHOLD,
    "Straight_Hair": lambda face: face.hair_wave < 0.5 and not face.bald,
    "Wavy_Hair": lambda face: face.hair_wave >= 0.5 and not face.bald,
    "Wearing_Lipstick": lambda face: face.lipstick >= 0.5,
}
ATTRIBUTE_NAMES = tuple(_ATTRIBUTES)


def attributes(face: Appearance) -> dict[str, bool]:
    """Gives each of `ATTRIBUTE_NAMES`, by the names and meanings of CelebA's, for one face."""
    return {name: holds(face) for name, holds in _ATTRIBUTES.items()}


# === Drawing of lots ===


def sample_appearance(split: str, index: int) -> Appearance:
    """Gives face number `index` of a split, always the same one.

    Args:
        split: any name; each has faces of its own.
        index: 0 or more, below 2³².
    """
    return _sample(_Lots(split, index))


def sample_quad(split: str, index: int) -> Appearance:
    """Gives picture number `index` of a split in which every four show one face.

    The number within the four, `index % 4`, counts in binary: 1 for a smile, 2 for eyeglasses. All
    else is as in `sample_appearance(split, index // 4)`.
    """
    return _sample(_Lots(split, index // 4), smiling=bool(index & 1), eyeglasses=bool(index & 2))


class _Lots:
    """The random numbers of one face."""

    def __init__(self, split: str, index: int):
        # RandomState, because NumPy promises that its stream never changes; default_rng's may.
        self._random = np.random.RandomState([zlib.crc32(split.encode()), index])

    def between(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    def around(self, mean: float, deviation: float) -> float:
        """Normal, cut at 2.5 deviations, so that no head is so odd that it leaves the picture."""
        return mean + deviation * max(-2.5, min(2.5, self._random.standard_normal()))

    def chance(self, share: float) -> bool:
        return self._random.uniform() < share

    def one_of(self, items: Sequence[Item], shares: Sequence[float]) -> Item:
        return items[int(np.searchsorted(np.cumsum(shares[:-1]), self._random.uniform(), "right"))]

    def size(self, share_big: float) -> float:
        """Above 1 for that share of faces, and clearly below for the others."""
        is_big, big, usual = self.chance(share_big), self.between(1.1, 1.8), self.between(-1.0, 0.6)
        return big if is_big else usual

    def tinted_grey(self, low: float, high: float, tint: float) -> Colour:
        """A grey level in that range, each of its three channels off by up to that share."""
        grey = self.between(low, high)
        return tuple(min(1.0, grey * self.between(1 - tint, 1 + tint)) for _ in range(3))

    def seed(self) -> int:
        return int(self._random.randint(2**31 - 1))


def _sample(lots: _Lots, smiling: bool | None = None, eyeglasses: bool | None = None) -> Appearance:
    """Draws a face. All draw the same lots, used or not, so that a toggle changes nothing else."""
    male = lots.chance(0.42)
    return Appearance(
        male=male,
        **_sample_pose(lots),
        **_sample_head(lots, male),
        **_sample_hair(lots, male),
        **_sample_beard(lots, male),
        **_sample_eyes(lots, male),
        **_sample_nose_and_mouth(lots, male, smiling),
        **_sample_glasses(lots, eyeglasses),
        **_sample_surroundings(lots),
    )


def _sample_pose(lots: _Lots) -> dict[str, Any]:
    return {
        "center": (lots.around(0.0, 0.03), lots.around(0.06, 0.02)),
        "scale": lots.around(1.0, 0.035),
        "yaw": lots.around(0.0, 0.2),
        "pitch": lots.around(0.0, 0.07),
        "roll": lots.around(0.0, 0.06),
    }


def _sample_head(lots: _Lots, male: bool) -> dict[str, Any]:
    is_pale, pale, other = lots.chance(0.08), lots.between(0.0, 0.3), lots.between(0.0, 1.0)
    is_rosy, rosy = lots.chance(0.08 if male else 0.3), lots.between(0.7, 1.0)
    return {
        "head_width": lots.around(0.535 if male else 0.51, 0.018),
        "head_height": lots.around(0.68, 0.022),
        "jaw_taper": lots.around(0.17 if male else 0.26, 0.035),
        # The power makes light tones more frequent than dark ones.
        "skin_tone": pale if is_pale else 0.8 + 5.2 * other**1.5,
        "rosiness": rosy if is_rosy else 0.0,
    }


def _sample_hair(lots: _Lots, male: bool) -> dict[str, Any]:
    is_bald = lots.chance(0.09)
    is_wavy = lots.chance(0.35)
    has_bangs, bangs = lots.chance(0.15 if male else 0.35), lots.between(0.8, 1.0)
    length = lots.around(0.06, 0.05) if male else lots.around(0.62, 0.17)
    return {
        "hair_colour": lots.one_of(tuple(HAIR_COLOURS), _HAIR_COLOUR_SHARES),
        "hair_length": max(0.0, length),
        "hair_volume": lots.between(0.03, 0.09) if male else lots.between(0.05, 0.12),
        "hair_wave": 1.0 if is_wavy else 0.0,
        "hair_part": lots.around(0.0, 0.3),
        "bangs": bangs if has_bangs else 0.0,
        "bald": male and is_bald,
    }


def _sample_beard(lots: _Lots, male: bool) -> dict[str, Any]:
    style = lots.one_of(tuple(_BEARDS), _BEARD_SHARES)
    beard, goatee, mustache = _BEARDS[style if male else "none"]
    return {"beard": beard, "goatee": goatee, "mustache": mustache}


def _sample_eyes(lots: _Lots, male: bool) -> dict[str, Any]:
    is_narrow, narrow, usual = lots.chance(0.12), lots.between(0.26, 0.32), lots.between(0.48, 0.64)
    return {
        "eye_distance": lots.around(0.40, 0.015),
        "eye_size": lots.around(0.2 if male else 0.215, 0.01),
        "eye_openness": narrow if is_narrow else usual,
        "iris_colour": lots.one_of(_IRIS_COLOURS, _IRIS_SHARES),
        "brow_size": lots.size(0.3 if male else 0.08),
        "brow_arch": lots.size(0.1 if male else 0.4),
    }


def _sample_nose_and_mouth(lots: _Lots, male: bool, smiling: bool | None) -> dict[str, Any]:
    is_smiling, smile, rest = lots.chance(0.5), lots.between(0.55, 1.0), lots.between(-0.1, 0.2)
    is_open, opened = lots.chance(0.4), lots.between(0.45, 1.0)
    has_lipstick, lipstick = lots.chance(0.6), lots.between(0.8, 1.0)
    return {
        "nose_size": lots.size(0.35 if male else 0.12),
        "nose_length": lots.around(0.36, 0.025),
        "mouth_width": lots.around(0.33, 0.02),
        "lip_size": lots.size(0.12 if male else 0.3),
        "lipstick": lipstick if has_lipstick and not male else 0.0,
        "smile": smile if (is_smiling if smiling is None else smiling) else rest,
        "mouth_open": opened if is_open else 0.0,
    }


def _sample_glasses(lots: _Lots, eyeglasses: bool | None) -> dict[str, Any]:
    wears_glasses = lots.chance(0.2)
    return {
        "glasses": wears_glasses if eyeglasses is None else eyeglasses,
        "sunglasses": lots.chance(0.15),
        "glasses_colour": lots.one_of(_GLASSES_COLOURS, _GLASSES_SHARES),
        "glasses_roundness": lots.between(0.0, 1.0),
        "glasses_thickness": lots.between(0.03, 0.05),
    }


def _sample_surroundings(lots: _Lots) -> dict[str, Any]:
    top = lots.tinted_grey(0.12, 0.95, 0.3)
    change = lots.around(0.0, 0.15)
    return {
        "light_azimuth": lots.between(-1.0, 1.0),
        "light_elevation": lots.between(0.15, 0.8),
        "ambient": lots.between(0.45, 0.65),
        "background": (top, tuple(max(0.0, min(1.0, level + change)) for level in top)),
        "clothes": lots.tinted_grey(0.1, 0.9, 0.5),
        "texture_seed": lots.seed(),
    }
