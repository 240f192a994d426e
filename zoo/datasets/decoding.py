"""One image file of any kind in, pixels of one size and one kind out.

Pixels are uint8 sRGB or grey. The image is turned as its EXIF orientation says, its ICC profile is
applied, what is transparent is laid on white, 16 bits are scaled to 8 (65535 becomes 255, unless
another range is asked for: many devices fill 12 of them), and of an animation the first frame is
taken. Then it is cut in the middle to the shape asked for and resized, so that the shorter side
fits, by Pillow's antialiased bicubic filter.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import math
import numbers
import re
import warnings
from collections.abc import Iterator
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from zoo.common.checks import as_integer

ValueRange = tuple[float, float] | Literal["data"] | None
# Not all that Pillow knows: EPS, for one, is a program that another program would have to run.
_FORMATS = (
    *("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000", "TGA", "ICO"),
    "HEIF",  # if pillow-heif is installed
)
# One of these stands in the first box of a HEIC file, among others.
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
# Of the beginning of a file; the brands lie in it.
_BEGINNING = 64
# Of the wanted size; what is left to the antialiased filter then hides that libjpeg shrank first.
_JPEG_GAP = 2.0
_REDUCING_GAP = 3.0
FULL_RANGE = (0, 65535)
_WHITE = (255, 255, 255, 255)
_TURNED_ON_ITS_SIDE = (5, 6, 7, 8)


class UnusableImageError(ValueError):
    """An image that can't be used; the message is the reason, without the file's name."""


@dataclasses.dataclass(frozen=True)
class ImageForm:
    """What all images become.

    Attributes:
        height: in pixels.
        width: in pixels.
        channels: 3 for sRGB, 1 for grey.
        centre_crop: side of the square that is cut from the middle first, in pixels of the file;
            None for as much as the shape allows.
        value_range: which values of grey pixels of 16 bits or more become black and white; None
            for 0 and 65535.
    """

    height: int
    width: int
    channels: int
    centre_crop: int | None = None
    # Not in what is hashed of forms from before there was one.
    value_range: tuple[float, float] | None = dataclasses.field(default=None, repr=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    @property
    def num_bytes(self) -> int:
        """Of one image."""
        return math.prod(self.shape)


def image_form(
    image_size: int | tuple[int, int], channels: int, centre_crop: int | None = None
) -> ImageForm:
    """Makes a form of what the user asked for; a ValueError if it can't be."""
    sides = image_size if isinstance(image_size, tuple | list) else (image_size,) * 2
    try:
        height, width = (as_integer("image_size", side) for side in sides)
    except ValueError as error:
        raise ValueError(
            "image_size must be a positive integer or two of them, (height, width). "
            f"Received: image_size={image_size!r}."
        ) from error
    if channels not in (1, 3):
        raise ValueError(
            "channels must be 3 for colour or 1 for grey when images are resized. "
            f"Received: channels={channels!r}."
        )
    return ImageForm(height, width, int(channels), centre_crop)


class Levels(NamedTuple):
    """Which values the pixels of an image have that holds more than 8 bits.

    Attributes:
        lowest: of all its pixels.
        highest: likewise.
        is_coarse: whether it is one of colour, of which Pillow gives the upper 8 bits alone.
    """

    lowest: float
    highest: float
    is_coarse: bool


class Decoded(NamedTuple):
    """An image as it is used.

    Attributes:
        pixels: uint8 `(height, width, channels)`.
        is_enlarged: whether it had to be.
        levels: of one of more than 8 bits; None of all others.
    """

    pixels: np.ndarray
    is_enlarged: bool
    levels: Levels | None


@contextlib.contextmanager
def without_pillow_warnings() -> Iterator[None]:
    """Silences Pillow, whose warnings name no file; enter it outside of any threads."""
    readable_formats()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
        yield


def decode_image(file: BinaryIO | bytes, form: ImageForm, min_side: int = 1) -> Decoded:
    """Decodes one image.

    Args:
        file: open for reading at its start, or the content.
        form: what it becomes.
        min_side: pixels that both its sides must have. Defaults to 1.

    Raises:
        UnusableImageError: if it can't be used, whatever is wrong with it.
    """
    if isinstance(file, bytes):
        file = io.BytesIO(file)
    with _opened(file) as image:
        if min(image.size) < min_side:
            raise UnusableImageError(
                f"too small: {image.width}x{image.height}, and a side needs {min_side} pixels"
            )
        return _convert(image, form)


