"""The search for hyper-parameters: what is tried, what is left, and how it goes on."""

import json
import math
import re
from pathlib import Path

import pytest

from recipes import tune
from recipes.common.own_process import RunFailedError
from recipes.common.registry import find_recipes
from tests.recipes.command import run_recipe
from zoo.runs.folder import RunFolder

RECIPE = find_recipes()["vanilla_mnist"]
VALUES = RECIPE.preset("quick", "mnist_small")
RATES = tune.space_of([], VALUES)


class StandIn:
    """Runs nothing, and leaves what a run would: its score is least at rates of 1e-3."""

    def __init__(self, better: str = "min", fails=lambda number: False):
        self.better, self.fails, self.calls = better, fails, []

    def __call__(self, recipe, arguments, show):
        self.calls.append(arguments)
        folder = Path(arguments[0].removeprefix("--workdir="))
        settings = dict(word.removeprefix("--set=").split("=", 1) for word in arguments[1:])
        if self.fails(len(self.calls)):
            raise RunFailedError("its process ended with exit code 1\nno memory")
        run = RunFolder.start(folder, recipe, {})
        run.begin()
        rates = [float(settings[name]) for name in RATES]
        cost = 1 + sum(math.log10(rate / 1e-3) ** 2 for rate in rates)
        score = cost if self.better == "min" else -cost
        worse = score + 1 if self.better == "min" else score - 1
        rows = "".join(f"{epoch},{value}\n" for epoch, value in enumerate((worse, score, worse), 1))
        (folder / "history.csv").write_text(f"epoch,val_score\n{rows}")
        results = {"watched": "val_score", "better": self.better, "is_broken": False}
        (folder / "results.json").write_text(json.dumps({**results, "stop_reason": "all done"}))


def searched(folder: Path, trials: int, run: StandIn, method: str = "bayesian"):
    return tune.search(RECIPE, "quick", VALUES, RATES, folder, trials, method, run)


def test_the_learning_rates_are_searched_around_the_preset_s():
    assert {
        name: (interval.low, interval.high, interval.is_logarithmic)
        for name, interval in RATES.items()
    } == {
        "generator_learning_rate": (pytest.approx(1e-4), pytest.approx(1e-2), True),
        "discriminator_learning_rate": (pytest.approx(3e-5), pytest.approx(3e-3), True),
    }


def test_ranges_and_choices():
    space = tune.space_of(
        ["latent_dim=8..64", "input_noise=0..0.5", "objective=minimax|wasserstein"], VALUES
    )
    assert space == {
        "latent_dim": tune.Interval(8, 64, whole=True),
        "input_noise": tune.Interval(0.0, 0.5),
        "objective": ("minimax", "wasserstein"),
    }
    assert not space["input_noise"].is_logarithmic


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rat=1..2", "no hyper-parameter 'learning_rat'. Did you mean"),
        ("latent_dim=8", "give a range or choices"),
        ("latent_dim=64..8", "the range should go up"),
        ("latent_dim=8..many", "latent_dim should be a whole number. Received: 'many'"),
        ("objective=a..b", "objective is no number; give choices"),
    ],
)
def test_what_is_no_space_is_refused(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        tune.space_of([text], VALUES)


@pytest.mark.parametrize(("better", "method"), [("min", "bayesian"), ("max", "random")])
def test_the_best_come_first(tmp_path, better, method):
    watched, way, trials = searched(tmp_path, 4, StandIn(better), method)
    assert (watched, way) == ("val_score", better)
    costs = [trial.score if better == "min" else -trial.score for trial in trials]
    assert costs == sorted(costs) and len(set(costs)) == 4


@pytest.mark.slow
@pytest.mark.parametrize("better", ["max", "min"])
def test_a_search_by_a_model_draws_near(tmp_path, better):
    watched, way, trials = searched(tmp_path, 16, StandIn(better))
    assert (watched, way) == ("val_score", better)
    costs = [trial.score if better == "min" else -trial.score for trial in trials]
    assert costs == sorted(costs) and len(costs) == 16
    assert costs[0] < 1.1
    later = [json.loads(p.read_bytes()) for p in sorted((tmp_path / "trials").glob("*.json"))[-6:]]
    assert all(1e-4 <= each["values"]["generator_learning_rate"] <= 1e-2 for each in later)


def test_an_interrupted_search_goes_on_with_its_trial(tmp_path):
    class Interrupted(StandIn):
        def __call__(self, recipe, arguments, show):
            super().__call__(recipe, arguments, show)
            if len(self.calls) == 3:
                raise KeyboardInterrupt

    first = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path, 5, first, "random")
    second = StandIn()
    again = []

    def resumed(recipe, arguments, show):
        again.append(arguments)
        if arguments[1:] != ["--resume"]:
            second(recipe, arguments, show)

    _, _, trials = tune.search(RECIPE, "quick", VALUES, RATES, tmp_path, 5, "random", resumed)
    assert again[0] == [first.calls[2][0], "--resume"]
    assert len(again) == 3
    assert len(trials) == len({trial.folder for trial in trials}) == 5
    _, _, same = searched(tmp_path, 5, StandIn(fails=lambda number: True), "random")
    assert same == trials  # none is left to try


def test_failed_trials_come_last_and_only_failures_are_an_error(tmp_path):
    _, _, trials = searched(tmp_path / "some", 4, StandIn(fails=lambda number: number % 2))
    assert [trial.score is None for trial in trials] == [False, False, True, True]
    assert "no memory" in trials[-1].failure
    with pytest.raises(RunFailedError, match="all 3 trials failed, the last one: .*\nno memory"):
        searched(tmp_path / "none", 3, StandIn(fails=lambda number: True))


def test_bad_words_are_refused_before_anything_is_written(tmp_path, data_dir):
    ended = run_recipe("tune", "--space=size=1..2", folder=tmp_path, data_dir=data_dir)
    assert ended.code == 2
    assert "there is no hyper-parameter 'size'" in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_two_trials_of_a_recipe(tmp_path, data_dir):
    command = ("--smoke", "--epochs=1", "--trials=2", f"--workdir={tmp_path}/search")
    ended = run_recipe("tune", *command, folder=tmp_path, data_dir=data_dir)
    assert ended.code == 0, ended.err
    found = json.loads((tmp_path / "search" / "trials.json").read_bytes())
    assert found["measure"] == "val_frechet_distance"
    assert len(found["trials"]) == 2
    assert (tmp_path / "search" / "trials.png").stat().st_size > 5000
    *_, command = ended.out.splitlines()
    best = found["trials"][0]["values"]["generator_learning_rate"]
    assert command.startswith("python recipes/vanilla_mnist.py --epochs=1")
    assert f"--set=generator_learning_rate={best}" in command
    other = run_recipe(
        "tune",
        "--smoke",
        "--trials=2",
        f"--workdir={tmp_path}/search",
        folder=tmp_path,
        data_dir=data_dir,
    )
    assert other.code == 2 and "holds a search of other settings" in other.err
