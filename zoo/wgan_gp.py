"""Wasserstein GAN with gradient penalty: a critic in place of a discriminator, kept 1-Lipschitz.

    min_G max_f  E[f(x)] − E[f(G(z))] − λ E[(‖∇f(x̂)‖₂ − 1)²]        z ~ N(0, I)

Over all f of slope at most 1 the first two terms are, at their largest, the Wasserstein distance
between data and generated images: how far the mass of one has to be carried to make the other. It
falls steadily as G gets nearer, even while a discriminator would tell both apart without fail, so
the critic may be trained well ahead of G: k steps for each one of G's. The penalty asks for a slope
of 1 at points x̂ drawn uniformly on the lines between a real image and a generated one. f(x) is no
probability and has no zero: only differences of it mean something.

The critic has no batch norm, for the penalty is on the slope at each image alone.

Reference: [Gulrajani et al., 2017](https://arxiv.org/abs/1704.00028), algorithm 1, and the authors'
residual networks for CIFAR-10.
"""

import keras
import tensorflow as tf
from keras import initializers, layers

from zoo.common.checks import (
    check_choice,
    check_network,
    check_not_negative,
    check_parts,
    check_positive_integers,
    check_square,
    refuse_company,
    require_parts,
)
from zoo.common.latent_model import LatentModel
from zoo.common.optimizers import FusedAdam
from zoo.common.penalties import images_between, one_centred_gradient_penalty
from zoo.common.priors import Normal

ARCHITECTURES = ("residual", "strided")
SIDES = (28, 32, 56, 64, 112, 128)

# === Networks ===


def coarsest_side(side: int) -> tuple[int, int]:
    """Returns the side of the smallest feature map, 4 or 7, and how often it is doubled.

    Raises:
        ValueError: if the side of the images is not one of `SIDES`.
    """
    if side not in SIDES:
        raise ValueError(
            f"The side of the images must be {', '.join(map(str, SIDES[:-1]))} or {SIDES[-1]}. "
            f"Received: {side}"
        )
    coarsest = 7 if side % 7 == 0 else 4
    return coarsest, (side // coarsest).bit_length() - 1


def _convolution(x, filters: int, kernel_size: int = 3, initializer=None):
    # The authors' "He" initialisation, which has the mean of inputs and outputs.
    initializer = initializer or initializers.VarianceScaling(2.0, "fan_avg", "uniform")
    return layers.Conv2D(filters, kernel_size, padding="same", kernel_initializer=initializer)(x)


def _normalized(x):
    # Synchronized: over the global batch, whatever the number of replicas.
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9, synchronized=True)(x))


def _enlarged(x):
    height, width, channels = x.shape[1:]
    # To repeat pixels hides from converters how many there are.
    return layers.Reshape((2 * height, 2 * width, channels))(layers.UpSampling2D()(x))


def _upsampling_block(x, filters: int):
    shortcut = _convolution(_enlarged(x), filters, 1, "glorot_uniform")
    x = _convolution(_enlarged(_normalized(x)), filters)
    return layers.Add()([shortcut, _convolution(_normalized(x), filters)])


def _critic_block(x, downsamples: bool):
    filters = x.shape[-1]
    y = _convolution(layers.ReLU()(x), filters)
    y = _convolution(layers.ReLU()(y), filters)
    if downsamples:
        y = layers.AveragePooling2D(2)(y)
        x = layers.AveragePooling2D(2)(_convolution(x, filters, 1, "glorot_uniform"))
    return layers.Add()([x, y])


def build_residual_generator(
    image_shape=(32, 32, 3), latent_dim: int = 128, filters: int = 128
) -> keras.Model:
    """Returns the authors' generator for CIFAR-10: a residual block for each doubling of the side.

    Args:
        image_shape: (side, side, channels).
        latent_dim: size of z.
        filters: of every convolution but the last.
    """
    side, doublings = coarsest_side(image_shape[0])
    latents = keras.Input((latent_dim,), name="latents")
    x = layers.Dense(side * side * filters)(latents)
    x = layers.Reshape((side, side, filters))(x)
    for _ in range(doublings):
        x = _upsampling_block(x, filters)
    x = _convolution(_normalized(x), image_shape[-1], initializer="glorot_uniform")
    return keras.Model(latents, layers.Activation("tanh", dtype="float32")(x), name="generator")


