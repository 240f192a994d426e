"""The energy-based GAN."""

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


def _small_energy_based_gan() -> zoo.EnergyBasedGAN:
    return zoo.EnergyBasedGAN(
        latent_dim=7,
        generator_layers=2,
        generator_units=12,
        encoder_layers=2,
        encoder_units=6,
        average_decay=0.9,
    )


# Of the paper's figure 9: four hidden layers and that of the pixels, without biases before the
# norms, against an encoder and a decoder of one layer each.
MNIST = {
    "generator": 100 * 1600 + 3 * 1600 * 1600 + 4 * batch_norm(1600) + 1601 * 784,
    "encoder": 785 * 1024,
    "decoder": 1025 * 784,
}

CASE = Case(
    variant=zoo.EnergyBasedGAN,
    build=_small_energy_based_gan,
    build_without_noise=_small_energy_based_gan,
    batch=ramp_images,
    evaluation_batch=ramp_images,
    inputs=ramp_latents,
    full_sizes=((zoo.EnergyBasedGAN, MNIST),),
    training_logs=OUTPUTS | {"pulling_away"},
    evaluation_logs=GENERATION_LOGS,
    quality_measures=generation_measures,
    bad_arguments=(
        ({"image_shape": (28, 28)}, r"`image_shape` .* Received: image_shape=\(28, 28\)"),
        ({"latent_dim": 0}, "`latent_dim` .* Received: latent_dim=0"),
        ({"generator_layers": 0}, "`generator_layers` .* Received: generator_layers=0"),
        ({"generator_units": 0}, "`generator_units` .* Received: generator_units=0"),
        ({"encoder_layers": 0}, "`encoder_layers` .* Received: encoder_layers=0"),
        ({"encoder_units": 2.5}, "`encoder_units` .* Received: encoder_units=2.5"),
        ({"pulling_away_weight": -0.1}, "`pulling_away_weight` .* pulling_away_weight=-0.1"),
        ({"margin": 0.0}, "above 0 and below 28, .* Received: margin=0.0"),
        ({"margin": 28.0}, "below 28, the largest energy .* Received: margin=28.0"),
        ({"image_shape": (4, 4, 1)}, "below 4, the largest energy .* Received: margin=10.0"),
        ({"average_decay": 1.0}, "`average_decay` .* Received: average_decay=1.0"),
    ),
)
