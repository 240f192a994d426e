"""Searches hyper-parameters of a recipe: by default its learning rates, which matter first.

    python recipes/tune.py --recipe=vanilla_mnist --trials=20 --epochs=20
    python recipes/tune.py --recipe=dcgan_svhn --space=generator_learning_rate=1e-5..1e-2
    python recipes/tune.py --recipe=face_generation --space=gradient_penalty_weight=0.1..10 \
        --space=augmentation=none|shift --set=watched=kernel_distance

Every trial is a whole run in a folder of its own, judged on the *validation* images by the best
value of the measure that the recipe stops on, or of `--set=watched`. The same command goes on after
the last trial, and with the one under way. KerasTuner chooses what to try: `--search=bayesian` by a
Gaussian process of the trials so far, `random` at random. `pip install -e '.[tune]'` brings it.

A trial that fails counts, and is not made again. One that is refused before it begins, as bad data
or settings are, ends the search if no run has begun before it, for then all would be; later on it
is taken for a failure of its own values. One that is interrupted ends the search, and is made when
that goes on.

At the end stand the best trials and the command that runs the recipe so; `trials.json` and
`trials.png` have all of them.
"""

from recipes.common import command_line  # first: it keeps TensorFlow's import quiet

# isort: split
import csv
import dataclasses
import importlib.util
import json
import math
import shlex
import shutil
import signal
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags
from tqdm import tqdm

from recipes.common.figures import write_figure
from recipes.common.hyper_parameters import HyperParameters
from recipes.common.own_process import RunFailedError, arguments_of, run_recipe
from recipes.common.recipe import Recipe
from recipes.common.registry import find_recipes
from recipes.common.training import format_table
from zoo.common.command_errors import end, one_line_errors
from zoo.common.distribution import num_workers
from zoo.common.files import write_atomically
from zoo.common.messages import first_line
from zoo.runs.folder import RunFolder
from zoo.runs.signals import EXIT_CODE as INTERRUPTED_AND_SAVED

SEARCHES = ("bayesian", "random")
_DEFAULT_RECIPE = "vanilla_mnist"
_SHOWN_TRIALS = 5
# Of a rate that is its own, not known for this data: from a tenth to ten times the preset's.
_FACTOR = 10.0
# Exit codes of a run that can't do what it is asked, and of runs that were ended from without.
_REFUSED = 2
_INTERRUPTED = (INTERRUPTED_AND_SAVED, 130, -signal.SIGINT, -signal.SIGTERM)


# === What is searched ===


@dataclasses.dataclass(frozen=True)
class Interval:
    """Numbers from `low` to `high`, equally likely by their logarithms where both are above 0."""

    low: float
    high: float
    whole: bool = False

    @property
    def is_logarithmic(self) -> bool:
        """Whether the logarithms are drawn evenly, not the numbers."""
        return self.low > 0


Space = Mapping[str, Interval | tuple[Any, ...]]


def space_of(texts: Sequence[str], values: HyperParameters) -> Space:
    """Returns what is searched: what the texts say, or the learning rates of the preset.

    Args:
        texts: `name=low..high` or `name=one|other|third`.
        values: the preset's, with what the command line says.

    Raises:
        ValueError: naming the text, if there is no such hyper-parameter, or it may not be so.
    """
    if not texts:
        rates = [name for name in vars(values) if name.endswith("learning_rate")]
        of_preset = {name: getattr(values, name) for name in rates}
        return {name: Interval(rate / _FACTOR, rate * _FACTOR) for name, rate in of_preset.items()}
    return dict(_parsed(text, values) for text in texts)


def _by_text(choices: Sequence[Any]) -> dict[str, Any]:
    """Returns choices by what KerasTuner has in their place: it wants them of one type."""
    return {str(choice): choice for choice in choices}