def read_levels(file: BinaryIO) -> Levels | None:
    """Gives the levels of an image of more than 8 bits; None of all others.

    Args:
        file: open for reading at its start.

    Raises:
        UnusableImageError: if it can't be read.
    """
    with _opened(file) as image:
        is_coarse = _has_16_bits_of_colour(image)
        if not (is_coarse or _is_deep(image)):
            return None
        _check_number_of_pixels(image)
        image.load()
        return _levels_of(image, is_coarse)


def recognise_image(file: BinaryIO) -> None:
    """Looks at the beginning of a file, and decodes nothing.

    Args:
        file: open for reading at its start.

    Raises:
        UnusableImageError: if it is in none of the formats that can be read.
    """
    with _opened(file):
        pass


@contextlib.contextmanager
def _opened(file: BinaryIO) -> Iterator[Image.Image]:
    try:
        with _open(file) as image:
            yield image
    except UnusableImageError:
        raise
    # A hostile or broken file makes Pillow raise anything at all.
    except Exception as error:
        raise UnusableImageError(_reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"not an image: none of {', '.join(readable_formats())}"
    if isinstance(error, Image.DecompressionBombError):
        return f"too large: more than {2 * Image.MAX_IMAGE_PIXELS:,} pixels"
    if isinstance(error, MemoryError):
        return "too large for the memory"
    if isinstance(error, OSError) and error.strerror:
        return f"can't be read: {error.strerror}"
    message = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if any(words in message.lower() for words in ("truncated", "unexpected end of file")):
        return "truncated: its end is missing"
    return f"damaged: {message}"


@functools.cache
def readable_formats() -> tuple[str, ...]:
    """Gives Pillow's names of the formats that can be read here."""
    Image.init()
    # Not required, because its wheels hold libraries under the GPL.
    try:
        import pillow_heif

        pillow_heif.register_heif_opener()
    except ImportError:
        # It may have been registered before the library that it needs was missed.
        Image.OPEN.pop("HEIF", None)
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _open(file: BinaryIO) -> Image.Image:
    beginning = file.read(_BEGINNING)
    if not beginning:
        raise UnusableImageError("empty: 0 bytes")
    file.seek(0)
    try:
        return Image.open(file, formats=readable_formats())
    except UnidentifiedImageError as error:
        if not _begins_like_heic(beginning):
            raise
        if "HEIF" in readable_formats():
            raise UnusableImageError("damaged: no whole HEIC file") from error
        raise UnusableImageError(
            "HEIC without pillow-heif: install that, or save the photo as JPEG"
        ) from error


def _begins_like_heic(beginning: bytes) -> bool:
    box = beginning[: int.from_bytes(beginning[:4], "big")]
    brands = [box[place : place + 4] for place in range(8, len(box), 4)]
    return box[4:8] == b"ftyp" and any(brand in _HEIC_BRANDS for brand in brands)


def _convert(image: Image.Image, form: ImageForm) -> Decoded:
    if form.centre_crop is None:
        _shrink_while_reading(image, form)
    _check_number_of_pixels(image)
    is_coarse = _has_16_bits_of_colour(image)  # which Pillow no longer tells of a loaded one
    image.load()
    levels = _levels_of(image, is_coarse) if is_coarse or _is_deep(image) else None
    # A broken EXIF block is no reason to lose a good image.
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)
    image = _as_srgb_or_grey(image, form.value_range)
    image = image.convert("RGB" if form.channels == 3 else "L")
    if form.centre_crop is not None:
        image = _cropped(image, form.centre_crop)
    is_enlarged = image.width < form.width or image.height < form.height
    pixels = np.asarray(_fitted(image, form.width, form.height))
    return Decoded(pixels.reshape(form.shape), is_enlarged, levels)


def _check_number_of_pixels(image: Image.Image) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    if limit and image.width * image.height > limit:
        raise UnusableImageError(f"too large: {image.width}x{image.height}, over {limit:,} pixels")


# === Size ===


