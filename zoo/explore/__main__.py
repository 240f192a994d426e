"""Asks a run what its networks learnt: `python -m zoo.explore COMMAND RUN`.

Each command writes a JSON and pictures to a new folder, RUN/explore/COMMAND unless --out names
another, whole or not at all, and says in one line where. `python -m zoo.explore COMMAND --help`
tells what a command takes.
"""

import argparse
import itertools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from zoo import explore, runs
from zoo.common.command_errors import end, one_line_errors
from zoo.explore.subjects import Data, open_images

_PROGRAM = "zoo.explore"
Answer = Callable[["Subject", argparse.Namespace], explore.Findings]


class Subject:
    """A run that is asked: its folder, its model, and images for it.

    Args:
        path: the run's folder.
        checkpoint: as for `zoo.runs.load_model`.
        dataset: name of the images, or None for those of the run.
    """

    def __init__(self, path: str, checkpoint: str, dataset: str | None) -> None:
        self.run = runs.RunFolder.open(path)
        self.model: keras.Model = runs.load_model(path, checkpoint)
        self._dataset = dataset

    def data(self) -> Data:
        """Opens the images, at the model's size."""
        if self._dataset is not None:
            return open_images(self._dataset, self.model.image_shape)
        name = self._value_of("dataset")
        if name is None:
            raise ValueError(
                f"config.json of {self.run.path} names no data set; name one by --dataset."
            )
        return open_images(name, self.model.image_shape, **self._image_options())

    def _image_options(self) -> dict[str, Any]:
        options = {
            name: self._value_of(name)
            for name in ("image_size", "drop_duplicates", "value_range")
            if self._value_of(name) not in (None, "none")
        }
        if options.get("value_range", "data") != "data":
            options["value_range"] = [float(limit) for limit in options["value_range"].split(",")]
        return options

    def _value_of(self, name: str) -> Any:
        parameter = self.run.hyper_parameters.get(name)
        return parameter and parameter.value

    def facts(self) -> dict[str, Any]:
        """Tells which model was asked."""
        return {
            "recipe": self.run.recipe,
            "trained_on": self._value_of("dataset"),
            "training_seed": self._value_of("seed"),
            "step": int(self.model.step),
        }


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
    return lambda subject, arguments: explore.probe(
        subject.model,
        subject.data().images,
        num_labels=arguments.num_labels,
        num_draws=arguments.num_draws,
        num_supervised_draws=arguments.num_supervised_draws,
        max_epochs=arguments.max_epochs,
        seed=arguments.seed,
    )


# What each command asks, and what defines its options and returns how it is answered.
_COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], Answer]]] = {
    "probe": ("classify images by a linear classifier on the discriminator's features", _add_probe),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        _PROGRAM,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (question, add_options) in _COMMANDS.items():
        command = commands.add_parser(
            name,
            help=question,
            description=question[0].upper() + question[1:] + ".",
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
            allow_abbrev=False,
        )
        command.add_argument("run", metavar="RUN", help="folder of a run")
        command.add_argument(
            "--checkpoint", default="best", help="best, newest, or the folder of one checkpoint"
        )
        command.add_argument("--dataset", help="images, if not those that the run was trained on")
        command.add_argument("--seed", type=int, default=0, help="of all that is drawn")
        command.add_argument("--out", help="folder to write to, which must not exist yet")
        command.set_defaults(answer=add_options(command))
    return parser


def _folder_for(arguments: argparse.Namespace) -> Path:
    """Gives a folder that does not exist; a second answer to one question lies beside the first."""
    if arguments.out is not None:
        folder = Path(arguments.out).expanduser()
        if os.path.lexists(folder):
            raise FileExistsError(
                f"--out={folder} exists already, and nothing is overwritten. Name another folder."
            )
        return folder
    first = Path(arguments.run).expanduser() / "explore" / arguments.command
    numbered = (first.with_name(f"{first.name}-{number}") for number in itertools.count(2))
    return next(path for path in itertools.chain([first], numbered) if not os.path.lexists(path))


def main(arguments: Sequence[str] | None = None) -> None:
    """Answers one command.

    Args:
        arguments: of the command line. Defaults to those of the process.
    """
    sys.argv[0] = _PROGRAM  # what an error is introduced by
    values = _parser().parse_args(arguments)
    try:
        with one_line_errors():
            folder = _folder_for(values)
            subject = Subject(values.run, values.checkpoint, values.dataset)
            findings = values.answer(subject, values)
            findings = findings.with_facts(subject.facts())
            findings.save(folder)
    except KeyboardInterrupt:
        end(130, "interrupted; nothing was written.")
    print(f"{findings.headline} Pictures and numbers are in {folder}")


if __name__ == "__main__":
    main()
