"""Measures a recipe at several numbers of labels and seeds, and keeps a record of each run.

    python -m benchmarks.measure --recipe=semi_supervised --num_labels=20,100 --label_seeds=0,1,2
    python -m benchmarks.measure --set unlabelled_weight=0.5 --epochs=60

Runs that have a record are skipped, so that measuring may be stopped and begun again. Afterwards
`python -m benchmarks.results` makes the tables.
"""

from recipes import command_line, semi_supervised  # first: it keeps TensorFlow's import quiet

# isort: split
import collections
import dataclasses
import datetime
import json
import signal
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tqdm import tqdm

from benchmarks.records import FOLDER, Record, path_of, write_record
from recipes.run_folder import RunFolder

_REPOSITORY = Path(__file__).resolve().parent.parent
_LAST_LINES = 8

# Hyper-parameters that tell runs apart, each with its flag here.
_FLAG_OF = {"num_labels": "num_labels", "label_seed": "label_seeds", "seed": "label_seeds"}


@dataclasses.dataclass(frozen=True)
class MeasuredRecipe:
    """What is recorded of a recipe.

    Attributes:
        module: of the recipe; it has `preset`, `check` and a dataclass of hyper-parameters.
        scores: which entries of `results.json` are scores.
        protocol: maps configuration and results to the line that says how these were measured.
    """

    module: types.ModuleType
    scores: tuple[str, ...]
    protocol: Callable[[Mapping[str, Any], Mapping[str, Any]], str]


