"""The search for hyper-parameters: what is tried, what is left, and how it goes on."""

import json
import math
import re
import signal
from pathlib import Path
from unittest import mock

import keras_tuner
import pytest

from recipes import tune
from recipes.common import own_process
from recipes.common.own_process import RunFailedError
from recipes.common.registry import find_recipes
from tests.recipes.command import run_recipe
from zoo.runs.folder import RunFolder
from zoo.runs.signals import EXIT_CODE

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
        rates = [text for name, text in settings.items() if name.endswith("learning_rate")]
        cost = 1 + sum(math.log10(float(rate) / 1e-3) ** 2 for rate in rates)
        score = cost if self.better == "min" else -cost
        worse = score + 1 if self.better == "min" else score - 1
        rows = "".join(f"{epoch},{value}\n" for epoch, value in enumerate((worse, score, worse), 1))
        (folder / "history.csv").write_text(f"epoch,val_score\n{rows}")
        results = {"watched": "val_score", "better": self.better, "is_broken": False}
        (folder / "results.json").write_text(json.dumps({**results, "stop_reason": "all done"}))


class Ending(StandIn):
    """A stand-in of which some runs end with an exit code, as they begin or before."""

    def __init__(self, code: int, ends, begins: bool = False):
        super().__init__()
        self.code, self.ends, self.begins = code, ends, begins

    def __call__(self, recipe, arguments, show):
        ends = self.ends(len(self.calls) + 1)
        if self.begins or not ends:
            super().__call__(recipe, arguments, show)
        else:
            self.calls.append(arguments)
        if ends:
            message = f"its process ended with exit code {self.code}\nx.py: error: No images in /x."
            raise RunFailedError(message, self.code)


class Resuming(StandIn):
    """A stand-in that finds the scores of a run to resume in its folder."""

    def __call__(self, recipe, arguments, show):
        if arguments[-1] == "--resume":
            self.calls.append(arguments)
        else:
            super().__call__(recipe, arguments, show)


def searched(folder: Path, trials: int, run: StandIn, method: str = "bayesian", space=RATES):
    return tune.search(RECIPE, "quick", VALUES, space, folder, trials, method, run)


def commanded(run: StandIn, *arguments: str, folder: Path):
    """Searches as if the arguments were typed in `folder`, with a stand-in for each run."""
    with mock.patch.object(own_process, "run_recipe", run):
        return run_recipe("tune", *arguments, folder=folder, data_dir=folder)


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
    second = Resuming()
    _, _, trials = searched(tmp_path, 5, second, "random")
    assert second.calls[0] == [first.calls[2][0], "--resume"]
    assert len(second.calls) == 3
    assert len(trials) == len({trial.folder for trial in trials}) == 5
    _, _, same = searched(tmp_path, 5, StandIn(fails=lambda number: True), "random")
    assert same == trials  # none is left to try


def test_failed_trials_come_last_and_only_failures_are_an_error(tmp_path):
    _, _, trials = searched(tmp_path / "some", 4, StandIn(fails=lambda number: number % 2))
    assert [trial.score is None for trial in trials] == [False, False, True, True]
    assert "no memory" in trials[-1].failure
    with pytest.raises(RunFailedError, match="all 3 trials failed, the last one: .*\nno memory"):
        searched(tmp_path / "none", 3, StandIn(fails=lambda number: True))


@pytest.mark.parametrize("code", [EXIT_CODE, 130, -signal.SIGTERM])
@pytest.mark.parametrize("begins", [True, False])
def test_a_run_that_was_interrupted_ends_the_search_and_is_asked_for_again(tmp_path, code, begins):
    first = Ending(code, lambda number: number == 2, begins)
    with pytest.raises(tune.TrialInterruptedError, match="trials/1 was interrupted"):
        searched(tmp_path, 3, first, "random")
    assert len(first.calls) == 2
    second = Resuming()
    _, _, trials = searched(tmp_path, 3, second, "random")
    again = [first.calls[1][0], "--resume"] if begins else first.calls[1]
    assert second.calls[0] == again
    assert len(second.calls) == 2
    assert len(trials) == 3 and all(trial.score is not None for trial in trials)


def test_the_command_says_that_a_run_was_interrupted(tmp_path):
    ended = commanded(Ending(EXIT_CODE, lambda number: True), "--trials=2", folder=tmp_path)
    assert ended.code == EXIT_CODE
    assert "trials/0 was interrupted. The same command goes on with it." in ended.err


