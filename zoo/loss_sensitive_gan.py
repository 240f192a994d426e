"""Loss-sensitive GAN: a learnt loss whose margin is the wider, the worse a generated image is.

The critic is a loss function L ≥ 0, low for real images and higher for generated ones, by a margin
Δ that grows with the distance between the two, and by no more:

    min_L  E[max(0, Δ(x, G(z)) + L(x) − L(G(z)))] + γ E[L(x)]        min_G  E[L(G(z))]

    Δ(x, G(z)) = τ ‖x − G(z)‖₁        z ~ U[−1, 1]^100

A pair whose losses are apart by its margin costs nothing and teaches nothing: the critic works on
images that are too well liked for how far they are from real ones, and leaves alone those that are
near. To keep the margins L must go on rising away from the data, so that G has a slope to follow
even against a critic trained far ahead, where a discriminator's probabilities are flat.

With max(a, s·a) for max(0, a) it is the generalised game: a slope s of 1 makes it Wasserstein's,
whose gradients know no margin.

Reference: [Qi, 2017](https://arxiv.org/abs/1701.06264), and the author's code, whose networks are
those of Radford et al. 2015.
"""

import math

import keras
import tensorflow as tf
from keras import initializers, layers

from zoo.common.checks import (
    check_network,
    check_not_negative,
    check_positive_integers,
    check_square,
)
from zoo.common.constraints import WeightClipping
from zoo.common.latent_model import LatentModel
from zoo.common.optimizers import FusedAdam
from zoo.common.priors import Uniform

# Of the author's GLS-GAN.
WEIGHT_LIMIT = 0.04

# τ at 64×64×3 in the author's code, times the number of those pixels: the margin between two images
# that differ by 1 in every pixel.
LARGE_MARGIN = 0.0002 * 64 * 64 * 3

# === Networks ===


def coarsest_side(side: int) -> tuple[int, int]:
    """Returns the side of the smallest feature map, 4 to 7, and how often it is doubled.

    Raises:
        ValueError: if the side of the images is not in 28 … 128, or not 4, 5, 6 or 7 times a power
            of two.
    """
    doublings = 0
    while side % 2**doublings == 0 and side // 2**doublings > 7:
        doublings += 1
    if not 28 <= side <= 128 or side % 2**doublings or side // 2**doublings < 4:
        raise ValueError(
            "The side of the images must be 4, 5, 6 or 7 times a power of two from 28 to 128: 28, "
            f"32, 40, 48, 56, 64, 80, 96, 112 or 128. Received: {side}"
        )
    return side // 2**doublings, doublings


def _batch_norm(x, constraint=None):
    # Synchronized: over the global batch, whatever the number of replicas.
    return layers.BatchNormalization(
        momentum=0.9,
        gamma_initializer=initializers.RandomNormal(1.0, 0.02),
        gamma_constraint=constraint,
        beta_constraint=constraint,
        synchronized=True,
    )(x)


def build_generator(
    image_shape=(64, 64, 3), latent_dim: int = 100, filters: int = 64
) -> keras.Model:
    """Returns the author's generator: a projection, then transposed convolutions of stride 2.

    Args:
        image_shape: (side, side, channels).
        latent_dim: size of z.
        filters: before the image; twice as many at each coarser scale.
    """
    side, doublings = coarsest_side(image_shape[0])
    options = {"kernel_initializer": initializers.RandomNormal(0.0, 0.02), "use_bias": False}
    latents = keras.Input((latent_dim,), name="latents")
    x = layers.Reshape((1, 1, latent_dim))(latents)
    x = layers.Conv2DTranspose(filters * 2 ** (doublings - 1), side, **options)(x)
    x = layers.ReLU()(_batch_norm(x))
    for scale in reversed(range(doublings - 1)):
        x = layers.Conv2DTranspose(filters * 2**scale, 4, 2, "same", **options)(x)
        x = layers.ReLU()(_batch_norm(x))
    x = layers.Conv2DTranspose(image_shape[-1], 4, 2, "same", **options)(x)
    return keras.Model(latents, layers.Activation("tanh", dtype="float32")(x), name="generator")


