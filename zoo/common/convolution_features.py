"""What all convolutions of a network say of an image, as DCGAN's authors read a discriminator."""

import math
from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf
from keras import layers

_CONVOLUTIONS = (
    layers.Conv2D,
    layers.Conv2DTranspose,
    layers.DepthwiseConv2D,
    layers.SeparableConv2D,
)
# What may stand between a convolution and the end of its layer: it changes no image's place.
_REST_OF_A_LAYER = (
    layers.BatchNormalization,
    layers.LayerNormalization,
    layers.GroupNormalization,
    layers.Activation,
    layers.ReLU,
    layers.LeakyReLU,
    layers.PReLU,
    layers.ELU,
    layers.Dropout,
    layers.SpatialDropout2D,
    layers.GaussianNoise,
    layers.GaussianDropout,
)


class ConvolutionFeatures:
    """Features of images: all convolutions, each after its activation, max-pooled to 4×4 and flat.

    The output of the network is left out, and what has no place any more (maps of 1×1); maps
    smaller than 4×4 are taken as they are.

    Args:
        network: a Keras model of images that is a graph of layers; it is not changed if the caller
            gives a copy, see `adapt`.
        pool_size: side of the pooled maps. Defaults to 4, as in the paper.

    Attributes:
        layer_names: of the convolutions.
        body: images → the list of their maps.

    Raises:
        ValueError: if there is no convolution.

    Reference: [Radford et al., 2015](https://arxiv.org/abs/1511.06434), section 5.1.
    """

    def __init__(self, network: keras.Model, pool_size: int = 4) -> None:
        found = ends_of_convolutions(network)
        if not found:
            raise ValueError(
                "Features are of a network's convolutions, and this one has none with a map of "
                f"2×2 or more. Received: {network.name!r}"
            )
        self.layer_names = tuple(found)
        self.pool_size = pool_size
        self.body = keras.Model(network.inputs[0], list(found.values()))
        self._channels = network.input_shape[-1]
        # One trace for batches of any size; nothing in it is Python that must be translated.
        images = tf.TensorSpec((None, *network.input_shape[1:3], None), tf.float32)
        self._features = tf.function(self.of, input_signature=[images], autograph=False)

    def adapt(self, batches: Iterable) -> None:
        """Gives every batch norm the mean and the variance of these images, which it then keeps.

        A discriminator's own averages are over real and generated images.

        Args:
            batches: images `(batch, height, width, channels)`, gone through once for each batch
                norm.
        """
        for layer in self.body.layers:
            if isinstance(layer, layers.BatchNormalization):
                before = keras.Model(self.body.inputs[0], layer.input)
                mean, variance = _moments(before(self.fitting(batch)) for batch in batches)
                layer.moving_mean.assign(mean)
                layer.moving_variance.assign(variance)

    def __call__(self, images) -> np.ndarray:
        """Returns the features of a batch: float32 `(batch, num_features)`."""
        return self._features(tf.convert_to_tensor(images, tf.float32)).numpy()

    def of(self, images: tf.Tensor) -> tf.Tensor:
        """Returns the features of a tensor of images whose sides are known."""
        maps = self.body(self.fitting(images), training=False)
        maps = maps if isinstance(maps, (list, tuple)) else [maps]
        pooled = [max_pooled(tf.cast(each, tf.float32), self.pool_size) for each in maps]
        flat = [tf.reshape(each, (-1, math.prod(each.shape[1:]))) for each in pooled]
        return tf.concat(flat, axis=-1)

    def fitting(self, images) -> tf.Tensor:
        """Fills the channels of a network that judges several images at once with one image."""
        return filled(images, self._channels)


def filled(images: tf.Tensor, channels: int) -> tf.Tensor:
    """Repeats each image of a batch in its channels until there are so many."""
    before = len(images.shape) - 1
    tiled = tf.tile(images, [*[1] * before, channels // tf.shape(images)[-1]])
    return tf.ensure_shape(tiled, [*[None] * before, channels])


def max_pooled(maps: tf.Tensor, size: int) -> tf.Tensor:
    """Pools maps to `size`×`size`, whatever their sides; smaller ones stay as they are.

    Args:
        maps: `(batch, height, width, channels)`.
        size: side of the result.
    """
    for axis in (1, 2):
        side = maps.shape[axis]
        if side > size:
            bounds = [(i * side // size, -(-(i + 1) * side // size)) for i in range(size)]
            parts = [tf.gather(maps, tf.range(*bound), axis=axis) for bound in bounds]
            maps = tf.stack([tf.reduce_max(part, axis=axis) for part in parts], axis=axis)
    return maps


def ends_of_convolutions(network: keras.Model) -> dict[str, keras.KerasTensor]:
    """Gives the map at the end of each convolutional layer, transposed ones too, by its name.

    The output of the network is left out, and maps of 1×1.
    """
    outputs = {id(output) for output in network.outputs}
    found = {}
    for number, layer in enumerate(network.layers):
        if not _is_convolution(layer):
            continue
        end = layer.output
        for following in network.layers[number + 1 :]:
            if isinstance(following, _REST_OF_A_LAYER) and following.input is end:
                end = following.output
        if id(end) not in outputs and all(side is None or side > 1 for side in end.shape[1:3]):
            found[layer.name] = end
    return found


def _is_convolution(layer: keras.layers.Layer) -> bool:
    if isinstance(layer, layers.Wrapper):
        layer = layer.layer
    return isinstance(layer, _CONVOLUTIONS)


def _moments(outputs: Iterable) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and variance of each channel."""
    count, total, squares = 0, 0.0, 0.0
    for output in outputs:
        rows = np.asarray(output, np.float64).reshape(-1, output.shape[-1])
        count += len(rows)
        total, squares = total + rows.sum(axis=0), squares + np.square(rows).sum(axis=0)
    mean = total / count
    return mean, np.maximum(squares / count - np.square(mean), 0.0)
