"""What a recipe shares whose data have known modes: data, scores, table, pictures."""

import dataclasses
import functools
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import zoo
from recipes.common import checks
from recipes.common.family import Family, Row, RunData, largest_divisor
from recipes.common.hyper_parameters import WithEarlyStopping, sourced
from recipes.common.measures import MODES
from recipes.common.plane_picture import draw_plane
from recipes.common.stamps import as_json, stamps_of_measures
from recipes.common.training import Outcome
from zoo import metrics

POINTS = {"ring": zoo.datasets.ring_of_gaussians, "grid": zoo.datasets.grid_of_gaussians}
STACKS = {"two_digits": 2, "three_digits": 3}
DATASETS = (*POINTS, *STACKS)

_EVALUATION_BATCH = 250
_MOST_VALIDATION_SAMPLES = 2600
# So many train steps in one call of TensorFlow, for one on points is over in no time.
_STEPS_IN_A_CALL = 50
_EVALUATION_SEED = 1_000_003
_SMOKE_CLASSIFIER_STEPS = 10


# === Hyper-parameters ===


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModesHyperParameters(WithEarlyStopping):
    """What a recipe has that is judged by the modes which its model makes."""

    watchable = ("mode_divergence", "modes", "high_quality")

    digits: str = sourced("mnist_small", "ours; the data set that digits are stacked of")
    num_samples: int
    steps_per_epoch: int
    latent_dim: int

    def check(self) -> None:
        """Refuses numbers of samples, steps and latents that are none, too."""
        super().check()
        checks.require_positive(self, "num_samples", "steps_per_epoch", "latent_dim")
        checks.require_choice(self, "dataset", DATASETS)


# === Data ===


