"""Which feature maps of the generator draw an object? Found, and dropped, it should be forgotten.

A logistic regression tells, place by place, maps where the object is from maps where it is not.
The maps that speak for it most are set to 0 for good. Where DCGAN's authors drew boxes by hand, a
classifier of attributes says which images have the object, and the place is where such images
differ from the others on average: objects must lie in much the same place, as in faces.

Reference: [Radford et al., 2015](https://arxiv.org/abs/1511.06434), section 6.3.1.
"""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from zoo import datasets
from zoo.common.checks import check_positive_integers, takes_numpy_scalars
from zoo.common.convolution_features import ends_of_convolutions
from zoo.explore.attributes import Attributes
from zoo.explore.findings import Findings
from zoo.explore.pictures import curves_picture, rows_picture
from zoo.explore.subjects import (
    BATCH_SIZE,
    check_seed,
    copy_of,
    latent_model,
    progress,
    require_split,
)
from zoo.metrics.classifier import Classifier
from zoo.metrics.distances import KernelDistance

# The share of places that count as the object's.
_SHARE_OF_PLACES = 0.1
_FEWEST = 20
_SHOWN = 8


@takes_numpy_scalars
def forget(
    model: keras.Model,
    classifier: Classifier,
    images: datasets.ImageDataset,
    *,
    attribute: str = "Eyeglasses",
    layer: int = -2,
    wanted_fall: float = 0.6,
    num_samples: int = 2000,
    seed: int = 0,
) -> Findings:
    """Drops the feature maps of the generator that draw an object.

    How many are dropped is chosen on some samples, and what is told is measured on others.

    Args:
        model: one that makes images of latents, by convolutions.
        classifier: that knows the attributes of such images.
        images: the real ones, with attributes.
        attribute: the object. Defaults to "Eyeglasses".
        layer: which of the generator's convolutions, counted as in a list. Defaults to -2, as in
            the paper the last but one that is not the image.
        wanted_fall: the fewest maps are dropped, in powers of two, with which the share of samples
            with the object falls by this much. Defaults to 0.6. If none do, it is all that speak
            for the object, as in the paper.
        num_samples: to find the maps, to choose their number, and to measure. Defaults to 2,000.
        seed: of all draws. Defaults to 0.

    Returns:
        Findings whose facts hold the share of samples with the object before and after, and the
        kernel distance of the rest, samples that did not have it, to real images without it, before
        and after.

    Raises:
        ValueError: if the model makes no images of latents alone or has no such convolution, the
            classifier does not know the attribute, too few samples have it, or an argument is out
            of range.
    """
    model = latent_model(model, "forget")
    check_seed(seed)
    check_positive_integers(num_samples=num_samples)
    attributes = Attributes(classifier, "forget")
    column = attributes.index(attribute)
    halves = _split_generator(model.averaged_generator, layer)
    finding = _Samples.of(model, halves, attributes, column, num_samples, seed)
    finding.require(attribute)
    region = _region_of(finding)
    order = _maps_by_weight(finding, region, seed)
    choosing = _Samples.of(model, halves, attributes, column, num_samples, seed + 1)
    counts = [2**power for power in range(20) if 2**power < len(order)] + [len(order)]
    falls = [
        1.0
        - choosing.share_with(halves, attributes, column, order[:count])
        / max(choosing.share, 1e-12)
        for count in progress(counts, "dropping maps")
    ]
    enough = [count for count, fall in zip(counts, falls, strict=True) if fall >= wanted_fall]
    dropped = order[: enough[0] if enough else len(order)]
    measured = _Samples.of(model, halves, attributes, column, num_samples, seed + 2)
    share = measured.share_with(halves, attributes, column, dropped)
    rest = measured.maps[~measured.has]
    real = _real_images_without(images, attribute, len(rest))
    before, after = (
        _kernel_distance(classifier.feature_extractor, real, _images(halves, rest, gone))
        for gone in (dropped[:0], dropped)
    )
    facts = {
        "model": type(model).__name__,
        "classifier": attributes.description,
        "attribute": attribute,
        "layer": halves.name,
        "num_maps": int(measured.maps.shape[-1]),
        "num_maps_for_it": len(order),
        "num_dropped": len(dropped),
        "seed": seed,
        "num_samples": num_samples,
        "share_before": measured.share,
        "share_after": share,
        "fall_of_share": 1.0 - share / max(measured.share, 1e-12),
        "kernel_distance_of_rest_before": before,
        "kernel_distance_of_rest_after": after,
        "rise_of_kernel_distance": after / before - 1.0,
        "choice": {"num_dropped": counts, "fall_of_share": falls},
    }
    return Findings(
        command="forget",
        headline=(
            f"Without {len(dropped)} of {facts['num_maps']} maps {share:.1%} of samples have "
            f"{attribute}, where {measured.share:.1%} had; the kernel distance of the rest changes "
            f"by {facts['rise_of_kernel_distance']:+.0%}."
        ),
        facts=facts,
        pictures={
            "forget": _picture(halves, measured, dropped, attribute, region),
            "choice": curves_picture(
                {attribute: [1.0 - fall for fall in falls]},
                counts,
                ("maps dropped", "share of samples with it, over that of before"),
            ),
        },
    )


