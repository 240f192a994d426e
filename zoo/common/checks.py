"""What models refuse before any work starts: images, shapes and networks that can't be right."""

import functools
import numbers
import operator
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def check_choice(name: str, value, choices: tuple[str, ...]) -> None:
    """Refuses an argument that is none of its choices.

    Raises:
        ValueError: naming them.
    """
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {', '.join(choices)}. Received: {name}={value!r}"
        )


def as_integer(name: str, value, least: int | None = 1) -> int:
    """Returns an integer of any kind, such as NumPy's, as one of Python's, which JSON holds.

    Args:
        name: of the argument.
        value: of it.
        least: that it may be, or None for any. Defaults to 1.

    Raises:
        ValueError: if it is no integer, such as a boolean or a float, or less.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or (least is not None and number < least):
        wanted = {None: "an integer", 1: "a positive integer"}.get(
            least, f"an integer of {least} or more"
        )
        raise ValueError(f"`{name}` must be {wanted}. Received: {name}={value!r}")
    return number


def check_positive_integers(**values) -> None:
    """Refuses arguments that are not integers above 0.

    Raises:
        ValueError: naming the first.
    """
    for name, value in values.items():
        as_integer(name, value)


def check_not_negative_integers(**values) -> None:
    """Refuses arguments that are not integers of 0 or more.

    Raises:
        ValueError: naming the first.
    """
    for name, value in values.items():
        as_integer(name, value, least=0)


def without_numpy_scalars(value: Any) -> Any:
    """Returns a number of NumPy's as Python's own, also within tuples and lists.

    Keras takes none of NumPy's for sizes, and JSON none at all.
    """
    if isinstance(value, np.generic):
        return value.item()
    if type(value) in (tuple, list):
        return type(value)(map(without_numpy_scalars, value))
    return value


def takes_numpy_scalars(function: Callable) -> Callable:
    """Has a function take numbers of NumPy's as it does Python's; see `without_numpy_scalars`."""

    @functools.wraps(function)
    def function_of_python_numbers(*arguments, **named):
        return function(
            *map(without_numpy_scalars, arguments),
            **{name: without_numpy_scalars(value) for name, value in named.items()},
        )

    return function_of_python_numbers


def _is_number(value) -> bool:
    return isinstance(value, (numbers.Real, np.number)) and not isinstance(value, bool)


def check_not_negative(**values) -> None:
    """Refuses arguments below 0, infinite, or no numbers.

    Raises:
        ValueError: naming the first.
    """
    for name, value in values.items():
        if not _is_number(value) or not 0 <= value < float("inf"):
            raise ValueError(f"`{name}` must be 0 or more. Received: {name}={value!r}")


def check_positive(**values) -> None:
    """Refuses arguments of 0 or less, infinite, or no numbers.

    Raises:
        ValueError: naming the first.
    """
    for name, value in values.items():
        if not _is_number(value) or not 0 < value < float("inf"):
            raise ValueError(f"`{name}` must be more than 0. Received: {name}={value!r}")


def check_square(image_shape) -> None:
    """Refuses images whose sides differ.

    Raises:
        ValueError: naming the shape.
    """
    if image_shape[0] != image_shape[1]:
        raise ValueError(f"Images must be square. Received: image_shape={image_shape}")


def check_image_range(batch) -> None:
    """Refuses images that were not scaled to [-1, 1].

    Args:
        batch: arrays or tensors in any structure; those of rank 4 are taken for images, others of
            floating point for points, which may lie anywhere.

    Raises:
        ValueError: if a number is not finite, a pixel lies outside [-1, 1], or some are exactly 0
            and none lies below: no byte that is scaled to [-1, 1] is 0, and black in [0, 1] is.
    """
    for points in _leaves_in(batch, lambda rank: rank < 4):
        if points.dtype.kind == "f":
            _refuse_not_finite("Numbers", points)
    for images in _leaves_in(batch, lambda rank: rank == 4):
        if not len(images):
            continue
        lowest, highest = _bounds_of(images)
        if not (np.isfinite(lowest) and np.isfinite(highest)):
            _refuse_not_finite("Pixels", images)
        in_range = lowest >= -1.001 and highest <= 1.001
        if not in_range or (lowest == 0 and highest > 0):
            how = "2 * images - 1" if in_range else "images / 127.5 - 1"
            raise ValueError(
                f"Images must be scaled to [-1, 1], such as by `{how}`. Received: pixels from "
                f"{lowest:g} to {highest:g} in a batch of shape {images.shape}."
            )


def _bounds_of(images: np.ndarray) -> tuple[float, float]:
    if images.dtype.itemsize > 2:
        return images.min(), images.max()
    # NumPy compares halves one by one, ten times as slowly as it casts and compares a block.
    blocks = (images[row : row + 256].astype(np.float32) for row in range(0, len(images), 256))
    lowest, highest = zip(*((block.min(), block.max()) for block in blocks), strict=True)
    return np.min(lowest), np.max(highest)


def _refuse_not_finite(what: str, rows: np.ndarray) -> None:
    is_finite = np.isfinite(rows)
    if not is_finite.all():
        row, *_ = np.argwhere(~is_finite)[0]
        received = rows[row][~is_finite[row]][0] if rows.ndim > 1 else rows[row]
        raise ValueError(
            f"{what} must be finite; mend such rows, or leave them out. Received: {received} in "
            f"row {row} of a batch of shape {rows.shape}."
        )


def _leaves_in(batch, has_rank: Callable[[int], bool]) -> list[np.ndarray]:
    leaves = [leaf for leaf in tf.nest.flatten(batch) if hasattr(leaf, "shape")]
    return [np.asarray(leaf) for leaf in leaves if has_rank(len(leaf.shape))]


def check_brightness(batches: Iterable) -> None:
    """Looks for a pixel below 0, of which images in [0, 1] have none.

    Args:
        batches: the first ones; no more are taken than are needed to find one.

    Raises:
        ValueError: as `check_image_range`, of any of them.

    Warns:
        UserWarning: if all pixels are above 0, which those of bright images in [-1, 1] may be too.
    """
    num_images = 0
    for batch in batches:
        check_image_range(batch)
        # All parts as one: a whole domain may be bright, such as one of day beside one of night.
        parts = [images for images in _leaves_in(batch, lambda rank: rank == 4) if len(images)]
        if any(images.min() <= 0 for images in parts):
            return
        num_images += max(map(len, parts), default=0)
    if num_images:
        warnings.warn(
            f"No pixel of the first {num_images} images is below 0: if they are scaled to [0, 1], "
            "scale them to [-1, 1], such as by `2 * images - 1`; if they are so bright, all is "
            "well.",
            stacklevel=2,
        )


def check_labels(labels, num_classes: int) -> None:
    """Refuses labels that name no class.

    Args:
        labels: integers.
        num_classes: K.

    Raises:
        ValueError: if one is not in [0, K).
    """
    lowest, highest = int(np.min(labels)), int(np.max(labels))
    if lowest < 0 or highest >= num_classes:
        raise ValueError(
            f"Labels must be 0 … {num_classes - 1}, for num_classes={num_classes}; take 1 off if "
            f"yours begin at 1, and leave images without a label out. Received: labels from "
            f"{lowest} to {highest}."
        )


def require_labels(labels: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Stops a step without XLA in whose batch a label names no class.

    Args:
        labels: integers.
        num_classes: K.

    Returns:
        The labels as int32, for the step to go on with.

    Raises:
        InvalidArgumentError: when the step runs.
    """
    labels = tf.cast(labels, tf.int32)
    wanted = f"Labels must be 0 … {num_classes - 1}; leave images without a label out. Received:"
    are_classes = tf.reduce_all((labels >= 0) & (labels < num_classes))
    assertion = tf.debugging.Assert(are_classes, [wanted, labels])
    with tf.control_dependencies([assertion] if assertion is not None else []):
        return tf.identity(labels)


