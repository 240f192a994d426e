"""What is explored: a model's generator and discriminator, and images that go with it."""

import dataclasses
import random
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo import datasets
from zoo.common.adversarial import AdversarialModel
from zoo.common.checks import as_integer
from zoo.common.latent_model import LatentModel
from zoo.datasets.folder import PREFIX
from zoo.explore.exported import ExportedGenerator, is_export

BATCH_SIZE = 100
# NumPy takes twice as many, and exports more; seeds of several draws are counted up from one.
_LARGEST_SEED = 2**31 - 1
# What makes images of latents.
Generates = LatentModel | ExportedGenerator


# === Networks ===


def generates(model: Any, command: str) -> Generates:
    """Returns what makes images of latents alone: the model, or the functions of an export.

    Args:
        model: any model, or loaded export.
        command: what is asked of it, for the message.

    Raises:
        ValueError: as `latent_model`, or if the export lacks a function.
    """
    return ExportedGenerator(model, command) if is_export(model) else latent_model(model, command)


def name_of(model: Generates) -> str:
    """Names what was asked, for the facts."""
    return "export" if isinstance(model, ExportedGenerator) else type(model).__name__


def refuse_export(model: Any, command: str) -> None:
    """Raises a ValueError where the functions of an export are too little."""
    if is_export(model):
        raise ValueError(
            f"{command} needs the networks of a model, and an export has functions alone. Name the "
            "folder of its run."
        )


def latent_model(model: keras.Model, command: str) -> LatentModel:
    """Returns `model`, having seen to it that it makes images of latents alone.

    Args:
        model: any model.
        command: what is asked of it, for the message.

    Raises:
        ValueError: if it is another, makes points, or takes a condition beside the latents.
    """
    refuse_export(model, command)
    if not isinstance(model, LatentModel) or len(model.image_shape) != 3:
        raise ValueError(
            f"{command} needs a model that makes images of latents, such as DCGAN or FaceGAN. "
            f"Received: a {type(model).__name__}"
            + (" of points in the plane" if isinstance(model, LatentModel) else "")
        )
    if model.condition is not None:
        raise ValueError(
            f"{command} moves latents alone, and the generator of this {type(model).__name__} "
            "takes a condition beside them. Take a model without."
        )
    return model


def discriminator_of(model: keras.Model, command: str) -> keras.Model:
    """Returns the network that judges images: of several the first, of an average the average.

    Args:
        model: a game of a generator and one that judges its images.
        command: what is asked of it, for the message.

    Raises:
        ValueError: if there is none, or it judges no images.
    """
    refuse_export(model, command)
    judges = model.judges if isinstance(model, AdversarialModel) else {}
    network = next(iter(judges.values()), None)
    shape = getattr(network, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4:
        raise ValueError(
            f"{command} needs a model with a discriminator or a critic of images. Received: a "
            f"{type(model).__name__}"
        )
    return network


def copy_of(network: keras.Model) -> keras.Model:
    """Returns a copy with equal weights, which may be changed."""
    with seeded(0):
        copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    return copy


def untrained_copy(network: keras.Model, seed: int) -> keras.Model:
    """Returns the network with the weights it might have begun with."""
    with seeded(seed):
        return keras.models.clone_model(network)


def check_seed(seed: int) -> None:
    """Refuses a seed that not every generator, and every draw, takes.

    Raises:
        ValueError: naming it.
    """
    if as_integer("seed", seed, least=None) not in range(_LARGEST_SEED + 1):
        raise ValueError(
            f"`seed` must be an integer from 0 to {_LARGEST_SEED}. Received: seed={seed}"
        )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds the weights that Keras draws within, and leaves the caller's random numbers alone."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def images_of(model: Generates, latents) -> np.ndarray:
    """Returns the images that the generator makes, as `model.generate` does.

    Args:
        model: without a condition.
        latents: float32 `(number, latent_dim)`.

    Returns:
        float32 `(number, height, width, channels)` in [-1, 1].
    """
    latents = tf.convert_to_tensor(latents, tf.float32)
    batches = [
        np.asarray(
            model.averaged_generator(latents[first : first + BATCH_SIZE], training=False),
            np.float32,
        )
        for first in range(0, len(latents), BATCH_SIZE)
    ]
    return np.concatenate(batches)


# === Images ===


@dataclasses.dataclass(frozen=True, eq=False)
class Data:
    """A data set whose images fit a model.

    Attributes:
        images: the data set.
        options: what `zoo.datasets.open` was given beside the name, which is as little as it takes.
    """

    images: datasets.ImageDataset
    options: dict[str, Any]


def open_images(name: str, image_shape: tuple[int, int, int], **options: Any) -> Data:
    """Opens a data set so that its images have the size and the channels of a model's.

    It is told no more than it takes, and in the form that recipes have: by what a data set was told
    the classifier is found that the training run kept.

    Args:
        name: as for `zoo.datasets.open`.
        image_shape: the model's.
        **options: of `zoo.datasets.open`.

    Raises:
        ValueError: as `zoo.datasets.open`.
    """
    height, width, channels = image_shape
    image_size = height if height == width else (height, width)
    if name.startswith(PREFIX):  # its images have no size of their own, and three channels
        options = {"image_size": image_size, **options}
        if channels != 3:
            options["channels"] = channels
    images = datasets.open(name, **options)
    own_shape = tuple(images.description.image_shape)
    if own_shape == (height, width, channels):
        return Data(images, options)
    if own_shape[:2] != (height, width):
        options["image_size"] = image_size
    if own_shape[2] != channels:
        options["channels"] = channels
    return Data(datasets.open(name, **options), options)


def require_split(images: datasets.ImageDataset, *wanted: str) -> str:
    """Returns the first of the wanted splits that the data set has.

    Raises:
        ValueError: if it has none of them.
    """
    for split in wanted:
        if split in images.description.num_examples:
            return split
    raise ValueError(
        f"{images.name!r} has no split {' or '.join(map(repr, wanted))}, but "
        f"{', '.join(map(repr, sorted(images.description.num_examples)))}. Name another data set."
    )


def first_images(images: datasets.ImageDataset, split: str, number: int) -> np.ndarray:
    """Returns the first images of a split, or all if there are fewer."""
    batches = images.batches(split, batch_size=BATCH_SIZE).unbatch().take(number).batch(BATCH_SIZE)
    return np.concatenate(list(batches.as_numpy_iterator()))


def progress(steps: Iterable | None, description: str, total: int | None = None) -> Any:
    """Shows a bar over steps, or one to be updated, where somebody looks at the screen."""
    from tqdm import tqdm

    return tqdm(steps, desc=description, total=total, disable=not sys.stderr.isatty())
