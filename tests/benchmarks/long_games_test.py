"""Long games of the semi-supervised GAN: what is played, its record, table and picture."""

import json
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest

from benchmarks import long_games
from benchmarks.long_games import FOLDER, Game, draw, long_table, play, read_games
from benchmarks.pages import REPOSITORY


def played(seed: int, error: float, optimizer: str = "root_epsilon") -> dict[str, Any]:
    points = [
        {
            "epochs": epochs,
            "steps": 78 * epochs,
            "test_error": error + epochs / 1e5,
            "generated_score": 0.2,
            "generator_loss": 1.5,
        }
        for epochs in (50, 100, 200)
    ]
    game = {"dataset": "mnist_small", "num_labels": 100, "seed": seed, "optimizer": optimizer}
    return {"game": game | {"epochs": 200}, "points": points}


@pytest.fixture
def quick_points(monkeypatch) -> None:
    monkeypatch.setattr(long_games, "_EPOCHS_A_POINT", 1)
    monkeypatch.setattr(long_games, "BATCH_SIZE", 650)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_points")
@pytest.mark.parametrize("optimizer", ["root_epsilon", "adam"])
def test_a_game_gives_a_point_for_all_its_steps(optimizer: str) -> None:
    result = play(Game(epochs=2, optimizer=optimizer))
    assert [(point["epochs"], point["steps"]) for point in result["points"]] == [(1, 6), (2, 12)]
    assert all(0 < point["test_error"] < 1 for point in result["points"])
    assert result["points"][0]["generator_loss"] > 0
    assert result["devices"]
    json.dumps(result)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"optimizer": "sgd"}, "root_epsilon, adam.*'sgd'"), ({"epochs": 15}, "multiple of 10.*15")],
)
def test_games_that_can_not_be_played_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Game(**changes)


def test_table_has_a_row_a_kind_of_game() -> None:
    games = [played(0, 0.05), played(1, 0.07), played(0, 0.1, "adam")]
    rows = [[c.strip() for c in row.split("|")[1:-1]] for row in long_table(games).splitlines()]
    assert rows[2][:5] == [
        "mnist_small, 100 labels",
        "ε inside the root",
        "2",
        "6.1 ± 1.4 %",
        "6.2 ± 1.4 %",
    ]
    assert rows[3][1:4] == ["Keras's Adam", "1", "10.1 %"]
    assert rows[2][5:7] == ["–", "–"]
    assert long_table([]) == "No game is recorded yet."


def test_picture_is_drawn(tmp_path: Path) -> None:
    draw([played(0, 0.05), played(1, 0.07)], tmp_path / "images" / "long.png")
    assert matplotlib.image.imread(tmp_path / "images" / "long.png").std() > 0


def test_the_games_kept_are_all_of_one_length_and_on_one_state_of_the_data() -> None:
    games = read_games(FOLDER)
    assert len({each["dataset_fingerprint"] for each in games}) == 1
    assert {each["game"]["epochs"] for each in games} == {800}
    for each in games:
        assert [point["epochs"] for point in each["points"]] == list(range(10, 801, 10))
    assert (REPOSITORY / "docs" / "images" / "semi_supervised_long.png").exists()
