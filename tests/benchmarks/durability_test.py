"""What the looks at durability count, within this process; the page's place for their table."""

import pytest

from benchmarks import durability
from benchmarks.pages import REPOSITORY, replace_block


def test_the_page_has_a_place_for_the_table():
    page = (REPOSITORY / durability.PAGE).read_text(encoding="utf-8")
    table = durability.table([("a kill", "nothing lost")])
    made = replace_block(page, "durability", table, durability.PAGE, "benchmarks.durability")
    assert (
        "\n| what was done | what was seen |\n| :--- | :--- |\n| a kill | nothing lost |\n" in made
    )


def test_names_of_checkpoints_tell_their_step():
    assert durability.step_in("epoch-0002-step-0000085") == 85
    assert durability.step_in("epoch-0002") == 2 * durability.STEPS_PER_EPOCH


@pytest.mark.slow
def test_every_cut_and_flip_is_recognised_and_poison_stops_its_step(tmp_path, monkeypatch):
    monkeypatch.setattr(durability, "PARTS", 4)
    durability.train(tmp_path, 1)
    for damage in (durability._cut, durability._flip):
        found = durability.restore_damaged(str(tmp_path), damage)
        assert found == {"tried": 8, "recognised": 8, "older used": 8}
    (tmp_path / "poisoned").mkdir()
    found = durability.train_poisoned(str(tmp_path / "poisoned"), "the generator's loss")
    assert "non-finite log generator_loss = nan at step 8 in epoch 1" in found["reason"]
    assert (found["newest"], found["step"]) == ("epoch-0000-step-0000005", 5)
