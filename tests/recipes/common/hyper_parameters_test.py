"""What recipes' hyper-parameters have in common: presets, optimizers, and what is refused."""

import dataclasses
from typing import ClassVar

import keras
import pytest

from recipes.common.hyper_parameters import (
    WithAdam,
    WithAdamOrSgd,
    WithAugmentation,
    WithBothBetas,
    WithObjective,
    WithRootEpsilonAdam,
    sourced,
)
from zoo.common import objectives, schedules


@dataclasses.dataclass(frozen=True, kw_only=True)
class OfThree(WithBothBetas):
    """Those of a model of three players, of which the critic takes several steps."""

    dataset: str = sourced("digits", "a paper")
    epochs: int = sourced(4, "a paper", quick=2)
    batch_size: int = sourced(8, "a paper")
    generator_learning_rate: float = sourced(0.1, "a paper")
    critic_learning_rate: float = sourced(0.2, "a paper")
    critic_steps: int = sourced(5, "a paper")
    encoder_learning_rate: float = sourced(0.3, "a paper", quick=None)
    learning_rate_schedule: str = sourced("exponential", "a paper")
    learning_rate_decay: float = sourced(0.5, "a paper")
    adam_beta_1: float = sourced(0.25, "a paper")
    adam_beta_2: float = sourced(0.75, "a paper")
    average_decay: float = sourced(0.0, "a paper")

    further_schedules: ClassVar = {"salimans": schedules.salimans_decay}
    cut_for: ClassVar = ("critic_steps",)


def rate_after(optimizer: keras.optimizers.Optimizer, steps: int) -> float:
    """The learning rate of the step after that many."""
    optimizer.iterations.assign(steps)
    return float(optimizer.learning_rate)


def test_a_batch_has_an_image_for_each_part_that_it_is_cut_into():
    OfThree(batch_size=5).check()
    with pytest.raises(ValueError, match="each of the critic_steps. Received: batch_size=4"):
        OfThree(batch_size=4).check()


@pytest.mark.parametrize(
    ("player", "rate", "steps"), [("generator", 0.1, 1), ("critic", 0.2, 5), ("encoder", 0.3, 1)]
)
def test_each_player_has_its_own_rate_which_falls_by_its_own_steps(player, rate, steps):
    optimizer = OfThree().optimizer_of(player, steps_per_epoch=10)
    assert (optimizer.beta_1, optimizer.beta_2) == (0.25, 0.75)
    assert rate_after(optimizer, 0) == pytest.approx(rate)
    assert rate_after(optimizer, 10 * steps) == pytest.approx(rate / 2)


def test_constant_rate_stays():
    optimizer = OfThree(learning_rate_schedule="constant").optimizer_of("critic", 10)
    assert rate_after(optimizer, 1000) == pytest.approx(0.2)


def test_a_schedule_of_the_recipe_s_own_knows_the_length_of_the_run():
    optimizer = OfThree(learning_rate_schedule="salimans").optimizer_of("generator", 10)
    assert rate_after(optimizer, 20) == pytest.approx(0.1)
    assert rate_after(optimizer, 40) == pytest.approx(0.0, abs=1e-9)


def test_quick_has_its_own_numbers_and_keeps_the_others():
    changed = OfThree(batch_size=3)
    expected = {"epochs": 2, "encoder_learning_rate": None, "batch_size": 3}
    assert dataclasses.asdict(changed.quick()) == dataclasses.asdict(changed) | expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder_learning_rate": 0}, "encoder_learning_rate must be positive. Received: 0"),
        ({"adam_beta_2": 1.0}, "adam_beta_2 must be at least 0 and below 1. Received: 1.0"),
        ({"adam_beta_1": -0.1}, "adam_beta_1 must be at least 0 and below 1. Received: -0.1"),
        (
            {"learning_rate_schedule": "cyclegan"},
            "learning_rate_schedule must be one of constant, exponential, salimans. "
            "Received: 'cyclegan'",
        ),
    ],
)
def test_refuses_what_no_later_stage_would_name(changes, message):
    OfThree().check()
    with pytest.raises(ValueError) as raised:
        OfThree(**changes).check()
    assert str(raised.value) == message


def test_what_a_recipe_lacks_is_not_asked_of_it():
    names = {field.name for field in dataclasses.fields(OfThree)}
    assert not names & {"objective", "label_smoothing", "optimizer", "early_stopping_patience"}
    assert OfThree().compile_arguments() == {} and OfThree().patience is None


