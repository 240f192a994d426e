"""The recipes that can be measured, by name: each module of `recipes` that has a `RECIPE`."""

from recipes.common.recipe import Recipe  # first: it keeps TensorFlow's import quiet

# isort: split
import importlib
import pkgutil
import types

import recipes
from benchmarks.records import Record


def _found() -> dict[str, Recipe]:
    modules = [
        importlib.import_module(f"recipes.{found.name}")
        for found in pkgutil.iter_modules(recipes.__path__)
    ]
    found = [_own(module) for module in modules if hasattr(module, "RECIPE")]
    return {recipe.name: recipe for recipe in found}


def _own(module: types.ModuleType) -> Recipe:
    file = module.__name__.rpartition(".")[2]
    if module.RECIPE.name != file:
        raise ValueError(
            f"The recipe of recipes/{file}.py must have the name of its file, {file!r}. Received: "
            f"name={module.RECIPE.name!r}"
        )
    return module.RECIPE


RECIPES = _found()


def refuse_incomplete(record: Record) -> None:
    """Refuses a record of which there is no table, or that lacks something that the table shows.

    Raises:
        ValueError: naming what is absent.
    """
    if record.recipe not in RECIPES:
        raise ValueError(
            f"There is no table for records of {record.recipe}. There are tables for: "
            f"{', '.join(RECIPES)}."
        )
    measures = RECIPES[record.recipe].measures
    varied = [name for axis in measures.axes for name in axis.hyper_parameters]
    wanted = (
        (record.configuration, ("epochs", *varied)),
        (record.scores, measures.scores),
        (record.details, ("epochs", "stop_reason", *measures.details)),
    )
    absent = [name for values, names in wanted for name in names if name not in values]
    if absent:
        raise ValueError(
            f"There is no table for the record of {record.recipe} on "
            f"{record.configuration['dataset']}, preset {record.preset}, of {record.date}: "
            f"it lacks {', '.join(absent)}."
        )
