"""The flags that every recipe has, and the way from flags to hyper-parameters.

A recipe's own flags come on top of those defined here.
"""

import contextlib
import dataclasses
import difflib
import math
import re
import shlex
import sys
import time
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from absl import app, flags, logging

from recipes.common.hyper_parameters import HyperParameters
from recipes.common.training import Saving
from zoo.common.command_errors import end
from zoo.common.distribution import STRATEGIES
from zoo.runs.folder import HyperParameter, RunFolder, RunFolderError

PRESETS = ("quick", "paper")
JITS = ("auto", "on", "off")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
SMOKE_EPOCHS = 2
# No hyper-parameters: several replicas train what one does, however it is saved.
_DEVICES = ("strategy", "replicas")
_SAVING = ("checkpoint_every_steps", "checkpoint_every_minutes", "keep_checkpoints")

FLAGS = flags.FLAGS
# Flags defined here count as the recipe's own, so that its --help shows them.
flags.disclaim_key_flags()

_NAMES_OF_TYPES = {
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    str: "text",
    type(None): "none",
}


# === Flags ===


def define_flags(
    preset: Callable[[str, str], HyperParameters],
    dataset: str,
    datasets_help: str,
    **own_numbers: str,
) -> None:
    """Defines the flags of a recipe: those that every recipe has, and numbers of its own.

    Args:
        preset: maps the names of a preset and of a data set to hyper-parameters.
        dataset: default of `--dataset`.
        datasets_help: which other names the recipe takes.
        **own_numbers: the help of each further integer flag, a hyper-parameter of that name.
    """
    flags.DEFINE_string("dataset", dataset, f"Data set to train on: {datasets_help}.")
    flags.DEFINE_enum(
        "preset",
        "quick",
        PRESETS,
        "quick fits a small machine; paper has the paper's every number.",
    )
    quick, paper = (preset(name, dataset) for name in PRESETS)
    _define_numbers(quick, paper, dataset, own_numbers)
    flags.DEFINE_string(
        "workdir", None, "Folder to leave the run in. By default a new one under runs/."
    )
    flags.DEFINE_bool(
        "resume",
        False,
        "Continue the run in --workdir where it stopped, with its own hyper-parameters.",
    )
    _define_saving()
    _define_machinery()
    flags.DEFINE_bool(
        "smoke",
        False,
        f"Run every stage on a few steps, to see that all works; {SMOKE_EPOCHS} epochs unless "
        "--epochs says otherwise.",
    )
    others = (f"{name}={value}" for name, value in vars(quick).items() if name not in FLAGS)
    flags.DEFINE_multi_string(
        "set",
        [],
        "name=value: any other hyper-parameter; may be repeated. By default the preset's; in quick "
        f"for {dataset}: {', '.join(others)}.",
    )


def _define_numbers(
    quick: HyperParameters, paper: HyperParameters, dataset: str, own_numbers: Mapping[str, str]
) -> None:
    """Defines the integers, whose help tells what the presets have."""

    def define_number(name: str, help_text: str, lower_bound: int) -> None:
        values = [f"{getattr(value, name)}" for value in (quick, paper)]
        shown = values[0] if values[0] == values[1] else "{} in quick, {} in paper".format(*values)
        note = f"By default the preset's: {shown} for {dataset}."
        flags.DEFINE_integer(name, None, f"{help_text} {note}", lower_bound=lower_bound)

    define_number("epochs", "Epochs to train; with --resume, in all.", lower_bound=1)
    define_number("batch_size", "Global batch size, over all replicas.", lower_bound=1)
    define_number("seed", "Seed of weights, latents, noise and order of the images.", lower_bound=0)
    for name, help_text in own_numbers.items():
        define_number(name, help_text, lower_bound=0)


