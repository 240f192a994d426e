"""What Keras hands to a step, from whatever it was given: unpacked, checked, of one type.

The form of a batch is told by a structure of `tf.TensorSpec`, tuples within tuples: those of rank 4
are images, those of integers and rank 1 are labels, and the names are for messages.
"""

import math
import numbers
from collections.abc import Callable, Iterator, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
from keras.src.trainers.data_adapters import data_adapter, get_data_adapter

BATCH_SIZE = 32  # of arrays, as in Keras
LONGEST_DESCRIPTION = 300
# Of which Keras itself takes data, such as loaders of torch.
ADAPTED = {"grain", "keras", "tensorflow", "torch"}


def images_spec(image_shape, name: str = "images") -> tf.TensorSpec:
    """Returns the form of a batch of images."""
    return tf.TensorSpec((None, *image_shape), tf.float32, name)


def unpacked(data):
    """Takes off what Keras wraps a batch in: `(x,)`, `(x, None, None)`, lists.

    `(x, y)` stays a pair, so that `(images_a, images_b)` is one thing, whether Keras took it for
    inputs or for inputs and targets.
    """
    data = _without_lists(data)
    while isinstance(data, tuple):
        while data and data[-1] is None:
            data = data[:-1]
        if len(data) != 1:
            break
        data = data[0]
    return data


def _without_lists(data):
    if isinstance(data, list) and _is_of_numbers(data):
        return np.asarray(data)
    if isinstance(data, (tuple, list)):
        return tuple(_without_lists(each) for each in data)
    return data


def _is_of_numbers(data) -> bool:
    """Tells whether the first of nested lists holds numbers, and so all of them one array."""
    while isinstance(data, list) and data:
        data = data[0]
    return isinstance(data, numbers.Number)


def are_arrays(data) -> bool:
    """Tells whether data are arrays or tensors in any structure, of which rows can be taken."""
    return all(isinstance(leaf, (np.ndarray, tf.Tensor)) for leaf in tf.nest.flatten(data))


def are_in_memory(data) -> bool:
    """Tells whether data are arrays of which all rows are at hand, so that a look costs little."""
    return (
        data is not None and are_arrays(data) and not any(map(_is_on_disk, tf.nest.flatten(data)))
    )


def _is_on_disk(array) -> bool:
    # What was computed of a memory map has its type, and no file.
    while array is not None:
        if isinstance(array, np.memmap) and array.filename is not None:
            return True
        array = getattr(array, "base", None)
    return False


def check_source(data, method: str) -> None:
    """Refuses what neither holds batches nor can be asked for them.

    Args:
        data: what `method` was given.
        method: what was called, for the message.

    Raises:
        ValueError: saying what to give.
    """
    kinds = (tf.data.Dataset, keras.utils.PyDataset, Iterator, list, tuple, dict)
    packages = {kind.__module__.partition(".")[0] for kind in type(data).__mro__}
    if isinstance(data, (tf.RaggedTensor, tf.SparseTensor)):
        raise ValueError(
            f"{method}() takes images of one size; make dense ones of them, such as by "
            f"`images.to_tensor()`. Received: {type(data).__name__}"
        )
    if not isinstance(data, kinds) and not hasattr(data, "__array__") and not packages & ADAPTED:
        raise ValueError(
            f"{method}() takes arrays, a tf.data.Dataset, a keras.utils.PyDataset or a generator "
            f"of batches, such as a function of yours returns. Received: {data!r}"
        )


def with_first_batch(data, batch_size: int | None = None):
    """Looks at the first batch of what `fit` takes.

    Args:
        data: arrays, a `tf.data.Dataset`, a `PyDataset` or an iterator.
        batch_size: of arrays.

    Returns:
        The first batch, or `None` if a look is not possible; and what to hand on in place of the
        data, since the look takes a batch out of an iterator.
    """
    if isinstance(data, tf.data.Dataset):
        return unpacked(next(iter(data.take(1)), None)), data
    if isinstance(data, keras.utils.PyDataset):
        return None if data.num_batches == 0 else unpacked(data[0]), data
    if isinstance(data, Iterator):
        for batch in data:
            return unpacked(batch), _continued(batch, data)
        return None, data
    if data is not None and are_arrays(data):
        return tf.nest.map_structure(lambda rows: rows[: batch_size or BATCH_SIZE], data), data
    return None, data


