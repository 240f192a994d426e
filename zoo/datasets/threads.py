"""Work on many items side by side."""

import concurrent.futures
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
# Few enough that what waits to be taken needs little memory, many enough for a slow one to pass.
_LOOK_AHEAD = 512


def map_in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Gives `function` of each item, in order, with a thread for each core at work ahead."""
    threads = concurrent.futures.ThreadPoolExecutor(_num_cores())
    under_way: deque[concurrent.futures.Future[Result]] = deque()
    try:
        for item in items:
            under_way.append(threads.submit(function, item))
            if len(under_way) >= _LOOK_AHEAD:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        threads.shutdown(cancel_futures=True)


def _num_cores() -> int:
    """Counts the cores that this process may use, where the system tells."""
    can_tell = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if can_tell else os.cpu_count() or 1