def build_critic(image_shape=(64, 64, 3), filters: int = 64, slope: float = 0.0) -> keras.Model:
    """Returns the author's critic: convolutions of stride 2, then one number.

    It ends in softplus, so that no loss is negative, and none without a slope. With a slope above 0
    it is that of the author's GLS-GAN: it ends in a plain number, and its weights are clipped,
    without which its losses would grow without end.

    Args:
        image_shape: (side, side, channels).
        filters: of the first convolution; twice as many at each coarser scale.
        slope: s.
    """
    side, doublings = coarsest_side(image_shape[0])
    constraint = WeightClipping(WEIGHT_LIMIT) if slope > 0 else None
    options = {
        "kernel_initializer": initializers.RandomNormal(0.0, 0.02),
        "kernel_constraint": constraint,
        "use_bias": False,
    }
    images = keras.Input(image_shape, name="images")
    x = images
    for scale in range(doublings):
        x = layers.Conv2D(filters * 2**scale, 4, 2, "same", **options)(x)
        x = layers.LeakyReLU(negative_slope=0.2)(_batch_norm(x, constraint) if scale else x)
    # Further from 0 the losses are nearly as they come, and differ by more.
    options |= {"use_bias": True, "bias_initializer": "ones", "bias_constraint": constraint}
    x = layers.Flatten()(layers.Conv2D(1, side, **options)(x))
    activation = "linear" if slope > 0 else "softplus"
    losses = layers.Activation(activation, dtype="float32", name="losses")(x)
    return keras.Model(images, losses, name="critic")


# === Model ===


