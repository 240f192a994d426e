"""Unrolled GAN: the generator is judged by the discriminator that its images are about to make.

    min_G max_D  f(G, D) = E[log D(x)] + E[log(1 − D(G(z)))]        z ~ N(0, I)

G should do well against the best reply to it, but trains against a D that is given. It then does
best to make the one image which that D likes most; D learns to know it, and G goes on to the next.
Here G minimises, in place of f(θ_G, θ_D),

    f_K(θ_G, θ_D) = f(θ_G, θ_D^K)        θ_D^{k+1} = θ_D^k + η ∇_{θ_D} f(θ_G, θ_D^k),  θ_D^0 = θ_D

with D's weights as they would be after K more steps against this G. They are a function of G's, and
the gradient goes through all K steps:

    df_K/dθ_G = ∂f(θ_G, θ_D^K)/∂θ_G + ∂f(θ_G, θ_D^K)/∂θ_D^K · dθ_D^K/dθ_G

The second term is how D would answer a change of G: to gather at one image costs G what D gains by
noticing. D itself takes one step, its own. Without the second term, as where D is copied, trained
and put back, it would be another method. Time and memory grow with K, of which 0 is the usual game.

Reference: [Metz et al., 2016](https://arxiv.org/abs/1611.02163), whose networks for stacked digits
these are, and the authors' code.
"""

import math

import keras
import tensorflow as tf
from keras import layers

from zoo.common.checks import (
    check_network,
    check_not_negative_integers,
    check_positive_integers,
)
from zoo.common.latent_model import LatentModel
from zoo.common.objectives import OUTPUT_LOGS
from zoo.common.optimizers import FusedAdam
from zoo.common.priors import Normal
from zoo.common.unrolling import LookAhead, gradients_ahead

# === Networks ===


def _batch_norm(x):
    # Synchronized: over the global batch, whatever the number of replicas.
    return layers.BatchNormalization(momentum=0.9, synchronized=True)(x)


def build_generator(
    image_shape=(28, 28, 1), latent_dim: int = 256, filters: int = 8
) -> keras.Model:
    """Returns the paper's generator: a dense layer, then transposed convolutions of stride 2.

    Args:
        image_shape: (height, width, channels).
        latent_dim: size of z.
        filters: of the finest of four scales; twice as many at each coarser one.
    """
    *sides, channels = image_shape
    coarsest = [math.ceil(side / 8) for side in sides]
    latents = keras.Input((latent_dim,), name="latents")
    x = layers.Dense(math.prod(coarsest) * 8 * filters)(latents)
    x = layers.ReLU()(_batch_norm(layers.Reshape((*coarsest, 8 * filters))(x)))
    for factor in (4, 2, 1):
        # From n pixels to 2n, or one less, whichever leads to the side of the image.
        padding = tuple(1 - math.ceil(side / factor) % 2 for side in sides)
        x = layers.Conv2DTranspose(factor * filters, 3, 2, "same", output_padding=padding)(x)
        x = layers.ReLU()(_batch_norm(x))
    x = layers.Conv2D(channels, 3, padding="same")(x)
    return keras.Model(latents, layers.Activation("tanh", dtype="float32")(x), name="generator")


def build_discriminator(image_shape=(28, 28, 1), filters: int = 4) -> keras.Model:
    """Returns the paper's discriminator: three convolutions of stride 2, then one logit.

    Args:
        image_shape: (height, width, channels).
        filters: of the first convolution; twice as many at each coarser scale.
    """
    images = keras.Input(image_shape, name="images")
    x = images
    for factor in (1, 2, 4):
        x = layers.Conv2D(factor * filters, 3, 2, "same")(x)
        x = layers.LeakyReLU(negative_slope=0.3)(_batch_norm(x))
    logits = layers.Dense(1, dtype="float32", name="logits")(layers.Flatten()(x))
    return keras.Model(images, logits, name="discriminator")


# === Model ===


