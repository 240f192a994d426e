"""WGAN-GP."""

import zoo
from tests.case import (
    GENERATION_LOGS,
    OUTPUTS,
    Case,
    batch_norm,
    convolution,
    generation_measures,
    ramp_images,
    ramp_latents,
)


def _small_wgan_gp() -> zoo.WGANGP:
    # The strided networks, which have fewer layers.
    return zoo.WGANGP(
        (28, 28, 1),
        latent_dim=7,
        filters=2,
        architecture="strided",
        critic_steps=2,
        average_decay=0.9,
    )


def _block(filters: int) -> int:
    return 2 * convolution(filters, filters, 3)


# Of the authors' networks for CIFAR-10: three blocks with a shortcut of their own, and of four
# blocks of the critic the first on three channels, the second with a shortcut.
RESIDUAL_32 = {
    "generator": 129 * 16 * 128
    + 3 * (_block(128) + convolution(128, 128, 1) + 2 * batch_norm(128))
    + batch_norm(128)
    + convolution(128, 3, 3),
    "critic": convolution(3, 128, 1)
    + convolution(3, 128, 3)
    + convolution(128, 128, 3)
    + 3 * _block(128)
    + convolution(128, 128, 1)
    + 129,
}

CASE = Case(
    variant=zoo.WGANGP,
    build=_small_wgan_gp,
    build_without_noise=_small_wgan_gp,
    batch=ramp_images,
    evaluation_batch=ramp_images,
    inputs=ramp_latents,
    full_sizes=((zoo.WGANGP, RESIDUAL_32),),
    training_logs=OUTPUTS | {"gradient_penalty"},
    evaluation_logs=GENERATION_LOGS,
    updates={"critic": 2},
    quality_measures=generation_measures,
    bad_arguments=(
        ({"image_shape": (28, 28)}, r"`image_shape` .* Received: image_shape=\(28, 28\)"),
        ({"image_shape": (32, 64, 3)}, r"square. Received: image_shape=\(32, 64, 3\)"),
        ({"image_shape": (48, 48, 3)}, "28, 32, 56, 64, 112 or 128. Received: 48"),
        ({"architecture": "resnet"}, "residual, strided. Received: architecture='resnet'"),
        ({"filters": 0}, "`filters` .* Received: filters=0"),
        ({"critic_steps": 0}, "`critic_steps` .* Received: critic_steps=0"),
        ({"gradient_penalty_weight": -1.0}, "`gradient_penalty_weight` .*_weight=-1.0"),
        ({"latent_dim": 0}, "`latent_dim` .* Received: latent_dim=0"),
        ({"average_decay": 1.0}, "`average_decay` .* Received: average_decay=1.0"),
    ),
)
