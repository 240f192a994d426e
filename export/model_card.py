"""Writes an export's card: what it is, how it is called, and what is known of its training.

`model_card.md` is in the documentation format of TF-Hub, as the validator of tfhub.dev has it:
https://github.com/tensorflow/tfhub.dev, `tools/validator.py`. `README.md` is the same under the
front matter that Hugging Face reads, which has to come first in a file, as TF-Hub's title has.
"""

import dataclasses
import inspect
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo import datasets
from zoo.common.adversarial import AdversarialModel
from zoo.common.latent_model import LatentModel
from zoo.datasets.folder import PREFIX
from zoo.runs import RunFolder
from zoo.runs.samples import save_picture

CARD, README, PICTURE = "model_card.md", "README.md", "samples.png"
_PUBLISHER = "keras-gan-zoo"
_GRID, _PICTURE_SEED = 4, 0
# Smaller grids are enlarged, each pixel to a square.
_LEAST_SIDE = 512
_CHECKS = (
    "Each refuses what is out of these ranges, another shape, an empty batch and what is no "
    "number. What that costs is measured in docs/exports.md of keras-gan-zoo. Functions that "
    "`export.convert` makes for other runtimes leave these checks out."
)
# Of `results.json`, what is no score; nor is what begins with `num_`.
_NO_SCORES = ("epochs", "peak_memory_megabytes")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Details:
    """What a card tells that the model does not: of a model alone, nothing.

    Attributes:
        name: of the model, of letters, digits, `-`, `_` and `.`. Defaults to that of its class.
        dataset: what it was trained on.
        data_license: of that, in words.
        scores: by log.
        stamps: what each score was taken on, by log.
        protocol: how the scores were taken, in one line.
        configuration: hyper-parameters by name.
        weights: which ones of the training these are.
        notice: what a reader must know before quoting a score.
        picture: a PNG of what the model makes, where the card can't draw one: of translations.
    """

    name: str = ""
    dataset: str = ""
    data_license: str = ""
    scores: Mapping[str, float] = dataclasses.field(default_factory=dict)
    stamps: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    protocol: str = ""
    configuration: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    weights: str = ""
    notice: str = ""
    picture: Path | None = None

    def __post_init__(self):
        if self.name and not re.fullmatch(r"[\w.-]+", self.name):
            raise ValueError(
                "`name` must be of letters, digits, `-`, `_` and `.`, as it is a part of an "
                f"address. Received: name={self.name!r}"
            )


def details_of_run(folder: str | os.PathLike[str], **further: Any) -> Details:
    """Returns what a run's folder tells of its model.

    Args:
        folder: of a run; without a `results.json` there are no scores.
        **further: what it does not tell, such as `data_license`, or shall tell otherwise.

    Raises:
        RunFolderError: if there is no run in it.
    """
    run = RunFolder.open(folder)
    configuration = {name: each.value for name, each in run.hyper_parameters.items()}
    results = {}
    if run.results_json.is_file():
        results = json.loads(run.results_json.read_bytes())
    pictures = sorted(run.samples.glob("*.png"), key=lambda path: path.stat().st_mtime)
    told = {
        "name": run.recipe.replace("_", "-"),
        "dataset": str(configuration.get("dataset", "")),
        "scores": {name: value for name, value in results.items() if _is_score(name, value)},
        "stamps": results.get("stamps", {}),
        "protocol": results.get("protocol", ""),
        "configuration": configuration,
        "weights": results.get("weights", ""),
        "picture": pictures[-1] if pictures else None,
    }
    if "data_license" not in further:
        told["data_license"] = datasets.license_of(told["dataset"])
    return Details(**_without_path({**told, **further}))


def _is_score(name: str, value: Any) -> bool:
    is_number = type(value) in (int, float)
    return is_number and name not in _NO_SCORES and not name.startswith("num_")


def _without_path(told: dict[str, Any]) -> dict[str, Any]:
    """Has a folder of images go by its own name: where it lies is nobody's business."""
    dataset = told["dataset"]
    if not dataset.startswith(PREFIX):
        return told
    paths = map(os.path.expanduser, dataset.removeprefix(PREFIX).split(","))
    short = PREFIX + ",".join(os.path.basename(os.path.abspath(path)) for path in paths)
    return _replaced(told, dataset, short)


