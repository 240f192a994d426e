"""Virtual batch normalisation: by a reference batch that is fixed once and for all.

    latents = model.prior.draw(64, seed=(1, 2))
    generator = with_reference_batch(network_with_virtual_batch_norm, latents)

Batch normalisation makes each image of a batch depend on all the others. Here it depends on itself
and on the reference batch alone, which goes through the network with the weights of the moment, in
front of each batch.
"""

import keras
import numpy as np
import tensorflow as tf

from zoo.common.checks import as_integer, check_known


@keras.saving.register_keras_serializable(package="zoo")
class VirtualBatchNormalization(keras.layers.Layer):
    """Normalises each example by statistics of the reference batch, joined by its own.

        μ_i = (n · μ_ref + m_i) / (n + 1)        and E[x²]_i likewise, var_i = E[x²]_i − μ_i²
        y_i = γ (x_i − μ_i) / √(var_i + ε) + β

    with n references, and m_i the mean of example i over height and width. The references
    themselves are normalised by their own statistics, as by batch norm. All is float32 within, in
    half precision too. Training and inference do not differ, and there are no moving averages.

    The layer works in a network that is wrapped by `with_reference_batch`, which tells it how many
    of the rows that it gets are references. It may be under a gradient penalty, for it judges each
    image alone; and replicas need not speak to each other.

    Args:
        epsilon: ε. Defaults to 1e-5, as in the authors' code.
        gamma_initializer: of γ. Defaults to N(1, 0.02), as there.
        num_references: n; `with_reference_batch` sets it.

    Call arguments:
        inputs: `(n + batch, ..., channels)`, the references first.

    Returns:
        The same shape.

    Raises:
        ValueError: if it is called before `with_reference_batch` wrapped its network.

    Reference: [Salimans et al., 2016](https://arxiv.org/abs/1606.03498), section 3.5
    """

    def __init__(
        self,
        epsilon: float = 1e-5,
        gamma_initializer=None,
        num_references: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.gamma_initializer = keras.initializers.get(
            gamma_initializer or keras.initializers.RandomNormal(1.0, 0.02)
        )
        self.num_references = num_references
        if num_references is not None:
            self.num_references = as_integer("num_references", num_references)

    def build(self, input_shape):
        options = {"shape": (input_shape[-1],), "dtype": "float32", "autocast": False}
        self.gamma = self.add_weight(name="gamma", initializer=self.gamma_initializer, **options)
        self.beta = self.add_weight(name="beta", initializer="zeros", **options)

    def call(self, inputs):
        if self.num_references is None:
            raise ValueError(
                f"{self.name} needs a reference batch: give its network to "
                "with_reference_batch(network, reference), and use what that returns. "
                "Received: none."
            )
        n = self.num_references
        references, examples = tf.cast(inputs[:n], tf.float32), tf.cast(inputs[n:], tf.float32)
        over_pixels = list(range(1, inputs.shape.rank - 1))

        def moments(rows, axes):
            return (tf.reduce_mean(x, axes, keepdims=True) for x in (rows, tf.square(rows)))

        mean, square = moments(references, [0, *over_pixels])
        own_mean, own_square = moments(examples, over_pixels)
        normalized = tf.concat(
            [
                self._normalized(references, mean, square),
                self._normalized(
                    examples,
                    (n * mean + own_mean) / (n + 1),
                    (n * square + own_square) / (n + 1),
                ),
            ],
            axis=0,
        )
        return tf.cast(self.gamma * normalized + self.beta, inputs.dtype)

    def _normalized(self, rows, mean, square):
        # Rounding may take the difference of two large numbers below 0.
        variance = tf.maximum(square - tf.square(mean), 0.0)
        return (rows - mean) * tf.math.rsqrt(variance + self.epsilon)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "epsilon": self.epsilon,
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
            "num_references": self.num_references,
        }


@keras.saving.register_keras_serializable(package="zoo")
class ReferenceBatch(keras.layers.Layer):
    """Puts a fixed batch, an untrained weight that is saved, in front of each that comes.

    Args:
        num_references: rows of the fixed batch, which are zeros at first.
    """

    def __init__(self, num_references: int, **kwargs):
        super().__init__(**kwargs)
        self.num_references = as_integer("num_references", num_references)

    def build(self, input_shape):
        self.references = self.add_weight(
            name="references",
            shape=(self.num_references, *input_shape[1:]),
            initializer="zeros",
            trainable=False,
        )

    def call(self, inputs):
        return tf.concat([tf.cast(self.references, inputs.dtype), inputs], axis=0)

    def compute_output_shape(self, input_shape):
        return (None, *input_shape[1:])

    def get_config(self):
        return {**super().get_config(), "num_references": self.num_references}


@keras.saving.register_keras_serializable(package="zoo")
class WithoutReferences(keras.layers.Layer):
    """Drops the first rows, what the network made of the reference batch.

    Args:
        num_references: how many.
    """

    def __init__(self, num_references: int, **kwargs):
        super().__init__(**kwargs)
        self.num_references = as_integer("num_references", num_references)

    def call(self, inputs):
        return inputs[self.num_references :]

    def compute_output_shape(self, input_shape):
        return (None, *input_shape[1:])

    def get_config(self):
        return {**super().get_config(), "num_references": self.num_references}


def with_reference_batch(network: keras.Model, reference) -> keras.Model:
    """Returns the network with a reference batch for its virtual batch normalisation.

    What it returns takes what the network does and gives what that makes of it, on batches of any
    size; at each call the reference batch goes through as well, which costs as much as so many
    examples. It shares the weights of `network`, which is of no more use by itself. The reference
    batch is saved with the weights: a model that is rebuilt from its config alone has zeros.

    Args:
        network: with one input and one output, and `VirtualBatchNormalization` layers.
        reference: `(n, ...)`, inputs of the network: latents such as `prior.draw(n, seed)`, or
            images. As many as the batches that will be trained on are usual; an example counts 1
            among n + 1.

    Raises:
        ValueError: if the network has no such layer, or one that has a reference batch already, or
            the reference batch is no input of it or empty.
    """
    check_known("network", network)
    reference = np.asarray(reference)
    if reference.ndim < 2 or reference.shape != (len(reference) or 1, *network.input_shape[1:]):
        row = ", ".join(map(str, network.input_shape[1:]))
        raise ValueError(
            f"`reference` must be a batch of inputs, of shape (n, {row}). "
            f"Received: shape {reference.shape}"
        )
    found = [x for x in network._flatten_layers() if isinstance(x, VirtualBatchNormalization)]
    if not found:
        raise ValueError(
            "`network` has no VirtualBatchNormalization, which a reference batch is for. "
            f"Received: {network.name!r}"
        )
    for layer in found:
        if layer.num_references is not None:
            raise ValueError(f"`network` has a reference batch already. Received: {network.name!r}")
        layer.num_references = len(reference)
    inputs = keras.Input(network.input_shape[1:], name=network.inputs[0].name)
    first = ReferenceBatch(len(reference), name="reference_batch", dtype="float32")
    last = WithoutReferences(len(reference), dtype=network.outputs[0].dtype)
    outputs = last(network(first(inputs)))
    first.references.assign(reference)
    return keras.Model(inputs, outputs, name=network.name)
