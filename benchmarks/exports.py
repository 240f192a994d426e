"""Measures each variant's export, in a process of its own, beside its model and other runtimes.

    python -m benchmarks.exports
    python -m benchmarks.exports --variants DCGAN CycleGAN --torch_python=../torch/bin/python

It writes docs/exports.md: size, parity, time to load and to answer. Weights are those that a model
begins with, for what is measured does not depend on training; networks are the constructor's own.
"""

from recipes.common import command_line  # noqa: F401  first: it keeps TensorFlow's import quiet

# isort: split
import argparse
import dataclasses
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from onnxruntime import InferenceSession

import export
from benchmarks.cells import markdown_table
from benchmarks.registry import RECIPES
from zoo.common.adversarial import AdversarialModel
from zoo.common.command_errors import one_line_errors
from zoo.common.exports import check_files
from zoo.common.files import write_atomically

_ROOT = Path(__file__).resolve().parent.parent
PAGE = _ROOT / "docs" / "exports.md"
# Where rows are kept, so that not all need be measured at once.
ROWS = _ROOT / "benchmarks" / "exports.json"
BATCH_SIZES = (1, 8, 64)
# Of which there is a generator in PyTorch; `benchmarks.speed.pytorch` has it.
IN_PYTORCH = ("CycleGAN", "DCGAN")
# Calls after the first are repeated for so long, and three times at least if they are no longer.
_SECONDS = 1.0
_FREE_SIDE = 64

_ALONE = """
import json, sys, time
sys.modules.update(dict.fromkeys(("zoo", "export", "recipes")))  # an import of one fails now
folder, name, seconds, *elsewhere = sys.argv[1:]
sys.path += elsewhere
import numpy as np, tensorflow as tf

def timed(call):
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start

model, load = timed(lambda: tf.saved_model.load(folder + "/export/1"))
signature = model.signatures[name]
times = {"load": load}
with np.load(folder + "/batches.npz") as batches:
    for size in sorted(batches.files, key=int):
        (argument,) = signature.structured_input_signature[1]
        inputs = {argument: tf.constant(batches[size])}
        run = lambda: next(v.numpy() for v in signature(**inputs).values() if v.dtype != tf.string)
        output, first = timed(run)
        times.setdefault("first", first)
        np.save(folder + "/output_" + size + ".npy", output)
        took, most = [], float(seconds)
        while not took or sum(took) < most or len(took) < 3 and took[0] < most:
            took.append(timed(run)[1])
        times[size] = float(np.median(took))
print(json.dumps(times))
"""


@dataclasses.dataclass(frozen=True)
class Row:
    """What was measured of one variant; times in seconds, by batch size that of the whole batch.

    Attributes:
        variant: name of the class.
        function: of the export.
        image_shape: of its images.
        size: of the SavedModel in bytes.
        parity: largest absolute difference between the model and its export in another process.
        check, verify: to compare its files with the manifest, as `export.load` does, and for
            `export.verify`.
        load, first: to load it, and for the first call, of one image.
        live, alone, onnx, litert: for a call of the model, of the export, of ONNX Runtime and of
            LiteRT in single precision.
        checks: what the checks of values add to the processor time of a call, as a share of it.
        processor: on which.
        pytorch: for a call of the same network in PyTorch, eager; None where there is none.
    """

    variant: str
    function: str
    image_shape: tuple[int, ...]
    size: int
    parity: float
    check: float
    verify: float
    load: float
    first: float
    live: dict[int, float]
    alone: dict[int, float]
    onnx: dict[int, float]
    litert: dict[int, float]
    checks: dict[int, float]
    processor: str
    pytorch: dict[int, float] | None = None


def measure(
    model: AdversarialModel, seconds: float = _SECONDS, torch_python: str | None = None
) -> Row:
    """Exports and converts a model, and measures all there is of it.

    Args:
        model: what its export's root does when called is what is measured.
        seconds: for which each call is repeated.
        torch_python: a Python that has PyTorch. Defaults to none, no row of PyTorch.
    """
    signatures = model.export_signatures()
    name = _measured_function(signatures)
    function = signatures[name]
    (spec,) = function.input_signature
    batches = {size: _batch(spec, size) for size in BATCH_SIZES}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        version = export.save(model, folder / "export", verify=False)
        np.savez(folder / "batches.npz", **{str(size): batch for size, batch in batches.items()})
        onnx, litert = export.convert(
            version, folder / "converted", ["onnx", "litert_float32"], [name]
        )
        times = _measured_alone(folder, name, seconds)
        return Row(
            variant=type(model).__name__,
            function=name,
            image_shape=tuple(model.image_shape),
            size=sum(path.stat().st_size for path in version.rglob("*") if path.is_file()),
            parity=max(_difference(function, batches[size], folder, size) for size in batches),
            check=_seconds_of(check_files, version),
            verify=_seconds_of(export.verify, version),
            load=times["load"],
            first=times["first"],
            live=_timed(model.predict_on_batch, _scaled(spec, batches), seconds),
            alone={size: times[str(size)] for size in BATCH_SIZES},
            onnx=_timed(_onnx_call(onnx.path), batches, seconds),
            litert=_timed(_litert_call(litert.path), batches, seconds),
            checks=_share_of_checks(model, name, batches, seconds),
            processor=processor_name(),
            pytorch=_in_pytorch(type(model).__name__, seconds, torch_python),
        )


