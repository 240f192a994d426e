"""FaceGAN."""

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


def _small_face_gan() -> zoo.FaceGAN:
    return zoo.FaceGAN(
        (32, 32, 1),
        latent_dim=7,
        filters=8,
        augmentation="colour,shift,cutout",
        adaptive_augmentation=50,
        average_decay=0.9,
    )


def _face_gan_sizes(filters: tuple[int, ...]) -> dict[str, int]:
    """Parameters, given the filters from the coarsest map to the finest, of 128 latents to RGB."""
    kernels = 16 * sum(a * b for a, b in zip(filters, (*filters[1:], 3), strict=True))
    return {
        "generator": 16 * 128 * filters[0] + kernels + sum(map(batch_norm, filters)),
        "discriminator": kernels + sum(filters) + 16 * filters[0] + 1,
    }


CASE = Case(
    variant=zoo.FaceGAN,
    build=_small_face_gan,
    build_without_noise=_small_face_gan,
    batch=lambda batch_size: ramp_images(batch_size, (32, 32, 1)),
    evaluation_batch=lambda batch_size: ramp_images(batch_size, (32, 32, 1)),
    inputs=ramp_latents,
    full_sizes=(
        (zoo.FaceGAN, _face_gan_sizes((256, 128, 64, 32))),
        (lambda: zoo.FaceGAN((128, 128, 3)), _face_gan_sizes((256, 128, 64, 32, 16))),
    ),
    training_logs=SCORES | {"gradient_penalty", "augmentation_probability"},
    evaluation_logs=GENERATION_LOGS,
    quality_measures=lambda: generation_measures((32, 32, 1)),
    bad_arguments=(
        ({"image_shape": (64, 64)}, r"`image_shape` .* Received: image_shape=\(64, 64\)"),
        ({"image_shape": (64, 128, 3)}, r"square. Received: image_shape=\(64, 128, 3\)"),
        ({"image_shape": (48, 48, 3)}, "32, 64, 128 or 256. Received: 48"),
        ({"filters": 0}, "`filters` .* Received: filters=0"),
        ({"filters": 12}, "`filters` .* Received: filters=12"),
        ({"gradient_penalty_weight": -1.0}, "_weight` must be 0 or more. .*_weight=-1.0"),
        ({"gradient_penalty_weight": float("nan")}, "_weight` must be 0 or more. .*_weight=nan"),
        ({"gradient_penalty_interval": 0}, "_interval` must be .* Received: .*_interval=0"),
        ({"augmentation": "flip"}, "colour, shift, cutout, .* Received: augmentation='flip'"),
        ({"augmentation": "shift,shift"}, "augmentation='shift,shift'"),
        ({"augmentation": None}, "'' for none. Received: augmentation=None"),
        ({"adaptive_augmentation": 100}, "augmentation='colour,shift,cutout'. Received: .*=''"),
        (
            {"augmentation": "shift", "adaptive_augmentation": 0},
            "`adaptive_augmentation` must be a positive integer. .*=0",
        ),
        ({"latent_dim": 0}, "`latent_dim` .* Received: latent_dim=0"),
        ({"average_decay": 1.0}, "`average_decay` .* Received: average_decay=1.0"),
    ),
)
