"""The recipes that can be measured, by name: each module of `recipes` that has a `RECIPE`."""

from recipes.common import command_line  # first: it keeps TensorFlow's import quiet  # noqa: F401

# isort: split
import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import recipes
import zoo
from benchmarks.records import Record
from recipes import semi_supervised
from recipes.common.measures import CLASSIFICATION, GENERATION, TRANSLATION, Measures, Reported
from zoo.common.adversarial import AdversarialModel


@dataclasses.dataclass(frozen=True)
class MeasuredRecipe:
    """A recipe as the benchmarks know it.

    Attributes:
        name: of its module in `recipes`.
        title: of the model, for readers.
        model: the variant.
        dataset: default of `--dataset`.
        preset: maps the names of a preset and of a data set to hyper-parameters.
        check: refuses hyper-parameters that no later stage would name.
        measures: what is measured, and how tables show it.
    """

    name: str
    title: str
    model: type[AdversarialModel]
    dataset: str
    preset: Callable[[str, str], Any]
    check: Callable[[Any], None]
    measures: Measures


_SEMI_SUPERVISED = tuple(
    Reported(
        by=semi_supervised.PAPER,
        measure="test error",
        value=value,
        dataset=dataset,
        shown_dataset={"mnist": "MNIST", "svhn_cropped": "SVHN", "cifar10": "CIFAR-10"}[dataset],
        protocol="the whole of the data to train and to test on, mean ± standard deviation of 10 "
        "draws of the labels",
        score="test_error",
        settings={"num_labels": num_labels},
    )
    for dataset, values in semi_supervised.PAPER_RESULTS.items()
    for num_labels, value in values.items()
)
_VANILLA = Reported(
    by="Goodfellow et al. 2014",
    measure="log-likelihood",
    value="225 ± 2 nats",
    dataset="mnist",
    shown_dataset="MNIST",
    protocol="windows of Parzen around generated images, at the test images",
)
_DCGAN = Reported(
    by="Radford et al. 2015",
    measure="test error with 1,000 labels",
    value="22.48 %",
    dataset="svhn_cropped",
    shown_dataset="SVHN",
    protocol="a linear classifier on all layers of a discriminator",
)
_CYCLEGAN = Reported(
    by="Zhu et al. 2017",
    measure="accuracy of pixels, of classes, and overlap",
    value="0.52, 0.17, 0.11",
    dataset="cycle_gan/cityscapes",
    shown_dataset="Cityscapes, labels → photo",
    protocol="a network that names what each pixel of the generated photos shows",
)
_MEASURED = {
    "cyclegan": ("CycleGAN", zoo.CycleGAN, "drawn_horse2zebra", TRANSLATION, (_CYCLEGAN,)),
    "dcgan_svhn": ("DCGAN", zoo.DCGAN, "drawn_house_numbers", GENERATION, (_DCGAN,)),
    "face_generation": ("FaceGAN", zoo.FaceGAN, "drawn_faces", GENERATION, ()),
    "semi_supervised": (
        *("Semi-supervised GAN", zoo.SemiSupervisedGAN, "mnist_small"),
        *(CLASSIFICATION, _SEMI_SUPERVISED),
    ),
    "vanilla_mnist": ("Vanilla GAN", zoo.VanillaGAN, "mnist_small", GENERATION, (_VANILLA,)),
}


def _found() -> Iterator[MeasuredRecipe]:
    for found in pkgutil.iter_modules(recipes.__path__):
        module = importlib.import_module(f"recipes.{found.name}")
        name = getattr(module, "RECIPE", None)
        if name in _MEASURED:
            title, model, dataset, measures, reported = _MEASURED[name]
            measures = dataclasses.replace(measures, reported=reported)
            preset, check = module.preset, module.check
            yield MeasuredRecipe(name, title, model, dataset, preset, check, measures)


RECIPES = {recipe.name: recipe for recipe in _found()}


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