def _chosen(space: Space, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of the searched hyper-parameters that KerasTuner asks for."""
    return {
        name: asked[name] if isinstance(wanted, Interval) else _by_text(wanted)[str(asked[name])]
        for name, wanted in space.items()
    }


def _parsed(text: str, values: HyperParameters) -> tuple[str, Interval | tuple[Any, ...]]:
    name, _, range_or_choices = text.partition("=")
    low, dots, high = range_or_choices.partition("..")
    words = [low, high] if dots else range_or_choices.split("|")
    if len(words) < 2:
        raise ValueError(
            f"--space={text}: give a range or choices, as learning_rate=1e-5..1e-2 or "
            "objective=hinge|wasserstein."
        )
    parsed = tuple(command_line.parse_assignment(values, f"{name}={word}")[1] for word in words)
    if not dots:
        return name, parsed
    if not all(type(bound) in (int, float) for bound in parsed):
        raise ValueError(f"--space={text}: {name} is no number; give choices, as {name}=a|b.")
    if not parsed[0] < parsed[1]:
        raise ValueError(f"--space={text}: the range should go up.")
    return name, Interval(*parsed, whole=all(type(bound) is int for bound in parsed))


# === Trials ===


@dataclasses.dataclass(frozen=True)
class Trial:
    """A run that was tried.

    Attributes:
        values: of the searched hyper-parameters.
        score: the best value of the measure; `None` if the run failed.
        folder: of the run.
        failure: why it failed.
    """

    values: dict[str, Any]
    score: float | None
    folder: str
    failure: str | None = None


class TrialInterruptedError(Exception):
    """A trial whose run was ended from without, and is worth another try."""


def best_of(folder: RunFolder) -> tuple[str, str, float]:
    """Returns the measure that a run watched, which way is better, and its best value.

    Raises:
        RunFailedError: if it has none, as where the training broke.
    """
    results = json.loads(folder.results_json.read_bytes())
    watched, better = results["watched"], results["better"]
    with open(folder.history_csv, newline="", encoding="utf-8") as file:
        values = [float(row[watched]) for row in csv.DictReader(file) if row.get(watched)]
    values = [value for value in values if math.isfinite(value)]
    if results["is_broken"] or not values:
        raise RunFailedError(f"it gave no {watched}: {results['stop_reason']}")
    return watched, better, (min if better == "min" else max)(values)


def search(
    recipe: Recipe,
    preset: str,
    values: HyperParameters,
    space: Space,
    folder: Path,
    trials: int,
    method: str = "bayesian",
    make_run: Callable[[str, Sequence[str], Callable[[str], None]], None] = run_recipe,
    further: Sequence[str] = (),
) -> tuple[str, str, list[Trial]]:
    """Tries settings until there are so many trials, those of before counted.

    A run that is refused, by exit code 2 before there is a run in its folder, ends the search if no
    other has begun: then what all have in common is at fault, and nothing is kept of it. After
    others have begun, it is a failed trial. So is one that ends so in its midst, for want of memory
    perhaps, and at any time one whose values `recipe.check` refuses, for which no run is started.

    Args:
        recipe: to run.
        preset: name of the preset that `values` started from.
        values: what all trials have in common.
        space: what they differ in.
        folder: holds the search; one that it holds goes on.
        trials: how many in all.
        method: one of `SEARCHES`.
        make_run: runs a recipe by its name and arguments, and shows its lines.
        further: arguments of every run, beside its hyper-parameters.

    Returns:
        The measure, which way is better, and the trials, the best first and failed ones last.

    Raises:
        RunFailedError: if every trial failed; the message is the last one's.
        TrialInterruptedError: if a run was ended from without; its trial is asked for again.
        ValueError: if the folder holds another search, or a damaged one, or a run is refused.
    """
    description = _description(recipe, values, space)
    _refuse_another_search(folder, description)
    oracle = _oracle_in(folder, space, trials, method, values.seed)
    _describe(folder, description)
    earlier = {name: _kept(folder, name) for name in oracle.trials}
    done = {name: trial for name, trial in earlier.items() if trial is not None}
    watched, better = "", "min"
    quiet = not sys.stderr.isatty()
    with tqdm(total=trials, initial=len(done), unit="trial", disable=quiet) as bar:
        while (asked := _next_trial(oracle)).status != "STOPPED":
            chosen = _chosen(space, asked.hyperparameters.values)
            path = folder / "trials" / asked.trial_id
            resumes = _has_begun(path)  # before an interruption
            try:
                arguments = ["--resume"]
                if not resumes:
                    arguments = _arguments_with(recipe, preset, values, chosen)
                arguments = [f"--workdir={path}", *further, *arguments]
                make_run(recipe.name, arguments, bar.set_postfix_str)
                watched, better, score = best_of(RunFolder.open(path))
                trial = Trial(chosen, score, str(path))
            except RunFailedError as error:
                others = any(_has_begun(folder / "trials" / name) for name in done)
                _end_unless_its_own(error, path, resumes, others)
                trial = Trial(chosen, None, str(path), str(error))
            _keep(folder, asked.trial_id, trial)
            _tell(oracle, asked, trial, better)
            done[asked.trial_id] = trial
            bar.update()
            bar.write(_told(trial, watched))
    return _ranked(list(done.values()), watched, better)


def _arguments_with(
    recipe: Recipe, preset: str, values: HyperParameters, chosen: Mapping[str, Any]
) -> list[str]:
    """Returns the arguments of a trial's run.

    Raises:
        RunFailedError: if the recipe refuses its values.
    """
    values = dataclasses.replace(values, **chosen)
    try:
        recipe.check(values)
    except ValueError as error:
        raise RunFailedError(f"its values are refused: {error}") from error
    return arguments_of(preset, vars(values))


def _has_begun(path: Path) -> bool:
    return (path / "config.json").is_file()


def _end_unless_its_own(error: RunFailedError, path: Path, resumes: bool, others: bool) -> None:
    """Ends the search, unless that a run failed tells of its trial alone.

    Args:
        error: how it failed.
        path: its folder.
        resumes: whether it went on with a run that had begun.
        others: whether runs of other trials have begun.

    Raises:
        TrialInterruptedError: if it was ended from without.
        ValueError: if it was refused, and others would be too.
    """
    if error.exit_code in _INTERRUPTED:
        raise TrialInterruptedError(f"the run in {path} was interrupted") from error
    if error.exit_code != _REFUSED or (not resumes and (others or _has_begun(path))):
        return
    what_to_do = "Correct the command; nothing is kept of this one."
    if _has_begun(path):
        what_to_do = (
            "Put that right and give the same command, which goes on with this run, or anew if "
            f"you delete {path} first."
        )
    refusal = str(error).splitlines()[-1].rstrip(".")
    raise ValueError(f"a trial was refused: {refusal}. {what_to_do}") from error


def _oracle_in(folder: Path, space: Space, trials: int, method: str, seed: int) -> Any:
    """Returns KerasTuner's oracle, which chooses what to try, as the folder left it."""
    import keras_tuner

    parameters = keras_tuner.HyperParameters()
    for name, wanted in space.items():
        if not isinstance(wanted, Interval):
            parameters.Choice(name, list(_by_text(wanted)), ordered=False)
        else:
            add = parameters.Int if wanted.whole else parameters.Float
            sampling = "log" if wanted.is_logarithmic else "linear"
            add(name, wanted.low, wanted.high, sampling=sampling)
    kind = {
        "bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
        "random": keras_tuner.oracles.RandomSearchOracle,
    }[method]
    oracle = kind(
        objective=keras_tuner.Objective("cost", "min"),
        max_trials=trials,
        hyperparameters=parameters,
        tune_new_entries=False,
        seed=seed,
        max_consecutive_failed_trials=trials + 1,  # at some rates any game breaks
    )
    # As KerasTuner's `Tuner` does, which would print the stack of each trial that fails.
    oracle.verbose = 0
    oracle._set_project_dir(str(folder), "search")
    if (folder / "search" / "oracle.json").exists():
        _reload(oracle, folder / "search")
    return oracle


def _reload(oracle: Any, path: Path) -> None:
    try:
        oracle.reload()
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        raise ValueError(
            f"{path}, where KerasTuner keeps the search, is damaged: {first_line(error)}. "
            "Begin another search, in another folder by --workdir."
        ) from error


def _tell(oracle: Any, asked: Any, trial: Trial, better: str) -> None:
    """Tells the oracle how a trial ended that it asked for."""
    if trial.score is None:
        asked.status = "FAILED"
    else:
        cost = trial.score if better == "min" else -trial.score
        oracle.update_trial(asked.trial_id, {"cost": cost})
        asked.status = "COMPLETED"
    oracle.end_trial(asked)
    oracle.save()  # `end_trial` does so before it knows that this one has ended


def _ranked(made: list[Trial], watched: str, better: str) -> tuple[str, str, list[Trial]]:
    """Returns the measure, which way is better, and the trials, the best first."""
    good = [trial for trial in made if trial.score is not None]
    if not good:
        raise RunFailedError(f"all {len(made)} trials failed, the last one: {made[-1].failure}")
    if not watched:  # every trial is from before
        watched, better, _ = best_of(RunFolder.open(good[0].folder))
    good.sort(key=lambda trial: trial.score, reverse=better == "max")
    return watched, better, good + [trial for trial in made if trial.score is None]


def _next_trial(oracle: Any) -> Any:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # Of a Gaussian process through a handful of points, as there are at first.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return oracle.create_trial("tuner")


def _keep(folder: Path, name: str, trial: Trial) -> None:
    path = folder / "trials" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(dataclasses.asdict(trial)) + "\n")


