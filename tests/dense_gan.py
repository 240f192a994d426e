"""A DCGAN of two dense layers, for tests of parts that go into any model: quick without a graph."""

import keras
from keras import layers

import zoo

IMAGE_SHAPE = (28, 28, 1)


def dense_gan(*discriminator_layers: layers.Layer, **arguments) -> zoo.DCGAN:
    """Returns a model whose discriminator has these layers between its input and its logit.

    Args:
        *discriminator_layers: of flattened images.
        **arguments: further ones of `DCGAN`.
    """
    latents, images = keras.Input((4,)), keras.Input(IMAGE_SHAPE)
    generated = layers.Reshape(IMAGE_SHAPE)(layers.Dense(784, activation="tanh")(latents))
    features = layers.Flatten()(images)
    for layer in discriminator_layers:
        features = layer(features)
    logits = layers.Dense(1, dtype="float32")(features)
    networks = {
        "generator": keras.Model(latents, layers.Activation("linear", dtype="float32")(generated)),
        "discriminator": keras.Model(images, logits),
    }
    return zoo.DCGAN(IMAGE_SHAPE, 4, **(networks | arguments))
