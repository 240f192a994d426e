"""What an exploration found: numbers and pictures, written to a folder whole or not at all."""

import dataclasses
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.common.files import replaced_folder
from zoo.runs.samples import save_picture

_FRAME_MILLISECONDS = 100


@dataclasses.dataclass(frozen=True, eq=False)
class Findings:
    """What a command of `zoo.explore` found.

    Attributes:
        command: its name, and that of the JSON.
        headline: one sentence with the number that matters most.
        facts: all numbers, and how they were come by; ready for JSON.
        pictures: uint8 `(height, width, 1 or 3)` by name.
        films: frames of that form by name, each film's of one size.
    """

    command: str
    headline: str
    facts: Mapping[str, Any]
    pictures: Mapping[str, np.ndarray]
    films: Mapping[str, Sequence[np.ndarray]] = dataclasses.field(default_factory=dict)

    def with_facts(self, facts: Mapping[str, Any]) -> "Findings":
        """Returns these findings with further facts, ready for JSON."""
        return dataclasses.replace(self, facts={**facts, **self.facts})

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Writes `<command>.json`, a PNG for each picture and a GIF for each film.

        Args:
            folder: a folder that does not exist yet. It appears whole or not at all.

        Returns:
            The folder.

        Raises:
            FileExistsError: if it exists.
            OSError: if it can't be written.
        """
        folder = Path(folder)
        if os.path.lexists(folder):
            raise FileExistsError(
                f"{folder} exists already, and nothing is overwritten. Name another folder."
            )
        content = {"command": self.command, "headline": self.headline, **self.facts}
        with replaced_folder(folder) as partial:
            text = json.dumps(content, indent=1) + "\n"
            (partial / f"{self.command}.json").write_text(text, encoding="utf-8")
            for name, pixels in self.pictures.items():
                save_picture(pixels, partial / f"{name}.png")
            for name, frames in self.films.items():
                (partial / f"{name}.gif").write_bytes(_gif(frames))
        return folder


def _gif(frames: Sequence[np.ndarray]) -> bytes:
    from PIL import Image

    pages = [Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame) for frame in frames]
    buffer = io.BytesIO()
    pages[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=pages[1:],
        duration=_FRAME_MILLISECONDS,
        loop=0,
    )
    return buffer.getvalue()
