"""Truncation: latents nearer to the centre of the prior make better images, and more alike."""

from collections.abc import Sequence

import keras
import numpy as np

from zoo.common.checks import check_positive_integers, takes_numpy_scalars
from zoo.explore.findings import Findings
from zoo.explore.pictures import curves_picture, rows_picture
from zoo.explore.subjects import BATCH_SIZE, check_seed, images_of, latent_model, progress
from zoo.metrics.distances import KernelDistance

TRUNCATIONS = (1.0, 0.8, 0.6, 0.4, 0.2)


@takes_numpy_scalars
def truncation(
    model: keras.Model,
    feature_extractor: keras.Model,
    real_images: np.ndarray,
    *,
    truncations: Sequence[float] = TRUNCATIONS,
    num_shown: int = 8,
    seed: int = 0,
) -> Findings:
    """Makes images of latents that are pulled to the centre of the prior, farther and farther.

    Args:
        model: one that makes images of latents.
        feature_extractor: images → features, such as those of `zoo.metrics.load_classifier`.
        real_images: float32 in [-1, 1], as many as are generated at each truncation, 2 or more;
            such as 500 that were not trained on.
        truncations: factors on the latents' distances from the centre.
        num_shown: images of each in the picture. Defaults to 8.
        seed: of the latents. Defaults to 0.

    Returns:
        Findings whose facts hold for each truncation the kernel distance to the real images, and
        the variety: the mean squared distance of features from their mean, over that of the real
        images.

    Raises:
        ValueError: if the model makes no images of latents alone, there are too few real images or
            all of them are alike, or an argument is out of range.

    Reference: [Brock et al., 2018](https://arxiv.org/abs/1809.11096), section 3.1, who draw anew
    what lies far out; here latents are scaled, as in the exports.
    """
    model = latent_model(model, "truncation")
    check_seed(seed)
    check_positive_integers(num_shown=num_shown)
    if not truncations or not all(0 <= each <= 1 for each in truncations):
        raise ValueError(
            f"`truncations` must be numbers from 0 to 1. Received: truncations={truncations!r}"
        )
    check_real_images(real_images)
    real_variety = _spread(feature_extractor, real_images)
    if real_variety == 0:
        raise ValueError(
            "truncation compares the variety of images with that of real ones, and those have "
            f"none: all {len(real_images)} have the same features. Take others."
        )
    latents = model.latents_for(len(real_images), seed)
    rows, distances, varieties = {}, [], []
    for factor in progress(truncations, "truncating"):
        images = images_of(model, model.prior.truncate(latents, factor))
        rows[f"{factor:g}"] = images[:num_shown]
        distances.append(_kernel_distance(feature_extractor, real_images, images))
        varieties.append(_spread(feature_extractor, images) / real_variety)
    best = int(np.argmin(distances))
    facts = {
        "model": type(model).__name__,
        "seed": seed,
        "num_images": len(real_images),
        "truncations": list(truncations),
        "kernel_distances": distances,
        "varieties": varieties,
    }
    curves = {
        "kernel distance, over that of the first": np.divide(distances, abs(distances[0]) or 1.0),
        "variety, over that of real images": varieties,
    }
    return Findings(
        command="truncation",
        headline=(
            f"The kernel distance is least at truncation {truncations[best]:g}: "
            f"{distances[best]:.3g}, where variety is {varieties[best]:.2f} of the real images'."
        ),
        facts=facts,
        pictures={
            "truncation": rows_picture(rows),
            "curves": curves_picture(curves, truncations, ("truncation", "")),
        },
    )


def check_real_images(real_images: np.ndarray) -> None:
    """Refuses so few real images that they have neither a variety nor a distance.

    Raises:
        ValueError: telling how many there are.
    """
    if len(real_images) < 2:
        raise ValueError(
            "truncation takes 2 or more real images that were held out, better hundreds. Received: "
            f"{len(real_images)}. Take a data set that holds out more."
        )


def _kernel_distance(feature_extractor, real_images, generated_images) -> float:
    measure = KernelDistance(feature_extractor)
    for first in range(0, len(real_images), BATCH_SIZE):
        rows = slice(first, first + BATCH_SIZE)
        measure.update_state(real_images[rows], generated_images[rows])
    return float(measure.result())


def _spread(feature_extractor: keras.Model, images: np.ndarray) -> float:
    features = feature_extractor.predict(images, batch_size=BATCH_SIZE, verbose=0)
    return float(np.mean(np.sum(np.square(features - features.mean(axis=0)), axis=1)))
