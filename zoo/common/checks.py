"""What models refuse before any work starts: images, shapes and networks that can't be right."""

import keras
import numpy as np
import tensorflow as tf


def first_batch_of(data, batch_size: int | None = None):
    """Returns the first batch of what `fit` takes, or `None` where a look would consume it.

    Args:
        data: a `tf.data.Dataset`, a `PyDataset`, arrays or tensors; anything else gives `None`.
        batch_size: of arrays. Defaults to 32, as in Keras.
    """
    if isinstance(data, tf.data.Dataset):
        return next(iter(data.take(1)), None)
    if isinstance(data, keras.utils.PyDataset):
        return data[0]
    if isinstance(data, (tuple, list, dict, np.ndarray, tf.Tensor)):
        return tf.nest.map_structure(
            lambda array: None if array is None else array[: batch_size or 32], data
        )
    return None


def check_choice(name: str, value, choices: tuple[str, ...]) -> None:
    """Refuses an argument that is none of its choices.

    Raises:
        ValueError: naming them.
    """
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {', '.join(choices)}. Received: {name}={value!r}"
        )


def check_positive_integers(**values) -> None:
    """Refuses arguments that are not integers above 0.

    Raises:
        ValueError: naming the first.
    """
    for name, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")


def check_not_negative(**values) -> None:
    """Refuses arguments below 0, infinite, or no numbers.

    Raises:
        ValueError: naming the first.
    """
    for name, value in values.items():
        if not 0 <= value < float("inf"):
            raise ValueError(f"`{name}` must be 0 or more. Received: {name}={value!r}")


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
        batch: arrays or tensors in any structure; those of rank 4 are taken for images.

    Raises:
        ValueError: if a pixel lies outside [-1, 1], or none lies below 0.
    """
    for leaf in tf.nest.flatten(batch):
        if len(getattr(leaf, "shape", ())) != 4:
            continue
        images = np.asarray(leaf, np.float32)
        lowest, highest = images.min(), images.max()
        in_range = lowest >= -1.001 and highest <= 1.001  # false for NaN
        if not in_range or (lowest >= 0 and highest > 0):
            raise ValueError(
                "Images must be scaled to [-1, 1], such as by `images / 127.5 - 1` for bytes. "
                f"Received: pixels from {lowest:g} to {highest:g} in a batch of shape "
                f"{tuple(leaf.shape)}."
            )


def check_unlabelled_images(batch, image_shape) -> None:
    """Refuses what is not a batch of images alone, of the model's own size, in [-1, 1].

    Args:
        batch: what `fit` would hand to `train_step`.
        image_shape: (height, width, channels) of the model.

    Raises:
        ValueError: if the structure, the size or the range is another.
    """
    shapes = tf.nest.map_structure(lambda leaf: tuple(leaf.shape), batch)
    if not isinstance(batch, (np.ndarray, tf.Tensor)) or shapes[1:] != tuple(image_shape):
        raise ValueError(
            f"fit() takes batches of images of shape {tuple(image_shape)} and nothing else, such "
            f"as those of zoo.datasets.load(). Received a batch of shapes {shapes}."
        )
    check_image_range(batch)


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


def require_parts(images: tf.Tensor, num_parts: int, player: str) -> None:
    """Stops a train step whose batch can't be cut into a part for each step of a player.

    A part without images has no mean, and would take the weights with it.

    Raises:
        InvalidArgumentError: when the step runs. A last batch may be smaller than the first.
    """
    tf.debugging.assert_greater_equal(
        tf.shape(images)[0],
        num_parts,
        message=(
            f"A batch, or a replica's share of it, must hold an image for each of the {num_parts} "
            f"{player} steps; leave out a smaller last one by drop_remainder=True."
        ),
    )


def check_image_shape(image_shape) -> tuple[int, int, int]:
    """Returns the shape as a tuple.

    Raises:
        ValueError: if it is not three positive integers.
    """
    image_shape = tuple(image_shape)
    if len(image_shape) != 3 or any(not isinstance(s, int) or s < 1 for s in image_shape):
        raise ValueError(
            "`image_shape` must be (height, width, channels), three positive integers. "
            f"Received: image_shape={image_shape}"
        )
    return image_shape


def check_network(name: str, network: keras.Model, takes, gives) -> None:
    """Refuses a network of the user's own whose shapes do not fit.

    Args:
        name: what the argument is called.
        network: functional.
        takes: shape of its input, batch left out; of several inputs a list of shapes.
        gives: shape of its output, likewise.

    Raises:
        ValueError: if it takes or gives another.
    """
    received = _without_batch(network.input_shape), _without_batch(network.output_shape)
    if received != (takes, gives):
        raise ValueError(
            f"`{name}` must take shape {takes} and give {gives}, batch left out. Received: a "
            f"network that takes {received[0]} and gives {received[1]}"
        )


def _without_batch(shape):
    if isinstance(shape, dict):
        return {name: tuple(each[1:]) for name, each in shape.items()}
    if shape and isinstance(shape[0], (tuple, list)):
        return [tuple(each[1:]) for each in shape]
    return tuple(shape[1:])


def refuse_batch_norm(name: str, network: keras.Model) -> None:
    """Refuses a network under a gradient penalty that does not judge each image alone.

    Raises:
        ValueError: naming the layer.
    """
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            raise ValueError(
                f"The gradient penalty needs a {name} that judges each image alone. Take its "
                "batch norm out, or set gradient_penalty_weight=0. Received: a "
                f"{name} with the layer {layer.name!r}"
            )