def test_a_value_without_a_paper_s_must_be_given():
    with pytest.raises(TypeError, match="missing .* required keyword-only arguments: 'dataset'"):

        @dataclasses.dataclass(frozen=True, kw_only=True)
        class Forgetful(WithAdam):
            """A recipe that names no values."""

        Forgetful()


def test_gradient_descent_is_chosen_by_name():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Either(WithAdamOrSgd):
        """One player, by either optimizer."""

        dataset: str = sourced("digits", "a paper")
        epochs: int = sourced(4, "a paper")
        batch_size: int = sourced(8, "a paper")
        optimizer: str = sourced("sgd", "a paper")
        learning_rate_schedule: str = sourced("constant", "a paper")
        momentum: float = sourced(0.5, "a paper")
        adam_beta_1: float = sourced(0.25, "a paper")
        average_decay: float = sourced(0.0, "a paper")

    sgd = Either().make_optimizer(0.1)
    assert isinstance(sgd, keras.optimizers.SGD) and sgd.momentum == 0.5
    assert isinstance(Either(optimizer="adam").make_optimizer(0.1), keras.optimizers.Adam)
    with pytest.raises(ValueError, match="optimizer must be one of adam, sgd. Received: 'lion'"):
        Either(optimizer="lion").check()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adversarial(OfThree, WithObjective):
    """The same players with an objective."""

    objective: str = sourced("non_saturating", "a paper")


@pytest.mark.parametrize("name", objectives.NAMES)
def test_every_objective_of_the_zoo_is_taken_by_its_name(name):
    changed = Adversarial(objective=name)
    changed.check()
    assert changed.compile_arguments()["objective"].name == name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"objective": "wgan"},
            "objective must be one of non_saturating, minimax, least_squares, wasserstein, hinge, "
            "boundary_seeking, f_kl, f_reverse_kl, f_pearson, f_hellinger, f_js, f_gan, "
            "relativistic, relativistic_average. Received: 'wgan'",
        ),
        (
            {"objective": "f_kl", "label_smoothing": 0.1},
            "The objective 'f_kl' takes no smoothed labels, for it has none to smooth: "
            "`label_smoothing` should be 0. Received: `label_smoothing=0.1`",
        ),
        (
            {"objective": "relativistic", "label_noise": 0.2},
            "The objective 'relativistic' compares real with generated images and has no labels: "
            "`label_smoothing` and `label_noise` should be 0. Received: `label_smoothing=0.0`, "
            "`label_noise=0.2`",
        ),
    ],
)
def test_refuses_an_objective_that_is_none_or_labels_that_it_has_not(changes, message):
    with pytest.raises(ValueError) as raised:
        Adversarial(**changes).check()
    assert str(raised.value) == message


def test_an_epsilon_inside_the_root_is_taken_and_checked():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class OfTheano(WithRootEpsilonAdam):
        """One player, by Adam."""

        dataset: str = sourced("digits", "a paper")
        epochs: int = sourced(4, "a paper")
        batch_size: int = sourced(8, "a paper")
        learning_rate_schedule: str = sourced("constant", "a paper")
        adam_beta_1: float = sourced(0.25, "a paper")
        adam_epsilon_root: float = sourced(1e-6, "a paper")
        average_decay: float = sourced(0.0, "a paper")

    optimizer = OfTheano().make_optimizer(0.1)
    assert (optimizer.beta_1, optimizer.epsilon_root) == (0.25, 1e-6)
    with pytest.raises(ValueError, match="adam_epsilon_root must be positive. Received: 0"):
        OfTheano(adam_epsilon_root=0.0).check()


# === Few images ===


@dataclasses.dataclass(frozen=True, kw_only=True)
class Changing(OfThree, WithAugmentation):
    """Those of a model whose discriminator may be shown changed images."""


@pytest.mark.parametrize(
    ("augmentation", "num_images", "chosen"),
    [
        ("auto", 1999, "colour,shift,cutout"),
        ("auto", 2000, ""),
        ("none", 100, ""),
        ("shift", 100, "shift"),
        ("shift", 20_000, "shift"),
    ],
)
def test_few_images_are_changed_by_themselves_and_it_is_said(
    augmentation, num_images, chosen, capsys
):
    values = Changing(augmentation=augmentation)
    values.check()
    assert values.model_arguments(num_images)["augmentation"] == chosen
    said = capsys.readouterr().err
    if augmentation == "auto" and chosen:
        assert "1,999 images to train on are few" in said and f"augmentation={chosen}" in said
    else:
        assert not said


def test_changes_that_there_are_not_are_refused():
    with pytest.raises(
        ValueError, match="auto, none or some of colour, shift, cutout,.*'shift,blur'"
    ):
        Changing(augmentation="shift,blur").check()
