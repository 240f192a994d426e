"""A recipe that exists only in tests, so that these do not hang on the settings of a real one."""

import sys
import types
from collections.abc import Iterator
from unittest import mock

import pytest

from benchmarks.registry import RECIPES
from tests.benchmarks.hand_made import GENERATING, GeneratingHyperParameters, generating_preset


def _check(hyper_parameters: GeneratingHyperParameters) -> None:
    if hyper_parameters.learning_rate <= 0:
        raise ValueError("learning_rate must be positive")


@pytest.fixture(autouse=True)
def _recipe_made_by_hand() -> Iterator[None]:
    """There is a recipe `made_by_hand`, which generates, and it can be measured."""
    module = types.ModuleType(f"recipes.{GENERATING.name}")
    module.RECIPE = types.SimpleNamespace(preset=generating_preset, check=_check)
    with (
        mock.patch.dict(sys.modules, {module.__name__: module}),
        mock.patch.dict(RECIPES, {GENERATING.name: GENERATING}),
    ):
        yield
