"""The first generative adversarial network.

A generator G makes images of noise z, a discriminator D says how likely an image is to be real:

    min_G max_D  E[log D(x)] + E[log(1 − D(G(z)))]        z ~ U[−1, 1]^100

For a fixed G the best D is p_data / (p_data + p_G); against that D the game's value is
2·JS(p_data ‖ p_G) − log 4, least where both distributions are equal. Early on, when D rejects
every G(z) with confidence, log(1 − D(G(z))) is flat, so in practice G maximises log D(G(z)): the
objective `"non_saturating"`, against `"minimax"` as the formula has it.

D learns from batches half real and half generated, k of them for each step of G (algorithm 1).

Reference: [Goodfellow et al., 2014](https://arxiv.org/abs/1406.2661), and the authors' code for
MNIST.
"""

import math

import keras
import numpy as np
import tensorflow as tf
from keras import initializers, layers

from zoo.common.checks import (
    check_network,
    check_not_negative,
    check_parts,
    check_positive_integers,
    require_parts,
)
from zoo.common.latent_model import LatentModel
from zoo.common.layers import Maxout
from zoo.common.objectives import OUTPUT_LOGS
from zoo.common.priors import Uniform

# === Networks ===


def build_generator(image_shape=(28, 28, 1), latent_dim: int = 100) -> keras.Model:
    """Returns the authors' network for MNIST: two layers of 1,200 rectifiers, then sigmoids.

    Args:
        image_shape: (height, width, channels).
        latent_dim: size of z.
    """
    initializer = initializers.RandomUniform(-0.05, 0.05)
    latents = keras.Input((latent_dim,), name="latents")
    x = layers.Dense(1200, activation="relu", kernel_initializer=initializer)(latents)
    x = layers.Dense(1200, activation="relu", kernel_initializer=initializer)(x)
    num_pixels = math.prod(image_shape)
    x = layers.Dense(num_pixels, kernel_initializer=initializer, name="pixel_logits")(x)
    x = layers.Activation("sigmoid", dtype="float32")(x)
    x = layers.Rescaling(2.0, -1.0, dtype="float32")(x)  # from the authors' [0, 1] to [-1, 1]
    return keras.Model(latents, layers.Reshape(image_shape, dtype="float32")(x), name="generator")


def build_discriminator(image_shape=(28, 28, 1), input_noise: float = 0.0) -> keras.Model:
    """Returns the authors' network for MNIST: two layers of 240 maxout units of 5 pieces.

    Dropout takes 20 % of the pixels and half of the units.

    Args:
        image_shape: (height, width, channels).
        input_noise: standard deviation of normal noise on the images, real and generated, of
            which the pixels are in [-1, 1]. The authors have none.
    """
    initializer = initializers.RandomUniform(-0.005, 0.005)
    images = keras.Input(image_shape, name="images")
    x = layers.GaussianNoise(input_noise)(images) if input_noise else images
    x = layers.Rescaling(0.5, 0.5)(layers.Flatten()(x))  # black is 0, as in the authors'
    x = layers.Dropout(0.2)(x)
    x = Maxout(240, 5, kernel_initializer=initializer)(x)
    x = layers.Dropout(0.5)(x)
    x = Maxout(240, 5, kernel_initializer=initializer)(x)
    x = layers.Dropout(0.5)(x)
    logits = layers.Dense(1, kernel_initializer=initializer, name="logits", dtype="float32")(x)
    return keras.Model(images, logits, name="discriminator")


# === Model ===


