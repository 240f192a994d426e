"""Layers and random generators that Keras lacks."""

import keras
import tensorflow as tf
from keras import ops

from zoo.common.checks import as_integer


class ReplicaSeedGenerator(keras.random.SeedGenerator):
    """A seed generator whose seeds differ from replica to replica.

    Keras's own draws the same numbers on every replica, so that two replicas would add the same
    noise to different images. On one replica this generator yields exactly what Keras's does.
    """

    @classmethod
    def adopt(cls, generator: keras.random.SeedGenerator) -> "ReplicaSeedGenerator":
        """Turns a layer's generator into one of this class, in place, keeping its state.

        In place, because a layer that is built takes no new state: the noise and dropout layers of
        a user's own networks come to us built.
        """
        generator.__class__ = cls
        return generator

    def next(self, ordered: bool = True) -> tf.Tensor:
        """Returns the next seed, an int64 tensor of shape `(2,)`."""
        seed = super().next(ordered)
        replica_context = tf.distribute.get_replica_context()
        if replica_context is None or replica_context.num_replicas_in_sync == 1:
            return seed
        replica = replica_context.replica_id_in_sync_group
        return tf.random.experimental.stateless_fold_in(seed, tf.cast(replica, seed.dtype))


def _sum_of_squares(weights: tf.Tensor, axes: list[int]) -> tf.Tensor:
    """Σ w² over `axes`; its gradient 2w·g is one pass over the weights, not TensorFlow's three."""

    @tf.custom_gradient
    def sum_of_squares(weights):
        def gradient(upstream):
            for axis in sorted(axis % weights.shape.rank for axis in axes):
                upstream = tf.expand_dims(upstream, axis)
            return weights * (2.0 * upstream)

        return tf.reduce_sum(tf.square(weights), axis=axes), gradient

    return sum_of_squares(weights)


class _WeightNormalized:
    """Makes a Keras layer's kernel w = scale · v/‖v‖, one norm for each output unit.

    Mixed into a layer class that computes with `self.kernel`: the layer's own kernel variable
    becomes the direction v, and reading `kernel` gives w.
    """

    output_axis = -1

    def __init__(self, *args, train_scale: bool = False, initial_stddev: float = 1.0, **kwargs):
        super().__init__(*args, **kwargs)
        if initial_stddev <= 0:
            raise ValueError(
                f"`initial_stddev` must be positive. Received: initial_stddev={initial_stddev}"
            )
        self.train_scale = train_scale
        self.initial_stddev = initial_stddev
        self._takes_statistics = False

    def build(self, input_shape):
        super().build(input_shape)
        self.scale = self.add_weight(
            name="scale",
            shape=(self._kernel.shape[self.output_axis],),
            initializer="ones",
            trainable=self.train_scale,
        )

    @property
    def kernel(self):
        """The normalised kernel, with the shape of the layer's own."""
        gain = self.gain()
        return self._kernel * (gain[:, tf.newaxis] if self.output_axis == -2 else gain)

    @kernel.setter
    def kernel(self, variable):
        self._kernel = variable

    # A method: saving reads each property of a layer, and `kernel` must be one already.
    def gain(self):
        """scale / ‖v‖ of each unit, `(units,)`."""
        direction = tf.convert_to_tensor(self._kernel)
        axes = list(range(direction.shape.rank))
        del axes[self.output_axis]
        squares = tf.maximum(_sum_of_squares(direction, axes), 1e-12)
        return tf.cast(self.scale, direction.dtype) * tf.math.rsqrt(squares)

    def call(self, inputs):
        if self._takes_statistics:
            self._initialize_from(inputs)
        return self._outputs(inputs)

    def _outputs(self, inputs):
        return super().call(inputs)

    def _initialize_from(self, inputs):
        activation, self.activation = self.activation, keras.activations.linear
        self.scale.assign(tf.ones_like(self.scale))
        if self.use_bias:
            self.bias.assign(tf.zeros_like(self.bias))
        outputs = tf.cast(self._outputs(inputs), tf.float32)
        mean, variance = tf.nn.moments(outputs, axes=list(range(outputs.shape.rank - 1)))
        scale = self.initial_stddev * tf.math.rsqrt(tf.maximum(variance, 1e-8))
        self.scale.assign(scale)
        if self.use_bias:
            self.bias.assign(-mean * scale)
        self.activation = activation

    def save_own_variables(self, store):
        keras.layers.Layer.save_own_variables(self, store)  # Dense and Conv2D leave out our scale

    def load_own_variables(self, store):
        keras.layers.Layer.load_own_variables(self, store)

    def get_config(self):
        return {
            **super().get_config(),
            "train_scale": self.train_scale,
            "initial_stddev": self.initial_stddev,
        }


