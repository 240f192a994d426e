"""Edits: strokes of colour, and moves along the direction of an attribute, on the way of latents.

A stroke asks for a colour at a place; the generator says what an image looks like that has it:

    min_z  Σ m (G(z) − c)² / Σ m  +  w · mean (z − z₀)²

with m the place, c the colour and z₀ the latents of the image as it was. With w = 0 all may change,
with more the image stays what it was. A direction is moved along no farther than it takes.

Reference: [Zhu et al., 2016](https://arxiv.org/abs/1609.03552), section 3.2, whose edges and
warping of the photograph are left out.
"""

import dataclasses
import math
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from zoo.common.checks import check_not_negative, check_positive_integers, takes_numpy_scalars
from zoo.explore.attributes import Attributes, direction_of
from zoo.explore.descent import descend
from zoo.explore.findings import Findings
from zoo.explore.latents import inside
from zoo.explore.pictures import rows_picture
from zoo.explore.subjects import check_seed, generates, images_of, name_of
from zoo.metrics.classifier import Classifier

# Places on the way along a direction, up to the mean distance of latents from 0; and those shown.
_MOVES = 17
_SHOWN_MOVES = 9
# In pixels: 0.28 of 25 is a bit more than 7 to a computer.
_ROUNDING = 1e-6


@dataclasses.dataclass(frozen=True)
class Stroke:
    """A rectangle that is to have a colour.

    Attributes:
        left, top, right, bottom: its bounds, as shares of the image from 0 to 1.
        colour: of the channels, each from 0 to 1.
    """

    left: float
    top: float
    right: float
    bottom: float
    colour: tuple[float, ...]

    def __post_init__(self) -> None:
        bounds = (self.left, self.top, self.right, self.bottom)
        if not all(0 <= each <= 1 for each in (*bounds, *self.colour)):
            raise ValueError(f"A stroke's bounds and colour are from 0 to 1. Received: {self}")
        if self.left >= self.right or self.top >= self.bottom:
            raise ValueError(
                f"A stroke goes from left to right, and from top to bottom. Received: {self}"
            )


@takes_numpy_scalars
def edit_by_strokes(
    model: keras.Model,
    strokes: Sequence[Stroke],
    *,
    smoothness: float = 5.0,
    num_images: int = 8,
    iterations: int = 40,
    seed: int = 0,
) -> Findings:
    """Paints on generated images, and finds the images nearest to that which the generator makes.

    Args:
        model: one that makes images of latents, or a loaded export of one.
        strokes: what is painted; of two at one place, the later.
        smoothness: w. Defaults to 5, as in the paper.
        num_images: images that are edited, all alike. Defaults to 8.
        iterations: steps of descent. Defaults to 40, as in the paper.
        seed: of the latents. Defaults to 0.

    Returns:
        Findings whose facts hold the mean squared error under the strokes before and after, how far
        the latents moved, and how much changed outside the strokes, None if they cover the image,
        with smoothness and without.

    Raises:
        ValueError: if the model makes no images of latents alone, there are no strokes or they have
            another number of channels, or an argument is out of range.
    """
    model = generates(model, "edit")
    check_seed(seed)
    check_positive_integers(num_images=num_images, iterations=iterations)
    check_not_negative(smoothness=smoothness)
    mask, colours = _painted(strokes, model.image_shape)
    start = np.asarray(model.latents_for(num_images, seed))
    before = images_of(model, start)
    results, facts = {}, {}
    for name, weight in (("smooth", smoothness), ("free", 0.0)):

        def cost(latents, images, rows, weight=weight):
            painted = tf.reduce_sum(mask * tf.square(images - colours), axis=(1, 2, 3))
            moved = tf.reduce_mean(tf.square(latents - tf.gather(start, rows)), axis=1)
            return painted / (mask.sum() * colours.shape[-1]) + weight * moved

        latents, _ = descend(model, start, cost, iterations=iterations, description="editing")
        results[name] = images_of(model, latents)
        facts[name] = {
            "smoothness": weight,
            "error_under_strokes": _error_under(mask, colours, results[name]),
            "mean_move": float(np.linalg.norm(latents - start, axis=1).mean()),
            "change_outside": _change_outside(mask, before, results[name]),
        }
    error_before = _error_under(mask, colours, before)
    rows = {
        "before": before,
        "painted": np.where(mask > 0, colours, before),
        f"after,\nsmoothness {smoothness:g}": results["smooth"],
        "after,\nsmoothness 0": results["free"],
    }
    after = facts["smooth"]["error_under_strokes"]
    strokes_told = "strokes, which cover the whole image," if mask.all() else "strokes"
    return Findings(
        command="edit",
        headline=(
            f"The error under the {strokes_told} falls from {error_before:.4f} to {after:.4f}."
        ),
        facts={
            "model": name_of(model),
            "strokes": [dataclasses.asdict(stroke) for stroke in strokes],
            "num_images": num_images,
            "iterations": iterations,
            "seed": seed,
            "error_under_strokes_before": error_before,
            "edits": facts,
        },
        pictures={"edit": rows_picture(rows)},
    )


