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


def interpolated_gradient_penalty(
    critic, real_images: tf.Tensor, generated_images: tf.Tensor, seed
) -> tf.Tensor:
    """Mean squared distance from 1 of the critic's slope between real and generated images.

        E[(‖∇ₓf(x̂)‖₂ − 1)²]        x̂ = α G(z) + (1 − α) x,  α ~ U[0, 1] for each pair

    Args:
        critic: maps images to numbers `(batch, 1)`, each of which depends on its own image alone,
            so no batch norm.
        real_images: float32 `(batch, height, width, channels)`, or `(batch, features)`.
        generated_images: as many; no gradient flows to them.
        seed: two integers, from which α is drawn, for the global batch: two replicas draw together
            what one would alone.

    Returns:
        A float32 scalar, differentiable with respect to the critic's weights, also where the slope
        is 0.

    Reference: [Gulrajani et al., 2017](https://arxiv.org/abs/1704.00028), algorithm 1.
    """
    replica_context = tf.distribute.get_replica_context()
    ones = [1] * (real_images.shape.rank - 1)
    shares = (replica_context.num_replicas_in_sync, tf.shape(real_images)[0], *ones)
    alpha = tf.random.stateless_uniform(shares, seed)[replica_context.replica_id_in_sync_group]
    images = tf.stop_gradient(real_images + alpha * (generated_images - real_images))
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        # Of the sum, because outputs for other images have no gradient here.
        sum_of_outputs = tf.reduce_sum(critic(images, training=True))
    gradients = tf.cast(tape.gradient(sum_of_outputs, images), tf.float32)
    squares = tf.reduce_sum(tf.square(gradients), axis=tuple(range(1, gradients.shape.rank)))
    # A root of 0 has an infinite derivative, and 0 times that is not a number.
    return tf.reduce_mean(tf.square(tf.sqrt(squares + 1e-12) - 1.0))
