"""Penalties on the discriminator's gradient with respect to images."""

import tensorflow as tf


def real_gradient_penalty(discriminator, images: tf.Tensor) -> tf.Tensor:
    """Mean squared norm of the discriminator's gradient at real images.

        E[‖∇ₓD(x)‖²]

    The penalty R₁ of Mescheder et al. is γ/2 times this. It keeps the discriminator flat around the
    data, and with that the game locally convergent: where generator and data agree, nothing is left
    that pushes either player on.

    Args:
        discriminator: maps images to logits `(batch, 1)`, or to patches of them, which are added
            up. Each image's logit must depend on that image alone, so no batch norm.
        images: float32 `(batch, height, width, channels)`.

    Returns:
        A float32 scalar, differentiable with respect to the discriminator's weights.

    Reference: [Mescheder et al., 2018](https://arxiv.org/abs/1801.04406), equation 9.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        # Of the sum, because logits of other images have no gradient here.
        sum_of_logits = tf.reduce_sum(discriminator(images, training=True))
    gradients = tf.cast(tape.gradient(sum_of_logits, images), tf.float32)
    axes = tuple(range(1, gradients.shape.rank))
    return tf.reduce_mean(tf.reduce_sum(tf.square(gradients), axis=axes))
