"""Asks a run what its networks learnt: `python -m zoo.explore COMMAND RUN`.

Each command writes a JSON and pictures to a new folder, RUN/explore/COMMAND unless --out names
another, whole or not at all, and says in one line where. `python -m zoo.explore COMMAND --help`
tells what a command takes.

RUN may be an export too, a folder, a .tar.gz or a name of zoo.pretrained(), and --out must then be
named: probe takes one that was saved with its discriminator; walk, arithmetic, project, neighbours
and edit one that makes images of latents.
"""

import abc
import argparse
import itertools
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from zoo import explore, metrics, runs
from zoo.common import exports
from zoo.common.checks import as_integer
from zoo.common.commands import parser_of, say
from zoo.common.files import replaced_folder
from zoo.common.pretrained import is_known, load_pretrained, pretrained
from zoo.datasets.decoding import checked_range
from zoo.datasets.folder import PREFIX
from zoo.explore.exported import image_shape_of
from zoo.explore.latents import PATHS
from zoo.explore.neighbours import check_num_neighbours
from zoo.explore.subjects import (
    Data,
    check_seed,
    first_images,
    generates,
    latent_model,
    open_images,
    require_split,
)
from zoo.explore.truncation import check_real_images

_PROGRAM = "zoo.explore"
Answer = Callable[["Subject", argparse.Namespace], explore.Findings]


class Subject(abc.ABC):
    """What is asked: a model, and images for it.

    Args:
        model: the model, or a loaded export.
        image_shape: of its images.
        dataset: name of the images, or None for those that it was trained on.
    """

    def __init__(self, model: Any, image_shape: tuple[int, ...], dataset: str | None) -> None:
        self.model = model
        self._image_shape = image_shape
        self._dataset = dataset

    def data(self) -> Data:
        """Opens the images, at the model's size."""
        if self._dataset is not None:
            return open_images(self._dataset, self._image_shape)
        name, options = self.trained_on()
        if not name:
            raise ValueError(f"{self.where()} names no data set; name one by --dataset.")
        return open_images(name, self._image_shape, **options)

    def classifier(self, data: Data, steps: int | None = None) -> metrics.Classifier:
        """Loads the classifier of these images, or trains it now."""
        return metrics.load_classifier(data.images.name, training_steps=steps, **data.options)

    @abc.abstractmethod
    def where(self) -> str:
        """Names what tells of it."""

    @abc.abstractmethod
    def trained_on(self) -> tuple[str | None, dict[str, Any]]:
        """Returns its data set and how that was opened, as far as is known."""

    @abc.abstractmethod
    def facts(self) -> dict[str, Any]:
        """Tells which model was asked."""


class RunSubject(Subject):
    """A run that is asked.

    Args:
        path: the run's folder.
        checkpoint: as for `zoo.runs.load_model`.
        dataset: see `Subject`.
    """

    def __init__(self, path: str, checkpoint: str, dataset: str | None) -> None:
        self.run = runs.RunFolder.open(path)
        model = runs.load_model(path, checkpoint)
        super().__init__(model, model.image_shape, dataset)

    def where(self) -> str:
        return f"config.json of {self.run.path}"

    def trained_on(self) -> tuple[str | None, dict[str, Any]]:
        return self._value_of("dataset"), self._image_options()

    def _image_options(self) -> dict[str, Any]:
        options = {
            name: self._value_of(name)
            for name in ("image_size", "drop_duplicates", "value_range")
            if self._value_of(name) not in (None, "none")
        }
        if options.get("value_range", "data") != "data":
            limits = [float(limit) for limit in options["value_range"].split(",")]
            options["value_range"] = checked_range(limits)
        return options

    def _value_of(self, name: str) -> Any:
        parameter = self.run.hyper_parameters.get(name)
        return parameter and parameter.value

    def facts(self) -> dict[str, Any]:
        return {
            "recipe": self.run.recipe,
            "trained_on": self._value_of("dataset"),
            "training_seed": self._value_of("seed"),
            "step": int(self.model.step.numpy()),
        }


