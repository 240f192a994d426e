"""What a run says of its length: few steps, and rates that soon are nothing."""

import dataclasses

import pytest

from recipes import face_generation, semi_supervised
from recipes.common.advice import FEW_STEPS, advice_on_length

FACES = face_generation.RECIPE.preset("quick", "folder:pictures")


def with_settings(advice: str, **known: float) -> dict[str, float]:
    """What the run would have that is typed as advised."""
    words = advice.replace("--epochs=", "epochs=").split()
    typed = dict(word.split("=") for word in words if "=" in word)
    return {name: type(value)(typed[name].rstrip(";")) for name, value in known.items()}


def test_a_hundred_images_are_told_how_many_epochs_and_what_decay_make_thousands_of_steps():
    advice = advice_on_length(FACES, steps_per_epoch=2)
    assert advice.startswith("10 epochs of 2 steps make 20 steps; ")
    assert "--set evaluate_every=125" in advice and advice.endswith("makes 5,000.")
    advised = with_settings(advice, epochs=10, learning_rate_decay=0.8)
    assert advised["epochs"] * 2 >= FEW_STEPS
    # The rates end where the preset's do, to the digits that are shown.
    end = advised["learning_rate_decay"] ** advised["epochs"]
    assert end == pytest.approx(0.8**10, rel=0.05)
    followed = dataclasses.replace(FACES, **advised)
    face_generation.RECIPE.check(followed)
    assert advice_on_length(followed, steps_per_epoch=2) is None


def test_more_epochs_at_the_presets_decay_are_told_what_their_last_rate_is():
    longer = dataclasses.replace(FACES, epochs=200)
    advice = advice_on_length(longer, steps_per_epoch=625)
    assert "learning_rate_decay=0.8 an epoch, in 200 epochs to 4e-20 of the first" in advice
    decay = with_settings(advice, learning_rate_decay=1.0)["learning_rate_decay"]
    assert decay**200 == pytest.approx(0.1, rel=0.01)
    assert advice_on_length(dataclasses.replace(longer, learning_rate_decay=decay), 625) is None


def test_who_follows_the_advice_on_steps_is_not_told_of_rates_that_are_nothing():
    longer = dataclasses.replace(FACES, epochs=300)  # which alone was taken of an advice
    advised = with_settings(advice_on_length(longer, 3), epochs=1, learning_rate_decay=1.0)
    assert advice_on_length(dataclasses.replace(longer, **advised), 3) is None


def test_a_run_that_goes_on_is_advised_a_new_one_for_its_schedule_can_not_be_changed():
    few, nothing = FACES, dataclasses.replace(FACES, epochs=200)
    for values, steps in ((few, 2), (nothing, 625)):
        first, resumed = (advice_on_length(values, steps, is_resumed=each) for each in (0, 1))
        assert "in a new run" not in first and "in a new run" in resumed
        assert resumed.replace(" in a new run", "") == first


def test_a_decay_that_is_not_in_use_is_no_matter():
    values = dataclasses.replace(
        FACES, learning_rate_schedule="constant", learning_rate_decay=1.5, epochs=2000
    )
    assert advice_on_length(values, steps_per_epoch=625) is None


def test_a_constant_rate_is_advised_no_decay():
    digits = dataclasses.replace(semi_supervised.RECIPE.preset("quick", "mnist_small"), epochs=2)
    advice = advice_on_length(digits, steps_per_epoch=78)
    assert "--epochs=65 --set evaluate_every=3 makes" in advice and "decay" not in advice
    assert advice_on_length(dataclasses.replace(digits, epochs=2000), 78) is None


def test_nothing_is_said_of_the_presets_own_length_nor_of_a_smoke_run():
    assert advice_on_length(FACES, steps_per_epoch=625) is None
    assert advice_on_length(dataclasses.replace(FACES, smoke=True), steps_per_epoch=1) is None
