"""What a run of several workers keeps on each of them, says at a resume, and ends by."""

import os
import subprocess
import sys

import pytest
import tensorflow as tf

from zoo.runs import ProgressBar, StopOnNonFinite, StopOnQuality, workers
from zoo.runs.workers import ReplicaCount, callbacks_of, ending_with_the_others

ONE = tf.distribute.get_strategy()


def test_who_does_not_write_keeps_what_may_end_training(monkeypatch):
    stops = [StopOnNonFinite(), StopOnQuality("val_error", 3)]
    callbacks = [*stops, ProgressBar(1)]
    assert callbacks_of(ONE, callbacks) == callbacks
    monkeypatch.setattr(workers, "is_chief", lambda strategy: False)
    assert callbacks_of(ONE, callbacks) == stops


def test_another_number_of_replicas_is_told(tmp_path, capsys, two_replicas):
    one, two = ReplicaCount(ONE), ReplicaCount(two_replicas)
    two.restore_state(tmp_path, two.save_state(tmp_path))
    assert capsys.readouterr().err == ""
    two.restore_state(tmp_path, one.save_state(tmp_path))
    assert capsys.readouterr().err.startswith("Resumed on 2 replicas, trained so far on 1: ")


def test_without_other_workers_an_error_is_what_it_was():
    with pytest.raises(tf.errors.UnavailableError), ending_with_the_others(ONE, "Restart."):
        raise tf.errors.UnavailableError(None, None, "no disk")


LOST = """
import tensorflow as tf
from zoo.runs import workers
workers.has_workers = lambda strategy: True
with workers.ending_with_the_others(None, "Restart all."):
    raise tf.errors.UnavailableError(None, None, "Connection reset by peer\\nand more")
"""


@pytest.mark.slow
def test_where_another_worker_is_gone_the_process_ends_with_one_line_and_its_code():
    ended = subprocess.run(
        [sys.executable, "-c", LOST],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 75
    line = ended.stderr.strip().splitlines()[-1]
    assert line == "-c: another worker is gone (Connection reset by peer). Restart all."
