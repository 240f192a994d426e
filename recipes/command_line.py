"""The flags that every recipe has, and the way from flags to hyper-parameters.

A recipe is a frozen dataclass of hyper-parameters, in which each field says where its value comes
from, presets made from it, and a `main`. Its own flags come on top of those defined here.
"""

import contextlib
import dataclasses
import difflib
import pathlib
import sys
import time
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any

from absl import app, flags, logging

from recipes.run_folder import HyperParameter, RunFolder, RunFolderError

STRATEGIES = ("none", "mirrored")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")

FLAGS = flags.FLAGS


def define_flags(dataset: str, datasets_help: str) -> None:
    """Defines the shared flags, as key flags of the calling recipe, so that `--help` shows them.

    Args:
        dataset: default of `--dataset`.
        datasets_help: which other names the recipe takes.
    """
    flags.DEFINE_string("dataset", dataset, f"Data set to train on: {datasets_help}")
    flags.DEFINE_enum(
        "preset",
        "quick",
        ["quick", "paper"],
        "quick fits a small machine; paper has the paper's every number.",
    )
    flags.DEFINE_integer("epochs", None, "Epochs to train; with --resume, in all.", lower_bound=1)
    flags.DEFINE_integer("batch_size", None, "Global batch size, over all replicas.", lower_bound=1)
    flags.DEFINE_integer("seed", None, "Seed of weights, latents, noise and order of the images.")
    flags.DEFINE_string(
        "workdir", None, "Folder to leave the run in. By default a new one under runs/."
    )
    flags.DEFINE_bool("resume", False, "Continue the run in --workdir where it stopped.")
    flags.DEFINE_enum(
        "strategy", "none", STRATEGIES, "tf.distribute strategy; mirrored uses every local GPU."
    )
    flags.DEFINE_enum("precision", "float32", PRECISIONS, "Keras dtype policy of the networks.")
    flags.DEFINE_bool("smoke", False, "Run every stage on a few steps, to see that all works.")
    flags.DEFINE_multi_string(
        "set", [], "name=value: any other hyper-parameter; may be repeated. Wrong names list all."
    )
    for name in ("dataset", "preset", "epochs", "batch_size", "seed", "workdir", "resume"):
        flags.declare_key_flag(name)
    for name in ("strategy", "precision", "smoke", "set"):
        flags.declare_key_flag(name)


def sourced(value: Any, source: str) -> Any:
    """Returns a dataclass field with that default, which remembers where the value comes from."""
    return dataclasses.field(default=value, metadata={"source": source})


def override(hyper_parameters: Any, flag_names: typing.Iterable[str]) -> Any:
    """Returns `hyper_parameters` with what the command line says in their place.

    Args:
        hyper_parameters: a frozen dataclass, such as a preset.
        flag_names: flags that are hyper-parameters by the same name; those not given leave the
            preset's value. `--set` comes after them.

    Raises:
        ValueError: if `--set` names no hyper-parameter, or its value has another type.
    """
    given = {name: FLAGS[name].value for name in flag_names if FLAGS[name].value is not None}
    for assignment in FLAGS.set:
        name, value = _parse_assignment(hyper_parameters, assignment)
        given[name] = value
    return dataclasses.replace(hyper_parameters, **given)


def _parse_assignment(hyper_parameters: Any, assignment: str) -> tuple[str, Any]:
    name, equals, text = assignment.partition("=")
    types_of = typing.get_type_hints(type(hyper_parameters))
    if not equals:
        raise ValueError(f"--set takes name=value. Received: --set {assignment}")
    if name not in types_of:
        close = difflib.get_close_matches(name, types_of, n=1)
        raise ValueError(
            f"--set {assignment}: there is no hyper-parameter {name!r}."
            + (f" Did you mean {close[0]}?" if close else "")
            + f" There are: {', '.join(types_of)}."
        )
    return name, _parse_value(name, text, types_of[name])


def _parse_value(name: str, text: str, kind: Any) -> Any:
    kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if type(None) in kinds and text.lower() == "none":
        return None
    for candidate in kinds:
        if candidate is bool and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if candidate not in (bool, type(None)):
            with contextlib.suppress(ValueError):
                return candidate(text)
    wanted = " or ".join(getattr(k, "__name__", "none").replace("NoneType", "none") for k in kinds)
    raise ValueError(f"--set {name}={text}: {name} is of type {wanted}. Received: {text!r}")


def described(hyper_parameters: Any, preset: Any, preset_name: str) -> dict[str, HyperParameter]:
    """Returns each hyper-parameter with its value and where that comes from, for the run folder.

    Args:
        hyper_parameters: the values of this run.
        preset: the preset they started from.
        preset_name: its name.
    """
    entries = {}
    for field in dataclasses.fields(hyper_parameters):
        value = getattr(hyper_parameters, field.name)
        if value != getattr(preset, field.name):
            source = "command line"
        elif value == field.default:
            source = field.metadata["source"]
        else:
            source = f"preset {preset_name}"
        entries[field.name] = HyperParameter(value, source)
    return entries


def open_run_folder(recipe: str, hyper_parameters: dict[str, HyperParameter]) -> RunFolder:
    """Returns the folder that `--workdir` and `--resume` ask for.

    Without `--workdir` it is a new one, `runs/<recipe>-<date>-<time>`.

    Raises:
        RunFolderError: if the folder can't be used so.
    """
    if FLAGS.resume and not FLAGS.workdir:
        raise RunFolderError("--resume needs --workdir=FOLDER, the run to go on with.")
    if FLAGS.resume:
        return RunFolder.resume(FLAGS.workdir, recipe, hyper_parameters)
    workdir = FLAGS.workdir or f"runs/{recipe}-{time.strftime('%Y%m%d-%H%M%S')}"
    return RunFolder.start(workdir, recipe, hyper_parameters)


@contextlib.contextmanager
def one_line_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Ends the program with the message alone when something can't be used as asked.

    Args:
        *kinds: the exceptions whose message says all that the user needs. Defaults to those of
            the checks before training: `ValueError`, `RuntimeError`, `OSError`.
    """
    try:
        yield
    except kinds or (ValueError, RuntimeError, OSError) as error:
        message = " ".join(str(error).split())
        print(f"{pathlib.Path(sys.argv[0]).name}: error: {message}", file=sys.stderr)
        sys.exit(2)


def run(main: Callable[[], None]) -> None:
    """Parses the flags and calls `main`; a word that is no flag is an error."""

    def checked(argv: list[str]) -> None:
        # TensorFlow and TFDS log each file that they open.
        logging.set_verbosity(logging.ERROR)
        if len(argv) > 1:
            with one_line_errors():
                raise ValueError(f"Only flags are taken; see --help. Received: {' '.join(argv[1:])}")
        main()

    app.run(checked)
