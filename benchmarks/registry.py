"""The recipes that can be measured, by name."""

from recipes.common.registry import find_recipes  # first: it keeps TensorFlow's import quiet

# isort: split
from benchmarks.records import Record

RECIPES = find_recipes()


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
