"""How good are generated images? Keras metrics that see real and generated batches side by side.

    classifier = metrics.load_classifier("mnist_small")
    measures = [
        metrics.FrechetDistance(classifier.feature_extractor),
        metrics.ClassImbalance(classifier.model),
    ]
    metrics.evaluate(measures, zoo.datasets.load("mnist_small", "test"), model.generate)

A distance depends on the features that it is taken on: quote `classifier.description` with it, and
never compare it with one on other features. Measure on images that the generator did not train on.

Where the modes of the data are known, `ModesCovered` and its kind tell which of them a generator
makes. Translations whose truth is known are scored against that, by `score_translation`.
"""

from zoo.metrics.class_shares import ClassifierScore, ClassImbalance, MeanConfidence
from zoo.metrics.classifier import Classifier, load_classifier
from zoo.metrics.distances import FrechetDistance, KernelDistance
from zoo.metrics.evaluation import evaluate
from zoo.metrics.inception import inception_extractor
from zoo.metrics.kept_rows import DEFAULT_CAPACITY
from zoo.metrics.measure import GeneratorMeasure
from zoo.metrics.memorisation import Memorisation, nearest_images, suspects_copies
from zoo.metrics.modes import (
    HighQualityShare,
    ModeDivergence,
    ModesCovered,
    ModeSpread,
    PointModes,
    StackModes,
    divergence_floor,
    true_high_quality_share,
)
from zoo.metrics.neighbours import DensityCoverage, PrecisionRecall, expected_coverage
from zoo.metrics.sliced_wasserstein import PyramidWassersteinDistance, SlicedWassersteinDistance
from zoo.metrics.stamps import Scores, Stamp, compare, refuse_different, stamps_of
from zoo.metrics.translation import (
    BLUR_SIGMA,
    masked_errors,
    score_translation,
    share_taken_for,
    silhouette,
)

__all__ = [
    "BLUR_SIGMA",
    "DEFAULT_CAPACITY",
    "ClassImbalance",
    "Classifier",
    "ClassifierScore",
    "DensityCoverage",
    "FrechetDistance",
    "GeneratorMeasure",
    "HighQualityShare",
    "KernelDistance",
    "MeanConfidence",
    "Memorisation",
    "ModeDivergence",
    "ModeSpread",
    "ModesCovered",
    "PointModes",
    "PrecisionRecall",
    "PyramidWassersteinDistance",
    "Scores",
    "SlicedWassersteinDistance",
    "StackModes",
    "Stamp",
    "compare",
    "divergence_floor",
    "evaluate",
    "expected_coverage",
    "inception_extractor",
    "load_classifier",
    "masked_errors",
    "nearest_images",
    "refuse_different",
    "score_translation",
    "share_taken_for",
    "silhouette",
    "stamps_of",
    "suspects_copies",
    "true_high_quality_share",
]