@keras.saving.register_keras_serializable(package="zoo")
class LossSensitiveGAN(LatentModel):
    """Loss-sensitive GAN; the game is at the top of this file.

    `fit` takes batches of images. The players are `generator` and `critic`; the logs `real_output`
    and `generated_output` are losses, of which real images have the lower ones, and `margin` is the
    mean Δ that is asked to lie between.

    Args:
        image_shape: (side, side, channels); the side 4, 5, 6 or 7 times a power of two, from 28 to
            128.
        latent_dim: size of z ~ U[-1, 1]. Defaults to 100, as in the author's code.
        filters: of the finest scale. Defaults to 64, as in the author's code.
        margin_weight: τ, of the distance summed over all numbers of an image in [-1, 1]. Defaults
            to `None`, which is 2.4576 over how many those are: the author's 0.0002 at 64×64×3, and
            margins as large at other sizes.
        real_loss_weight: γ. Defaults to 0, as in the author's code.
        slope: s, from -1 to 1, of the critic's cost where the margin is kept. Defaults to 0, a
            hinge; the author's GLS-GAN has 0.5. Above 0 the critic's weights must be bounded: those
            of the default one are clipped to ±0.04, as there.
        average_decay: decay of an average of G with which `generate`, `evaluate` and the export
            answer. Defaults to 0, no average, as in the author's code.
        seed: seed of the latents drawn in training.
        generator: a network of your own, latents → images in [-1, 1].
        critic: a network of your own, images → one loss, not negative unless the slope is above 0.

    Call arguments:
        latents: float32 `(batch, latent_dim)`.

    Returns:
        float32 `(batch, side, side, channels)`, pixels in [-1, 1].

    Raises:
        ValueError: if an argument is out of range, or a network does not fit.

    Differs from the author's code: the critic ends in softplus, log(1 + eˣ), and its last layer has
    a bias, 1 at first. The author's rectifier dies there: in one of three games it was 0 for every
    image from the sixth epoch on, without a slope for either player.

    Reference: [Qi, 2017](https://arxiv.org/abs/1701.06264)
    """

    def __init__(
        self,
        image_shape=(64, 64, 3),
        latent_dim: int = 100,
        filters: int = 64,
        *,
        margin_weight: float | None = None,
        real_loss_weight: float = 0.0,
        slope: float = 0.0,
        average_decay: float = 0.0,
        seed: int = 0,
        generator: keras.Model | None = None,
        critic: keras.Model | None = None,
        **kwargs,
    ):
        super().__init__(
            image_shape=image_shape,
            prior=Uniform(latent_dim),
            average_decay=average_decay,
            seed=seed,
            **kwargs,
        )
        check_square(self.image_shape)
        check_positive_integers(filters=filters)
        if margin_weight is None:
            margin_weight = LARGE_MARGIN / math.prod(self.image_shape)
        check_not_negative(margin_weight=margin_weight, real_loss_weight=real_loss_weight)
        if not -1 <= slope <= 1:
            raise ValueError(f"`slope` must be from -1 to 1. Received: slope={slope!r}")
        self.filters = filters
        self.margin_weight = margin_weight
        self.real_loss_weight = real_loss_weight
        self.slope = slope
        self.generator = generator or build_generator(self.image_shape, latent_dim, filters)
        self.critic = critic or build_critic(self.image_shape, filters, slope)
        check_network("generator", self.generator, (latent_dim,), self.image_shape)
        check_network("critic", self.critic, self.image_shape, (1,))
        self.averaged_generator = self.average_of(self.generator)
        self.finish_building(
            players={"generator": [self.generator], "critic": [self.critic]},
            logs=("margin", "real_output", "generated_output"),
        )

    def default_optimizers(self):
        """Returns Adam at 1e-4 with β₁ 0.5 for both players, as in the author's code."""
        return {player: FusedAdam(1e-4, beta_1=0.5) for player in self.players}

    def margins(self, real_images, generated_images) -> tf.Tensor:
        """Returns Δ of each pair, float32 `(batch, 1)`; no gradient flows to either image."""
        distances = tf.abs(tf.stop_gradient(real_images - _float32(generated_images)))
        axes = range(1, distances.shape.rank)
        return self.margin_weight * tf.reduce_sum(distances, axis=axes)[:, tf.newaxis]

    def train_step(self, data):
        """Takes one step of the critic, then one of the generator, on the same images."""
        real_images = data
        latents = self.draw_latents(tf.shape(real_images)[0])
        with tf.name_scope("generator_player/"), tf.GradientTape() as generator_tape:
            generated_images = self.generator(latents, training=True)

        margins = self.margins(real_images, generated_images)
        with tf.name_scope("critic_player/"):
            with tf.GradientTape() as tape:
                # Apart: batch norm must not tell from the company which images are real.
                real_losses = _float32(self.critic(real_images, training=True))
                generated_losses = _float32(self.critic(generated_images, training=True))
                # Row by row, each real image with the generated one beside it.
                missing = margins + real_losses - generated_losses
                critic_loss = tf.reduce_mean(tf.maximum(missing, self.slope * missing))
                critic_loss += self.real_loss_weight * tf.reduce_mean(real_losses)
            critic_gradient_norm = self.update_player("critic", critic_loss, tape)

        with tf.name_scope("generator_player/"):
            with generator_tape:
                losses = _float32(self.critic(generated_images, training=True))
                generator_loss = tf.reduce_mean(losses)
            generator_gradient_norm = self.update_player(
                "generator", generator_loss, generator_tape
            )

        return self.finish_step(
            generator_loss=generator_loss,
            critic_loss=critic_loss,
            margin=margins,
            generator_gradient_norm=generator_gradient_norm,
            critic_gradient_norm=critic_gradient_norm,
            real_output=real_losses,
            generated_output=generated_losses,
        )

    def get_config(self):
        """Returns the arguments that rebuild this model, networks included."""
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "filters": self.filters,
            "margin_weight": self.margin_weight,
            "real_loss_weight": self.real_loss_weight,
            "slope": self.slope,
            "generator": keras.saving.serialize_keras_object(self.generator),
            "critic": keras.saving.serialize_keras_object(self.critic),
        }


def _float32(outputs) -> tf.Tensor:
    return tf.cast(outputs, tf.float32)  # a network of the user's own may give half of it