class ModesData(RunData):
    """The streams of one run, and what finds the modes of its samples.

    Attributes:
        source: a `PointMixture` or `DigitStacks`.
        num_validation_samples: generated ones that are looked at after an epoch.

    Raises:
        ValueError: if there is no such data set.
        RuntimeError: if digits can't be had.
    """

    def __init__(self, values: ModesHyperParameters):
        checks.require_choice(values, "dataset", DATASETS)
        self._values = values
        self.steps_per_epoch = 3 if values.smoke else values.steps_per_epoch
        if values.dataset in POINTS:
            self.source = POINTS[values.dataset]()
            self.stand_in = ""
            self.model_arguments = {"image_shape": (2,), "extent": self.source.extent}
        else:
            digits = zoo.datasets.open(values.digits)
            self.source = zoo.datasets.DigitStacks(digits, STACKS[values.dataset])
            self.model_arguments = {"image_shape": self.source.image_shape}
            self.stand_in = self.source.description.stand_in
        self.fingerprint = self.source.fingerprint
        self.num_validation_samples = min(values.num_samples, _MOST_VALIDATION_SAMPLES)
        self.validation = self._evaluated(self.num_validation_samples)
        self.test = self._evaluated(values.num_samples)

    @property
    def license(self) -> str:
        """That of the digits; points have none."""
        return "" if self.has_points else self.source.description.license

    @property
    def has_points(self) -> bool:
        """Whether the samples are points in the plane."""
        return self._values.dataset in POINTS

    def _evaluated(self, num_samples: int) -> tf.data.Dataset:
        """Gives real samples; a model is asked for as many."""
        batch_size = largest_divisor(num_samples, _EVALUATION_BATCH)
        batches = self.source.batches(batch_size, seed=_EVALUATION_SEED)
        return batches.take(num_samples // batch_size)

    def train_from(self, step: int) -> tf.data.Dataset:
        """Returns the batches of all that one step takes, from that step on."""
        values = self._values
        packing = vars(values).get("packing", 1)
        samples = values.batch_size * packing * values.steps_of("discriminator")
        return self.source.batches(samples, seed=values.seed, first_step=step)

    def write_skipped_images(self, path: Path) -> None:
        """Lists nothing: no folder is read."""

    def some_samples(self, num_samples: int) -> tf.Tensor:
        """Returns so many real samples, always the same ones."""
        return self.source.draw(num_samples, (_EVALUATION_SEED, 0))

    @functools.cached_property
    def classifier(self) -> metrics.Classifier:
        """The classifier of the digits, trained now if there is none yet."""
        steps = {"training_steps": _SMOKE_CLASSIFIER_STEPS} if self._values.smoke else {}
        return metrics.load_classifier(self._values.digits, **steps)

    @functools.cached_property
    def modes(self) -> metrics.PointModes | metrics.StackModes:
        """What finds the modes of samples."""
        if self.has_points:
            return metrics.PointModes(self.source)
        return metrics.StackModes(self.classifier.model, self.source.num_digits)

    def prepare_compiling(self) -> None:
        """Trains the classifier, if one is needed and there is none yet."""
        self.modes  # noqa: B018 - outside of a strategy's scope, which it refuses

    def measures(self) -> list[Any]:
        """Returns new measures of the modes."""
        kinds = [metrics.ModesCovered, metrics.HighQualityShare, metrics.ModeDivergence]
        if self.has_points:
            kinds.append(metrics.ModeSpread)
        return [kind(self.modes) for kind in kinds]

    def compile_arguments(self) -> dict[str, Any]:
        """Returns new measures and, for points, how many steps are taken in one call."""
        arguments: dict[str, Any] = {"quality_measures": self.measures()}
        # With several replicas it fails, and a step of images takes long enough.
        if self.has_points and tf.distribute.get_strategy().num_replicas_in_sync == 1:
            steps = largest_divisor(self.steps_per_epoch, _STEPS_IN_A_CALL)
            arguments["steps_per_execution"] = steps
        return arguments

    def stamps(self, model: zoo.ModeLabGAN, num_samples: int) -> dict[str, metrics.Stamp]:
        """Returns what the measures of so many generated samples are taken on, by log."""
        # Real samples are given too, and not looked at: what modes there are is known.
        return stamps_of_measures(
            model, num_real=0, num_generated=num_samples, split=self._values.dataset
        )

    def high_quality_of_real_samples(self) -> float:
        """Returns what share of the data themselves is of high quality."""
        if self.has_points:
            return metrics.true_high_quality_share()
        measure = metrics.HighQualityShare(self.modes)
        for batch in self.validation:
            measure.update_state(batch, batch)
        return float(measure.result())

    def protocol(self) -> str:
        """Says on what the scores are taken, and how."""
        number, modes = f"{self._values.num_samples:,}", self.modes.number
        if self.has_points:
            return (
                f"{number} generated points of a {self.source.name} of {modes} modes; of high "
                "quality within 3 standard deviations of a mode, which is covered by one such point"
            )
        return (
            f"{number} generated stacks of {self.source.num_digits} digits, {modes:,} modes by the "
            "likeliest digits; of high quality if each has a probability of 0.9 or more; "
            f"{self.classifier.description}"
        )


# === Scores ===


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModeCoverage(Family[ModesHyperParameters, ModesData]):
    """Recipes that are judged by how many of the known modes their models make.

    Attributes:
        samples_to_adapt_to: real samples that the model's `adapt` is given. Defaults to 0: it has
            no `adapt`.
    """

    measures = MODES
    monitor = "val_mode_divergence"
    best = "the least divergence from equal shares of the modes"

    samples_to_adapt_to: int = 0

    def make_data(self, values: ModesHyperParameters) -> ModesData:
        """Returns the streams of a run; see `ModesData`."""
        return ModesData(values)

    def adapt(self, model: zoo.ModeLabGAN, data: ModesData) -> None:
        """Has the model adapt to some real samples, if it does."""
        if self.samples_to_adapt_to:
            model.adapt(data.some_samples(self.samples_to_adapt_to))

    def sample_drawer(
        self, model: zoo.ModeLabGAN, data: ModesData
    ) -> Callable[[int, int], np.ndarray]:
        """Returns what draws the plane with all that is in it, or stacks in colours."""
        if data.has_points:
            return lambda num_images, seed: draw_plane(model, data.source, seed)[np.newaxis]
        return lambda num_images, seed: in_colours(model.generate(num_images, seed))

    def stamp_of_validation(
        self, data: ModesData, model: zoo.ModeLabGAN, log: str
    ) -> metrics.Stamp | None:
        """Returns what a measure is taken on at ends of epochs."""
        return data.stamps(model, data.num_validation_samples).get(log)

    def score(
        self,
        values: ModesHyperParameters,
        data: ModesData,
        model: zoo.ModeLabGAN,
        outcome: Outcome,
    ) -> dict[str, Any]:
        """Returns the measures of modes, that of their width as None for stacks."""
        scores = model.evaluate(data.test, verbose=0, return_dict=True)
        return {
            "modes": scores["modes"],
            "high_quality": scores["high_quality"],
            "mode_divergence": scores["mode_divergence"],
            "mode_spread": scores.get("mode_spread"),
            "real_high_quality": data.high_quality_of_real_samples(),
            "num_modes": data.modes.number,
            "num_samples": values.num_samples,
            "divergence_floor": metrics.divergence_floor(data.modes.number, values.num_samples),
            "peak_memory_megabytes": round(peak_memory_megabytes()),
            "stamps": as_json(data.stamps(model, values.num_samples)),
            "protocol": data.protocol(),
        }

    def headline(self, results: dict[str, Any]) -> str:
        """Returns how many modes are covered, and how well."""
        return (
            f"{results['modes']:,.0f} of {results['num_modes']:,} modes, "
            f"{results['high_quality']:.1%} of the samples of high quality."
        )

    def table(self, values: ModesHyperParameters, results: dict[str, Any]) -> list[Row]:
        """Returns a row for each measure."""
        rows = [
            ("modes covered", f"{results['modes']:,.0f}", f"of {results['num_modes']:,}"),
            (
                "high quality",
                f"{results['high_quality']:.1%}",
                f"real samples have {results['real_high_quality']:.1%}",
            ),
            (
                "divergence of modes",
                f"{results['mode_divergence']:.4f}",
                f"from equal shares; {results['divergence_floor']:.4f} by chance alone",
            ),
        ]
        if results["mode_spread"] is not None:
            width = (
                "width of modes",
                f"{results['mode_spread']:.2f}",
                "of the true one; 1 is best",
            )
            rows.append(width)
        return rows


def in_colours(stacks: np.ndarray) -> np.ndarray:
    """Returns stacks of up to three digits as colour images: red, green, blue."""
    missing = 3 - stacks.shape[-1]
    return np.pad(stacks, [(0, 0)] * 3 + [(0, missing)], constant_values=-1.0)


def peak_memory_megabytes() -> float:
    """Returns the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