def _painted(
    strokes: Sequence[Stroke], image_shape: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns where strokes are, `(height, width, 1)`, and their colours in [-1, 1]."""
    height, width, channels = image_shape
    if not strokes:
        raise ValueError("An edit by strokes needs one or more. Received: none.")
    mask = np.zeros((height, width, 1), np.float32)
    colours = np.zeros(image_shape, np.float32)
    for stroke in strokes:
        if len(stroke.colour) != channels:
            raise ValueError(
                f"Strokes on these images have {channels} channels. Received: {stroke}"
            )
        columns = _pixels_between(stroke.left, stroke.right, width)
        rows = _pixels_between(stroke.top, stroke.bottom, height)
        mask[rows, columns] = 1.0
        colours[rows, columns] = 2.0 * np.array(stroke.colour) - 1.0
    return mask, colours


def _pixels_between(start: float, end: float, size: int) -> slice:
    """Returns the pixels that a stroke touches, at least one, however thin it is."""
    first = min(math.floor(start * size + _ROUNDING), size - 1)
    return slice(first, max(math.ceil(end * size - _ROUNDING), first + 1))


def _error_under(mask: np.ndarray, colours: np.ndarray, images: np.ndarray) -> float:
    errors = (mask * np.square(images - colours)).sum(axis=(1, 2, 3))
    return float(errors.mean() / (mask.sum() * colours.shape[-1]))


def _change_outside(mask: np.ndarray, before: np.ndarray, after: np.ndarray) -> float | None:
    outside = 1.0 - mask
    if not outside.any():
        return None
    changes = (outside * np.square(after - before)).sum(axis=(1, 2, 3))
    return float(np.sqrt(changes / (outside.sum() * before.shape[-1])).mean())


@takes_numpy_scalars
def edit_by_attribute(
    model: keras.Model,
    classifier: Classifier,
    attribute: str,
    *,
    present: bool = True,
    num_images: int = 200,
    num_samples: int = 2000,
    num_shown: int = 8,
    seed: int = 0,
) -> Findings:
    """Moves images along the direction of an attribute, as far as it takes and no farther.

    The direction is that of a logistic regression on other samples, from latents to the attribute.

    Args:
        model: one that makes images of latents, or a loaded export of one.
        classifier: that knows the attributes of such images.
        attribute: to give, or to take away.
        present: whether to give it. Defaults to True.
        num_images: images that lack it, or have it, which are edited. Defaults to 200.
        num_samples: from which the direction is learnt, and as many to find these images in.
            Defaults to 2,000.
        num_shown: images in the picture. Defaults to 8.
        seed: of the latents. Defaults to 0.

    Returns:
        Findings whose facts hold the share of images that have, or lack, the attribute after each
        move, in mean distances of latents from 0; and, of the least move that each image took, the
        mean, and how many of the other attributes are as they were.

    Raises:
        ValueError: if the model makes no images of latents alone, the classifier does not know the
            attribute, all or none of the samples have it, or an argument is out of range.
    """
    model = generates(model, "edit")
    check_seed(seed)
    check_positive_integers(num_images=num_images, num_samples=num_samples, num_shown=num_shown)
    attributes = Attributes(classifier, "edit")
    column = attributes.index(attribute)
    samples = np.asarray(model.latents_for(num_samples, seed))
    direction = direction_of(samples, attributes.of_latents(model, samples), attributes, attribute)
    fresh = np.asarray(model.latents_for(num_samples, seed + 1))
    has = attributes.of_latents(model, fresh)[:, column] >= 0.5
    start = fresh[has != present][:num_images]
    sign = 1.0 if present else -1.0
    length = np.linalg.norm(samples, axis=1).mean()
    moves = np.linspace(0.0, 1.0, _MOVES)
    points = np.stack(
        [inside(model.prior, start + sign * move * length * direction) for move in moves]
    )
    told = np.stack([attributes.of_latents(model, each) >= 0.5 for each in points])
    arrived = told[:, :, column] == present
    ever = arrived.any(axis=0)
    first = arrived.argmax(axis=0)
    others = np.arange(len(attributes.names)) != column
    taken = told[first, np.arange(len(start))]
    agreement = (taken == told[0])[ever][:, others]
    verb = "come to have" if present else "lose"
    rows = {
        f"{number + 1}": images_of(model, points[:_SHOWN_MOVES, number])
        for number in range(min(num_shown, len(start)))
    }
    share = float(ever.mean())
    return Findings(
        command="edit",
        headline=f"{share:.0%} of {len(start)} images {verb} {attribute} on the way.",
        facts={
            "model": name_of(model),
            "classifier": attributes.description,
            "attribute": attribute,
            "present": present,
            "num_images": len(start),
            "num_samples": num_samples,
            "seed": seed,
            "moves": moves.tolist(),
            "share_arrived": arrived.mean(axis=1).tolist(),
            "share_ever_arrived": share,
            "mean_move": float(moves[first[ever]].mean()) if ever.any() else None,
            "others_agree": float(agreement.mean()) if ever.any() else None,
        },
        pictures={"edit": rows_picture(rows)},
    )
