"""Exports for other runtimes: ONNX, and LiteRT in three precisions.

Each file holds one function of the export and is run, by ONNX Runtime or LiteRT's interpreter, on
the same batches as the export: how far the two are apart is measured, not assumed.
"""

import contextlib
import dataclasses
import importlib.util
import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.common.exports import load, version_of
from zoo.common.files import replaced_folder
from zoo.common.messages import first_line, listed

# Each format, and how its files end.
_ENDINGS = {
    "onnx": ".onnx",
    "litert_float32": ".float32.tflite",
    "litert_float16": ".float16.tflite",
    "litert_dynamic": ".dynamic.tflite",
}
FORMATS = tuple(_ENDINGS)
Outputs = dict[str, np.ndarray]
Runner = Callable[[Mapping[str, np.ndarray]], Outputs]

# Oldest that ONNX Runtime 1.14 and later all know, and newest that the networks here need.
_ONNX_OPSET = 17
_BATCH_SIZES = (1, 3, 8)
# Pixels a side, where an export leaves that open; networks halve their images up to eight times.
_FREE_SIDES = (64, 256)
# Of outputs up to 1, in precision of 32 bits: more is no rounding.
_MOST_ROUNDING = 1e-3
# In half precision and eight bits what is lost depends on the weights: it is measured and told.
_MAY_DIFFER = ("litert_float16", "litert_dynamic")

# Of no format's: they draw.
_DRAWING = ("generate", "draw_latents")
_NO_DRAWS = (
    "it draws latents without state, for which neither ONNX nor LiteRT has an operation. "
    "Convert `from_latents`, and draw latents where it runs."
)


_CARD = """# Converted functions of an export

Of its version {version}, by `export.convert`. Differences are the largest to the outputs of the
export, over batches of 1, 3 and 8 of random inputs.

| file | function | bytes | differs by |
| --- | --- | --- | --- |
{rows}

The export refuses what is out of range, and these files do not: wrong pixels, such as those in
[0, 255], NaN, or an empty batch are answered to. Images go in and come out in [0, 1]. Outputs that
are texts are left out: the classes of `classify` are the lines of the export's `labels.txt`.
"""


class ConversionError(ValueError):
    """A function that another runtime can't express, or gives other outputs for."""


@dataclasses.dataclass(frozen=True)
class Conversion:
    """One converted function.

    Attributes:
        function: its name in the export.
        format: one of `FORMATS`.
        path: of the file.
        size: of the file in bytes.
        difference: largest absolute difference to the export's outputs, over batches of 1, 3 and 8
            of random inputs.
    """

    function: str
    format: str
    path: Path
    size: int
    difference: float


@dataclasses.dataclass(frozen=True)
class _Twin:
    """One function of an export, without outputs that are texts."""

    name: str
    function: tf.types.experimental.PolymorphicFunction
    inputs: tuple[tf.TensorSpec, ...]
    outputs: tuple[str, ...]

    @property
    def input_names(self) -> tuple[str, ...]:
        return tuple(spec.name for spec in self.inputs)


def convert(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    formats: str | Sequence[str] | None = None,
    functions: str | Sequence[str] | None = None,
) -> list[Conversion]:
    """Converts an export's functions, a file each, and measures what that changes.

        for conversion in export.convert("runs/digits/export", "digits_elsewhere"):
            print(conversion.path, conversion.size, conversion.difference)

    Inputs and outputs are those of the SavedModel, with batches of any size; but ONNX lets no
    output have an input's name, so there `images` made of `images` are `images_out`. Two things
    stay behind: outputs that are texts, so that `classify` gives `probabilities` alone and its
    classes are the lines of the export's `labels.txt`; and what only refuses bad inputs, so that
    pixels out of [0, 1] are answered to. `README.md` says so beside the files.

    Args:
        folder: of an export, as for `export.load`.
        out: the folder to write, which must not exist. It appears whole or not at all.
        formats: one or several of `FORMATS`: "onnx", "litert_float32", "litert_float16" (weights in
            half precision) and "litert_dynamic" (large weights in 8 bits). Defaults to all. "onnx"
            needs `pip install 'keras-gan-zoo[onnx]'`, the others `keras-gan-zoo[litert]`.
        functions: one or several names of signatures. Defaults to all but those that draw.

    Returns:
        One `Conversion` for each function and format.

    Raises:
        ConversionError: if a function can't be expressed in a format, as those that draw in none,
            or gives other outputs there; nothing is then written.
        ValueError: if a format or function is not known, or the export is damaged.
        ImportError: if a library is missing.
        FileExistsError: if `out` exists.
        FileNotFoundError: if there is no export.
    """
    formats = _known_formats(formats)
    _require_libraries(formats)
    out = Path(out)
    if os.path.lexists(out):
        raise FileExistsError(f"{out} exists already, and nothing is overwritten. Name another.")
    loaded = load(folder)
    names = _known_functions(loaded.signatures, functions)
    conversions = []
    with replaced_folder(out) as temporary, _quiet_converters():
        for name in names:
            twin = _twin_of(name, loaded.signatures[name])
            batches = _batches_for(twin)
            expected = [_call(twin, batch) for batch in batches]
            for kind in formats:
                content = _content(twin, kind)
                path = temporary / f"{name}{_ENDINGS[kind]}"
                path.write_bytes(content)
                run = (_onnx_runner if kind == "onnx" else _litert_runner)(twin, content)
                difference = _largest_difference(twin.name, kind, run, batches, expected)
                conversions.append(
                    Conversion(name, kind, out / path.name, len(content), difference)
                )
        (temporary / "README.md").write_text(_card(version_of(folder), conversions), "utf-8")
    return conversions


