"""Every variant of the zoo, once. `contract_test.py` holds each to the contract.

A new variant is one more `Case`; what the fields mean is said at the class.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

import zoo
from zoo.common.adversarial import AdversarialModel
from zoo.common.layers import WeightNormalizedDense


@dataclasses.dataclass(frozen=True)
class Case:
    """What the contract test must know of a variant.

    Attributes:
        name: the variant's, and the test's.
        build: returns a small model, with every layer that the real one has.
        build_without_noise: returns a small model that draws nothing but latents, for the test
            that two replicas equal one.
        batch: maps a batch size to one training batch of deterministic images with structure.
        evaluation_batch: the same for `evaluate`; `None` if the variant has no `test_step`.
        inputs: maps a batch size to an input of `predict`.
        parameters: the exact number of parameters of each network of the full-size model.
        build_full_size: returns the model that `parameters` counts.
        training_logs: exact keys of the logs of `fit`.
        evaluation_logs: exact keys of the logs of `evaluate`.
        discriminator_steps: discriminator updates for each step, the generator taking one.
        bad_arguments: constructor arguments, and what the error must say.
    """

    name: str
    build: Callable[[], AdversarialModel]
    build_without_noise: Callable[[], AdversarialModel]
    batch: Callable[[int], Any]
    evaluation_batch: Callable[[int], Any] | None
    inputs: Callable[[int], np.ndarray]
    parameters: dict[str, int]
    build_full_size: Callable[[], AdversarialModel]
    training_logs: frozenset[str]
    evaluation_logs: frozenset[str] = frozenset()
    discriminator_steps: int = 1
    bad_arguments: tuple[tuple[dict[str, Any], str], ...] = ()


SHARED_LOGS = frozenset(
    {
        "generator_loss",
        "discriminator_loss",
        "real_score",
        "generated_score",
        "generator_gradient_norm",
        "discriminator_gradient_norm",
    }
)


def ramp_images(batch_size: int, image_shape=(28, 28, 1)) -> np.ndarray:
    """Images in [-1, 1] whose every pixel differs from its neighbours: ones hide spatial bugs."""
    size = batch_size * int(np.prod(image_shape))
    values = np.sin(0.37 * np.arange(size) + 1e-3 * np.arange(size) ** 1.5)
    return values.reshape(batch_size, *image_shape).astype("float32")


def ramp_labels(batch_size: int, num_classes: int = 10) -> np.ndarray:
    """The labels 0, 1, 2, … over and over."""
    return (np.arange(batch_size) % num_classes).astype("int32")


# === Semi-supervised GAN ===


def _semi_supervised_batch(batch_size: int, image_shape=(28, 28, 1)):
    images = ramp_images(2 * batch_size, image_shape)
    return (images[:batch_size], ramp_labels(batch_size)), images[batch_size:]


def _small_semi_supervised(noise: bool = True) -> zoo.SemiSupervisedGAN:
    images = keras.Input((28, 28, 1))
    x = layers.Flatten()(images)
    if noise:
        x = layers.GaussianNoise(0.3)(x)
    x = WeightNormalizedDense(24, activation="relu")(x)
    if noise:
        x = layers.Dropout(0.2)(x)
    x = WeightNormalizedDense(16, activation="relu", name="features")(x)
    logits = WeightNormalizedDense(10, train_scale=True, dtype="float32")(x)

    latents = keras.Input((7,))
    y = layers.Dense(24, activation="softplus")(latents)
    y = layers.BatchNormalization(synchronized=True)(y)
    y = layers.Dense(28 * 28, activation="tanh", dtype="float32")(y)
    return zoo.SemiSupervisedGAN(
        latent_dim=7,
        average_decay=0.9,
        generator=keras.Model(latents, layers.Reshape((28, 28, 1), dtype="float32")(y)),
        discriminator=keras.Model(images, logits),
    )


SEMI_SUPERVISED_LOGS = SHARED_LOGS | {"labelled_loss", "unlabelled_loss"}

SEMI_SUPERVISED = Case(
    name="semi_supervised_gan",
    build=_small_semi_supervised,
    build_without_noise=lambda: _small_semi_supervised(noise=False),
    batch=_semi_supervised_batch,
    evaluation_batch=lambda batch_size: (ramp_images(batch_size), ramp_labels(batch_size)),
    inputs=ramp_images,
    build_full_size=zoo.SemiSupervisedGAN,
    parameters={
        # Each weight-normalised layer has in·out directions, out scales and out biases; each
        # batch norm without a scale has out offsets and 2·out moving statistics.
        "generator": (100 * 500 + 3 * 500) + (500 * 500 + 3 * 500) + (500 * 784 + 2 * 784),
        "discriminator": sum(
            inputs * outputs + 2 * outputs
            for inputs, outputs in [
                (784, 1000),
                (1000, 500),
                (500, 250),
                (250, 250),
                (250, 250),
                (250, 10),
            ]
        ),
    },
    training_logs=SEMI_SUPERVISED_LOGS,
    evaluation_logs=frozenset({"error"}),
    bad_arguments=(
        ({"image_shape": (28, 28)}, r"`image_shape` .* Received: image_shape=\(28, 28\)"),
        ({"image_shape": (0, 28, 1)}, r"`image_shape` .* Received: image_shape=\(0, 28, 1\)"),
        ({"num_classes": 1}, "`num_classes` .* Received: num_classes=1"),
        ({"latent_dim": 0}, "`latent_dim` .* Received: latent_dim=0"),
        ({"average_decay": 1.0}, "`average_decay` .* Received: average_decay=1.0"),
        ({"architecture": "resnet"}, "multilayer, convolutional. Received: architecture='resnet'"),
        ({"architecture": "convolutional"}, r"multiples of 8.*image_shape=\(28, 28, 1\)"),
        ({"class_names": ["a", "b"]}, r"10 names. Received: \['a', 'b'\]"),
    ),
)


def _small_convolutional(noise: bool = True) -> zoo.SemiSupervisedGAN:
    model = zoo.SemiSupervisedGAN(
        (16, 16, 3), 10, architecture="convolutional", base_filters=4, average_decay=0.9
    )
    for layer in model.discriminator.layers:
        if isinstance(layer, layers.Dropout) and not noise:
            layer.rate = 0.0
    return model


# The convolutional networks are the paper's too, and share nothing with the others but the game.
SEMI_SUPERVISED_CONVOLUTIONAL = dataclasses.replace(
    SEMI_SUPERVISED,
    name="semi_supervised_gan_convolutional",
    build=_small_convolutional,
    build_without_noise=lambda: _small_convolutional(noise=False),
    batch=lambda batch_size: _semi_supervised_batch(batch_size, (16, 16, 3)),
    evaluation_batch=lambda batch_size: (
        ramp_images(batch_size, (16, 16, 3)),
        ramp_labels(batch_size),
    ),
    inputs=lambda batch_size: ramp_images(batch_size, (16, 16, 3)),
    build_full_size=lambda: zoo.SemiSupervisedGAN((32, 32, 3), 10, architecture="convolutional"),
    parameters={
        "generator": 100 * 8192
        + 3 * 8192
        + 8192
        + (25 * 512 * 256 + 4 * 256)
        + (25 * 256 * 128 + 4 * 128)
        + (25 * 128 * 3 + 2 * 3),
        "discriminator": sum(
            kernel * kernel * inputs * outputs + 2 * outputs
            for kernel, inputs, outputs in [
                (3, 3, 64),
                (3, 64, 64),
                (3, 64, 64),
                (3, 64, 128),
                (3, 128, 128),
                (3, 128, 128),
                (3, 128, 128),
                (1, 128, 128),
                (1, 128, 128),
                (1, 128, 10),
            ]
        ),
    },
    bad_arguments=(),
)

CASES = (SEMI_SUPERVISED, SEMI_SUPERVISED_CONVOLUTIONAL)
