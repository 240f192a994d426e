"""Has a discriminator learnt what is in images? A linear classifier on its features tells.

The protocol is DCGAN's: all convolutions, max-pooled to 4×4, flattened; a linear L2-SVM on 1,000
labels, as many of each class; its C chosen by images held out; the mean over draws of the labels.
Beside it stand raw pixels and a discriminator that learnt nothing, with a C of their own, and a
network of the discriminator's size that learns from those labels alone.

Reference: [Radford et al., 2015](https://arxiv.org/abs/1511.06434), section 5.
"""

import dataclasses
import itertools
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo import datasets
from zoo.common.checks import (
    check_not_negative_integers,
    check_positive_integers,
    takes_numpy_scalars,
)
from zoo.common.convolution_features import ConvolutionFeatures
from zoo.datasets.few_labels import choose_labelled
from zoo.explore.exported import ExportedFeatures, is_export
from zoo.explore.findings import Findings
from zoo.explore.pictures import bars_picture
from zoo.explore.subjects import (
    BATCH_SIZE,
    check_seed,
    copy_of,
    discriminator_of,
    progress,
    require_split,
    seeded,
    untrained_copy,
)

# Those of the authors' code; beyond them, decades up to these.
_CS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
_LEAST_C, _LARGEST_C = 0.9e-8, 1.1e3
_LEARNING_RATES = (3e-4, 1e-3, 3e-3)
_CHOICE_DRAWS = 3
# Seeds of the draws that choose lie apart from those of the draws that are tested.
_FIRST_CHOICE_SEED = 1000
_ADAPTED_BATCHES = 20
_PATIENCE = 10

OURS, UNTRAINED, PIXELS, SUPERVISED = (
    "discriminator",
    "untrained discriminator",
    "raw pixels",
    "supervised network",
)

Features = Callable[[np.ndarray], np.ndarray]
Rows = tuple[np.ndarray, np.ndarray]


@takes_numpy_scalars
def probe(
    model: keras.Model,
    images: datasets.ImageDataset,
    *,
    num_labels: int = 1000,
    num_draws: int = 10,
    num_supervised_draws: int = 3,
    max_epochs: int = 60,
    seed: int = 0,
) -> Findings:
    """Classifies images by a linear classifier on the features of a model's discriminator.

    Args:
        model: a game with a discriminator, or critic, that has convolutions; or a loaded export
            that has `features`. An export is compared with raw pixels alone, for it has no network
            to begin anew; and its batch norms keep the averages of their training, where those of a
            model are given the mean and the variance of these images.
        images: labelled images of the model's size, with a split "train" and a split "test". C is
            chosen on "validation", or without one on the last tenth of "train", of which then
            nothing else is used.
        num_labels: images to learn from. Defaults to 1,000, as in the paper.
        num_draws: draws of these images that are tested. Defaults to 10.
        num_supervised_draws: of these, the first with which a network of the discriminator's size
            is trained, which takes longest. Defaults to 3; 0 leaves it out.
        max_epochs: of its training, which ends when the validation images are named no better
            for 10 epochs, and returns to the best of them. Defaults to 60.
        seed: of the draws, the untrained weights and the order. Defaults to 0.

    Returns:
        Findings whose facts hold, for each kind of features, the test error of each draw.

    Raises:
        ValueError: if the model has no such discriminator, the images do not fit it or have no
            labels or splits for this, or an argument is out of range.
    """
    check_positive_integers(num_labels=num_labels, num_draws=num_draws, max_epochs=max_epochs)
    check_not_negative_integers(num_supervised_draws=num_supervised_draws)
    check_seed(seed)
    if is_export(model):
        return _probe_export(ExportedFeatures(model, "probe"), images, num_labels, num_draws, seed)
    network = discriminator_of(model, "probe")
    _check_images(network.input_shape[1:], images)
    task = _Task.of(images, num_labels)
    kinds = {
        OURS: _adapted_features(copy_of(network), task),
        UNTRAINED: _adapted_features(untrained_copy(network, seed), task),
        PIXELS: _raw_pixels,
    }
    scores = _scores_of(kinds, task, num_draws, seed)
    if num_supervised_draws:
        number = min(num_draws, num_supervised_draws)
        scores[SUPERVISED] = _supervised_scores(network, task, number, max_epochs, seed)
    convolutions = list(kinds[OURS].layer_names)
    return _findings(type(model).__name__, convolutions, task, scores, seed)


