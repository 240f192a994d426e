"""Kills, fills, cuts and poisons small trainings, and tells what is left of them.

    python -m benchmarks.durability

writes the table of docs/durability.md. Every training is that of one small game of dense networks,
with dropout and an average, in a process of its own, forked from this one before TensorFlow has
threads; but for lost workers, which are those of a recipe. `--only=kills --kills=20` looks anew at
that alone, and leaves the other rows as they are.
"""

from recipes.common import command_line  # first: it keeps TensorFlow's import quiet

# isort: split
import contextlib
import hashlib
import itertools
import json
import os
import random
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import flags
from keras import layers

import zoo
from benchmarks.lost_workers import LONGEST_WAIT, lost_workers
from benchmarks.pages import REPOSITORY, replace_block
from zoo.common.files import is_partial, write_atomically
from zoo.common.objectives import Objective
from zoo.runs import (
    CheckpointError,
    HistoryFile,
    RunCheckpoint,
    RunFolder,
    RunFolderError,
    StopOnNonFinite,
    StopOnSignal,
    fit_from,
)
from zoo.runs.training_state import state_variables, steps_done

PAGE = Path("docs", "durability.md")
FILE = Path(__file__).with_suffix(".json")
SHAPE = (8, 8, 1)
STEPS_PER_EPOCH = 40
SAVE_EVERY = 5
POISONED_STEP = 8
MEMORY_STEPS = 2000
PARTS = 16

Row = tuple[str, str]


# === The training ===


def images_from(step: int, poisoned_step: int | None = None) -> tf.data.Dataset:
    """Returns endless batches, each a function of its step."""

    def draw(number: tf.Tensor) -> tf.Tensor:
        images = tf.random.stateless_uniform((8, *SHAPE), [number, 0], -1.0, 1.0)
        if poisoned_step is not None:
            images += tf.where(tf.equal(number + 1, poisoned_step), np.nan, 0.0)
        return images

    return tf.data.Dataset.counter(step).map(draw)


def make_game(objective: str | Objective = "non_saturating") -> zoo.VanillaGAN:
    """Returns the game, with the same weights at every call."""
    keras.utils.set_random_seed(0)
    images = keras.Input(SHAPE)
    x = layers.LeakyReLU(0.2)(layers.Dense(32)(layers.Flatten()(images)))
    model = zoo.VanillaGAN(
        SHAPE,
        latent_dim=4,
        generator=keras.Sequential(
            [keras.Input((4,)), layers.Dense(32), layers.Dense(64), layers.Reshape(SHAPE)]
        ),
        discriminator=keras.Model(images, layers.Dense(1)(layers.Dropout(0.5)(x))),
        average_decay=0.99,
    )
    rates = {f"{player}_optimizer": keras.optimizers.Adam(1e-3) for player in model.players}
    model.compile(objective=objective, **rates)
    return model


class Announce(keras.callbacks.Callback):
    """Writes down what is saved, and that the first step is done."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.file = folder / "announced"

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        newest = RunCheckpoint.latest(self.file.parent / "checkpoints")
        # In one rename, but not synced, which would take longer than the step.
        partial = self.file.with_suffix(".partial")
        with contextlib.suppress(OSError):  # where the disk itself is what is looked at
            partial.write_text(newest.name if newest else "nothing")
            os.replace(partial, self.file)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.on_train_batch_end(0)


def train(
    folder: Path,
    epochs: int,
    model: zoo.VanillaGAN | None = None,
    poisoned_step: int | None = None,
    further: tuple[keras.callbacks.Callback, ...] = (),
    save_every: int = SAVE_EVERY,
    steps_per_epoch: int = STEPS_PER_EPOCH,
) -> StopOnNonFinite:
    """Trains on in a folder, from where it is; writes the digest of all state at the end."""
    model = model or make_game()
    checkpoints = folder / "checkpoints"
    state = RunCheckpoint.restore(model, checkpoints) if RunCheckpoint.latest(checkpoints) else None
    if state is not None:
        with contextlib.suppress(OSError):
            write_atomically(folder / "resumed", f"{state.step}")
    guard = StopOnNonFinite()
    history = HistoryFile(folder / "history.csv", state.history if state else ())
    save = RunCheckpoint(
        checkpoints, history=history, guard=guard, resumed=state, every_steps=save_every
    )
    fit_from(
        state,
        model,
        lambda step: images_from(step, poisoned_step),
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        callbacks=[guard, history, save, *further, Announce(folder), StopOnSignal(save.save)],
    )
    digest = hashlib.sha256()
    for variable in state_variables(model):
        digest.update(variable.numpy().tobytes())
    write_atomically(folder / "digest", digest.hexdigest())
    return guard


# === Processes ===


def start(log: Path, function: Callable[..., None], *arguments: Any) -> int:
    """Calls a function in a child, whose error output goes to `log`; returns its process number.

    This process must not have run anything of TensorFlow's, whose threads a child has not.
    """
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 2)
        function(*arguments)
        code = 0
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def ended(child: int) -> int:
    """Waits for a child; returns its code, or minus the number of the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run(log: Path, function: Callable[..., None], *arguments: Any) -> int:
    """Calls a function in a child and waits for it."""
    return ended(start(log, function, *arguments))


