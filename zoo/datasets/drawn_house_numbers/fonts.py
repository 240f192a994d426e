"""The typefaces of the digits, all of them from the files of matplotlib and Pillow."""

from __future__ import annotations

import dataclasses
import functools
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo.datasets.drawing import random_streams

DIGIT_HEIGHT = 64
"""Height of a digit zero on the canvas, in pixels."""

PILLOW_DEFAULT = "the default font of Pillow"


@dataclasses.dataclass(frozen=True)
class Face:
    """One cut of a typeface.

    Attributes:
        file: a TrueType file of matplotlib, or `PILLOW_DEFAULT`.
        strokes: by how many canvas pixels its strokes may be thickened on either side. House
            numbers are seldom as thin as the type of a book.
        zero: the character that is drawn for a zero.
    """

    file: str
    strokes: tuple[int, ...]
    zero: str = "0"


_LIGHT, _REGULAR, _BOLD = (2, 3, 4), (0, 1, 2, 3), (0, 1)


def _mono(file: str, strokes: tuple[int, ...]) -> Face:
    # Its zero has a dot inside, as no house number has; its letter O has the form of one.
    return Face(file, strokes, zero="O")


TRAIN_FAMILIES = {
    "DejaVu Sans": (
        Face("DejaVuSans.ttf", _REGULAR),
        Face("DejaVuSans-Bold.ttf", _BOLD),
        Face("DejaVuSans-Oblique.ttf", _REGULAR),
        Face("DejaVuSans-BoldOblique.ttf", _BOLD),
    ),
    "DejaVu Sans Mono": (
        _mono("DejaVuSansMono.ttf", _REGULAR),
        _mono("DejaVuSansMono-Bold.ttf", _BOLD),
    ),
    "DejaVu Serif": (
        Face("DejaVuSerif.ttf", _REGULAR),
        Face("DejaVuSerif-Bold.ttf", _BOLD),
        Face("DejaVuSerif-Italic.ttf", _REGULAR),
        Face("DejaVuSerif-BoldItalic.ttf", _BOLD),
    ),
    "STIX General": (
        Face("STIXGeneral.ttf", _LIGHT),
        Face("STIXGeneralBol.ttf", _BOLD),
        Face("STIXGeneralItalic.ttf", _LIGHT),
        Face("STIXGeneralBolIta.ttf", _BOLD),
    ),
}
TEST_FAMILIES = {
    "Aileron": (Face(PILLOW_DEFAULT, _REGULAR),),
    "Computer Modern Roman": (
        Face("cmr10.ttf", _LIGHT),
        Face("cmb10.ttf", _BOLD),
        Face("cmti10.ttf", _LIGHT),
    ),
    "Computer Modern Sans": (Face("cmss10.ttf", _REGULAR),),
    "Computer Modern Typewriter": (Face("cmtt10.ttf", _REGULAR),),
}


@dataclasses.dataclass(frozen=True)
class Style:
    """A face, and how much its strokes are thickened, in canvas pixels on either side."""

    face: Face
    stroke: int


@dataclasses.dataclass(frozen=True)
class Glyph:
    """A drawn digit.

    Attributes:
        ink: a grey image, cut to the outline of the digit; 255 is all ink.
        top: the row of the canvas at which it begins if its baseline is row 0, hence below 0.
    """

    ink: Image.Image
    top: int

    @property
    def middle(self) -> int:
        return self.top + self.ink.height // 2


def choose_style(
    random: np.random.RandomState, families: dict[str, tuple[Face, ...]]
) -> tuple[str, Style]:
    """Chooses a family, then one of its faces, then a stroke, and gives the family's name too.

    Each family is as likely, however many faces it has.
    """
    family = random_streams.pick(random, tuple(families))
    face = random_streams.pick(random, families[family])
    return family, Style(face, random_streams.pick(random, face.strokes))


@functools.cache
def glyph(style: Style, digit: int) -> Glyph:
    """Draws a digit so high that a zero of its face would be `DIGIT_HEIGHT` pixels."""
    character = style.face.zero if digit == 0 else str(digit)
    sheet = Image.new("L", (4 * DIGIT_HEIGHT, 4 * DIGIT_HEIGHT))
    baseline = 3 * DIGIT_HEIGHT
    ImageDraw.Draw(sheet).text(
        (DIGIT_HEIGHT, baseline),
        character,
        fill=255,
        font=_font(style.face),
        anchor="ls",
        stroke_width=style.stroke,
    )
    box = sheet.getbbox()
    return Glyph(sheet.crop(box), top=box[1] - baseline)


@functools.cache
def _font(face: Face) -> ImageFont.FreeTypeFont:
    trial_size = 200
    _, top, _, bottom = _font_of_size(face, trial_size).getbbox(face.zero, anchor="ls")
    return _font_of_size(face, trial_size * DIGIT_HEIGHT / (bottom - top))


def _font_of_size(face: Face, size: float) -> ImageFont.FreeTypeFont:
    if face.file == PILLOW_DEFAULT:
        return ImageFont.load_default(size)
    import matplotlib

    path = os.path.join(matplotlib.get_data_path(), "fonts", "ttf", face.file)
    # The basic layout is in every build of Pillow; another might place digits otherwise.
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