def _card(version: Path, conversions: Sequence[Conversion]) -> str:
    rows = [
        f"| {each.path.name} | `{each.function}` | {each.size:,} | {each.difference:.1e} |"
        for each in conversions
    ]
    return _CARD.format(version=version.name, rows="\n".join(rows))


# === What is asked for ===


def _known_formats(formats: str | Sequence[str] | None) -> tuple[str, ...]:
    formats = FORMATS if formats is None else _as_names(formats)
    unknown = [each for each in formats if each not in FORMATS]
    if unknown or not formats:
        raise ValueError(f"`formats` are of {listed(FORMATS)}. Received: {listed(unknown)}")
    return formats


def _as_names(given: str | Sequence[str]) -> tuple[str, ...]:
    # A text is a sequence of texts too, of its letters.
    return (given,) if isinstance(given, str) else tuple(given)


def _require_libraries(formats: Sequence[str]) -> None:
    extras = {"onnx": ("onnx", "tf2onnx", "onnxruntime")}
    for kind in formats:
        extra, *modules = extras.get(kind, ("litert", "ai_edge_litert"))
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        if missing:
            raise ImportError(
                f"To convert to {kind} takes {' and '.join(missing)}: "
                f"pip install 'keras-gan-zoo[{extra}]'"
            )


def _known_functions(
    signatures: Mapping[str, Any], functions: str | Sequence[str] | None
) -> tuple[str, ...]:
    known = [name for name in signatures if name not in ("serving_default", *_DRAWING)]
    functions = known if functions is None else _as_names(functions)
    for name in _DRAWING:
        if name in functions:
            raise ConversionError(f"`{name}` can't be converted: {_NO_DRAWS}")
    unknown = [name for name in functions if name not in known]
    if unknown or not functions:
        raise ValueError(
            f"The export has no function {listed(unknown)} to convert. It has: {listed(known)}"
        )
    return tuple(functions)


def _twin_of(name: str, signature) -> _Twin:
    arguments = signature.structured_input_signature[1]
    inputs = tuple(
        tf.TensorSpec(spec.shape, spec.dtype, argument) for argument, spec in arguments.items()
    )
    outputs = tuple(
        output for output, spec in signature.structured_outputs.items() if spec.dtype != tf.string
    )

    @tf.function(input_signature=inputs)
    def function(*tensors):
        results = signature(**dict(zip(arguments, tensors, strict=True)))
        return {output: results[output] for output in outputs}

    return _Twin(name, function, inputs, outputs)


# === Formats ===


def _content(twin: _Twin, kind: str) -> bytes:
    try:
        return _to_onnx(twin) if kind == "onnx" else _to_litert(twin, kind)
    except ConversionError:
        raise
    except Exception as error:  # Each converter has kinds of its own.
        raise ConversionError(
            f"`{twin.name}` can't be converted to {kind}: {_reason(error)}"
        ) from error


def _reason(error: Exception) -> str:
    """Names the operations that a converter does not know, out of pages that it says of them."""
    unknown = sorted(
        set(re.findall(r"'?tf\.(\w+)'? op is neither|Flex ops: ([\w, ]+)", str(error)))
    )
    operations = [name for names in unknown for name in names if name]
    if operations == ["Conv2D"]:
        # Which it has, for known channels.
        return (
            "it does not know the shapes that convolutions are given, such as after "
            "keras.layers.UpSampling2D. Put a keras.layers.Reshape there, which tells them."
        )
    if operations:
        return f"it has no operation for {', '.join(operations)}."
    return first_line(error)