# === The generator in two halves ===


@dataclasses.dataclass(frozen=True, eq=False)
class _Halves:
    """A generator up to the maps of a convolution, and from there on."""

    name: str
    lower: keras.Model
    upper: keras.Model


def _split_generator(generator: keras.Model, layer: int) -> _Halves:
    generator = copy_of(generator)
    ends = ends_of_convolutions(generator)
    try:
        name = list(ends)[layer]
    except IndexError:
        raise ValueError(
            f"The generator has {len(ends)} convolutions with maps, {', '.join(ends) or 'none'}. "
            f"Received: layer={layer}"
        ) from None
    try:
        upper = keras.Model(ends[name], generator.outputs[0])
    except ValueError as error:
        raise ValueError(
            f"The image does not depend on the maps of {name} alone, so nothing is forgotten by "
            "dropping some of them; take another layer."
        ) from error
    return _Halves(name, keras.Model(generator.inputs[0], ends[name]), upper)


def _images(halves: _Halves, maps: np.ndarray, dropped: np.ndarray) -> np.ndarray:
    """Returns the images of maps of which some are dropped."""
    mask = np.ones(maps.shape[-1], np.float32)
    mask[dropped] = 0.0
    parts = [
        np.asarray(halves.upper(maps[first : first + BATCH_SIZE] * mask, training=False))
        for first in range(0, len(maps), BATCH_SIZE)
    ]
    return np.concatenate(parts).astype(np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class _Samples:
    """Samples: the maps of each, whether it has the object, and how surely.

    Attributes:
        maps: `(number, height, width, maps)`.
        images: that they make.
        probabilities: that the object is there.
    """

    maps: np.ndarray
    images: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def of(cls, model, halves, attributes, column, num_samples, seed) -> "_Samples":
        latents = tf.convert_to_tensor(model.latents_for(num_samples, seed))
        parts = [
            np.asarray(
                halves.lower(latents[first : first + BATCH_SIZE], training=False), np.float32
            )
            for first in range(0, num_samples, BATCH_SIZE)
        ]
        maps = np.concatenate(parts)
        images = _images(halves, maps, np.array([], int))
        return cls(maps, images, attributes.probabilities(images)[:, column])

    @property
    def has(self) -> np.ndarray:
        return self.probabilities >= 0.5

    @property
    def share(self) -> float:
        return float(self.has.mean())

    def require(self, attribute: str) -> None:
        """Refuses to look for what too few samples have, or all."""
        number = min(int(self.has.sum()), int((~self.has).sum()))
        if number < _FEWEST:
            raise ValueError(
                f"To find {attribute!r} takes {_FEWEST} samples with it and as many without. "
                f"Received: {int(self.has.sum())} of {len(self.has)} with it. Generate more, or "
                "take another attribute."
            )

    def share_with(self, halves, attributes, column, dropped) -> float:
        """Returns the share of samples that have the object though maps are dropped."""
        images = _images(halves, self.maps, dropped)
        return float((attributes.probabilities(images)[:, column] >= 0.5).mean())


# === The object's place and maps ===


def _region_of(samples: _Samples) -> np.ndarray:
    """Returns where images with the object differ from the others: bool, the size of the maps."""
    with_it, without = samples.images[samples.has], samples.images[~samples.has]
    spread = samples.images.std(axis=0) + 1e-3
    difference = np.abs(with_it.mean(axis=0) - without.mean(axis=0)) / spread
    heat = tf.image.resize(difference.mean(axis=-1)[..., None], samples.maps.shape[1:3], "area")
    heat = heat[..., 0].numpy()
    number = max(1, round(_SHARE_OF_PLACES * heat.size))
    return heat >= np.sort(heat.ravel())[-number]


def _maps_by_weight(samples: _Samples, region: np.ndarray, seed: int) -> np.ndarray:
    """Returns the maps that speak for the object, the one that does most first."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    random = np.random.RandomState(seed)
    num_maps = samples.maps.shape[-1]
    inside = samples.maps[samples.has][:, region].reshape(-1, num_maps)
    outside = samples.maps[samples.has][:, ~region].reshape(-1, num_maps)
    same_place = samples.maps[~samples.has][:, region].reshape(-1, num_maps)
    number = min(len(inside), len(same_place), 5000)
    rows = np.concatenate(
        [
            each[random.choice(len(each), min(number, len(each)), replace=False)]
            for each in (inside, same_place, outside)
        ]
    )
    is_object = np.arange(len(rows)) < number
    scaled = StandardScaler().fit_transform(rows)
    fitted = LogisticRegression(C=0.01, class_weight="balanced", max_iter=500)
    weights = fitted.fit(scaled, is_object).coef_[0]
    order = np.argsort(-weights, kind="stable")
    return order[weights[order] > 0]


def _real_images_without(images: datasets.ImageDataset, attribute: str, number: int) -> np.ndarray:
    split = require_split(images, "test", "validation")
    column = images.description.attribute_names.index(attribute)
    found = [
        batch[~has[:, column]]
        for batch, has in images.attributes(split, batch_size=BATCH_SIZE).as_numpy_iterator()
    ]
    return np.concatenate(found)[:number]


def _kernel_distance(
    feature_extractor: keras.Model, real_images: np.ndarray, generated_images: np.ndarray
) -> float:
    measure = KernelDistance(feature_extractor)
    number = min(len(real_images), len(generated_images))
    for first in range(0, number, BATCH_SIZE):
        rows = slice(first, min(first + BATCH_SIZE, number))
        measure.update_state(real_images[rows], generated_images[rows])
    return float(measure.result())


def _picture(
    halves: _Halves, samples: _Samples, dropped: np.ndarray, attribute: str, region: np.ndarray
) -> np.ndarray:
    rows = {}
    for name, chosen in ((attribute, samples.has), (f"not {attribute}", ~samples.has)):
        maps = samples.maps[chosen][:_SHOWN]
        rows[name] = samples.images[chosen][:_SHOWN]
        rows[f"{name},\n{len(dropped)} maps less"] = _images(halves, maps, dropped)
    side = samples.images.shape[1:3]
    place = tf.image.resize(region[None, ..., None].astype(np.float32), side, "nearest").numpy()
    rows["looked for in\nthe light places"] = np.repeat(
        2.0 * place - 1.0, samples.images.shape[-1], axis=-1
    )
    return rows_picture(rows)
