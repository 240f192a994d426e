"""One pass over real images, and as many generated ones, for measures taken outside of `fit`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable

import tensorflow as tf

from zoo.common.measure_logs import results_of
from zoo.common.shared_outputs import shared_outputs
from zoo.metrics.given_images import images_alone, refuse_endless
from zoo.metrics.measure import GeneratorMeasure
from zoo.metrics.stamps import Scores, stamps_of


def evaluate(
    measures: Iterable[GeneratorMeasure],
    real_images: Iterable,
    generate: Callable,
    seed: int = 0,
    split: str = "",
) -> Scores:
    """Measures a generator on a data set, with as many generated images as it has real ones.

    `model.evaluate` asks every measure for its result after every batch; this asks once, at the
    end, which matters with 2,048 features or thousands of neighbours.

    Args:
        measures: the measures, which are reset first.
        real_images: batches float32 `(batch, height, width, channels)` in [-1, 1], as of
            `zoo.datasets.load(name, "test", shuffle=True)`: finite, and not those trained on.
        generate: `(num_images, seed)` → that many images, such as `model.generate`.
        seed: of the first batch; batch number i has `seed + i`. Defaults to 0.
        split: what the real images are called, such as "mnist_small test", for the stamps. Defaults
            to "", not told.

    Returns:
        The values of all measures, by their logs, with standard errors and stamps.

    Raises:
        ValueError: if there are no images, they never end, have another range or do not fit a
            measure, or `generate` gives another number of them.
    """
    from tqdm import tqdm

    refuse_endless("real_images", real_images)
    measures = list(measures)
    for measure in measures:
        measure.reset_state()
    num_images, least_real, least_generated, are_images = 0, 0.0, 0.0, True
    batches = tqdm(real_images, desc="measuring", unit="batch", disable=not sys.stderr.isatty())
    for number, real_batch in enumerate(batches):
        real_batch = images_alone("real_images", real_batch)
        batch_size = int(real_batch.shape[0])
        generated_batch = images_alone("generate", generate(batch_size, seed + number))
        if int(generated_batch.shape[0]) != batch_size:
            raise ValueError(
                f"`generate` must give as many images as it is asked for. Received: "
                f"{generated_batch.shape[0]} in place of {batch_size}"
            )
        with shared_outputs():
            for measure in measures:
                measure.update_state(real_batch, generated_batch)
        num_images += batch_size
        least_real = min(least_real, float(tf.reduce_min(real_batch)))
        least_generated = min(least_generated, float(tf.reduce_min(generated_batch)))
        # A point has no pixels, and what is no number none below 0.
        are_images &= generated_batch.shape.rank == 4 and bool(
            tf.reduce_all(tf.math.is_finite(generated_batch))
        )
    if not num_images:
        raise ValueError("`real_images` must hold at least one batch. Received: none.")
    if least_real < 0.0 <= least_generated and are_images:
        warnings.warn(
            "No generated pixel is below 0, where real images have some: those of exports are in "
            "[0, 1], so give 2 * images - 1 of them.",
            stacklevel=2,
        )
    errors, stamps = {}, {}
    told = {"num_real": num_images, "num_generated": num_images, "split": split, "seed": seed}
    for measure in measures:
        errors |= getattr(measure, "standard_errors", dict)()
        stamps |= stamps_of(measure, **told)
    values = {name: float(value) for name, value in results_of(measures).items()}
    return Scores(values, errors, stamps)
