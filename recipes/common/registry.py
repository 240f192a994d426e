"""The recipes that there are, by name: each module of `recipes` that has a `RECIPE`."""

from recipes.common.recipe import Recipe  # first: it keeps TensorFlow's import quiet

# isort: split
import importlib
import pkgutil
import types

import recipes


def find_recipes() -> dict[str, Recipe]:
    """Returns the recipes by name, in the order of their names.

    Raises:
        ValueError: if one has another name than its file.
    """
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
