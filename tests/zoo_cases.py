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
from zoo import metrics
from zoo.common.adversarial import AdversarialModel
from zoo.common.layers import (
    Maxout,
    WeightNormalizedConv2D,
    WeightNormalizedConv2DTranspose,
    WeightNormalizedDense,
)


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
        full_sizes: for each model of the paper, what builds it and the exact number of parameters
            of each of its networks.
        training_logs: exact keys of the logs of `fit`.
        evaluation_logs: exact keys of the logs of `evaluate`.
        steps_on_replicas: how many steps two replicas must take as one does.
        discriminator_steps: discriminator updates for each step, the generator taking one.
        quality_measures: returns what `compile` is given to evaluate with.
        generates: whether it makes images of latents.
        bad_arguments: constructor arguments, and what the error must say.
    """

    name: str
    build: Callable[[], AdversarialModel]
    build_without_noise: Callable[[], AdversarialModel]
    batch: Callable[[int], Any]
    evaluation_batch: Callable[[int], Any] | None
    inputs: Callable[[int], np.ndarray]
    full_sizes: tuple[tuple[Callable[[], AdversarialModel], dict[str, int]], ...]
    training_logs: frozenset[str]
    evaluation_logs: frozenset[str] = frozenset()
    steps_on_replicas: int = 3
    discriminator_steps: int = 1
    quality_measures: Callable[[], tuple[keras.metrics.Metric, ...]] = tuple
    generates: bool = True
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


def state_of(model: AdversarialModel) -> list[np.ndarray]:
    """Everything that the next step depends on: weights, random states and both optimizers."""
    variables = [
        *model.variables,
        *model.generator_optimizer.variables,
        *model.discriminator_optimizer.variables,
    ]
    return [variable.numpy() for variable in variables]


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
    x = layers.GaussianNoise(0.3)(images) if noise else images
    x = WeightNormalizedConv2D(3, 5, 2, activation="relu")(x)
    x = layers.Dropout(0.2)(x) if noise else x
    x = layers.GlobalAveragePooling2D()(x)
    x = WeightNormalizedDense(16, activation="relu", name="features")(x)
    logits = WeightNormalizedDense(10, train_scale=True, dtype="float32")(x)

    latents = keras.Input((7,))
    y = layers.Dense(7 * 7 * 3)(latents)
    y = layers.BatchNormalization(synchronized=True)(y)
    y = layers.Reshape((7, 7, 3))(layers.Activation("softplus")(y))
    y = layers.Conv2DTranspose(2, 3, 2, "same", activation="relu")(y)
    y = WeightNormalizedConv2DTranspose(1, 3, 2, "same", train_scale=True)(y)
    return zoo.SemiSupervisedGAN(
        latent_dim=7,
        average_decay=0.9,
        generator=keras.Model(latents, layers.Activation("tanh", dtype="float32")(y)),
        discriminator=keras.Model(images, logits),
    )


def _dense(inputs: int, outputs: int, kernel: int = 1) -> int:
    """Parameters of a weight-normalised layer: directions, a scale and a bias for each output."""
    return kernel * kernel * inputs * outputs + 2 * outputs


# Batch norm has a moving mean and variance and an offset; the authors' has no scale.
SEMI_SUPERVISED_MULTILAYER = {
    "generator": (100 * 500 + 3 * 500) + (500 * 500 + 3 * 500) + _dense(500, 784),
    "discriminator": _dense(784, 1000)
    + _dense(1000, 500)
    + _dense(500, 250)
    + 2 * _dense(250, 250)
    + _dense(250, 10),
}

SEMI_SUPERVISED_CONVOLUTIONAL = {
    "generator": (100 * 8192 + 3 * 8192)
    + (25 * 512 * 256 + 3 * 256)
    + (25 * 256 * 128 + 3 * 128)
    + _dense(128, 3, kernel=5),
    "discriminator": _dense(3, 64, kernel=3)
    + 2 * _dense(64, 64, kernel=3)
    + _dense(64, 128, kernel=3)
    + 3 * _dense(128, 128, kernel=3)
    + 2 * _dense(128, 128)
    + _dense(128, 10),
}

SEMI_SUPERVISED = Case(
    name="semi_supervised_gan",
    build=_small_semi_supervised,
    build_without_noise=lambda: _small_semi_supervised(noise=False),
    batch=_semi_supervised_batch,
    evaluation_batch=lambda batch_size: (ramp_images(batch_size), ramp_labels(batch_size)),
    inputs=ramp_images,
    full_sizes=(
        (zoo.SemiSupervisedGAN, SEMI_SUPERVISED_MULTILAYER),
        (
            lambda: zoo.SemiSupervisedGAN((32, 32, 3), 10, architecture="convolutional"),
            SEMI_SUPERVISED_CONVOLUTIONAL,
        ),
    ),
    training_logs=SHARED_LOGS | {"labelled_loss", "unlabelled_loss"},
    evaluation_logs=frozenset({"error"}),
    bad_arguments=(
        ({"image_shape": (28, 28)}, r"`image_shape` .* Received: image_shape=\(28, 28\)"),
        ({"image_shape": (0, 28, 1)}, r"`image_shape` .* Received: image_shape=\(0, 28, 1\)"),
        ({"num_classes": 1}, "`num_classes` .* Received: num_classes=1"),
        ({"latent_dim": 0}, "`latent_dim` .* Received: latent_dim=0"),
        ({"average_decay": 1.0}, "`average_decay` .* Received: average_decay=1.0"),
        ({"architecture": "resnet"}, "multilayer, convolutional. Received: architecture='resnet'"),
        ({"architecture": "convolutional"}, r"multiples of 8.*image_shape=\(28, 28, 1\)"),
        ({"feature_matching_order": 3}, "must be 1 or 2. Received: feature_matching_order=3"),
        ({"feature_matching_order": 0}, "must be 1 or 2. Received: feature_matching_order=0"),
        ({"class_names": ["a", "b"]}, r"10 names. Received: \['a', 'b'\]"),
    ),
)


# === Variants that generate, and nothing else ===


def _generation_measures(image_shape=(28, 28, 1)) -> tuple[keras.metrics.Metric, ...]:
    images = keras.Input(image_shape)
    features = layers.AveragePooling2D(14)(images)
    extractor = keras.Model(images, layers.Flatten()(features))
    return (metrics.FrechetDistance(extractor), metrics.KernelDistance(extractor, block_size=4))


GENERATION_LOGS = frozenset({"frechet_distance", "kernel_distance"})


def ramp_latents(batch_size: int, latent_dim: int = 7) -> np.ndarray:
    """Latents in [-1, 1], no two rows alike."""
    return ramp_images(batch_size, (latent_dim,))


# === Vanilla GAN ===


def _small_vanilla(noise: bool = True) -> zoo.VanillaGAN:
    images = keras.Input((28, 28, 1))
    x = layers.Flatten()(images)
    x = layers.Dropout(0.2)(x) if noise else x
    x = Maxout(6, 3)(x)
    logits = layers.Dense(1, dtype="float32")(x)

    latents = keras.Input((7,))
    y = layers.Dense(12, activation="relu")(latents)
    y = layers.Dense(784, activation="tanh", dtype="float32")(y)
    return zoo.VanillaGAN(
        latent_dim=7,
        discriminator_steps=2,
        average_decay=0.9,
        generator=keras.Model(latents, layers.Reshape((28, 28, 1), dtype="float32")(y)),
        discriminator=keras.Model(images, logits),
    )


VANILLA = Case(
    name="vanilla_gan",
    build=_small_vanilla,
    build_without_noise=lambda: _small_vanilla(noise=False),
    batch=ramp_images,
    evaluation_batch=ramp_images,
    inputs=ramp_latents,
    full_sizes=(
        (
            zoo.VanillaGAN,
            {
                "generator": 101 * 1200 + 1201 * 1200 + 1201 * 784,
                "discriminator": 785 * 1200 + 241 * 1200 + 241,  # 240 units of 5 pieces
            },
        ),
    ),
    training_logs=SHARED_LOGS,
    evaluation_logs=GENERATION_LOGS,
    discriminator_steps=2,
    quality_measures=_generation_measures,
    bad_arguments=(
        ({"image_shape": (28, 28)}, r"`image_shape` .* Received: image_shape=\(28, 28\)"),
        ({"latent_dim": 0}, "`latent_dim` .* Received: latent_dim=0"),
        ({"input_noise": -0.1}, "`input_noise` .* Received: input_noise=-0.1"),
        ({"discriminator_steps": 0}, "`discriminator_steps` .* discriminator_steps=0"),
        ({"average_decay": 1.0}, "`average_decay` .* Received: average_decay=1.0"),
    ),
)


# === DCGAN ===


def _small_dcgan() -> zoo.DCGAN:
    return zoo.DCGAN((28, 28, 1), latent_dim=7, base_filters=2, average_decay=0.9)


def _batch_norm(filters: int) -> int:
    """Parameters of batch norm: scale, offset, and the moving mean and variance."""
    return 4 * filters


# Those of PyTorch's official example, 3,576,704 and 2,765,568, and the moving statistics.
DCGAN_64 = {
    "generator": 16 * (100 * 512 + 512 * 256 + 256 * 128 + 128 * 64 + 64 * 3)
    + sum(map(_batch_norm, (512, 256, 128, 64))),
    "discriminator": 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512)
    + sum(map(_batch_norm, (128, 256, 512))),
}

DCGAN = Case(
    name="dcgan",
    build=_small_dcgan,
    build_without_noise=_small_dcgan,
    batch=ramp_images,
    evaluation_batch=ramp_images,
    inputs=ramp_latents,
    full_sizes=((lambda: zoo.DCGAN((64, 64, 3)), DCGAN_64),),
    training_logs=SHARED_LOGS,
    evaluation_logs=GENERATION_LOGS,
    quality_measures=_generation_measures,
    bad_arguments=(
        ({"image_shape": (28, 28)}, r"`image_shape` .* Received: image_shape=\(28, 28\)"),
        ({"image_shape": (32, 64, 3)}, r"square. Received: image_shape=\(32, 64, 3\)"),
        ({"image_shape": (36, 36, 3)}, "times a power of two.*Received: 36"),
        ({"image_shape": (16, 16, 3)}, "times a power of two.*Received: 16"),
        ({"image_shape": (256, 256, 3)}, "times a power of two.*Received: 256"),
        ({"base_filters": 0}, "`base_filters` .* Received: base_filters=0"),
        ({"kernel_size": 4.0}, "`kernel_size` .* Received: kernel_size=4.0"),
        ({"latent_dim": 0}, "`latent_dim` .* Received: latent_dim=0"),
        ({"average_decay": 1.0}, "`average_decay` .* Received: average_decay=1.0"),
    ),
)

# === CycleGAN ===


def _small_cyclegan(cycle_weight: float = 10.0) -> zoo.CycleGAN:
    return zoo.CycleGAN(
        (28, 28, 1),
        base_filters=2,
        num_blocks=1,
        discriminator_scales=1,
        cycle_weight=cycle_weight,
        pool_size=3,
        average_decay=0.9,
    )


def _unpaired_batch(batch_size: int):
    images = ramp_images(2 * batch_size)
    return images[:batch_size], images[batch_size:]


def _convolution(inputs: int, outputs: int, kernel: int) -> int:
    return kernel * kernel * inputs * outputs + outputs


def _cyclegan_generator(num_blocks: int) -> int:
    """Parameters of the authors' generator; its instance norm has none."""
    ends = _convolution(3, 64, 7) + _convolution(64, 3, 7)
    scales = 2 * 9 * (64 * 128 + 128 * 256) + (128 + 256) + (128 + 64)
    return ends + scales + 2 * num_blocks * _convolution(256, 256, 3)