def known_rows(data) -> int | None:
    """Returns how many rows there are, of arrays or of what is known to be a single batch."""
    is_one_batch = (isinstance(data, tf.data.Dataset) and int(data.cardinality()) == 1) or (
        isinstance(data, keras.utils.PyDataset) and data.num_batches == 1
    )
    if is_one_batch:
        data, _ = with_first_batch(data)
    if isinstance(data, Iterator) or not are_arrays(data):
        return None
    return max(map(len, tf.nest.flatten(data)), default=None)


def refuse_empty(first_batch, data, method: str) -> None:
    """Refuses data without a row, of which Keras says nothing, or not what is missing.

    Args:
        first_batch: of the data, as `with_first_batch` gives it.
        data: from which it was taken.
        method: what was called, for the message.

    Raises:
        ValueError: saying what was empty.
    """
    kinds = (tf.data.Dataset, keras.utils.PyDataset, Iterator)
    received = None
    if first_batch is None:
        if isinstance(data, kinds):
            received = "no batch; drop_remainder=True leaves none of fewer rows than one has"
    elif not tf.nest.flatten(first_batch) or (0,) in [s[:1] for s in _shapes_of(first_batch)]:
        received = f"a batch of shapes {_shapes(first_batch)}"
    if received is not None:
        raise ValueError(f"{method}() takes one row or more. Received: {received}.")


def further_batches(data, batch_size: int | None = None, num_images: int = 256):
    """Gives the batches after the first, until about so many images are seen; none of iterators."""
    first_batch, data = (None, None) if isinstance(data, Iterator) else with_first_batch(data)
    if first_batch is None:
        return
    batch_size = batch_size or len(tf.nest.flatten(first_batch)[0])
    last = math.ceil(num_images / max(batch_size, 1))
    if isinstance(data, tf.data.Dataset):
        yield from map(unpacked, data.skip(1).take(last - 1))
    elif isinstance(data, keras.utils.PyDataset):
        stop = last if data.num_batches is None else min(last, data.num_batches)
        yield from (unpacked(data[number]) for number in range(1, stop))
    else:
        yield tf.nest.map_structure(lambda rows: rows[batch_size:num_images], data)


def _continued(first, others: Iterator):
    """Gives all batches, in the tuple that Keras demands of a generator."""
    yield (unpacked(first),)
    for batch in others:
        yield (unpacked(batch),)


def refuse_endless(data, steps: int | None, method: str, argument: str) -> None:
    """Refuses data that never end where nobody said when to stop.

    Args:
        data: as for `with_first_batch`. Those of `zoo.datasets` know how many steps one pass takes.
        steps: after how many to stop, or `None`.
        method: what was called, and
        argument: what `steps` is called there, for the message.

    Raises:
        ValueError: naming the number, where it is known.
    """
    endless_dataset = (
        isinstance(data, tf.data.Dataset) and data.cardinality() == tf.data.INFINITE_CARDINALITY
    )
    endless_sequence = isinstance(data, keras.utils.PyDataset) and data.num_batches is None
    if steps is not None or not (endless_dataset or endless_sequence):
        return
    known = getattr(data, "steps_per_epoch", None)
    advice = f"={known} for one pass, or repeat=False" if known else ", or leave out repeat()"
    raise ValueError(
        f"{method}() would never end on data that repeat for ever; give {argument}{advice}. "
        f"Received: {argument}=None."
    )


# === Form ===