def _kept(folder: Path, name: str) -> Trial | None:
    path = folder / "trials" / f"{name}.json"
    if not path.exists():
        return None
    what_to_do = "Delete it, to go on without that trial."
    kept = _read_json(path, what_to_do)
    try:
        return Trial(**kept)
    except TypeError as error:
        raise ValueError(f"{path} is damaged: it holds no trial. {what_to_do}") from error


def _read_json(path: Path, what_to_do: str) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {first_line(error)}. {what_to_do}") from error


def _told(trial: Trial, watched: str) -> str:
    settings = ", ".join(f"{name} {_shown(value)}" for name, value in trial.values.items())
    if trial.score is None:
        return f"{settings}: FAILED: {trial.failure.splitlines()[-1]}"
    return f"{settings}: {watched} {trial.score:.4g}"


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


# === Which search a folder holds ===


def _description(recipe: Recipe, values: HyperParameters, space: Space) -> dict[str, Any]:
    """Returns what tells a search from another, as JSON gives it back."""
    spaces = {
        name: dataclasses.asdict(wanted) if isinstance(wanted, Interval) else list(wanted)
        for name, wanted in space.items()
    }
    described = {"recipe": recipe.name, "values": vars(values), "space": spaces}
    return json.loads(json.dumps(described))


def _refuse_another_search(folder: Path, description: Mapping[str, Any]) -> None:
    """Keeps trials of different settings apart; of a search without a run nothing is kept.

    Raises:
        ValueError: if the folder holds another search, or its `search.json` is damaged.
    """
    path = folder / "search.json"
    if not path.exists():
        return
    earlier = _read_json(
        path,
        "Name another folder by --workdir; or delete that file, if this command is the one that "
        "began the search, and it goes on.",
    )
    is_a_search = isinstance(earlier, dict) and earlier.keys() == description.keys()
    trials = list((folder / "trials").glob("*"))
    is_to_go_on = earlier == description and trials
    if is_a_search and not is_to_go_on and not any(map(_has_begun, trials)):
        _forget(folder)
    elif earlier != description:
        raise ValueError(
            f"{folder} holds a search of other settings; name another folder by --workdir."
        )


