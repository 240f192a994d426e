"""What a person looks at after a run: curves, an animation, and one page that holds it all."""

import base64
import dataclasses
import html
import io
import itertools
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recipes.common.figures import write_figure
from zoo.common.files import write_atomically
from zoo.common.messages import counted
from zoo.runs.folder import RunFolder

# More frames than this make the file larger than the change they show is worth.
_MOST_FRAMES = 40
_FRAME_MILLISECONDS = 350
_LAST_FRAME_MILLISECONDS = 2500
_SMALLEST_FRAME_WIDTH = 384
_PANELS = (
    ("_gradient_norm", "Gradient norms"),
    ("_loss", "Losses"),
    ("_score", "Scores"),
    ("_output", "Outputs"),
)


# === Curves ===


def write_curves(history_rows: Sequence[Mapping[str, float]], path: str | os.PathLike[str]) -> None:
    """Draws the history: losses, scores or outputs, gradient norms, then each other measure.

    Training is a solid line, validation (`val_...`) a dashed one in the same panel.

    Args:
        history_rows: the logs of each epoch, with `epoch`; see `zoo.runs.HistoryFile`.
        path: the PNG to write.

    Raises:
        ValueError: if there are no rows.
        OSError: if the picture cannot be written.
    """
    if not history_rows:
        raise ValueError("`history_rows` should hold at least one epoch. Received: none")
    from matplotlib.figure import Figure

    panels = _panels_of(history_rows)
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(6.0 * columns, 3.4 * rows), dpi=110, layout="constrained")
    for index, (title, names) in enumerate(panels.items()):
        _draw_panel(figure.add_subplot(rows, columns, index + 1), title, names, history_rows)
    write_figure(figure, path)


def _panels_of(rows: Sequence[Mapping[str, float]]) -> dict[str, list[str]]:
    panels: dict[str, list[str]] = {"Losses": [], "Scores": [], "Gradient norms": []}
    for name in dict.fromkeys(name for row in rows for name in row):
        if name not in ("epoch", "step"):
            panels.setdefault(_panel_title(name.removeprefix("val_")), []).append(name)
    return {title: names for title, names in panels.items() if names} or {"Nothing logged": []}


def _panel_title(name: str) -> str:
    known = (title for ending, title in _PANELS if name.endswith(ending))
    title = _readable(name)
    return next(known, title[:1].upper() + title[1:])


def _draw_panel(
    axes: Any, title: str, names: Sequence[str], rows: Sequence[Mapping[str, float]]
) -> None:
    from matplotlib.ticker import LogFormatter, MaxNLocator

    bases = list(dict.fromkeys(name.removeprefix("val_") for name in names))
    for name in names:
        points = [(row["epoch"], row[name]) for row in rows if name in row]
        axes.plot(
            *zip(*points, strict=True),
            color=f"C{bases.index(name.removeprefix('val_')) % 10}",
            linestyle="--" if name.startswith("val_") else "-",
            # One point has no line: only a marker shows it.
            marker="o" if len(points) <= 30 else None,
            markersize=3.5,
            label=_curve_label(name),
        )
    # What falls by orders of magnitude would else be a line along the axis.
    if title in _ON_LOG_SCALE and any(row.get(name, 0) > 0 for row in rows for name in names):
        axes.set_yscale("log")
        for formatter_of in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            formatter_of(LogFormatter())  # 18, and not 1.8 × 10¹
    if title == "Scores":
        axes.set_ylim(-0.03, 1.03)
    axes.set_title(title, fontsize=11, loc="left", fontweight="bold")
    axes.set_xlabel("epoch")
    axes.set_ylabel(_Y_LABELS.get(title, title.lower()))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if len(names) > 2:  # no corner is free of so many lines
        axes.legend(
            fontsize=8, frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.17)
        )
    elif names:
        axes.legend(fontsize=8, frameon=False)


_ON_LOG_SCALE = ("Gradient norms", "Fréchet distance", "Class imbalance")

_Y_LABELS = {
    "Losses": "loss",
    "Scores": "mean probability of real",
    "Gradient norms": "Euclidean norm (log scale)",
    "Fréchet distance": "Fréchet distance",
}


def _curve_label(name: str) -> str:
    if name.startswith("val_"):
        return f"{_readable(name[4:])} (validation)"
    return _readable(name)


def _readable(name: str) -> str:
    return name.replace("_", " ").replace("frechet", "Fréchet")


# === Samples ===


@dataclasses.dataclass(frozen=True)
class _Sample:
    """A sample grid and when it was drawn."""

    path: Path
    step: int
    epoch: int

    @property
    def caption(self) -> str:
        return f"step {self.step:,} · epoch {self.epoch}"


