"""Moves in the space of latents: straight lines, great circles, and staying within the prior."""

import numpy as np
import tensorflow as tf

from zoo.common.priors import Prior


def linear(start, end, shares) -> np.ndarray:
    """Returns points on the straight line between latents.

    Args:
        start: float32 `(number, latent_dim)`.
        end: of the same shape.
        shares: of the way, `(steps,)`, 0 at the start and 1 at the end.

    Returns:
        float32 `(number, steps, latent_dim)`.
    """
    start, end = np.asarray(start, np.float32)[:, None], np.asarray(end, np.float32)[:, None]
    shares = np.asarray(shares, np.float32)[None, :, None]
    return (1 - shares) * start + shares * end


def spherical(start, end, shares) -> np.ndarray:
    """Returns points on the arc between latents, whose distance from 0 changes evenly.

    Nearly all of a normal distribution of many dimensions lies at one distance from 0, and the
    middle of a straight line does not.

    Args:
        start: float32 `(number, latent_dim)`.
        end: of the same shape.
        shares: of the way, `(steps,)`, 0 at the start and 1 at the end.

    Returns:
        float32 `(number, steps, latent_dim)`.

    Reference: [White, 2016](https://arxiv.org/abs/1609.04468)
    """
    start, end = np.asarray(start, np.float32)[:, None], np.asarray(end, np.float32)[:, None]
    shares = np.asarray(shares, np.float32)[None, :, None]
    lengths = [np.linalg.norm(each, axis=-1, keepdims=True) for each in (start, end)]
    directions = [
        each / np.maximum(length, 1e-12) for each, length in zip((start, end), lengths, strict=True)
    ]
    cosine = np.sum(directions[0] * directions[1], axis=-1, keepdims=True)
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    sine = np.sin(angle)
    # Between latents that point one way, or opposite ways, there is no arc, or more than one.
    is_arc = sine > 1e-4
    weights = [
        np.where(is_arc, np.sin(part * angle) / np.where(is_arc, sine, 1.0), part)
        for part in (1 - shares, shares)
    ]
    length = (1 - shares) * lengths[0] + shares * lengths[1]
    return length * (weights[0] * directions[0] + weights[1] * directions[1])


PATHS = {"linear": linear, "spherical": spherical}


def inside(prior: Prior, latents) -> tf.Tensor:
    """Brings latents back to where the prior has any: a uniform one has none beyond its bounds.

    Args:
        prior: of the model.
        latents: float32 `(..., latent_dim)`.
    """
    return tf.clip_by_value(tf.convert_to_tensor(latents, tf.float32), *prior.bounds())
