"""The unrolled GAN."""

import zoo
from tests.case import (
    GENERATION_LOGS,
    SCORES,
    Case,
    batch_norm,
    convolution,
    generation_measures,
    ramp_images,
    ramp_latents,
)


def _small_unrolled_gan() -> zoo.UnrolledGAN:
    return zoo.UnrolledGAN(
        latent_dim=7,
        generator_filters=1,
        discriminator_filters=2,
        unrolled_steps=1,
        average_decay=0.9,
    )


# The paper's for stacked digits, three of them as colours; D has 4, 8 and 16 filters.
STACKED = {
    "generator": 257 * 4 * 4 * 64
    + convolution(64, 32, 3)
    + convolution(32, 16, 3)
    + convolution(16, 8, 3)
    + convolution(8, 3, 3)
    + sum(batch_norm(filters) for filters in (64, 32, 16, 8)),
    "discriminator": convolution(3, 4, 3)
    + convolution(4, 8, 3)
    + convolution(8, 16, 3)
    + sum(batch_norm(filters) for filters in (4, 8, 16))
    + 4 * 4 * 16
    + 1,
}

CASE = Case(
    variant=zoo.UnrolledGAN,
    build=_small_unrolled_gan,
    build_without_noise=_small_unrolled_gan,
    batch=ramp_images,
    evaluation_batch=ramp_images,
    inputs=ramp_latents,
    full_sizes=((lambda: zoo.UnrolledGAN((28, 28, 3)), STACKED),),
    training_logs=SCORES,
    evaluation_logs=GENERATION_LOGS,
    quality_measures=generation_measures,
    bad_arguments=(
        ({"image_shape": (28, 28)}, r"`image_shape` .* Received: image_shape=\(28, 28\)"),
        ({"latent_dim": 0}, "`latent_dim` .* Received: latent_dim=0"),
        ({"generator_filters": 0}, "`generator_filters` .* Received: generator_filters=0"),
        ({"discriminator_filters": 0}, "`discriminator_filters` .* discriminator_filters=0"),
        ({"unrolled_steps": -1}, "`unrolled_steps` .* 0 or more. Received: unrolled_steps=-1"),
        ({"average_decay": 1.0}, "`average_decay` .* Received: average_decay=1.0"),
    ),
)
