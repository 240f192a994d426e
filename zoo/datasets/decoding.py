"""One image file of any kind in, pixels of one size and one kind out.

Pixels are uint8 sRGB or grey. The image is turned as its EXIF orientation says, its ICC profile is
applied, what is transparent is laid on white, 16 bits are scaled to 8 (65535 becomes 255), and
of an animation the first frame is taken. Then it is cut in the middle to the shape asked for and
resized, so that the shorter side fits, by Pillow's antialiased bicubic filter.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import math
import warnings
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

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
    """

    height: int
    width: int
    channels: int
    centre_crop: int | None = None

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
    if len(sides) != 2 or any(not isinstance(side, int) or side < 1 for side in sides):
        raise ValueError(
            "image_size must be a positive integer or two of them, (height, width). "
            f"Received: image_size={image_size!r}."
        )
    if channels not in (1, 3):
        raise ValueError(
            "channels must be 3 for colour or 1 for grey when images are resized. "
            f"Received: channels={channels!r}."
        )
    return ImageForm(*sides, channels, centre_crop)


@contextlib.contextmanager
def without_pillow_warnings() -> Iterator[None]:
    """Silences Pillow, whose warnings name no file; enter it outside of any threads."""
    readable_formats()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
        yield


def decode_image(
    file: BinaryIO | bytes, form: ImageForm, min_side: int = 1
) -> tuple[np.ndarray, bool]:
    """Decodes one image.

    Args:
        file: open for reading at its start, or the content.
        form: what it becomes.
        min_side: pixels that both its sides must have. Defaults to 1.

    Returns:
        uint8 `(height, width, channels)`, and whether it had to be enlarged.

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


def _convert(image: Image.Image, form: ImageForm) -> tuple[np.ndarray, bool]:
    if form.centre_crop is None:
        _shrink_while_reading(image, form)
    limit = Image.MAX_IMAGE_PIXELS
    if limit and image.width * image.height > limit:
        raise UnusableImageError(f"too large: {image.width}x{image.height}, over {limit:,} pixels")
    image.load()
    # A broken EXIF block is no reason to lose a good image.
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)
    image = _as_srgb_or_grey(image)
    image = image.convert("RGB" if form.channels == 3 else "L")
    if form.centre_crop is not None:
        image = _cropped(image, form.centre_crop)
    is_enlarged = image.width < form.width or image.height < form.height
    pixels = np.asarray(_fitted(image, form.width, form.height))
    return pixels.reshape(form.shape), is_enlarged


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


# === Colour ===


def _as_srgb_or_grey(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return _from_16_bits(image)
    if image.mode == "F":
        raise UnusableImageError("pixels are floating point, of no known range: save it in 8 bits")
    profile = image.info.get("icc_profile")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, _WHITE)
        image = Image.alpha_composite(ground, image).convert("RGB")
    elif image.mode in ("P", "PA"):
        image = image.convert("RGB")
    return _from_profile(image, profile) if profile else image


def _from_16_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise UnusableImageError("pixels have 32 bits, of no known range: save it in 8 or 16 bits")
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))


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
