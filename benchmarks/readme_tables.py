"""The two tables of README.md: the variants, and their results, a row each."""

import inspect
from collections.abc import Iterable, Sequence

from benchmarks.cells import markdown_table, score_cell, span
from benchmarks.configurations import PRESET, Row, axis_value, comparable_key, grouped, rows_of
from benchmarks.docstrings import first_link, read_docstring
from benchmarks.records import Record
from benchmarks.variant_page import file_name, year_of
from recipes.common.measures import Reported
from recipes.common.recipe import Recipe

_NOTHING = "–"


def in_order_of_papers(recipes: Iterable[Recipe]) -> list[Recipe]:
    """Returns the recipes by the year of the variant's paper, then by name."""
    return sorted(recipes, key=lambda recipe: (year_of(_paper(recipe)), recipe.name))


def _paper(recipe: Recipe) -> str:
    return first_link(read_docstring(inspect.getmodule(recipe.model)).references)


# === Variants ===


def variant_table(recipes: Sequence[Recipe]) -> str:
    """Returns the table of the variants.

    Args:
        recipes: in the order of the rows.
    """
    rows = [
        [
            f"[`zoo.{recipe.model.__name__}`](docs/variants/{file_name(recipe.model)})",
            _what_it_is(recipe),
            _paper(recipe),
            f"[`{recipe.name}`](recipes/{recipe.name}.py)",
        ]
        for recipe in recipes
    ]
    return markdown_table(["Variant", "What it is", "Paper", "Recipe"], rows, num_texts=4)


def _what_it_is(recipe: Recipe) -> str:
    summary = read_docstring(inspect.getmodule(recipe.model)).summary.rstrip(".")
    what = summary.partition(": ")[2] or summary
    return what[:1].upper() + what[1:]


# === Results ===


def result_table(recipes: Sequence[Recipe], records: Iterable[Record]) -> str:
    """Returns a table of one row a recipe: its default run, or dashes if that was not measured.

    Args:
        recipes: in the order of the rows.
        records: of all recipes; smoke runs are left out.
    """
    shown = [record for record in records if not record.smoke]
    heading = ["Variant", "Data", "Measure", "Ours", "Seeds", "Reference", "The paper", "Minutes"]
    rows = [_row(recipe, _default_row(recipe, shown)) for recipe in recipes]
    return markdown_table(heading, rows, num_texts=3)


def _default_row(recipe: Recipe, records: Sequence[Record]) -> Row | None:
    """Gives the row of the preset quick on the default data, measured last."""
    preset = recipe.preset("quick", recipe.dataset)
    own = [
        record
        for record in records
        if record.recipe == recipe.name
        and record.preset == "quick"
        and record.configuration["dataset"] == recipe.dataset
    ]
    tables = sorted(grouped(own, comparable_key), key=lambda group: max(r.date for r in group))
    for row in [row for table in reversed(tables) for row in rows_of(table)]:
        axes = recipe.measures.row_axes
        numbers = [axis_value(row.runs[0], axis) for axis in axes]
        usual = [getattr(preset, axis.hyper_parameters[0]) for axis in axes]
        if row.name == PRESET and numbers == usual:
            return row
    return None


def _row(recipe: Recipe, row: Row | None) -> list[str]:
    name = f"[`{recipe.model.__name__}`](docs/variants/{file_name(recipe.model)})"
    summary = recipe.measures.summary
    preset = recipe.preset("quick", recipe.dataset)
    numbers = [getattr(preset, axis.hyper_parameters[0]) for axis in recipe.measures.row_axes]
    start = [name, f"`{recipe.dataset}`", summary.measure.format(*numbers)]
    if row is None:
        return [*start, *[_NOTHING] * 3, _paper_cell(recipe, None), _NOTHING]
    parts = list(recipe.measures.parts.names) if recipe.measures.parts else [""]
    ours = (score_cell(summary.score, row.runs, part) for part in parts)
    beside = (score_cell(summary.beside, row.runs, summary.beside_prefix + part) for part in parts)
    return [
        *start,
        " / ".join(ours),
        str(len(row.runs)),
        f"{' / '.join(beside)}, {summary.beside_name}",
        _paper_cell(recipe, row),
        _minutes(row),
    ]


def _paper_cell(recipe: Recipe, row: Row | None) -> str:
    preset = vars(recipe.preset("quick", recipe.dataset))
    configuration = row.runs[0].configuration if row else preset
    fitting = [each for each in recipe.measures.reported if each.belongs_to(configuration)]
    return "; ".join(_quoted(each) for each in fitting) or _NOTHING


def _quoted(reported: Reported) -> str:
    measure = "" if reported.score else f" ({reported.measure})"
    return f"{reported.value} on {reported.shown_dataset}{measure}"


def _minutes(row: Row) -> str:
    timed, where = row.timed_runs
    return span((run.seconds / 60 for run in timed), ".0f") + where