def check_parts(batch, num_parts: int, player: str) -> None:
    """Refuses a batch too small to be cut into a part for each step of a player.

    Raises:
        ValueError: naming the size that it has.
    """
    if len(batch) < num_parts:
        raise ValueError(
            f"A batch must hold at least one image for each of the {num_parts} {player} steps. "
            f"Received: a batch of {len(batch)}."
        )


def require_parts(images: tf.Tensor, num_parts: int, player: str) -> tf.Tensor:
    """Stops a train step whose batch can't be cut into a part for each step of a player.

    A part without images has no mean, and would take the weights with it.

    Returns:
        The images, for the step to go on with: what does not wait for the look runs beside it.

    Raises:
        InvalidArgumentError: when the step runs. A last batch may be smaller than the first.
    """
    return with_images(
        images,
        num_parts,
        f"A batch, or a replica's share of it, must hold an image for each of the {num_parts} "
        f"{player} steps; leave out a smaller last one by drop_remainder=True.",
    )


def with_images(images: tf.Tensor, least: int, message: str) -> tf.Tensor:
    """Returns images of a batch that holds so many, after a look when the step runs.

    Args:
        images: `(batch, ...)`.
        least: how many there must be.
        message: what the error says. XLA, which knows no assertions, says in its own words that so
            many can't be taken, and names `too_few_images`.

    Raises:
        InvalidArgumentError: when the step runs.
    """
    assertion = tf.debugging.assert_greater_equal(tf.shape(images)[0], least, message=message)
    with tf.control_dependencies([assertion] if assertion is not None else []):
        images, rank = tf.identity(images), len(images.shape)
    sizes = [least, *[-1] * (rank - 1)]
    with tf.control_dependencies([tf.slice(images, [0] * rank, sizes, name="too_few_images")]):
        return tf.identity(images)


