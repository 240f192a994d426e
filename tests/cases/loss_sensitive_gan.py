"""The loss-sensitive GAN."""

import zoo
from tests.case import (
    GENERATION_LOGS,
    OUTPUTS,
    Case,
    batch_norm,
    generation_measures,
    ramp_images,
    ramp_latents,
)


def _small_loss_sensitive_gan() -> zoo.LossSensitiveGAN:
    return zoo.LossSensitiveGAN(
        (28, 28, 1), latent_dim=7, filters=2, real_loss_weight=0.1, average_decay=0.9
    )


# The author's networks for faces, without biases but for the critic's last.
FACES = {
    "generator": 4 * 4 * 100 * 512
    + 4 * 4 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 3)
    + sum(batch_norm(filters) for filters in (512, 256, 128, 64)),
    "critic": 4 * 4 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512)
    + sum(batch_norm(filters) for filters in (128, 256, 512))
    + 4 * 4 * 512
    + 1,
}

CASE = Case(
    variant=zoo.LossSensitiveGAN,
    build=_small_loss_sensitive_gan,
    build_without_noise=_small_loss_sensitive_gan,
    batch=ramp_images,
    evaluation_batch=ramp_images,
    inputs=ramp_latents,
    full_sizes=((zoo.LossSensitiveGAN, FACES),),
    training_logs=OUTPUTS | {"margin"},
    evaluation_logs=GENERATION_LOGS,
    quality_measures=generation_measures,
    bad_arguments=(
        ({"image_shape": (28, 28)}, r"`image_shape` .* Received: image_shape=\(28, 28\)"),
        ({"image_shape": (32, 64, 3)}, r"square. Received: image_shape=\(32, 64, 3\)"),
        ({"image_shape": (36, 36, 3)}, "from 28 to 128.* Received: 36"),
        ({"latent_dim": 0}, "`latent_dim` .* Received: latent_dim=0"),
        ({"filters": 0}, "`filters` .* Received: filters=0"),
        ({"margin_weight": -0.1}, "`margin_weight` .* Received: margin_weight=-0.1"),
        ({"real_loss_weight": -1.0}, "`real_loss_weight` .* real_loss_weight=-1.0"),
        ({"slope": 1.5}, "`slope` must be from -1 to 1. Received: slope=1.5"),
        ({"average_decay": 1.0}, "`average_decay` .* Received: average_decay=1.0"),
    ),
)
