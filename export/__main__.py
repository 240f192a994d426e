"""Saves, proves, converts, describes and uses exports: `python -m export COMMAND`.

An EXPORT is a folder that `save` wrote, or the folder of a run, whose newest export is meant.
`python -m export COMMAND --help` tells what a command takes.
"""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import zoo
from export import FORMATS, convert, details_of_run, pack, save, translation, verify
from export.description import describe
from export.shipping import ship
from zoo import runs
from zoo.common import exports
from zoo.common.commands import parser_of, say
from zoo.common.pretrained import unpack

_PROGRAM = "export"
_MOST_SAMPLES = 1024
Answer = Callable[[argparse.Namespace], str]


def _existing_export(text: str) -> Path:
    path = Path(text).expanduser()
    is_run = (path / "export").is_dir() and not (path / "saved_model.pb").is_file()
    return path / "export" if is_run else path


def _refuse_existing(path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(f"{path} exists already, and nothing is overwritten. Name another.")


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _number(least: float, most: float, kind: type = int) -> Callable[[str], Any]:
    """Returns what reads a number within bounds."""

    def read(text: str) -> Any:
        try:
            number = kind(text)
        except ValueError:
            number = None
        if number is None or not least <= number <= most:
            raise argparse.ArgumentTypeError(
                f"must be {kind.__name__} from {least} to {most}. Received: {text!r}"
            )
        return number

    return read


# === Commands ===


def _add_save(parser: argparse.ArgumentParser) -> Answer:
    parser.add_argument("run", metavar="RUN", help="folder of a run")
    parser.add_argument(
        "--checkpoint", default="best", help="best, newest, or the folder of one checkpoint"
    )
    parser.add_argument("--out", type=_path, help="folder of versions; left out, RUN/export")
    parser.add_argument(
        "--discriminator", action="store_true", help="export that too, to score and tell features"
    )

    def answer(values: argparse.Namespace) -> str:
        folder = values.out or Path(values.run).expanduser() / "export"
        numbers = [int(path.name) for path in folder.glob("*") if path.name.isdecimal()]
        model = runs.load_model(values.run, values.checkpoint)
        version = save(
            model,
            folder,
            version=max(numbers, default=0) + 1,
            include_discriminator=values.discriminator,
            details=details_of_run(values.run),
        )
        return f"Saved and verified: {version}"

    return answer


def _add_verify(parser: argparse.ArgumentParser) -> Answer:
    _add_export(parser)

    def answer(values: argparse.Namespace) -> str:
        verify(values.export)
        return f"{exports.version_of(values.export)} is what was saved."

    return answer


def _add_convert(parser: argparse.ArgumentParser) -> Answer:
    _add_export(parser)
    parser.add_argument("out", metavar="OUT", type=_path, help="folder to make")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, help="left out, all")
    parser.add_argument("--functions", nargs="+", help="left out, all signatures that draw nothing")

    def answer(values: argparse.Namespace) -> str:
        conversions = convert(values.export, values.out, values.formats, values.functions)
        return "\n".join(
            f"{each.path}  {each.size:,} bytes, differs by {each.difference:.1e} at most"
            for each in conversions
        )

    return answer


def _add_describe(parser: argparse.ArgumentParser) -> Answer:
    _add_export(parser)
    return lambda values: describe(values.export)


def _add_sample(parser: argparse.ArgumentParser) -> Answer:
    parser.add_argument(
        "export", metavar="EXPORT", help="a folder, a .tar.gz, or what zoo.load_pretrained takes"
    )
    parser.add_argument("--num", type=_number(1, _MOST_SAMPLES), default=16, help="of images")
    parser.add_argument("--seed", type=_number(0, 2**63 - 1), default=0, help="of the latents")
    parser.add_argument(
        "--truncation",
        type=_number(0.0, 1.0, float),
        default=1.0,
        help="less is more typical and less varied",
    )
    parser.add_argument("--out", type=_path, default="samples.png", help="picture to write")

    def answer(values: argparse.Namespace) -> str:
        _refuse_existing(values.out)
        folder = _existing_export(values.export)
        loaded = zoo.load_pretrained(str(folder) if folder.is_dir() else values.export)
        signature = _generate_of(loaded.signatures, values.export)
        images = signature(
            **{
                name: _scalar(spec, getattr(values, name))
                for name, spec in signature.structured_input_signature[1].items()
            }
        )["images"].numpy()
        runs.save_picture(runs.image_grid(2 * images - 1), values.out)
        return f"{values.num} images of seed {values.seed} are in {values.out}"

    return answer


