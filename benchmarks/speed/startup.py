"""Times what comes before the first step and after the last: import, tracing, XLA, end of `fit`.

    python -m benchmarks.speed.startup

Each in a process of its own. Writes the table of starts in docs/speed.md.
"""

from recipes.common import command_line  # first: it keeps TensorFlow's import quiet

# isort: split
import dataclasses
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf
from absl import flags
from tqdm import tqdm

from benchmarks.pages import REPOSITORY, replace_block
from benchmarks.speed.alone import call_alone
from benchmarks.speed.games import GAMES, batch_of, require_games
from benchmarks.speed.throughput import PAGE
from zoo.common.command_errors import one_line_errors
from zoo.common.files import write_atomically
from zoo.runs.folder import describe_environment

_IMPORT = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


@dataclasses.dataclass(frozen=True)
class Start:
    """A start of `fit`, times in seconds.

    Attributes:
        build: from the class to a compiled model.
        first: the first call of `fit`, of one step: it traces the graph, by XLA compiles it too.
        second: the second, of one step.
        end: from the end of the last step until `fit` returns, the median of ten calls.
    """

    build: float
    first: float
    second: float
    end: float


class _EndOfSteps(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        float(next(iter(logs.values())))
        self.time = time.perf_counter()


def start_of(variant: str, jit_compile: bool, fits: int = 10) -> Start:
    """Starts a game of `games.GAMES` in this process, which has imported TensorFlow.

    Args:
        variant: which.
        jit_compile: whether its step is compiled by XLA.
        fits: calls of `fit` after the first.
    """
    begin = time.perf_counter()
    model = GAMES[variant].build()
    model.compile(jit_compile=jit_compile)
    built = time.perf_counter()
    # A pipeline as users write it, which TensorFlow would tune.
    batch = batch_of(model.batch_spec, GAMES[variant].batch_size)
    data = tf.data.Dataset.from_tensors(batch).repeat()
    data = data.map(lambda *parts: parts if len(parts) > 1 else parts[0], tf.data.AUTOTUNE)
    data = data.prefetch(tf.data.AUTOTUNE)
    end_of_steps = _EndOfSteps()
    times, ends = [], []
    for _ in range(1 + fits):
        start = time.perf_counter()
        model.fit(data, steps_per_epoch=1, verbose=0, callbacks=[end_of_steps])
        times.append(time.perf_counter() - start)
        ends.append(time.perf_counter() - end_of_steps.time)
    return Start(built - begin, times[0], times[1], statistics.median(ends[1:]))


def seconds_of_imports(rounds: int) -> dict[str, list[float]]:
    """Returns how long Python takes to import each package, in turn, in processes of their own."""
    seconds = {"keras": [], "zoo": []}
    for turn in range(-1, rounds):  # the first only reads the files
        for package, times in seconds.items():
            command = [sys.executable, "-W", "ignore", "-c", _IMPORT.format(package)]
            answer = subprocess.run(command, check=True, capture_output=True, cwd=REPOSITORY)
            if turn >= 0:
                times.append(float(answer.stdout))
    return seconds


def block(
    imports: Mapping[str, Sequence[float]], starts: Mapping[str, Mapping[bool, Start]]
) -> str:
    """Returns the part of the page.

    Args:
        imports: what `seconds_of_imports` returns.
        starts: of each variant, by whether XLA compiles its step.
    """
    ratios = [zoo / keras for keras, zoo in zip(imports["keras"], imports["zoo"], strict=True)]
    environment = describe_environment()
    lines = [
        f"On {environment['devices'][-1]}, {environment['cpus']} cores: `import keras` takes "
        f"{statistics.median(imports['keras']):.1f} s, `import zoo` "
        f"{statistics.median(ratios):.2f} times that ({min(ratios):.2f} to {max(ratios):.2f}).",
        "",
        "| Variant | build and `compile` | first step | by XLA | a later one | by XLA |"
        " end of `fit` |",
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for variant, by_jit in starts.items():
        plain, jit = by_jit[False], by_jit[True]
        seconds = (plain.build, plain.first, jit.first, plain.second, jit.second)
        cells = " | ".join(f"{each:.2g} s" for each in seconds)
        lines.append(f"| `{variant}` | {cells} | {1000 * plain.end:.0f} ms |")
    return "\n".join(lines)


def main() -> None:
    """Measures, and writes the table."""
    with one_line_errors():
        variants = flags.FLAGS.variants
        require_games(variants)
    starts = {
        variant: {jit: call_alone(start_of, variant, jit) for jit in (False, True)}
        for variant in tqdm(variants, unit=" variant")
    }
    made = block(seconds_of_imports(flags.FLAGS.rounds), starts)
    page = REPOSITORY / PAGE
    text = replace_block(page.read_text("utf-8"), "starts", made, PAGE, "benchmarks.speed.startup")
    write_atomically(page, text)
    print(f"Wrote the table of starts of {PAGE}.")


if __name__ == "__main__":
    flags.DEFINE_list("variants", ["VanillaGAN", "SemiSupervisedGAN"], "Variants to start.")
    flags.DEFINE_integer("rounds", 3, "Imports of each package.", lower_bound=1)
    command_line.run(main)