def _shrink_while_reading(image: Image.Image, form: ImageForm) -> None:
    """Has libjpeg give an eighth, a quarter or half of a large JPEG; does nothing for others."""
    if image.format not in ("JPEG", "MPO"):
        return  # A draft of a HEIC file is the preview that lies in it, whatever that shows.
    width, height = form.width, form.height
    with contextlib.suppress(Exception):
        if image.getexif().get(ExifTags.Base.Orientation) in _TURNED_ON_ITS_SIDE:
            width, height = height, width
    scale = _JPEG_GAP * max(width / image.width, height / image.height)
    if scale < 1:
        image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))


def _cropped(image: Image.Image, side: int) -> Image.Image:
    if min(image.size) < side:
        raise UnusableImageError(
            f"too small: {image.width}x{image.height}, to be cut to {side}x{side}"
        )
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _fitted(image: Image.Image, width: int, height: int) -> Image.Image:
    scale = max(width / image.width, height / image.height)
    left = (image.width - width / scale) / 2
    top = (image.height - height / scale) / 2
    return image.resize(
        (width, height),
        Image.Resampling.BICUBIC,
        box=(max(left, 0), max(top, 0), image.width - max(left, 0), image.height - max(top, 0)),
        reducing_gap=_REDUCING_GAP,
    )


# === Values ===


def checked_range(value_range: ValueRange) -> tuple[float, float] | str | None:
    """Returns what the user asked for as two numbers, `"data"` or None; a ValueError otherwise."""
    if value_range is None or (isinstance(value_range, str) and value_range == "data"):
        return value_range
    limits = value_range if isinstance(value_range, tuple | list) else (value_range,)
    if len(limits) == 2 and all(isinstance(limit, numbers.Real) for limit in limits):
        black, white = map(float, limits)
        if math.isfinite(black) and math.isfinite(white) and black < white:
            return black, white
    raise ValueError(
        "value_range must be (black, white), two numbers of which the second is larger, such as "
        f"(0, 4095), or 'data'. Received: value_range={value_range!r}."
    )


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"


def _has_16_bits_of_colour(image: Image.Image) -> bool:
    modes = " ".join(str(tile[3]) for tile in image.tile)
    # "BGR;16", without byte order, are 16 bits of all colours together.
    return not _is_deep(image) and re.search(r"(LA|RGB|CMYK)\w*;16[BLN]", modes) is not None


def _levels_of(image: Image.Image, is_coarse: bool) -> Levels:
    values = np.asarray(image.convert("RGB") if is_coarse else image)
    lowest, highest = values.min().item(), values.max().item()
    if not (math.isfinite(lowest) and math.isfinite(highest)):
        raise UnusableImageError("some pixels are no finite numbers")
    return Levels(lowest, highest, is_coarse)


def _from_range(image: Image.Image, value_range: tuple[float, float] | None) -> Image.Image:
    """Makes 8 bits of grey pixels of any type."""
    lowest, highest, _ = _levels_of(image, is_coarse=False)
    if value_range is None and image.mode == "F":
        raise UnusableImageError(
            "pixels are floating point, of no known range: give a value_range, or save it in 8 bits"
        )
    if value_range is None and (lowest < 0 or highest > FULL_RANGE[1]):
        raise UnusableImageError(
            "pixels have 32 bits, of no known range: give a value_range, or save it in 8 or 16 bits"
        )
    black, white = value_range or FULL_RANGE
    shares = (np.asarray(image).astype(np.float64) - black) / (white - black)
    # Halves do not come up but by rounding errors, for 65535 is an odd multiple of 255.
    return Image.fromarray(np.floor(255 * shares.clip(0, 1) + 0.5).astype(np.uint8))


# === Colour ===


def _as_srgb_or_grey(
    image: Image.Image, value_range: tuple[float, float] | None = None
) -> Image.Image:
    if _is_deep(image):
        return _from_range(image, value_range)
    profile = image.info.get("icc_profile")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, _WHITE)
        image = Image.alpha_composite(ground, image).convert("RGB")
    elif image.mode in ("P", "PA"):
        image = image.convert("RGB")
    return _from_profile(image, profile) if profile else image


def _from_profile(image: Image.Image, profile: bytes) -> Image.Image:
    # Most profiles are sRGB's own, whose name is in ASCII or, from version 4 on, in UTF-16.
    if b"sRGB" in profile or "sRGB".encode("utf-16-be") in profile:
        return image
    try:
        return ImageCms.profileToProfile(
            image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), _srgb(), outputMode="RGB"
        )
    # A profile that is broken, or made for another colour space, is as good as none.
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return image


@functools.cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