PATCH_DISCRIMINATOR = (
    _convolution(3, 64, 4)
    + _convolution(64, 128, 4)
    + _convolution(128, 256, 4)
    + _convolution(256, 512, 4)
    + _convolution(512, 1, 4)
)

CYCLEGAN = Case(
    name="cyclegan",
    build=_small_cyclegan,
    # With the paper's weight of 10, rounding alone moves the weights by more than is allowed.
    build_without_noise=lambda: _small_cyclegan(cycle_weight=1.0),
    batch=_unpaired_batch,
    evaluation_batch=_unpaired_batch,
    inputs=ramp_images,
    full_sizes=(
        (
            # PyTorch's networks of the authors have 11,378,179 and 2,764,737.
            lambda: zoo.CycleGAN((256, 256, 3), num_blocks=9),
            {
                **dict.fromkeys(("generator_ab", "generator_ba"), _cyclegan_generator(9)),
                **dict.fromkeys(("discriminator_a", "discriminator_b"), PATCH_DISCRIMINATOR),
            },
        ),
    ),
    training_logs=SHARED_LOGS | {"adversarial_loss", "cycle_loss", "identity_loss"},
    evaluation_logs=frozenset({"cycle_loss", "identity_loss"}),
    # In some step rounding turns the sign of an absolute error, and with it a gradient.
    steps_on_replicas=2,
    generates=False,
    bad_arguments=(
        ({"image_shape": (28, 28)}, r"`image_shape` .* Received: image_shape=\(28, 28\)"),
        ({"image_shape": (30, 28, 3)}, "sides that 4 divides"),
        ({"base_filters": 0}, "`base_filters` .* Received: base_filters=0"),
        ({"num_blocks": 2.0}, "`num_blocks` .* Received: num_blocks=2.0"),
        ({"discriminator_scales": 0}, "`discriminator_scales` .* discriminator_scales=0"),
        ({"discriminator_scales": 5}, "can't judge images .* Received: discriminator_scales=5"),
        (
            {"architecture": "resnet"},
            "residual, residual_skip, attention, u_net. Received: architecture='resnet'",
        ),
        ({"cycle_terms": "a"}, "both, forward, backward. Received: cycle_terms='a'"),
        ({"cycle_weight": -1.0}, "`cycle_weight` must be 0 or more. Received: cycle_weight=-1.0"),
        ({"forward_cycle_weight": -0.1}, "`forward_cycle_weight` must be 0 or more"),
        ({"identity_weight": float("nan")}, "`identity_weight` must be 0 or more. Received: id"),
        ({"pool_size": -1}, "`pool_size` must be an integer of 0 or more. Received: pool_size=-1"),
        ({"average_decay": 1.0}, "`average_decay` .* Received: average_decay=1.0"),
    ),
)

