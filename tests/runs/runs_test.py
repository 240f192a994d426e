"""All callbacks together, in the order that the package tells."""

from pathlib import Path

import numpy as np
import pytest

from tests.runs.two_players import make_images, make_model
from zoo import runs
from zoo.runs import (
    HistoryFile,
    PlayersTensorBoard,
    ProgressBar,
    RunCheckpoint,
    SampleGrid,
    StopOnNonFinite,
    StopOnQuality,
    read_history,
)


def run(folder: Path, epochs: int, resume: bool = False, poison: int = -1):
    """What a recipe does: everything on, from the newest checkpoint if asked."""
    model = make_model(poison=poison)
    quality = StopOnQuality("val_error", patience=5)
    first_epoch, rows = 0, []
    if resume:
        state = RunCheckpoint.restore(model, folder / "checkpoints", {"quality": quality})
        first_epoch, rows = state.epoch, state.history
    images = make_images()
    samples = SampleGrid(folder / "samples", num_images=4)
    history = HistoryFile(folder / "history.csv", rows)
    stop = StopOnNonFinite()
    model.fit(
        images,
        epochs=epochs,
        initial_epoch=first_epoch,
        validation_data=images,
        verbose=0,
        callbacks=[
            stop,
            samples,
            PlayersTensorBoard(folder / "board", samples=samples, batch_spec=images.element_spec),
            quality,
            history,
            RunCheckpoint(folder / "checkpoints", history=history, states={"quality": quality}),
            ProgressBar(epochs),
        ],
    )
    return model, stop


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    (tmp_path / "whole").mkdir()
    (tmp_path / "broken").mkdir()
    return tmp_path


def test_interrupted_and_resumed_leaves_the_same(made: Path) -> None:
    whole, _ = run(made / "whole", 4)
    run(made / "broken", 2)
    resumed, _ = run(made / "broken", 4, resume=True)
    for left, right in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    assert contents(made / "whole" / "samples") == contents(made / "broken" / "samples")
    assert read_history(made / "whole" / "history.csv") == read_history(
        made / "broken" / "history.csv"
    )


def test_nothing_is_kept_of_a_broken_epoch(made: Path) -> None:
    _, stop = run(made / "whole", 4, poison=12)
    assert "quiet_log" in stop.stop_reason
    assert [row["epoch"] for row in read_history(made / "whole" / "history.csv")] == [1, 2]
    assert RunCheckpoint.latest(made / "whole" / "checkpoints").name == "epoch-0002"
    assert "epoch-0003.png" not in contents(made / "whole" / "samples")


def test_public_names_exist() -> None:
    assert all(hasattr(runs, name) for name in runs.__all__)
