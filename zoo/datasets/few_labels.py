"""Which few images keep their label, when a model is to learn from few."""

from collections.abc import Sequence

import numpy as np

from zoo.common.checks import as_integer


def few_label_split(
    labels: Sequence[int] | np.ndarray, num_labels: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Chooses the images that keep their label, as many of every class.

    The choice depends on `labels`, `num_labels` and `seed` only, and with one seed a smaller
    choice lies within a larger one: going from 100 labels to 200 adds 100.

    Args:
        labels: integers `(num_images,)`, the class of each image, counted from 0.
        num_labels: how many images keep their label; a multiple of the number of classes.
        seed: which choice; the papers average over ten. Defaults to 0.

    Returns:
        Two int64 arrays of indices into `labels`, each ascending: those that keep their label,
        `(num_labels,)`, and all the others, `(num_images - num_labels,)`.

    Raises:
        ValueError: if `num_labels` can't be shared equally among the classes, if there are fewer
            images than that, in all or of some class, or if a label is negative (TFDS marks so
            the images that have none).
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.size == 0:
        raise ValueError(
            f"labels must be one integer an image. Received: an array of shape {labels.shape}."
        )
    return choose_labelled(labels, num_labels, num_classes=int(labels.max()) + 1, seed=seed)


def choose_labelled(
    labels: np.ndarray, num_labels: int, num_classes: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """`few_label_split` for a number of classes that is known, should the last have no image."""
    check_equal_share(num_labels, num_classes)
    if labels.min() < 0:
        raise ValueError(
            f"labels must be 0 or more. Received: {labels.min()}, which marks an image without a "
            "label; choose a split that has them."
        )
    if num_labels > labels.size:
        raise ValueError(
            f"num_labels={num_labels} is more than the {labels.size} images there are; use fewer."
        )
    share = num_labels // num_classes
    _check_every_class_has(share, np.bincount(labels, minlength=num_classes))
    # RandomState, because NumPy promises that its stream never changes; default_rng's may.
    random = np.random.RandomState(seed)
    chosen = [random.permutation(np.flatnonzero(labels == c))[:share] for c in range(num_classes)]
    labelled = np.sort(np.concatenate(chosen))
    return labelled, np.setdiff1d(np.arange(labels.size), labelled)


def check_equal_share(num_labels: int, num_classes: int) -> None:
    """Raises a ValueError unless every class can have equally many of `num_labels`, and some."""
    num_labels = as_integer("num_labels", num_labels, least=None)
    if num_labels > 0 and num_labels % num_classes == 0:
        return
    below = max(num_labels // num_classes, 1) * num_classes
    raise ValueError(
        f"num_labels={num_labels} can't be shared equally among {num_classes} classes; "
        f"use a multiple of {num_classes}, such as {below} or {below + num_classes}."
    )


def _check_every_class_has(share: int, counts: np.ndarray) -> None:
    smallest = int(counts.argmin())
    if counts[smallest] < share:
        raise ValueError(
            f"class {smallest} has {counts[smallest]} images, too few for its share of {share} "
            f"labels; use num_labels={counts[smallest] * counts.size} or fewer."
            if counts[smallest]
            else f"class {smallest} has no image, so it can't have its share of {share} labels; "
            "choose a split with every class in it."
        )