def _read_samples(folder: str | os.PathLike[str]) -> list[_Sample]:
    """One sample grid a step, in the order of steps."""
    from PIL import Image

    samples = {}
    for path in sorted(Path(folder).glob("*.png")):
        with Image.open(path) as picture:
            notes = getattr(picture, "text", {})
        if "step" in notes:
            sample = _Sample(path, int(notes["step"]), int(notes.get("epoch", 0)))
            # An epoch's last step has two, and the epoch is done.
            if sample.step not in samples or sample.epoch >= samples[sample.step].epoch:
                samples[sample.step] = sample
    return [samples[step] for step in sorted(samples)]


def write_gif(samples_folder: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Joins the sample grids of a run into an animation with captions; the last one stays longer.

    Args:
        samples_folder: what a `SampleGrid` filled. Of more than 40 grids, evenly spaced ones.
        path: the GIF to write.

    Raises:
        ValueError: if there are no sample grids in the folder.
        OSError: if the file cannot be written.
    """
    samples = _read_samples(samples_folder)
    if not samples:
        raise ValueError(f"no sample grids (PNG files with a step) in {samples_folder}")
    samples = _evenly_spaced(samples, _MOST_FRAMES)
    frames = _frames_of(samples)
    durations = [_FRAME_MILLISECONDS] * (len(frames) - 1) + [_LAST_FRAME_MILLISECONDS]
    buffer = io.BytesIO()
    frames[0].save(
        buffer, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0
    )
    write_atomically(path, buffer.getvalue())


def _evenly_spaced(items: Sequence[_Sample], most: int) -> list[_Sample]:
    if len(items) <= most:
        return list(items)
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]


def _frames_of(samples: Sequence[_Sample]) -> list[Any]:
    from PIL import Image, ImageDraw, ImageFont

    with Image.open(samples[0].path) as first:
        width, height = first.size
    scale = max(1, -(-_SMALLEST_FRAME_WIDTH // width))
    size = (width * scale, height * scale)
    font = ImageFont.load_default(15)
    frames = []
    for sample in samples:
        frame = Image.new("RGB", (size[0], size[1] + 26), "white")
        with Image.open(sample.path) as picture:
            frame.paste(picture.convert("RGB").resize(size, Image.Resampling.NEAREST))
        ImageDraw.Draw(frame).text((6, size[1] + 4), sample.caption, fill="black", font=font)
        frames.append(frame)
    return frames


# === Page ===


def write_report(
    run: RunFolder,
    *,
    title: str,
    outcome: str,
    stop_reason: str,
    summary_rows: Iterable[tuple[str, Any, str]],
    resume_command: str,
    load_example: str,
    notice: str = "",
    pictures: Iterable[tuple[Path, str]] = (),
) -> None:
    """Writes `report.html`, one page with its pictures inside, that needs no network.

    Reads `environment.json`, `health.json`, `curves.png`, `samples/` and `samples.gif` of the run;
    what is not there yet is left out.

    Args:
        run: the folder of the run.
        title: heading of the page.
        outcome: one line that says how it went.
        stop_reason: one line that says why it stopped.
        summary_rows: the results: name, value, and a remark that may be empty.
        resume_command: what to type to go on.
        load_example: a few lines of Python that load the export.
        notice: what a reader must know before quoting a number, for example that the data are
            drawn stand-ins. Empty by default.
        pictures: further ones below the samples, each with its caption. None by default.

    Raises:
        OSError: if the page cannot be written.
    """
    sections = [
        _section(
            "Results", _table(("Measure", "Value", "Remark"), map(_summary_row, summary_rows))
        ),
        _section("Samples", _samples_html(run)),
        _section("Closer", "".join(_picture(path, caption) for path, caption in pictures)),
        _section("Curves", _curves_html(run)),
        _section("Health", _health_html(run)),
        _section("Go on from here", _commands_html(resume_command, load_example)),
        _section("Hyper-parameters", _hyper_parameters_html(run)),
        _section("Environment", _environment_html(run)),
    ]
    heading = (
        f'<header><p class="eyebrow">{_text(run.recipe)}</p><h1>{_text(title)}</h1>'
        f'<p class="outcome">{_text(outcome)}</p>'
        f'<p class="stop"><b>Why it stopped:</b> {_text(stop_reason)}</p>'
        + (f'<p class="notice">{_text(notice)}</p>' if notice else "")
        + "</header>"
    )
    page = _PAGE.format(title=_text(title), style=_STYLE, body="\n".join([heading, *sections]))
    write_atomically(run.report_html, page)


def _summary_row(row: tuple[str, Any, str]) -> tuple[str, str, str]:
    name, value, remark = row
    return name, f"{value:.5g}" if isinstance(value, float) else str(value), remark


def _samples_html(run: RunFolder) -> str:
    samples = _read_samples(run.samples) if run.samples.is_dir() else []
    # A dictionary, since a run of one or two grids has the same first, middle and last.
    chosen = dict.fromkeys([samples[0], samples[len(samples) // 2], samples[-1]] if samples else [])
    figures = [_picture(sample.path, f"Generated: {sample.caption}") for sample in chosen]
    animation = _picture(run.samples_gif, "All of the run, the same samples each time")
    if not figures:
        return ""
    grids = f'<div class="grids">{"".join(figures)}</div>'
    return grids + (f'<div class="animation">{animation}</div>' if animation else "")


def _curves_html(run: RunFolder) -> str:
    picture = _picture(run.curves_png, "Training solid, validation dashed")
    return f'<div class="scroll curves">{picture}</div>' if picture else ""


def _health_html(run: RunFolder) -> str:
    if not run.health_json.is_file():
        return ""
    health = json.loads(run.health_json.read_bytes())
    looks = counted(health["looks"], "look")
    if not health["findings"]:
        return f"<p>Nothing went wrong in the game that {looks} could see.</p>"
    rows = [
        (
            finding["title"],
            f"{finding['step']:,} (epoch {finding['epoch']})",
            finding["seen"],
            finding["remedy"],
        )
        for finding in health["findings"]
    ]
    return _table(("What", "Named at step", "Seen", "Remedy"), rows) + f"<p>Of {looks}.</p>"


def _picture(path: Path, caption: str) -> str:
    if not path.is_file():
        return ""
    kind = path.suffix.removeprefix(".")
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return (
        f'<figure><img alt="{_text(caption)}" src="data:image/{kind};base64,{data}">'
        f"<figcaption>{_text(caption)}</figcaption></figure>"
    )


def _commands_html(resume_command: str, load_example: str) -> str:
    return (
        f"<p>Train further, with the same or a larger number of epochs:</p>"
        f"<pre><code>{_text(resume_command)}</code></pre>"
        f"<p>Load the exported model, without any of this code:</p>"
        f"<pre><code>{_text(load_example)}</code></pre>"
    )


def _hyper_parameters_html(run: RunFolder) -> str:
    rows = [
        (name, json.dumps(parameter.value), parameter.source)
        for name, parameter in run.hyper_parameters.items()
    ]
    resumes = "".join(
        f"<p>{_text('Resumed after epoch {from_epoch}, to train {epochs}.'.format(**entry))}</p>"
        for entry in run.resumes
    )
    return _table(("Name", "Value", "Source"), rows) + resumes


def _environment_html(run: RunFolder) -> str:
    if not run.environment_json.is_file():
        return ""
    environment = json.loads(run.environment_json.read_bytes())
    packages = environment.pop("packages", {})
    rows = [(_readable(name), _plain(value)) for name, value in environment.items()]
    versions = [(name, _plain(version)) for name, version in packages.items()]
    return _table(("What", "Value"), itertools.chain(rows, versions))


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value)


def _section(title: str, content: str) -> str:
    return f"<section><h2>{_text(title)}</h2>{content}</section>" if content else ""


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    head = "".join(f'<th scope="col">{_text(column)}</th>' for column in columns)
    body = "".join(
        f'<tr><th scope="row">{_text(first)}</th>'
        + "".join(f"<td>{_text(cell)}</td>" for cell in cells)
        + "</tr>"
        for first, *cells in rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _text(value: Any) -> str:
    return html.escape(str(value))


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --line: #d8dee4;
  --page: #f6f7f9; --card: #ffffff; --accent: #2257c5; --warn: #fff4d6; --warn-ink: #6b4a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --soft: #9aa5b1; --line: #323a43;
  --page: #14171b; --card: #1c2126; --accent: #86adff; --warn: #3a2f12; --warn-ink: #f2d48a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 12px; }
h2 { font-size: 1.1rem; margin: 0 0 14px; }
p { margin: 0 0 10px; }
.eyebrow { color: var(--accent); font-weight: 600; margin-bottom: 4px; }
.outcome { font-size: 1.15rem; }
.stop { color: var(--soft); overflow-wrap: anywhere; }
.notice { background: var(--warn); color: var(--warn-ink); border-radius: 8px; padding: 10px 14px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 20px; margin-top: 20px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.93rem; }
th, td { text-align: left; vertical-align: top; padding: 7px 16px 7px 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; min-width: 6em; }
thead th { color: var(--soft); font-weight: 600; }
tbody th { font-weight: 500; }
tbody tr:last-child > * { border-bottom: 0; }
td { font-variant-numeric: tabular-nums; }
.grids { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(220px, 1fr)); }
figure { margin: 0; }
figcaption { color: var(--soft); font-size: 0.87rem; margin-top: 6px; }
img { display: block; width: 100%; height: auto; border-radius: 6px; background: #ffffff; }
.grids img { image-rendering: pixelated; }
.animation { max-width: 480px; margin-top: 20px; }
.curves figure { min-width: 640px; }
pre { background: var(--page); border: 1px solid var(--line); border-radius: 8px;
  padding: 12px 14px; overflow-x: auto; font-size: 0.88rem; }
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
"""