def _probe_export(
    features: ExportedFeatures,
    images: datasets.ImageDataset,
    num_labels: int,
    num_draws: int,
    seed: int,
) -> Findings:
    _check_images(features.image_shape, images)
    task = _Task.of(images, num_labels)
    scores = _scores_of({OURS: features, PIXELS: _raw_pixels}, task, num_draws, seed)
    return _findings("export", None, task, scores, seed)


def _scores_of(
    kinds: Mapping[str, Features], task: "_Task", num_draws: int, seed: int
) -> dict[str, dict[str, Any]]:
    return {
        name: _linear_scores(name, features, task, num_draws, seed)
        for name, features in kinds.items()
    }


def _findings(
    model: str,
    convolutions: list[str] | None,
    task: "_Task",
    scores: Mapping[str, dict[str, Any]],
    seed: int,
) -> Findings:
    errors = {name: np.array(found["test_errors"]) for name, found in scores.items()}
    shown = {name: (100 * each.mean(), 100 * each.std()) for name, each in errors.items()}
    others = ", ".join(f"{mean:.1f} % by the {name}" for name, (mean, _) in shown.items())
    facts = {
        "model": model,
        "dataset": task.images.name,
        "train_split": task.train_split,
        "validation_split": task.validation_split,
        "test_split": task.test_split,
        "num_labels": task.num_labels,
        "num_choice_draws": _CHOICE_DRAWS,
        "seed": seed,
        "convolutions": convolutions,
        "scores": dict(scores),
    }
    title = f"{task.num_labels:,} labels of {task.images.name}"
    return Findings(
        command="probe",
        headline=f"Of the test images named wrongly: {others}.",
        facts=facts,
        pictures={"probe": bars_picture(shown, title, "test error in %")},
    )


def _check_images(takes: tuple[int, int, int], images: datasets.ImageDataset) -> None:
    description = images.description
    if description.class_names is None or len(description.class_names) < 2:
        raise ValueError(
            f"probe needs labels of two classes or more, and {images.name!r} has none. Name a data "
            "set that has, such as drawn_house_numbers or svhn_cropped."
        )
    height, width, channels = description.image_shape
    if (height, width) != takes[:2] or takes[2] % channels:
        raise ValueError(
            f"The discriminator takes images of shape {takes}. Received: {images.name!r}, with "
            f"images of shape {description.image_shape}"
        )


# === Images ===


