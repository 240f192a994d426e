"""Times a step of each variant in turn with what its users would otherwise run.

    python -m benchmarks.speed.throughput
    python -m benchmarks.speed.throughput --variants=DCGAN,CycleGAN --rounds=5 --seconds=20
    python -m benchmarks.speed.throughput --variants=WGANGP --torch_python=../torch/bin/python

Contenders live in processes of their own and take turns, a few seconds each: A B C A B C. So a
machine that slows down slows them all, and what counts is the ratio within a round. Writes
`benchmarks/speed/results/throughput.json`, on a GPU `throughput_gpu.json`, and its table of
docs/speed.md, a row as soon as it is measured; a row of this commit and this machine is not
measured again.
"""

from recipes.common import command_line  # first: it keeps TensorFlow's import quiet

# isort: split
import contextlib
import dataclasses
import datetime
import importlib.util
import json
import math
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from absl import flags
from tqdm import tqdm

from benchmarks.pages import REPOSITORY, replace_block
from benchmarks.speed.flops import gigaflops_of_products
from benchmarks.speed.games import GAMES, require_games
from benchmarks.speed.plain_keras import PLAIN
from benchmarks.speed.worker import DEFAULT, OURS, OURS_ON_A_GPU, PLAIN_KERAS, TORCH
from zoo.common.command_errors import one_line_errors
from zoo.common.files import write_atomically
from zoo.runs.folder import describe_environment

PAGE = Path("docs", "speed.md")
_RESULTS = Path(__file__).resolve().parent / "results"
_WORKER = "benchmarks.speed.worker"
# On a processor, what `compile` may be given is left out of further turns if it is so much slower.
_HOPELESS = 1.5


@dataclasses.dataclass
class Contender:
    """A worker that waits for its turn.

    Attributes:
        name: see `benchmarks.speed.worker`.
        process: the worker's.
        gflop: of a step, where it counts them.
        steps: of a turn.
        rounds: the median milliseconds of a step in each round.
        peak_mb: the most memory it had.
    """

    name: str
    process: subprocess.Popen
    gflop: float | None = None
    steps: int = 0
    rounds: list[float] = dataclasses.field(default_factory=list)
    peak_mb: float = 0.0

    def wait(self) -> None:
        """Waits until it has traced and compiled."""
        self.gflop = self._answer()["gflop"]

    def take(self, steps: int) -> float:
        """Takes so many steps; returns the median milliseconds of one."""
        print(steps, file=self.process.stdin, flush=True)
        answer = self._answer()
        self.peak_mb = answer["peak_mb"]
        return statistics.median(answer["milliseconds"])

    def _answer(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self.process.wait()}; it says why above.")
        return json.loads(line)


def contenders_of(variant: str, torch_python: str | None = None) -> list[str]:
    """Returns the names of what is timed of a variant on this machine.

    Args:
        variant: which.
        torch_python: a Python that has PyTorch, where this one has none.
    """
    on_a_gpu = is_gpu_here()
    names = list(OURS_ON_A_GPU if on_a_gpu else OURS)
    if variant in PLAIN:
        names.append(PLAIN_KERAS)
        if torch_python or importlib.util.find_spec("torch"):
            names += list(TORCH) if on_a_gpu else ["PyTorch"]
    return names


def is_gpu_here() -> bool:
    """Returns whether TensorFlow has a GPU here."""
    return bool(tf.config.list_physical_devices("GPU"))


@contextlib.contextmanager
def _started(
    variant: str, names: Sequence[str], torch_python: str | None
) -> Iterator[list[Contender]]:
    with contextlib.ExitStack() as stack:
        contenders = []
        for name in names:  # all at once, for most of it is the work of one core
            python = torch_python if torch_python and name in TORCH else sys.executable
            process = stack.enter_context(
                subprocess.Popen(
                    [python, "-W", "ignore", "-m", _WORKER, name, variant],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    cwd=REPOSITORY,
                )
            )
            stack.callback(process.kill)
            contenders.append(Contender(name, process))
        for contender in contenders:
            contender.wait()
        yield contenders


