"""How a translation recipe tells how good its translations are: scores, a headline and a table."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from zoo import datasets, metrics

EVALUATION_BATCH = 8

Translators = dict[str, Callable[[np.ndarray], np.ndarray]]

ERROR_LABELS = {
    "blurred_error_inside": "blurred error in the animal",
    "error_inside": "error in the animal",
    "blurred_error_outside": "blurred error around it",
    "error_outside": "error around it",
}
# What the names of their scores begin with: doing nothing, and filling the animal with one colour.
UNTRAINED = ("untranslated_", "silhouette_")


def _score_names(*prefixes: str) -> tuple[str, ...]:
    return tuple(
        f"{prefix}{direction}_{name}"
        for direction in datasets.DIRECTIONS
        for prefix in prefixes
        for name in (*ERROR_LABELS, "taken_for_target")
    )


TRUTH_SCORES = _score_names("", *UNTRAINED)
PAIRED_SCORES = _score_names("paired_")


def scores_against_truth(
    generators: Sequence[keras.Model], classifier: metrics.Classifier, num_pairs: int
) -> dict[str, float]:
    """Returns the scores of both directions, and those of what they stand beside.

    The keys are those of `metrics.score_translation` after the direction, as in
    `a_to_b_error_inside`. Before them stands `untranslated_` for doing nothing and `silhouette_`
    for an animal filled with the mean colour of the true ones.

    Args:
        generators: of the CycleGAN, one a direction.
        classifier: tells the domains apart.
        num_pairs: test images of each domain.
    """

    def translators(generator: keras.Model, truth: datasets.TranslationTruth) -> Translators:
        return {
            "": _in_batches(generator),
            "untranslated_": lambda images: images,
            "silhouette_": functools.partial(metrics.silhouette, truth=truth),
        }

    return _scores(generators, translators, classifier, num_pairs)


def scores_of_paired(
    generators: Sequence[keras.Model], classifier: metrics.Classifier, num_pairs: int
) -> dict[str, float]:
    """Returns the scores of generators that were trained on pairs, as `paired_a_to_b_…`.

    Arguments are as for `scores_against_truth`.
    """

    def translators(generator: keras.Model, truth: datasets.TranslationTruth) -> Translators:
        return {"paired_": _in_batches(generator)}

    return _scores(generators, translators, classifier, num_pairs)


def _scores(
    generators: Sequence[keras.Model],
    translators: Callable[[keras.Model, datasets.TranslationTruth], Translators],
    classifier: metrics.Classifier,
    num_pairs: int,
) -> dict[str, float]:
    scores = {}
    for direction, generator in zip(datasets.DIRECTIONS, generators, strict=True):
        truth = datasets.open("drawn_horse2zebra").truth(direction, num_pairs)
        for prefix, translate in translators(generator, truth).items():
            found = metrics.score_translation(translate, truth, classifier, _target(direction))
            scores |= {f"{prefix}{direction}_{name}": value for name, value in found.items()}
    return scores


def _in_batches(generator: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    return functools.partial(generator.predict, batch_size=EVALUATION_BATCH, verbose=0)


def _target(direction: str) -> str:
    return direction[-1].upper()


def headline(results: dict[str, Any]) -> str:
    """Returns one line that says how the run went."""
    if results["a_to_b_taken_for_target"] is None:
        return f"Cycle loss {results['cycle_loss']:.3f} on the test images."
    to_b, to_a = (
        f"{results[f'{direction}_taken_for_target']:.1%} of the translations taken for "
        f"{_target(direction)}, blurred error in the animal "
        f"{results[f'{direction}_blurred_error_inside']:.3f} where doing nothing has "
        f"{results[f'untranslated_{direction}_blurred_error_inside']:.3f}"
        for direction in datasets.DIRECTIONS
    )
    return f"A → B: {to_b}. B → A: {to_a}."


def result_rows(results: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Returns the table: a measure, its value and how to read it, for each row."""
    rows = []
    if results["a_to_b_taken_for_target"] is not None:
        rows = [row for each in datasets.DIRECTIONS for row in _rows_of_direction(results, each)]
    return [
        *rows,
        (
            "cycle loss",
            f"{results['cycle_loss']:.3f}",
            "there and back, both ways added; 0 is best",
        ),
        ("identity loss", f"{results['identity_loss']:.3f}", "what is in the right domain already"),
    ]


def _rows_of_direction(results: dict[str, Any], direction: str) -> list[tuple[str, str, str]]:
    def beside(key: str, digits: str) -> str:
        beside_it = {
            "by doing nothing": results[f"untranslated_{direction}_{key}"],
            "by a silhouette of one colour": results[f"silhouette_{direction}_{key}"],
            "by training on pairs": results[f"paired_{direction}_{key}"],
        }
        known = [f"{value:{digits}} {how}" for how, value in beside_it.items() if value is not None]
        return ", ".join(known)

    name = direction.replace("_to_", " → ").upper()
    return [
        *(
            (
                f"{name}: {label}",
                f"{results[f'{direction}_{key}']:.4f}",
                beside(key, ".4f"),
            )
            for key, label in ERROR_LABELS.items()
        ),
        (
            f"{name}: taken for {_target(direction)}",
            f"{results[f'{direction}_taken_for_target']:.1%}",
            f"{beside('taken_for_target', '.1%')}; the classifier is right on "
            f"{results['classifier_accuracy']:.1%}",
        ),
    ]