# === FaceGAN ===


def _small_face_gan() -> zoo.FaceGAN:
    return zoo.FaceGAN((32, 32, 1), latent_dim=7, filters=8, max_shift=0.125, average_decay=0.9)


def _face_gan_sizes(filters: tuple[int, ...]) -> dict[str, int]:
    """Parameters, given the filters from the coarsest map to the finest, of 128 latents to RGB."""
    kernels = 16 * sum(a * b for a, b in zip(filters, (*filters[1:], 3), strict=True))
    return {
        "generator": 16 * 128 * filters[0] + kernels + sum(map(_batch_norm, filters)),
        "discriminator": kernels + sum(filters) + 16 * filters[0] + 1,
    }


FACE = Case(
    name="face_gan",
    build=_small_face_gan,
    build_without_noise=_small_face_gan,
    batch=lambda batch_size: ramp_images(batch_size, (32, 32, 1)),
    evaluation_batch=lambda batch_size: ramp_images(batch_size, (32, 32, 1)),
    inputs=ramp_latents,
    full_sizes=(
        (zoo.FaceGAN, _face_gan_sizes((256, 128, 64, 32))),
        (lambda: zoo.FaceGAN((128, 128, 3)), _face_gan_sizes((256, 128, 64, 32, 16))),
    ),
    training_logs=SHARED_LOGS | {"gradient_penalty"},
    evaluation_logs=GENERATION_LOGS,
    quality_measures=lambda: _generation_measures((32, 32, 1)),
    bad_arguments=(
        ({"image_shape": (64, 64)}, r"`image_shape` .* Received: image_shape=\(64, 64\)"),
        ({"image_shape": (64, 128, 3)}, r"square. Received: image_shape=\(64, 128, 3\)"),
        ({"image_shape": (48, 48, 3)}, "32, 64, 128 or 256. Received: 48"),
        ({"filters": 0}, "`filters` .* Received: filters=0"),
        ({"filters": 12}, "`filters` .* Received: filters=12"),
        ({"gradient_penalty_weight": -1.0}, "_weight` must be 0 or more. .*_weight=-1.0"),
        ({"gradient_penalty_weight": float("nan")}, "_weight` must be 0 or more. .*_weight=nan"),
        ({"gradient_penalty_interval": 0}, "_interval` must be .* Received: .*_interval=0"),
        ({"max_shift": 1.5}, r"`max_shift` must be .* Received: max_shift=1.5"),
        ({"latent_dim": 0}, "`latent_dim` .* Received: latent_dim=0"),
        ({"average_decay": 1.0}, "`average_decay` .* Received: average_decay=1.0"),
    ),
)

CASES = (SEMI_SUPERVISED, VANILLA, DCGAN, CYCLEGAN, FACE)
