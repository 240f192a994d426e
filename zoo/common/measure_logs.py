"""What Keras metrics log: one value by the name of the metric, or several by names of their own."""

from collections.abc import Iterable

import keras
import tensorflow as tf


def results_of(measures: Iterable[keras.metrics.Metric]) -> dict[str, tf.Tensor]:
    """Returns the values of all measures by their logs.

    As in Keras's own `get_metrics_result`, a `result()` that is a dictionary is several logs.
    """
    values = {}
    for measure in measures:
        result = measure.result()
        values |= result if isinstance(result, dict) else {measure.name: result}
    return values


def directions_of(measure: keras.metrics.Metric) -> dict[str, str | None]:
    """Returns what a measure logs, by name: "min" or "max", whichever is better, or else None.

    Args:
        measure: with the attribute `direction`, or `directions` by log if these are several. Of any
            other metric nothing but the name is known.
    """
    own = {measure.name: getattr(measure, "direction", None)}
    return getattr(measure, "directions", own)
