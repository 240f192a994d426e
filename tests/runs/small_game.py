"""A variant of the zoo at its smallest, for tests that resume one within an epoch."""

import keras
import tensorflow as tf

import zoo


def make_game(steps_per_execution: int = 1) -> zoo.VanillaGAN:
    """A small game with noise in it, an average, and running means of its logs."""
    keras.utils.set_random_seed(3)
    images = keras.Input((4, 4, 1))
    x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(images))
    model = zoo.VanillaGAN(
        (4, 4, 1),
        latent_dim=3,
        generator=keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(16), keras.layers.Reshape((4, 4, 1))]
        ),
        discriminator=keras.Model(images, keras.layers.Dense(1)(x)),
        average_decay=0.9,
    )
    model.compile(steps_per_execution=steps_per_execution)
    return model


def images_from(step: int) -> tf.data.Dataset:
    """Endless batches, each a function of its step."""
    return tf.data.Dataset.counter(step).map(
        lambda number: tf.random.stateless_uniform((4, 4, 4, 1), [number, 0], -1.0, 1.0)
    )
