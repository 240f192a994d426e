"""Every recipe is known by its presence, with what fits it, and incomplete records are refused."""

import dataclasses
import pkgutil

import pytest

import recipes
from benchmarks.registry import RECIPES, refuse_incomplete
from recipes.common.recipe import Recipe
from tests.benchmarks.hand_made import generated_record_of

NOT_TRAINED_BY = {"common", "divergences", "translate", "tune", "two_numbers"}


def test_every_recipe_can_be_measured() -> None:
    present = {module.name for module in pkgutil.iter_modules(recipes.__path__)} - NOT_TRAINED_BY
    assert present == RECIPES.keys() - {"made_by_hand"}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_axes_and_companions_are_hyper_parameters_of_the_recipe(
    recipe: Recipe, preset: str
) -> None:
    hyper_parameters = recipe.preset(preset, recipe.dataset)
    varied = {name: 7 for axis in recipe.measures.axes for name in axis.hyper_parameters}
    recipe.check(dataclasses.replace(hyper_parameters, **varied))
    trained = {companion.epochs for companion in recipe.measures.trained_companions}
    named = {"dataset", "epochs", "smoke", *trained, recipe.measures.kind or "epochs"}
    assert named <= dataclasses.asdict(hyper_parameters).keys()


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_columns_show_scores_that_are_measured(recipe: Recipe) -> None:
    measures = recipe.measures
    parts = measures.parts.names if measures.parts else [""]
    prefixes = ["", *(companion.prefix for companion in measures.companions)]
    shown = {
        f"{prefix}{part}{column.score}"
        for column in measures.columns
        for part in parts
        for prefix in prefixes
    }
    assert shown <= {*measures.scores, *measures.optional_scores}


@pytest.mark.parametrize("name", ["frechet_distance", "kernel_distance", "real_frechet_distance"])
def test_record_without_a_distance_is_refused(name: str) -> None:
    record = generated_record_of()
    del record.scores[name]
    with pytest.raises(ValueError, match=f"no table .* of made_by_hand .* it lacks {name}"):
        refuse_incomplete(record)


def test_record_without_scores_of_classes_is_complete() -> None:
    record = generated_record_of(class_scores={})
    assert not {"mean_confidence", "class_imbalance"} & record.scores.keys()
    refuse_incomplete(record)


def test_all_that_is_absent_is_named() -> None:
    record = generated_record_of()
    del record.configuration["seed"], record.details["stop_reason"]
    with pytest.raises(ValueError, match="it lacks seed, stop_reason"):
        refuse_incomplete(record)


def test_record_of_another_recipe_is_refused() -> None:
    record = dataclasses.replace(generated_record_of(), recipe="pix2pix")
    with pytest.raises(ValueError, match="no table for records of pix2pix. There are tables for"):
        refuse_incomplete(record)
