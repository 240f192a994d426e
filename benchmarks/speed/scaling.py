"""How time and memory grow with the batch, the size of the images and the number of them.

    python -m benchmarks.speed.scaling

Every size is trained in a process of its own. Writes the table of growth in docs/speed.md.
"""

from recipes.common import command_line  # first: it keeps TensorFlow's import quiet

# isort: split
import dataclasses
import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm import tqdm

import zoo
from benchmarks.pages import REPOSITORY, replace_block
from benchmarks.speed.alone import call_alone, peak_mb
from benchmarks.speed.games import batch_of, endless
from benchmarks.speed.throughput import PAGE
from zoo.common.files import write_atomically
from zoo.runs.folder import describe_environment

SIDE = 28
BATCH_SIZE = 100


@dataclasses.dataclass(frozen=True)
class Point:
    """What one size costs.

    Attributes:
        size: the batch, a side, or the number of images.
        seconds: of a step, or of a pass through all images.
        megabytes: how much more memory the process has taken since the training began.
    """

    size: int
    seconds: float
    megabytes: float


class _Clock(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.times = []

    def on_train_batch_end(self, batch, logs=None):
        float(next(iter(logs.values())))
        self.times.append(time.perf_counter())


def of_batch(batch_size: int, side: int = 32, steps: int = 5) -> Point:
    """Trains DCGAN of 32 filters on batches of that size."""
    return dataclasses.replace(_of_images(batch_size, side, steps), size=batch_size)


def of_side(side: int, batch_size: int = 8, steps: int = 5) -> Point:
    """Trains DCGAN of 32 filters on images of that side, deeper by a scale with each doubling."""
    return dataclasses.replace(_of_images(batch_size, side, steps), size=side)


def _of_images(batch_size: int, side: int, steps: int) -> Point:
    model = zoo.DCGAN((side, side, 3), base_filters=32)
    model.compile()
    data, clock = endless(batch_of(model.batch_spec, batch_size)), _Clock()
    before = peak_mb()
    model.fit(data, steps_per_epoch=steps + 2, verbose=0, callbacks=[clock])
    seconds = float(np.median(np.diff(clock.times[1:])))
    return Point(0, seconds, peak_mb() - before)


def of_records(images: int) -> Point:
    """Streams so many images out of a file of records through a training of `VanillaGAN`."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "images"))
        draw = np.random.default_rng(0)
        with tf.io.TFRecordWriter(path) as writer:
            for _ in range(images):
                writer.write(draw.bytes(SIDE * SIDE))

        def pixels(record):
            levels = tf.cast(tf.io.decode_raw(record, tf.uint8), tf.float32)
            return tf.reshape(levels, (-1, SIDE, SIDE, 1)) / 127.5 - 1

        data = tf.data.TFRecordDataset(path).shuffle(1000).batch(BATCH_SIZE).map(pixels)
        batches = tf.data.experimental.assert_cardinality(math.ceil(images / BATCH_SIZE))
        return _of_pass(data.apply(batches).prefetch(2), images)


def of_folder(images: int) -> Point:
    """Trains `VanillaGAN` on a folder of so many PNG files, decoded before."""
    with tempfile.TemporaryDirectory() as folder:
        draw = np.random.default_rng(0)
        pictures = Path(folder, "pictures")
        pictures.mkdir()
        for number in range(images):
            levels = draw.integers(0, 256, (SIDE, SIDE), np.uint8)
            Image.fromarray(levels).save(pictures / f"{number}.png", compress_level=0)
        opened = zoo.datasets.open(
            f"folder:{pictures}", image_size=SIDE, channels=1, data_dir=Path(folder, "decoded")
        )
        split = "train+validation+test"
        data = opened.batches(split, batch_size=BATCH_SIZE, shuffle=True)
        return _of_pass(data, images)


def _of_pass(data: tf.data.Dataset, images: int) -> Point:
    model = zoo.VanillaGAN((SIDE, SIDE, 1))
    model.compile()
    model.fit(data.take(2), verbose=0)  # traces
    before, start = peak_mb(), time.perf_counter()
    model.fit(data, verbose=0)
    return Point(images, time.perf_counter() - start, peak_mb() - before)


# What grows: how it is called on the page, the function, its sizes.
AXES = {
    "batch": ("images of a batch", of_batch, (8, 16, 32, 64)),
    "side": ("side of the images", of_side, (32, 64, 128)),
    "records": ("images in records, streamed", of_records, (10**3, 10**4, 10**5, 10**6)),
    "folder": ("images in a folder", of_folder, (10**3, 10**4)),
}


# === Page ===


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Returns the power of the size with which the values grow, by least squares of logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def block(measured: dict[str, list[Point]]) -> str:
    """Returns the part of the page, a row an axis of `AXES`."""
    environment = describe_environment()
    lines = [
        f"On {environment['devices'][-1]}, {environment['cpus']} cores.",
        "",
        "| What grows | sizes | seconds | grow with the power | MB | grow with the power |",
        "| :--- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for axis, points in measured.items():
        sizes = [point.size for point in points]
        seconds = [point.seconds for point in points]
        # A pass that takes no memory of its own takes less than one megabyte.
        megabytes = [max(1.0, point.megabytes) for point in points]
        cells = [
            AXES[axis][0],
            " / ".join(f"{size:,}" for size in sizes),
            " / ".join(f"{float(f'{each:.2g}'):g}" for each in seconds),
            f"{slope(sizes, seconds):.2f}",
            " / ".join(f"{math.floor(each)}" for each in megabytes),
            f"{slope(sizes, megabytes):.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measures, and writes the table."""
    runs = [(axis, size) for axis in AXES for size in AXES[axis][2]]
    measured: dict[str, list[Point]] = {axis: [] for axis in AXES}
    for axis, size in tqdm(runs, unit=" size"):
        measured[axis].append(call_alone(AXES[axis][1], size))
    page = REPOSITORY / PAGE
    text = page.read_text(encoding="utf-8")
    text = replace_block(text, "growth", block(measured), PAGE, "benchmarks.speed.scaling")
    write_atomically(page, text)
    print(f"Wrote the table of growth of {PAGE}.")


if __name__ == "__main__":
    command_line.run(main)