def check_image_shape(image_shape, or_points: bool = False) -> tuple[int, ...]:
    """Returns the shape as a tuple.

    Args:
        image_shape: (height, width, channels).
        or_points: whether it may be (2,) too, that of points in the plane.

    Raises:
        ValueError: if it is not three positive integers.
    """
    try:
        image_shape = tuple(image_shape)
        if or_points and image_shape == (2,):
            return (2,)
        height, width, channels = (as_integer("image_shape", size) for size in image_shape)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "`image_shape` must be (height, width, channels), three positive integers"
            f"{', or (2,) for points' if or_points else ''}. Received: image_shape={image_shape!r}"
        ) from error
    return height, width, channels


def check_network(name: str, network: keras.Model, takes, gives) -> None:
    """Refuses a network of the user's own whose shapes do not fit.

    Args:
        name: what the argument is called.
        network: functional, or a built `Sequential`.
        takes: shape of its input, batch left out; of several inputs a list of shapes.
        gives: shape of its output, likewise.

    Raises:
        ValueError: if it takes or gives another, its shapes are not known, or it ends in a sigmoid
            or softmax.
    """
    check_known(name, network)
    received = _without_batch(network.input_shape), _without_batch(network.output_shape)
    if received != (takes, gives):
        raise ValueError(
            f"`{name}` must take shape {takes} and give {gives}, batch left out. Received: a "
            f"network that takes {received[0]} and gives {received[1]}"
        )
    if name != "generator" or len(gives) == 3:  # points may lie anywhere
        refuse_squashed_output(name, network, gives_images=len(gives) == 3)


def check_known(name: str, network) -> None:
    """Refuses a network of which Keras does not know the shapes.

    Raises:
        ValueError: naming how to build one.
    """
    if getattr(network, "built", False) is not True or not hasattr(network, "input_shape"):
        raise ValueError(
            f"`{name}` must be a network of known shapes, keras.Model(inputs, outputs) or a "
            f"keras.Sequential that begins with a keras.Input. Received: {network!r}"
        )


# Neither gives a pixel below 0; a logit within bounds says nothing for sure.
_POSITIVE = ("sigmoid", "hardsigmoid", "softmax", "relu", "relu6", "softplus", "exp", "exponential")
_BOUNDED = ("sigmoid", "hardsigmoid", "logsigmoid", "softmax", "logsoftmax", "tanh", "hardtanh")
_UNCHANGING = (keras.layers.Reshape, keras.layers.Flatten, keras.layers.Identity)


def refuse_squashed_output(name: str, network: keras.Model, gives_images: bool) -> None:
    """Refuses a network that ends in what squashes its outputs: such train, but to nothing.

    Args:
        name: what the argument is called.
        network: of known shapes.
        gives_images: or logits.

    Raises:
        ValueError: saying what to end in.
    """
    for output in network.outputs:
        kind = _kind(_last_computation(output))
        if kind.replace("_", "").lower() in (_POSITIVE if gives_images else _BOUNDED):
            logits = f"logits; leave the {kind} out"
            wanted = "pixels in [-1, 1]; end it in a tanh" if gives_images else logits
            raise ValueError(
                f"`{name}` must give {wanted}. Received: a network that ends in a {kind}"
            )


def _last_computation(output):
    """Returns the operation that makes an output, of those that change its numbers."""
    operation, node_index, output_index = output._keras_history
    if isinstance(operation, keras.Model) and hasattr(operation, "outputs"):
        return _last_computation(operation.outputs[output_index])
    is_linear = isinstance(operation, keras.layers.Activation) and _kind(operation) == "linear"
    if is_linear or isinstance(operation, _UNCHANGING):
        return _last_computation(operation._inbound_nodes[node_index].input_tensors[0])
    return operation


def _kind(operation) -> str:
    """Returns what an operation applies to numbers: its activation's name, or its own."""
    if getattr(operation, "negative_slope", 0):  # of a leaky `keras.layers.ReLU`
        return ""
    activation = getattr(operation, "activation", None)
    return getattr(activation, "__name__", "") if activation else type(operation).__name__


def _without_batch(shape):
    if isinstance(shape, dict):
        return {name: tuple(each[1:]) for name, each in shape.items()}
    if shape and isinstance(shape[0], (tuple, list)):
        return [tuple(each[1:]) for each in shape]
    return tuple(shape[1:])


def refuse_company(name: str, network: keras.Model) -> None:
    """Refuses a network under a gradient penalty that judges an image by those beside it.

    The standard deviation of a minibatch is let through: Karras et al. (2018, 2020) have it so.

    Raises:
        ValueError: naming the layer.
    """
    for layer in network._flatten_layers():
        is_batch_norm = isinstance(layer, keras.layers.BatchNormalization)
        if is_batch_norm or getattr(layer, "compares_images", False):
            kind = "batch norm" if is_batch_norm else "minibatch discrimination"
            raise ValueError(
                f"The gradient penalty needs a {name} that judges each image alone. Take its "
                f"{kind} out, or set the weight of the penalty to 0. Received: a "
                f"{name} with the layer {layer.name!r}"
            )