def test_a_first_run_that_is_refused_ends_the_search_and_uses_up_no_trial(tmp_path):
    refusing = Ending(2, lambda number: True)
    command = ("--dataset=folder:/x", "--trials=2")
    for _ in range(2):
        ended = commanded(refusing, *command, folder=tmp_path)
        assert ended.code == 2
        assert ended.err.splitlines() == [
            "tune.py: error: a trial was refused: x.py: error: No images in /x. "
            "Correct the command; nothing is kept of this one."
        ]
    assert len(refusing.calls) == 2
    assert not list(tmp_path.rglob("trials/*"))
    assert commanded(StandIn(), *command, folder=tmp_path).code == 0


def test_a_first_run_that_ends_so_in_its_midst_is_a_failed_trial(tmp_path):
    out_of_memory = Ending(2, lambda number: number == 1, begins=True)
    _, _, trials = searched(tmp_path, 2, out_of_memory)
    assert [trial.score is None for trial in trials] == [False, True]


def test_trials_that_failed_before_they_began_are_not_made_again(tmp_path):
    failing = Ending(1, lambda number: True)
    for _ in range(2):
        with pytest.raises(tune.RunFailedError):
            searched(tmp_path, 3, failing)
    assert len(failing.calls) == 3


def test_a_corrected_command_takes_the_folder_of_the_refused_one(tmp_path):
    refusing = Ending(2, lambda number: True)
    assert commanded(refusing, "--dataset=folder:/x", "--trials=2", folder=tmp_path).code == 2
    ended = commanded(StandIn(), "--trials=2", folder=tmp_path)
    assert ended.code == 0, ended.err
    assert "--dataset" not in ended.out.splitlines()[-1]


def test_a_later_run_that_is_refused_is_a_failed_trial(tmp_path):
    _, _, trials = searched(tmp_path, 3, Ending(2, lambda number: number == 2))
    assert [trial.score is None for trial in trials] == [False, False, True]
    assert trials[-1].failure.endswith("No images in /x.")


def test_a_run_that_may_not_be_resumed_ends_the_search_and_is_asked_for_again(tmp_path):
    interrupted = Ending(EXIT_CODE, lambda number: number == 2, begins=True)
    with pytest.raises(tune.TrialInterruptedError):
        searched(tmp_path, 3, interrupted)
    with pytest.raises(ValueError, match=r"No images in /x\. .* if you delete .*/trials/1 first"):
        searched(tmp_path, 3, Ending(2, lambda number: True))
    resuming = Resuming()
    _, _, trials = searched(tmp_path, 3, resuming)
    assert resuming.calls[0] == [interrupted.calls[1][0], "--resume"]
    assert all(trial.score is not None for trial in trials)


def test_values_that_the_recipe_refuses_are_a_failed_trial_without_a_run(tmp_path):
    many = VALUES.batch_size + 1
    space = tune.space_of([f"discriminator_steps=1|{many}"], VALUES)
    run = StandIn()
    _, _, trials = searched(tmp_path, 10, run, "random", space)
    good, refused = trials  # all that there are
    assert good.values == {"discriminator_steps": 1}
    assert refused.values == {"discriminator_steps": many}
    assert "values are refused: batch_size must hold an image for each" in refused.failure
    assert len(run.calls) == 1


def test_choices_may_be_of_several_types(tmp_path):
    run = StandIn()
    command = ("--recipe=dcgan_svhn", "--space=packing=none|2", "--trials=2")
    ended = commanded(run, *command, folder=tmp_path)
    assert ended.code == 0, ended.err
    found = json.loads((tmp_path / "runs/tune-dcgan_svhn/trials.json").read_bytes())
    values = [trial["values"]["packing"] for trial in found["trials"]]
    assert sorted(values, key=str) == [2, None]
    assert sorted(word for call in run.calls for word in call if "packing" in word) == [
        "--set=packing=2",
        "--set=packing=None",
    ]


def test_choices_of_true_or_false_stay_so(tmp_path):
    run = StandIn()
    command = ("--recipe=cyclegan", "--space=random_flip=true|false", "--trials=2")
    ended = commanded(run, *command, folder=tmp_path)
    assert ended.code == 0, ended.err
    assert {word for call in run.calls for word in call if "random_flip" in word} == {
        "--set=random_flip=True",
        "--set=random_flip=False",
    }


