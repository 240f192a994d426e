"""What is known of a recipe fits the recipe, and records without it are refused."""

import dataclasses
import importlib.util

import pytest

from benchmarks import generation, semi_supervised
from benchmarks.recipe import MeasuredRecipe
from tests.benchmarks.hand_made import GENERATING, generated_record_of

EXISTING = [
    recipe
    for recipe in (semi_supervised.RECIPE, *generation.RECIPES)
    if importlib.util.find_spec(f"recipes.{recipe.name}")
]


@pytest.mark.parametrize("recipe", EXISTING, ids=lambda recipe: recipe.name)
@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_axes_are_hyper_parameters_of_the_recipe(recipe: MeasuredRecipe, preset: str) -> None:
    hyper_parameters = recipe.module.preset(preset, recipe.dataset)
    varied = {name: 7 for axis in recipe.axes for name in axis.hyper_parameters}
    recipe.module.check(dataclasses.replace(hyper_parameters, **varied))
    assert recipe.name == recipe.module.name
    assert {"dataset", "epochs", "smoke"} <= dataclasses.asdict(hyper_parameters).keys()


@pytest.mark.parametrize("name", ["frechet_distance", "kernel_distance", "real_frechet_distance"])
def test_record_without_a_distance_is_refused(name: str) -> None:
    record = generated_record_of()
    del record.scores[name]
    with pytest.raises(ValueError, match=f"no table .* of made_by_hand .* it lacks {name}"):
        GENERATING.refuse_incomplete(record)


def test_record_without_scores_of_classes_is_complete() -> None:
    GENERATING.refuse_incomplete(generated_record_of(class_scores={}))


def test_all_that_is_absent_is_named() -> None:
    record = generated_record_of()
    del record.configuration["seed"], record.details["stop_reason"]
    with pytest.raises(ValueError, match="it lacks seed, stop_reason"):
        GENERATING.refuse_incomplete(record)
