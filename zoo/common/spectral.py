"""Spectral normalisation whose gradient knows of the norm."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="zoo")
class SpectralNormalization(keras.layers.SpectralNormalization):
    """Divides the kernel of a layer by its spectral norm σ, so that a dense layer is 1-Lipschitz.

        y = layer(x) with W / σ(W) in place of W        σ(W) = vᵀ W u

    u and v follow the first singular vectors by a power iteration at each training call; gradients
    pass through σ but not through them, as in the paper. `keras.layers.SpectralNormalization`, of
    which this is one, instead writes W / σ over W, and its gradient lacks the second term of

        ∂L/∂W = (G − ⟨G, W / σ⟩ v uᵀ) / σ        with G = ∂L/∂(W / σ)

    so that steps lengthen a kernel that the next call shortens again. Outside of training σ takes
    the power iteration too, but u stays. Of a convolution it is the matrix
    `(height · width · channels, filters)` that has norm 1; the norm of the convolution itself is
    then at most √(height · width). A kernel of zeros stays as it is.

    Args:
        layer: one with a kernel, such as `keras.layers.Dense` or `Conv2D`, or `Embedding`.
        power_iterations: at each call. Defaults to 1, as in the paper.

    Call arguments:
        inputs: those of the layer.

    Returns:
        What the layer gives.

    Raises:
        ValueError: if `power_iterations` is not positive, or the layer has neither a kernel nor
            embeddings.

    Reference: [Miyato et al., 2018](https://arxiv.org/abs/1802.05957)
    """

    def call(self, inputs, training=False):
        # In float32 at half precision too; the layer takes of it what it computes with.
        kernel = tf.cast(tf.convert_to_tensor(self.kernel), tf.float32)
        matrix = tf.stop_gradient(tf.reshape(kernel, (-1, self.kernel_shape[-1])))
        u = tf.cast(tf.convert_to_tensor(self.vector_u), tf.float32)
        for _ in range(self.power_iterations):
            v = tf.math.l2_normalize(tf.matmul(u, matrix, transpose_b=True))
            u = tf.math.l2_normalize(v @ matrix)
        if training:
            self.vector_u.assign(tf.cast(u, self.vector_u.dtype))
        sigma = tf.reduce_sum(tf.reshape(tf.transpose(v) @ u, kernel.shape) * kernel)
        normalized = kernel / tf.where(sigma > 0, sigma, 1.0)
        # A scope hides the one around it, which may hold other weights for the layer than its own.
        others = (variable for variable in self.layer.variables if variable is not self.kernel)
        held = [(variable, tf.convert_to_tensor(variable.value)) for variable in others]
        with keras.StatelessScope([(self.kernel, normalized), *held]):
            return tf.cast(self.layer(inputs), self.compute_dtype)