def answer_of(log: Path, function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function in a child; returns what it returned, as JSON holds it."""
    path = log.with_suffix(".json")

    def call() -> None:
        path.write_text(json.dumps(function(*arguments)))

    if run(log, call):
        raise RuntimeError(f"{function.__name__} failed:\n{log.read_text()}")
    return json.loads(path.read_text())


def wait_until_training(folder: Path, child: int) -> None:
    """Waits until a child has done a step in a folder, or is gone."""
    while not (folder / "announced").exists() and not os.waitid(
        os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT
    ):
        time.sleep(0.01)


def last_error(log: Path) -> str:
    """Returns the message of the last error that a child wrote, without its kind and number."""
    found = re.findall(r"^\w*(?:Error|Exception): (.*)", log.read_text(), re.MULTILINE)
    return re.sub(r"^\[Errno \d+\] ", "", found[-1]) if found else "no error told"


def step_in(name: str) -> int:
    """Returns the step that a checkpoint's name tells; 0 for "nothing"."""
    if name == "nothing":
        return 0
    _, epoch, *step = name.split("-")
    return int(step[1]) if step else int(epoch) * STEPS_PER_EPOCH


# === Looks ===


def kills(root: Path, count: int) -> Iterator[Row]:
    """Kills a training again and again, and lets it end."""
    epochs = max(3, count // 2)
    unbroken, killed = root / "unbroken", root / "killed"
    for folder in (unbroken, killed):
        folder.mkdir()
    if run(root / "unbroken.log", train, unbroken, epochs):
        raise RuntimeError((root / "unbroken.log").read_text())

    def resumed_at() -> int:
        path = killed / "resumed"
        return int(path.read_text()) if path.exists() else 0

    draw = random.Random(0)
    done = in_saves = lost = resumed = 0
    announced = None
    while done < count:
        for name in ("announced", "resumed"):
            (killed / name).unlink(missing_ok=True)
        child = start(root / "killed.log", train, killed, epochs)
        wait_until_training(killed, child)
        time.sleep(draw.uniform(0.0, LONGEST_WAIT))
        os.kill(child, signal.SIGKILL)
        code = ended(child)
        if announced is not None:
            resumed += 1
            lost += resumed_at() < step_in(announced)
        if code != -signal.SIGKILL:
            break
        done += 1
        announced = (killed / "announced").read_text()
        in_saves += any(map(is_partial, (killed / "checkpoints").glob(".*")))
        print(f"{done} kills, the last at {announced}", flush=True)
    else:
        (killed / "resumed").unlink(missing_ok=True)
        run(root / "killed.log", train, killed, epochs)
        resumed += 1
        lost += resumed_at() < step_in(announced)
    same = {
        name: (killed / name).read_bytes() == (unbroken / name).read_bytes()
        for name in ("digest", "history.csv")
    }
    yield (
        f"{done} SIGKILLs at random moments, {in_saves} of them within a save",
        f"resumed {resumed} of {resumed} times, {lost} times from an earlier step than that of the "
        f"last checkpoint announced; at the end weights and all other state "
        f"{_equal(same['digest'])} those of an unbroken run, `history.csv` "
        f"{_equal(same['history.csv'])} its own",
    )


def terms(root: Path, count: int) -> Iterator[Row]:
    """Asks trainings for their end."""
    seconds, codes, draw = [], set(), random.Random(1)
    folder = root / "terms"
    folder.mkdir()
    for _ in range(count):
        (folder / "announced").unlink(missing_ok=True)
        child = start(root / "terms.log", train, folder, 10**6)
        wait_until_training(folder, child)
        time.sleep(draw.uniform(0.0, LONGEST_WAIT))
        begin = time.monotonic()
        os.kill(child, signal.SIGTERM)
        codes.add(ended(child))
        seconds.append(time.monotonic() - begin)
        print(f"SIGTERM: {seconds[-1]:.2f} s", flush=True)
    yield (
        f"SIGTERM, {count} times",
        f"ended with {', '.join(f'code {code}' for code in sorted(codes))} after "
        f"{min(seconds):.2f} to {max(seconds):.2f} s, median {statistics.median(seconds):.2f} s",
    )


def disks(root: Path) -> Iterator[Row]:
    """Trains where the disk is full, where files are short, and where nothing can be written."""
    begun = root / "begun"
    begun.mkdir()
    run(root / "begun.log", train, begun, 1)
    size = sum(file.stat().st_size for file in begun.rglob("*") if file.is_file())
    with mounted(root / "full", f"size={size + 40_000}") as folder:
        if folder is None:
            print("no tmpfs can be mounted here; disk full and read-only are left out", flush=True)
        else:
            shutil.copytree(begun, folder, dirs_exist_ok=True)
            yield "disk full (a tmpfs)", _what_is_left(root, folder, begun, "full")
    with mounted(root / "read_only", "size=64m") as folder:
        if folder is not None:
            shutil.copytree(begun, folder, dirs_exist_ok=True)
            (folder / "run").mkdir()
            subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
            yield "a new run on a read-only mount", _refusal(folder / "run")
            yield "read-only mount", _what_is_left(root, folder, begun, "read_only")
    limited = root / "limited"
    shutil.copytree(begun, limited)
    largest = max(file.stat().st_size for file in begun.rglob("*") if file.is_file())
    yield (
        "files may not grow beyond half a checkpoint (`RLIMIT_FSIZE`)",
        _what_is_left(root, limited, begun, "limited", largest // 2),
    )


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path | None]:
    """Mounts a tmpfs, if this process may; gives None if it may not."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        done = False
    if not done:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _refusal(folder: Path) -> str:
    try:
        RunFolder.start(folder, "any", {})
    except RunFolderError as error:
        return f"refused: “{error}”".replace(str(folder), "FOLDER")
    return "BEGUN"


def _what_is_left(
    root: Path, folder: Path, begun: Path, name: str, most_bytes: int | None = None
) -> str:
    def train_limited() -> None:
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
        train(folder, 3)

    log = root / f"{name}.log"
    code = run(log, train_limited)
    newest = RunCheckpoint.latest(begun / "checkpoints").name
    kept = _digests(folder / "checkpoints" / newest) == _digests(begun / "checkpoints" / newest)
    message = last_error(log).replace(str(folder), "FOLDER")
    return f"ended with code {code}, the old checkpoint {'intact' if kept else 'LOST'}; “{message}”"


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*")}


def damages(root: Path) -> Iterator[Row]:
    """Cuts and flips the newest of two checkpoints."""
    begun = root / "damages"
    begun.mkdir()
    run(root / "damages.log", train, begun, 1)
    for how, damage in (
        (f"cut to each of {PARTS} lengths", _cut),
        (f"a byte flipped in each of {PARTS} regions", _flip),
    ):
        found = answer_of(root / "damages.log", restore_damaged, str(begun), damage)
        yield (
            f"newest checkpoint {how}, each of its files",
            f"{found['recognised']} of {found['tried']} recognised and set aside with a warning, "
            f"the one before used {found['older used']} times",
        )


def _cut(content: bytes, part: int) -> bytes:
    return content[: part * len(content) // PARTS]


def _flip(content: bytes, part: int) -> bytes:
    draw = random.Random(part)
    first, last = part * len(content) // PARTS, (part + 1) * len(content) // PARTS
    place = draw.randrange(first, last)
    flipped = content[place] ^ (1 << draw.randrange(8))
    return content[:place] + bytes([flipped]) + content[place + 1 :]


def restore_damaged(begun: str, damage: Callable[[bytes, int], bytes]) -> dict[str, int]:
    """Damages each file of the newest checkpoint in each part; counts what comes of it."""
    model, counts = make_game(), {"tried": 0, "recognised": 0, "older used": 0}
    before, newest = sorted(Path(begun, "checkpoints").iterdir())[-2:]
    if step_in(before.name) > step_in(newest.name):
        before, newest = newest, before
    for file in sorted(newest.iterdir()):
        for part in range(PARTS):
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder, "checkpoints")
                shutil.copytree(Path(begun, "checkpoints"), copy)
                (copy / newest.name / file.name).write_bytes(damage(file.read_bytes(), part))
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    with contextlib.suppress(CheckpointError):
                        state = RunCheckpoint.restore(model, copy)
                        counts["older used"] += state.path.name == before.name
                told = any("is damaged" in str(warning.message) for warning in caught)
                aside = (copy / f"{newest.name}.corrupt").is_dir()
                counts["recognised"] += told and aside
                counts["tried"] += 1
    return counts


class Poisoned(Objective):
    """Puts a NaN into one loss, or its gradient, at one step."""

    def __init__(self, player: str, of_gradient: bool) -> None:
        super().__init__("non_saturating")
        self.player, self.of_gradient = player, of_gradient
        self.model: keras.Model | None = None

    def generator_loss(self, *arguments: Any, **options: Any) -> tf.Tensor:
        """Returns the loss, poisoned if it is the generator's turn."""
        return self._poison("generator", super().generator_loss(*arguments, **options))

    def discriminator_loss(self, *arguments: Any, **options: Any) -> tf.Tensor:
        """Returns the loss, poisoned if it is the discriminator's turn."""
        return self._poison("discriminator", super().discriminator_loss(*arguments, **options))

    def _poison(self, player: str, loss: tf.Tensor) -> tf.Tensor:
        if player != self.player:
            return loss
        factor = tf.where(tf.equal(self.model.step + 1, POISONED_STEP), np.nan, 1.0)

        @tf.custom_gradient
        def with_poisoned_gradient(value: tf.Tensor) -> Any:
            return tf.identity(value), lambda upstream: upstream * factor

        return with_poisoned_gradient(loss) if self.of_gradient else loss * factor


def poisons(root: Path) -> Iterator[Row]:
    """Puts a NaN where there should be none."""
    for name in ("an image", *(f"the {p}'s {w}" for p in PLAYERS for w in ("loss", "gradient"))):
        folder = root / name.replace(" ", "_")
        folder.mkdir()
        found = answer_of(root / "poisons.log", train_poisoned, str(folder), name)
        yield (
            f"NaN in {name} at step {POISONED_STEP}",
            f"“{found['reason']}”; newest checkpoint {found['newest']}, training goes no further "
            f"than step {found['step']}",
        )


PLAYERS = ("generator", "discriminator")


def train_poisoned(folder: str, name: str) -> dict[str, Any]:
    """Trains with one poison; returns why it stopped and what is left."""
    if name == "an image":
        guard = train(Path(folder), 1, poisoned_step=POISONED_STEP)
    else:
        player, _, what = name.removeprefix("the ").partition("'s ")
        objective = Poisoned(player, what == "gradient")
        model = objective.model = make_game(objective)
        guard = train(Path(folder), 1, model)
    newest = RunCheckpoint.latest(Path(folder, "checkpoints"))
    return {
        "reason": guard.stop_reason,
        "newest": newest.name,
        "step": steps_done(guard.model),
    }


def repeats(root: Path) -> Iterator[Row]:
    """Trains twice with one seed."""
    digests = []
    for number in range(2):
        folder = root / f"repeat_{number}"
        folder.mkdir()
        run(root / "repeats.log", train, folder, 2)
        digests.append((folder / "digest").read_text())
    yield (
        f"same seed, two processes, {2 * STEPS_PER_EPOCH} steps",
        f"SHA-256 of all state {_equal(digests[0] == digests[1])}: {digests[0][:12]}…",
    )


def memory(root: Path) -> Iterator[Row]:
    """Trains for long and looks at the memory that the process holds, with few saves and many."""
    for save_every in (MEMORY_STEPS // 4, SAVE_EVERY):
        folder = root / f"memory_{save_every}"
        folder.mkdir()
        sizes = answer_of(root / "memory.log", memory_held, str(folder), save_every)
        shown = ", ".join(f"{sizes[step]:.1f} at {int(step):,}" for step in sizes)
        yield (
            f"memory over {MEMORY_STEPS:,} steps, saved every {save_every}",
            f"MiB at step: {shown}",
        )


def memory_held(folder: str, save_every: int) -> dict[int, float]:
    """Returns the resident memory in MiB at each quarter of a long training, of a few epochs."""
    sizes: dict[int, float] = {}

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            step = steps_done(self.model)
            if step % (MEMORY_STEPS // 4) == 0:
                pages = int(Path("/proc/self/statm").read_text().split()[1])
                sizes[step] = pages * resource.getpagesize() / 2**20

    train(
        Path(folder),
        epochs=4,
        steps_per_epoch=MEMORY_STEPS // 4,
        further=(Look(),),
        save_every=save_every,
    )
    return sizes


def _equal(is_equal: bool) -> str:
    return "equal" if is_equal else "DIFFER FROM"


# === Page ===

LOOKS = {
    "kills": kills,
    "terms": terms,
    "losses": lost_workers,
    "disks": disks,
    "damages": damages,
    "poisons": poisons,
    "repeats": repeats,
    "memory": memory,
}


def look(name: str, *counts: int) -> list[Row]:
    """Takes one of the looks."""
    found = []
    with tempfile.TemporaryDirectory() as root:
        for row in LOOKS[name](Path(root), *counts):
            found.append(row)
            print(": ".join(row), flush=True)
    return found


def read_rows() -> dict[str, list[Row]]:
    """Returns what was seen so far, by look, in the order of the table."""
    kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    return {name: [tuple(row) for row in kept[name]] for name in LOOKS if name in kept}


def table(found: Iterable[Row]) -> str:
    """Returns what was seen as a table."""
    return "\n".join(
        ["| what was done | what was seen |", "| :--- | :--- |"]
        + [f"| {done} | {seen} |" for done, seen in found]
    )


def main() -> None:
    """Looks, keeps what was seen, and writes the table of docs/durability.md."""
    counts = {name: (flags.FLAGS[name].value,) for name in ("kills", "terms", "losses")}
    for name in flags.FLAGS.only or LOOKS:
        found = look(name, *counts.get(name, ()))
        rows = read_rows() | {name: found}
        write_atomically(FILE, json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    rows = itertools.chain.from_iterable(read_rows().values())
    page = REPOSITORY / PAGE
    text = page.read_text(encoding="utf-8")
    made = replace_block(text, "durability", table(rows), PAGE, "benchmarks.durability")
    write_atomically(page, made)


if __name__ == "__main__":
    flags.DEFINE_integer("kills", 50, "How often a training is killed.", lower_bound=1)
    flags.DEFINE_integer("terms", 10, "How often one is asked for its end.", lower_bound=1)
    flags.DEFINE_integer("losses", 4, "How often a worker is killed.", lower_bound=1)
    flags.DEFINE_multi_enum("only", [], LOOKS, "Look at this alone; may be repeated.")
    command_line.run(main)
