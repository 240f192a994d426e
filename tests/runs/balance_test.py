"""What is said of a game that the discriminator has won."""

import pytest

from zoo.runs.balance import DiscriminatorWinNotice


def told(scores: list[float | None], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What is said of epochs with these scores; `None` for a log that is not there."""
    notice = DiscriminatorWinNotice()
    notice.on_train_begin()
    for epoch, score in enumerate(scores):
        notice.on_epoch_end(epoch, {} if score is None else {"generated_score": score})
    return capsys.readouterr().err.splitlines()


def test_tells_once_and_since_when(capsys):
    (line,) = told([0.3, 0.004, 0.002, 0.001, 0.2, 0.001, 0.001], capsys)
    assert line.startswith("The discriminator has won: since epoch 2 it takes 0.2% of the gen")


@pytest.mark.parametrize("scores", [[0.3, 0.06, 0.2], [0.3, 0.001, 0.3, 0.001], [None, None, None]])
def test_says_nothing_of_a_game_in_balance_of_one_bad_epoch_or_without_a_score(scores, capsys):
    assert told(scores, capsys) == []