def build_residual_critic(image_shape=(32, 32, 3), filters: int = 128) -> keras.Model:
    """Returns the authors' critic for CIFAR-10: four residual blocks, the mean, one number.

    Blocks halve the side until it is 8 (or 14); two more follow at 32 pixels.

    Args:
        image_shape: (side, side, channels).
        filters: of every convolution.
    """
    _, doublings = coarsest_side(image_shape[0])
    images = keras.Input(image_shape, name="images")
    shortcut = _convolution(layers.AveragePooling2D(2)(images), filters, 1, "glorot_uniform")
    x = _convolution(layers.ReLU()(_convolution(images, filters)), filters)
    x = layers.Add()([shortcut, layers.AveragePooling2D(2)(x)])
    for number in range(1, doublings + 1):
        x = _critic_block(x, downsamples=number < doublings - 1)
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    outputs = layers.Dense(1, dtype="float32", name="output")(x)
    return keras.Model(images, outputs, name="critic")


def build_strided_generator(
    image_shape=(32, 32, 3), latent_dim: int = 128, filters: int = 64
) -> keras.Model:
    """Returns DCGAN's generator: a projection, then transposed convolutions of stride 2.

    Args:
        image_shape: (side, side, channels).
        latent_dim: size of z.
        filters: before the image; twice as many at each coarser scale.
    """
    side, doublings = coarsest_side(image_shape[0])
    coarsest_filters = filters * 2 ** (doublings - 1)
    latents = keras.Input((latent_dim,), name="latents")
    x = layers.Dense(side * side * coarsest_filters)(latents)
    x = _normalized(layers.Reshape((side, side, coarsest_filters))(x))
    for scale in reversed(range(doublings - 1)):
        x = _normalized(layers.Conv2DTranspose(filters * 2**scale, 4, 2, "same")(x))
    x = layers.Conv2DTranspose(image_shape[-1], 4, 2, "same")(x)
    return keras.Model(latents, layers.Activation("tanh", dtype="float32")(x), name="generator")


def build_strided_critic(image_shape=(32, 32, 3), filters: int = 64) -> keras.Model:
    """Returns DCGAN's discriminator without batch norm: convolutions of stride 2, one number.

    Args:
        image_shape: (side, side, channels).
        filters: of the first convolution; twice as many at each coarser scale.
    """
    _, doublings = coarsest_side(image_shape[0])
    images = keras.Input(image_shape, name="images")
    x = images
    for scale in range(doublings):
        x = layers.Conv2D(filters * 2**scale, 4, 2, "same", kernel_initializer="he_normal")(x)
        x = layers.LeakyReLU(negative_slope=0.2)(x)
    outputs = layers.Dense(1, dtype="float32", name="output")(layers.Flatten()(x))
    return keras.Model(images, outputs, name="critic")


# === Model ===


def _mean(outputs) -> tf.Tensor:
    return tf.reduce_mean(tf.cast(outputs, tf.float32))