class ExportSubject(Subject):
    """An export that is asked, of which there are the functions alone.

    Args:
        source: as for `zoo.load_pretrained`.
        checkpoint: "best", for there is but one.
        dataset: see `Subject`.
    """

    def __init__(self, source: str, checkpoint: str, dataset: str | None) -> None:
        if checkpoint != "best":
            raise ValueError(
                f"{source} is an export, which has no checkpoints. Received: "
                f"--checkpoint={checkpoint}"
            )
        self._source = source
        loaded = load_pretrained(source)
        super().__init__(loaded, image_shape_of(loaded), dataset)

    def where(self) -> str:
        return self._source

    def data(self) -> Data:
        """Opens the images, at the model's size; an export does not tell where a folder lies."""
        name, _ = self.trained_on()
        if self._dataset is None and (name or "").startswith(PREFIX):
            raise ValueError(
                f"{self._source} was trained on {name!r}, a folder of images, and does not tell "
                "where that lies; name it by --dataset=folder:PATH."
            )
        return super().data()

    def trained_on(self) -> tuple[str | None, dict[str, Any]]:
        shipped = {each.name: each.trained_on for each in pretrained()}
        path = Path(self._source).expanduser()
        if self._source in shipped or not path.is_dir():
            return shipped.get(self._source), {}
        manifest = exports.read_manifest(exports.version_of(path))
        return (manifest.body.get("trained_on") if manifest else None), {}

    def facts(self) -> dict[str, Any]:
        return {"export": self._source, "trained_on": self.trained_on()[0]}


def _is_export(source: str) -> bool:
    """Whether this names an export: an archive, a folder of one, or what comes with the zoo."""
    path = Path(source).expanduser()
    if (path / "config.json").is_file():  # a run, which may have one
        return False
    return path.is_file() or is_known(source) or exports.is_export(path)


# === Commands ===


def _add_probe(parser: argparse.ArgumentParser) -> Answer:
    parser.add_argument("--num_labels", type=int, default=1000, help="images to learn from")
    parser.add_argument("--num_draws", type=int, default=10, help="draws of them to test")
    parser.add_argument(
        "--num_supervised_draws",
        type=int,
        default=3,
        help="draws on which a network of the discriminator's size is trained; 0 for none",
    )
    parser.add_argument("--max_epochs", type=int, default=60, help="of the training of that")
    names = ("num_labels", "num_draws", "num_supervised_draws", "max_epochs", "seed")
    return lambda subject, values: explore.probe(
        subject.model, subject.data().images, **_chosen(values, *names)
    )


def _add_walk(parser: argparse.ArgumentParser) -> Answer:
    parser.add_argument("--path", choices=list(PATHS), default="spherical", help="of the film")
    parser.add_argument("--num_walks", type=int, default=4, help="in the picture")
    parser.add_argument("--num_steps", type=int, default=9, help="images of a walk")
    parser.add_argument("--num_places", type=int, default=5, help="latents on the film's way")
    parser.add_argument("--frames_between", type=int, default=12, help="from one to the next")
    names = ("path", "num_walks", "num_steps", "num_places", "frames_between", "seed")
    return lambda subject, values: explore.walk(subject.model, **_chosen(values, *names))


def _add_truncation(parser: argparse.ArgumentParser) -> Answer:
    parser.add_argument("--num_images", type=int, default=500, help="measured at each truncation")
    _add_classifier_steps(parser)

    def answer(subject: Subject, values: argparse.Namespace) -> explore.Findings:
        # All that can be refused, before a classifier is trained.
        latent_model(subject.model, "truncation")
        num_images = as_integer("num_images", values.num_images, least=2)
        data = subject.data()
        split = require_split(data.images, "test", "validation")
        real_images = first_images(data.images, split, num_images)
        check_real_images(real_images)
        extractor = subject.classifier(data, values.classifier_steps).feature_extractor
        return explore.truncation(subject.model, extractor, real_images, seed=values.seed)

    return answer


def _add_neighbours(parser: argparse.ArgumentParser) -> Answer:
    parser.add_argument("--num_images", type=int, default=200, help="whose distances are measured")
    parser.add_argument("--num_neighbours", type=int, default=5, help="shown beside each image")
    parser.add_argument(
        "--features",
        action="store_true",
        help="take distances in features of the data set's classifier, not in pixels",
    )
    _add_classifier_steps(parser)

    def answer(subject: Subject, values: argparse.Namespace) -> explore.Findings:
        generates(subject.model, "neighbours")
        data = subject.data()
        check_num_neighbours(values.num_neighbours, data.images)
        extractor = None
        if values.features:
            extractor = subject.classifier(data, values.classifier_steps).feature_extractor
        chosen = _chosen(values, "num_images", "num_neighbours", "seed")
        return explore.neighbours(subject.model, data.images, feature_extractor=extractor, **chosen)

    return answer


