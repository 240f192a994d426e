"""The losses of [Salimans et al., 2016](https://arxiv.org/abs/1606.03498).

Feature matching, and the semi-supervised discriminator of K classes whose fake class has its logit
fixed at 0.

All losses are means over the batch, computed in float32 whatever the type of the logits. Under a
`tf.distribute` strategy they are means over the replica's share: divide them by the number of
replicas before taking gradients.
"""

import tensorflow as tf

from zoo.common.replicas import global_mean


def feature_matching(
    real_features: tf.Tensor, generated_features: tf.Tensor, order: int = 2
) -> tf.Tensor:
    """Distance between the mean features of real and of generated images.

        mean_j |E[f_j(x)] − E[f_j(G(z))]|^order

    The generator's objective in section 3.1 of Salimans et al., there a sum over the features j.
    It is not linear in the batch, so the batch means are averaged over the replicas first, each of
    which must hold an equal share of the batch; the value is then the same on every replica.

    Args:
        real_features: `(batch, ...)`, features of real images in a layer of the discriminator.
        generated_features: `(batch, ...)`, the same of generated images.
        order: 2 for the mean of squares, 1 for the mean of absolute values. Defaults to 2, as in
            the paper; the authors' code uses 2 on MNIST and 1 on SVHN and CIFAR-10.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: if `order` is neither 1 nor 2, or the features differ in shape.
    """
    if order not in (1, 2):
        raise ValueError(f"`order` should be 1 or 2. Received: `{order=}`")
    if not real_features.shape[1:].is_compatible_with(generated_features.shape[1:]):
        raise ValueError(
            "`real_features` and `generated_features` should have the same shape after the batch. "
            f"Received: {real_features.shape} and {generated_features.shape}"
        )
    difference = global_mean(
        tf.reduce_mean(tf.cast(real_features, tf.float32), axis=0)
        - tf.reduce_mean(tf.cast(generated_features, tf.float32), axis=0)
    )
    return tf.reduce_mean(tf.abs(difference) if order == 1 else tf.square(difference))


def labelled_loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of labelled images among the K real classes, given that they are real.

        E[−log p(y | x, y ≤ K)]

    The supervised loss of section 5 in Salimans et al.

    Args:
        logits: `(batch, num_classes)`.
        labels: integers `(batch,)` in [0, num_classes).

    Returns:
        A float32 scalar.
    """
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=labels, logits=tf.cast(logits, tf.float32)
        )
    )


def unlabelled_loss(real_logits: tf.Tensor, generated_logits: tf.Tensor) -> tf.Tensor:
    """What the K-class discriminator loses at telling real images from generated ones.

        −½E[lse(real)] + ½E[softplus(lse(real))] + ½E[softplus(lse(generated))]

    with lse the log of the sum of the exponentials of the K logits: the unsupervised loss of
    section 5 in Salimans et al., halved as in the authors' code. With one class it is half the
    non-saturating discriminator's loss.

    Args:
        real_logits: `(batch, num_classes)`, logits of unlabelled images.
        generated_logits: `(batch, num_classes)`, logits of generated images.

    Returns:
        A float32 scalar.
    """
    # softplus(l) − l = softplus(−l), which keeps the digits that the subtraction would lose.
    real_losses = tf.nn.softplus(-_log_sum_exp(real_logits))
    generated_losses = tf.nn.softplus(_log_sum_exp(generated_logits))
    return 0.5 * tf.reduce_mean(real_losses) + 0.5 * tf.reduce_mean(generated_losses)


def real_probability(logits: tf.Tensor) -> tf.Tensor:
    """Probability that an image is real: that it is of any of the K classes, and not of the fake.

    Args:
        logits: `(batch, num_classes)`.

    Returns:
        float32 `(batch,)`, in [0, 1].
    """
    return tf.sigmoid(_log_sum_exp(logits))


def _log_sum_exp(logits: tf.Tensor) -> tf.Tensor:
    return tf.reduce_logsumexp(tf.cast(logits, tf.float32), axis=-1)
