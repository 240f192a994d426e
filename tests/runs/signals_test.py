"""Signals: the step is finished, all is saved, and the process ends with a code of its own."""

import os
import signal
import threading
from pathlib import Path

import keras
import pytest

from tests.runs.two_players import make_images, make_model
from zoo.runs.checkpoints import RunCheckpoint
from zoo.runs.signals import EXIT_CODE, StopOnSignal
from zoo.runs.training_state import steps_done


class Send(keras.callbacks.Callback):
    """Sends this process a signal at a step, or at an event that the test names."""

    def __init__(self, number: int, at_step: int | None = None, event: str = "") -> None:
        super().__init__()
        self.number, self.at_step = number, at_step
        if event:
            setattr(self, event, lambda *arguments, **named: os.kill(os.getpid(), number))

    def on_train_batch_begin(self, batch, logs=None) -> None:
        if steps_done(self.model) + 1 == self.at_step:
            os.kill(os.getpid(), self.number)


@pytest.fixture(autouse=True)
def _handlers_are_given_back():
    # What a shell starts in the background ignores Ctrl-C.
    outside = signal.signal(signal.SIGINT, signal.default_int_handler)
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
    signal.signal(signal.SIGINT, outside)


def stopped(folder: Path, send: keras.callbacks.Callback, **options) -> RunCheckpoint:
    save = RunCheckpoint(folder)
    with pytest.raises(SystemExit) as ended:
        make_model().fit(
            make_images(),
            epochs=3,
            verbose=0,
            callbacks=[send, save, StopOnSignal(save.save, "python train.py --resume")],
            **options,
        )
    assert ended.value.code == EXIT_CODE == 75
    return save


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_step_is_finished_and_saved(tmp_path: Path, capsys, number) -> None:
    stopped(tmp_path, Send(number, at_step=7))
    saved = RunCheckpoint.latest(tmp_path)
    assert saved.name == "epoch-0001-step-0000007"
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"{number.name}: finishing the step and saving; another ends at once."
    assert second == (
        f"{number.name}: stopped at step 7, saved in {saved}. Go on with: python train.py --resume"
    )


@pytest.mark.parametrize("event", ["on_test_begin", "on_epoch_end"])
def test_an_epoch_that_has_its_steps_ends_first(tmp_path: Path, event: str) -> None:
    send = Send(signal.SIGTERM, event=event)
    stopped(tmp_path, send, validation_data=make_images(1))
    assert RunCheckpoint.latest(tmp_path).name == "epoch-0001"


def test_its_last_step_is_followed_by_its_end(tmp_path: Path) -> None:
    stopped(tmp_path, Send(signal.SIGTERM, at_step=5))
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-0001"]


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    seen = []

    class LookAtHandlers(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None) -> None:
            seen.append([signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)])

    class Both(Send, LookAtHandlers):
        pass

    stopped(tmp_path, Both(signal.SIGINT, at_step=2))
    assert seen[1] == [signal.SIG_DFL, signal.SIG_DFL] != seen[0]


def test_without_a_signal_nothing_changes(tmp_path: Path) -> None:
    model = make_model()
    model.fit(make_images(), verbose=0, callbacks=[StopOnSignal(lambda: tmp_path)])
    assert steps_done(model) == 5


def test_what_is_ignored_stays_so(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        callbacks = [Send(signal.SIGINT, at_step=2), StopOnSignal(lambda: tmp_path)]
        make_model().fit(make_images(), verbose=0, callbacks=callbacks)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_signals_reach_the_main_thread_alone() -> None:
    errors = []

    def train() -> None:
        try:
            StopOnSignal(lambda: None).on_train_begin()
        except ValueError as error:
            errors.append(str(error))

    thread = threading.Thread(target=train, name="worker")
    thread.start()
    thread.join()
    assert "without StopOnSignal. Received: fit() in worker" in errors[0]