@keras.saving.register_keras_serializable(package="zoo")
class UnrolledGAN(LatentModel):
    """Unrolled GAN; the game is at the top of this file.

    `fit` takes batches of images. The log `generator_loss` is f_K, what D would lose after K steps
    with its sign turned, `discriminator_loss` what it loses now. Of an `objective` only the
    discriminator's loss counts: what D loses G gains.

    D's optimizer is `keras.optimizers.Adam` or `SGD`; the steps to come begin with its moments, and
    take this batch K times. Layers of D that draw noise or keep statistics do neither there.

    Args:
        image_shape: (height, width, channels) of the images.
        latent_dim: size of z ~ N(0, I). Defaults to 256, as in the paper.
        generator_filters: of the finest scale of G. Defaults to 8, as in the paper.
        discriminator_filters: of the finest scale of D. Defaults to 4, the larger of the two that
            the paper has; the other is 2.
        unrolled_steps: K. Defaults to 5, as in the authors' code; the paper has 0 to 10. A step
            takes about 1 + 0.6 K times as long.
        average_decay: decay of an average of G with which `generate`, `evaluate` and the export
            answer. Defaults to 0, no average, as in the paper.
        seed: seed of the latents drawn in training.
        generator: a network of your own, latents → images in [-1, 1].
        discriminator: a network of your own, images → one logit.

    Call arguments:
        latents: float32 `(batch, latent_dim)`.

    Returns:
        float32 `(batch, height, width, channels)`, pixels in [-1, 1].

    Raises:
        ValueError: if an argument is out of range, or a network does not fit.

    Differs from the paper: its digits are stacks of three in colours; ours are what they are
    trained on. From the authors' code: the learning rate of the steps to come is that of the next.

    Reference: [Metz et al., 2016](https://arxiv.org/abs/1611.02163)
    """

    default_objective = "minimax"

    def __init__(
        self,
        image_shape=(28, 28, 1),
        latent_dim: int = 256,
        *,
        generator_filters: int = 8,
        discriminator_filters: int = 4,
        unrolled_steps: int = 5,
        average_decay: float = 0.0,
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
        check_positive_integers(
            generator_filters=generator_filters, discriminator_filters=discriminator_filters
        )
        check_not_negative_integers(unrolled_steps=unrolled_steps)
        self.generator_filters = generator_filters
        self.discriminator_filters = discriminator_filters
        self.unrolled_steps = unrolled_steps
        self.generator = generator or build_generator(
            self.image_shape, latent_dim, generator_filters
        )
        self.discriminator = discriminator or build_discriminator(
            self.image_shape, discriminator_filters
        )
        check_network("generator", self.generator, (latent_dim,), self.image_shape)
        check_network("discriminator", self.discriminator, self.image_shape, (1,))
        self.averaged_generator = self.average_of(self.generator)
        self.finish_building(
            players={"generator": [self.generator], "discriminator": [self.discriminator]},
            logs=OUTPUT_LOGS,
        )

    def default_optimizers(self):
        """Returns Adam with β₁ 0.5 and β₂ 0.99, at 1e-4 for G and 2e-4 for D, as in the paper."""
        rates = {"generator": 1e-4, "discriminator": 2e-4}
        return {p: FusedAdam(r, beta_1=0.5, beta_2=0.99) for p, r in rates.items()}

    def compile(self, *optimizers, **arguments):
        """Prepares the model for `fit`; see `LatentModel.compile`.

        Raises:
            ValueError: if D's optimizer is none whose steps can be unrolled, or as there.
        """
        super().compile(*optimizers, **arguments)
        if self.unrolled_steps:
            LookAhead(self.discriminator_optimizer)

    def train_step(self, data):
        """Takes one step of each player, on the same images and from the same state."""
        real_images = data
        latents = self.draw_latents(tf.shape(real_images)[0])
        with tf.name_scope("generator_player/"):
            with tf.GradientTape() as tape:
                generated_images = self.generator(latents, training=True)
                weights = self._weights_ahead(real_images, generated_images)
                # All of D's loss: by way of its weights real images count for G as well.
                generator_loss = -self._loss_at(weights, real_images, generated_images)
            generator_gradient_norm = self.update_player("generator", generator_loss, tape)

        with tf.name_scope("discriminator_player/"):
            with tf.GradientTape() as tape:
                # Apart: batch norm must not tell D from the company which images are real.
                real_logits = self.discriminator(real_images, training=True)
                generated_logits = self.discriminator(generated_images, training=True)
                discriminator_loss = self._loss_of(real_logits, generated_logits)
            discriminator_gradient_norm = self.update_player(
                "discriminator", discriminator_loss, tape
            )

        return self.finish_step(
            generator_loss=generator_loss,
            discriminator_loss=discriminator_loss,
            generator_gradient_norm=generator_gradient_norm,
            discriminator_gradient_norm=discriminator_gradient_norm,
            **self.objective.outputs(real_logits, generated_logits),
        )

    def _weights_ahead(self, real_images, generated_images) -> list[tf.Tensor]:
        """Returns D's weights after K steps on these images, a function of G's weights."""
        variables = self.trainable_variables_of("discriminator")
        weights = [tf.convert_to_tensor(variable.value) for variable in variables]
        if not self.unrolled_steps:  # the usual game, whatever the optimizer
            return weights
        look_ahead = LookAhead(self.discriminator_optimizer, variables)
        for _ in range(self.unrolled_steps):
            gradients = self._gradients_at(weights, real_images, generated_images)
            weights = look_ahead.take(weights, gradients)
        return weights

    def _gradients_at(self, weights, real_images, generated_images) -> list[tf.Tensor]:
        """Returns the gradients of D's loss at these weights, over all replicas."""
        with tf.GradientTape() as tape:
            tape.watch(weights)
            loss = self._loss_at(weights, real_images, generated_images)
        return gradients_ahead(tape, loss, weights, self.discriminator_optimizer)

    def _loss_at(self, weights, real_images, generated_images) -> tf.Tensor:
        """Returns what D would lose with these weights; it keeps its own, and all its states."""
        states = [tf.convert_to_tensor(v) for v in self.discriminator.non_trainable_variables]
        real_logits, generated_logits = (
            self.discriminator.stateless_call(weights, states, images, training=True)[0]
            for images in (real_images, generated_images)
        )
        return self._loss_of(real_logits, generated_logits)

    def _loss_of(self, real_logits, generated_logits) -> tf.Tensor:
        return self.objective.discriminator_loss(
            real_logits, generated_logits, seed=self.seed_for("label_noise")
        )

    def get_config(self):
        """Returns the arguments that rebuild this model, networks included."""
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "generator_filters": self.generator_filters,
            "discriminator_filters": self.discriminator_filters,
            "unrolled_steps": self.unrolled_steps,
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
        }
