"""Arithmetic with latents: a smiling woman, less a neutral woman, plus a neutral man.

Each concept is the mean of three latents, for those of single images are unstable; see the paper.
Which samples show a concept says a classifier of attributes, not a person, so it can be done often:
how many results show what was asked for, and is all else as in the image that was begun with?

Reference: [Radford et al., 2015](https://arxiv.org/abs/1511.06434), section 6.3.2.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from zoo.common.checks import check_positive_integers, takes_numpy_scalars
from zoo.explore.attributes import Attributes, rows_with, shown
from zoo.explore.findings import Findings
from zoo.explore.latents import inside
from zoo.explore.pictures import rows_picture
from zoo.explore.subjects import check_seed, generates, images_of, name_of, progress
from zoo.metrics.classifier import Classifier

# As many latents as the paper takes the mean of.
_EXEMPLARS = 3
# How far the images around the result in the paper's picture lie from it.
_NOISE = 0.25
# Of all draws, those whose results stand side by side.
_SHOWN_RESULTS = 8
# What is surely there; and what will do if too few samples are sure.
_SURE, _LIKELY = 0.9, 0.5
_ENOUGH = 2 * _EXEMPLARS


@dataclasses.dataclass(frozen=True)
class Sum:
    """A sum of concepts: with the attribute, less without it, plus others without it.

    Attributes:
        attribute: what the result should have.
        context: what tells those that it is taken from, from those that it is given to.
        present: whether the former have the context; the latter have the opposite.
    """

    attribute: str
    context: str
    present: bool

    @property
    def concepts(self) -> tuple[dict[str, bool], ...]:
        """The three concepts: added, subtracted, and begun with."""
        with_it, without = {self.attribute: True}, {self.attribute: False}
        own, other = {self.context: self.present}, {self.context: not self.present}
        return with_it | own, without | own, without | other


# The paper's two, and sex, which it takes for granted.
SUMS = (
    Sum("Smiling", "Male", present=False),
    Sum("Eyeglasses", "Male", present=True),
    Sum("Male", "Smiling", present=True),
)


@takes_numpy_scalars
def arithmetic(
    model: keras.Model,
    classifier: Classifier,
    *,
    sums: Sequence[Sum] = SUMS,
    num_draws: int = 200,
    num_samples: int = 2000,
    seed: int = 0,
) -> Findings:
    """Adds and subtracts means of latents, and asks a classifier what the results show.

    Args:
        model: one that makes images of latents, or a loaded export of one.
        classifier: that knows the attributes of such images.
        sums: what to add. Defaults to smile, glasses and sex.
        num_draws: of nine latents for each sum. Defaults to 200.
        num_samples: generated images among which the concepts are looked for. Defaults to 2,000.
        seed: of all draws. Defaults to 0.

    Returns:
        Findings whose facts hold for each sum the share of results that have the attribute, and the
        mean share of the other attributes that are as in the image of the mean begun with; beside
        it the same for random directions of equal length.

    Raises:
        ValueError: if the model makes no images of latents alone, the classifier does not know an
            attribute, too few samples show a concept, or an argument is out of range.
    """
    model = generates(model, "arithmetic")
    check_seed(seed)
    check_positive_integers(num_draws=num_draws, num_samples=num_samples)
    attributes = Attributes(classifier, "arithmetic")
    for each in sums:
        attributes.index(each.attribute)
        attributes.index(each.context)
    latents = np.asarray(model.latents_for(num_samples, seed))
    probabilities = attributes.of_latents(model, latents)
    facts: dict[str, Any] = {
        "model": name_of(model),
        "classifier": attributes.description,
        "seed": seed,
        "num_samples": num_samples,
        "num_draws": num_draws,
        "sums": {},
    }
    pictures = {}
    for each in progress(sums, "adding"):
        rows, least = _exemplars(probabilities, attributes, each)
        terms = _draw_terms(latents, rows, num_draws, seed)
        scores = _scores(model, attributes, each.attribute, terms, seed)
        facts["sums"][each.attribute] = {
            "context": {each.context: each.present},
            "least_probability": least,
            "num_candidates": [len(found) for found in rows],
            **scores,
        }
        name = each.attribute.lower()
        pictures[name] = _picture(model, each, [term[0] for term in terms], seed)
        pictures[f"{name}_more"] = _more_results(model, terms)
    told = ", ".join(
        f"{name} {scores['has_attribute']:.0%} ({scores['control']['has_attribute']:.0%} by chance)"
        for name, scores in facts["sums"].items()
    )
    return Findings(
        command="arithmetic",
        headline=f"Of {num_draws} results so many show what was added: {told}.",
        facts=facts,
        pictures=pictures,
    )


def _exemplars(
    probabilities: np.ndarray, attributes: Attributes, each: Sum
) -> tuple[list[np.ndarray], float]:
    """Returns the samples that show each concept, and how sure the classifier is of them."""
    for least in (_SURE, _LIKELY):
        rows = [rows_with(probabilities, attributes, wanted, least) for wanted in each.concepts]
        if min(map(len, rows)) >= _ENOUGH:
            return rows, least
    rarest = min(range(len(rows)), key=lambda number: len(rows[number]))
    concept = shown(each.concepts[rarest]).replace("\n", " and ")
    raise ValueError(
        f"Only {len(rows[rarest])} of {len(probabilities)} generated images show {concept!r}, and "
        f"{_ENOUGH} are needed. Generate more, or train the model for longer."
    )


def _draw_terms(
    latents: np.ndarray, rows: Sequence[np.ndarray], num_draws: int, seed: int
) -> list[np.ndarray]:
    """Draws the exemplars of each concept: `(draws, exemplars, latent_dim)` each."""
    random = np.random.RandomState(seed)
    return [
        latents[[random.choice(found, _EXEMPLARS, replace=False) for _ in range(num_draws)]]
        for found in rows
    ]


def _scores(
    model: keras.Model,
    attributes: Attributes,
    attribute: str,
    terms: Sequence[np.ndarray],
    seed: int,
) -> dict[str, Any]:
    added, subtracted, base = (term.mean(axis=1) for term in terms)
    direction = added - subtracted
    control = np.random.RandomState(seed).normal(size=direction.shape).astype(np.float32)
    lengths = [np.linalg.norm(each, axis=1, keepdims=True) for each in (direction, control)]
    control *= lengths[0] / lengths[1]
    of_base, of_result, of_control = (
        attributes.of_latents(model, inside(model.prior, points)) >= 0.5
        for points in (base, base + direction, base + control)
    )
    column = attributes.index(attribute)
    others = np.arange(len(attributes.names)) != column

    def told(outcome: np.ndarray) -> dict[str, float]:
        return {
            "has_attribute": float(outcome[:, column].mean()),
            "others_agree_with_base": float((outcome == of_base)[:, others].mean()),
        }

    return {
        **told(of_result),
        "control": told(of_control),
        "base_has_attribute": float(of_base[:, column].mean()),
    }


def _picture(
    model: keras.Model, each: Sum, exemplars: Sequence[np.ndarray], seed: int
) -> np.ndarray:
    """Shows each concept's three images and that of their mean, and results with noise around."""
    added, subtracted, base = exemplars
    rows = {
        f"{sign}{shown(wanted)}": images_of(model, [*own, own.mean(axis=0)])
        for sign, wanted, own in zip(("", "- ", "+ "), each.concepts, exemplars, strict=True)
    }
    result = added.mean(axis=0) - subtracted.mean(axis=0) + base.mean(axis=0)
    noise = np.random.RandomState(seed).uniform(-_NOISE, _NOISE, (9, len(result)))
    noise[4] = 0.0  # the result itself, in the middle
    around = images_of(model, inside(model.prior, result + noise))
    for number in range(3):
        name = "= in the middle,\nnoise around it" if number == 1 else " " * (number + 1)
        rows[name] = around[3 * number : 3 * number + 3]
    return rows_picture(rows)


def _more_results(model: keras.Model, terms: Sequence[np.ndarray]) -> np.ndarray:
    """Shows what the first sums begin with, and under each what comes of it."""
    added, subtracted, base = (term[:_SHOWN_RESULTS].mean(axis=1) for term in terms)
    results = base + added - subtracted
    points = {"begun with": base, "= the sum": results}
    return rows_picture(
        {name: images_of(model, inside(model.prior, each)) for name, each in points.items()}
    )
