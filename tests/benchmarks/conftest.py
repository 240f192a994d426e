"""A recipe that exists only in tests, so that these do not hang on the settings of a real one."""

from collections.abc import Iterator
from unittest import mock

import pytest

from benchmarks.registry import RECIPES
from tests.benchmarks.hand_made import GENERATING


@pytest.fixture(autouse=True)
def _recipe_made_by_hand() -> Iterator[None]:
    """There is a recipe `made_by_hand`, which generates, and it can be measured."""
    with mock.patch.dict(RECIPES, {GENERATING.name: GENERATING}):
        yield