def _scalar(spec, value: float):
    import tensorflow as tf

    return tf.constant(value, spec.dtype)


def _generate_of(signatures: Mapping[str, Any], name: str):
    generate = signatures.get("generate")
    takes = set() if generate is None else set(generate.structured_input_signature[1])
    if takes != {"num", "seed", "truncation"} or "images" not in generate.structured_outputs:
        raise ValueError(
            f"{name} makes no images of a seed alone; its functions are {', '.join(signatures)}."
        )
    return generate


def _add_pack(parser: argparse.ArgumentParser) -> Answer:
    _add_export(parser)
    parser.add_argument("archive", metavar="ARCHIVE", type=_path, help="a .tar.gz to write")

    def answer(values: argparse.Namespace) -> str:
        archive = pack(values.export, values.archive)
        return f"Packed as {archive}, {archive.stat().st_size:,} bytes"

    return answer


def _add_unpack(parser: argparse.ArgumentParser) -> Answer:
    parser.add_argument("archive", metavar="ARCHIVE", type=_path, help="a .tar.gz of an export")
    parser.add_argument("out", metavar="OUT", type=_path, help="folder to make")
    return lambda values: f"Unpacked to {unpack(values.archive, values.out)}"


def _add_ship(parser: argparse.ArgumentParser) -> Answer:
    _add_export(parser)
    parser.add_argument("name", metavar="NAME", help="such as face_gan/drawn_faces")
    parser.add_argument("--trained_on", help="data set; left out, what NAME ends in")
    parser.add_argument(
        "--into", type=_path, help="folder; left out, that of the zoo's own weights"
    )

    def answer(values: argparse.Namespace) -> str:
        trained_on = values.trained_on or values.name.rpartition("/")[2]
        entry = ship(values.export, values.name, trained_on, values.into)
        return (
            f"{entry.name}: {entry.size:,} bytes; half precision changes outputs by "
            f"{entry.difference:.1e} at most"
        )

    return answer


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("export", metavar="EXPORT", type=_existing_export, help="folder of one")


# What each command does, and what defines its options and returns how it is done.
_COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], Answer]]] = {
    "save": ("export the model of a run", _add_save),
    "verify": ("see that an export is whole and gives what the model gave", _add_verify),
    "convert": ("make ONNX and LiteRT files, and measure what that changes", _add_convert),
    "describe": ("tell what an export takes and gives, without running it", _add_describe),
    "sample": ("write a picture of generated images", _add_sample),
    "pack": ("pack an export as a .tar.gz", _add_pack),
    "unpack": ("unpack the .tar.gz of an export, whole and within bounds", _add_unpack),
    "ship": ("pack an export in half precision, to come with the zoo", _add_ship),
}
_TRANSLATE = "translate"
_WITH_OPTIONS_OF_THEIR_OWN = {_TRANSLATE: "translate a folder of pictures"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command.

    Args:
        arguments: of the command line. Defaults to those of the process.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    sys.argv[0] = _PROGRAM  # what an error is introduced by
    if arguments[:1] == [_TRANSLATE]:
        translation.main(arguments[1:], f"{_PROGRAM} {_TRANSLATE}")
        return
    parser = parser_of(_PROGRAM, __doc__, _COMMANDS, elsewhere=_WITH_OPTIONS_OF_THEIR_OWN)
    values = parser.parse_args(arguments)
    kinds = (ValueError, RuntimeError, OSError, ImportError)
    say(lambda: values.answer(values), *kinds, interrupted="interrupted.")


if __name__ == "__main__":
    main()
