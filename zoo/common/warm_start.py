"""A warm start: the generator begins as the decoder of a briefly trained autoencoder."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from zoo.common.checks import as_integer
from zoo.common.latent_model import LatentModel
from zoo.common.priors import Prior


def warm_start(
    model: LatentModel,
    images,
    steps: int = 200,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
) -> None:
    """Has the generator make blurred images like the data's before the game begins.

    At a random start all that the generator makes is grey, and the discriminator tells it from the
    data at once. Here the generator is first trained to decode what a small encoder, dropped
    afterwards, makes of real images; the codes are scaled to the mean and deviation of the prior,
    so that what is drawn from the prior decodes to something alike.

    Call it after the model is built and before `fit`; it is not part of the game, and neither
    counts steps nor moves the players' optimizers.

    Args:
        model: one that makes images of latents alone, and has not trained yet.
        images: float32 `(batch, height, width, channels)` in [-1, 1], or a dataset of such batches,
            of which 2,000 images are taken.
        steps: of the autoencoder. Defaults to 200, some seconds for a small generator: more would
            teach it this one code, and the game has other plans.
        batch_size: images of a step. Defaults to 64.
        learning_rate: of Adam, which trains encoder and generator. Defaults to 0.001, Keras's own.

    Raises:
        ValueError: if `images` are not such, the model has trained already, or its generator takes
            a condition.
    """
    steps, batch_size = as_integer("steps", steps), as_integer("batch_size", batch_size)
    if model.condition is not None:
        raise ValueError(
            "warm_start() decodes latents alone. Received: a generator that takes a condition"
        )
    if int(model.step.numpy()) > 0:
        raise ValueError(
            "warm_start() sets initial weights, so call it before fit(). Received: a model trained "
            f"for {int(model.step.numpy())} steps."
        )
    images = model.images_to_adapt_to(images, num_images=2000)
    pixels = keras.Input(model.image_shape)
    codes = _encoder(model.image_shape, model.prior)(pixels)
    autoencoder = keras.Model(pixels, model.generator(codes))
    autoencoder.compile(keras.optimizers.Adam(learning_rate), "mean_squared_error")
    batches = tf.data.Dataset.from_tensor_slices((images, images))
    batches = batches.shuffle(len(images), seed=model.seed).repeat().batch(batch_size)
    autoencoder.fit(batches.take(steps), shuffle=False, verbose=0)  # they are shuffled
    model.averaged_generator.set_weights(model.generator.get_weights())


def _encoder(image_shape, prior: Prior) -> keras.Model:
    """Returns a small network from images to codes with the prior's mean and deviation."""
    latents = np.asarray(prior.draw(10_000, (0, 0)))
    images = keras.Input(image_shape)
    x = layers.Dense(256, activation="relu")(layers.Flatten()(images))
    x = layers.Dense(prior.latent_dim)(x)
    x = layers.BatchNormalization(center=False, scale=False)(x)
    codes = layers.Normalization(
        mean=latents.mean(axis=0), variance=latents.var(axis=0), invert=True, dtype="float32"
    )(x)
    return keras.Model(images, codes)
