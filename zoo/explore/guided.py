"""Guided backpropagation: what in an image do the discriminator's top features answer to?

The gradient of a feature's largest answer goes back to the pixels, and at each rectifier only what
is positive, there and on the way up, goes on. Beside it stand the same features of a discriminator
that learnt nothing, which show the image's edges and no objects.

References: [Radford et al., 2015](https://arxiv.org/abs/1511.06434), figure 5; [Springenberg et
al., 2014](https://arxiv.org/abs/1412.6806), section 3.4.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from zoo import datasets
from zoo.common.checks import check_positive_integers, takes_numpy_scalars
from zoo.common.convolution_features import ConvolutionFeatures
from zoo.explore.findings import Findings
from zoo.explore.pictures import rows_picture
from zoo.explore.subjects import (
    BATCH_SIZE,
    check_seed,
    copy_of,
    discriminator_of,
    first_images,
    require_split,
    untrained_copy,
)

_RECTIFIERS = ("relu", "leaky_relu", "elu")


@takes_numpy_scalars
def guided(
    model: keras.Model,
    images: datasets.ImageDataset,
    *,
    num_features: int = 6,
    num_images: int = 500,
    seed: int = 0,
) -> Findings:
    """Shows what the first features of the discriminator's last convolution answer to most.

    Args:
        model: a game with a discriminator, or critic, that has convolutions.
        images: of the model's size, with a split "train", and "test" or "validation", in which the
            largest answers are looked for.
        num_features: how many. Defaults to 6, as in the paper.
        num_images: that are looked at. Defaults to 500.
        seed: of the untrained weights. Defaults to 0.

    Returns:
        Findings whose facts hold for each discriminator how peaked the gradients are, the mean
        share of their energy that lies in the strongest tenth of the pixels; and how selective the
        features are, by how many standard deviations the largest answer exceeds the mean one.

    Raises:
        ValueError: if the model has no such discriminator, the data set lacks a split, or an
            argument is out of range.
    """
    check_positive_integers(num_features=num_features, num_images=num_images)
    check_seed(seed)
    network = discriminator_of(model, "guided")
    split = require_split(images, "test", "validation")
    shown = first_images(images, split, num_images)
    some = first_images(images, require_split(images, "train"), 10 * BATCH_SIZE)
    rows, facts = {}, {}
    kinds = {"trained": copy_of(network), "untrained": untrained_copy(network, seed)}
    for name, each in kinds.items():
        features = ConvolutionFeatures(each)
        features.adapt([some[i : i + BATCH_SIZE] for i in range(0, len(some), BATCH_SIZE)])
        best, gradients, selectivity = _largest_answers(features, shown, num_features)
        rows[f"{name}:\nimages"] = shown[best]
        rows[f"{name}:\ngradients"] = np.stack([_as_picture(each) for each in gradients])
        facts[name] = {
            "energy_in_strongest_tenth": float(np.mean([_peakedness(g) for g in gradients])),
            "selectivity": float(selectivity.mean()),
        }
    shares = {name: each["energy_in_strongest_tenth"] for name, each in facts.items()}
    return Findings(
        command="guided",
        headline=(
            f"The strongest tenth of the pixels has {shares['trained']:.0%} of the gradients' "
            f"energy, and {shares['untrained']:.0%} without training."
        ),
        facts={
            "model": type(model).__name__,
            "dataset": images.name,
            "split": split,
            "num_images": len(shown),
            "layer": features.layer_names[-1],
            "seed": seed,
            "discriminators": facts,
        },
        pictures={"guided": rows_picture(rows)},
    )


def _largest_answers(
    features: ConvolutionFeatures, images: np.ndarray, num_features: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns for each feature the image it answers to most, the guided gradient, selectivity."""
    outputs = features.body.outputs[-1]
    top = guided_copy(keras.Model(features.body.inputs[0], outputs))
    batches = [
        np.asarray(top(features.fitting(images[first : first + BATCH_SIZE]), training=False))
        for first in range(0, len(images), BATCH_SIZE)
    ]
    answers = np.concatenate(batches).max(axis=(1, 2))[:, :num_features]  # over the places
    best = answers.argmax(axis=0)
    selectivity = (answers.max(axis=0) - answers.mean(axis=0)) / (answers.std(axis=0) + 1e-12)
    gradients = [_gradient(features, top, images[row], feature) for feature, row in enumerate(best)]
    return best, np.stack(gradients), selectivity


def _gradient(
    features: ConvolutionFeatures, top: keras.Model, image: np.ndarray, feature: int
) -> np.ndarray:
    image = tf.constant(image[None])
    with tf.GradientTape() as tape:
        tape.watch(image)
        maps = top(features.fitting(image), training=False)
        answer = tf.reduce_max(maps[..., feature])
    return tape.gradient(answer, image)[0].numpy()


def _as_picture(gradient: np.ndarray) -> np.ndarray:
    """Centres a gradient at grey, its largest value at black or white."""
    return gradient / (np.abs(gradient).max() + 1e-12)


def _peakedness(gradient: np.ndarray) -> float:
    energy = np.sort(np.square(gradient).sum(axis=-1).ravel())[::-1]
    return float(energy[: max(1, len(energy) // 10)].sum() / (energy.sum() + 1e-12))


# === The guided network ===


def guided_copy(network: keras.Model) -> keras.Model:
    """Returns a copy that gives the same, and whose rectifiers pass back only what is positive.

    Args:
        network: a graph of layers, with rectifiers as layers or as activations of layers.
    """

    def cloned(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, (layers.ReLU, layers.LeakyReLU, layers.ELU)):
            return layers.Activation(_guided(layer.call), name=layer.name, dtype=layer.dtype_policy)
        copy = type(layer).from_config(layer.get_config())
        activation: Any = getattr(copy, "activation", None)
        if getattr(activation, "__name__", None) in _RECTIFIERS:
            copy.activation = _guided(activation)
        return copy

    copy = keras.models.clone_model(network, clone_function=cloned)
    copy.set_weights(network.get_weights())
    return copy


def _guided(rectifier):
    """Returns the rectifier with the gradient from above, where that and the input are above 0."""

    @tf.custom_gradient
    def rectified(x):
        def gradient(upstream):
            passes = tf.logical_and(x > 0, upstream > 0)
            return tf.where(passes, upstream, tf.zeros_like(upstream))

        return rectifier(x), gradient

    return rectified
