"""The unrolled GAN's recipe, from the first flag to the last file."""

import dataclasses
import json
from pathlib import Path

import pytest
from PIL import Image

from recipes.unrolled import RECIPE, preset
from tests.recipes.command import run_recipe


@pytest.mark.slow
def test_stacks_are_made_and_their_modes_counted(tmp_path: Path, data_dir: Path):
    ended = run_recipe(
        "unrolled",
        *("--smoke", "--epochs=1", "--workdir=run", "--batch_size=4"),
        *("--set=num_samples=50", "--set=generator_filters=1", "--set=discriminator_filters=1"),
        "--set=unrolled_steps=1",
        folder=tmp_path,
        data_dir=data_dir,
    )
    assert ended.code == 0, ended.err
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert (results["num_modes"], results["num_samples"]) == (100, 50)
    assert "50 generated stacks of 2 digits, 100 modes" in results["protocol"]
    with Image.open(tmp_path / "run" / "samples" / "epoch-0001.png") as picture:
        assert (picture.mode, picture.size) == ("RGB", (8 * 28, 8 * 28))


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--dataset=ring", "dataset must be one of two_digits, three_digits. Received: 'ring'"),
        ("--set=unrolled_steps=-1", "unrolled_steps must be 0 or more. Received: -1"),
        ("--set=discriminator_filters=0", "discriminator_filters must be positive. Received: 0"),
    ],
)
def test_what_can_t_be_is_refused(tmp_path, argument, message):
    ended = run_recipe("unrolled", argument, folder=tmp_path, data_dir=tmp_path)
    assert ended.code == 2
    assert message in ended.err
    assert not list(tmp_path.iterdir())


def test_the_preset_paper_is_metz_et_al_s():
    values = preset("paper", "three_digits")
    assert (values.epochs * values.steps_per_epoch, values.batch_size) == (500_000, 128)
    assert (values.generator_filters, values.discriminator_filters) == (8, 4)
    assert (values.generator_learning_rate, values.discriminator_learning_rate) == (1e-4, 2e-4)
    assert (values.adam_beta_1, values.adam_beta_2, values.average_decay) == (0.5, 0.99, 0.0)


def test_a_batch_is_not_cut_for_steps_ahead():
    values = dataclasses.replace(preset("quick", "two_digits"), batch_size=4, unrolled_steps=10)
    RECIPE.check(values)


def test_a_published_number_belongs_to_its_steps_and_filters():
    values = dataclasses.asdict(preset("paper", "three_digits"))
    fitting = [each.value for each in RECIPE.reported if each.belongs_to(values)]
    assert fitting == ["1.66 (732.0 modes)"]
    quarter = values | {"discriminator_filters": 2, "unrolled_steps": 10}
    assert [e.value for e in RECIPE.reported if e.belongs_to(quarter)] == ["4.66 (327.2 modes)"]