@dataclasses.dataclass(frozen=True, eq=False)
class _Task:
    """Which images are learnt from, chosen by and tested on."""

    images: datasets.ImageDataset
    train_split: str
    validation_split: str
    test_split: str
    num_labels: int
    labels: np.ndarray
    _streams: dict[str, tf.data.Dataset] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, images: datasets.ImageDataset, num_labels: int) -> "_Task":
        train = require_split(images, "train")
        test = require_split(images, "test")
        if "validation" in images.description.num_examples:
            validation = "validation"
        else:
            train, validation = "train[:90%]", "train[90%:]"
        batches = images.labelled(train, batch_size=BATCH_SIZE)
        labels = np.concatenate([labels for _, labels in batches.as_numpy_iterator()])
        task = cls(images, train, validation, test, num_labels, labels)
        task.rows_of_draw(0)  # refuses what can't be shared among the classes
        return task

    @property
    def num_classes(self) -> int:
        return len(self.images.description.class_names)

    def rows_of_draw(self, seed: int) -> np.ndarray:
        return choose_labelled(self.labels, self.num_labels, self.num_classes, seed)[0]

    def batches(self, split: str) -> Iterator[Rows]:
        """Goes through the images and labels of a split, in their order."""
        if split not in self._streams:
            self._streams[split] = self.images.labelled(split, batch_size=BATCH_SIZE)
        return self._streams[split].as_numpy_iterator()

    def some_images(self) -> list[np.ndarray]:
        batches = itertools.islice(self.batches(self.train_split), _ADAPTED_BATCHES)
        return [images for images, _ in batches]

    def draws(self, seeds: Sequence[int], features: Features) -> list[Rows]:
        """Returns features and labels of the images of each draw, in one pass over all images."""
        draws = [self.rows_of_draw(seed) for seed in seeds]
        wanted = np.unique(np.concatenate(draws))
        found, first = [], 0
        for batch, _ in self.batches(self.train_split):
            inside = wanted[(wanted >= first) & (wanted < first + len(batch))] - first
            if len(inside):
                found.append(features(batch[inside]))
            first += len(batch)
        rows = np.concatenate(found)
        return [(rows[np.searchsorted(wanted, draw)], self.labels[draw]) for draw in draws]


# === Linear classifiers ===


def _adapted_features(network: keras.Model, task: _Task) -> ConvolutionFeatures:
    features = ConvolutionFeatures(network)
    features.adapt(task.some_images())
    return features


def _raw_pixels(images: np.ndarray) -> np.ndarray:
    return np.asarray(images).reshape(len(images), -1)


def _linear_scores(
    name: str, features: Features, task: _Task, num_draws: int, seed: int
) -> dict[str, Any]:
    """Chooses C by the validation images, and tests classifiers of that C on draws of their own."""
    choosing = [seed + _FIRST_CHOICE_SEED + number for number in range(_CHOICE_DRAWS)]
    by_c = _validation_errors(name, features, task, choosing)
    chosen = min(by_c, key=by_c.get)
    draws = task.draws(range(seed, seed + num_draws), features)
    tested = [_fitted(rows, chosen) for rows in progress(draws, f"testing the {name}")]
    test_errors = _errors(tested, features, task.batches(task.test_split))
    return {
        "test_errors": test_errors,
        "mean": float(np.mean(test_errors)),
        "deviation": float(np.std(test_errors)),
        "c": chosen,
        "validation_errors_by_c": {str(c): by_c[c] for c in sorted(by_c)},
    }


def _validation_errors(
    name: str, features: Features, task: _Task, seeds: Sequence[int]
) -> dict[float, float]:
    """Returns the mean error over draws by C; more are tried while an outermost is the best."""
    draws = task.draws(seeds, features)
    parts = [(features(images), labels) for images, labels in task.batches(task.validation_split)]
    by_c: dict[float, float] = {}
    wanted = list(_CS)
    with progress(None, f"choosing C for the {name}") as bar:
        while wanted:
            for c in wanted:
                fits = [_fitted(rows, c) for rows in draws]
                by_c[c] = float(np.mean(_errors(fits, np.asarray, parts)))
                bar.update()
            best = min(by_c, key=by_c.get)
            beyond = {min(by_c): best / 10, max(by_c): best * 10}.get(best)
            wanted = [beyond] if beyond and _LEAST_C <= beyond <= _LARGEST_C else []
    return by_c


def _fitted(rows: Rows, c: float):
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    features, labels = rows
    # Fewer images than features span fewer dimensions: there the answer is the same, and sooner.
    left, sizes, right = np.linalg.svd(features, full_matrices=False)
    with warnings.catch_warnings():
        # Where C is large it stops short of the best fit; the validation images judge it anyway.
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier = LinearSVC(C=c, random_state=0).fit(left * sizes, labels)
    classifier.coef_ = classifier.coef_ @ right
    classifier.n_features_in_ = features.shape[1]
    return classifier


