"""What the recipes share whose models do nothing but generate: data, scores, table."""

import dataclasses
import functools
from typing import Any

import tensorflow as tf

from recipes.common import checks
from recipes.common.family import Family, Row, RunData
from recipes.common.hyper_parameters import WithEarlyStopping
from recipes.common.images import WithImages, is_folder, splits_of_folder
from recipes.common.measures import GENERATION
from recipes.common.training import Outcome
from zoo import metrics
from zoo.common.adversarial import AdversarialModel

EVALUATION_BATCH = 250
SMOKE_CLASSIFIER_STEPS = 10

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
        num_validation_images = sum(len(images) for images in self.validation)
        self._refuse_too_few(values.validation_split, num_validation_images)
        description = self.images.description
        num_images = self.images.batches(values.train_split, batch_size=1).cardinality()
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

    def _refuse_too_few(self, split: str, num_images: int) -> None:
        if num_images < 2:
            raise ValueError(
                f"A distance takes 2 images or more, better hundreds, and {split!r} of "
                f"{self._values.dataset!r} has {num_images}; use more images, or name "
                "other splits by --set validation_split=... and --set test_split=..."
            )

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

    def prepare_compiling(self) -> None:
        """Trains the classifier, if there is none yet."""
        self.classifier  # noqa: B018 - outside of a strategy's scope, which it refuses

    def compile_arguments(self) -> dict[str, Any]:
        """Returns new measures; those of classes only if the classifier knows classes."""
        measures = [
            metrics.FrechetDistance(self.classifier.feature_extractor),
            metrics.KernelDistance(self.classifier.feature_extractor, block_size=EVALUATION_BATCH),
        ]
        if self.classifier.class_names is not None:
            measures += [
                metrics.MeanConfidence(self.classifier.model),
                metrics.ClassImbalance(self.classifier.model),
            ]
        return {"quality_measures": measures}

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
            "num_images": data.num_test_images,
            "protocol": (
                f"{data.num_test_images:,} generated images against as many real ones, "
                f"{values.dataset} {values.test_split}; {data.classifier.description}"
            ),
        }

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
        return rows