def _test_error_protocol(configuration: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    return (
        f"test error on {configuration['dataset']} {configuration['test_split']} "
        f"({results['num_test_images']:,} images), {results['weights']}"
    )


RECIPES = {
    semi_supervised.RECIPE: MeasuredRecipe(
        module=semi_supervised,
        scores=("test_error", "baseline_test_error"),
        protocol=_test_error_protocol,
    ),
}


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
        num_labels, seed = self.configuration["num_labels"], self.configuration["seed"]
        return f"{self.recipe} on {self.configuration['dataset']}, {num_labels} labels, seed {seed}"

    def arguments(self) -> list[str]:
        """Returns the recipe's command line for this configuration."""
        dataset = self.configuration["dataset"]
        preset = dataclasses.asdict(RECIPES[self.recipe].module.preset(self.preset, dataset))
        flag_names = ("dataset", "num_labels", "label_seed", "seed", "epochs")
        return [
            f"--preset={self.preset}",
            *(f"--{name}={self.configuration[name]}" for name in flag_names),
            *(
                f"--set={name}={value}"
                for name, value in self.configuration.items()
                if name not in flag_names and value != preset[name]
            ),
        ]


class RunFailedError(Exception):
    """A run that leaves no record; the message says why, in as many lines as it takes."""


RunRecipe = Callable[[Run, Path, Callable[[str], None]], None]


# === Which runs ===


def plan_runs(
    recipe: str,
    preset: str,
    hyper_parameters: Any,
    num_labels: Iterable[int],
    label_seeds: Iterable[int],
) -> list[Run]:
    """Returns a run for each number of labels and seed, one seed after the other.

    Args:
        recipe: name of the recipe.
        preset: name of the preset that `hyper_parameters` started from.
        hyper_parameters: all that the runs have in common.
        num_labels: how many labels to measure with.
        label_seeds: which labels; the seed of all else is the same.

    Raises:
        ValueError: if the recipe refuses a value.
    """
    num_labels = list(dict.fromkeys(num_labels))
    configurations = [
        dataclasses.replace(hyper_parameters, num_labels=number, label_seed=seed, seed=seed)
        for seed in dict.fromkeys(label_seeds)
        for number in num_labels
    ]
    for configuration in configurations:
        RECIPES[recipe].module.check(configuration)
    return [Run(recipe, preset, dataclasses.asdict(values)) for values in configurations]


def has_record(run: Run, records: Path) -> bool:
    """Returns whether a run of this very configuration was recorded."""
    return path_of(records, run.recipe, run.preset, run.configuration).exists()


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
    command = [sys.executable, "-m", f"recipes.{run.recipe}", f"--workdir={workdir}"]
    last_lines: collections.deque[str] = collections.deque(maxlen=_LAST_LINES)
    with subprocess.Popen(
        [*command, *run.arguments()],
        cwd=_REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in process.stdout:
                last_lines.append(line.rstrip())
                show(line.strip())
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise RunFailedError(
            "\n".join([f"its process ended with exit code {process.returncode}", *last_lines])
        )


def measure_run(run: Run, run_recipe: RunRecipe, show: Callable[[str], None]) -> Record:
    """Makes one run in a temporary folder and returns its record.

    Raises:
        RunFailedError: if it fails, or leaves something else than was asked for.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        workdir = Path(folder) / "run"
        start = time.perf_counter()
        run_recipe(run, workdir, show)
        seconds = time.perf_counter() - start
        try:
            return _record_of(run, RunFolder.open(workdir), seconds)
        except (OSError, ValueError, KeyError) as error:
            raise RunFailedError(
                f"its run folder can't be used: {type(error).__name__} {error}"
            ) from error


def _record_of(run: Run, folder: RunFolder, seconds: float) -> Record:
    recipe = RECIPES[run.recipe]
    _refuse_other_configuration(run, folder)
    results = json.loads(folder.results_json.read_bytes())
    environment = json.loads(folder.environment_json.read_bytes())
    return Record(
        recipe=run.recipe,
        preset=run.preset,
        configuration=run.configuration,
        protocol=recipe.protocol(run.configuration, results),
        scores={name: results[name] for name in recipe.scores},
        details={
            name: value
            for name, value in results.items()
            if name not in recipe.scores and name != "smoke"
        },
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


def _refuse_other_configuration(run: Run, folder: RunFolder) -> None:
    ran = {name: parameter.value for name, parameter in folder.hyper_parameters.items()}
    different = [
        f"{name} was {ran.get(name)!r}, not {run.configuration.get(name)!r}"
        for name in sorted(ran.keys() | run.configuration.keys())
        if ran.get(name) != run.configuration.get(name)
    ]
    if different:
        raise ValueError(f"the run had another configuration: {'; '.join(different)}")


def steps_per_second(event_folder: Path) -> float | None:
    """Returns the speed of training from TensorBoard's events; None if these are too few.

    The first step is left out: in it TensorFlow traces and compiles.
    """
    times = {
        event.step: event.wall_time
        for path in sorted(event_folder.glob("events.*"))
        for event in EventFileLoader(str(path)).Load()
        if event.step > 0
    }
    first, last = min(times, default=0), max(times, default=0)
    if first == last or times[last] <= times[first]:
        return None
    return round((last - first) / (times[last] - times[first]), 3)


# === All runs ===


def measure(
    runs: Sequence[Run], records: Path, run_recipe: RunRecipe = run_in_subprocess
) -> list[Run]:
    """Measures the runs that have no record yet; those that fail do not keep the others from it.

    Args:
        runs: to measure.
        records: folder of all records.
        run_recipe: makes a run, in the folder that it is given.

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
                record = measure_run(run, run_recipe, bar.set_postfix_str)
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


def _whole_numbers(name: str) -> list[int]:
    try:
        numbers = [int(text) for text in flags.FLAGS[name].value]
    except ValueError:
        numbers = []
    if not numbers:
        raise ValueError(
            f"--{name} takes whole numbers such as 0,1,2. Received: "
            f"{','.join(flags.FLAGS[name].value)!r}"
        )
    return numbers


def _refuse_flags_of_single_runs() -> None:
    for name in ("seed", "workdir", "resume"):
        if flags.FLAGS[name].present:
            raise ValueError(
                f"--{name} is for a single run. Here --label_seeds gives the seeds, and each run "
                "has a temporary folder."
            )
    for assignment in flags.FLAGS.set:
        name = assignment.partition("=")[0]
        if name in _FLAG_OF:
            raise ValueError(f"--set {assignment}: here that is --{_FLAG_OF[name]}.")


def _planned_by_flags() -> list[Run]:
    recipe, preset = flags.FLAGS.recipe, flags.FLAGS.preset
    numbers, seeds = _whole_numbers("num_labels"), _whole_numbers("label_seeds")
    _refuse_flags_of_single_runs()
    with tempfile.TemporaryDirectory() as folder:
        # A run folder comes with the hyper-parameters; the runs get others.
        flags.FLAGS.workdir = folder
        hyper_parameters, _ = command_line.configure(recipe, RECIPES[recipe].module.preset)
    return plan_runs(recipe, preset, hyper_parameters, numbers, seeds)


def main() -> None:
    """Measures what the flags say; ends with 1 if a run failed."""
    # As an exception it ends the run under way too, and removes its folder.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with command_line.one_line_errors():
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
    print("Every run has a record. `python -m benchmarks.results` makes the tables.")


def _define_flags() -> None:
    flags.DEFINE_enum("recipe", semi_supervised.RECIPE, list(RECIPES), "Recipe to measure.")
    flags.DEFINE_list("num_labels", "20,50,100,200", "Numbers of labels.")
    flags.DEFINE_list("label_seeds", "0,1,2", "Draws of the labels; each also seeds all else.")
    flags.DEFINE_string("records", str(FOLDER), "Folder of the records.")
    command_line.define_flags(
        semi_supervised.preset, dataset="mnist_small", datasets_help="any that the recipe takes"
    )


if __name__ == "__main__":
    _define_flags()
    command_line.run(main)