def _to_onnx(twin: _Twin) -> bytes:
    import onnx
    import tf2onnx

    renamed = _onnx_outputs(twin)

    @tf.function(input_signature=twin.inputs)
    def function(*tensors):
        results = twin.function(*tensors)
        return {renamed[name]: results[name] for name in twin.outputs}

    model, _ = tf2onnx.convert.from_function(function, twin.inputs, opset=_ONNX_OPSET)
    # What tf2onnx can't express it leaves as it was.
    domains = {node.op_type: node.domain for node in model.graph.node}
    unknown = [name for name, domain in domains.items() if not onnx.defs.has(name, domain)]
    if unknown:
        raise ConversionError(
            f"`{twin.name}` can't be converted to onnx: it has no operation for "
            f"{', '.join(unknown)}."
        )
    return model.SerializeToString()


def _onnx_outputs(twin: _Twin) -> dict[str, str]:
    return {name: f"{name}_out" if name in twin.input_names else name for name in twin.outputs}


def _to_litert(twin: _Twin, kind: str) -> bytes:
    module = tf.Module()
    # A SavedModel packs the weights that hang on it.
    module.weights = list(twin.function.get_concrete_function().graph.variables)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={twin.name: twin.function})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[twin.name])
        if kind != "litert_float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "litert_float16":
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()


def _onnx_runner(twin: _Twin, content: bytes) -> Runner:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    renamed = _onnx_outputs(twin)

    def run(inputs: Mapping[str, np.ndarray]) -> Outputs:
        results = session.run([renamed[name] for name in twin.outputs], dict(inputs))
        return dict(zip(twin.outputs, results, strict=True))

    return run


def _litert_runner(twin: _Twin, content: bytes) -> Runner:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=content).get_signature_runner(twin.name)
    return lambda inputs: runner(**inputs)


# === Parity ===


def _batches_for(twin: _Twin) -> list[dict[str, np.ndarray]]:
    """Draws inputs of every batch size, with sides that the function takes."""
    for side in _FREE_SIDES:
        random = np.random.default_rng(0)
        batches = [
            {spec.name: _random_input(spec, size, side, random) for spec in twin.inputs}
            for size in _BATCH_SIZES
        ]
        with contextlib.suppress(tf.errors.InvalidArgumentError, ValueError):
            _call(twin, batches[0])
            return batches
    raise ConversionError(
        f"`{twin.name}` takes no images of {' or '.join(map(str, _FREE_SIDES))} pixels a side, at "
        "which it would be measured."
    )


def _random_input(
    spec: tf.TensorSpec, batch_size: int, side: int, random: np.random.Generator
) -> np.ndarray:
    shape = (batch_size, *(side if length is None else length for length in spec.shape[1:]))
    if spec.dtype.is_integer:
        return random.integers(0, 2, shape).astype(spec.dtype.as_numpy_dtype)
    drawn = random.random(shape) if spec.shape.rank == 4 else random.standard_normal(shape)
    return drawn.astype(spec.dtype.as_numpy_dtype)


def _call(twin: _Twin, batch: Mapping[str, np.ndarray]) -> Outputs:
    outputs = twin.function(*(tf.constant(batch[name]) for name in twin.input_names))
    return {name: tensor.numpy() for name, tensor in outputs.items()}


def _largest_difference(
    name: str, kind: str, run: Runner, batches: Sequence[Any], expected: Sequence[Outputs]
) -> float:
    largest = 0.0
    for batch, references in zip(batches, expected, strict=True):
        received = run(batch)
        for output, reference in references.items():
            difference = float(np.abs(received[output] - reference).max())
            most = _MOST_ROUNDING * max(1.0, float(np.abs(reference).max()))
            if not np.isfinite(difference) or (kind not in _MAY_DIFFER and difference > most):
                raise ConversionError(
                    f"`{name}` gives other {output} in {kind} than in the export: for a batch of "
                    f"{len(reference)} they differ by up to {difference:g}."
                )
            largest = max(largest, difference)
    return largest


@contextlib.contextmanager
def _quiet_converters() -> Iterator[None]:
    """Hides what converters tell of their progress."""
    loggers = [tf.get_logger(), logging.getLogger("tf2onnx")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
