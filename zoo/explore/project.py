"""Which latents make an image? Found by descent, by a network, and by both.

    z* = argmin_z  mean (x − G(z))²  [+ w · mean (φ(x) − φ(G(z)))²]

Descent finds the next best minimum from where it starts. A network P that is trained through the
resting generator on real images, P(x) = z, answers at once and less exactly. The hybrid descends
from P(x).

Reference: [Zhu et al., 2016](https://arxiv.org/abs/1609.03552), section 3.1. Unlike there, the
features φ are those of a classifier of the data set, where the authors took AlexNet's; Adam
descends, for many images at once, where they had L-BFGS; latents are held within the prior by
bringing them back, where they had a tanh.
"""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from zoo import datasets
from zoo.common.checks import check_not_negative, check_positive_integers, takes_numpy_scalars
from zoo.explore.descent import Cost, descend
from zoo.explore.findings import Findings
from zoo.explore.pictures import curves_picture, rows_picture
from zoo.explore.subjects import (
    BATCH_SIZE,
    Generates,
    check_seed,
    first_images,
    generates,
    images_of,
    name_of,
    progress,
    require_split,
    seeded,
)

_SHOWN = 8
_NETWORK_BATCH = 64
OPTIMISATION, NETWORK, HYBRID = "optimisation", "network", "hybrid"


@takes_numpy_scalars
def project(
    model: keras.Model,
    images: datasets.ImageDataset,
    *,
    feature_extractor: keras.Model | None = None,
    feature_weight: float = 0.0,
    num_images: int = 128,
    iterations: int = 100,
    network_steps: int = 1500,
    filters: int = 32,
    seed: int = 0,
) -> Findings:
    """Finds the latents of images that were held out, in three ways; and of generated ones.

    Args:
        model: one that makes images of latents, or a loaded export of one.
        images: a data set of the model's size with a split "train", for the network, and "test" or
            "validation", whose first images are projected.
        feature_extractor: φ, images → features. Defaults to None, pixels alone.
        feature_weight: w, of squared differences of features over the features' variance. Defaults
            to 0.
        num_images: real images, and as many generated ones. Defaults to 128.
        iterations: steps of descent. Defaults to 100.
        network_steps: steps for which the network is trained. Defaults to 1,500.
        filters: of its finest map; each coarser one has twice as many. Defaults to 32.
        seed: of starts, weights and order. Defaults to 0.

    Returns:
        Findings whose facts hold for each way the mean over images of the root mean square error of
        the pixels in [-1, 1]; the errors at the start; and for generated images, of which it is
        known that there is a solution, the same over the error at the start.

    Raises:
        ValueError: if the model makes no images of latents alone, the data set lacks a split, a
            weight is given without an extractor, or an argument is out of range.
    """
    model = generates(model, "project")
    check_seed(seed)
    check_positive_integers(
        num_images=num_images, iterations=iterations, network_steps=network_steps, filters=filters
    )
    check_not_negative(feature_weight=feature_weight)
    if feature_weight and feature_extractor is None:
        raise ValueError(
            "A `feature_weight` needs a `feature_extractor`. Received: "
            f"feature_weight={feature_weight}, feature_extractor=None"
        )
    train = require_split(images, "train")
    held_out = require_split(images, "test", "validation")
    targets = first_images(images, held_out, num_images)
    features = _Features.of(feature_extractor, feature_weight, targets)
    network = train_network(
        model,
        images.batches(train, batch_size=_NETWORK_BATCH, shuffle=True, repeat=True, seed=seed),
        features,
        network_steps,
        filters,
        seed,
    )
    start = model.latents_for(len(targets), seed)
    found, courses = _three_ways(model, network, targets, start, features, iterations)
    errors = {name: rms_errors(images_of(model, z), targets) for name, z in found.items()}
    start_errors = rms_errors(images_of(model, start), targets)
    own = images_of(model, model.latents_for(len(targets), seed + 1))
    own_found, _ = _three_ways(model, network, own, start, features, iterations)
    own_start = rms_errors(images_of(model, start), own)
    recovered = {
        name: float(rms_errors(images_of(model, z), own).mean() / own_start.mean())
        for name, z in own_found.items()
    }
    means = {name: float(each.mean()) for name, each in errors.items()}
    facts: dict[str, Any] = {
        "model": name_of(model),
        "dataset": images.name,
        "held_out_split": held_out,
        "features": None if not feature_weight else feature_extractor.name,
        "feature_weight": feature_weight,
        "num_images": len(targets),
        "iterations": iterations,
        "network_steps": network_steps,
        "seed": seed,
        "start_error": float(start_errors.mean()),
        "errors": means,
        "squared_errors": {name: float(np.square(e).mean()) for name, e in errors.items()},
        "hybrid_over_optimisation": means[HYBRID] / means[OPTIMISATION],
        "hybrid_over_network": means[HYBRID] / means[NETWORK],
        "own_samples_over_start": recovered,
    }
    rows = {f"{held_out} images": targets[:_SHOWN]}
    rows |= {name: images_of(model, z[:_SHOWN]) for name, z in found.items()}
    rows |= {"generated images": own[:_SHOWN]}
    rows |= {f"{name} ": images_of(model, z[:_SHOWN]) for name, z in own_found.items()}
    told = ", ".join(f"{mean:.3f} by {name}" for name, mean in means.items())
    return Findings(
        command="project",
        headline=f"Root mean square errors of {len(targets)} held-out images: {told}.",
        facts=facts,
        pictures={
            "project": rows_picture(rows),
            "descent": curves_picture(courses, range(iterations + 1), ("iteration", "mean cost")),
        },
    )


