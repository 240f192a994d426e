"""Kills one of two workers that train a recipe, and looks at what the other makes of it."""

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import h5py

from benchmarks.free_ports import free_ports
from benchmarks.pages import REPOSITORY
from zoo.runs import RunCheckpoint

# Epochs of a few steps each; one worker is killed after so many of them, and up to so many seconds.
EPOCHS = 20
LOST_AFTER_EPOCHS = 3
LONGEST_WAIT = 0.4


def lost_workers(root: Path, count: int) -> Iterator[tuple[str, str]]:
    """Kills a worker so many times, now the chief and now the other.

    Args:
        root: where the runs go.
        count: of kills.

    Yields:
        The one row of the table: what was done, and what was seen.

    Raises:
        RuntimeError: if workers end that nobody killed.
    """
    unbroken = root / "unbroken_workers"
    codes = [worker.wait() for worker in _start_workers(unbroken)]
    if any(codes):
        told = "".join(Path(f"{unbroken}-{each}.log").read_text()[-2000:] for each in range(2))
        raise RuntimeError(f"two workers ended with codes {codes}:\n{told}")
    expected = _digests_of_arrays(unbroken)
    seconds, codes, resumed, same = [], set(), 0, 0
    draw = random.Random(2)
    for number in range(count):
        folder = root / f"lost_{number}"
        workers = _start_workers(folder)
        _wait_for_epoch(folder, LOST_AFTER_EPOCHS, workers)
        time.sleep(draw.uniform(0.0, LONGEST_WAIT))
        lost, left = workers if number % 2 == 0 else reversed(workers)
        lost.kill()
        begin = time.monotonic()
        codes.add(left.wait())
        seconds.append(time.monotonic() - begin)
        print(f"a worker lost: the other ended after {seconds[-1]:.1f} s", flush=True)
        resumed += not any([worker.wait() for worker in _start_workers(folder, "--resume")])
        same += _digests_of_arrays(folder) == expected
    yield (
        f"one of two workers killed, {count} times, in turn the chief and the other",
        f"the one left ended with {', '.join(f'code {code}' for code in sorted(codes))} after "
        f"{min(seconds):.1f} to {max(seconds):.1f} s; both restarted with `--resume`: {resumed} of "
        f"{count} went on to the end, {same} with all state and `history.csv` of an unbroken run",
    )


def _start_workers(folder: Path, *arguments: str) -> list[subprocess.Popen[bytes]]:
    """Starts two workers of a recipe on this machine, in one run folder."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    command = [sys.executable, str(REPOSITORY / "recipes" / "vanilla_mnist.py"), *arguments]
    command += [f"--workdir={folder}"]
    if not arguments:
        command += ["--smoke", f"--epochs={EPOCHS}", "--strategy=multiworker"]
    workers = []
    for number in range(2):
        task = {"cluster": cluster, "task": {"type": "worker", "index": number}}
        with open(f"{folder}-{number}.log", "ab") as log:
            environment = os.environ | {"TF_CONFIG": json.dumps(task)}
            workers.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
    return workers


def _wait_for_epoch(folder: Path, epoch: int, workers: list[subprocess.Popen[bytes]]) -> None:
    """Waits until a checkpoint of that epoch, or a later one, is there."""
    while all(worker.poll() is None for worker in workers):
        newest = RunCheckpoint.latest(folder / "checkpoints")
        if newest is not None and int(newest.name.split("-")[1]) >= epoch:
            return
        time.sleep(0.02)
    raise RuntimeError(f"a worker ended before it was killed; see {folder}-0.log")


def _digests_of_arrays(folder: Path) -> list[str]:
    """Returns the digests of a run's history and of all arrays of its newest checkpoint."""
    found = [hashlib.sha256((folder / "history.csv").read_bytes()).hexdigest()]

    def add(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            found.append(f"{name} {hashlib.sha256(item[()].tobytes()).hexdigest()}")

    newest = RunCheckpoint.latest(folder / "checkpoints")
    for file in sorted(newest.glob("*.h5")):
        with h5py.File(file) as arrays:
            arrays.visititems(add)
    return found