def _add_arithmetic(parser: argparse.ArgumentParser) -> Answer:
    parser.add_argument("--num_draws", type=int, default=200, help="results of each sum")
    parser.add_argument("--num_samples", type=int, default=2000, help="to find the concepts in")
    _add_classifier_steps(parser)

    def answer(subject: Subject, values: argparse.Namespace) -> explore.Findings:
        generates(subject.model, "arithmetic")
        data = subject.data()
        _require_attributes(data, "arithmetic")
        chosen = _chosen(values, "num_draws", "num_samples", "seed")
        classifier = subject.classifier(data, values.classifier_steps)
        return explore.arithmetic(subject.model, classifier, **chosen)

    return answer


def _add_forget(parser: argparse.ArgumentParser) -> Answer:
    parser.add_argument("--attribute", default="Eyeglasses", help="the object")
    parser.add_argument(
        "--layer", type=int, default=-2, help="which of the generator's convolutions with maps"
    )
    parser.add_argument("--wanted_fall", type=float, default=0.6, help="of the share with it")
    parser.add_argument("--num_samples", type=int, default=2000, help="to look at")
    _add_classifier_steps(parser)

    def answer(subject: Subject, values: argparse.Namespace) -> explore.Findings:
        latent_model(subject.model, "forget")
        data = subject.data()
        _require_attributes(data, "forget")
        chosen = _chosen(values, "attribute", "layer", "wanted_fall", "num_samples", "seed")
        classifier = subject.classifier(data, values.classifier_steps)
        return explore.forget(subject.model, classifier, data.images, **chosen)

    return answer


def _add_guided(parser: argparse.ArgumentParser) -> Answer:
    parser.add_argument("--num_features", type=int, default=6, help="of the last convolution")
    parser.add_argument("--num_images", type=int, default=500, help="to look at")
    return lambda subject, values: explore.guided(
        subject.model,
        subject.data().images,
        **_chosen(values, "num_features", "num_images", "seed"),
    )


def _add_project(parser: argparse.ArgumentParser) -> Answer:
    parser.add_argument("--num_images", type=int, default=128, help="real and generated, each")
    parser.add_argument("--iterations", type=int, default=100, help="steps of descent")
    parser.add_argument("--network_steps", type=int, default=1500, help="to train the network for")
    parser.add_argument("--filters", type=int, default=32, help="of the network's finest map")
    parser.add_argument(
        "--feature_weight",
        type=float,
        default=0.0,
        help="of differences in features of the data set's classifier, beside those in pixels",
    )
    _add_classifier_steps(parser)

    def answer(subject: Subject, values: argparse.Namespace) -> explore.Findings:
        generates(subject.model, "project")
        data = subject.data()
        extractor = None
        if values.feature_weight:
            extractor = subject.classifier(data, values.classifier_steps).feature_extractor
        names = ("num_images", "iterations", "network_steps", "filters", "feature_weight", "seed")
        return explore.project(
            subject.model, data.images, feature_extractor=extractor, **_chosen(values, *names)
        )

    return answer


def _add_edit(parser: argparse.ArgumentParser) -> Answer:
    kinds = parser.add_mutually_exclusive_group(required=True)
    kinds.add_argument(
        "--stroke",
        action="append",
        type=_stroke,
        metavar="LEFT,TOP,RIGHT,BOTTOM,COLOUR",
        help="a rectangle, in shares of the image, and the value of each channel, all from 0 to 1; "
        "any number of times",
    )
    kinds.add_argument("--attribute", help="give this to images that lack it, such as Smiling")
    kinds.add_argument("--without", help="take this from images that have it")
    parser.add_argument("--smoothness", type=float, default=5.0, help="of an edit by strokes")
    parser.add_argument("--iterations", type=int, default=40, help="of an edit by strokes")
    _add_classifier_steps(parser)

    def answer(subject: Subject, values: argparse.Namespace) -> explore.Findings:
        generates(subject.model, "edit")
        if values.stroke:
            chosen = _chosen(values, "smoothness", "iterations", "seed")
            return explore.edit_by_strokes(subject.model, values.stroke, **chosen)
        data = subject.data()
        _require_attributes(data, "edit")
        return explore.edit_by_attribute(
            subject.model,
            subject.classifier(data, values.classifier_steps),
            values.attribute or values.without,
            present=values.attribute is not None,
            seed=values.seed,
        )

    return answer


