"""Rows of numbers about real and generated images, such as features, kept to be compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import keras
import tensorflow as tf

from zoo.common.checks import as_integer
from zoo.metrics.measure import GeneratorMeasure, check_equally_many, total

DEFAULT_CAPACITY = 10_000

# So many distances are held at once, 128 MB of float64.
_DISTANCES_AT_ONCE = 2**24


class KeepsRows(GeneratorMeasure):
    """A measure that keeps a row of each of up to `capacity` real and as many generated images.

    Those that come first are kept, later ones are not looked at: give real images in random order.
    Under a strategy replicas have equal shares of the places. Places for both kinds take
    `2 · capacity · row_size · 4` bytes on each replica, in `result()` as much again.

    Args:
        network: images float32 `(batch, height, width, channels)` in [-1, 1] → `(batch, size)`.
        argument: name of the argument that gave `network`, for messages.
        capacity: images kept of either kind, at least 2.
        name: of the measure.
        row_size: numbers in a row. Defaults to those that `network` gives, which are then kept.

    Raises:
        ValueError: if `network` gives no rows, or `capacity` is below 2 or no integer.
    """

    needs_equally_many: ClassVar[bool] = False

    def __init__(
        self,
        network: keras.Model,
        argument: str,
        capacity: int,
        name: str,
        row_size: int | None = None,
    ) -> None:
        super().__init__(network, argument, name)
        self.capacity = as_integer("capacity", capacity, least=2)
        self._real = self._add_places("real", row_size or self._output_size)
        self._generated = self._add_places("generated", row_size or self._output_size)

    def _add_places(self, side: str, row_size: int) -> tuple[keras.Variable, keras.Variable]:
        # One more row takes what has no place; one more column says which places are taken.
        shape = (self.capacity + 1, row_size + 1)
        return (
            self.add_variable(shape, "zeros", "float32", name=f"{side}_rows"),
            self.add_variable((), "zeros", "float64", name=f"{side}_seen"),
        )

    def update_state(self, real_images, generated_images) -> None:
        """Adds a batch: two of float32 `(batch, height, width, channels)` in [-1, 1]."""
        real, generated = self.outputs_for(real_images), self.outputs_for(generated_images)
        if self.needs_equally_many:
            check_equally_many(real, generated, self.name)
        self._keep(self._real, real)
        self._keep(self._generated, generated)

    def _keep(self, side: tuple[keras.Variable, keras.Variable], rows: tf.Tensor) -> None:
        places, seen = side
        number = tf.shape(rows)[0]
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group if context else 0
        replicas = context.num_replicas_in_sync if context else 1
        # Each replica has every n-th place, so that a sum over replicas joins them.
        mine = tf.cast(seen.value, tf.int32) + tf.range(number)
        free = tf.minimum(mine * replicas + replica, self.capacity)
        rows = tf.concat([rows, tf.ones((number, 1))], axis=1)
        places.assign(
            tf.tensor_scatter_nd_update(
                tf.convert_to_tensor(places.value), free[:, tf.newaxis], rows
            )
        )
        seen.assign_add(tf.cast(number, tf.float64))

    def _kept(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the rows of real and of generated images, float32 `(number, row_size)`."""
        both = []
        for places, _ in (self._real, self._generated):
            rows = total(places)[: self.capacity]
            both.append(tf.boolean_mask(rows[:, :-1], rows[:, -1] > 0))
        return tuple(both)


def all_finite(*rows: tf.Tensor) -> tf.Tensor:
    """Says whether every number of all is finite."""
    return tf.reduce_all([tf.reduce_all(tf.math.is_finite(each)) for each in rows])


# === Distances ===


def squared_distances(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Squared Euclidean distances of each row of one from each of the other: float64 `(n, m)`.

    Equal rows have a distance of 0, which the rounding of the three terms would not give.
    """
    first, second = tf.cast(first, tf.float64), tf.cast(second, tf.float64)
    sizes = tf.reduce_sum(first**2, axis=1)[:, tf.newaxis] + tf.reduce_sum(second**2, axis=1)
    distances = sizes - 2.0 * tf.matmul(first, second, transpose_b=True)
    # So, and not the other way round: what is no number stays none.
    return tf.where(distances <= 1e-12 * sizes, tf.zeros_like(distances), distances)


def row_by_row(
    function: Callable[[tf.Tensor], tf.Tensor], rows: tf.Tensor, others: tf.Tensor
) -> tf.Tensor:
    """Applies a function to the distances of rows from others, some rows at a time for memory.

    Args:
        function: squared distances `(some rows, others)` → float64, one row for each of these rows.
        rows: `(n, num_features)`.
        others: `(m, num_features)`.

    Returns:
        What the function gave, for all rows: float64 `(n, ...)`.
    """
    number = tf.shape(rows)[0]
    at_once = tf.maximum(1, _DISTANCES_AT_ONCE // tf.maximum(1, tf.shape(others)[0]))
    blocks = tf.maximum(1, -(-number // at_once))

    def body(block, found):
        first = block * at_once
        distances = squared_distances(rows[first : first + at_once], others)
        return block + 1, found.write(block, function(distances))

    found = tf.TensorArray(tf.float64, size=blocks, infer_shape=False)
    _, found = tf.while_loop(lambda block, _: block < blocks, body, (0, found))
    return found.concat()


def squared_radii(features: tf.Tensor, k: int) -> tf.Tensor:
    """Squared distance of each row from its k-th nearest other row: float64 `(n,)`.

    With fewer others than k, that of the farthest.
    """

    def kth(distances):
        # A row is its own nearest, so one more is asked for.
        nearest = tf.math.top_k(-distances, tf.minimum(k + 1, tf.shape(distances)[1]))[0]
        return tf.reduce_max(-nearest, axis=1)

    return row_by_row(kth, features, features)
