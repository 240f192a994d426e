"""Commands that can't do what was asked end with one line."""

import sys

import numpy as np
import pytest
import tensorflow as tf

from zoo.common.command_errors import one_line_errors


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("first\n  second"), "first second"),
        (OSError(28, "disk is full"), "disk is full"),
        (RuntimeError("no network"), "no network"),
    ],
)
def test_error_becomes_one_line(capsys, monkeypatch, error, line):
    monkeypatch.setattr(sys, "argv", ["recipes/some.py"])
    with pytest.raises(SystemExit) as ended, one_line_errors():
        raise error
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"some.py: error: {line}\n"


TOO_LARGE = (10**8, 10**8)


def run_out_of_memory():
    """Says what `tf.zeros(TOO_LARGE)` does, but for ten seconds in which it waits for memory."""
    raise tf.errors.ResourceExhaustedError(
        None,
        None,
        "{{function_node __wrapped__Fill_device_/job:localhost/replica:0/task:0/device:CPU:0}} OOM "
        "when allocating tensor with shape[100000000,100000000] and type float on "
        "/job:localhost/replica:0/task:0/device:CPU:0 by allocator mklcpu [Op:Fill] name: ",
    )


@pytest.mark.parametrize(
    ("ask_for", "line"),
    [
        pytest.param(
            lambda: tf.zeros(TOO_LARGE),
            "Not enough memory for a tensor of shape [100000000,100000000] on CPU:0; smaller "
            "batches, images, networks or image pools need less.",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            tf.function(lambda: tf.random.uniform(TOO_LARGE), autograph=False),
            "Not enough memory for a tensor of shape [100000000,100000000] on CPU:0; smaller "
            "batches, images, networks or image pools need less.",
            marks=pytest.mark.slow,
        ),
        (
            run_out_of_memory,
            "Not enough memory for a tensor of shape [100000000,100000000] on CPU:0; smaller "
            "batches, images, networks or image pools need less.",
        ),
        (
            lambda: np.ones(TOO_LARGE),
            "Not enough memory; smaller batches, images, networks or image pools need less.",
        ),
        (
            lambda: tf.io.write_file("/dev/full", "x" * 100_000),
            "/dev/full; No space left on device",
        ),
    ],
)
def test_too_little_memory_or_disk_space_is_one_line(capsys, monkeypatch, ask_for, line):
    monkeypatch.setattr(sys, "argv", ["recipes/some.py"])
    with (
        pytest.raises(SystemExit) as ended,
        one_line_errors(KeyError),
        tf.device("CPU:0"),
    ):
        ask_for()
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"some.py: error: {line}\n"


def test_mistake_in_the_program_keeps_its_traceback():
    with pytest.raises(KeyError), one_line_errors():
        raise KeyError("name")
    with pytest.raises(ValueError), one_line_errors(OSError):
        raise ValueError("name")
