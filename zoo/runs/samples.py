"""Pictures of what a model generates, drawn from the same latents all through a run."""

import io
import itertools
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import keras
import numpy as np

from zoo.common.checks import as_integer
from zoo.common.files import write_atomically
from zoo.runs.epochs import is_due
from zoo.runs.training_state import is_discarded, steps_done

_FIRST_STEP = 100
# Past this many epochs a picture of each adds files and nothing to see.
_EVERY_EPOCH_UP_TO = 100
_LATER_EPOCHS = 10


def image_grid(images: np.ndarray) -> np.ndarray:
    """Puts images side by side, as nearly in a square as their number allows.

    Args:
        images: float `(number, height, width, channels)` in [-1, 1]; 1 or 3 channels.

    Returns:
        uint8 `(rows · height, columns · width, channels)`; cells without an image are black.

    Raises:
        ValueError: if the shape is another.
    """
    images = np.asarray(images)
    if images.ndim != 4 or not len(images) or images.shape[-1] not in (1, 3):
        raise ValueError(
            "`images` should have the shape (number, height, width, 1 or 3 channels), with at "
            f"least one image. Received: images.shape={images.shape}"
        )
    from zoo.common.tfgan import tfgan

    number, height, width, channels = images.shape
    columns = math.ceil(math.sqrt(number))
    rows = math.ceil(number / columns)
    # No uint8 yet: TensorFlow complains of those as soon as they are transposed.
    pixels = np.zeros((rows * columns, height, width, channels), np.int32)
    pixels[:number] = np.clip(np.rint((images + 1.0) * 127.5), 0, 255)
    grid = tfgan().eval.image_grid(pixels, (rows, columns), (height, width), channels)
    return np.asarray(grid[0], np.uint8)


def save_picture(pixels: np.ndarray, path: str | os.PathLike[str], **notes: int) -> None:
    """Writes a PNG in one rename.

    Args:
        pixels: uint8 `(height, width, 1 or 3)`.
        path: where to write it; its folder must exist.
        **notes: numbers to store in the file as text, such as `step=100`.

    Raises:
        OSError: if it cannot be written.
    """
    from PIL import Image, PngImagePlugin

    text = PngImagePlugin.PngInfo()
    for name, value in notes.items():
        text.add_text(name, str(value))
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(
        buffer, "PNG", pnginfo=text
    )
    write_atomically(path, buffer.getvalue())


class SampleGrid(keras.callbacks.Callback):
    """Writes a grid of generated images from the same latents every time.

    Files: `step-0000000.png` before the first step, then at steps 100, 200, 500, 1,000, 2,000,
    5,000, ... (with `steps_per_execution` above 1: at the first step seen that is not before
    those), and `epoch-0003.png` after the third epoch: each epoch up to the 100th, every tenth
    after it, or as many fewer as `every_epochs` says. Each file also tells its `step` and `epoch`
    in PNG text fields. An epoch that `StopOnNonFinite` discarded gets no picture: place this after
    it.

    Args:
        folder: where the pictures go; made if missing.
        num_images: images in a grid. Defaults to 64, eight rows of eight.
        seed: what the latents are drawn from. Defaults to 0.
        draw: a function of `(num_images, seed)` that returns float images in [-1, 1], for models
            whose pictures are not samples (translations, reconstructions). Defaults to the
            model's own `generate`.
        every_epochs: epochs from one `epoch-….png` to the next. Defaults to 1. The first epoch and
            the last get one in any case.

    Attributes:
        latest: None, or the newest grid, uint8 `(height, width, channels)`.
        latest_step: the step it was drawn at.

    Raises:
        ValueError: if `num_images` or `every_epochs` is no positive integer.
        OSError: in training, if a picture cannot be written.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        num_images: int = 64,
        seed: int = 0,
        draw: Callable[[int, int], np.ndarray] | None = None,
        every_epochs: int = 1,
    ) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.every_epochs = as_integer("every_epochs", every_epochs)
        self.num_images = as_integer("num_images", num_images)
        self.seed = as_integer("seed", seed, least=None)
        self.draw = draw
        self.latest: np.ndarray | None = None
        self.latest_step: int | None = None
        self._step = 0
        self._epoch = 0

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.latest, self.latest_step = None, None
        self._step = steps_done(self.model)
        # A resumed run has its first picture already, and should leave what an unbroken one does.
        if self._step == 0 or not any(self.folder.glob("step-*.png")):
            self._write(f"step-{self._step:07d}.png")

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        previous, self._step = self._step, steps_done(self.model)
        if _passes_a_picture_step(previous, self._step):
            self._write(f"step-{self._step:07d}.png")

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        if is_discarded(self.model, epoch):
            return
        done = self._epoch = epoch + 1
        epochs = (self.params or {}).get("epochs")
        least = 1 if done <= _EVERY_EPOCH_UP_TO else _LATER_EPOCHS
        if is_due(done, max(self.every_epochs, least), epochs):
            self._write(f"epoch-{done:04d}.png")

    def _write(self, name: str) -> None:
        if self.latest is None or self.latest_step != self._step:
            draw = self.draw or self.model.generate
            self.latest = image_grid(draw(self.num_images, seed=self.seed))
            self.latest_step = self._step
        save_picture(self.latest, self.folder / name, step=self._step, epoch=self._epoch)


def _passes_a_picture_step(previous: int, current: int) -> bool:
    """Whether one of 100, 200, 500, 1,000, ... is above `previous` and not above `current`."""
    return next(step for step in _picture_steps() if step > previous) <= current


def _picture_steps() -> Iterator[int]:
    for power in itertools.count():
        yield from (factor * _FIRST_STEP * 10**power for factor in (1, 2, 5))
