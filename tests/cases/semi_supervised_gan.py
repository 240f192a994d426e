"""The semi-supervised GAN."""

import keras
from keras import layers

import zoo
from tests.case import SCORES, Case, ramp_images, ramp_labels
from zoo.common.layers import (
    WeightNormalizedConv2D,
    WeightNormalizedConv2DTranspose,
    WeightNormalizedDense,
)


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

CASE = Case(
    variant=zoo.SemiSupervisedGAN,
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
    training_logs=SCORES | {"labelled_loss", "unlabelled_loss"},
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
        ({"unlabelled_weight": float("nan")}, "`unlabelled_weight` .*unlabelled_weight=nan"),
        ({"unlabelled_weight": "1"}, "`unlabelled_weight` .* unlabelled_weight='1'"),
        ({"class_names": ["a", "b"]}, r"10 names. Received: \['a', 'b'\]"),
    ),
)
