"""Measures a recipe at several seeds, and keeps a record of each run.

    python -m benchmarks.measure --recipe=dcgan_svhn --seeds=0,1,2
    python -m benchmarks.measure --recipe=semi_supervised --num_labels=20,100 --label_seeds=0,1,2
    python -m benchmarks.measure --set unlabelled_weight=0.5 --epochs=60

Runs that have a record are skipped, so that measuring may be stopped and begun again. Afterwards
`python -m benchmarks.pages` makes the pages.
"""

from recipes.common import command_line  # first: it keeps TensorFlow's import quiet

# isort: split
import dataclasses
import datetime
import itertools
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tqdm import tqdm

from benchmarks.configurations import of_training
from benchmarks.records import FOLDER, Record, path_of, read_records, write_record
from benchmarks.registry import RECIPES, refuse_incomplete
from recipes.common.own_process import RunFailedError, arguments_of, run_recipe
from recipes.common.recipe import Recipe
from zoo.common.command_errors import one_line_errors
from zoo.runs.folder import RunFolder

_DEFAULT_RECIPE = "semi_supervised"


@dataclasses.dataclass(frozen=True)
class Run:
    """A run to measure.

    Attributes:
        recipe: name of the recipe.
        preset: name of the preset.
        configuration: every hyper-parameter by name.
    """

    recipe: str
    preset: str
    configuration: dict[str, Any]

    def __str__(self) -> str:
        names = [axis.hyper_parameters[0] for axis in RECIPES[self.recipe].measures.axes]
        varied = ", ".join(f"{name} {self.configuration[name]}" for name in names)
        return f"{self.recipe} on {self.configuration['dataset']}, {varied}"

    def arguments(self) -> list[str]:
        """Returns the recipe's command line for this configuration, whatever its preset says."""
        return arguments_of(self.preset, self.configuration)


RunRecipe = Callable[[Run, Path, Callable[[str], None]], None]


# === Which runs ===


def plan_runs(
    recipe: str, preset: str, hyper_parameters: Any, numbers: Mapping[str, Sequence[int]]
) -> list[Run]:
    """Returns a run for each combination of numbers.

    Args:
        recipe: name of the recipe.
        preset: name of the preset that `hyper_parameters` started from.
        hyper_parameters: all that the runs have in common.
        numbers: what the runs vary in, by the flag of each of the recipe's axes.

    Raises:
        ValueError: if the recipe refuses a value.
    """
    axes = RECIPES[recipe].measures.axes
    runs = []
    for combination in itertools.product(*(dict.fromkeys(numbers[axis.flag]) for axis in axes)):
        chosen = zip(axes, combination, strict=True)
        changes = {name: number for axis, number in chosen for name in axis.hyper_parameters}
        configuration = dataclasses.replace(hyper_parameters, **changes)
        RECIPES[recipe].check(configuration)
        runs.append(Run(recipe, preset, dataclasses.asdict(configuration)))
    return runs


def has_record(run: Run, records: str | os.PathLike[str]) -> bool:
    """Returns whether this run was recorded, perhaps before there were all of its settings."""
    if path_of(records, run.recipe, run.preset, run.configuration).exists():
        return True
    wanted = of_training(run.configuration)
    return any(
        (record.recipe, record.preset) == (run.recipe, run.preset)
        and of_training(record.configuration) == wanted
        for record in read_records(records)
    )


# === One run ===


def run_in_subprocess(run: Run, workdir: Path, show: Callable[[str], None]) -> None:
    """Runs a recipe in a process of its own, so that each run starts with a clean memory.

    Args:
        run: what to run.
        workdir: the run folder to make.
        show: called with each line that the run writes.

    Raises:
        RunFailedError: with its last lines, if it ends with an error.
    """
    # The speed is recorded of one device.
    arguments = ["--strategy=one", f"--workdir={workdir}", *run.arguments()]
    run_recipe(run.recipe, arguments, show)


