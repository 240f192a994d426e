"""A game of three with a condition: what the base classes promise beyond two players.

A generator makes images of latents and a label, a discriminator judges them, and an encoder, at a
rate of its own, finds the latents of a generated image.
"""

import keras
import tensorflow as tf
from keras import layers

from tests.case import GENERATION_LOGS, SCORES, Case, generation_measures, ramp_images, ramp_labels
from zoo.common.checks import check_network
from zoo.common.latent_model import LatentModel
from zoo.common.objectives import OUTPUT_LOGS
from zoo.common.priors import Categorical, Concatenation, Normal

IMAGE_SHAPE = (28, 28, 1)
NUM_LABELS = 3


def build_generator(latent_dim: int) -> keras.Model:
    latents = keras.Input((latent_dim,), name="latents")
    label = keras.Input((), dtype="int32", name="label")
    x = layers.Concatenate()([latents, layers.Embedding(NUM_LABELS, 2)(label)])
    x = layers.Dense(28 * 28, activation="tanh", dtype="float32")(x)
    return keras.Model([latents, label], layers.Reshape(IMAGE_SHAPE)(x), name="generator")


def build_judge(outputs: int, name: str) -> keras.Model:
    images = keras.Input(IMAGE_SHAPE, name="images")
    x = layers.Dense(4, activation="relu")(layers.Flatten()(images))
    return keras.Model(images, layers.Dense(outputs, dtype="float32")(x), name=name)


@keras.saving.register_keras_serializable(package="tests")
class ThreePlayers(LatentModel):
    """`fit` takes `(images, labels)`."""

    default_objective = "non_saturating"

    def __init__(self, prior=None, **kwargs):
        prior = prior or Concatenation((Normal(4), Categorical(3)))
        condition = tf.TensorSpec((), tf.int32, name="label")
        super().__init__(image_shape=IMAGE_SHAPE, prior=prior, condition=condition, **kwargs)
        self.generator = build_generator(self.latent_dim)
        self.discriminator = build_judge(1, "discriminator")
        self.encoder = build_judge(self.latent_dim, "encoder")
        check_network("generator", self.generator, [(self.latent_dim,), ()], IMAGE_SHAPE)
        self.averaged_generator = self.average_of(self.generator)
        self.finish_building(
            players={
                "generator": [self.generator],
                "discriminator": [self.discriminator],
                "encoder": [self.encoder],
            },
            logs=OUTPUT_LOGS,
        )

    def default_optimizers(self):
        return {player: keras.optimizers.Adam(1e-3) for player in self.players}

    def train_step(self, data):
        images, labels = data
        latents = self.draw_latents(tf.shape(images)[0])
        with tf.GradientTape() as generator_tape:
            generated_images = self.generator([latents, labels], training=True)
        with tf.name_scope("discriminator_player/"):
            with tf.GradientTape() as tape:
                real_logits = self.discriminator(images, training=True)
                generated_logits = self.discriminator(generated_images, training=True)
                discriminator_loss = self.objective.discriminator_loss(
                    real_logits, generated_logits, seed=self.seed_for("label_noise")
                )
            discriminator_norm = self.update_player("discriminator", discriminator_loss, tape)
        with tf.name_scope("encoder_player/"):
            with tf.GradientTape() as tape:
                found = self.encoder(generated_images, training=True)
                encoder_loss = tf.reduce_mean(tf.square(found - latents))
            encoder_norm = self.update_player("encoder", encoder_loss, tape)
        with tf.name_scope("generator_player/"):
            with generator_tape:
                generator_loss = self.objective.generator_loss(
                    self.discriminator(generated_images, training=True)
                )
            generator_norm = self.update_player("generator", generator_loss, generator_tape)
        return self.finish_step(
            generator_loss=generator_loss,
            discriminator_loss=discriminator_loss,
            encoder_loss=encoder_loss,
            generator_gradient_norm=generator_norm,
            discriminator_gradient_norm=discriminator_norm,
            encoder_gradient_norm=encoder_norm,
            **self.objective.outputs(real_logits, generated_logits),
        )

    def get_config(self):
        config = super().get_config()
        config.pop("image_shape")
        return {**config, "prior": keras.saving.serialize_keras_object(self.prior)}


def batch(batch_size: int):
    return ramp_images(batch_size), ramp_labels(batch_size, NUM_LABELS)


def build() -> ThreePlayers:
    return ThreePlayers(average_decay=0.9)


CASE = Case(
    variant=ThreePlayers,
    build=build,
    build_without_noise=build,
    batch=batch,
    evaluation_batch=batch,
    inputs=lambda size: [ramp_images(size, (7,)), ramp_labels(size, NUM_LABELS)],
    training_logs=SCORES,
    evaluation_logs=GENERATION_LOGS,
    condition=lambda size: ramp_labels(size, NUM_LABELS),
    quality_measures=generation_measures,
    name="three_players",
)
