"""Pictures that explain themselves: rows of images with their names, and bars with errors."""

import io
from collections.abc import Mapping, Sequence

import numpy as np

# A cell is this wide at least: images of 28 pixels are enlarged, each pixel to a square.
_SMALLEST_CELL = 64
_GAP = 4
_FONT_SIZE = 14


def rows_picture(rows: Mapping[str, np.ndarray]) -> np.ndarray:
    """Puts images in rows, each with its name at the left.

    Args:
        rows: float images `(number, height, width, 1 or 3)` in [-1, 1] by the name of the row, all
            of one size; a name may have several lines.

    Returns:
        uint8 `(height, width, 3)`, white between the images.
    """
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(_FONT_SIZE)
    measuring = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    boxes = [measuring.multiline_textbbox((0, 0), name, font=font) for name in rows]
    left = max(int(box[2]) for box in boxes) + 2 * _GAP if any(rows) else _GAP
    strips = [enlarged(as_bytes(images)) for images in rows.values()]
    _, height, width, _ = strips[0].shape
    columns = max(len(strip) for strip in strips)
    size = left + columns * (width + _GAP), len(rows) * (height + _GAP) + _GAP
    page = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(page)
    for row, (name, strip) in enumerate(zip(rows, strips, strict=True)):
        top = _GAP + row * (height + _GAP)
        draw.multiline_text((_GAP, top + height // 2), name, "black", font, anchor="lm")
        for column, image in enumerate(strip):
            page.paste(Image.fromarray(image), (left + column * (width + _GAP), top))
    return np.asarray(page)


def as_bytes(images) -> np.ndarray:
    """Returns images in [-1, 1] as uint8 `(number, height, width, 3)`."""
    images = np.asarray(images, np.float32)
    pixels = np.clip(np.rint((images + 1.0) * 127.5), 0, 255).astype(np.uint8)
    return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels


def enlarged(pixels: np.ndarray) -> np.ndarray:
    """Makes squares of pixels until an image is wide enough to be looked at."""
    factor = max(1, -(-_SMALLEST_CELL // pixels.shape[2]))
    return pixels.repeat(factor, axis=1).repeat(factor, axis=2)


def bars_picture(bars: Mapping[str, tuple[float, float]], title: str, unit: str) -> np.ndarray:
    """Draws a bar for each value, with its standard deviation.

    Args:
        bars: mean and standard deviation by name.
        title: of the picture.
        unit: of the axis.

    Returns:
        uint8 `(height, width, 3)`.
    """
    figure = _figure(6.4, 0.9 + 0.5 * len(bars))
    axes = figure.subplots()
    means, deviations = zip(*bars.values(), strict=True)
    axes.barh(range(len(bars)), means, xerr=deviations, color="tab:blue", capsize=3)
    axes.set_yticks(range(len(bars)), list(bars))
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.set_title(title)
    return figure_pixels(figure)


def curves_picture(
    curves: Mapping[str, Sequence[float]], positions: Sequence[float], labels: tuple[str, str]
) -> np.ndarray:
    """Draws a curve for each name.

    Args:
        curves: values by name, as many as there are positions.
        positions: along the horizontal axis.
        labels: of the horizontal and the vertical axis.

    Returns:
        uint8 `(height, width, 3)`.
    """
    figure = _figure(6.4, 4.0)
    axes = figure.subplots()
    for name, values in curves.items():
        axes.plot(positions, values, marker="o", label=name)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.legend()
    return figure_pixels(figure)


def _figure(width: float, height: float):
    # Not by pyplot, which keeps every figure and picks a backend for the whole process.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def figure_pixels(figure) -> np.ndarray:
    """Draws a matplotlib figure: uint8 `(height, width, 3)`."""
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    buffer.seek(0)
    return np.asarray(Image.open(buffer).convert("RGB"))
