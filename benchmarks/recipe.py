"""What benchmarks know of a recipe: what its runs vary in, and how they are recorded and shown."""

import dataclasses
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.records import Record
from recipes.common.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class Axis:
    """What the runs of one command vary in.

    Attributes:
        flag: of `benchmarks.measure`; it takes whole numbers.
        default: of the flag.
        help: of the flag.
        hyper_parameters: those that take the number, the most telling one first.
    """

    flag: str
    default: str
    help: str
    hyper_parameters: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class MeasuredRecipe:
    """A recipe that can be measured.

    Attributes:
        name: of the recipe; its module `recipes.<name>` has it as `RECIPE`.
        dataset: default of `--dataset`.
        axes: the outermost loop first.
        scores: entries of `results.json` that are finite numbers in every run.
        optional_scores: those that are null where the data do not allow them.
        details: further entries of `results.json` that the tables show.
        protocol: maps configuration and results to one line; what differs in it is never compared.
        draw: maps records to a section of the page. Recipes with the same one share a section.
    """

    name: str
    dataset: str
    axes: tuple[Axis, ...]
    scores: tuple[str, ...]
    optional_scores: tuple[str, ...]
    details: tuple[str, ...]
    protocol: Callable[[Mapping[str, Any], Mapping[str, Any]], str]
    draw: Callable[[Sequence[Record]], str]

    @property
    def module(self) -> Recipe:
        """The recipe itself."""
        return recipe_module(self.name)

    def refuse_incomplete(self, record: Record) -> None:
        """Refuses a record that lacks something that the tables show.

        Raises:
            ValueError: naming what is absent.
        """
        varied = [name for axis in self.axes for name in axis.hyper_parameters]
        wanted = (
            (record.configuration, ("epochs", *varied)),
            (record.scores, self.scores),
            (record.details, ("epochs", "stop_reason", *self.details)),
        )
        absent = [name for values, names in wanted for name in names if name not in values]
        if absent:
            raise ValueError(
                f"There is no table for the record of {record.recipe} on "
                f"{record.configuration['dataset']}, preset {record.preset}, of {record.date}: "
                f"it lacks {', '.join(absent)}."
            )


def recipe_module(name: str) -> Recipe:
    """Returns the recipe, imported only now: one recipe is measured, not all of them."""
    return importlib.import_module(f"recipes.{name}").RECIPE