def _stroke(text: str) -> explore.Stroke:
    try:
        left, top, right, bottom, *colour = (float(number) for number in text.split(","))
        return explore.Stroke(left, top, right, bottom, tuple(colour))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no stroke: {error}") from error


def _require_attributes(data: Data, command: str) -> None:
    """Refuses images without attributes before a classifier is trained on them."""
    if data.images.description.attribute_names is None:
        raise ValueError(
            f"{command} needs images whose attributes are known, such as drawn_faces or celeb_a, "
            f"and of {data.images.name!r} none are. Name such images by --dataset."
        )


def _add_classifier_steps(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--classifier_steps",
        type=int,
        help="training of the data set's classifier, if not the usual one; few make a bad one",
    )


def _chosen(values: argparse.Namespace, *names: str) -> dict[str, Any]:
    return {name: getattr(values, name) for name in names}


# What each command asks, and what defines its options and returns how it is answered.
_COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], Answer]]] = {
    "probe": ("classify images by a linear classifier on the discriminator's features", _add_probe),
    "walk": ("go from latent to latent, in a picture and in a film", _add_walk),
    "arithmetic": ("add and subtract latents: smile, glasses, sex", _add_arithmetic),
    "neighbours": ("find the training images nearest to generated ones", _add_neighbours),
    "guided": ("show what the discriminator's top features answer to", _add_guided),
    "forget": ("drop the feature maps that draw an object", _add_forget),
    "project": ("find the latents of images that were held out", _add_project),
    "edit": ("paint on images, or move them along an attribute", _add_edit),
    "truncation": ("pull latents to the centre of the prior", _add_truncation),
}


def _add_shared(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", metavar="RUN", help="folder of a run, or an export")
    command.add_argument(
        "--checkpoint", default="best", help="best, newest, or the folder of one checkpoint"
    )
    command.add_argument("--dataset", help="images, if not those that the run was trained on")
    command.add_argument("--seed", type=int, default=0, help="of all that is drawn")
    command.add_argument("--out", help="folder to write to, which must not exist yet")


def _folder_for(arguments: argparse.Namespace) -> Path:
    """Gives a folder that does not exist; a second answer to one question lies beside the first."""
    if arguments.out is not None:
        folder = Path(arguments.out).expanduser()
        if os.path.lexists(folder):
            raise FileExistsError(
                f"--out={folder} exists already, and nothing is overwritten. Name another folder."
            )
        return folder
    if _is_export(arguments.run):
        raise ValueError(
            "Nothing is written into an export, which is as it was saved. Name a folder by --out."
        )
    first = Path(arguments.run).expanduser() / "explore" / arguments.command
    numbered = (first.with_name(f"{first.name}-{number}") for number in itertools.count(2))
    return next(path for path in itertools.chain([first], numbered) if not os.path.lexists(path))


def _check_writable(folder: Path) -> None:
    """Refuses a folder that can't be written, before there is anything to write.

    Raises:
        OSError: telling why.
    """
    # Only writing tells, and nothing may be left of it where the answer will be.
    nearest = next(path for path in folder.absolute().parents if os.path.lexists(path))
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".", suffix=".partial", dir=nearest) as trial,
            replaced_folder(trial / folder.absolute().relative_to(nearest)),
        ):
            pass
    except OSError as error:
        raise OSError(
            f"Nothing can be written to {folder}: {error.strerror or error}. Name a folder by "
            "--out where you may write."
        ) from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Answers one command.

    Args:
        arguments: of the command line. Defaults to those of the process.
    """
    sys.argv[0] = _PROGRAM  # what an error is introduced by
    values = parser_of(_PROGRAM, __doc__, _COMMANDS, shared=_add_shared).parse_args(arguments)
    kinds = (ValueError, RuntimeError, OSError, ImportError)
    say(lambda: _answer(values), *kinds, interrupted="interrupted; nothing was written.")


def _answer(values: argparse.Namespace) -> str:
    check_seed(values.seed)
    folder = _folder_for(values)
    if _is_export(values.run):
        subject = ExportSubject(values.run, values.checkpoint, values.dataset)
    else:
        subject = RunSubject(values.run, values.checkpoint, values.dataset)
    _check_writable(folder)
    findings = values.answer(subject, values).with_facts(subject.facts())
    findings.save(folder)
    return f"{findings.headline} Pictures and numbers are in {folder}"


if __name__ == "__main__":
    main()