def check_form(batch, spec, method: str) -> None:
    """Refuses a batch of another structure, image size or kind of number than `spec`.

    Args:
        batch: arrays or tensors, unpacked.
        spec: the form that is wanted.
        method: what was called, for the message.

    Raises:
        ValueError: naming what is wanted and what was received.
    """
    if not _has_form(batch, spec):
        raise ValueError(
            f"{method}() takes {_described(spec)}.{_advice(batch, spec)} Received a batch of "
            f"shapes {_shapes(batch)}."
        )
    for leaf, leaf_spec in zip(tf.nest.flatten(batch), tf.nest.flatten(spec), strict=True):
        dtype = tf.as_dtype(leaf.dtype)
        if is_images(leaf_spec) and not dtype.is_floating:
            raise ValueError(
                "Images must be scaled to [-1, 1], such as by `images / 127.5 - 1` for bytes. "
                f"Received: {leaf_spec.name} of type {dtype.name}."
            )
        if leaf_spec.dtype.is_integer and not dtype.is_integer:
            raise ValueError(
                f"{method}() takes {leaf_spec.name} as integers, such as by "
                f"`{leaf_spec.name}.astype('int32')`. Received: type {dtype.name}."
            )


def check_lengths(arrays, are_separate: bool, method: str) -> None:
    """Refuses arrays of different length whose rows belong together.

    Args:
        arrays: of the form that is wanted; nothing else is looked at.
        are_separate: whether each part of them goes through passes of its own.
        method: what was called, for the message.

    Raises:
        ValueError: naming the shapes.
    """
    if not are_arrays(arrays):
        return
    for part in arrays if are_separate else (arrays,):
        if len({len(leaf) for leaf in tf.nest.flatten(part)}) > 1:
            raise ValueError(
                f"{method}() takes arrays of one length where rows belong together, as images and "
                f"their labels do. Received: arrays of shapes {_shapes(part)}."
            )


def is_images(spec: tf.TensorSpec) -> bool:
    """Tells images from labels and other conditions."""
    return spec.shape.rank == 4


def _has_form(batch, spec) -> bool:
    if isinstance(spec, tuple):
        return (
            isinstance(batch, tuple)
            and len(batch) == len(spec)
            and all(map(_has_form, batch, spec))
        )
    if not hasattr(batch, "shape"):
        return False
    shape = tf.TensorShape(batch.shape)
    is_column = spec.shape.rank == 1 and shape.rank == 2 and shape[1] == 1
    return is_column or shape.is_compatible_with(spec.shape)


def _described(spec) -> str:
    if isinstance(spec, tf.TensorSpec) and not is_images(spec):
        return f"batches of {spec.name} of shape {tuple(spec.shape[1:])} and nothing else"
    shapes = {tuple(each.shape[1:]) for each in tf.nest.flatten(spec) if is_images(each)}
    of_shape = f"images of shape {' and '.join(map(str, sorted(shapes)))}"
    if isinstance(spec, tuple):
        return f"batches {_names(spec)} with {of_shape}"
    return f"batches of {of_shape} and nothing else"


def _names(spec) -> str:
    if isinstance(spec, tuple):
        return f"({', '.join(map(_names, spec))})"
    return spec.name


def _advice(batch, spec) -> str:
    if isinstance(batch, Mapping) and batch:
        key = next(iter(batch))
        return f" Take what is meant out of it, such as by `data.map(lambda x: x[{key!r}])`."
    if isinstance(batch, tuple) and not isinstance(spec, tuple):
        if _has_form(batch[0], spec):
            return " Leave labels out, such as by `data.map(lambda images, labels: images)`."
        if len(set(_shapes_of(batch))) == 1 and _shapes_of(batch)[0] == spec.shape[1:]:
            return " Make one array of all, by `np.stack`."
    takes_images_alone = isinstance(spec, tuple) and all(map(is_images, tf.nest.flatten(spec)))
    if takes_images_alone and any(len(shape) == 1 for shape in _shapes_of(batch)):
        return f" Labels have no place here; give images for each, as by `fit({_names(spec)})`."
    if "labels" in _names(spec) and any(len(shape) == 2 for shape in _shapes_of(batch)):
        return " Of one-hot labels take `labels.argmax(axis=-1)`."
    pairs = zip(_shapes_of(batch), tf.nest.flatten(spec), strict=False)
    return "".join({_advice_on_axes(shape, wanted.shape): None for shape, wanted in pairs})


