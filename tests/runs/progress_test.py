"""The history file and the progress bar."""

import io
from pathlib import Path

import pytest

from tests.runs.two_players import make_images, make_model
from zoo.runs.progress import HistoryFile, ProgressBar, read_history, write_history
from zoo.runs.stopping import StopOnNonFinite


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def fit(callbacks: list, epochs: int = 3, images=None, validation=None, **options) -> dict:
    images = make_images() if images is None else images
    return (
        make_model(**options)
        .fit(images, epochs=epochs, validation_data=validation, verbose=0, callbacks=callbacks)
        .history
    )


def test_history_holds_every_log(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    history = fit([HistoryFile(path)], validation=make_images())
    rows = read_history(path)
    assert [(row["epoch"], row["step"]) for row in rows] == [(1, 5), (2, 10), (3, 15)]
    for name, values in history.items():
        assert [row[name] for row in rows] == values
    assert set(rows[0]) == {"epoch", "step", *history}


def test_columns_are_the_union(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    rows = [{"epoch": 1, "a": 0.1}, {"epoch": 2, "a": 1e-300, "val_b": 2.0}]
    write_history(path, rows)
    assert path.read_text() == "epoch,a,val_b\n1,0.1,\n2,1e-300,2.0\n"
    assert read_history(path) == rows


def test_resumed_history_drops_later_rows(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    fit([HistoryFile(path)])
    callback = HistoryFile(path, read_history(path), last_epoch=2)
    make_model().fit(make_images(), epochs=3, initial_epoch=2, verbose=0, callbacks=[callback])
    assert [row["epoch"] for row in read_history(path)] == [1, 2, 3]
    assert callback.rows == read_history(path)


def test_discarded_epoch_gets_no_row(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    fit([StopOnNonFinite(), HistoryFile(path)], poison=8)
    assert [row["epoch"] for row in read_history(path)] == [1]


def test_bar_on_a_terminal() -> None:
    stream = Terminal()
    fit([ProgressBar(3, stream=stream)], validation=make_images())
    last = stream.getvalue().replace("\r", "\n").strip().splitlines()[-1]
    assert "15/15" in last and "epoch 3/3" in last and last.startswith("epoch 3/3: 100%")
    assert "generator_loss=" in last and "val_error=" in last and "quiet_log" not in last


def test_bar_of_a_resumed_run_begins_where_it_stopped() -> None:
    stream = Terminal()
    model = make_model()
    model.fit(make_images(), epochs=1, verbose=0)
    bar = ProgressBar(3, stream=stream)
    model.fit(make_images(), epochs=3, initial_epoch=1, verbose=0, callbacks=[bar])
    assert "5/15" in stream.getvalue().replace("\r", "\n").splitlines()[1]
    assert "15/15" in stream.getvalue()


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_unknown_length_is_learnt_from_the_first_epoch() -> None:
    stream = Terminal()
    fit([ProgressBar(2, stream=stream)], epochs=2, images=make_images().filter(lambda _: True))
    assert "10/10" in stream.getvalue()


def test_ten_lines_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    fit([ProgressBar(20, stream=stream)], epochs=20, validation=make_images())
    lines = stream.getvalue().splitlines()
    assert [line.split(":")[0] for line in lines] == [f"{tenth}%" for tenth in range(10, 101, 10)]
    assert "\r" not in stream.getvalue()
    assert lines[-1].startswith("100%: epoch 20/20, step 100, generator_loss ")
    assert "val_error " in lines[-1] and lines[-1].endswith("0:00:00 left")


def test_lines_within_one_long_epoch() -> None:
    stream = io.StringIO()
    fit([ProgressBar(1, stream=stream)], epochs=1, images=make_images(40))
    steps = [line.split("step ")[1].split(",")[0] for line in stream.getvalue().splitlines()]
    assert steps == [str(step) for step in range(4, 41, 4)]


def test_lines_after_a_resume_go_on() -> None:
    stream, model = io.StringIO(), make_model()
    model.fit(make_images(), epochs=2, verbose=0)
    bar = ProgressBar(4, stream=stream)
    model.fit(make_images(), epochs=4, initial_epoch=2, verbose=0, callbacks=[bar])
    assert stream.getvalue().startswith("60%")


def test_writes_to_standard_error_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    fit([ProgressBar(1)], epochs=1)
    captured = capsys.readouterr()
    assert "100%: epoch 1/1, step 5" in captured.err and captured.out == ""
