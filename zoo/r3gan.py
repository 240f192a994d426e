"""R3GAN: no tricks but a loss that compares pairs and two penalties that make it converge.

    min_D  E[softplus(−(D(Tx) − D(TG(z))))] + γ/2 E[‖∇ₓD(Tx)‖²] + γ/2 E[‖∇D(TG(z))‖²]
    min_G  E[softplus(−(D(TG(z)) − D(Tx)))]

with z ~ N(0, I), D(x) a number, and T a random change of the image, the same kind for real and
generated ones, or none. What each part is for:

- D need not say how real an image is, only that the real one of a pair is more so. With an absolute
  judgement it can put all generated images on one side of one border, and G gathers them where that
  is crossed most easily: modes are lost. Each pair has a border of its own.
- Alone, that game may not converge. The penalties R₁ and R₂ keep D flat around real and around
  generated images, and with both it does.
- So the networks need none of the crutches of 2015 to 2020: residual blocks of 1×1, grouped 3×3
  and 1×1 convolutions, no normalisation, no noise, no momentum in Adam. What normalisation did is
  left to the first weights: every block starts as the identity.

Reference: [Huang et al., 2024](https://arxiv.org/abs/2501.05441)
"""

import math
from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import initializers, layers

from zoo.common.augmentation import augment, check_augmentation
from zoo.common.checks import (
    as_integer,
    check_network,
    check_not_negative,
    check_positive,
    check_positive_integers,
    check_square,
    refuse_company,
)
from zoo.common.latent_model import LatentModel
from zoo.common.objectives import OUTPUT_LOGS
from zoo.common.optimizers import FusedAdam
from zoo.common.penalties import zero_centred_gradient_penalty
from zoo.common.priors import Normal

COARSEST_SIDE = 4
SIDES = (8, 16, 32, 64, 128, 256)
SLOPE = 0.2

# === Networks ===


@keras.saving.register_keras_serializable(package="zoo")
class LearntBasis(layers.Layer):
    """Turns each vector into a map: channel c is a learnt picture times the vector's entry c.

    Args:
        side: height and width of the map.

    Call arguments:
        vectors: `(batch, channels)`.

    Returns:
        `(batch, side, side, channels)`.
    """

    def __init__(self, side: int, **kwargs):
        super().__init__(**kwargs)
        self.side = as_integer("side", side)

    def build(self, input_shape):
        self.basis = self.add_weight(
            name="basis",
            shape=(self.side, self.side, input_shape[-1]),
            initializer=initializers.RandomNormal(stddev=1.0),
        )

    def call(self, vectors):
        return vectors[:, tf.newaxis, tf.newaxis, :] * self.basis

    def get_config(self):
        """Returns the arguments that rebuild this layer."""
        return {**super().get_config(), "side": self.side}


@keras.saving.register_keras_serializable(package="zoo")
class BiasedLeakyReLU(layers.Layer):
    """Adds a bias to each channel, then lets a fifth of what is negative through."""

    def build(self, input_shape):
        self.bias = self.add_weight(name="bias", shape=(input_shape[-1],), initializer="zeros")

    def call(self, inputs):
        return tf.nn.leaky_relu(inputs + self.bias, alpha=SLOPE)


@keras.saving.register_keras_serializable(package="zoo")
class ClippedWhenUsed(layers.Layer):
    """Clips pixels to [-1, 1], but in training leaves them, and their gradient, as they are."""

    def call(self, images, training=False):
        return images if training else tf.clip_by_value(images, -1.0, 1.0)


def scaled_normal(gain: float = 1.0) -> keras.Initializer:
    """N(0, gain² / inputs of a unit): with gain 1, what goes in comes out as large."""
    return initializers.VarianceScaling(gain**2, "fan_in", "untruncated_normal")


def residual_block(x, num_blocks: int, group_size: int | None, expansion: float):
    """Returns x + f(x), where f changes the width, looks at 3×3 places, and changes it back.

    Args:
        x: a map.
        num_blocks: of the whole network: each must add the less, the more there are.
        group_size: channels that the 3×3 convolution mixes, or `None` for all.
        expansion: channels of the 3×3 convolution, as a multiple of those of x.
    """
    channels = x.shape[-1]
    inner_channels = round(expansion * channels)
    groups = 1 if group_size is None else inner_channels // group_size
    activation_gain = math.sqrt(2.0 / (1.0 + SLOPE**2))
    initializer = scaled_normal(activation_gain * num_blocks**-0.25)
    options = {"padding": "same", "use_bias": False}
    inner_options = {**options, "kernel_initializer": initializer}
    y = layers.Conv2D(inner_channels, 1, **inner_options)(x)
    y = BiasedLeakyReLU()(y)
    y = layers.Conv2D(inner_channels, 3, groups=groups, **inner_options)(y)
    y = BiasedLeakyReLU()(y)
    y = layers.Conv2D(channels, 1, kernel_initializer="zeros", **options)(y)
    return layers.Add()([x, y])


