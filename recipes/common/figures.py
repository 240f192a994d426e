"""Writes figures of matplotlib, whole or not at all."""

import io
import os
from typing import Any

from zoo.common.files import write_atomically


def write_figure(figure: Any, path: str | os.PathLike[str]) -> None:
    """Writes a figure as a PNG on white, at its own resolution.

    Args:
        figure: a matplotlib `Figure`.
        path: the PNG to write.

    Raises:
        OSError: if it cannot be written.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="white")
    write_atomically(path, buffer.getvalue())
