"""The network of a data set's classifier, what it is asked, and how it is trained."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from zoo import datasets

# Visits 60,000 images: 15 epochs of 4,000, three of 20,000.
_STEPS_FOR_CLASSES = 600
# Of 24 attributes of faces, some begin to be told after 600 steps only.
_STEPS_FOR_ATTRIBUTES = 1500
_BATCH_SIZE = 100
_PEAK_LEARNING_RATE = 3e-3


def has_labels(description: datasets.DatasetDescription) -> bool:
    """Whether the images are of two classes or more."""
    names = description.class_names
    return names is not None and len(names) > 1


def has_attributes_only(description: datasets.DatasetDescription) -> bool:
    """Whether the images have attributes and no labels."""
    return description.attribute_names is not None and not has_labels(description)


def default_training_steps(description: datasets.DatasetDescription) -> int:
    """Gives the steps that make a good classifier."""
    return _STEPS_FOR_ATTRIBUTES if has_attributes_only(description) else _STEPS_FOR_CLASSES


# === Network ===


def build_classifier(
    image_shape: tuple[int, int, int],
    num_outputs: int,
    seed: int = 0,
    multi_label: bool = False,
) -> keras.Model:
    """Builds the network: halving convolutions down to 4 to 7 pixels, mean over them, outputs.

    Args:
        image_shape: (height, width, channels), sides of 16 or more.
        num_outputs: number of classes, or of attributes.
        seed: of the initial weights and of dropout; Keras's own random state is not touched.
        multi_label: whether any number of the outputs can be true, as of attributes, each of which
            then has a sigmoid. Defaults to False, classes, with a softmax.

    Returns:
        keras.Model, images → probabilities `(batch, num_outputs)`, with a layer "features": 64 of
        them for sides of up to 32 pixels, 128 for larger ones.
    """
    num_features = 64 if max(image_shape[:2]) <= 32 else 128
    num_halvings = max(2, int(np.ceil(np.log2(min(image_shape[:2]) / 7))))
    seeds = iter(np.random.RandomState(seed).randint(2**31 - 1, size=num_halvings + 5))

    def initializer():
        return keras.initializers.HeNormal(seed=int(next(seeds)))

    def convolution(x, filters, kernel_size, strides):
        x = layers.Conv2D(
            filters,
            kernel_size,
            strides,
            "same",
            use_bias=False,
            kernel_initializer=initializer(),
            dtype="float32",
        )(x)
        x = layers.BatchNormalization(momentum=0.95, dtype="float32")(x)
        return layers.ReLU(dtype="float32")(x)

    images = keras.Input(image_shape, name="images", dtype="float32")
    x = convolution(images, 32, 5, 2)
    for halving in range(1, num_halvings):
        x = convolution(x, min(32 * 2**halving, num_features), 3, 2)
    # Without these, a feature would see too little of the image to know a digit: 96 % for 98 %.
    for _ in range(3):
        x = convolution(x, num_features, 3, 1)
    features = layers.GlobalAveragePooling2D(name="features", dtype="float32")(x)
    # What a few pixels say of an attribute is drowned if features that say more come and go.
    rate = 0.0 if multi_label else 0.3
    x = layers.Dropout(rate, seed=int(next(seeds)), dtype="float32")(features)
    probabilities = layers.Dense(
        num_outputs,
        activation="sigmoid" if multi_label else "softmax",
        kernel_initializer=initializer(),
        name="probabilities",
        dtype="float32",
    )(x)
    return keras.Model(images, probabilities, name="classifier", dtype="float32")


# === Tasks ===


@dataclasses.dataclass(frozen=True)
class _Task:
    """What a classifier is asked.

    Attributes:
        load: a split and options of `ImageDataset.batches` → batches of images and right answers.
        num_outputs: of the network.
        attribute_names: one an output, of which any number can be true; None if the outputs are
            classes.
    """

    load: Callable[..., tf.data.Dataset]
    num_outputs: int
    attribute_names: list[str] | None = None


def _task_of(dataset: datasets.ImageDataset, train_split: str) -> _Task:
    if has_labels(dataset.description):
        return _labels_task(dataset)
    only_attributes = has_attributes_only(dataset.description)
    varying = _varying_attributes(dataset, train_split) if only_attributes else []
    return _attributes_task(dataset, varying) if varying else _rotations_task(dataset)


def _labels_task(dataset: datasets.ImageDataset) -> _Task:
    load = functools.partial(dataset.labelled, batch_size=_BATCH_SIZE)
    return _Task(load, len(dataset.description.class_names))


def _attributes_task(dataset: datasets.ImageDataset, numbers: list[int]) -> _Task:
    """Asks for the attributes of these numbers, each true or false whatever the others are."""

    def chosen(images, attributes):
        return images, tf.cast(tf.gather(attributes, numbers, axis=1), tf.float32)

    def load(split, **options):
        return dataset.attributes(split, batch_size=_BATCH_SIZE, **options).map(chosen)

    names = [dataset.description.attribute_names[number] for number in numbers]
    return _Task(load, len(names), names)


def _varying_attributes(dataset: datasets.ImageDataset, split: str) -> list[int]:
    """Gives the numbers of those attributes that some of the images have and others lack."""
    batches = dataset.attributes(split, batch_size=_BATCH_SIZE)
    attributes = np.concatenate([attributes for _, attributes in batches])
    return np.flatnonzero(attributes.any(axis=0) & ~attributes.all(axis=0)).tolist()


def _mean_balanced_accuracy(model: keras.Model, data: tf.data.Dataset) -> float:
    """Averages over the attributes of which the images show both values; NaN if there is none."""
    from sklearn.metrics import balanced_accuracy_score

    answers, outputs = zip(
        *((answers, model.predict_on_batch(images)) for images, answers in data), strict=True
    )
    answers, outputs = np.concatenate(answers) > 0.5, np.concatenate(outputs) > 0.5
    accuracies = [
        balanced_accuracy_score(truth, guess)
        for truth, guess in zip(answers.T, outputs.T, strict=True)
        if truth.any() and not truth.all()
    ]
    return float(np.mean(accuracies)) if accuracies else float("nan")


def _rotations_task(dataset: datasets.ImageDataset) -> _Task:
    """Gives each image turned in all ways there are; one that is not square, in two."""
    height, width, _ = dataset.description.image_shape
    quarter_turns = (0, 1, 2, 3) if height == width else (0, 2)

    def turned(images):
        labels = tf.repeat(tf.range(len(quarter_turns)), tf.shape(images)[0])
        return tf.concat([tf.image.rot90(images, k) for k in quarter_turns], axis=0), labels

    def load(split, **options):
        batch_size = _BATCH_SIZE // len(quarter_turns)
        return dataset.batches(split, batch_size=batch_size, **options).map(turned)

    return _Task(load, len(quarter_turns))


# === Training ===


def train_classifier(
    dataset: datasets.ImageDataset, seed: int, training_steps: int
) -> tuple[keras.Model, dict[str, Any]]:
    """Trains the classifier of a data set, and tests it on images held out.

    Args:
        dataset: its images; without labels, the classifier learns its attributes, and without
            those, or if none of them varies, rotations.
        seed: of weights, dropout and order.
        training_steps: batches of 100 images.

    Returns:
        The trained model, and facts ready for JSON: `accuracy`, what the images tested on are
        called (`held_out`), the digest of the `weights` and, if the outputs are attributes, the
        `attribute_names`.

    Raises:
        ValueError: if the data set has no split to train on.
    """
    description = dataset.description
    train_split, held_out_split, held_out = _splits(description)
    task = _task_of(dataset, train_split)
    multi_label = task.attribute_names is not None
    shift = _shifted_by(max(1, min(description.image_shape[:2]) // 14))
    train_data = task.load(
        train_split,
        shuffle=True,
        repeat=True,
        seed=seed,
        # A digit stays what it is, but what few pixels show of a face is learnt later if they move.
        augment=None if multi_label else shift,
    )
    model = build_classifier(description.image_shape, task.num_outputs, seed, multi_label)
    model.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(_PEAK_LEARNING_RATE, training_steps)
        ),
        loss="binary_crossentropy" if multi_label else "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        # Whatever the caller's policy or device is, the weights must be the same.
        auto_scale_loss=False,
        jit_compile=False,
    )
    with _progress(description.name, training_steps) as callback:
        model.fit(
            train_data,
            steps_per_epoch=training_steps,
            callbacks=[callback],
            shuffle=False,
            verbose=0,
        )
    facts = {"held_out": held_out, "weights": digest_of(model)}
    held_out_data = task.load(held_out_split)
    if multi_label:
        facts["attribute_names"] = task.attribute_names
        facts["accuracy"] = _mean_balanced_accuracy(model, held_out_data)
    else:
        facts["accuracy"] = model.evaluate(held_out_data, verbose=0, return_dict=True)["accuracy"]
    return model, facts


def _splits(description: datasets.DatasetDescription) -> tuple[str, str, str]:
    """Gives the split to train on, the one to test on, and what to call the latter."""

    # A builder that does not tell its splits before it is read has the usual ones, or fails then.
    known = sorted(description.num_examples) or ["test", "train"]

    def beginning_with(prefix):
        return "+".join(split for split in known if split.startswith(prefix))

    train = beginning_with("train")
    if not train:
        raise ValueError(
            "A classifier needs a split whose name begins with 'train'. Received: "
            f"{description.name!r}, with splits {', '.join(map(repr, known))}."
        )
    for kind in ("test", "validation"):
        if split := beginning_with(kind):
            return train, split, kind
    parts = train.split("+")
    kept, held_out = ("+".join(f"{part}[{share}]" for part in parts) for share in (":90%", "90%:"))
    return kept, held_out, "held-out"


def _shifted_by(most: int):
    """Gives an augmentation: a shift of up to `most` pixels each way, the border repeated."""

    def shift(image, seed):
        height, width, channels = image.shape
        padded = tf.pad(image, [[most, most], [most, most], [0, 0]], "SYMMETRIC")
        return tf.image.stateless_random_crop(padded, (height, width, channels), seed)

    return shift


@contextlib.contextmanager
def _progress(name: str, training_steps: int):
    from tqdm import tqdm

    purpose = f"training the classifier that the scores are taken with ({name})"
    is_terminal = sys.stderr.isatty()
    if not is_terminal:
        print(f"{purpose} …", file=sys.stderr, flush=True)
    with tqdm(total=training_steps, desc=purpose, unit="step", disable=not is_terminal) as bar:
        yield keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_, **__: bar.update())


def digest_of(model: keras.Model) -> str:
    """The SHA-256 of a model's weights, in hexadecimal."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()
