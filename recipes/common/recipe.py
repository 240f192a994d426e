"""What a recipe is: a value, which `recipes.common.runner` runs."""

import dataclasses
from collections.abc import Callable, Mapping

from recipes.common import checks
from recipes.common.family import Family
from recipes.common.hyper_parameters import HyperParameters
from recipes.common.measures import Measures, Reported
from zoo.common.adversarial import AdversarialModel
from zoo.datasets.folder import name_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one variant is trained and scored.

    Attributes:
        name: of its module, `recipes.<name>`.
        title: of the report page, before the data set's name.
        model: the variant. Its constructor gets those hyper-parameters that it has arguments for.
        preset: maps the names of a preset and of a data set, which may be a `pathlib.Path`, to
            hyper-parameters.
        family: what its models are for.
        dataset: default of `--dataset`.
        datasets_help: which names `--dataset` takes.
        positive: hyper-parameters of its own that must be above 0.
        reported: numbers of the paper, beside those that the family knows.
        own_flags: help of each flag of its own, a whole number and a hyper-parameter of that name.
    """

    name: str
    title: str
    model: type[AdversarialModel]
    preset: Callable[[str, str], HyperParameters]
    family: Family
    dataset: str
    datasets_help: str
    positive: tuple[str, ...] = ()
    reported: tuple[Reported, ...] = ()
    own_flags: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        preset = self.preset
        object.__setattr__(self, "preset", lambda name, dataset: preset(name, name_of(dataset)))

    @property
    def measures(self) -> Measures:
        """What is measured of its runs, and how tables show it."""
        measures = self.family.measures
        return dataclasses.replace(measures, reported=(*measures.reported, *self.reported))

    def check(self, values: HyperParameters) -> None:
        """Refuses hyper-parameters that no later stage would name.

        Raises:
            ValueError: naming the hyper-parameter and what it may be.
        """
        values.check()
        checks.require_positive(values, *self.positive)