def _in_pytorch(variant: str, seconds: float, torch_python: str | None) -> dict[int, float] | None:
    if torch_python is None or variant not in IN_PYTORCH:
        return None
    sizes = map(str, BATCH_SIZES)
    finished = subprocess.run(
        [torch_python, "-m", "benchmarks.speed.pytorch", variant, str(seconds), *sizes],
        cwd=_ROOT,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {int(size): took for size, took in json.loads(finished.stdout).items()}


def _seconds_of(call: Callable[..., object], *arguments) -> float:
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


def _share_of_checks(
    model: AdversarialModel, name: str, batches: Mapping[int, np.ndarray], seconds: float
) -> dict[int, float]:
    """Calls the function with checks and without in turns, and compares processor times.

    These tell more than seconds, of which threads that wait for each other take now more, now less.
    """
    functions = [
        model.export_signatures(checks)[name].get_concrete_function() for checks in (True, False)
    ]
    shares = {}
    for size, batch in batches.items():
        inputs = tf.constant(batch)
        for function in functions:
            function(inputs)
        took, rounds = np.zeros(2), []
        while _goes_on(rounds, 3 * seconds):
            start = time.process_time()
            # Each is the first as often as the other.
            for which in (0, 1) if len(rounds) % 2 else (1, 0):
                before = time.process_time()
                functions[which](inputs)
                took[which] += time.process_time() - before
            rounds.append(time.process_time() - start)
        shares[size] = float(took[0] / took[1]) - 1.0
    return shares


def _goes_on(took: Sequence[float], seconds: float) -> bool:
    """Whether to repeat a call: for so long, and three times unless that takes far longer."""
    return not took or sum(took) < seconds or (len(took) < 3 and took[0] < seconds)


def _measured_function(signatures: Mapping[str, Any]) -> str:
    """Names what is served by default, with latents in place of their seed."""
    served = signatures["serving_default"]
    name = next(
        name
        for name, function in signatures.items()
        if function is served and name != "serving_default"
    )
    return "from_latents" if name == "generate" else name


def _batch(spec: tf.TensorSpec, size: int) -> np.ndarray:
    shape = (size, *(_FREE_SIDE if side is None else side for side in spec.shape[1:]))
    random = np.random.default_rng(size)
    drawn = random.random(shape) if len(shape) == 4 else random.standard_normal(shape)
    return drawn.astype("float32")


def _scaled(spec: tf.TensorSpec, batches: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """Returns what the model takes: images are in [-1, 1] there."""
    is_image = spec.shape.rank == 4
    return {size: 2 * batch - 1 if is_image else batch for size, batch in batches.items()}


def _difference(function, batch: np.ndarray, folder: Path, size: int) -> float:
    outputs = function(tf.constant(batch)).values()
    expected = next(output.numpy() for output in outputs if output.dtype != tf.string)
    return float(np.abs(expected - np.load(folder / f"output_{size}.npy")).max())


def _measured_alone(folder: Path, name: str, seconds: float) -> dict[str, float]:
    finished = subprocess.run(
        [sys.executable, "-I", "-c", _ALONE, folder, name, str(seconds), *sys.path[1:]],
        cwd=folder,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(finished.stdout)


def _onnx_call(path: Path) -> Callable[[np.ndarray], object]:
    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    return lambda batch: session.run(None, {given.name: batch})


def _litert_call(path: Path) -> Callable[[np.ndarray], object]:
    runner = Interpreter(str(path), num_threads=os.cpu_count()).get_signature_runner()
    (name,) = runner.get_input_details()
    return lambda batch: runner(**{name: batch})


def _timed(
    call: Callable[[np.ndarray], object], batches: dict[int, np.ndarray], seconds: float
) -> dict[int, float]:
    """Returns the median time of a call after the first, by batch size."""
    medians = {}
    for size, batch in batches.items():
        call(batch)
        took: list[float] = []
        while _goes_on(took, seconds):
            took.append(_seconds_of(call, batch))
        medians[size] = float(np.median(took))
    return medians


def processor_name() -> str:
    """Names the processor and its cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"


# === Page ===


_HEAD = """# Exports, measured

Made by `python -m benchmarks.exports`. Networks are those that a variant is built with by default,
with the weights that they begin with.

**Which runtime**: at batch 1 ONNX Runtime answers fastest, or nearly so, for every variant: most of
a small network's time is that of TensorFlow's call, of 0.5 ms and more, which ONNX Runtime and
LiteRT do not have. At batch 64 TensorFlow is the faster one for DCGAN and FaceGAN. LiteRT is slower
where convolutions are transposed, for its fast kernels (XNNPACK) take none of them: DCGAN's
generator is as fast without these kernels.

## Sizes, and what is done once

- *image*: height × width × channels of an image that goes in or comes out; points have 2 numbers.
- *size*: of the export on disk.
- *parity*: largest absolute difference between the model and its export in a process without the
  zoo.
- *check*: to compare all files with their digests, which `export.load` begins with.
- *verify*: `export.verify`, most of which is the start of a process and of TensorFlow in it.
- *load*: `tf.saved_model.load`, and *first call*: the first of the function, which is traced then.

"""
_CALLS = """
## Calls

Medians, in ms for each image, at batch 1 / 8 / 64:

- *live*: the model's `predict_on_batch`; *export*: the SavedModel, in TensorFlow.
- *ONNX Runtime* and *LiteRT*: what `export.convert` makes, in single precision; they do not check.
- *PyTorch*: the same layers, eager, of two generators.
- *checks*: what it adds to the processor time of a call of the export to refuse values out of
  range, by calls with and without in turns; where a call takes long there are few of them, and 5 %
  more or less is noise.

"""


def render(rows: Sequence[Row]) -> str:
    """Returns the page."""
    once = {
        "image": lambda row: "×".join(map(str, row.image_shape)),
        "size, MB": lambda row: f"{row.size / 1e6:.1f}",
        "parity": lambda row: f"{row.parity:.0e}",
        "check, s": lambda row: f"{row.check:.3f}",
        "verify, s": lambda row: f"{row.verify:.1f}",
        "load, s": lambda row: f"{row.load:.2f}",
        "first call, s": lambda row: f"{row.first:.2f}",
    }
    calls = {
        "live": lambda row: _per_image(row.live),
        "export": lambda row: _per_image(row.alone),
        "ONNX Runtime": lambda row: _per_image(row.onnx),
        "LiteRT": lambda row: _per_image(row.litert),
        "PyTorch": lambda row: _per_image(row.pytorch),
        "checks, %": lambda row: " / ".join(f"{100 * each:+.1f}" for each in row.checks.values()),
        "processor": lambda row: row.processor,
    }
    return _HEAD + _table(rows, once) + _CALLS + _table(rows, calls)


def _table(rows: Sequence[Row], columns: Mapping[str, Callable[[Row], str]]) -> str:
    cells = [
        [row.variant, f"`{row.function}`", *(show(row) for show in columns.values())]
        for row in rows
    ]
    return markdown_table(["variant", "function", *columns], cells, num_texts=2) + "\n"


def _per_image(times: dict[int, float] | None) -> str:
    if times is None:
        return "–"
    return " / ".join(f"{1e3 * seconds / size:.3g}" for size, seconds in times.items())


def read_rows(path: Path) -> dict[str, Row]:
    """Reads the rows that `main` kept, by variant; none if there is no such file."""
    if not path.is_file():
        return {}
    rows = {}
    for fields in json.loads(path.read_text(encoding="utf-8")):
        for name, value in fields.items():
            if isinstance(value, dict):
                fields[name] = {int(size): number for size, number in value.items()}
        rows[fields["variant"]] = Row(**fields)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures variants, and writes the page of these and of those that were measured before."""
    models = {recipe.model.__name__: recipe.model for recipe in RECIPES.values()}
    parser = argparse.ArgumentParser("benchmarks.exports", description=__doc__)
    parser.add_argument("--variants", nargs="+", choices=sorted(models), default=sorted(models))
    parser.add_argument("--seconds", type=float, default=_SECONDS, help="to repeat a call for")
    parser.add_argument("--torch_python", help="a Python that has PyTorch, for its column")
    parser.add_argument("--out", type=Path, default=PAGE)
    parser.add_argument("--rows", type=Path, default=ROWS, help="where rows are kept")
    values = parser.parse_args(arguments)
    with one_line_errors():
        torch_python = values.torch_python and shutil.which(values.torch_python)
        if values.torch_python and not torch_python:
            raise ValueError(f"--torch_python must be a Python. Received: {values.torch_python!r}")
        # Not resolved: a virtual environment is known by the link.
        torch_python = torch_python and os.path.abspath(torch_python)
        rows = read_rows(values.rows)
        for name in values.variants:
            before = rows.get(name)
            rows[name] = measure(models[name](), values.seconds, torch_python)
            if before and rows[name].pytorch is None and before.processor == rows[name].processor:
                rows[name] = dataclasses.replace(rows[name], pytorch=before.pytorch)
            print(f"{name}: {_per_image(rows[name].alone)} ms an image", flush=True)
            kept = [dataclasses.asdict(rows[each]) for each in sorted(rows)]
            write_atomically(values.rows, json.dumps(kept, indent=1) + "\n")
            write_atomically(values.out, render([rows[each] for each in sorted(rows)]))
    print(f"The table is in {values.out}")


if __name__ == "__main__":
    main()