def _replaced(value: Any, old: str, new: str) -> Any:
    """Replaces a text in all texts of a value, of mappings and of what they hold."""
    if isinstance(value, Mapping):
        return {name: _replaced(each, old, new) for name, each in value.items()}
    return value.replace(old, new) if isinstance(value, str) else value


def write_card(
    model: AdversarialModel,
    version: int,
    manifest: Mapping[str, Any],
    details: Details,
    about: Path,
) -> None:
    """Writes the card, the same for Hugging Face, and a picture where one can be had.

    Args:
        model: what is exported.
        version: as which.
        manifest: what `manifest.json` says.
        details: of its training.
        about: folder to write to.
    """
    has_picture = _write_picture(model, details, about / PICTURE)
    title, metadata, text = _parts_of_card(model, version, manifest, details, has_picture)
    (about / CARD).write_text("\n".join([*title, "", *metadata, "", text]), encoding="utf-8")
    readme = "\n".join([*_front_matter(model, details), "", title[0], "", title[1], "", text])
    (about / README).write_text(readme, encoding="utf-8")


# === Parts ===


def _parts_of_card(
    model: AdversarialModel,
    version: int,
    manifest: Mapping[str, Any],
    details: Details,
    has_picture: bool,
) -> tuple[list[str], list[str], str]:
    name = details.name or _dashed(type(model).__name__)
    module_docstring = inspect.getdoc(inspect.getmodule(type(model))) or type(model).__name__
    description = module_docstring.splitlines()[0]
    title = [f"# Module {_PUBLISHER}/{name}/{version}", description]
    metadata = {
        # Of the archive that `export.pack` makes; put the address there that it can be had at.
        "asset-path": f"{name}.tar.gz",
        "module-type": _kind_of(model)[0],
        "network-architecture": _dashed(type(model).__name__),
        "fine-tunable": "true",
        "format": "saved_model_2",
    }
    if details.dataset:
        metadata["dataset"] = re.sub(r"[^\w./-]+", "-", details.dataset)
    sections = [
        _overview(model, has_picture),
        _use(model, manifest),
        _signatures(manifest),
        _scores(details),
        _training(model, manifest, details),
    ]
    comments = [f"<!-- {key}: {value} -->" for key, value in metadata.items()]
    return title, comments, "\n\n".join(filter(None, sections)) + "\n"


def _front_matter(model: AdversarialModel, details: Details) -> list[str]:
    is_ours = "Apache-2.0" in details.data_license and "Drawn by" in details.data_license
    return [
        "---",
        f"license: {'apache-2.0' if is_ours else 'other'}",
        f"pipeline_tag: {_kind_of(model)[1]}",
        "tags:",
        "- tensorflow",
        "- saved-model",
        "- gan",
        f"- {_dashed(type(model).__name__)}",
        "---",
    ]


def _kind_of(model: AdversarialModel) -> tuple[str, str]:
    """Returns what the root does in the words of TF-Hub and of Hugging Face."""
    if not isinstance(model, LatentModel):
        return "image-style-transfer", "image-to-image"
    if getattr(model, "class_names", None):
        return "image-classification-logits", "image-classification"
    return "image-generator", "unconditional-image-generation"


def _overview(model: AdversarialModel, has_picture: bool) -> str:
    reference = re.search(r"Reference: (\[.*?\]\(.*?\))", inspect.getdoc(type(model)) or "")
    lines = ["## Overview", "", f"A {type(model).__name__} of keras-gan-zoo."]
    if reference:
        lines[-1] += f" The paper: {reference[1]}."
    if has_picture:
        lines += ["", f"![Images that the model makes]({PICTURE})"]
    return "\n".join(lines)


