"""Constraints on weights that Keras lacks."""

import keras


@keras.saving.register_keras_serializable(package="zoo")
class WeightClipping(keras.constraints.Constraint):
    """Clips each weight to [−limit, limit] after every step of its optimizer.

    It bounds the slope of a critic, as `objective="wasserstein"` needs and WGAN has it:

        clipping = WeightClipping()
        layers.Conv2D(64, 4, 2, kernel_constraint=clipping, bias_constraint=clipping)

    Args:
        limit: Defaults to 0.01, as in algorithm 1 of Arjovsky et al.

    Raises:
        ValueError: if it is not positive.

    Reference: [Arjovsky et al., 2017](https://arxiv.org/abs/1701.07875)
    """

    def __init__(self, limit: float = 0.01):
        if not 0 < limit < float("inf"):
            raise ValueError(f"`limit` must be positive. Received: limit={limit!r}")
        self.limit = limit

    def __call__(self, w):
        """Returns the weights, clipped."""
        return keras.ops.clip(w, -self.limit, self.limit)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"limit": self.limit}