@keras.saving.register_keras_serializable(package="zoo")
class WeightNormalizedDense(_WeightNormalized, keras.layers.Dense):
    """`keras.layers.Dense` with weight normalisation, w = scale · v/‖v‖ (Salimans & Kingma 2016).

    Args:
        train_scale: whether the norm of the weights is learnt. Defaults to False: in the networks
            of Salimans et al. 2016 only the last layer's is, the others keep the norm that
            `initialize_from_data` gave them.
        initial_stddev: standard deviation of each unit's pre-activation after
            `initialize_from_data`. Defaults to 1, as in the paper.

    Reference: [Salimans & Kingma, 2016](https://arxiv.org/abs/1602.07868)
    """

    def _outputs(self, inputs):
        # A batch has fewer rows than the weights have: to scale the outputs is less work.
        outputs = ops.matmul(inputs, self._kernel) * self.gain()
        if self.use_bias:
            outputs += self.bias
        return self.activation(outputs)


@keras.saving.register_keras_serializable(package="zoo")
class WeightNormalizedConv2D(_WeightNormalized, keras.layers.Conv2D):
    """`keras.layers.Conv2D` with weight normalisation; arguments as `WeightNormalizedDense`."""


@keras.saving.register_keras_serializable(package="zoo")
class WeightNormalizedConv2DTranspose(_WeightNormalized, keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` with weight normalisation, as `WeightNormalizedDense`."""

    output_axis = -2


def initialize_from_data(network: keras.Model, inputs) -> None:
    """Gives every layer of `network` that takes them a scale and a bias out of one batch.

    Afterwards each unit of a weight-normalised layer has a pre-activation of mean 0 and standard
    deviation `initial_stddev` over `inputs`, layer by layer from the first to the last, as in
    section 3 of Salimans & Kingma 2016; and `zoo.common.batch_layers.MinibatchDiscrimination`
    begins as its docstring says. Noise layers are on, as they will be in training. A network
    without such layers stays as it is.

    Args:
        network: a built model.
        inputs: one batch of its inputs; some hundreds of rows are enough.
    """
    layers = [x for x in network._flatten_layers() if hasattr(x, "_takes_statistics")]
    if not layers:
        return
    for layer in layers:
        layer._takes_statistics = True
    try:
        network(inputs, training=True)
    finally:
        for layer in layers:
            layer._takes_statistics = False


@keras.saving.register_keras_serializable(package="zoo")
class Maxout(keras.layers.Layer):
    """A dense layer whose every unit is the maximum of several linear pieces.

        y_j = max_k (x · w_jk + b_jk)

    Args:
        units: number of outputs.
        num_pieces: linear functions of which each output is the maximum; with 2 and one of them 0
            it would be a rectifier.
        kernel_initializer: Keras initializer of w. Defaults to Keras's own for dense layers.

    Call arguments:
        inputs: `(batch, inputs)`.

    Returns:
        `(batch, units)`.

    Raises:
        ValueError: if `units` or `num_pieces` is not a positive integer.

    Reference: [Goodfellow et al., 2013](https://arxiv.org/abs/1302.4389)
    """

    def __init__(self, units: int, num_pieces: int, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.units = units = as_integer("units", units)
        self.num_pieces = num_pieces = as_integer("num_pieces", num_pieces)
        self.input_spec = keras.layers.InputSpec(ndim=2)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.pieces = keras.layers.Dense(
            units * num_pieces, kernel_initializer=self.kernel_initializer, dtype=self.dtype_policy
        )

    def build(self, input_shape):
        self.pieces.build(input_shape)
        super().build(input_shape)

    def call(self, inputs):
        pieces = self.pieces(inputs)
        return tf.reduce_max(tf.reshape(pieces, (-1, self.units, self.num_pieces)), axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "num_pieces": self.num_pieces,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@keras.saving.register_keras_serializable(package="zoo")
class ReflectionPadding2D(keras.layers.Layer):
    """Pads images with their own reflection at the border, which is not repeated.

    Zeros would tell a network where the border is, and draw a frame around what it generates.

    Args:
        padding: pixels on every side. Images must have more than that in height and width.

    Call arguments:
        inputs: `(batch, height, width, channels)`.

    Returns:
        `(batch, height + 2 padding, width + 2 padding, channels)`.

    Raises:
        ValueError: if `padding` is not a positive integer.
    """

    def __init__(self, padding: int, **kwargs):
        super().__init__(**kwargs)
        self.padding = as_integer("padding", padding)

    def call(self, inputs):
        sides = [self.padding, self.padding]
        return tf.pad(inputs, [[0, 0], sides, sides, [0, 0]], mode="REFLECT")

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        height, width = (s and s + 2 * self.padding for s in (height, width))
        return (batch, height, width, channels)

    def get_config(self):
        return {**super().get_config(), "padding": self.padding}