def _use(model: AdversarialModel, manifest: Mapping[str, Any]) -> str:
    shape = ", ".join(str(size or 64) for size in _sizes(manifest["call"]["inputs"]))
    lines = ["import tensorflow as tf", "", 'model = tf.saved_model.load("1")']
    if isinstance(model, LatentModel) and "num" in manifest["signatures"]["generate"]["inputs"]:
        lines += [
            "seed = tf.constant(1, tf.int64)",
            "generated = model.generate(tf.constant(16), seed, tf.constant(1.0))",
        ]
    lines += [
        f"inputs = tf.zeros(({shape}))  # a batch of {next(iter(manifest['call']['inputs']))}",
        "outputs = model(inputs)  # training=True to fine-tune model.trainable_variables",
    ]
    return "\n".join(["## Use", "", "```python", *lines, "```"])


def _sizes(inputs: Mapping[str, Any]) -> list[int | None]:
    return [1, *next(iter(inputs.values()))["shape"][1:]]


def _signatures(manifest: Mapping[str, Any]) -> str:
    rows = [
        (f"`{name}`", _described(form["inputs"]), _described(form["outputs"]))
        for name, form in manifest["signatures"].items()
    ]
    return "\n".join(["## Signatures", "", *_table(("name", "takes", "gives"), rows), "", _CHECKS])


def _described(forms: Mapping[str, Any]) -> str:
    texts = []
    for name, form in forms.items():
        shape = ", ".join("any" if size is None else str(size) for size in form["shape"])
        text = f"`{name}`: {form['dtype']} ({shape})"
        if form["range"]:
            lowest, highest = form["range"]
            text += f", from {lowest:g}" + ("" if highest is None else f" to {highest:g}")
        texts.append(text)
    return "; ".join(texts)


def _scores(details: Details) -> str:
    if not details.scores:
        return ""
    rows = []
    for name, value in details.scores.items():
        stamp = {key: each for key, each in details.stamps.get(name, {}).items() if each != ""}
        taken_on = ", ".join(f"{key} {each}" for key, each in stamp.items() if each is not None)
        rows.append((name, f"{value:.6g}", taken_on))
    lines = ["## Scores", "", *_table(("score", "value", "taken on"), rows)]
    if details.protocol not in details.notice:
        lines += ["", f"Scores: {details.protocol}."]
    if details.notice:
        lines += ["", details.notice]
    return "\n".join(lines)


def _training(model: AdversarialModel, manifest: Mapping[str, Any], details: Details) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in manifest["versions"].items())
    license = details.data_license or "not known; see what the data allow before you publish"
    lines = [
        "## Training and licence",
        "",
        f"- Data: {details.dataset or 'not stated'}",
        f"- Licence of the data: {license}",
        f"- Steps: {int(model.step.numpy()):,}",
        *([f"- Weights: {details.weights}"] if details.weights else []),
        f"- Exported with {versions}",
        "- The code that trained it, keras-gan-zoo, is under Apache-2.0.",
    ]
    if details.configuration:
        rows = [(f"`{name}`", json.dumps(value)) for name, value in details.configuration.items()]
        lines += ["", *_table(("hyper-parameter", "value"), rows)]
    return "\n".join(lines)


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    lines = [columns, ("---",) * len(columns), *rows]
    return ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]


def _dashed(name: str) -> str:
    """Returns `WGANGP` as `wgangp` and `FaceGAN` as `face-gan`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


# === Picture ===


def _write_picture(model: AdversarialModel, details: Details, path: Path) -> bool:
    can_draw = (
        isinstance(model, LatentModel)
        and model.condition is None
        and len(model.image_shape) == 3
        and model.image_shape[-1] in (1, 3)
    )
    if can_draw:
        images = model.generate(_GRID**2, seed=_PICTURE_SEED)
        height, width, channels = model.image_shape
        rows = images.reshape(_GRID, _GRID, height, width, channels).transpose(0, 2, 1, 3, 4)
        # The networks of a run that broke may give what is no number.
        pixels = np.clip(np.rint((np.nan_to_num(rows) + 1.0) * 127.5), 0, 255).astype(np.uint8)
        grid = pixels.reshape(_GRID * height, _GRID * width, channels)
        times = -(-_LEAST_SIDE // min(grid.shape[:2]))
        save_picture(grid.repeat(times, axis=0).repeat(times, axis=1), path)
    elif details.picture is not None:
        path.write_bytes(details.picture.read_bytes())
    return can_draw or details.picture is not None
