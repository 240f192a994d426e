"""How a command ends when it can't do what was asked: one line, and no traceback."""

import contextlib
import pathlib
import re
import sys
import typing
from collections.abc import Iterator

import tensorflow as tf

from zoo.common.messages import first_line


@contextlib.contextmanager
def one_line_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Ends the program with the message alone when something can't be used as asked.

    So it does, whatever the kinds, when TensorFlow or NumPy is refused memory, or TensorFlow disk
    space.

    Args:
        *kinds: the exceptions whose message says all that the user needs. Defaults to those of
            the checks before training: `ValueError`, `RuntimeError`, `OSError`.
    """
    kinds = kinds or (ValueError, RuntimeError, OSError)
    try:
        yield
    except kinds as error:
        message = re.sub(r"^\[Errno \d+\] ", "", str(error))
        end(2, f"error: {message}")
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        end(2, f"error: {_describe_exhaustion(error)}")


def _describe_exhaustion(error: tf.errors.ResourceExhaustedError | MemoryError) -> str:
    # TensorFlow's message quotes the program, and names the tensor in its midst.
    pattern = r"allocating tensor with shape(\[[\d,]*\]).*device:(\w+:\d+)"
    tensor = re.search(pattern, str(error))
    if not (tensor or isinstance(error, MemoryError) or re.search("OOM|[Mm]emory", str(error))):
        return first_line(error)  # a full disk
    what = f" for a tensor of shape {tensor[1]} on {tensor[2]}" if tensor else ""
    return f"Not enough memory{what}; smaller batches, images, networks or image pools need less."


def end(exit_code: int, message: str) -> typing.NoReturn:
    """Ends the program with one line on the standard error: its name and the message.

    Args:
        exit_code: of the process; 130 is an interruption, after which a progress bar is left.
        message: of any number of lines.
    """
    script = pathlib.Path(sys.argv[0]).name
    # A progress bar leaves the cursor at its end.
    start = "\n" if exit_code == 130 and sys.stderr.isatty() else ""
    print(f"{start}{script}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(exit_code)