def measure_run(run: Run, make_run: RunRecipe, show: Callable[[str], None]) -> Record:
    """Makes one run in a temporary folder and returns its record.

    Raises:
        RunFailedError: if it fails, or leaves something else than was asked for.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        workdir = Path(folder) / "run"
        start = time.perf_counter()
        make_run(run, workdir, show)
        seconds = time.perf_counter() - start
        try:
            return _record_of(run, RunFolder.open(workdir), seconds)
        except (OSError, ValueError, KeyError) as error:
            raise RunFailedError(
                f"its run folder can't be used: {type(error).__name__} {error}"
            ) from error


def _record_of(run: Run, folder: RunFolder, seconds: float) -> Record:
    measures = RECIPES[run.recipe].measures
    _refuse_other_configuration(run, folder)
    results = json.loads(folder.results_json.read_bytes())
    environment = json.loads(folder.environment_json.read_bytes())
    absent = [name for name in measures.optional_scores if results[name] is None]
    scores = [name for name in (*measures.scores, *measures.optional_scores) if name not in absent]
    recorded_elsewhere = {*scores, *absent, "protocol", "smoke"}
    record = Record(
        recipe=run.recipe,
        preset=run.preset,
        configuration=run.configuration,
        protocol=measures.protocol(run.configuration, results),
        scores={name: results[name] for name in scores},
        details={name: results[name] for name in results if name not in recorded_elsewhere},
        seconds=round(seconds, 3),
        steps_per_second=steps_per_second(folder.tensorboard / "train"),
        versions={"python": environment["python"], **environment["packages"]},
        devices=environment["devices"],
        cpus=environment["cpus"],
        git_commit=environment["git_commit"],
        dataset_fingerprint=environment["dataset_fingerprint"],
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        smoke=run.configuration["smoke"],
    )
    refuse_incomplete(record)
    return record


def _refuse_other_configuration(run: Run, folder: RunFolder) -> None:
    ran = {name: parameter.value for name, parameter in folder.hyper_parameters.items()}
    different = [
        f"{name} was {ran.get(name)!r}, not {run.configuration.get(name)!r}"
        for name in sorted(ran.keys() | run.configuration.keys())
        if ran.get(name) != run.configuration.get(name)
    ]
    if different:
        raise ValueError(f"the run had another configuration: {'; '.join(different)}")


def steps_per_second(event_folder: str | os.PathLike[str]) -> float | None:
    """Returns the speed of training from TensorBoard's events; None if these are too few.

    The first step is left out: in it TensorFlow traces and compiles.
    """
    times = {
        event.step: event.wall_time
        for path in sorted(Path(event_folder).glob("events.*"))
        for event in EventFileLoader(str(path)).Load()
        if event.step > 0
    }
    first, last = min(times, default=0), max(times, default=0)
    if first == last or times[last] <= times[first]:
        return None
    return round((last - first) / (times[last] - times[first]), 3)


# === All runs ===


def measure(
    runs: Sequence[Run],
    records: str | os.PathLike[str],
    make_run: RunRecipe = run_in_subprocess,
) -> list[Run]:
    """Measures the runs that have no record yet; those that fail do not keep the others from it.

    Args:
        runs: to measure.
        records: folder of all records.
        make_run: makes a run, in the folder that it is given.

    Returns:
        The runs that failed.
    """
    missing = [run for run in runs if not has_record(run, records)]
    if len(missing) < len(runs):
        print(f"{len(runs) - len(missing)} of {len(runs)} runs have a record already.", flush=True)
    failed = []
    with tqdm(missing, unit="run", disable=not sys.stderr.isatty()) as bar:
        for number, run in enumerate(bar, start=1):
            try:
                record = measure_run(run, make_run, bar.set_postfix_str)
                write_record(record, records)
                outcome = _summary(record)
            except (RunFailedError, OSError, ValueError) as error:
                failed.append(run)
                outcome = "FAILED: " + str(error).replace("\n", "\n    ")
            bar.write(f"{number}/{len(missing)} {run}: {outcome}")
            sys.stdout.flush()
    return failed


def _summary(record: Record) -> str:
    scores = ", ".join(f"{name} {value:.4g}" for name, value in record.scores.items())
    return f"{scores}, {record.seconds:.0f} s"


# === Command ===


def _recipe_asked_for(arguments: Sequence[str]) -> Recipe:
    """Parses `--recipe` alone, because the other flags depend on it."""
    only_recipe = flags.FlagValues()
    _define_recipe_flag(only_recipe)
    try:
        only_recipe(arguments, known_only=True)
    except flags.Error:  # the parsing of all flags will say so
        return RECIPES[_DEFAULT_RECIPE]
    return RECIPES[only_recipe.recipe]


def _define_recipe_flag(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_enum(
        "recipe",
        _DEFAULT_RECIPE,
        list(RECIPES),
        "Recipe to measure; the other flags are then its own.",
        flag_values=flag_values,
    )


def _define_flags(recipe: Recipe) -> None:
    _define_recipe_flag(flags.FLAGS)
    for axis in recipe.measures.axes:
        flags.DEFINE_list(axis.flag, axis.default, axis.help)
        flags.register_validator(
            axis.flag,
            lambda texts: bool(texts) and all(text.isdecimal() for text in texts),
            "should be whole numbers such as 0,1,2",
        )
    flags.DEFINE_string("records", str(FOLDER), "Folder of the records.")
    command_line.define_flags(
        recipe.preset, dataset=recipe.dataset, datasets_help="any that the recipe takes"
    )


def _refuse_flags_of_single_runs(recipe: Recipe) -> None:
    flag_of = {name: axis.flag for axis in recipe.measures.axes for name in axis.hyper_parameters}
    for name in ("seed", "workdir", "resume"):
        if flags.FLAGS[name].present:
            raise ValueError(
                f"--{name} is for a single run. Here --{flag_of['seed']} gives the seeds, and each "
                "run has a temporary folder."
            )
    for assignment in flags.FLAGS.set:
        name = assignment.partition("=")[0]
        if name in flag_of:
            raise ValueError(f"--set {assignment}: here that is --{flag_of[name]}.")


def _planned_by_flags() -> list[Run]:
    recipe = RECIPES[flags.FLAGS.recipe]
    _refuse_flags_of_single_runs(recipe)
    with tempfile.TemporaryDirectory() as folder:
        # A run folder comes with the hyper-parameters; the runs get others.
        flags.FLAGS.workdir = folder
        hyper_parameters, _ = command_line.configure(recipe.name, recipe.preset)
    numbers = {
        axis.flag: list(map(int, flags.FLAGS[axis.flag].value)) for axis in recipe.measures.axes
    }
    return plan_runs(recipe.name, flags.FLAGS.preset, hyper_parameters, numbers)


def main() -> None:
    """Measures what the flags say; ends with 1 if a run failed."""
    # As an exception it ends the run under way too, and removes its folder.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with one_line_errors():
        runs = _planned_by_flags()
        records = Path(flags.FLAGS.records)
        records.mkdir(parents=True, exist_ok=True)
    try:
        failed = measure(runs, records)
    except KeyboardInterrupt:
        print("Interrupted. The same command goes on after the last record.", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    if failed:
        print(f"{len(failed)} of {len(runs)} runs failed.", file=sys.stderr)
        sys.exit(1)
    print("Every run has a record. `python -m benchmarks.pages` makes the pages.")


if __name__ == "__main__":
    _define_flags(_recipe_asked_for(sys.argv))
    command_line.run(main)