def _forget(folder: Path) -> None:
    for path in (folder / "trials").glob("*.json"):
        path.unlink()
    shutil.rmtree(folder / "search", ignore_errors=True)
    (folder / "search.json").unlink()


def _describe(folder: Path, description: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "search.json"
    if not path.exists():
        write_atomically(path, json.dumps(description, indent=1) + "\n")


# === What is left ===


def write_picture(path: Path, space: Space, watched: str, trials: Sequence[Trial]) -> None:
    """Draws the score of each trial over each hyper-parameter; failed ones are left out."""
    from matplotlib.figure import Figure

    good = [trial for trial in trials if trial.score is not None]
    figure = Figure(figsize=(4 * len(space), 3.5), dpi=120, layout="constrained")
    for place, (name, wanted) in enumerate(space.items(), start=1):
        axes = figure.add_subplot(1, len(space), place)
        values = [trial.values[name] for trial in good]
        if isinstance(wanted, Interval):
            axes.set_xscale("log" if wanted.is_logarithmic else "linear")
        else:
            values = [str(value) for value in values]
        axes.scatter(values, [trial.score for trial in good], color="0.4")
        axes.scatter(values[:1], [good[0].score], color="C3", label="best")
        axes.set_xlabel(name)
        if place == 1:
            axes.set_ylabel(watched)
            axes.legend()
    write_figure(figure, path)


def command_of(recipe: Recipe, trial: Trial) -> str:
    """Returns what to type to run the recipe as a trial did, with what else was asked for."""
    settings = [f"--set={name}={value!s}" for name, value in trial.values.items()]
    given = _flags_given(*_GIVEN, *recipe.own_flags, *_PASSED_ON)
    if flags.FLAGS.smoke:
        given.append("--smoke")
    others = [f"--set={each}" for each in flags.FLAGS.set]
    return shlex.join(["python", f"recipes/{recipe.name}.py", *given, *others, *settings])


_GIVEN = ("dataset", "preset", "epochs", "batch_size", "seed", "precision", "jit")
# No hyper-parameters, so that a run has them by its command line alone, a resumed one too.
_PASSED_ON = (
    *("strategy", "replicas"),
    *("checkpoint_every_steps", "checkpoint_every_minutes", "keep_checkpoints"),
)


def _flags_given(*names: str) -> list[str]:
    """Returns those of the flags that the command line has, as it may be typed again."""
    return [f"--{name}={flags.FLAGS[name].value}" for name in names if flags.FLAGS[name].present]


# === Command ===


def _asked_for(arguments: Sequence[str], recipes: Mapping[str, Recipe]) -> Recipe:
    """Parses `--recipe` alone, because the other flags depend on it."""
    only_recipe = flags.FlagValues()
    _define_recipe_flag(only_recipe, recipes)
    try:
        only_recipe(arguments, known_only=True)
    except flags.Error:  # the parsing of all flags will say so
        return recipes[_DEFAULT_RECIPE]
    return recipes[only_recipe.recipe]


def _define_recipe_flag(values: flags.FlagValues, recipes: Mapping[str, Recipe]) -> None:
    help_text = "Recipe to search for; the other flags are then its own."
    flags.DEFINE_enum("recipe", _DEFAULT_RECIPE, list(recipes), help_text, flag_values=values)


def _define_flags(recipe: Recipe, recipes: Mapping[str, Recipe]) -> None:
    _define_recipe_flag(flags.FLAGS, recipes)
    flags.DEFINE_integer("trials", 20, "How many settings to try, in all.", lower_bound=1)
    flags.DEFINE_enum("search", "bayesian", SEARCHES, "How KerasTuner chooses the next setting.")
    flags.DEFINE_multi_string(
        "space",
        [],
        "name=low..high or name=one|other: a hyper-parameter to search, and where; may be "
        "repeated. By default each learning rate, from a tenth to ten times the preset's.",
    )
    command_line.define_flags(
        recipe.preset, recipe.dataset, recipe.datasets_help, **recipe.own_flags
    )


def main() -> None:
    """Searches what the flags say, and says what was found."""
    recipe = find_recipes()[flags.FLAGS.recipe]
    with one_line_errors():
        if importlib.util.find_spec("keras_tuner") is None:
            raise ValueError("KerasTuner is missing; pip install -e '.[tune]' brings it.")
        if flags.FLAGS.resume:
            raise ValueError("A search goes on by the same command, without --resume.")
        strategy = flags.FLAGS.strategy
        takes_workers = strategy == "auto" and flags.FLAGS.replicas is None and num_workers() > 1
        if strategy == "multiworker" or takes_workers:
            raise ValueError(
                "A search runs on one machine, without other workers; use --strategy=one or "
                f"mirrored. Received: --strategy={strategy}"
                f"{' and a TF_CONFIG of several workers' if takes_workers else ''}"
            )
        folder = Path(flags.FLAGS.workdir or f"runs/tune-{recipe.name}")
        flags.FLAGS.workdir = None
        values, _ = command_line.configure(recipe.name, recipe.preset)
        recipe.check(values)
        space = space_of(flags.FLAGS.space, values)
    try:
        with one_line_errors(ValueError, OSError):
            watched, better, trials = search(
                recipe,
                flags.FLAGS.preset,
                values,
                space,
                folder,
                flags.FLAGS.trials,
                flags.FLAGS.search,
                further=_flags_given(*_PASSED_ON),
            )
    except RunFailedError as error:
        end(1, f"error: {error}")
    except TrialInterruptedError as error:
        end(INTERRUPTED_AND_SAVED, f"{error}. The same command goes on with it.")
    except KeyboardInterrupt:
        end(130, "interrupted. The same command goes on with the trial under way.")
    found = {"measure": watched, "better": better, "trials": list(map(dataclasses.asdict, trials))}
    write_atomically(folder / "trials.json", json.dumps(found, indent=1) + "\n")
    write_picture(folder / "trials.png", space, watched, trials)
    shown = [trial for trial in trials if trial.score is not None][:_SHOWN_TRIALS]
    rows = [[f"{t.score:.4g}", *map(_shown, t.values.values())] for t in shown]
    print(format_table([watched, *space], rows))
    print(f"All {len(trials)} trials are in {folder}; open {folder / 'trials.png'}. The best:")
    print(command_of(recipe, trials[0]))


if __name__ == "__main__":
    _recipes = find_recipes()
    _define_flags(_asked_for(sys.argv, _recipes), _recipes)
    command_line.run(main)