def measure(
    variant: str,
    names: Sequence[str],
    rounds: int,
    seconds: float,
    torch_python: str | None = None,
) -> dict[str, Any]:
    """Times the contenders of a variant in turn.

    Args:
        variant: which.
        names: of the contenders, among them the default.
        rounds: turns of each.
        seconds: about how long a turn takes.
        torch_python: a Python that has PyTorch, where this one has none.

    Returns:
        What `table` shows.
    """
    with _started(variant, names, torch_python) as contenders:
        first = {contender.name: contender.take(2) for contender in contenders}
        for contender in contenders:
            contender.steps = max(3, math.ceil(1000 * seconds / first[contender.name]))
        contenders = [
            contender
            for contender in contenders
            if contender.name not in OURS or first[contender.name] < _HOPELESS * first[DEFAULT]
        ]
        peaks = []
        for _ in range(rounds):
            peaks += gigaflops_of_products()
            for contender in contenders:
                contender.rounds.append(contender.take(contender.steps))
    return {
        "batch_size": GAMES[variant].batch_size,
        "gflop": next(c.gflop for c in contenders if c.name == DEFAULT),
        "product_gflops": peaks,
        "contenders": {
            contender.name: {"milliseconds": contender.rounds, "peak_mb": contender.peak_mb}
            for contender in contenders
        },
    }


# === Page ===


def ratios(measured: Mapping[str, Any], name: str, to: str = DEFAULT) -> list[float] | None:
    """Returns in each round how many times as fast as `name` the contender `to` was."""
    contenders = measured["contenders"]
    if name not in contenders:
        return None
    pairs = zip(contenders[name]["milliseconds"], contenders[to]["milliseconds"], strict=True)
    return [other / ours for other, ours in pairs]


def _ratio_cell(values: Sequence[float] | None) -> str:
    if values is None:
        return "–"
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _ratio_to_ours(measured: Mapping[str, Any], name: str, ours: str) -> str:
    return _ratio_cell(ratios(measured, name, ours) if ours in measured["contenders"] else None)


def _where(results: Mapping[str, Any]) -> str:
    return (
        f"On {results['device']}, {results['cpus']} cores, TensorFlow "
        f"{results['packages']['tensorflow']}."
    )