def _define_machinery() -> None:
    """Defines what computes, and how."""
    flags.DEFINE_enum(
        "strategy",
        "auto",
        STRATEGIES,
        "tf.distribute strategy; mirrored uses every GPU of this machine, multiworker all workers "
        "that TF_CONFIG names, auto whichever of them there are several of.",
    )
    flags.DEFINE_integer(
        "replicas",
        None,
        "Replicas of mirrored: so many GPUs, or without any shares of the processor. By default "
        "every GPU.",
        lower_bound=1,
    )
    flags.DEFINE_enum(
        "jit", "auto", JITS, "Train with XLA; auto does so on one GPU. Evaluation is without."
    )
    flags.DEFINE_enum("precision", "float32", PRECISIONS, "Keras dtype policy of the networks.")


def _define_saving() -> None:
    """Defines what is no hyper-parameter, for it changes nothing of what is trained."""
    default = Saving()
    flags.DEFINE_integer(
        "checkpoint_every_steps",
        default.every_steps,
        "Train steps after which to save within an epoch too. By default none.",
        lower_bound=1,
    )
    flags.DEFINE_float(
        "checkpoint_every_minutes",
        default.every_minutes,
        "Minutes after which to save within an epoch too; 0 for never.",
        lower_bound=0.0,
    )
    flags.DEFINE_integer(
        "keep_checkpoints",
        default.keep,
        "How many of the newest checkpoints to keep, beside the best.",
        lower_bound=1,
    )


def saving() -> Saving:
    """Returns when the flags want the run saved."""
    return Saving(
        FLAGS.checkpoint_every_steps, FLAGS.checkpoint_every_minutes or None, FLAGS.keep_checkpoints
    )


# === Hyper-parameters and run folder ===


def configure(
    recipe: str, preset: Callable[[str, str], HyperParameters], writes: bool = True
) -> tuple[HyperParameters, RunFolder]:
    """Returns the hyper-parameters and the folder that the flags ask for; writes nothing yet.

    The values are the preset's, or with `--resume` and no `--preset` those of the earlier run;
    what the flags and `--set` say comes in their place. Without `--workdir` the folder is
    `runs/<recipe>-<date>-<time>`.

    Args:
        recipe: name of the recipe.
        preset: maps the names of a preset and of a data set to hyper-parameters.
        writes: False for a worker that is not the chief, which finds the folder as the chief has
            left it so far, and leaves it so.

    Raises:
        ValueError: if `--set` names no hyper-parameter, its value has another type, or the folder
            can't be used so.
    """
    base = preset(FLAGS.preset, FLAGS.dataset)
    if not FLAGS.resume:
        hyper_parameters = _override(base)
        workdir = FLAGS.workdir
        if workdir is None:
            workdir = f"runs/{recipe}-{time.strftime('%Y%m%d-%H%M%S')}"
        start = RunFolder.start if writes else RunFolder
    else:
        if not FLAGS.workdir:
            raise RunFolderError("--resume needs --workdir=FOLDER, the run to go on with.")
        if not FLAGS["preset"].present:
            earlier = RunFolder.resume(FLAGS.workdir, recipe).hyper_parameters
            known = {name: entry.value for name, entry in earlier.items() if name in vars(base)}
            base = dataclasses.replace(base, **known)
        hyper_parameters, workdir, start = _override(base), FLAGS.workdir, RunFolder.resume
    described = _described(hyper_parameters, base, FLAGS.preset)
    return hyper_parameters, start(workdir, recipe, described)


def _override(hyper_parameters: HyperParameters) -> HyperParameters:
    """Returns `hyper_parameters` with what the command line says in their place."""
    names = [name for name in vars(hyper_parameters) if name in FLAGS]
    given = {name: FLAGS[name].value for name in names if FLAGS[name].present}
    for assignment in FLAGS.set:
        name, value = parse_assignment(hyper_parameters, assignment)
        given[name] = value
    if given.get("smoke") and not FLAGS.resume:
        given.setdefault("epochs", SMOKE_EPOCHS)
        given.setdefault("evaluate_every", 1)
    for name, choices in (("jit", JITS), ("precision", PRECISIONS)):
        if given.get(name, choices[0]) not in choices:
            raise ValueError(
                f"{name} must be one of {', '.join(choices)}. Received: {given[name]!r}"
            )
    return dataclasses.replace(hyper_parameters, **given)


