"""f-GAN's divergences between the densities p of real and q of generated images.

A convex f makes a divergence, and any function T of the images a lower bound on it:

    D_f(p ‖ q) = E_q[f(p/q)] ≥ E_p[T(x)] − E_q[f*(T(x))]

with f* the conjugate of f. The discriminator raises the bound, which is tight at T = f′(p/q). It
gives any number v; T = g(v) brings that into the domain of f*. All g rise, so a high v is real.

| name           | f(u)                         | T = g(v)      | f*(T)        | p/q     |
|----------------|------------------------------|---------------|--------------|---------|
| `f_kl`         | u log u                      | v             | e^(v−1)      | e^(v−1) |
| `f_reverse_kl` | −log u                       | −e^(−v)       | v − 1        | e^v     |
| `f_pearson`    | (u − 1)²                     | v             | v²/4 + v     | 1 + v/2 |
| `f_hellinger`  | (√u − 1)²                    | 1 − e^(−v)    | e^v − 1      | e^(2v)  |
| `f_js`         | u log u − (u+1) log((u+1)/2) | log 2 − s(−v) | s(v) − log 2 | e^v     |
| `f_gan`        | u log u − (u+1) log(u+1)     | −s(−v)        | s(v)         | e^v     |

with s(v) = log(1 + e^v). f* stands as it is computed, of v: by way of T it would lose its digits,
or be the difference of two infinities. The last column is the ratio of the densities where the
bound is tight. `f_js` is twice the Jensen–Shannon divergence, and `f_gan` less by log 4.

Reference: [Nowozin et al., 2016](https://arxiv.org/abs/1606.00709).
"""

import dataclasses
import math
from collections.abc import Callable

import tensorflow as tf

Function = Callable[[tf.Tensor], tf.Tensor]

_LOG_2 = math.log(2.0)


@dataclasses.dataclass(frozen=True)
class FDivergence:
    """A divergence, as functions of the discriminator's output v, in the type of v.

    Attributes:
        output: T = g(v), of which E_p[T] − E_q[f*(T)] bounds the divergence from below.
        conjugate: f*(T).
        score: the probability that an image is real if as many are generated, σ(log p/q).
        undecided: the v of p/q = 1.
    """

    output: Function
    conjugate: Function
    score: Function
    undecided: float = 0.0

    def loss_as_real(self, logits: tf.Tensor) -> tf.Tensor:
        """Returns what the discriminator minimises for each logit of a real image."""
        return -self.output(logits)

    def loss_as_generated(self, logits: tf.Tensor) -> tf.Tensor:
        """Returns what the discriminator minimises for each logit of a generated image."""
        return self.conjugate(logits)

    def generator_loss(self, logits: tf.Tensor) -> tf.Tensor:
        """Returns what the generator minimises for each logit: −T, as in section 3.2."""
        return -self.output(logits)


def _pearson_score(logits: tf.Tensor) -> tf.Tensor:
    # Below v = −2 no densities have such a ratio.
    ratio = tf.nn.relu(1.0 + logits / 2.0)
    return ratio / (1.0 + ratio)


F_DIVERGENCES = {
    "f_kl": FDivergence(
        output=tf.identity,
        conjugate=lambda v: tf.exp(v - 1.0),
        score=lambda v: tf.sigmoid(v - 1.0),
        undecided=1.0,
    ),
    "f_reverse_kl": FDivergence(
        output=lambda v: -tf.exp(-v),
        conjugate=lambda v: v - 1.0,
        score=tf.sigmoid,
    ),
    "f_pearson": FDivergence(
        output=tf.identity,
        conjugate=lambda v: tf.square(v) / 4.0 + v,
        score=_pearson_score,
    ),
    "f_hellinger": FDivergence(
        output=lambda v: -tf.math.expm1(-v),
        conjugate=tf.math.expm1,
        score=lambda v: tf.sigmoid(2.0 * v),
    ),
    "f_js": FDivergence(
        output=lambda v: _LOG_2 - tf.nn.softplus(-v),
        conjugate=lambda v: tf.nn.softplus(v) - _LOG_2,
        score=tf.sigmoid,
    ),
    "f_gan": FDivergence(
        output=lambda v: -tf.nn.softplus(-v),
        conjugate=tf.nn.softplus,
        score=tf.sigmoid,
    ),
}