@keras.saving.register_keras_serializable(package="zoo")
class VanillaGAN(LatentModel):
    """The GAN of 2014; the game is at the top of this file.

    `fit` takes batches of images. With `discriminator_steps=k` a batch is cut into k parts, one
    for each step of D, so give batches k times as large, and no smaller last one: use `repeat=True`
    or `drop_remainder=True` of `zoo.datasets.load`.

    Args:
        image_shape: (height, width, channels) of the images.
        latent_dim: size of z ~ U[-1, 1]. Defaults to 100, as in the paper.
        discriminator_steps: k, steps of D for each one of G. Defaults to 1, as in the paper's
            experiments.
        input_noise: standard deviation of normal noise on all that D sees. Defaults to 0, as in
            the paper; some keeps D from winning when there are few images to learn (Sønderby et
            al. 2016, arXiv:1610.04490).
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

    Differs from the authors' code: z is uniform as in the paper, not normal; the momentum stays at
    its first value, where theirs grows from 0.5 to 0.7 over 250 epochs.

    Reference: [Goodfellow et al., 2014](https://arxiv.org/abs/1406.2661)
    """

    default_objective = "non_saturating"

    def __init__(
        self,
        image_shape=(28, 28, 1),
        latent_dim: int = 100,
        *,
        discriminator_steps: int = 1,
        input_noise: float = 0.0,
        average_decay: float = 0.0,
        seed: int = 0,
        generator: keras.Model | None = None,
        discriminator: keras.Model | None = None,
        **kwargs,
    ):
        super().__init__(
            image_shape=image_shape,
            prior=Uniform(latent_dim),
            average_decay=average_decay,
            seed=seed,
            **kwargs,
        )
        check_positive_integers(discriminator_steps=discriminator_steps)
        check_not_negative(input_noise=input_noise)
        self.discriminator_steps = discriminator_steps
        self.input_noise = input_noise
        self.generator = generator or build_generator(self.image_shape, latent_dim)
        self.discriminator = discriminator or build_discriminator(self.image_shape, input_noise)
        check_network("generator", self.generator, (latent_dim,), self.image_shape)
        check_network("discriminator", self.discriminator, self.image_shape, (1,))
        self.averaged_generator = self.average_of(self.generator)
        self.finish_building(
            players={"generator": [self.generator], "discriminator": [self.discriminator]},
            logs=OUTPUT_LOGS,
        )

    def default_optimizers(self):
        """Returns gradient descent at 0.1 with momentum 0.5, decaying by 4e-6 of itself a step."""
        schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 1 / 1.000004)
        return {player: keras.optimizers.SGD(schedule, momentum=0.5) for player in self.players}

    def adapt(self, images) -> None:
        """Has the generator start at the mean image, as in the authors' code.

        Without it the first generated images are grey all over, which D tells from digits at once.

        Args:
            images: float32 `(batch, height, width, channels)` in [-1, 1], some hundreds, or a
                dataset of such batches, of which 500 are taken.

        Raises:
            ValueError: if the images are not such, the generator is one of your own, or the model
                has trained already.
        """
        if "pixel_logits" not in [layer.name for layer in self.generator.layers]:
            raise ValueError(
                "adapt() sets the biases of the default generator. Received: a generator without "
                "a layer named pixel_logits."
            )
        if int(self.step.numpy()) > 0:
            raise ValueError(
                "adapt() sets initial weights, so call it before fit(). Received: a model trained "
                f"for {int(self.step.numpy())} steps."
            )
        images = np.asarray(self.images_to_adapt_to(images))
        share_of_white = (images.mean(axis=0).ravel() + 1.0) / 2.0
        share_of_white = np.clip(share_of_white, 1e-3, 1.0 - 1e-3)
        layer = self.generator.get_layer("pixel_logits")
        layer.bias.assign(np.log(share_of_white / (1.0 - share_of_white)))
        self.averaged_generator.set_weights(self.generator.get_weights())

    def check_batch(self, batch, method: str = "fit") -> None:
        """Refuses batches of another structure, image size or range, or too small for k parts."""
        super().check_batch(batch, method)
        check_parts(batch, self.discriminator_steps, "discriminator")

    def train_step(self, data):
        """Takes k steps of the discriminator, then one of the generator."""
        data = require_parts(data, self.discriminator_steps, "discriminator")
        for number in range(self.discriminator_steps):
            # Every k-th image: where k divides the shares of all replicas, their parts are together
            # what one replica's would be.
            real_images = data[number :: self.discriminator_steps]
            latents = self.draw_latents(tf.shape(real_images)[0], draw=number)
            discriminator_logs = self._discriminator_step(real_images, latents, number)

        # Algorithm 1 draws anew for the generator.
        latents = self.draw_latents(tf.shape(real_images)[0], draw=self.discriminator_steps)
        with tf.name_scope("generator_player/"):
            with tf.GradientTape() as tape:
                generated_images = self.generator(latents, training=True)
                if self.objective.is_relativistic:  # compares them with the last real ones
                    real_logits, generated_logits = self._judge(real_images, generated_images)
                else:
                    real_logits = None
                    generated_logits = self.discriminator(generated_images, training=True)
                generator_loss = self.objective.generator_loss(generated_logits, real_logits)
            generator_gradient_norm = self.update_player("generator", generator_loss, tape)
        return self.finish_step(
            generator_loss=generator_loss,
            generator_gradient_norm=generator_gradient_norm,
            **discriminator_logs,
        )

    def _judge(self, real_images, generated_images):
        """Returns the discriminator's logits of either half of one batch."""
        generated_images = tf.cast(generated_images, real_images.dtype)  # in half precision maybe
        images = tf.concat([real_images, generated_images], axis=0)
        return tf.split(self.discriminator(images, training=True), 2)

    def _discriminator_step(self, real_images, latents, number):
        with tf.name_scope("generator_player/"):
            generated_images = self.generator(latents, training=True)
        with tf.name_scope("discriminator_player/"):
            with tf.GradientTape() as tape:
                real_logits, generated_logits = self._judge(real_images, generated_images)
                # The objective adds the means of both halves; this is the mean over the batch.
                discriminator_loss = 0.5 * self.objective.discriminator_loss(
                    real_logits, generated_logits, seed=self.seed_for("label_noise", number)
                )
            gradient_norm = self.update_player("discriminator", discriminator_loss, tape)
        return {
            "discriminator_loss": discriminator_loss,
            "discriminator_gradient_norm": gradient_norm,
            **self.objective.outputs(real_logits, generated_logits),
        }

    def get_config(self):
        """Returns the arguments that rebuild this model, networks included."""
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "discriminator_steps": self.discriminator_steps,
            "input_noise": self.input_noise,
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
        }
