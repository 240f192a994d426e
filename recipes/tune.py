"""Searches hyper-parameters of a recipe: by default its learning rates, which matter first.

    python recipes/tune.py --recipe=vanilla_mnist --trials=20 --epochs=20
    python recipes/tune.py --recipe=dcgan_svhn --space=generator_learning_rate=1e-5..1e-2
    python recipes/tune.py --recipe=face_generation --space=gradient_penalty_weight=0.1..10 \
        --space=augmentation=none|shift --set=watched=kernel_distance

Every trial is a whole run in a folder of its own, judged on the *validation* images by the best
value of the measure that the recipe stops on, or of `--set=watched`. The same command goes on after
the last trial, and with the one under way. KerasTuner chooses what to try: `--search=bayesian` by a
Gaussian process of the trials so far, `random` at random. `pip install -e '.[tune]'` brings it.

At the end stand the best trials and the command that runs the recipe so; `trials.json` and
`trials.png` have all of them.
"""

from recipes.common import command_line  # first: it keeps TensorFlow's import quiet

# isort: split
import csv
import dataclasses
import importlib.util
import io
import json
import math
import shlex
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags
from tqdm import tqdm

from recipes.common.hyper_parameters import HyperParameters
from recipes.common.own_process import RunFailedError, arguments_of, run_recipe
from recipes.common.recipe import Recipe
from recipes.common.registry import find_recipes
from recipes.common.training import format_table
from zoo.common.command_errors import end, one_line_errors
from zoo.common.files import write_atomically
from zoo.runs.folder import RunFolder

SEARCHES = ("bayesian", "random")
_DEFAULT_RECIPE = "vanilla_mnist"
_SHOWN_TRIALS = 5
# Of a rate that is its own, not known for this data: from a tenth to ten times the preset's.
_FACTOR = 10.0


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
) -> tuple[str, str, list[Trial]]:
    """Tries settings until there are so many trials, those of before counted.

    Args:
        recipe: to run.
        preset: name of the preset that `values` started from.
        values: what all trials have in common.
        space: what they differ in.
        folder: holds the search; one that it holds goes on.
        trials: how many in all.
        method: one of `SEARCHES`.
        make_run: runs a recipe by its name and arguments, and shows its lines.

    Returns:
        The measure, which way is better, and the trials, the best first and failed ones last.

    Raises:
        RunFailedError: if every trial failed; the message is the last one's.
    """
    oracle = _oracle_in(folder, space, trials, method, values.seed)
    earlier = {name: _kept(folder, name) for name in oracle.trials}
    done = {name: trial for name, trial in earlier.items() if trial is not None}
    watched, better = "", "min"
    quiet = not sys.stderr.isatty()
    with tqdm(total=trials, initial=len(done), unit="trial", disable=quiet) as bar:
        while (asked := _next_trial(oracle)).status != "STOPPED":
            chosen = dict(asked.hyperparameters.values)
            path = folder / "trials" / asked.trial_id
            arguments = arguments_of(preset, vars(dataclasses.replace(values, **chosen)))
            if (path / "config.json").exists():  # begun before an interruption
                arguments = ["--resume"]
            try:
                make_run(recipe.name, [f"--workdir={path}", *arguments], bar.set_postfix_str)
                watched, better, score = best_of(RunFolder.open(path))
                trial = Trial(chosen, score, str(path))
            except RunFailedError as error:
                trial = Trial(chosen, None, str(path), str(error))
            _keep(folder, asked.trial_id, trial)
            _tell(oracle, asked, trial, better)
            done[asked.trial_id] = trial
            bar.update()
            bar.write(_told(trial, watched))
    return _ranked(list(done.values()), watched, better)


def _oracle_in(folder: Path, space: Space, trials: int, method: str, seed: int) -> Any:
    """Returns KerasTuner's oracle, which chooses what to try, as the folder left it."""
    import keras_tuner

    parameters = keras_tuner.HyperParameters()
    for name, wanted in space.items():
        if not isinstance(wanted, Interval):
            parameters.Choice(name, list(wanted), ordered=False)
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
        oracle.reload()
    return oracle


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
    return Trial(**json.loads(path.read_bytes())) if path.exists() else None


def _told(trial: Trial, watched: str) -> str:
    settings = ", ".join(f"{name} {_shown(value)}" for name, value in trial.values.items())
    if trial.score is None:
        return f"{settings}: FAILED: {trial.failure.splitlines()[-1]}"
    return f"{settings}: {watched} {trial.score:.4g}"


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


# === What is left ===


def write_picture(path: Path, space: Space, watched: str, trials: Sequence[Trial]) -> None:
    """Draws the score of each trial over each hyper-parameter; failed ones are left out."""
    from matplotlib.figure import Figure

    good = [trial for trial in trials if trial.score is not None]
    figure = Figure(figsize=(4 * len(space), 3.5), layout="constrained")
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
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    write_atomically(path, buffer.getvalue())


def command_of(recipe: Recipe, trial: Trial) -> str:
    """Returns what to type to run the recipe as a trial did, with what else was asked for."""
    settings = [f"--set={name}={value!s}" for name, value in trial.values.items()]
    given = [f"--{name}={flags.FLAGS[name].value}" for name in _GIVEN if flags.FLAGS[name].present]
    if flags.FLAGS.smoke:
        given.append("--smoke")
    others = [f"--set={each}" for each in flags.FLAGS.set]
    return shlex.join(["python", f"recipes/{recipe.name}.py", *given, *others, *settings])


_GIVEN = ("dataset", "preset", "epochs", "batch_size", "seed", "precision")

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
        folder = Path(flags.FLAGS.workdir or f"runs/tune-{recipe.name}")
        flags.FLAGS.workdir = None
        values, _ = command_line.configure(recipe.name, recipe.preset)
        recipe.check(values)
        space = space_of(flags.FLAGS.space, values)
        _refuse_another_search(folder, recipe, values, space)
    preset = flags.FLAGS.preset
    try:
        watched, better, trials = search(
            recipe, preset, values, space, folder, flags.FLAGS.trials, flags.FLAGS.search
        )
    except RunFailedError as error:
        end(1, f"error: {error}")
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


def _refuse_another_search(
    folder: Path, recipe: Recipe, values: HyperParameters, space: Space
) -> None:
    """Keeps trials of different settings apart.

    Raises:
        ValueError: if the folder holds another search.
    """
    spaces = {
        name: dataclasses.asdict(wanted) if isinstance(wanted, Interval) else list(wanted)
        for name, wanted in space.items()
    }
    asked = {"recipe": recipe.name, "values": vars(values), "space": spaces}
    path = folder / "search.json"
    if path.exists():
        if json.loads(path.read_bytes()) != json.loads(json.dumps(asked)):
            raise ValueError(
                f"{folder} holds a search of other settings; name another folder by --workdir."
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(asked, indent=1) + "\n")


if __name__ == "__main__":
    _recipes = find_recipes()
    _define_flags(_asked_for(sys.argv, _recipes), _recipes)
    command_line.run(main)
