"""CycleGAN."""

import zoo
from tests.case import OUTPUTS, Case, convolution, ramp_images


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


def _cyclegan_generator(num_blocks: int) -> int:
    """Parameters of the authors' generator; its instance norm has none."""
    ends = convolution(3, 64, 7) + convolution(64, 3, 7)
    scales = 2 * 9 * (64 * 128 + 128 * 256) + (128 + 256) + (128 + 64)
    return ends + scales + 2 * num_blocks * convolution(256, 256, 3)


PATCH_DISCRIMINATOR = (
    convolution(3, 64, 4)
    + convolution(64, 128, 4)
    + convolution(128, 256, 4)
    + convolution(256, 512, 4)
    + convolution(512, 1, 4)
)

# Networks of the paper's size take seconds to build, also for what is refused afterwards.
ONE_FILTER = {"base_filters": 1, "num_blocks": 1}

CASE = Case(
    variant=zoo.CycleGAN,
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
    training_logs=OUTPUTS | {"adversarial_loss", "cycle_loss", "identity_loss"},
    evaluation_logs=frozenset({"cycle_loss", "identity_loss"}),
    # In some step rounding turns the sign of an absolute error, and with it a gradient.
    steps_on_replicas=2,
    bad_arguments=(
        ({"image_shape": (28, 28)}, r"`image_shape` .* Received: image_shape=\(28, 28\)"),
        ({"image_shape": (30, 28, 3), **ONE_FILTER}, "sides that 4 divides"),
        ({"base_filters": 0}, "`base_filters` .* Received: base_filters=0"),
        ({"num_blocks": 2.0}, "`num_blocks` .* Received: num_blocks=2.0"),
        ({"discriminator_scales": 0}, "`discriminator_scales` .* discriminator_scales=0"),
        (
            {"discriminator_scales": 5, **ONE_FILTER},
            "can't judge images .* Received: discriminator_scales=5",
        ),
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