def gpu_table(results: Mapping[str, Any]) -> str:
    """Returns what was measured on a GPU, a row a variant."""
    half = "bfloat16"
    beside = {
        "× without XLA": (DEFAULT, "without XLA"),
        "8 steps a call: × of the default": ("8 steps a call", DEFAULT),
        "× of plain Keras": (DEFAULT, PLAIN_KERAS),
        "× of PyTorch": (DEFAULT, "PyTorch"),
        "× of torch.compile": (DEFAULT, "torch.compile"),
        "bfloat16: × of float32": (half, DEFAULT),
        "bfloat16: × of PyTorch in float32": (half, "PyTorch"),
        "bfloat16: × of PyTorch in bfloat16": (half, f"PyTorch in {half}"),
        "bfloat16: × of torch.compile in bfloat16": (half, f"torch.compile in {half}"),
    }
    heading = ["Variant", "Batch", "ms a step", "images/s", "TFLOP/s", *beside]
    lines = [
        _where(results),
        "",
        f"| {' | '.join(heading)} |",
        "| :--- |" + " ---: |" * (len(heading) - 1),
    ]
    for variant, measured in results["variants"].items():
        step = statistics.median(measured["contenders"][DEFAULT]["milliseconds"])
        cells = [
            f"`{variant}`",
            str(measured["batch_size"]),
            f"{step:.3g}",
            f"{1000 * measured['batch_size'] / step:,.0f}",
            f"{measured['gflop'] / step:.3g}",
            *(_ratio_to_ours(measured, other, ours) for ours, other in beside.values()),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def table(results: Mapping[str, Any]) -> str:
    """Returns what was measured on a processor, a row a variant."""
    lines = [
        _where(results),
        "",
        "| Variant | Batch | ms a step | GFLOP a step | GFLOP/s | share of the peak |"
        " best setting | × of plain Keras | × of PyTorch | MB |",
        "| :--- | ---: | ---: | ---: | ---: | ---: | :--- | ---: | ---: | ---: |",
    ]
    for variant, measured in results["variants"].items():
        contenders = measured["contenders"]
        step = statistics.median(contenders[DEFAULT]["milliseconds"])
        peak = statistics.median(measured["product_gflops"])
        speed = 1000 * measured["gflop"] / step
        ours = [name for name in OURS if name in contenders]
        best = min(ours, key=lambda name: statistics.median(contenders[name]["milliseconds"]))
        setting = "the default"
        if best != DEFAULT:
            setting = f"{best}: {_ratio_cell(ratios(measured, DEFAULT, best))}"
        cells = [
            f"`{variant}`",
            str(measured["batch_size"]),
            f"{step:.3g}" if step < 1000 else f"{step:,.0f}",
            f"{measured['gflop']:.3g}",
            f"{speed:.3g}",
            f"{speed / peak:.0%}",
            setting,
            _ratio_cell(ratios(measured, PLAIN_KERAS)),
            _ratio_cell(ratios(measured, "PyTorch")),
            f"{contenders[DEFAULT]['peak_mb']:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def write_page(
    results: Mapping[str, Any], on_a_gpu: bool = False, repository: Path = REPOSITORY
) -> None:
    """Writes the table of docs/speed.md anew, that of processors or that of GPUs."""
    text = (repository / PAGE).read_text(encoding="utf-8")
    name, made = ("gpus", gpu_table(results)) if on_a_gpu else ("throughput", table(results))
    text = replace_block(text, name, made, PAGE, "benchmarks.speed.throughput")
    write_atomically(repository / PAGE, text)


def results_so_far(environment: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Returns what was measured with this processor or GPU and these packages; else no rows."""
    here = {
        "device": environment["devices"][-1],
        "cpus": environment["cpus"],
        "packages": environment["packages"],
    }
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        if all(before[name] == fact for name, fact in here.items()):
            return before
    return {**here, "variants": {}}


def _today() -> str:
    return datetime.date.today().isoformat()


def main() -> None:
    """Measures the variants that are asked for, and keeps what was measured of others here."""
    with one_line_errors():
        variants = flags.FLAGS.variants
        require_games(variants)
        names = flags.FLAGS.contenders
        on_a_gpu = is_gpu_here()
        known = (*(OURS_ON_A_GPU if on_a_gpu else OURS), PLAIN_KERAS, *TORCH)
        if names and (DEFAULT not in names or set(names) - set(known)):
            raise ValueError(
                f"--contenders may be: {', '.join(known)}; {DEFAULT} among them. Received: {names}"
            )
        torch_python = flags.FLAGS.torch_python
        if torch_python and not shutil.which(torch_python):
            raise ValueError(f"--torch_python must be a Python. Received: {torch_python!r}")
    environment = describe_environment()
    commit = environment["git_commit"]
    path = _RESULTS / ("throughput_gpu.json" if on_a_gpu else "throughput.json")
    results = results_so_far(environment, path)
    rows = results["variants"]
    for variant in tqdm(variants, unit=" variant"):
        if commit and rows.get(variant, {}).get("git_commit") == commit:
            continue
        chosen = [n for n in contenders_of(variant, torch_python) if not names or n in names]
        measured = measure(variant, chosen, flags.FLAGS.rounds, flags.FLAGS.seconds, torch_python)
        rows[variant] = {"git_commit": commit, "date": _today(), **measured}
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, json.dumps(results, indent=1) + "\n")
        write_page(results, on_a_gpu)
    print(f"Wrote {path} and the table of {PAGE}.")


if __name__ == "__main__":
    flags.DEFINE_list("variants", list(GAMES), "Variants to time.")
    flags.DEFINE_integer("rounds", 5, "Turns of each contender.", lower_bound=1)
    flags.DEFINE_float("seconds", 10.0, "About how long a turn takes.", lower_bound=0.1)
    flags.DEFINE_list("contenders", [], "Which of the contenders are timed. Defaults to all.")
    flags.DEFINE_string("torch_python", None, "A Python with PyTorch, where this one has none.")
    command_line.run(main)
