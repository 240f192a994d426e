"""Recipes on data of known modes: what they are fed, on what they are scored, and what is told."""

import dataclasses

import numpy as np
import pytest

from recipes import mode_lab
from recipes.common.family import largest_divisor
from recipes.common.modes import ModesData, in_colours


def data_of(dataset: str = "ring", **changes) -> ModesData:
    values = dataclasses.replace(mode_lab.preset("quick", dataset), **changes)
    mode_lab.RECIPE.check(values)
    return ModesData(values)


def test_the_largest_divisor_is_found():
    assert [largest_divisor(number, 250) for number in (2500, 2600, 7, 503)] == [250, 200, 7, 1]


def test_a_batch_holds_the_packs_of_all_steps():
    data = data_of(batch_size=8, packing=3, discriminator_steps=2)
    (batch,) = data.train_from(0).take(1)
    assert batch.shape == (48, 2)


def test_a_run_goes_on_with_the_batch_of_its_step():
    data = data_of(batch_size=4, seed=5)
    batches = list(data.train_from(0).take(3).as_numpy_iterator())
    np.testing.assert_array_equal(next(iter(data.train_from(2))), batches[2])
    assert not np.array_equal(next(iter(data_of(batch_size=4, seed=6).train_from(0))), batches[0])


def test_as_many_samples_are_scored_as_asked_for_and_the_same_whatever_the_seed():
    def tested(**changes) -> np.ndarray:
        return np.concatenate(list(data_of(num_samples=1001, **changes).test.as_numpy_iterator()))

    assert len(tested()) == 1001
    np.testing.assert_array_equal(tested(), tested(seed=1))


def test_many_steps_are_taken_in_one_call_but_not_by_replicas(two_replicas):
    assert data_of().compile_arguments()["steps_per_execution"] == 50
    assert data_of(smoke=True).compile_arguments()["steps_per_execution"] == 3
    with two_replicas.scope():
        assert "steps_per_execution" not in data_of().compile_arguments()


def test_the_protocol_names_data_numbers_and_what_counts():
    protocol = data_of("grid", num_samples=500).protocol()
    assert protocol.startswith("500 generated points of a grid of 25 modes; of high quality within")
    assert data_of("grid").fingerprint != data_of("ring").fingerprint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "mnist"}, "dataset must be one of ring, grid, two_digits, three_digits"),
        ({"num_samples": 0}, "num_samples must be positive. Received: 0"),
        ({"steps_per_epoch": 0}, "steps_per_epoch must be positive"),
        ({"packing": 0}, "packing must be positive"),
        ({"penalty": "r3"}, "penalty must be one of none, r1, .* Received: 'r3'"),
        ({"architecture": "deep"}, "architecture must be one of plain, published"),
        ({"replay_size": -1}, "replay_size must be 0 or more"),
        ({"objective": "wgan"}, "objective must be one of non_saturating, "),
    ],
)
def test_values_that_no_later_stage_would_name_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        data_of(**changes)


def test_stacks_are_shown_in_red_green_and_blue():
    stacks = np.array([[[[0.5, -0.25]]]])
    assert in_colours(stacks).tolist() == [[[[0.5, -0.25, -1.0]]]]
    assert in_colours(np.zeros((1, 1, 1, 3))).tolist() == [[[[0.0, 0.0, 0.0]]]]
