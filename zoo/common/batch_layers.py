"""Layers with which a discriminator judges an image in the company of its batch.

A generator that makes one image over and over fools any discriminator that sees images one at a
time; a batch of them gives it away. So D must get real and generated images apart, as DCGAN's
`train_step` does: in one batch both kinds would have the same company.

Under replicas minibatch discrimination compares with the images of all, so that two replicas equal
one; the groups of the standard deviation are a replica's own.
"""

import keras
import tensorflow as tf

from zoo.common.checks import as_integer


def _of_all_replicas(rows: tf.Tensor) -> tf.Tensor:
    """Returns the rows of all replicas in their order, through which gradients flow back."""
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return rows
    return replica.all_gather(rows, axis=0)


@keras.saving.register_keras_serializable(package="zoo")
class MinibatchDiscrimination(keras.layers.Layer):
    """Appends to the features of each image how near the others of the batch are to it.

        M_i = x_i · T        o_b(i) = Σ_{j≠i} exp(−‖M_ib − M_jb‖₁) + bias_b

    T is normalised as in the authors' code: each of its columns has a norm that is learnt. Have
    `zoo.common.layers.initialize_from_data` set norms and biases before training: then an image is
    2 from its nearest neighbour on average, where the exponential neither vanishes nor is flat, and
    the numbers have mean 0. Without it norms are 1 and biases 0.

    What is compared are float32 numbers, in half precision too; n images take n² · `num_kernels` ·
    `kernel_dim` of them.

    Args:
        num_kernels: B, how many numbers are appended. Defaults to 100, as in the authors' network
            for CIFAR-10.
        kernel_dim: C, the length of each M_ib. Defaults to 5, as there.

    Call arguments:
        inputs: `(batch, features)`.

    Returns:
        `(batch, features + num_kernels)`.

    Raises:
        ValueError: if an argument is not a positive integer.

    Reference: [Salimans et al., 2016](https://arxiv.org/abs/1606.03498), section 3.2
    """

    compares_images = True  # so that the slope of a logit at an image is not that image's alone

    def __init__(self, num_kernels: int = 100, kernel_dim: int = 5, **kwargs):
        super().__init__(**kwargs)
        self.input_spec = keras.layers.InputSpec(ndim=2)
        self.num_kernels = as_integer("num_kernels", num_kernels)
        self.kernel_dim = as_integer("kernel_dim", kernel_dim)
        self._takes_statistics = False

    def build(self, input_shape):
        options = {"autocast": False, "dtype": "float32"}
        self.directions = self.add_weight(
            name="directions",
            shape=(input_shape[-1], self.num_kernels, self.kernel_dim),
            initializer=keras.initializers.RandomNormal(0.0, 0.05),
            **options,
        )
        self.log_scale = self.add_weight(
            name="log_scale",
            shape=(self.num_kernels, self.kernel_dim),
            initializer="zeros",
            **options,
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.num_kernels,), initializer="zeros", **options
        )

    def call(self, inputs):
        if self._takes_statistics:
            self._initialize_from(inputs)
        nearness = tf.reduce_sum(tf.exp(-self._distances(inputs)), axis=1)
        # Each image is at distance 0 from itself, which tells nothing.
        appended = nearness - 1.0 + self.bias
        return tf.concat([inputs, tf.cast(appended, inputs.dtype)], axis=-1)

    def _distances(self, inputs) -> tf.Tensor:
        """Returns ‖M_ib − M_jb‖₁, `(batch, batch of all replicas, num_kernels)`."""
        kernels = tf.exp(self.log_scale) * tf.math.l2_normalize(self.directions, axis=0)
        rows = tf.tensordot(tf.cast(inputs, tf.float32), kernels, axes=1)
        others = _of_all_replicas(rows)
        # One coordinate after the other: a sum over an axis so short takes twice the time.
        own, others = (tf.unstack(each, self.kernel_dim, axis=-1) for each in (rows, others))
        return tf.add_n([tf.abs(a[:, tf.newaxis] - b) for a, b in zip(own, others, strict=True)])

    def _initialize_from(self, inputs):
        self.log_scale.assign(tf.zeros_like(self.log_scale))
        distances = self._distances(inputs)
        itself = tf.eye(tf.shape(distances)[0])[:, :, tf.newaxis]
        to_nearest = tf.reduce_mean(tf.reduce_min(distances + 1e6 * itself, axis=1), axis=0)
        scale = 2.0 / tf.maximum(to_nearest, 1e-6)
        self.log_scale.assign(tf.repeat(tf.math.log(scale)[:, tf.newaxis], self.kernel_dim, axis=1))
        nearness = tf.reduce_sum(tf.exp(-distances * scale), axis=1) - 1.0
        self.bias.assign(-tf.reduce_mean(nearness, axis=0))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1] + self.num_kernels)

    def get_config(self):
        return {
            **super().get_config(),
            "num_kernels": self.num_kernels,
            "kernel_dim": self.kernel_dim,
        }


@keras.saving.register_keras_serializable(package="zoo")
class MinibatchStandardDeviation(keras.layers.Layer):
    """Appends one channel that says how much the features vary within a group of images.

        s = mean over height, width, channels of √(variance over the group + 1e-8)

    It has no weights. A group is `group_size` images that are neighbours in the batch; those left
    over at the end join the last group, and a batch smaller than a group is one. So two replicas
    equal one where the share of each is a multiple of `group_size`.

    Args:
        group_size: images of a group. Defaults to 4, as in the authors' code.

    Call arguments:
        inputs: `(batch, height, width, channels)`, or `(batch, features)`.

    Returns:
        The same with one more channel, or feature.

    Raises:
        ValueError: if `group_size` is not a positive integer.

    Reference: [Karras et al., 2018](https://arxiv.org/abs/1710.10196), section 3
    """

    def __init__(self, group_size: int = 4, **kwargs):
        super().__init__(**kwargs)
        self.group_size = as_integer("group_size", group_size)

    def call(self, inputs):
        batch_size = tf.shape(inputs)[0]
        num_groups = tf.maximum(batch_size // self.group_size, 1)
        groups = tf.minimum(tf.range(batch_size) // self.group_size, num_groups - 1)

        def mean_of_group(rows):
            return tf.gather(tf.math.unsorted_segment_mean(rows, groups, num_groups), groups)

        features = tf.cast(tf.reshape(inputs, (batch_size, -1)), tf.float32)
        variance = mean_of_group(tf.square(features - mean_of_group(features)))
        deviation = tf.reduce_mean(tf.sqrt(variance + 1e-8), axis=1)
        deviation = tf.reshape(deviation, (batch_size, *[1] * (inputs.shape.rank - 1)))
        shape = tf.concat([tf.shape(inputs)[:-1], [1]], axis=0)
        channel = tf.broadcast_to(tf.cast(deviation, inputs.dtype), shape)
        return tf.concat([inputs, channel], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + 1)

    def get_config(self):
        return {**super().get_config(), "group_size": self.group_size}
