"""What the recipes share whose models do nothing but generate: data, scores, table."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from recipes.common import checks
from recipes.common.family import Family, Row, RunData
from recipes.common.hyper_parameters import WithEarlyStopping
from recipes.common.images import WithImages, is_folder, splits_of_folder, told_split
from recipes.common.measures import FURTHER_SCORES, GENERATION
from recipes.common.stamps import as_json, stamps_of_measures
from recipes.common.training import Outcome
from zoo import metrics
from zoo.common.adversarial import AdversarialModel
from zoo.common.measure_logs import directions_of
from zoo.common.messages import counted
from zoo.runs.samples import image_grid, save_picture

EVALUATION_BATCH = 250
SMOKE_CLASSIFIER_STEPS = 10

# What can be measured only where the classifier knows classes.
OF_CLASSES = ("mean_confidence", "class_imbalance", "classifier_score")
_FURTHER_SEED = 0
# Of training images alike, each of which is looked at by itself for copies.
_CELLS = 10
_SMALLEST_PATCH = 7
# Below which features of 128 numbers have no covariance of full rank.
_ENOUGH_IMAGES = 200
_PAIRS_IN_PICTURE = 32
# Of pixels, all of which are kept.
_MOST_IN_PYRAMIDS = 2_000

_OF_COPIES = ("authenticity", "real_authenticity", "data_copying")
_FURTHER_ROWS = (
    ("precision", "precision", "share of generated images among real ones; 1 is best"),
    ("recall", "recall", "share of real images among generated ones; 1 is best"),
    ("density", "density", "how closely real images lie around generated ones; 1 is as they do"),
    ("coverage", "coverage", "share of real images that have a generated one near"),
    ("classifier_score", "classifier score", "the Inception score's form on this classifier"),
    ("sliced_wasserstein", "sliced Wasserstein distance", "of the features; 0 is best"),
    ("pyramid_wasserstein", "that of patches × 1000", "on all sizes of details; 0 is best"),
    (
        "authenticity",
        "authenticity",
        "share that is no near copy of a training image; fresh real ones have "
        "{real_authenticity:.3g}",
    ),
    ("data_copying", "data copying", "below -3 images are copied, above 3 far from the data"),
)

DATASETS_HELP = "folder:PATH for images of your own, or any images of TFDS by their name"


# Which images to watch, and which to test on. The test split of drawn house numbers has fonts that
# no training image has; those of `extra` the training images have too.
_OWN_SPLITS = {
    "drawn_house_numbers": ("validation[:500]", "extra[:2000]"),
    "drawn_faces": ("validation[:500]", "test"),
    "mnist_small": ("validation", "test"),
}


def own_splits(dataset: str) -> dict[str, str]:
    """Returns the splits to watch and to test on, by hyper-parameter, of sets that have them.

    Those are the zoo's own and folders; for others it is empty.
    """
    if is_folder(dataset):
        splits = splits_of_folder(dataset)
        return {name: splits[name] for name in ("validation_split", "test_split")}
    name, _, config = dataset.partition("/")
    splits = _OWN_SPLITS.get(name)
    if splits is None:
        return {}
    if config.startswith("tiny"):  # too few to leave some out
        splits = tuple(split.partition("[")[0] for split in splits)
    return dict(zip(("validation_split", "test_split"), splits, strict=True))


# === Hyper-parameters ===


@dataclasses.dataclass(frozen=True, kw_only=True)
class GenerationHyperParameters(WithImages, WithEarlyStopping):
    """What every recipe has whose model does nothing but generate from latents."""

    watchable = (
        *("frechet_distance", "kernel_distance", *OF_CLASSES, "precision", "recall", "density"),
        *("coverage", "sliced_wasserstein", "pyramid_wasserstein", "authenticity"),
    )

    train_split: str
    validation_split: str
    test_split: str
    latent_dim: int

    def check(self) -> None:
        """Refuses latents without numbers too."""
        super().check()
        checks.require_positive(self, "latent_dim")


# === Data ===


class GenerationData(RunData):
    """The streams of one run, and the classifier on whose features its images are judged.

    Making it prepares the data set.

    Raises:
        ValueError: if the data set or its splits can't serve.
        RuntimeError: if it can't be downloaded.
    """

    def __init__(self, values: GenerationHyperParameters):
        self._values = values
        self.images = values.open_images()
        train = self.images.batches(values.train_split, batch_size=values.batch_size)
        self.steps_per_epoch = 3 if values.smoke else int(train.cardinality())
        self.validation = self._evaluated(values.validation_split)
        self.test = self._evaluated(values.test_split)
        self.num_test_images = sum(len(images) for images in self.test)
        self._refuse_too_few(values.test_split, self.num_test_images)
        self.num_validation_images = sum(len(images) for images in self.validation)
        self._refuse_too_few(values.validation_split, self.num_validation_images)
        description = self.images.description
        if values.watched in OF_CLASSES and len(description.class_names or ()) < 2:
            raise ValueError(
                f"watched={values.watched} takes images with labels, which {values.dataset!r} has "
                "not; watch frechet_distance."
            )
        num_images = self.images.batches(values.train_split, batch_size=1).cardinality()
        self._num_cells = min(_CELLS, int(num_images))
        self.model_arguments = {
            "image_shape": description.image_shape,
            **values.model_arguments(int(num_images)),
        }
        self.fingerprint, self.stand_in = description.fingerprint, description.stand_in

    @functools.cached_property
    def classifier(self) -> metrics.Classifier:
        """The classifier of this data set, trained now if there is none yet."""
        steps = {}
        if self._values.smoke:
            steps["training_steps"] = SMOKE_CLASSIFIER_STEPS
        options = self._values.image_options
        return metrics.load_classifier(self._values.dataset, **options, **steps)

    def _refuse_too_few(self, split: str, num_images: int, least: int = 2) -> None:
        if num_images < least:
            raise ValueError(
                f"{self._values.watched or 'A distance'} takes {least} images or more, better "
                f"hundreds, and {split!r} of {self._values.dataset!r} has {num_images}; use more "
                "images, or name other splits by --set validation_split=... and "
                "--set test_split=..."
            )

    @property
    def test_name(self) -> str:
        """What the images are called that scores are taken on."""
        return f"{self._values.dataset} {self._values.test_split}"

    @property
    def stamped_test(self) -> str:
        """What those images are called in stamps."""
        return told_split(self._values.dataset, self._values.test_split, self.fingerprint)

    @property
    def stamped_validation(self) -> str:
        """What the images are called in stamps that are watched."""
        return told_split(self._values.dataset, self._values.validation_split, self.fingerprint)

    def _evaluated(self, split: str) -> tf.data.Dataset:
        return self.images.batches(split, batch_size=EVALUATION_BATCH)

    def train_from(self, step: int) -> tf.data.Dataset:
        """Returns the batches of images from that step on."""
        return self.images.batches(
            self._values.train_split,
            batch_size=self._values.batch_size,
            shuffle=True,
            repeat=True,
            seed=self._values.seed,
            first_step=step,
        )

    def some_train_images(self, num_images: int) -> tf.Tensor:
        """Returns that many training images, always the same ones."""
        return next(iter(self._shuffled_train_images(num_images)))

    def _shuffled_train_images(self, batch_size: int) -> tf.data.Dataset:
        # Repeated, for the order of a single pass is another each time.
        return self.images.batches(
            self._values.train_split, batch_size=batch_size, shuffle=True, repeat=True
        )

    @property
    def advice(self) -> str:
        """A line on test images that are too few for their distance to mean something."""
        if self.num_test_images >= _ENOUGH_IMAGES or self._values.smoke:
            return ""
        return (
            f"{counted(self.num_test_images, 'image')} to test on, and "
            f"{self.num_validation_images} to watch: distances from so few say little, so judge by "
            "the pictures in the run's folder; --set test_split=... names more."
        )

    def prepare_compiling(self) -> None:
        """Trains the classifier, if there is none yet."""
        self.classifier  # noqa: B018 - outside of a strategy's scope, which it refuses

    def compile_arguments(self) -> dict[str, Any]:
        """Returns new measures, and that which is watched if it is none of them.

        Those of classes come only if the classifier knows classes.
        """
        measures = [
            metrics.FrechetDistance(self.classifier.feature_extractor),
            metrics.KernelDistance(self.classifier.feature_extractor, block_size=EVALUATION_BATCH),
        ]
        if self.classifier.class_names is not None:
            measures += [
                metrics.MeanConfidence(self.classifier.model),
                metrics.ClassImbalance(self.classifier.model),
            ]
        watched = self._values.watched
        if watched and not any(watched in directions_of(measure) for measure in measures):
            measures += self.further_measures(self.num_validation_images, watched)
        least = max(measure.least_images for measure in measures)
        self._refuse_too_few(self._values.validation_split, self.num_validation_images, least)
        return {"quality_measures": measures}

    def further_measures(
        self, num_images: int, log: str | None = None
    ) -> list[metrics.GeneratorMeasure]:
        """Returns new measures that take long, on so many images.

        Args:
            num_images: of either kind.
            log: of the only one to return. Defaults to all that the data allow.
        """
        extractor, classifier = self.classifier.feature_extractor, self.classifier.model
        # More than the few to which a ball may reach.
        kept = {"capacity": min(max(num_images, 10), metrics.DEFAULT_CAPACITY)}
        in_pyramids = {"capacity": min(num_images, _MOST_IN_PYRAMIDS)}
        image_shape = self.images.description.image_shape
        makers: dict[tuple[str, ...], Callable[[], metrics.GeneratorMeasure]] = {
            ("precision", "recall"): lambda: metrics.PrecisionRecall(extractor, **kept),
            ("density", "coverage"): lambda: metrics.DensityCoverage(extractor, **kept),
            ("sliced_wasserstein",): lambda: metrics.SlicedWassersteinDistance(extractor, **kept),
            ("authenticity",): lambda: metrics.Memorisation(
                extractor, self.train_images(), num_cells=self._num_cells, **kept
            ),
        }
        if classifier is not None:
            makers["classifier_score",] = lambda: metrics.ClassifierScore(classifier)
        if min(image_shape[:2]) >= _SMALLEST_PATCH:
            makers["pyramid_wasserstein",] = lambda: metrics.PyramidWassersteinDistance(
                image_shape, **in_pyramids
            )
        return [make() for logs, make in makers.items() if log is None or log in logs]

    def train_images(self) -> tf.data.Dataset:
        """Returns all that is trained on, each image once."""
        return self.images.batches(self._values.train_split, batch_size=EVALUATION_BATCH)

    def distance_of_train_images(self) -> float:
        """Returns the Fréchet distance of the test images from as many training images.

        It is what a generator would score that knows the training images by heart: the floor for
        this number of images.
        """
        distance = metrics.FrechetDistance(self.classifier.feature_extractor)
        train = self._shuffled_train_images(EVALUATION_BATCH)
        for real_images, train_images in zip(self.test, train, strict=False):
            distance.update_state(real_images, train_images[: len(real_images)])
        return float(distance.result())


# === Scores ===


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generation(Family[GenerationHyperParameters, GenerationData]):
    """Recipes whose images are judged by their distance from real ones.

    Attributes:
        images_to_adapt_to: training images that the model's `adapt` is given. Defaults to 0: it
            has no `adapt`.
    """

    measures = GENERATION
    monitor = "val_frechet_distance"
    best = "the least distance from the validation images"

    images_to_adapt_to: int = 0

    def make_data(self, values: GenerationHyperParameters) -> GenerationData:
        """Returns the streams of a run; see `GenerationData`."""
        return GenerationData(values)

    def adapt(self, model: AdversarialModel, data: GenerationData) -> None:
        """Has the model adapt to some training images, if it does."""
        if self.images_to_adapt_to:
            model.adapt(data.some_train_images(self.images_to_adapt_to))

    def stamp_of_validation(
        self, data: GenerationData, model: AdversarialModel, log: str
    ) -> metrics.Stamp | None:
        """Returns what a measure is taken on at ends of epochs."""
        return _stamps(model, data.num_validation_images, data.stamped_validation).get(log)

    def score(
        self,
        values: GenerationHyperParameters,
        data: GenerationData,
        model: AdversarialModel,
        outcome: Outcome,
    ) -> dict[str, Any]:
        """Returns the distances, those of classes as None where none are known."""
        scores = model.evaluate(data.test, verbose=0, return_dict=True)
        return {
            "frechet_distance": scores["frechet_distance"],
            "kernel_distance": scores["kernel_distance"],
            "mean_confidence": scores.get("mean_confidence"),
            "class_imbalance": scores.get("class_imbalance"),
            "real_frechet_distance": data.distance_of_train_images(),
            **dict.fromkeys(FURTHER_SCORES),
            "standard_errors": {},
            "stamps": as_json(_stamps_of_test(data, model)),
            "num_images": data.num_test_images,
            "protocol": (
                f"{data.num_test_images:,} generated images against as many real ones, "
                f"{data.test_name}; {data.classifier.description}"
            ),
        }

    def further_scores(
        self, values: GenerationHyperParameters, data: GenerationData, model: AdversarialModel
    ) -> dict[str, Any]:
        """Returns the measures of neighbours, patches and copies, None where there is none."""
        scores = metrics.evaluate(
            data.further_measures(data.num_test_images),
            data.test,
            model.generate,
            seed=_FURTHER_SEED,
            split=data.stamped_test,
        )
        return {
            **{name: _finite_or_none(scores.get(name)) for name in FURTHER_SCORES},
            "standard_errors": {
                log: error for log, error in scores.standard_errors.items() if math.isfinite(error)
            },
            "stamps": as_json({**_stamps_of_test(data, model), **scores.stamps}),
        }

    def write_pictures(
        self, data: GenerationData, model: AdversarialModel, folder: Path
    ) -> list[tuple[Path, str]]:
        """Writes generated images above the training images that are nearest to them."""
        images = model.generate(_PAIRS_IN_PICTURE, seed=_FURTHER_SEED)
        extractor = data.classifier.feature_extractor
        nearest, _ = metrics.nearest_images(images, data.train_images(), extractor)
        path = folder / "nearest.png"
        save_picture(image_grid(np.concatenate([images, nearest], axis=1)), path)
        return [(path, "Generated images, each above the training image nearest to it in features")]

    def headline(self, results: dict[str, Any]) -> str:
        """Returns the distance beside its floor."""
        distance, floor = results["frechet_distance"], results["real_frechet_distance"]
        return f"Fréchet distance {distance:.2f}, where training images have {floor:.2f}."

    def table(self, values: GenerationHyperParameters, results: dict[str, Any]) -> list[Row]:
        """Returns a row for each measure."""
        rows = [
            ("Fréchet distance", f"{results['frechet_distance']:.2f}", "0 is best"),
            (
                "that of training images",
                f"{results['real_frechet_distance']:.2f}",
                "what knowing them by heart would score",
            ),
            (
                "kernel distance × 1000",
                f"{1000 * results['kernel_distance']:.2f}",
                "0 is best; unbiased, so it may be negative",
            ),
        ]
        if results["mean_confidence"] is not None:
            rows += [
                (
                    "mean confidence",
                    f"{results['mean_confidence']:.1%}",
                    "with which the classifier names the generated images",
                ),
                (
                    "class imbalance",
                    f"{results['class_imbalance']:.2f}",
                    "largest factor by which a class is too rare or too frequent; 1 is best",
                ),
            ]
        return rows + _further_rows(results)


def _further_rows(results: Mapping[str, Any]) -> list[Row]:
    """Returns a row for each score that is measured at the end alone."""
    rows = []
    for name, shown, remark in _FURTHER_ROWS:
        if results[name] is None:
            continue
        error = results["standard_errors"].get(name)
        spread = f" ± {error:.2g}" if error else ""
        rows.append((shown, f"{results[name]:.3g}{spread}", remark.format(**results)))
    of_copies = {name: results[name] for name in _OF_COPIES}
    if None not in of_copies.values() and metrics.suspects_copies(**of_copies):
        rows.append(("copies", "suspected", "of training images: look at nearest.png"))
    return rows


def _stamps(model: AdversarialModel, number: int, split: str) -> dict[str, metrics.Stamp]:
    return stamps_of_measures(model, num_real=number, num_generated=number, split=split)


def _stamps_of_test(data: GenerationData, model: AdversarialModel) -> dict[str, metrics.Stamp]:
    stamps = _stamps(model, data.num_test_images, data.stamped_test)
    return {log: stamp for log, stamp in stamps.items() if log not in FURTHER_SCORES}


def _finite_or_none(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