def test_what_keras_tuner_refuses_leaves_nothing(tmp_path):
    refusal = mock.Mock(side_effect=ValueError("no such search"))
    with mock.patch.object(keras_tuner.oracles, "BayesianOptimizationOracle", refusal):
        ended = commanded(StandIn(), "--trials=2", folder=tmp_path)
    assert ended.code == 2 and "error: no such search" in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "what_to_do"),
    [
        ("search.json", "Name another folder by --workdir; or delete that file"),
        ("search/oracle.json", "Begin another search, in another folder by --workdir."),
        ("trials/0.json", "Delete it, to go on without that trial."),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, what_to_do):
    command = (f"--workdir={tmp_path}/search", "--trials=2")
    assert commanded(StandIn(), *command, folder=tmp_path).code == 0
    (tmp_path / "search" / name).write_text("{no JSON")
    ended = commanded(StandIn(), *command, folder=tmp_path)
    assert ended.code == 2 and len(ended.err.splitlines()) == 1
    shown = Path(name).parts[0] if name.endswith("oracle.json") else name
    assert f"{tmp_path}/search/{shown}" in ended.err and "is damaged: Expecting" in ended.err
    assert what_to_do in ended.err


def test_a_search_goes_on_without_its_damaged_description(tmp_path):
    _, _, trials = searched(tmp_path, 2, StandIn())
    (tmp_path / "search.json").unlink()
    assert searched(tmp_path, 2, StandIn(fails=lambda number: True))[2] == trials


def test_the_command_of_the_best_has_the_recipe_s_own_flags(tmp_path):
    given = ["--num_labels=20", "--label_seed=3", "--jit=off"]
    command = ("--recipe=semi_supervised", "--trials=1", *given)
    ended = commanded(StandIn(), *command, folder=tmp_path)
    assert ended.code == 0, ended.err
    words = ended.out.splitlines()[-1].split()
    assert words[:2] == ["python", "recipes/semi_supervised.py"]
    assert sorted(words[2:-1]) == sorted(given)
    assert words[-1].startswith("--set=learning_rate=")


def test_trials_have_the_devices_and_the_saving_that_were_asked_for(tmp_path):
    given = ["--strategy=one", "--replicas=1", "--checkpoint_every_steps=7"]
    given += ["--checkpoint_every_minutes=2.5", "--keep_checkpoints=4"]
    first = Ending(EXIT_CODE, lambda number: True, begins=True)
    assert commanded(first, *given, "--trials=1", folder=tmp_path).code == EXIT_CODE
    resuming = Resuming()
    ended = commanded(resuming, *given, "--trials=1", folder=tmp_path)
    assert ended.code == 0, ended.err
    assert first.calls[0][1:6] == given
    assert resuming.calls[0][1:] == [*given, "--resume"]
    assert set(given) < set(ended.out.splitlines()[-1].split())


@pytest.fixture
def one_of_two_workers(monkeypatch):
    """An environment that names another worker."""
    cluster = {"worker": ["one.example:2222", "two.example:2222"]}
    task = {"type": "worker", "index": 0}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))


@pytest.mark.usefixtures("one_of_two_workers")
def test_a_search_by_itself_does_not_look_for_workers(tmp_path):
    ended = commanded(StandIn(), "--strategy=one", "--trials=1", folder=tmp_path)
    assert ended.code == 0, ended.err


@pytest.mark.usefixtures("one_of_two_workers")
@pytest.mark.parametrize(
    ("strategy", "received"),
    [
        ("multiworker", "--strategy=multiworker"),
        ("auto", "--strategy=auto and a TF_CONFIG of several workers"),
    ],
)
def test_a_search_takes_no_other_workers(tmp_path, strategy, received):
    ended = commanded(StandIn(), f"--strategy={strategy}", folder=tmp_path)
    assert ended.code == 2
    assert f"use --strategy=one or mirrored. Received: {received}" in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_no_pictures_are_refused_at_once(tmp_path, data_dir):
    command = (f"--dataset=folder:{tmp_path}/nopics", "--trials=2")
    for _ in range(2):
        ended = run_recipe("tune", *command, folder=tmp_path, data_dir=data_dir)
        assert ended.code == 2
        assert "a trial was refused: vanilla_mnist.py: error: " in ended.err
        assert f"{tmp_path}/nopics" in ended.err
    assert not list(tmp_path.rglob("trials/*"))


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
