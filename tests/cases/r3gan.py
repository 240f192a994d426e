"""R3GAN."""

import itertools

import zoo
from tests.case import (
    GENERATION_LOGS,
    OUTPUTS,
    Case,
    generation_measures,
    ramp_images,
    ramp_latents,
)


def _small_r3gan() -> zoo.R3GAN:
    return zoo.R3GAN(
        (8, 8, 1),
        latent_dim=7,
        filters=8,
        augmentation="colour,shift,cutout",
        average_decay=0.9,
    )


def _r3gan_sizes(
    widths: tuple[int, ...], blocks: int, group_size: int | None, expansion: float = 2.0
) -> dict[str, int]:
    """Parameters, given the channels from the coarsest map to the finest, of 64 latents to RGB."""

    def block(width: int) -> int:
        inner = int(expansion * width)
        return inner * (width + 9 * (group_size or inner) + width + 2)

    blocks_and_changes = blocks * sum(map(block, widths)) + sum(
        a * b for a, b in itertools.pairwise(widths) if a != b
    )
    ends = 3 * widths[-1] + 16 * widths[0]
    return {
        "generator": 64 * widths[0] + blocks_and_changes + ends,
        "discriminator": widths[0] + blocks_and_changes + ends,
    }


CASE = Case(
    variant=zoo.R3GAN,
    build=_small_r3gan,
    build_without_noise=_small_r3gan,
    batch=lambda batch_size: ramp_images(batch_size, (8, 8, 1)),
    evaluation_batch=lambda batch_size: ramp_images(batch_size, (8, 8, 1)),
    inputs=ramp_latents,
    full_sizes=(
        (zoo.R3GAN, _r3gan_sizes((256, 128, 64, 32, 16), 1, None)),
        (
            lambda: zoo.R3GAN(filters=192, expansion=0.5),
            _r3gan_sizes((192, 96, 48, 24, 12), 1, None, 0.5),
        ),
        (
            lambda: zoo.R3GAN(filters=768, halved_from=64, blocks_per_map=2, group_size=16),
            _r3gan_sizes((768, 768, 768, 768, 384), 2, 16),
        ),
    ),
    training_logs=OUTPUTS | {"real_gradient_penalty", "generated_gradient_penalty"},
    evaluation_logs=GENERATION_LOGS,
    quality_measures=lambda: generation_measures((8, 8, 1)),
    bad_arguments=(
        ({"image_shape": (64, 64)}, r"`image_shape` .* Received: image_shape=\(64, 64\)"),
        ({"image_shape": (64, 128, 3)}, r"square. Received: image_shape=\(64, 128, 3\)"),
        ({"image_shape": (48, 48, 3)}, "images must be 8, 16, 32, 64, 128 or 256. Received: 48"),
        ({"filters": 0}, "`filters` .* Received: filters=0"),
        ({"filters": 24}, "multiple of 16 for images of side 64 .* Received: filters=24"),
        ({"halved_from": 12}, "`halved_from` must be 8, .* or 256. Received: 12"),
        ({"blocks_per_map": 0}, "`blocks_per_map` .* Received: blocks_per_map=0"),
        ({"group_size": 0}, "`group_size` .* Received: group_size=0"),
        ({"group_size": 12}, "divide .*: 512, .*32. Received: group_size=12"),
        (
            {"group_size": 2, "expansion": 1 / 16},
            "divide .*: 16, 8, 4, 2, 1. Received: group_size=2",
        ),
        ({"expansion": 0.0}, "`expansion` .* Received: expansion=0.0"),
        ({"expansion": 1e-9}, "whole numbers .* Received: expansion=1e-09"),
        ({"expansion": 1 / 32}, "whole numbers .* 256, .*16. Received: expansion=0.03125"),
        ({"gradient_penalty_weight": -1.0}, "_weight` must be 0 or more. .*_weight=-1.0"),
        ({"augmentation": "flip"}, "colour, shift, cutout, .* Received: augmentation='flip'"),
        ({"latent_dim": 0}, "`latent_dim` .* Received: latent_dim=0"),
        ({"average_decay": 1.0}, "`average_decay` .* Received: average_decay=1.0"),
    ),
)