def rms_errors(images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Returns the root mean square error of each image."""
    return np.sqrt(np.mean(np.square(images - targets), axis=(1, 2, 3)))


def _three_ways(model, network, targets, start, features, iterations):
    """Returns the latents that each way finds, and the courses of the two descents."""
    predicted = network.predict(targets, batch_size=BATCH_SIZE, verbose=0)
    cost = _cost_of(targets, features)
    by_descent, course = descend(
        model, start, cost, iterations=iterations, description="descending from anywhere"
    )
    by_both, course_of_both = descend(
        model, predicted, cost, iterations=iterations, description="descending from the network's"
    )
    found = {OPTIMISATION: by_descent, NETWORK: predicted, HYBRID: by_both}
    return found, {OPTIMISATION: course, HYBRID: course_of_both}


# === What an image costs ===


class _Features:
    """Features whose squared differences are counted in their variances, and weighted."""

    def __init__(self, extractor: keras.Model | None, weight: float, variance) -> None:
        self._extractor, self._weight, self._variance = extractor, weight, variance

    @classmethod
    def of(cls, extractor: keras.Model | None, weight: float, images: np.ndarray) -> "_Features":
        """Counts in the variance of these images."""
        if not weight:
            return cls(None, 0.0, 1.0)
        features = extractor.predict(images, batch_size=BATCH_SIZE, verbose=0)
        return cls(extractor, weight, features.var(axis=0).mean())

    def cost(self, images, targets) -> tf.Tensor:
        """Returns the weighted difference of each image, `(batch,)`."""
        if self._extractor is None:
            return tf.zeros(tf.shape(images)[0])
        difference = self._extractor(images, training=False) - self._extractor(
            targets, training=False
        )
        return self._weight * tf.reduce_mean(tf.square(difference), axis=1) / self._variance


def _cost_of(targets: np.ndarray, features: _Features) -> Cost:
    targets = tf.constant(targets)

    def cost(latents, images, rows):
        del latents
        own = tf.gather(targets, rows)
        return tf.reduce_mean(tf.square(images - own), axis=(1, 2, 3)) + features.cost(images, own)

    return cost


# === The network ===


def build_network(model: Generates, filters: int, seed: int) -> keras.Model:
    """Returns a network images → latents: DCGAN's discriminator, with latents in place of a logit.

    Args:
        model: whose images and latents it takes and gives; a tanh keeps it within a uniform prior.
        filters: of the finest map; each coarser one has twice as many.
        seed: of the weights.
    """
    images = keras.Input(model.image_shape, name="images")
    x = images
    scales = max(1, math.ceil(math.log2(max(model.image_shape[:2]) / 7)))
    with seeded(seed):
        for scale in range(scales):
            x = layers.Conv2D(filters * 2**scale, 4, 2, "same", use_bias=scale == 0)(x)
            if scale > 0:
                x = layers.BatchNormalization(momentum=0.9)(x)
            x = layers.LeakyReLU(negative_slope=0.2)(x)
        x = layers.Dense(model.latent_dim, dtype="float32")(layers.Flatten()(x))
        lowest, highest = model.prior.bounds()
        if len({*zip(lowest, highest, strict=True)}) == 1 and highest[0] < tf.float32.max:
            x = layers.Activation("tanh", dtype="float32")(x)
            x = layers.Rescaling((highest[0] - lowest[0]) / 2, (highest[0] + lowest[0]) / 2)(x)
        return keras.Model(images, x, name="projection")


def train_network(
    model: Generates,
    batches: tf.data.Dataset,
    features: _Features,
    steps: int,
    filters: int,
    seed: int,
) -> keras.Model:
    """Trains a network on real images to tell the latents of which the generator makes them.

    The generator rests: it is in inference mode, and its weights stay as they are.
    """
    network = build_network(model, filters, seed)
    optimizer = keras.optimizers.AdamW(2e-4, weight_decay=1e-5, beta_1=0.5)
    optimizer.build(network.trainable_variables)

    @tf.function
    def step(targets):
        with tf.GradientTape() as tape:
            latents = network(targets, training=True)
            images = tf.cast(model.averaged_generator(latents, training=False), tf.float32)
            errors = tf.reduce_mean(tf.square(images - targets), axis=(1, 2, 3))
            loss = tf.reduce_mean(errors + features.cost(images, targets))
        variables = network.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    with progress(None, "training the network", steps) as bar:
        for number, batch in enumerate(batches.take(steps)):
            loss = step(batch)
            bar.update()
            if number % 50 == 0:
                bar.set_postfix(loss=f"{float(loss):.4f}")
    return network
