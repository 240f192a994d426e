"""Adversarial objectives: what each of two players minimises, given the discriminator's logits.

An `Objective` is passed to `compile` by name or as an instance. Its losses are TF-GAN's where that
has them and they are means over single logits; f-GAN's are in `zoo.common.f_divergences`.

All losses are means over the batch, computed in float32 whatever the type of the logits. Under a
`tf.distribute` strategy they are means over the replica's share: divide them by the number of
replicas before taking gradients.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Self

import keras
import tensorflow as tf

from zoo.common.checks import check_choice
from zoo.common.f_divergences import F_DIVERGENCES
from zoo.common.replicas import draw_uniform, global_mean
from zoo.common.tfgan import tfgan

# === Losses of single logits ===


def _loss_of_tfgan(name: str, *logits: tf.Tensor, **options: float) -> tf.Tensor:
    """Returns the loss of each logit."""
    return getattr(tfgan().losses.wargs, name)(
        *logits, loss_collection=None, reduction=tf.compat.v1.losses.Reduction.NONE, **options
    )


def _cross_entropy_smoothing(label_smoothing: float) -> dict[str, float]:
    # TensorFlow smooths towards 1/2, so a real label of 1 loses only half of what is asked.
    return {"label_smoothing": 2.0 * label_smoothing}


def _least_squares_smoothing(label_smoothing: float) -> dict[str, float]:
    return {"real_label": 1.0 - label_smoothing}


@dataclasses.dataclass(frozen=True)
class _Losses:
    """Losses of TF-GAN by their names there; the counterpart of an `FDivergence`.

    The generator's may be a function of the logits. With none the game is zero-sum: the generator
    gains what the discriminator loses. `undecided` is D's logit of what is as often real as
    generated, or None where a constant added to all logits changes nothing.
    """

    discriminator: str
    generator: str | Callable[[tf.Tensor], tf.Tensor] | None = None
    smoothing: Callable[[float], dict[str, float]] | None = None
    score: Callable[[tf.Tensor], tf.Tensor] | None = None
    undecided: float | None = 0.0

    def loss_as_real(self, logits: tf.Tensor, label_smoothing: float = 0.0) -> tf.Tensor:
        smoothing = self.smoothing(label_smoothing) if self.smoothing else {}
        logits = logits, tf.zeros_like(logits)
        return _loss_of_tfgan(self.discriminator, *logits, generated_weights=0.0, **smoothing)

    def loss_as_generated(self, logits: tf.Tensor) -> tf.Tensor:
        return _loss_of_tfgan(self.discriminator, tf.zeros_like(logits), logits, real_weights=0.0)

    def generator_loss(self, logits: tf.Tensor) -> tf.Tensor:
        if self.generator is None:
            return -self.loss_as_generated(logits)
        if callable(self.generator):
            return self.generator(logits)
        return _loss_of_tfgan(self.generator, logits)


_LOSSES = {
    "non_saturating": _Losses(
        discriminator="modified_discriminator_loss",
        generator="modified_generator_loss",
        smoothing=_cross_entropy_smoothing,
        score=tf.sigmoid,
    ),
    # TF-GAN's own `minimax_generator_loss` adds the constant loss of imaginary real logits of 1.
    "minimax": _Losses(
        discriminator="minimax_discriminator_loss",
        smoothing=_cross_entropy_smoothing,
        score=tf.sigmoid,
    ),
    "least_squares": _Losses(
        discriminator="least_squares_discriminator_loss",
        generator="least_squares_generator_loss",
        smoothing=_least_squares_smoothing,
        undecided=0.5,
    ),
    "wasserstein": _Losses(
        discriminator="wasserstein_discriminator_loss",
        generator="wasserstein_generator_loss",
        undecided=None,
    ),
    "hinge": _Losses(
        discriminator="wasserstein_hinge_discriminator_loss",
        generator="wasserstein_hinge_generator_loss",
    ),
    "boundary_seeking": _Losses(
        discriminator="modified_discriminator_loss",
        generator=tf.square,
        smoothing=_cross_entropy_smoothing,
        score=tf.sigmoid,
    ),
    **F_DIVERGENCES,
}

# === Losses of logits that are compared ===


def _loss_of_pairs(high_logits: tf.Tensor, low_logits: tf.Tensor) -> tf.Tensor:
    """Mean loss of who wants the first of each pair above the second."""
    if not high_logits.shape.is_compatible_with(low_logits.shape):
        raise ValueError(
            "Logits are compared in pairs, so there must be as many of real as of generated "
            f"images, in the same shape. Received: {low_logits.shape} and {high_logits.shape}"
        )
    tf.debugging.assert_equal(
        tf.shape(high_logits),
        tf.shape(low_logits),
        "Logits are compared in pairs: there must be as many real as generated images.",
    )
    return tf.reduce_mean(tf.nn.softplus(low_logits - high_logits))


def _loss_against_means(high_logits: tf.Tensor, low_logits: tf.Tensor) -> tf.Tensor:
    """Mean loss of who wants each logit on the right side of the mean of the others.

    TF-GAN has it too, without the ½ and with means over the replica's share.
    """
    high_mean = global_mean(tf.reduce_mean(high_logits))
    low_mean = global_mean(tf.reduce_mean(low_logits))
    high_losses = tf.nn.softplus(low_mean - high_logits)
    low_losses = tf.nn.softplus(low_logits - high_mean)
    return 0.5 * (tf.reduce_mean(high_losses) + tf.reduce_mean(low_losses))


_RELATIVISTIC_LOSSES = {
    "relativistic": _loss_of_pairs,
    "relativistic_average": _loss_against_means,
}

NAMES = (*_LOSSES, *_RELATIVISTIC_LOSSES)

_WITH_SMOOTHED_LABELS = ("non_saturating", "minimax", "least_squares")

# What a variant that takes an objective may log of its discriminator; see `Objective.outputs`.
OUTPUT_LOGS = ("real_score", "generated_score", "real_output", "generated_output")

# === Objective ===


@keras.saving.register_keras_serializable(package="zoo")
class Objective:
    """An adversarial objective for two players, on logits x = D(real) and g = D(generated).

    | name                   | generator minimises         | discriminator minimises             |
    |------------------------|-----------------------------|-------------------------------------|
    | `non_saturating`       | E[−log σ(g)]                | E[−log σ(x)] + E[−log(1 − σ(g))]    |
    | `minimax`              | E[log(1 − σ(g))]            | the same                            |
    | `least_squares`        | ½E[(g − 1)²]                | ½E[(x − 1)²] + ½E[g²]               |
    | `wasserstein`          | −E[g]                       | E[g] − E[x]                         |
    | `hinge`                | −E[g]                       | E[max(0, 1 − x)] + E[max(0, 1 + g)] |
    | `boundary_seeking`     | E[g²]                       | that of `non_saturating`            |
    | `f_...`                | −E[T(g)]                    | E[f*(T(g))] − E[T(x)]               |
    | `relativistic`         | E[s(x − g)]                 | E[s(g − x)]                         |
    | `relativistic_average` | ½E[s(x − E g)] + ½E[s(E x − g)] | ½E[s(g − E x)] + ½E[s(E g − x)] |

    with σ the sigmoid and s(v) = log(1 + e^v). Logits have the shape `(batch,)`, `(batch, 1)`, or
    `(batch, height, width, 1)` when the discriminator judges patches.

    f-GAN's are `f_kl`, `f_reverse_kl`, `f_pearson`, `f_hellinger`, `f_js` and `f_gan`; for T and f*
    see `zoo.common.f_divergences`.

    `boundary_seeking` draws generated images to where D can't tell, log p/q = 0, and not beyond. It
    is the form of the authors' code that needs no state: their other, E[(g − log Z)²], keeps a
    running average of Z = E[e^g], which is 1 anyway where D is at its best.

    The two `relativistic` ones compare: does D find real images more real than generated ones?
    `relativistic` asks it of pairs, the first real with the first generated image and so on,
    `relativistic_average` of each image and the mean of the others, over the batches of all
    replicas, which must be equal shares. A constant added to all logits changes nothing, so logits
    are no probabilities. The generator too compares, with logits of the discriminator as it is
    after its own step; the ½, which is in the author's code and not in the paper, keeps either
    player's loss at log 2 where all logits are equal.

    Args:
        name: one of the names above. Defaults to `"non_saturating"`, which Goodfellow et al. use in
            practice: its generator learns even while the discriminator wins.
        label_smoothing: s in [0, 1); the discriminator's target for real images becomes 1 − s and
            the one for generated images stays 0 (Salimans et al., section 3.4). Defaults to 0, no
            smoothing; TF-GAN's own default is not.
        label_noise: probability in [0, 1] with which the discriminator sees an image under the
            wrong label; all patches of an image share one label. Defaults to 0, no noise.
        zero_sum: for the `f_` ones, has the generator minimise −E[f*(T(g))], by which it descends
            the divergence itself. Defaults to `False`, as Nowozin et al. have it in practice
            (section 3.2), against gradients that vanish while D wins. Both have the same
            equilibrium, but where G can't reach it they settle elsewhere: with D at its best, the
            default of `f_kl` descends KL(q ‖ p).

    Raises:
        ValueError: if the name is unknown, a number is out of its range, or what is asked has no
            meaning: smoothing or noise where there are no labels, smoothing where there is no
            target or the boundary is sought, or `zero_sum` of another than the `f_` ones.

    References:
        [Goodfellow et al., 2014](https://arxiv.org/abs/1406.2661) (`minimax`, `non_saturating`),
        [Mao et al., 2016](https://arxiv.org/abs/1611.04076) (`least_squares`),
        [Nowozin et al., 2016](https://arxiv.org/abs/1606.00709) (`f_...`),
        [Arjovsky et al., 2017](https://arxiv.org/abs/1701.07875) (`wasserstein`),
        [Hjelm et al., 2017](https://arxiv.org/abs/1702.08431) (`boundary_seeking`),
        [Miyato et al., 2018](https://arxiv.org/abs/1802.05957) (`hinge`),
        [Jolicoeur-Martineau, 2018](https://arxiv.org/abs/1807.00734) (`relativistic...`).
    """

    def __init__(
        self,
        name: str = "non_saturating",
        label_smoothing: float = 0.0,
        label_noise: float = 0.0,
        zero_sum: bool = False,
    ) -> None:
        check_choice("name", name, NAMES)
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                f"`label_smoothing` should be in [0, 1). Received: `{label_smoothing=}`"
            )
        if not 0 <= label_noise <= 1:
            raise ValueError(f"`label_noise` should be in [0, 1]. Received: `{label_noise=}`")
        self.name = name
        self.label_smoothing = label_smoothing
        self.label_noise = label_noise
        self.zero_sum = zero_sum
        self._refuse_what_has_no_meaning()

    def _refuse_what_has_no_meaning(self) -> None:
        if self.is_relativistic and (self.label_smoothing or self.label_noise):
            raise ValueError(
                f"The objective {self.name!r} compares real with generated images and has no "
                "labels: `label_smoothing` and `label_noise` should be 0. Received: "
                f"`label_smoothing={self.label_smoothing}`, `label_noise={self.label_noise}`"
            )
        if self.label_smoothing and self.name not in _WITH_SMOOTHED_LABELS:
            seeks = self.name == "boundary_seeking"
            reason = "seeks a boundary that they move" if seeks else "has none to smooth"
            raise ValueError(
                f"The objective {self.name!r} takes no smoothed labels, for it {reason}: "
                f"`label_smoothing` should be 0. Received: `label_smoothing={self.label_smoothing}`"
            )
        if self.zero_sum and self.name not in F_DIVERGENCES:
            raise ValueError(
                f"`zero_sum` is for {', '.join(F_DIVERGENCES)}; that of 'non_saturating' is "
                f"'minimax'. Received: `zero_sum={self.zero_sum}` for {self.name!r}"
            )

    @property
    def is_relativistic(self) -> bool:
        """Whether the generator's loss takes `real_logits` too, and compares.

        A `train_step` then asks the discriminator about real images once more, after its step. An
        objective of the user's own that compares overrides this.
        """
        return self.name in _RELATIVISTIC_LOSSES

    @property
    def undecided_output(self) -> float | None:
        """D's logit of an image that it takes for real as much as for generated.

        0 for most, ½ for `least_squares`, 1 for `f_kl`, and less where labels are smoothed; None
        where logits are only compared, and none of them says that.
        """
        if self.is_relativistic:
            return None
        if not self.label_smoothing:
            return _LOSSES[self.name].undecided
        probability = (1.0 - self.label_smoothing) / 2.0
        if self.name == "least_squares":
            return probability
        return math.log(probability / (1.0 - probability))

    def generator_loss(
        self, generated_logits: tf.Tensor, real_logits: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Returns what the generator minimises, a float32 scalar.

        Args:
            generated_logits: logits of generated images.
            real_logits: logits of real images, by the discriminator that gave the others. Needed
                by those that compare, and not looked at by others.

        Raises:
            ValueError: if a relativistic objective has no real logits, or the paired one not as
                many.
        """
        generated_logits = tf.cast(generated_logits, tf.float32)
        if self.is_relativistic:
            if real_logits is None:
                raise ValueError(
                    f"The objective {self.name!r} compares: `generator_loss` needs `real_logits`. "
                    "Received: `real_logits=None`"
                )
            compare = _RELATIVISTIC_LOSSES[self.name]
            return compare(generated_logits, tf.cast(real_logits, tf.float32))
        losses = _LOSSES[self.name]
        if self.zero_sum:
            return -tf.reduce_mean(losses.loss_as_generated(generated_logits))
        return tf.reduce_mean(losses.generator_loss(generated_logits))

    def discriminator_loss(
        self,
        real_logits: tf.Tensor,
        generated_logits: tf.Tensor,
        seed: tf.Tensor | tuple[int, int] | None = None,
    ) -> tf.Tensor:
        """Returns what the discriminator minimises, a float32 scalar.

        Args:
            real_logits: logits of real images.
            generated_logits: logits of generated images; there may be more or fewer of them, but
                not for `relativistic`.
            seed: two integers, as for `tf.random.stateless_uniform`, from which the noise of the
                labels is drawn, for the global batch: replicas given the same seed flip different
                images, and those that one replica would have flipped. Only for `label_noise`.

        Raises:
            ValueError: if there is label noise and no seed, or pairs are to be compared and the
                sizes differ.
        """
        real_logits = tf.cast(real_logits, tf.float32)
        generated_logits = tf.cast(generated_logits, tf.float32)
        if self.is_relativistic:
            return _RELATIVISTIC_LOSSES[self.name](real_logits, generated_logits)
        if not self.label_noise:
            return tf.reduce_mean(self._losses_as_real(real_logits)) + tf.reduce_mean(
                _LOSSES[self.name].loss_as_generated(generated_logits)
            )
        if seed is None:
            raise ValueError(
                f"`seed` is needed to draw the noise of the labels: `label_noise` is "
                f"{self.label_noise}. Received: `{seed=}`"
            )
        real_seed, generated_seed = tf.unstack(tf.random.split(seed, num=2))
        is_taken_for_generated = _draw_flips(real_logits, self.label_noise, real_seed)
        is_taken_for_real = _draw_flips(generated_logits, self.label_noise, generated_seed)
        return tf.reduce_mean(
            self._labelled_losses(real_logits, ~is_taken_for_generated)
        ) + tf.reduce_mean(self._labelled_losses(generated_logits, is_taken_for_real))

    def outputs(self, real_logits: tf.Tensor, generated_logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns what to log of the discriminator, to see how the players stand.

        Where its logits tell a probability, these are `real_score` and `generated_score`, the
        probabilities with which it takes either for real; for f-GAN's by the ratio p/q of which
        the logit is a function. The outputs of the other objectives are no probabilities, and are
        given as they are: `real_output` and `generated_output`.
        """
        shown = [real_logits, generated_logits]
        if self._score is not None:
            shown = [self._score(tf.cast(logits, tf.float32)) for logits in shown]
        return dict(zip(self.logs, shown, strict=True))

    @property
    def logs(self) -> tuple[str, str]:
        """The names of `outputs`: two of `OUTPUT_LOGS`."""
        return OUTPUT_LOGS[2:] if self._score is None else OUTPUT_LOGS[:2]

    @property
    def _score(self):
        return None if self.is_relativistic else _LOSSES[self.name].score

    def _losses_as_real(self, logits: tf.Tensor) -> tf.Tensor:
        """The discriminator's loss of each logit under the label real, smoothed if asked for."""
        smoothing = (self.label_smoothing,) if self.label_smoothing else ()
        return _LOSSES[self.name].loss_as_real(logits, *smoothing)

    def _labelled_losses(self, logits: tf.Tensor, is_real: tf.Tensor) -> tf.Tensor:
        """The discriminator's loss of each logit under its own label."""
        # Either loss sees only what it judges: beyond float32 its gradient, times 0, is no number.
        return tf.where(
            is_real,
            self._losses_as_real(tf.where(is_real, logits, 0.0)),
            _LOSSES[self.name].loss_as_generated(tf.where(is_real, 0.0, logits)),
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "name": self.name,
            "label_smoothing": self.label_smoothing,
            "label_noise": self.label_noise,
            "zero_sum": self.zero_sum,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Makes an objective from what `get_config` returned."""
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def get(objective: str | Objective) -> Objective:
    """Returns the objective of that name, with its defaults; or the given one itself.

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
    check_choice("objective", objective, NAMES)
    return Objective(objective)


def _draw_flips(logits: tf.Tensor, probability: float, seed: tf.Tensor) -> tf.Tensor:
    """Draws which of the replica's images are mislabelled: bool, `(batch, 1, ...)` like logits."""
    shape = (tf.shape(logits)[0], *[1] * (logits.shape.rank - 1))
    return draw_uniform(shape, seed) < probability