@keras.saving.register_keras_serializable(package="zoo")
class WGANGP(LatentModel):
    """Wasserstein GAN with gradient penalty; the game is at the top of this file.

    `fit` takes batches of images. With `critic_steps=k` a batch is cut into k parts, one for each
    step of the critic, so give batches k times as large, and no smaller last one: use `repeat=True`
    or `drop_remainder=True` of `zoo.datasets.load`. The players are `generator` and `critic`; the
    log `critic_loss` is E[f(G(z))] − E[f(x)] without the penalty, and what it is below 0 estimates
    the Wasserstein distance.

    Args:
        image_shape: (side, side, channels); the side 28, 32, 56, 64, 112 or 128.
        latent_dim: size of z ~ N(0, I). Defaults to 128, as in the authors' code for CIFAR-10.
        filters: of every layer of the residual networks, or of the finest of the strided ones.
            Defaults to 128, as in the paper's for CIFAR-10.
        architecture: `"residual"`, the paper's networks for CIFAR-10, or `"strided"`, DCGAN's,
            which are smaller.
        gradient_penalty_weight: λ. Defaults to 10, as in the paper; 0 leaves the penalty out.
        critic_steps: k, steps of the critic for each one of G. Defaults to 5, as in the paper.
        average_decay: decay of an average of G with which `generate`, `evaluate` and the export
            answer. Defaults to 0, no average, as in the paper.
        seed: seed of the latents and of the points x̂ drawn in training.
        generator: a network of your own, latents → images in [-1, 1].
        critic: a network of your own, images → one number, without batch norm.

    Call arguments:
        latents: float32 `(batch, latent_dim)`.

    Returns:
        float32 `(batch, side, side, channels)`, pixels in [-1, 1].

    Raises:
        ValueError: if an argument is out of range, or a network does not fit.

    Differs from the authors' code: theirs for CIFAR-10 is conditional as it stands, with labels in
    G's batch norm and a classifier on the critic, and the paper has it without too; its G's step
    has twice as many latents as one of the critic's, ours as many; no noise is added to bytes to
    hide their steps.

    Reference: [Gulrajani et al., 2017](https://arxiv.org/abs/1704.00028)
    """

    def __init__(
        self,
        image_shape=(32, 32, 3),
        latent_dim: int = 128,
        filters: int = 128,
        *,
        architecture: str = "residual",
        gradient_penalty_weight: float = 10.0,
        critic_steps: int = 5,
        average_decay: float = 0.0,
        seed: int = 0,
        generator: keras.Model | None = None,
        critic: keras.Model | None = None,
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
        check_choice("architecture", architecture, ARCHITECTURES)
        check_positive_integers(filters=filters, critic_steps=critic_steps)
        check_not_negative(gradient_penalty_weight=gradient_penalty_weight)
        self.filters = filters
        self.architecture = architecture
        self.gradient_penalty_weight = gradient_penalty_weight
        self.critic_steps = critic_steps
        self.generator = generator or self._build_generator()
        self.critic = critic or self._build_critic()
        check_network("generator", self.generator, (latent_dim,), self.image_shape)
        check_network("critic", self.critic, self.image_shape, (1,))
        if gradient_penalty_weight:
            refuse_company("critic", self.critic)
        self.averaged_generator = self.average_of(self.generator)
        self.finish_building(
            players={"generator": [self.generator], "critic": [self.critic]},
            logs=("gradient_penalty", "real_output", "generated_output"),
        )

    def _build_generator(self):
        residual = self.architecture == "residual"
        build = build_residual_generator if residual else build_strided_generator
        return build(self.image_shape, self.latent_dim, self.filters)

    def _build_critic(self):
        residual = self.architecture == "residual"
        build = build_residual_critic if residual else build_strided_critic
        return build(self.image_shape, self.filters)

    def default_optimizers(self):
        """Returns Adam at 1e-4 with β₁ 0 and β₂ 0.9 for both players, as in algorithm 1."""
        return {player: FusedAdam(1e-4, beta_1=0.0, beta_2=0.9) for player in self.players}

    def check_batch(self, batch, method: str = "fit") -> None:
        """Refuses batches of another structure, image size or range, or too small for k parts."""
        super().check_batch(batch, method)
        check_parts(batch, self.critic_steps, "critic")

    def gradient_penalty(self, real_images, generated_images, number: int) -> tf.Tensor:
        """Returns E[(‖∇f(x̂)‖₂ − 1)²] for the critic's step of that number; 0 if λ is."""
        if not self.gradient_penalty_weight:
            return tf.zeros(())
        seed = self.seed_for("interpolation", number)
        images = images_between(real_images, generated_images, seed)
        return one_centred_gradient_penalty(self.critic, images)

    def train_step(self, data):
        """Takes k steps of the critic, then one of the generator."""
        data = require_parts(data, self.critic_steps, "critic")
        for number in range(self.critic_steps):
            # Every k-th image: where k divides the shares of all replicas, their parts are together
            # what one replica's would be.
            real_images = data[number :: self.critic_steps]
            critic_logs = self._critic_step(real_images, number)

        latents = self.draw_latents(tf.shape(real_images)[0], draw=self.critic_steps)
        with tf.name_scope("generator_player/"):
            with tf.GradientTape() as tape:
                generated_images = self.generator(latents, training=True)
                generator_loss = -_mean(self.critic(generated_images, training=True))
            generator_gradient_norm = self.update_player("generator", generator_loss, tape)

        return self.finish_step(
            generator_loss=generator_loss,
            generator_gradient_norm=generator_gradient_norm,
            **critic_logs,
        )

    def _critic_step(self, real_images, number: int):
        latents = self.draw_latents(tf.shape(real_images)[0], draw=number)
        with tf.name_scope("generator_player/"):
            generated_images = self.generator(latents, training=True)
        with tf.name_scope("critic_player/"):
            with tf.GradientTape() as tape:
                real_output = _mean(self.critic(real_images, training=True))
                generated_output = _mean(self.critic(generated_images, training=True))
                critic_loss = generated_output - real_output
                gradient_penalty = self.gradient_penalty(real_images, generated_images, number)
                penalized_loss = critic_loss + self.gradient_penalty_weight * gradient_penalty
            gradient_norm = self.update_player("critic", penalized_loss, tape)
        return {
            "critic_loss": critic_loss,
            "critic_gradient_norm": gradient_norm,
            "gradient_penalty": gradient_penalty,
            "real_output": real_output,
            "generated_output": generated_output,
        }

    def get_config(self):
        """Returns the arguments that rebuild this model, networks included."""
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "filters": self.filters,
            "architecture": self.architecture,
            "gradient_penalty_weight": self.gradient_penalty_weight,
            "critic_steps": self.critic_steps,
            "generator": keras.saving.serialize_keras_object(self.generator),
            "critic": keras.saving.serialize_keras_object(self.critic),
        }