def _advice_on_axes(shape: tuple, wanted: tf.TensorShape) -> str:
    one = tuple(wanted[1:])
    if shape == one:
        return " Make batches of single ones, such as by `data.batch(64)`."
    if len(one) == 3 and (*shape[1:], 1) == one:
        return " Give grey images an axis for their channel, by `images[..., np.newaxis]`."
    if len(one) == 3 and shape[1:] == (one[2], *one[:2]):
        return " Channels come last, as after `np.moveaxis(images, 1, -1)`."
    return ""


def _shapes_of(batch) -> list[tuple]:
    return [tuple(leaf.shape) for leaf in tf.nest.flatten(batch) if hasattr(leaf, "shape")]


def _shapes(batch) -> str:
    shapes = tf.nest.map_structure(
        lambda leaf: tuple(leaf.shape) if hasattr(leaf, "shape") else type(leaf).__name__, batch
    )
    text = str(shapes)
    return text if len(text) < LONGEST_DESCRIPTION else f"{text[:LONGEST_DESCRIPTION]} ..."


def conformed(batch, spec):
    """Returns a batch of that form as tensors of its types and shapes; labels lose a last 1."""

    def conform(leaf, leaf_spec):
        tensor = tf.cast(leaf, leaf_spec.dtype)
        if leaf_spec.shape.rank == 1 and tensor.shape.rank == 2:
            tensor = tensor[:, 0]
        if not tensor.shape.is_subtype_of(leaf_spec.shape):
            tensor = tf.ensure_shape(tensor, leaf_spec.shape)
        return tensor

    return tf.nest.map_structure(conform, batch, spec)


# === Replicas ===


