"""What models refuse before any work starts: images, shapes and networks that can't be right."""

import keras
import numpy as np
import tensorflow as tf


def first_batch_of(data):
    """Returns the first batch of what `fit` takes, or `None` where a look would consume it.

    Args:
        data: a `tf.data.Dataset`, a `PyDataset`, arrays or tensors; anything else gives `None`.
    """
    if isinstance(data, tf.data.Dataset):
        return next(iter(data.take(1)), None)
    if isinstance(data, keras.utils.PyDataset):
        return data[0]
    if isinstance(data, (tuple, list, dict, np.ndarray, tf.Tensor)):
        return tf.nest.map_structure(lambda array: None if array is None else array[:256], data)
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


def check_network(name: str, network: keras.Model, takes: tuple, gives: tuple) -> None:
    """Refuses a network of the user's own whose shapes do not fit.

    Args:
        name: what the argument is called.
        network: with one input and one output.
        takes: shape of its input, batch left out.
        gives: shape of its output, batch left out.

    Raises:
        ValueError: if it takes or gives another.
    """
    received = network.input_shape[1:], network.output_shape[1:]
    if received != (takes, gives):
        raise ValueError(
            f"`{name}` must take shape {takes} and give {gives}, batch left out. Received: a "
            f"network that takes {received[0]} and gives {received[1]}"
        )
