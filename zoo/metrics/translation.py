"""How near do translated images come to the truth, where the truth is known?

    truth = zoo.datasets.open("drawn_horse2zebra").truth("a_to_b", num_scenes=128)
    classifier = metrics.load_classifier("drawn_horse2zebra")
    metrics.score_translation(model.generator_ab.predict, truth, classifier, target="B")
    metrics.score_translation(lambda images: images, truth, classifier, target="B")  # doing nothing

Whatever maps images to images is scored the same way: a CycleGAN, doing nothing, or a network that
was trained on pairs. All images are in [-1, 1], as everywhere; errors are mean absolute differences
of pixels in [0, 1], so 0 is best and 1 is black for white.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from zoo.datasets.translation_truth import TranslationTruth, check_masks
from zoo.metrics.classifier import Classifier

# In pixels. Stripes of up to 10 pixels from black to black fade to less than a twentieth.
BLUR_SIGMA = 4.0


def score_translation(
    translate: Callable[[np.ndarray], np.ndarray],
    truth: TranslationTruth,
    classifier: Classifier,
    target: str,
) -> dict[str, float]:
    """Scores a translation against the truth.

    Each error is that to the right answer which has the least of this error, for each image: a
    horse's coat can't be told from a zebra, and any coat is right.

    Args:
        translate: images float32 `(num_images, height, width, channels)` in [-1, 1] → as many of
            the same.
        truth: what is translated, and to what.
        classifier: tells the domains apart.
        target: the class of it that translated images should be in.

    Returns:
        `error_inside`: mean absolute difference inside the mask, in units of pixels in [0, 1], mean
        over images. `blurred_error_inside`: the same of blurred images, see `masked_errors`, which
        forgives stripes that are out of phase with the true ones. `error_outside` and
        `blurred_error_outside`: the same outside of the mask. `taken_for_target`: share of the
        images that the classifier finds likelier of `target` than of any other class, in [0, 1].

    Raises:
        ValueError: if `translate` gives another shape, or the classifier knows no such class.
    """
    translated = np.asarray(translate(truth.inputs), np.float32)
    if translated.shape != truth.inputs.shape:
        raise ValueError(
            f"A translation must keep the shape of its images, {truth.inputs.shape}. Received: "
            f"{translated.shape}"
        )

    def least_error(masks: np.ndarray, blur_sigma: float) -> float:
        errors = [masked_errors(translated, each, masks, blur_sigma) for each in truth.answers]
        return float(np.min(errors, axis=0).mean())

    return {
        "error_inside": least_error(truth.masks, 0.0),
        "blurred_error_inside": least_error(truth.masks, BLUR_SIGMA),
        "error_outside": least_error(~truth.masks, 0.0),
        "blurred_error_outside": least_error(~truth.masks, BLUR_SIGMA),
        "taken_for_target": share_taken_for(target, translated, classifier),
    }


# === Errors ===


def masked_errors(
    images: np.ndarray, others: np.ndarray, masks: np.ndarray, blur_sigma: float = 0.0
) -> np.ndarray:
    """Gives the mean absolute difference of each pair of images over the pixels of a mask.

    Blurred is the difference of the two, by a Gaussian that sees the pixels of the mask alone and
    has the weight of what is missing shared out among them, at the border of the image too. So
    nothing outside of the mask counts, and an even difference stays what it is.

    Args:
        images: float `(num_images, height, width, channels)`, pixels in [-1, 1].
        others: of the same shape.
        masks: bool `(num_images, height, width, 1)`.
        blur_sigma: standard deviation of the Gaussian, in pixels. Defaults to 0, no blur.

    Returns:
        float64 `(num_images,)`, in units of pixels in [0, 1].

    Raises:
        ValueError: if the shapes do not fit, or a mask is empty.
    """
    images, others = np.asarray(images, np.float64), np.asarray(others, np.float64)
    if images.shape != others.shape:
        raise ValueError(
            f"Images are compared with as many of their shape, {images.shape}. Received: "
            f"{others.shape}"
        )
    check_masks(masks, images.shape)
    sizes = masks.sum(axis=(1, 2, 3))
    if not sizes.all():
        raise ValueError(
            f"Each mask must hold a pixel. Received: none in that of image {int(np.argmin(sizes))}."
        )
    difference = (images - others) / 2 * masks
    if blur_sigma:
        # Where the mask is, its own pixel alone gives a weight of 1.
        weights = np.where(masks, _blurred(masks.astype(np.float64), blur_sigma), 1.0)
        difference = _blurred(difference, blur_sigma) / weights * masks
    return np.abs(difference).sum(axis=(1, 2, 3)) / (sizes * images.shape[-1])


def _blurred(images: np.ndarray, sigma: float) -> np.ndarray:
    """Sums over all pixels, weighted by a Gaussian whose peak is 1."""
    rows, columns = (_gaussian_weights(side, sigma) for side in images.shape[1:3])
    return np.einsum("hi,nijc,wj->nhwc", rows, images, columns, optimize=True)


def _gaussian_weights(side: int, sigma: float) -> np.ndarray:
    places = np.arange(side)
    return np.exp(-0.5 * ((places[:, np.newaxis] - places) / sigma) ** 2)


# === Domains ===


def share_taken_for(target: str, images: np.ndarray, classifier: Classifier) -> float:
    """Gives the share of images that a classifier finds likeliest of one class, in [0, 1].

    Args:
        target: name of the class.
        images: float32 `(num_images, height, width, channels)`, pixels in [-1, 1].
        classifier: its `accuracy` says how far to trust the share.

    Raises:
        ValueError: if the classifier knows no such class.
    """
    names = classifier.class_names or ()
    if target not in names:
        raise ValueError(
            f"The classifier knows the classes {', '.join(names) or '(none)'}. Received: "
            f"target={target!r}"
        )
    probabilities = classifier.model.predict(images, verbose=0)
    return float(np.mean(np.argmax(probabilities, axis=-1) == names.index(target)))


# === What scores stand beside ===


def silhouette(images: np.ndarray, truth: TranslationTruth) -> np.ndarray:
    """Fills what is to be translated with the mean colour of the right answers.

    It shows how much of an error measures the colour alone, and how little the texture.

    Args:
        images: `truth.inputs`.
        truth: gives masks and colour.

    Returns:
        float32 of the shape of the images.
    """
    inside = np.broadcast_to(truth.masks[..., 0], truth.answers.shape[:-1])
    return np.where(truth.masks, truth.answers[inside].mean(axis=0), images).astype(np.float32)
