"""Small words of which messages are made."""

import os
import re
from collections.abc import Iterable


def counted(number: int, noun: str) -> str:
    """Returns "1 file" or "2,000 files"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(names: Iterable[str], last: str = ", ") -> str:
    """Writes names in quotes, one after the other, with `last` before the last."""
    quoted = [repr(name) for name in names]
    if len(quoted) < 2:
        return "".join(quoted) or "none"
    return ", ".join(quoted[:-1]) + last + quoted[-1]


def first_line(error: Exception) -> str:
    """Gives what a message of many lines begins with, without the operations TensorFlow names.

    An error without a message gives its type's name.
    """
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return re.sub(r"\{\{[^}]*\}\} *| *\[Op:[^]]*\].*", "", line)


def printable(path: str) -> str:
    """Shows the bytes of a name that are not UTF-8 as \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
