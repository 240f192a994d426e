"""What a run of several workers or replicas needs: who writes, who waits, and what a loss ends."""

import contextlib
import os
import sys
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from zoo.common.distribution import has_workers, is_chief
from zoo.common.messages import counted, first_line
from zoo.runs.progress import HistoryFile
from zoo.runs.signals import EXIT_CODE, StopOnSignal
from zoo.runs.stopping import StopOnNonFinite, StopOnQuality

# How TensorFlow says that a worker is gone, by when it finds out.
_LOSSES = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
# What decides when training ends, and so must decide it on each worker.
_OF_EACH_WORKER = (StopOnNonFinite, StopOnQuality, StopOnSignal, HistoryFile)


def callbacks_of(
    strategy: tf.distribute.Strategy, callbacks: Sequence[keras.callbacks.Callback]
) -> list[keras.callbacks.Callback]:
    """Returns those that this worker needs: all of the chief's, or those that may end training.

    Args:
        strategy: of the model.
        callbacks: of a run; a worker other than the chief should give its `HistoryFile` no path.
    """
    if is_chief(strategy):
        return list(callbacks)
    return [callback for callback in callbacks if isinstance(callback, _OF_EACH_WORKER)]


class ReplicaCount:
    """Says at a resume on another number of replicas what differs; a state of `RunCheckpoint`.

    Args:
        strategy: of the model.
    """

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self.number = strategy.num_replicas_in_sync
        self._speaks = is_chief(strategy)

    def save_state(self, folder: Path) -> dict[str, Any]:
        """Returns the number, ready for JSON."""
        return {"number": self.number}

    def restore_state(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Compares it with what `save_state` returned."""
        if self._speaks and state["number"] != self.number:
            print(
                f"Resumed on {counted(self.number, 'replica')}, trained so far on "
                f"{state['number']}: images, latents, losses and pools go on as they would have, "
                "but for rounding; layers of noise and dropout, and groups of images within a "
                "layer, draw otherwise.",
                file=sys.stderr,
            )


@contextlib.contextmanager
def ending_with_the_others(strategy: tf.distribute.Strategy, advice: str) -> Iterator[None]:
    """Ends this process with code 75 if another worker is gone, which takes about 16 s to show.

    Args:
        strategy: of the model; nothing is done but for one of several workers.
        advice: what to do, a sentence.
    """
    try:
        yield
    except _LOSSES as error:
        if not has_workers(strategy):
            raise
        _end_at_once(f"another worker is gone ({first_line(error)[:200]}). {advice}")


def _end_at_once(message: str) -> typing.NoReturn:
    # TensorFlow would wait for the lost worker once more when Python ends.
    print(f"{Path(sys.argv[0]).name}: {message}", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(EXIT_CODE)
