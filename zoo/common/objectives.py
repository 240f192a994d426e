"""Adversarial objectives: what each of two players minimises, given the discriminator's logits.

An `Objective` is passed to `compile` by name or as an instance; its losses are TF-GAN's. The other
functions are the losses of [Salimans et al., 2016](https://arxiv.org/abs/1606.03498): feature
matching, and the semi-supervised discriminator of K classes whose fake class has its logit fixed
at 0.

All losses are means over the batch, computed in float32 whatever the type of the logits. Under a
`tf.distribute` strategy they are means over the replica's share: divide them by the number of
replicas before taking gradients.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Self

import keras
import tensorflow as tf

from zoo.common.tfgan import tfgan


def _cross_entropy_smoothing(label_smoothing: float) -> dict[str, float]:
    # TensorFlow smooths towards 1/2, so a real label of 1 loses only half of what is asked.
    return {"label_smoothing": 2.0 * label_smoothing}


def _least_squares_smoothing(label_smoothing: float) -> dict[str, float]:
    return {"real_label": 1.0 - label_smoothing}


@dataclasses.dataclass(frozen=True)
class _Losses:
    """An objective's losses: their names in TF-GAN, and how the real label is smoothed there.

    With no generator loss the game is zero-sum: the generator gains what the discriminator loses.
    Where the logits are `log_odds`, their sigmoid is the probability that an image is real.
    """

    discriminator: str
    generator: str | None = None
    smoothing: Callable[[float], dict[str, float]] | None = None
    log_odds: bool = False


_LOSSES = {
    "non_saturating": _Losses(
        discriminator="modified_discriminator_loss",
        generator="modified_generator_loss",
        smoothing=_cross_entropy_smoothing,
        log_odds=True,
    ),
    # TF-GAN's own `minimax_generator_loss` adds the constant loss of imaginary real logits of 1.
    "minimax": _Losses(
        discriminator="minimax_discriminator_loss",
        smoothing=_cross_entropy_smoothing,
        log_odds=True,
    ),
    "least_squares": _Losses(
        discriminator="least_squares_discriminator_loss",
        generator="least_squares_generator_loss",
        smoothing=_least_squares_smoothing,
    ),
    "wasserstein": _Losses(
        discriminator="wasserstein_discriminator_loss", generator="wasserstein_generator_loss"
    ),
    "hinge": _Losses(
        discriminator="wasserstein_hinge_discriminator_loss",
        generator="wasserstein_hinge_generator_loss",
    ),
}

NAMES = tuple(_LOSSES)

# What a variant that takes an objective may log of its discriminator; see `Objective.outputs`.
OUTPUT_LOGS = ("real_score", "generated_score", "real_output", "generated_output")


@keras.saving.register_keras_serializable(package="zoo")
class Objective:
    """An adversarial objective for two players, on logits D(x) and D(G(z)).

    | name             | generator minimises | discriminator minimises                         |
    |------------------|---------------------|-------------------------------------------------|
    | `non_saturating` | E[−log σ(D(G(z)))]  | E[−log σ(D(x))] + E[−log(1 − σ(D(G(z))))]       |
    | `minimax`        | E[log(1 − σ(D(G(z))))] | the same                                     |
    | `least_squares`  | ½E[(D(G(z)) − 1)²]  | ½E[(D(x) − 1)²] + ½E[D(G(z))²]                  |
    | `wasserstein`    | −E[D(G(z))]         | E[D(G(z))] − E[D(x)]                            |
    | `hinge`          | −E[D(G(z))]         | E[max(0, 1 − D(x))] + E[max(0, 1 + D(G(z)))]    |

    Logits have the shape `(batch,)`, `(batch, 1)`, or `(batch, height, width, 1)` when the
    discriminator judges patches.

    Args:
        name: one of the names above. Defaults to `"non_saturating"`, which Goodfellow et al. use in
            practice: its generator learns even while the discriminator wins.
        label_smoothing: s in [0, 1); the discriminator's target for real images becomes 1 − s and
            the one for generated images stays 0 (Salimans et al., section 3.4). Defaults to 0, no
            smoothing; TF-GAN's own default is not.
        label_noise: probability in [0, 1] with which the discriminator sees an image under the
            wrong label; all patches of an image share one label. Defaults to 0, no noise.

    Raises:
        ValueError: if the name is unknown, a number is out of its range, or smoothing is asked of
            `wasserstein` or `hinge`, which have no target to smooth.

    References:
        [Goodfellow et al., 2014](https://arxiv.org/abs/1406.2661) (`minimax`, `non_saturating`),
        [Mao et al., 2016](https://arxiv.org/abs/1611.04076) (`least_squares`),
        [Arjovsky et al., 2017](https://arxiv.org/abs/1701.07875) (`wasserstein`),
        [Miyato et al., 2018](https://arxiv.org/abs/1802.05957) (`hinge`).
    """

    def __init__(
        self, name: str = "non_saturating", label_smoothing: float = 0.0, label_noise: float = 0.0
    ) -> None:
        if name not in _LOSSES:
            raise ValueError(f"`name` should be one of {', '.join(NAMES)}. Received: `{name=}`")
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                f"`label_smoothing` should be in [0, 1). Received: `{label_smoothing=}`"
            )
        if label_smoothing and _LOSSES[name].smoothing is None:
            raise ValueError(
                f"The objective {name!r} has no labels to smooth: `label_smoothing` should be 0. "
                f"Received: `{label_smoothing=}`"
            )
        if not 0 <= label_noise <= 1:
            raise ValueError(f"`label_noise` should be in [0, 1]. Received: `{label_noise=}`")
        self.name = name
        self.label_smoothing = label_smoothing
        self.label_noise = label_noise

    def generator_loss(
        self, generated_logits: tf.Tensor, real_logits: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Returns what the generator minimises, a float32 scalar.

        Args:
            generated_logits: logits of generated images.
            real_logits: logits of real images, as D gave them before its own step. None of these
                objectives looks at them; an objective of the user's own that compares the two may.
        """
        del real_logits
        generated_logits = tf.cast(generated_logits, tf.float32)
        if (loss_name := _LOSSES[self.name].generator) is None:
            return -tf.reduce_mean(self._losses_as_generated(generated_logits))
        loss = getattr(tfgan().losses.wargs, loss_name)
        return loss(generated_logits, loss_collection=None)

    def discriminator_loss(
        self,
        real_logits: tf.Tensor,
        generated_logits: tf.Tensor,
        seed: tf.Tensor | tuple[int, int] | None = None,
    ) -> tf.Tensor:
        """Returns what the discriminator minimises, a float32 scalar.

        Args:
            real_logits: logits of real images.
            generated_logits: logits of generated images; there may be more or fewer of them.
            seed: two integers, as for `tf.random.stateless_uniform`, from which the noise of the
                labels is drawn, for the global batch: replicas given the same seed flip different
                images, and those that one replica would have flipped. Only for `label_noise`.

        Raises:
            ValueError: if there is label noise and no seed.
        """
        real_logits = tf.cast(real_logits, tf.float32)
        generated_logits = tf.cast(generated_logits, tf.float32)
        real_losses = self._losses_as_real(real_logits)
        generated_losses = self._losses_as_generated(generated_logits)
        if self.label_noise:
            if seed is None:
                raise ValueError(
                    f"`seed` is needed to draw the noise of the labels: `label_noise` is "
                    f"{self.label_noise}. Received: `{seed=}`"
                )
            real_seed, generated_seed = tf.unstack(tf.random.split(seed, num=2))
            real_losses = tf.where(
                _draw_flips(real_logits, self.label_noise, real_seed),
                self._losses_as_generated(real_logits),
                real_losses,
            )
            generated_losses = tf.where(
                _draw_flips(generated_logits, self.label_noise, generated_seed),
                self._losses_as_real(generated_logits),
                generated_losses,
            )
        return tf.reduce_mean(real_losses) + tf.reduce_mean(generated_losses)

    def outputs(self, real_logits: tf.Tensor, generated_logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns what to log of the discriminator, to see how the players stand.

        Where its logits are log odds, these are `real_score` and `generated_score`, the
        probabilities with which it takes either for real. The outputs of the other objectives are
        no probabilities, and are given as they are: `real_output` and `generated_output`.
        """
        if _LOSSES[self.name].log_odds:
            return {
                "real_score": tf.sigmoid(tf.cast(real_logits, tf.float32)),
                "generated_score": tf.sigmoid(tf.cast(generated_logits, tf.float32)),
            }
        return {"real_output": real_logits, "generated_output": generated_logits}

    def _losses_as_real(self, logits: tf.Tensor) -> tf.Tensor:
        """The discriminator's loss of each logit under the label real."""
        return self._unreduced_losses(logits, tf.zeros_like(logits), generated_weights=0.0)

    def _losses_as_generated(self, logits: tf.Tensor) -> tf.Tensor:
        """The discriminator's loss of each logit under the label generated."""
        return self._unreduced_losses(tf.zeros_like(logits), logits, real_weights=0.0)

    def _unreduced_losses(
        self, real_logits: tf.Tensor, generated_logits: tf.Tensor, **weights: float
    ) -> tf.Tensor:
        losses = _LOSSES[self.name]
        smoothing = losses.smoothing(self.label_smoothing) if losses.smoothing else {}
        return getattr(tfgan().losses.wargs, losses.discriminator)(
            real_logits,
            generated_logits,
            loss_collection=None,
            reduction=tf.compat.v1.losses.Reduction.NONE,
            **smoothing,
            **weights,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "name": self.name,
            "label_smoothing": self.label_smoothing,
            "label_noise": self.label_noise,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Makes an objective from what `get_config` returned."""
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def get(objective: str | Objective) -> Objective:
    """Returns the objective of that name, without smoothing or noise; or the given one itself.

    Raises:
        ValueError: if it is neither an `Objective` nor one of `NAMES`.
    """
    if isinstance(objective, Objective):
        return objective
    if not isinstance(objective, str):
        raise ValueError(
            f"`objective` should be an `Objective` or one of {', '.join(NAMES)}. "
            f"Received: `{objective=}`"
        )
    return Objective(objective)


def _draw_flips(logits: tf.Tensor, probability: float, seed: tf.Tensor) -> tf.Tensor:
    """Draws which of the replica's images are mislabelled: bool, `(batch, 1, ...)` like logits."""
    batch_size = tf.shape(logits)[0]
    num_replicas = tf.distribute.get_strategy().num_replicas_in_sync
    replica_context = tf.distribute.get_replica_context()
    replica = replica_context.replica_id_in_sync_group if replica_context else 0
    draws = tf.random.stateless_uniform((num_replicas, batch_size), seed)
    flips = tf.gather(draws, replica) < probability
    return tf.reshape(flips, [batch_size] + [1] * (logits.shape.rank - 1))


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
    difference = _global_mean(
        tf.reduce_mean(tf.cast(real_features, tf.float32), axis=0)
        - tf.reduce_mean(tf.cast(generated_features, tf.float32), axis=0)
    )
    return tf.reduce_mean(tf.abs(difference) if order == 1 else tf.square(difference))


def _global_mean(replica_mean: tf.Tensor) -> tf.Tensor:
    """Averages a mean over the replicas, if this runs in one of several."""
    replica_context = tf.distribute.get_replica_context()
    if replica_context is None or replica_context.num_replicas_in_sync == 1:
        return replica_mean
    return replica_context.all_reduce(tf.distribute.ReduceOp.MEAN, replica_mean)


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
