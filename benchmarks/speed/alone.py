"""Calls in a process of their own, whose memory and first times are no one else's."""

import concurrent.futures
import multiprocessing
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")


def call_alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """Returns what a function of a module returns when a new Python calls it.

    Args:
        function: of a module, not of `__main__`'s local names.
        *arguments: of it; both they and what it returns can be pickled.
    """
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, spawn) as pool:
        return pool.submit(function, *arguments).result()


def peak_mb() -> float:
    """Returns the most memory that this process had so far, in 10⁶ bytes."""
    if _STATUS.exists():  # what resource knows begins with the parent's
        (line,) = [line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