def _change_of_channels(x, channels: int):
    if x.shape[-1] == channels:
        return x
    return layers.Conv2D(channels, 1, use_bias=False, kernel_initializer=scaled_normal())(x)


def widths_of_maps(side: int, filters: int, halved_from: int) -> list[int]:
    """Returns the channels of each map, from 4×4 to `side`.

    Args:
        side: of the images, one of `SIDES`.
        filters: channels of the coarsest map.
        halved_from: side of the first map with half as many; each finer one halves them again.
    """
    sides = [COARSEST_SIDE * 2**index for index in range((side // COARSEST_SIDE).bit_length())]
    return [int(filters / max(1, 2 * each // halved_from)) for each in sides]


def build_generator(
    image_shape=(64, 64, 3),
    latent_dim: int = 64,
    widths: Sequence[int] = (256, 128, 64, 32, 16),
    blocks_per_map: int = 1,
    group_size: int | None = None,
    expansion: float = 2.0,
) -> keras.Model:
    """Returns the generator: a learnt 4×4 map for each latent, blocks, doublings. It has no tanh.

    Args:
        image_shape: (side, side, channels).
        latent_dim: size of z.
        widths: channels of each map, from 4×4 to the side of the images.
        blocks_per_map: residual blocks at each size.
        group_size: channels that a 3×3 convolution mixes, or `None` for all.
        expansion: channels of a 3×3 convolution, as a multiple of those of its map.
    """
    num_blocks = blocks_per_map * len(widths)
    latents = keras.Input((latent_dim,), name="latents")
    x = layers.Dense(widths[0], use_bias=False, kernel_initializer=scaled_normal())(latents)
    x = LearntBasis(COARSEST_SIDE)(x)
    for index, channels in enumerate(widths):
        if index > 0:
            x = layers.UpSampling2D(interpolation="bilinear")(_change_of_channels(x, channels))
        for _ in range(blocks_per_map):
            x = residual_block(x, num_blocks, group_size, expansion)
    x = layers.Conv2D(
        image_shape[-1],
        1,
        use_bias=False,
        kernel_initializer=scaled_normal(),
        dtype="float32",
    )(x)
    images = ClippedWhenUsed(name="images", dtype="float32")(x)
    return keras.Model(latents, images, name="generator")


def build_discriminator(
    image_shape=(64, 64, 3),
    widths: Sequence[int] = (256, 128, 64, 32, 16),
    blocks_per_map: int = 1,
    group_size: int | None = None,
    expansion: float = 2.0,
) -> keras.Model:
    """Returns the discriminator: the generator's blocks in the reverse order, and one number."""
    num_blocks = blocks_per_map * len(widths)
    images = keras.Input(image_shape, name="images")
    x = _change_of_channels(images, widths[-1])
    for index in reversed(range(len(widths))):
        for _ in range(blocks_per_map):
            x = residual_block(x, num_blocks, group_size, expansion)
        if index > 0:
            x = _change_of_channels(layers.AveragePooling2D(2)(x), widths[index - 1])
    # Of a depthwise kernel Keras counts all channels as inputs of a unit, which has one.
    initializer = initializers.RandomNormal(stddev=1.0 / COARSEST_SIDE)
    x = layers.DepthwiseConv2D(
        COARSEST_SIDE, use_bias=False, depthwise_initializer=initializer, name="whole_image"
    )(x)
    x = layers.Flatten()(x)
    logits = layers.Dense(
        1, use_bias=False, kernel_initializer=scaled_normal(), dtype="float32", name="logits"
    )(x)
    return keras.Model(images, logits, name="discriminator")


# === Model ===


@keras.saving.register_keras_serializable(package="zoo")
class R3GAN(LatentModel):
    """GAN of paired judgements and two gradient penalties; the game is at the top of this file.

    `fit` takes batches of images. On a CPU a step takes many times that of FaceGAN's networks
    of as many filters: maps keep their full size through each block, and both penalties come at
    every step.

    Args:
        image_shape: (side, side, channels); the side a power of 2 from 8 to 256.
        latent_dim: size of z ~ N(0, I). Defaults to 64, as in the authors' code.
        filters: channels of the coarsest map, 4×4. Defaults to 256; the authors have 768.
        halved_from: side of the first map with half as many channels; each finer one halves them
            again. Defaults to 8, which keeps a step within reach of a CPU; the authors' is 64.
        blocks_per_map: residual blocks at each size. Defaults to 1; the authors have 2.
        group_size: channels that a 3×3 convolution mixes; it must divide the channels of every one.
            The authors have 16. Defaults to `None`, all: on CPUs Keras has XLA compile each grouped
            convolution, and a step takes minutes to begin.
        expansion: channels of a 3×3 convolution, as a multiple of those of its map. Defaults to 2,
            as in the authors' code. Where groups are slow a fraction takes their place: a block of
            three times the channels at 0.5 costs about what one at 2 does.
        gradient_penalty_weight: γ, of both penalties. Defaults to 1; the authors' falls from 2 to
            0.2 at 64×64. With 0 both are left out.
        augmentation: changes of what D sees, of `colour`, `shift` and `cutout`, with commas
            between; see `zoo.common.augmentation`. Defaults to "", none, for thousands of images.
            How many are changed can't follow the sign of D's logits, as `FaceGAN` has it: logits
            that are only compared have none.
        average_decay: decay of the average of G with which `generate`, `evaluate` and the export
            answer. Defaults to 0.999.
        seed: seed of the latents and changes drawn in training.
        generator: a network of your own, latents → images in about [-1, 1].
        discriminator: a network of your own, images → one number, without batch norm.

    Call arguments:
        latents: float32 `(batch, latent_dim)`.

    Returns:
        float32 `(batch, side, side, channels)`, pixels in [-1, 1].

    Raises:
        ValueError: if an argument is out of range, or a network does not fit.

    Differs from the paper: rate, γ and decays are constant, not on cosine schedules; maps are
    doubled by bilinear interpolation and halved by means of 2×2, not through filters of [1, 2, 1];
    one batch serves both players; Adam's ε is Keras's 1e-7, where theirs is 1e-8; T are other
    changes, of every image, where the authors' probability grows to 0.3, and a shift brings in
    mirrored pixels, where DiffAugment's brings in zeros.

    Reference: [Huang et al., 2024](https://arxiv.org/abs/2501.05441)
    """

    default_objective = "relativistic"

    def __init__(
        self,
        image_shape=(64, 64, 3),
        latent_dim: int = 64,
        filters: int = 256,
        *,
        halved_from: int = 8,
        blocks_per_map: int = 1,
        group_size: int | None = None,
        expansion: float = 2.0,
        gradient_penalty_weight: float = 1.0,
        augmentation: str = "",
        average_decay: float = 0.999,
        seed: int = 0,
        generator: keras.Model | None = None,
        discriminator: keras.Model | None = None,
        **kwargs,
    ):
        super().__init__(
            image_shape=image_shape,
            prior=Normal(latent_dim),
            average_decay=average_decay,
            seed=seed,
            **kwargs,
        )
        check_square(self.image_shape)
        check_positive_integers(blocks_per_map=blocks_per_map)
        check_not_negative(gradient_penalty_weight=gradient_penalty_weight)
        check_augmentation(augmentation)
        self.filters = filters
        self.halved_from = halved_from
        self.blocks_per_map = blocks_per_map
        self.group_size = group_size
        self.expansion = expansion
        self.gradient_penalty_weight = gradient_penalty_weight
        self.augmentation = augmentation
        widths = _checked_widths(self.image_shape[0], filters, halved_from)
        _check_inner_widths(widths, group_size, expansion)
        form = (widths, blocks_per_map, group_size, expansion)
        self.generator = generator or build_generator(self.image_shape, latent_dim, *form)
        self.discriminator = discriminator or build_discriminator(self.image_shape, *form)
        check_network("generator", self.generator, (latent_dim,), self.image_shape)
        check_network("discriminator", self.discriminator, self.image_shape, (1,))
        if gradient_penalty_weight:
            refuse_company("discriminator", self.discriminator)
        self.averaged_generator = self.average_of(self.generator)
        self.finish_building(
            players={"generator": [self.generator], "discriminator": [self.discriminator]},
            logs=("real_gradient_penalty", "generated_gradient_penalty", *OUTPUT_LOGS),
        )

    def default_optimizers(self):
        """Returns Adam at 2e-4, the authors' rate, with β₁ 0 and β₂ 0.99, for both players."""
        return {player: FusedAdam(2e-4, beta_1=0.0, beta_2=0.99) for player in self.players}

    def judge(self, images, draw: int, training: bool = True):
        """Returns D's logits of the images as T changes them.

        Args:
            images: `(batch, side, side, channels)`.
            draw: number of the draw of T within the step.
            training: as for any layer.
        """
        seed = self.seed_for("augmentation", draw)
        changed_images = augment(images, self.augmentation, seed)
        return self.discriminator(changed_images, training=training)

    def gradient_penalty(self, images, draw: int):
        """Returns E[‖∇D(Tx)‖²] over images, with the gradient through T, or 0 if it is left out."""
        if not self.gradient_penalty_weight:
            return tf.zeros(())
        return zero_centred_gradient_penalty(
            lambda x, training: self.judge(x, draw, training=training), images
        )

    def train_step(self, data):
        """Takes one step of the discriminator, then one of the generator, on the same images."""
        latents = self.draw_latents(tf.shape(data)[0])
        with tf.name_scope("generator_player/"), tf.GradientTape() as generator_tape:
            generated_images = self.generator(latents, training=True)

        with tf.name_scope("discriminator_player/"):
            with tf.GradientTape() as tape:
                real_logits = self.judge(data, draw=0)
                generated_logits = self.judge(generated_images, draw=1)
                discriminator_loss = self.objective.discriminator_loss(
                    real_logits, generated_logits, seed=self.seed_for("label_noise")
                )
                real_penalty = self.gradient_penalty(data, draw=0)
                generated_penalty = self.gradient_penalty(generated_images, draw=1)
                penalized_loss = discriminator_loss + self.gradient_penalty_weight / 2 * (
                    real_penalty + generated_penalty
                )
            discriminator_gradient_norm = self.update_player("discriminator", penalized_loss, tape)

        with tf.name_scope("generator_player/"):
            with generator_tape:
                # By D as it is now: what it thought before its step is no match.
                generator_loss = self.objective.generator_loss(
                    self.judge(generated_images, draw=1), self.judge(data, draw=0)
                )
            generator_gradient_norm = self.update_player(
                "generator", generator_loss, generator_tape
            )

        return self.finish_step(
            generator_loss=generator_loss,
            discriminator_loss=discriminator_loss,
            real_gradient_penalty=real_penalty,
            generated_gradient_penalty=generated_penalty,
            generator_gradient_norm=generator_gradient_norm,
            discriminator_gradient_norm=discriminator_gradient_norm,
            **self.objective.outputs(real_logits, generated_logits),
        )

    def get_config(self):
        """Returns the arguments that rebuild this model, networks included."""
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "filters": self.filters,
            "halved_from": self.halved_from,
            "blocks_per_map": self.blocks_per_map,
            "group_size": self.group_size,
            "expansion": self.expansion,
            "gradient_penalty_weight": self.gradient_penalty_weight,
            "augmentation": self.augmentation,
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
        }


def _checked_widths(side: int, filters: int, halved_from: int) -> list[int]:
    for name, value in (("The side of the images", side), ("`halved_from`", halved_from)):
        if value not in SIDES:
            raise ValueError(
                f"{name} must be {', '.join(map(str, SIDES[:-1]))} or {SIDES[-1]}. "
                f"Received: {value!r}"
            )
    check_positive_integers(filters=filters, halved_from=halved_from)
    divisor = max(1, 2 * side // halved_from)
    if filters % divisor:
        raise ValueError(
            f"`filters` must be a multiple of {divisor} for images of side {side} and channels "
            f"halved from {halved_from} on. Received: filters={filters!r}"
        )
    return widths_of_maps(side, filters, halved_from)


def _check_inner_widths(widths: Sequence[int], group_size: int | None, expansion: float) -> None:
    check_positive(expansion=expansion)
    inner_widths = [expansion * width for width in widths]
    if any(width < 0.5 or abs(width - round(width)) > 1e-6 for width in inner_widths):
        raise ValueError(
            "`expansion` must make whole numbers of channels of the maps' "
            f"{', '.join(map(str, widths))}. Received: expansion={expansion!r}"
        )
    if group_size is None:
        return
    check_positive_integers(group_size=group_size)
    if any(round(width) % group_size for width in inner_widths):
        raise ValueError(
            "`group_size` must divide the channels of each 3×3 convolution: "
            f"{', '.join(f'{width:.0f}' for width in inner_widths)}. "
            f"Received: group_size={group_size!r}"
        )
