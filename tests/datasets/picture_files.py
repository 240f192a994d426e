"""Image files of many kinds, good and broken, made where a test wants them."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def noise(seed: int, size: int = 24, channels: int = 3) -> np.ndarray:
    """Soft blobs: every seed gives a picture that looks like no other."""
    coarse = np.random.RandomState(seed).randint(0, 256, (6, 6, channels)).astype(np.uint8)
    image = Image.fromarray(coarse[:, :, 0] if channels == 1 else coarse)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))


def save_pictures(folder: Path, count: int, first_seed: int = 0, size: int = 24) -> list[Path]:
    """Saves that many different PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{first_seed + i:05}.png" for i in range(count)]
    for i, path in enumerate(paths):
        Image.fromarray(noise(first_seed + i, size)).save(path)
    return paths


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    """The bytes of an image file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises that many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return _png(header, zlib.compress(b"\0" * 100))


def _png(header: bytes, pixels: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    start = b"\x89PNG\r\n\x1a\n"
    return start + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def truncated_exif() -> bytes:
    """A good JPEG whose EXIF block ends in the middle of an entry."""
    content = encoded(Image.fromarray(noise(900)), "JPEG", quality=95)
    broken = b"Exif\0\0MM\0*\0\0\0\x08\0\x09\x01\x12"
    return content[:2] + b"\xff\xe1" + struct.pack(">H", len(broken) + 2) + broken + content[2:]


def colour_of_16_bits(pixels: np.ndarray) -> bytes:
    """A PNG of uint16 `(height, width, 3)`, which Pillow reads and can't write."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, 2, 0, 0, 0)
    return _png(header, zlib.compress(rows))


def linear_grey_profile() -> bytes:
    """An ICC profile of version 2 for grey pixels that are proportional to light."""
    curve = b"curv" + struct.pack(">II", 0, 0)  # no points: output is input
    tags = struct.pack(">I", 1) + b"kTRC" + struct.pack(">II", 128 + 16, len(curve))
    header = bytearray(128)
    header[0:4] = struct.pack(">I", 128 + len(tags) + len(curve))
    header[8:12] = b"\2\x20\0\0"
    header[12:24] = b"mntrGRAYXYZ "
    header[36:40] = b"acsp"
    # The white of the connection space, D50, as numbers of 1/65536.
    header[68:80] = struct.pack(">III", 0xF6D6, 0x10000, 0xD32D)
    return bytes(header) + tags + curve


def broken_files() -> dict[str, tuple[bytes, str]]:
    """Content of files that can't be used, each with what its reason begins with."""
    photo = Image.fromarray(noise(1, size=200))
    jpeg, png = encoded(photo, "JPEG"), encoded(photo, "PNG")
    return {
        "empty.jpg": (b"", "empty: 0 bytes"),
        "text.jpg": (b"<html>404 Not Found</html>", "not an image: none of JPEG"),
        "truncated.jpg": (jpeg[: len(jpeg) // 2], "truncated"),
        "truncated.png": (png[: len(png) // 2], "truncated"),
        "header_only.gif": (b"GIF89a", ""),
        "tiny.png": (encoded(Image.new("RGB", (1, 1)), "PNG"), "too small: 1x1"),
        "bomb.png": (png_that_claims(30_000, 30_000), "too large: more than 178,956,970 pixels"),
        "large.png": (png_that_claims(10_000, 10_000), "too large: 10000x10000"),
        "float.tif": (encoded(Image.new("F", (24, 24)), "TIFF"), "pixels are floating point"),
        "int32.tif": (encoded(Image.new("I", (24, 24), 70_000), "TIFF"), "pixels have 32 bits"),
        "program.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not an image"),
    }


def state_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of change of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), os.stat(path).st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }
