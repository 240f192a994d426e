"""The pages that are made: all of them, each in its place, and the repository's are new."""

import inspect

import pytest

import zoo
from benchmarks.pages import REPOSITORY, VARIANTS, render_pages, replace_block
from benchmarks.readme_tables import in_order_of_papers
from benchmarks.records import read_records
from benchmarks.registry import RECIPES
from tests.benchmarks.hand_made import GENERATING, record_of

PAGE = """\
Before.
<!-- results: made by `python -m benchmarks.pages` -->
old
<!-- end of results -->
After.
"""


@pytest.fixture(autouse=True)
def _without_the_recipe_made_by_hand(_recipe_made_by_hand: None) -> None:
    del RECIPES[GENERATING.name]


def test_pages_in_the_repository_are_in_step_with_recipes_docstrings_and_records() -> None:
    pages = render_pages(read_records())
    for path, text in pages.items():
        found = (REPOSITORY / path).read_text(encoding="utf-8")
        assert found == text, f"{path}: run `python -m benchmarks.pages`"
    variants = {path.relative_to(REPOSITORY) for path in (REPOSITORY / VARIANTS).glob("*")}
    assert variants == {path for path in pages if path.is_relative_to(VARIANTS)}


def test_every_variant_has_a_recipe_and_so_a_page() -> None:
    variants = {each for each in vars(zoo).values() if inspect.isclass(each)}
    assert variants == {recipe.model for recipe in in_order_of_papers(RECIPES.values())}


def test_only_the_block_is_replaced() -> None:
    made = replace_block(PAGE, "results", "new \\1")
    assert made == PAGE.replace("\nold\n", "\n\nnew \\1\n\n")
    assert replace_block(made, "results", "new \\1") == made


@pytest.mark.parametrize("page", ["", PAGE + PAGE, PAGE.replace("<!-- end", "<!-- the end")])
def test_place_that_is_not_marked_once_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="mark the place of the table of results once"):
        replace_block(page, "results", "new")


def test_record_without_what_the_tables_need_is_refused() -> None:
    record = record_of()
    del record.scores["baseline_test_error"]
    with pytest.raises(ValueError, match="no table .* it lacks baseline_test_error"):
        render_pages([record])