def parse_assignment(hyper_parameters: HyperParameters, assignment: str) -> tuple[str, Any]:
    """Returns the hyper-parameter that `name=value` names, and the value in its type.

    Raises:
        ValueError: if there is no such hyper-parameter, or its value has another type.
    """
    name, equals, text = assignment.partition("=")
    hints = typing.get_type_hints(type(hyper_parameters))
    types_of = {field.name: hints[field.name] for field in dataclasses.fields(hyper_parameters)}
    if name not in types_of:
        close = difflib.get_close_matches(name, types_of, n=1)
        raise ValueError(
            f"--set {assignment}: there is no hyper-parameter {name!r}."
            + (f" Did you mean {close[0]}?" if close else "")
            + f" There are: {', '.join(types_of)}."
        )
    if not equals:
        raise ValueError(f"--set takes name=value. Received: --set {assignment}")
    if name == "dataset":  # the preset depends on it
        raise ValueError(
            f"--set {assignment}: the data set has a flag of its own; use --dataset={text}"
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
                value = candidate(text)
                if candidate is not float or math.isfinite(value):
                    return value
    wanted = " or ".join(_NAMES_OF_TYPES[candidate] for candidate in kinds)
    raise ValueError(f"--set {name}={text}: {name} should be {wanted}. Received: {text!r}")


def _described(
    hyper_parameters: HyperParameters, base: HyperParameters, preset_name: str
) -> dict[str, HyperParameter]:
    """Returns each hyper-parameter with its value and where that comes from, for the folder."""
    entries = {}
    for field in dataclasses.fields(hyper_parameters):
        value = getattr(hyper_parameters, field.name)
        if value != getattr(base, field.name):
            source = "command line"
        elif value == field.default or preset_name == "paper":
            source = field.metadata["source"]
        else:
            source = f"preset {preset_name}"
        entries[field.name] = HyperParameter(value, source)
    return entries


# === Running ===


@contextlib.contextmanager
def interruptible(run: RunFolder) -> Iterator[None]:
    """Ends the program, at Ctrl-C in a run that has begun, with the command that continues it."""
    try:
        yield
    except KeyboardInterrupt:
        if not run.has_begun:
            raise
        end(
            130,
            f"interrupted; epochs saved: {run.trained_epochs}. Go on with: {resume_command(run)}",
        )


def resume_command(run: RunFolder, *further: str) -> str:
    """Returns what to type to go on with a run; its hyper-parameters are in its folder."""
    names = (*_DEVICES, *_SAVING)
    given = [name for name in names if name in FLAGS and FLAGS[name].present]
    again = [f"--{name}={FLAGS[name].value}" for name in given]
    words = ["python", sys.argv[0], f"--workdir={run.path}", "--resume", *again, *further]
    return shlex.join(words)


def run(main: Callable[[], None]) -> None:
    """Parses the flags and calls `main`; a word that is no flag is an error."""

    def checked(words: list[str]) -> None:
        # TensorFlow and TFDS log each file that they open.
        logging.set_verbosity(logging.ERROR)
        if len(words) > 1:
            end(2, f"error: Only flags are taken; see --help. Received: {' '.join(words[1:])}")
        try:
            main()
        except KeyboardInterrupt:
            end(130, "interrupted before training; there is no run to resume.")

    app.run(checked, flags_parser=_parse_flags)


def _parse_flags(arguments: list[str]) -> list[str]:
    try:
        return FLAGS(arguments)
    except flags.Error as error:
        message = re.sub(r"invalid literal for int\(\).*", "should be a whole number", str(error))
        message = re.sub(r"\('Non-boolean argument.*", "should be true or false", message)
        question = message.endswith("?")
        end(2, f"error: {message.rstrip(' .?')}{'?' if question else '.'} See --help.")
    except SystemExit:
        sys.exit(0)  # only --help ends here, and absl has it end with 1
