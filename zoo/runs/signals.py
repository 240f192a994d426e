"""A callback that ends a training, saved, when the system or the user asks for its end."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from tqdm import tqdm

from zoo.runs.training_state import steps_done

# EX_TEMPFAIL of sysexits.h: not done, and worth another try.
EXIT_CODE = 75


class StopOnSignal(keras.callbacks.Callback):
    """Finishes the step at SIGTERM or SIGINT, saves, says how to go on and exits with code 75.

        save = RunCheckpoint("checkpoints")
        model.fit(..., callbacks=[save, StopOnSignal(save.save, "python train.py")])

    `fit` ends by `SystemExit`, since Keras would otherwise validate, and take what there is of the
    epoch for the whole. A signal between an epoch's last step and its end has it finish its
    validation first, and be saved with it. A second signal ends the process at once, as it would
    without this callback; what was saved before is whole then too. Place it last.

    Args:
        save: saves the run between two steps and returns where, or None where nothing can be saved
            before the epoch's end, which is then awaited; `RunCheckpoint.save` for example.
        advice: what to do to go on, for the message. Defaults to "", none.
        signals: which to listen to. Defaults to SIGTERM and SIGINT, that of Ctrl-C.

    Raises:
        ValueError: when training begins, if that is not in the main thread of the process, the
            only one that Python tells of signals.
        SystemExit: in training, with code 75, when it is saved.
    """

    def __init__(
        self,
        save: Callable[[], os.PathLike[str] | str | None],
        advice: str = "",
        signals: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGINT),
    ) -> None:
        super().__init__()
        self.advice = advice
        self.signals = tuple(signals)
        self._save = save
        self._received: signal.Signals | None = None
        self._earlier: dict[signal.Signals, Any] = {}

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise ValueError(
                "Python tells only its main thread of signals; train there, or without "
                f"StopOnSignal. Received: fit() in {threading.current_thread().name}"
            )
        self._received = None
        # What a shell has its background jobs ignore stays ignored.
        heard = [each for each in self.signals if signal.getsignal(each) is not signal.SIG_IGN]
        self._earlier = {each: signal.signal(each, self._note) for each in heard}

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        self._leave_if_asked()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._leave_if_asked()

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        self.release()
        if self._received is not None:
            # Nothing could be saved, or need be: the signal does what it does without this.
            os.kill(os.getpid(), self._received)

    def release(self) -> None:
        """Gives signals back to who had them; for a training that ends by an exception."""
        for each, handler in self._earlier.items():
            signal.signal(each, handler)
        self._earlier = {}

    def _note(self, number: int, frame: Any) -> None:
        self._received = signal.Signals(number)
        # The next one ends the process even while TensorFlow runs and Python does not.
        for each in self._earlier:
            signal.signal(each, signal.SIG_DFL)
        with contextlib.suppress(RuntimeError):  # in the midst of another line
            _tell(f"{self._received.name}: finishing the step and saving; another ends at once.")

    def _leave_if_asked(self) -> None:
        if self._received is None:
            return
        path = self._save()
        if path is None:
            return
        go_on = f" Go on with: {self.advice}" if self.advice else ""
        _tell(
            f"{self._received.name}: stopped at step {steps_done(self.model)}, saved in {path}."
            f"{go_on}"
        )
        self.release()
        raise SystemExit(EXIT_CODE)


def _tell(message: str) -> None:
    # A progress bar would share its line otherwise.
    tqdm.write(message, file=sys.stderr)