def _errors(classifiers: Sequence[Any], features: Features, batches) -> list[float]:
    """Returns the share of images that each classifier names wrongly, in one pass over them."""
    wrong, count = np.zeros(len(classifiers)), 0
    for images, labels in batches:
        rows = features(images)
        wrong += [np.sum(each.predict(rows) != labels) for each in classifiers]
        count += len(labels)
    return (wrong / count).tolist()


# === Supervised network ===


def _supervised_scores(
    network: keras.Model, task: _Task, num_draws: int, max_epochs: int, seed: int
) -> dict[str, Any]:
    """Trains networks of the discriminator's size on draws of labels, and tests them.

    The learning rate is chosen on a draw of its own, by the validation images; they also say when
    to stop, on each draw anew, which is more than C may.
    """
    validation = _all_rows(task, task.validation_split)
    test = _all_rows(task, task.test_split)
    (choosing,) = task.draws([seed + _FIRST_CHOICE_SEED], np.asarray)
    errors_by_rate = {
        rate: _trained(network, task, choosing, validation, rate, max_epochs, seed)[1]
        for rate in progress(_LEARNING_RATES, "choosing a rate for the supervised network")
    }
    rate = min(errors_by_rate, key=errors_by_rate.get)
    test_errors = []
    for draw in progress(range(seed, seed + num_draws), "training the supervised network"):
        (rows,) = task.draws([draw], np.asarray)
        trained, _ = _trained(network, task, rows, validation, rate, max_epochs, draw)
        test_errors.append(_error_of(trained, test))
    return {
        "test_errors": test_errors,
        "mean": float(np.mean(test_errors)),
        "deviation": float(np.std(test_errors)),
        "learning_rate": rate,
        "validation_errors_by_rate": {str(each): e for each, e in errors_by_rate.items()},
    }


def _all_rows(task: _Task, split: str) -> Rows:
    images, labels = zip(*task.batches(split), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def _trained(
    network: keras.Model,
    task: _Task,
    rows: Rows,
    validation: Rows,
    learning_rate: float,
    max_epochs: int,
    seed: int,
) -> tuple[keras.Model, float]:
    """Trains one network; returns it as it was at its best, and its validation error then."""
    classifier = _supervised_network(network, task, seed)
    classifier.compile(
        keras.optimizers.Adam(learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    stopping = keras.callbacks.EarlyStopping(
        "val_accuracy", mode="max", patience=_PATIENCE, restore_best_weights=True
    )
    shuffled = tf.data.Dataset.from_tensor_slices(rows).shuffle(len(rows[0]), seed=seed)
    history = classifier.fit(
        shuffled.batch(BATCH_SIZE),
        epochs=max_epochs,
        shuffle=False,  # as the data are already
        validation_data=validation,
        callbacks=[stopping],
        verbose=0,
    )
    return classifier, 1.0 - max(history.history["val_accuracy"])


def _supervised_network(network: keras.Model, task: _Task, seed: int) -> keras.Model:
    """Returns the discriminator's convolutions with new weights, and a logit for each class."""
    body = ConvolutionFeatures(untrained_copy(network, seed)).body
    images = keras.Input(task.images.description.image_shape)
    # As for the features: a network that judges several images at once is shown one repeatedly.
    copies = network.input_shape[-1] // images.shape[-1]
    maps = body(keras.layers.Concatenate()([images] * copies) if copies > 1 else images)
    last = maps[-1] if isinstance(maps, (list, tuple)) else maps
    with seeded(seed):
        logits = keras.layers.Dense(task.num_classes, dtype="float32")(keras.layers.Flatten()(last))
    return keras.Model(images, logits)


def _error_of(classifier: keras.Model, rows: Rows) -> float:
    logits = classifier.predict(rows[0], batch_size=BATCH_SIZE, verbose=0)
    return float(np.mean(logits.argmax(axis=-1) != rows[1]))