def filled_for_replicas(
    data: tf.data.Dataset, replicas: int, equally: bool = False
) -> tf.data.Dataset:
    """Repeats rows of a batch that has fewer than there are replicas, the last of a pass.

    A replica without a row has no mean, and would take the weights of all with it.

    Args:
        data: batches.
        replicas: how many there are.
        equally: whether every batch is filled so, until all shares are equal: what draws for the
            global batch in training, or keeps a pool of it, finds its place by its share's size.
    """

    def fill(*batch):
        def fill_rows(leaf):
            rows = tf.shape(leaf)[0]
            filled = tf.maximum(-(-rows // replicas), 1) * replicas if equally else replicas
            order = tf.range(filled) % tf.maximum(rows, 1)
            return tf.cond(rows < filled, lambda: tf.gather(leaf, order), lambda: leaf)

        batch = batch if len(batch) > 1 else batch[0]
        return tf.nest.map_structure(fill_rows, batch)

    return data.map(fill)


def require_rows(batch):
    """Stops a step on a replica whose share of the batch is empty.

    Raises:
        InvalidArgumentError: when the step runs.
    """
    assertion = tf.debugging.assert_positive(
        tf.shape(tf.nest.flatten(batch)[0])[0],
        message="Each replica needs a row of every batch; leave out a smaller last one.",
    )
    with tf.control_dependencies([assertion] if assertion is not None else []):
        return tf.nest.map_structure(tf.identity, batch)


# === Arrays ===


def one_pass(
    arrays, batch_size: int | None, shuffle: bool, seed: int | None = None
) -> tf.data.Dataset:
    """Gives batches of arrays whose rows belong together, the last of which may be smaller.

    Those that are shorter than the longest begin again at its end.
    """
    rows = _rows_in_order(arrays, shuffle, seed)
    return _gathered(rows.batch(batch_size or BATCH_SIZE), arrays).with_options(_options())


def separate_passes(
    parts: Sequence, num_rows: int, batch_size: int | None, shuffle: bool, seed: int
) -> tf.data.Dataset:
    """Gives batches of arrays each of which goes through passes of its own, in orders of its own.

    All batches are full: where one pass ends within a batch, the next begins.

    Args:
        parts: arrays, or tuples of arrays whose rows belong together.
        num_rows: rows after which an epoch ends.
        batch_size: rows of a batch, at most `num_rows`. Defaults to `None`: 32, as in Keras.
        shuffle: whether each pass has another order, or that of the arrays.
        seed: of these orders.
    """
    batch_size = min(batch_size or BATCH_SIZE, num_rows)
    streams = [
        _passes(part, batch_size, shuffle, seed + number) for number, part in enumerate(parts)
    ]
    batches = tf.data.Dataset.zip(tuple(streams)).take(math.ceil(num_rows / batch_size))
    return batches.prefetch(2).with_options(_options())


def _passes(part, batch_size: int, shuffle: bool, seed: int) -> tf.data.Dataset:
    rows = _rows_in_order(part, shuffle, seed).repeat()
    return _gathered(rows.batch(batch_size, drop_remainder=True), part)


def _rows_in_order(arrays, shuffle: bool, seed: int | None) -> tf.data.Dataset:
    num_rows = max(map(len, tf.nest.flatten(arrays)))
    rows = tf.data.Dataset.range(num_rows)
    if shuffle:
        rows = rows.shuffle(num_rows, seed=seed, reshuffle_each_iteration=True)
    return rows


def _gathered(rows: tf.data.Dataset, arrays) -> tf.data.Dataset:
    with tf.device("CPU"):
        tensors = tf.nest.map_structure(tf.convert_to_tensor, arrays)
    return rows.map(
        lambda chosen: tf.nest.map_structure(
            lambda tensor: tf.gather(tensor, chosen % len(tensor)), tensors
        )
    )


def _options() -> tf.data.Options:
    options = _without_tuning()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    # The rewriting of the graph would copy the arrays.
    options.experimental_optimization.apply_default_optimizations = False
    return options


# === The end of a pass ===


def untuned(
    data,
    batch_size: int | None = None,
    shuffle: bool = False,
    replicas: int = 1,
    equally: bool = False,
):
    """Returns what Keras is to take in place of data, so that a pass ends with its last batch.

    TensorFlow tunes a pipeline in a thread that sleeps for 10 ms, 20 ms, 40 ms and so on, and the
    end of a pass waits until it wakes: what takes 6 s may end after 10. Without it, whatever asks
    for `tf.data.AUTOTUNE` has as many calls in parallel as there are cores, from the first batch
    on; no stage is given less.

    Args:
        data: arrays, a `tf.data.Dataset`, a `PyDataset` or a generator.
        batch_size: of arrays. Defaults to `None`: 32, as in Keras.
        shuffle: whether Keras is to shuffle arrays or the batches of a `PyDataset`.
        replicas, equally: as `filled_for_replicas` takes them, of which each gets a share.
    """

    def prepared(dataset: tf.data.Dataset) -> tf.data.Dataset:
        if replicas > 1:
            dataset = filled_for_replicas(dataset, replicas, equally)
        return dataset.with_options(_without_tuning())

    if isinstance(data, tf.data.Dataset):
        return prepared(data)
    return _Untuned(get_data_adapter(data, batch_size=batch_size, shuffle=shuffle), prepared)


def _without_tuning() -> tf.data.Options:
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


class _Untuned(data_adapter.DataAdapter):
    """What Keras makes of the data, but for the tuning."""

    def __init__(self, adapter: data_adapter.DataAdapter, prepared: Callable) -> None:
        self._adapter = adapter
        self._prepared = prepared
        self.on_epoch_begin = adapter.on_epoch_begin
        self.on_epoch_end = adapter.on_epoch_end

    def get_tf_dataset(self) -> tf.data.Dataset:
        return self._prepared(self._adapter.get_tf_dataset())

    @property
    def num_batches(self) -> int | None:
        return self._adapter.num_batches

    @property
    def batch_size(self) -> int | None:
        return self._adapter.batch_size

    @property
    def has_partial_batch(self) -> bool | None:
        return self._adapter.has_partial_batch

    @property
    def partial_batch_size(self) -> int | None:
        return self._adapter.partial_batch_size
