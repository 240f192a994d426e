"""Small classifiers of each data set, on whose features distances are taken where Inception's are
out of reach or too large: trained once, in a minute or so, and kept on disk.

A classifier of a labelled set learns its labels, one of a set with attributes only, such as faces,
all the attributes at once. Any other set gives a classifier of rotations: by how many quarter turns
was this image turned? To tell, it must know what the things in the images look like upright, and it
need not know more: of faces it would hardly see a smile.

Reference for rotations: [Gidaris et al., 2018](https://arxiv.org/abs/1803.07728).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from zoo import datasets
from zoo.common.checks import as_integer, without_numpy_scalars
from zoo.common.files import write_atomically
from zoo.datasets.disk import DataDir, data_dir_or_default
from zoo.metrics.classifier_training import (
    default_training_steps,
    digest_of,
    has_attributes_only,
    has_labels,
    train_classifier,
)

FOLDER = "zoo_classifiers"
# Counted up with any change that gives other weights: scores of two versions can't be compared.
_VERSION = 1
_SMALLEST_SIDE = 16


@dataclasses.dataclass(frozen=True, eq=False)
class Classifier:
    """A trained classifier of one data set.

    Attributes:
        feature_extractor: images float32 `(batch, height, width, channels)` in [-1, 1] → features
            float32 `(batch, num_features)` of 0 or more: 64 for images of up to 32 pixels a side,
            128 for larger ones.
        model: images → probabilities float32 `(batch, num_classes)`; None for a set without
            labels.
        class_names: one a class; None without labels.
        accuracy: on images held out from training, in [0, 1]: the share of right answers, or, of
            attributes, the mean of their balanced accuracies. The balanced accuracy is that over
            as many images with the attribute as without; guessing has 0.5. Attributes that all or
            none of the held-out images have are left out of the mean; NaN if that are all.
        description: one line on features, accuracy and weights, to print beside every score.
        attribute_model: images → probability of each of `attribute_names`, float32 `(batch,
            num_attributes)`; None for a set with labels or without attributes.
        attribute_names: those attributes of the set that vary in its training images; None with
            `attribute_model`.
    """

    feature_extractor: keras.Model
    model: keras.Model | None
    class_names: tuple[str, ...] | None
    accuracy: float
    description: str
    attribute_model: keras.Model | None = None
    attribute_names: tuple[str, ...] | None = None


def load_classifier(
    name: str | os.PathLike[str],
    *,
    data_dir: DataDir = None,
    seed: int = 0,
    training_steps: int | None = None,
    **data_options,
) -> Classifier:
    """Gives the classifier of a data set: the kept one, or else one that is trained now and kept.

    Training takes no random number from the caller and pays no heed to the dtype policy: data and
    `seed` decide the weights, on one machine. They may differ on another, so scores are compared
    only if the weights in `description` are the same.

    It trains on the splits whose names begin with "train", and its accuracy is that on those that
    begin with "test", or else "validation", or else on a tenth of "train" that is kept back.

    Args:
        name: as for `zoo.datasets.open`.
        data_dir: where data sets are kept; classifiers lie there too, in `zoo_classifiers/`.
            Defaults to TFDS's own place, `TFDS_DATA_DIR` or `~/tensorflow_datasets`. If it can't
            be written, the classifier is not kept, and one line on stderr says so.
        seed: of weights and order. Defaults to 0.
        training_steps: batches of 100 images. Defaults to 600, or for attributes 1,500, enough for
            every set of the zoo; fewer make a classifier that is quick and bad, for tests.
        **data_options: what else `zoo.datasets.open` takes, such as `image_size` where the images
            have no size of their own.

    Returns:
        A `Classifier`, all of it float32.

    Raises:
        ValueError: if there is no such data set, it has no training split, a side of its images is
            below 16 pixels, `training_steps` is not positive, or a strategy's scope is open.
        RuntimeError: if the data set could not be downloaded or prepared.
    """
    if training_steps is not None:
        training_steps = as_integer("training_steps", training_steps)
    seed = as_integer("seed", seed, least=None)
    if tf.distribute.has_strategy():
        raise ValueError(
            "load_classifier must be called outside of `strategy.scope()`: its weights must not "
            "depend on the number of replicas. Received: a call within the scope of a "
            f"{type(tf.distribute.get_strategy()).__name__}."
        )
    # By these a kept one is found.
    data_options = {each: without_numpy_scalars(value) for each, value in data_options.items()}
    images = datasets.open(name, data_dir=data_dir, **data_options)
    description = images.description
    _check_sides(description)
    training_steps = training_steps or default_training_steps(description)
    file = _file_name(description, data_options, seed, training_steps)
    path = data_dir_or_default(data_dir) / FOLDER / file
    kept = _load(path, images.name)
    if kept is None:
        kept = train_classifier(images, seed, training_steps)
        _keep(path, *kept)
    return _classifier_of(description, *kept)


def _check_sides(description: datasets.DatasetDescription) -> None:
    if min(description.image_shape[:2]) < _SMALLEST_SIDE:
        raise ValueError(
            f"The classifier needs images of {_SMALLEST_SIDE} pixels a side or more. Received: "
            f"{description.name!r}, with images of shape {description.image_shape}."
        )


def _classifier_of(
    description: datasets.DatasetDescription, model: keras.Model, facts: dict[str, Any]
) -> Classifier:
    extractor = keras.Model(
        model.input, model.get_layer("features").output, name="feature_extractor"
    )
    labelled = has_labels(description)
    attribute_names = tuple(facts.get("attribute_names", ())) or None
    kind, accuracy = "rotation classifier, trained without labels,", "accuracy"
    if labelled:
        kind = "classifier"
    elif attribute_names:
        kind = f"classifier of {len(attribute_names)} attributes"
        accuracy = "mean balanced accuracy"
    return Classifier(
        feature_extractor=extractor,
        model=model if labelled else None,
        class_names=description.class_names if labelled else None,
        accuracy=facts["accuracy"],
        description=(
            f"{extractor.output_shape[-1]} features of the zoo's {kind} of {description.name} "
            f"({facts['held_out']} {accuracy} {100 * facts['accuracy']:.1f} %, "
            f"weights {facts['weights'][:8]})"
        ),
        attribute_model=model if attribute_names else None,
        attribute_names=attribute_names,
    )


# === Keeping ===


def _file_name(
    description: datasets.DatasetDescription,
    data_options: dict[str, Any],
    seed: int,
    training_steps: int,
) -> str:
    is_folder = description.name.startswith("folder:")
    # A folder is what it holds, wherever it lies: moved, it keeps its classifier.
    name = "folder" if is_folder else re.sub(r"[^\w.-]+", "_", description.name)[-80:]
    unusual = "-attributes" if has_attributes_only(description) else ""
    unusual += f"-seed{seed}" if seed else ""
    if training_steps != default_training_steps(description):
        unusual += f"-steps{training_steps}"
    if data_options:
        options = repr(sorted(data_options.items())).encode()
        unusual += f"-{hashlib.sha256(options).hexdigest()[:8]}"
    return f"{name}-{description.fingerprint[:12]}{unusual}-v{_VERSION}.keras"


def _keep(path: Path, model: keras.Model, facts: dict[str, Any]) -> None:
    """Writes the model and, after it, the facts; one without the other counts as not there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder) / "classifier.keras"
            model.save(whole)
            write_atomically(path, whole.read_bytes())
        write_atomically(path.with_suffix(".json"), json.dumps(facts, indent=2) + "\n")
    except OSError as error:
        print(
            f"the classifier can't be kept in {path.parent} ({error.strerror or error}), so each "
            "process trains its own",
            file=sys.stderr,
        )


def _load(path: Path, name: str) -> tuple[keras.Model, dict[str, Any]] | None:
    if not path.exists():
        return None
    try:
        facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        model = keras.models.load_model(path, compile=False)
        if digest_of(model) != facts["weights"]:
            raise ValueError("other weights than were written")
        return model, facts
    # What a damaged file makes of Keras, h5py or zipfile is not to be foreseen.
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        print(
            f"the classifier of {name} in {path} can't be used ({reason}), so it is trained anew",
            file=sys.stderr,
        )
        return None
