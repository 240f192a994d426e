"""The GAN of 2014."""

import keras
from keras import layers

import zoo
from tests.case import (
    GENERATION_LOGS,
    SCORES,
    Case,
    generation_measures,
    ramp_images,
    ramp_latents,
)
from zoo.common.layers import Maxout


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


CASE = Case(
    variant=zoo.VanillaGAN,
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
    training_logs=SCORES,
    evaluation_logs=GENERATION_LOGS,
    updates={"discriminator": 2},
    quality_measures=generation_measures,
    bad_arguments=(
        ({"image_shape": (28, 28)}, r"`image_shape` .* Received: image_shape=\(28, 28\)"),
        ({"latent_dim": 0}, "`latent_dim` .* Received: latent_dim=0"),
        ({"input_noise": -0.1}, "`input_noise` .* Received: input_noise=-0.1"),
        ({"discriminator_steps": 0}, "`discriminator_steps` .* discriminator_steps=0"),
        ({"average_decay": 1.0}, "`average_decay` .* Received: average_decay=1.0"),
    ),
)
