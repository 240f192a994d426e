"""What a model is given to train or to be tested on: looked at, and made what Keras shares out.

Each function takes the `AdversarialModel` that it is for, which says what batches it takes.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping

import keras
import tensorflow as tf

from zoo.common import batches, distribution
from zoo.common.checks import as_integer, check_brightness

# === Looks ===


def check_batch(model: keras.Model, spec, batch, method: str) -> None:
    """Refuses a batch of another form than `spec`, or with rows out of range."""
    batches.refuse_empty(batch, batch, method)
    batches.check_form(batch, spec, method)
    batches.check_lengths(batch, _has_separate_parts(model, spec), method)
    model.check_rows(batch)


def _has_separate_parts(model: keras.Model, spec) -> bool:
    """Tells whether arrays of this form go each through passes of their own."""
    is_pair = isinstance(spec, tuple) and spec == model.batch_spec
    return is_pair and model.rows_of_epoch((1,) * len(spec)) is not None


def checked(model: keras.Model, x, y, batch_size, spec, check: Callable, method: str):
    """Returns all that Keras is to take as `x`, after a look at its first batch, or at all arrays.

    Args:
        model: that takes them.
        x, y, batch_size: as `fit` takes them.
        spec: the form of a batch.
        check: refuses a batch, of which it is told what was called.
        method: what was called.
    """
    if batch_size is not None:
        as_integer("batch_size", batch_size)
    batches.check_source(x, method)
    if isinstance(x, (tf.data.Dataset, keras.utils.PyDataset, Iterator)):
        if y is not None:
            raise ValueError(
                "The batches of a dataset or generator hold all that is trained on. Received: "
                f"y beside x={type(x).__name__}"
            )
        data = x
    else:
        data = batches.unpacked((x, y))
    first_batch, data = batches.with_first_batch(data, batch_size)
    batches.refuse_empty(first_batch, data, method)
    if first_batch is not None:
        check(first_batch, method)
        batches.check_lengths(data, _has_separate_parts(model, spec), method)
        if batches.are_in_memory(data):
            model.check_rows(data)
        if not getattr(data, "is_scaled", False):
            others = batches.further_batches(data, batch_size)
            check_brightness(itertools.chain([first_batch], others))
    return data


def _checked_evaluation(model: keras.Model, x, y, batch_size):
    check, spec = model.check_evaluation_batch, model.evaluation_spec
    data = checked(model, x, y, batch_size, spec, check, "evaluate")
    num_images = batches.known_rows(data)
    if num_images is not None:
        model.check_num_images(num_images)
    return data


def refuse_weights(model: keras.Model, class_weight=None, sample_weight=None) -> None:
    """Refuses the weights that Keras would give a loss."""
    if class_weight is not None:
        raise ValueError(
            f"The losses of {type(model).__name__} take no class_weight; draw rare classes "
            f"oftener instead. Received: class_weight={class_weight!r}"
        )
    if sample_weight is not None:
        raise ValueError(
            f"{type(model).__name__} takes no sample_weight; draw what shall count more oftener "
            f"instead. Received: sample_weight of type {type(sample_weight).__name__}"
        )


# === What Keras is given ===


def for_training(model: keras.Model, x, y, batch_size, shuffle: bool, validation_split: float):
    """Returns what Keras trains on: arrays that it is not to pair row by row as a dataset.

    Args:
        model: that trains.
        x, y, batch_size, shuffle, validation_split: as `fit` takes them.

    Raises:
        ValueError: if the first batch is not what `train_step` takes, or data are to be split that
            can't be.
    """
    given = checked(model, x, y, batch_size, model.batch_spec, model.check_batch, "fit")
    data = _in_passes(model, given, batch_size, shuffle)
    if data is not given and validation_split:
        raise ValueError(
            "Arrays that go through passes of their own, or to several replicas, are not "
            f"split; give validation_data. Received: validation_split={validation_split}"
        )
    if validation_split and batches.are_arrays(data):
        num_rows = len(tf.nest.flatten(data)[0])
        model.check_num_images(num_rows - math.floor(num_rows * (1 - validation_split)))
    return data


def _in_passes(model: keras.Model, data, batch_size, shuffle: bool):
    seed = int(model.stream_seed("order", model.step)[0]) % 2**31
    if isinstance(data, tuple) and batches.are_arrays(data):
        num_rows = model.rows_of_epoch(tuple(len(tf.nest.flatten(part)[0]) for part in data))
        if num_rows is not None:
            data = batches.separate_passes(data, num_rows, batch_size, shuffle, seed)
    return _as_a_dataset(model, data, batch_size, shuffle, seed)


def _as_a_dataset(
    model: keras.Model, data, batch_size, shuffle: bool = False, seed: int | None = None
):
    """Returns arrays that Keras would not share out, or not pair, as a dataset."""
    replicas = model.distribute_strategy.num_replicas_in_sync
    is_array = data is not None and batches.are_arrays(data)
    if is_array and (replicas > 1 or len(set(map(len, tf.nest.flatten(data)))) > 1):
        data = batches.one_pass(data, batch_size, shuffle, seed)
    return data


def shared_out(model: keras.Model, data, batch_size, shuffle: bool = False, equally: bool = False):
    """Returns what Keras takes so that every replica has a share of every batch.

    Args:
        model: that takes them.
        data, batch_size, shuffle: arrays, a dataset, a `PyDataset` or a generator.
        equally: whether all shares are of one size, as in training.
    """
    replicas = model.distribute_strategy.num_replicas_in_sync
    data = batches.untuned(data, batch_size, shuffle, replicas, equally)
    return distribution.shared_out(data, model.distribute_strategy)


def shares_of(model: keras.Model, batch, equally: bool = False):
    """Returns a batch as the shares of this process's replicas; one of one replica as it is.

    As `batches.filled_for_replicas` has it, but without a pipeline, which takes longer to make than
    a step may.

    Args:
        model: that takes them.
        batch: arrays or tensors.
        equally: whether all shares are of one size, as in training.
    """
    strategy = model.distribute_strategy
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return batch

    def share(context: tf.distribute.experimental.ValueContext):
        replica = context.replica_id_in_sync_group

        def cut(leaf):
            filled = -(-len(leaf) // replicas) * replicas if equally else max(len(leaf), replicas)
            own = range(filled * replica // replicas, filled * (replica + 1) // replicas)
            return tf.gather(leaf, [row % len(leaf) for row in own])

        return tf.nest.map_structure(cut, batch)

    return strategy.experimental_distribute_values_from_function(share)


def for_evaluation(model: keras.Model, x, y, batch_size):
    """Returns what Keras evaluates, after a look at its first batch."""
    data = _as_a_dataset(model, _checked_evaluation(model, x, y, batch_size), batch_size)
    return shared_out(model, data, batch_size)


def for_validation(model: keras.Model, data, batch_size, arguments: Mapping):
    """Returns what Keras validates on; `arguments` are the others of `fit`."""
    batches.refuse_endless(data, arguments.get("validation_steps"), "fit", "validation_steps")
    batch_size = arguments.get("validation_batch_size") or batch_size
    return (for_evaluation(model, data, None, batch_size),)
