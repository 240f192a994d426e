"""Penalties on a discriminator's slope, its gradient with respect to images.

Each asks something of the slope, at some images:

    zero_centred_gradient_penalty(discriminator, real_images)                       R₁
    zero_centred_gradient_penalty(discriminator, generated_images)                  R₂
    one_centred_gradient_penalty(critic, images_between(real, generated, seed))     WGAN-GP
    one_centred_gradient_penalty(discriminator, images_around(real_images, seed))   DRAGAN

or now and then only, `every_nth_step`. In all of them a discriminator maps images to logits
`(batch, 1)`, or to patches of them, which are added up; each image's logits must depend on that
image alone, so no batch norm. Images may have any number of dimensions after the batch. Gradients
flow to them too: a generator that looks ahead through steps of D sees the penalty in them.
"""

from collections.abc import Callable

import tensorflow as tf

from zoo.common.replicas import draw_uniform, global_mean

# === What is asked of the slope ===


def zero_centred_gradient_penalty(discriminator, images: tf.Tensor) -> tf.Tensor:
    """Mean squared norm of the discriminator's gradient.

        E[‖∇ₓD(x)‖²]

    The penalties R₁, at real images, and R₂, at generated ones, of Mescheder et al. are γ/2 times
    this. R₁ keeps the discriminator flat around the data, and with that the game locally
    convergent: where generator and data agree, nothing is left that pushes either player on.

    Args:
        discriminator: see the top of this file.
        images: float32 `(batch, ...)`.

    Returns:
        A float32 scalar, differentiable with respect to the discriminator's weights.

    Reference: [Mescheder et al., 2018](https://arxiv.org/abs/1801.04406), equations 9 and 10.
    """
    return tf.reduce_mean(_squared_slopes(discriminator, images))


def one_centred_gradient_penalty(discriminator, images: tf.Tensor) -> tf.Tensor:
    """Mean squared distance from 1 of the norm of the discriminator's gradient.

        E[(‖∇ₓD(x)‖₂ − 1)²]

    Args:
        discriminator: see the top of this file.
        images: float32 `(batch, ...)`, where the slope is to be 1.

    Returns:
        A float32 scalar, differentiable with respect to the discriminator's weights, also where the
        slope is 0.

    References: [Gulrajani et al., 2017](https://arxiv.org/abs/1704.00028), algorithm 1;
    [Kodali et al., 2017](https://arxiv.org/abs/1705.07215).
    """
    # A root of 0 has an infinite derivative, and 0 times that is not a number.
    slopes = tf.sqrt(_squared_slopes(discriminator, images) + 1e-12)
    return tf.reduce_mean(tf.square(slopes - 1.0))


def _squared_slopes(discriminator, images: tf.Tensor) -> tf.Tensor:
    """Returns the squared norm of the gradient at each image, `(batch,)`."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        # Of the sum, because logits of other images have no gradient here.
        sum_of_logits = tf.reduce_sum(discriminator(images, training=True))
    gradients = tf.cast(tape.gradient(sum_of_logits, images), tf.float32)
    return tf.reduce_sum(tf.square(gradients), axis=tuple(range(1, gradients.shape.rank)))


# === At which images ===


def images_between(real_images: tf.Tensor, generated_images: tf.Tensor, seed) -> tf.Tensor:
    """Draws an image on the line between each pair of a real and a generated one.

        x̂ = α G(z) + (1 − α) x,  α ~ U[0, 1] for each pair

    Args:
        real_images: float32 `(batch, ...)`.
        generated_images: as many.
        seed: two integers, from which α is drawn, for the global batch: two replicas draw together
            what one would alone.

    Returns:
        float32 of the same shape.

    Reference: [Gulrajani et al., 2017](https://arxiv.org/abs/1704.00028), algorithm 1.
    """
    alpha = _draw_one_an_image(real_images, seed)
    return real_images + alpha * (tf.cast(generated_images, real_images.dtype) - real_images)


def images_around(real_images: tf.Tensor, seed) -> tf.Tensor:
    """Draws an image near each real one, as DRAGAN does.

        x̂ = x + α · ½ s · u,  α ~ U[0, 1] for each image,  u ~ U[0, 1] for each pixel

    with s the standard deviation of all pixels of the global batch. The noise is not centred: the
    authors' code has it so.

    Args:
        real_images: float32 `(batch, ...)`.
        seed: two integers, from which α and u are drawn, for the global batch: two replicas of
            equal shares draw together what one would alone.

    Returns:
        float32 of the same shape. Under several replicas all must come here, so not within
        `tf.cond`, nor in the function that `every_nth_step` is given.

    Reference: [Kodali et al., 2017](https://arxiv.org/abs/1705.07215).
    """
    noise_seed, alpha_seed = tf.unstack(tf.random.split(seed, 2))
    mean = global_mean(tf.reduce_mean(real_images))
    variance = global_mean(tf.reduce_mean(tf.square(real_images - mean)))
    noise = draw_uniform((tf.shape(real_images)[0], *real_images.shape[1:]), noise_seed)
    alpha = _draw_one_an_image(real_images, alpha_seed)
    return real_images + alpha * (0.5 * tf.sqrt(variance) * noise)


def _draw_one_an_image(images: tf.Tensor, seed) -> tf.Tensor:
    return draw_uniform((tf.shape(images)[0], *[1] * (images.shape.rank - 1)), seed)


# === How often ===


def every_nth_step(penalty: Callable[[], tf.Tensor], step, interval: int) -> tf.Tensor:
    """Returns n times the penalty at every n-th step and 0 between: over n steps, its mean.

    Args:
        penalty: computes it, a float32 scalar; not called between.
        step: number of the step, an integer tensor or variable; the first is 0.
        interval: n.

    Reference: [Karras et al., 2020](https://arxiv.org/abs/1912.04958), appendix B. They lower rate
    and momenta of the optimizer too, to those of n steps that were taken as one.
    """
    if interval == 1:
        return penalty()
    return tf.cond(tf.equal(step % interval, 0), lambda: interval * penalty(), lambda: tf.zeros(()))
