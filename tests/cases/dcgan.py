"""DCGAN."""

import zoo
from tests.case import (
    GENERATION_LOGS,
    SCORES,
    Case,
    batch_norm,
    generation_measures,
    ramp_images,
    ramp_latents,
)


def _small_dcgan() -> zoo.DCGAN:
    return zoo.DCGAN((28, 28, 1), latent_dim=7, base_filters=2, average_decay=0.9)


# Those of PyTorch's official example, 3,576,704 and 2,765,568, and the moving statistics.
DCGAN_64 = {
    "generator": 16 * (100 * 512 + 512 * 256 + 256 * 128 + 128 * 64 + 64 * 3)
    + sum(map(batch_norm, (512, 256, 128, 64))),
    "discriminator": 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512)
    + sum(map(batch_norm, (128, 256, 512))),
}

CASE = Case(
    variant=zoo.DCGAN,
    build=_small_dcgan,
    build_without_noise=_small_dcgan,
    batch=ramp_images,
    evaluation_batch=ramp_images,
    inputs=ramp_latents,
    full_sizes=((lambda: zoo.DCGAN((64, 64, 3)), DCGAN_64),),
    training_logs=SCORES,
    evaluation_logs=GENERATION_LOGS,
    quality_measures=generation_measures,
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
