"""The pictures of a run, and the page that stands alone."""

import base64
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.axes
import numpy as np
import pytest
from PIL import Image

from recipes.common.report_page import write_curves, write_gif, write_report
from zoo.runs.folder import HyperParameter, RunFolder
from zoo.runs.samples import save_picture

VOID_TAGS = {"img", "meta", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Collects what a page shows, and fails on tags that do not match."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open_tags, self.tags, self.addresses, self.styles = [], [], [], []
        self.texts: list[str] = []
        self.images: list[dict[str, str]] = []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert self.open_tags == []

    def handle_starttag(self, tag, attributes) -> None:
        self.tags.append(tag)
        if tag not in VOID_TAGS:
            self.open_tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        if tag == "img":
            self.images.append(dict(attributes))

    def handle_endtag(self, tag) -> None:
        assert self.open_tags.pop() == tag

    def handle_data(self, data) -> None:
        target = self.styles if self.open_tags[-1:] == ["style"] else self.texts
        target.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def draw_samples(folder: Path, steps=(0, 100, 200), side: int = 8) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, step in enumerate(steps):
        pixels = np.full((side, side, 3), 40 * index % 256, np.uint8)
        save_picture(pixels, folder / f"step-{step:07d}.png", step=step, epoch=index)


def rows_of(epochs: int) -> list[dict[str, float]]:
    return [
        {
            "epoch": epoch,
            "step": 10 * epoch,
            "generator_loss": 1.0 / epoch,
            "discriminator_loss": 0.5,
            "val_generator_loss": 1.1 / epoch,
            "real_score": 0.6,
            "generated_score": 0.4,
            "generator_gradient_norm": 10.0**-epoch,
            "val_error": 2.0 / epoch,
        }
        for epoch in range(1, epochs + 1)
    ]


def plotted(monkeypatch: pytest.MonkeyPatch) -> list[matplotlib.axes.Axes]:
    """The axes that are drawn from now on."""
    drawn, original = [], matplotlib.axes.Axes.legend

    def legend(axes, *arguments, **options):
        drawn.append(axes)
        return original(axes, *arguments, **options)

    monkeypatch.setattr(matplotlib.axes.Axes, "legend", legend)
    return drawn


def finished_run(path: Path, **hyper_parameters) -> RunFolder:
    config = {name: HyperParameter(value, "test") for name, value in hyper_parameters.items()}
    new = RunFolder.start(path / "run", "dcgan", {"epochs": HyperParameter(3, "preset"), **config})
    run = new.begin("fingerprint-1")
    draw_samples(run.samples)
    write_curves(rows_of(3), run.curves_png)
    write_gif(run.samples, run.samples_gif)
    return run


def report(run: RunFolder, **changes) -> Page:
    arguments = {
        "title": "A run",
        "outcome": "It went well.",
        "stop_reason": "all 3 epochs are done",
        "summary_rows": [("error", 0.123456789, "on validation"), ("modes", "9 of 10", "")],
        "resume_command": "python recipes/dcgan.py --resume",
        "load_example": 'tf.saved_model.load("export/1")',
    }
    write_report(run, **{**arguments, **changes})
    return Page(run.report_html)


# === Curves ===


def test_curves_have_a_panel_for_each_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = plotted(monkeypatch)
    write_curves(rows_of(3), tmp_path / "curves.png")
    panels = {axes.get_title(loc="left"): axes for axes in drawn}
    assert list(panels) == ["Losses", "Scores", "Gradient norms", "Error"]
    assert all(axes.get_xlabel() == "epoch" and axes.get_ylabel() for axes in drawn)
    assert panels["Gradient norms"].get_yscale() == "log"
    assert panels["Losses"].get_yscale() == "linear"
    lines = {line.get_label(): line for line in panels["Losses"].lines}
    assert list(lines) == ["generator loss", "discriminator loss", "generator loss (validation)"]
    np.testing.assert_array_equal(
        lines["generator loss"].get_xydata(), [[1, 1], [2, 1 / 2], [3, 1 / 3]]
    )
    assert lines["generator loss (validation)"].get_linestyle() == "--"
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width > 1000


def test_one_epoch_shows_markers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = plotted(monkeypatch)
    write_curves(rows_of(1), tmp_path / "curves.png")
    assert all(line.get_marker() == "o" for axes in drawn for line in axes.lines)


def test_rows_may_lack_a_measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = plotted(monkeypatch)
    rows = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0, "val_error": 0.5}]
    write_curves(rows, tmp_path / "curves.png")
    np.testing.assert_array_equal(drawn[-1].lines[0].get_xydata(), [[2, 0.5]])


def test_no_history_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one epoch"):
        write_curves([], tmp_path / "curves.png")


# === Animation ===


def test_animation_shows_each_step_once_in_order(tmp_path: Path) -> None:
    draw_samples(tmp_path, steps=(0, 100, 20, 100))
    save_picture(np.full((8, 8, 3), 250, np.uint8), tmp_path / "epoch-0009.png", step=500, epoch=9)
    write_gif(tmp_path, tmp_path / "samples.gif")
    with Image.open(tmp_path / "samples.gif") as animation:
        assert animation.n_frames == 4 and animation.info["loop"] == 0
        sizes, durations, levels = set(), [], []
        for index in range(animation.n_frames):
            animation.seek(index)
            sizes.add(animation.size)
            durations.append(animation.info["duration"])
            levels.append(animation.convert("L").getpixel((5, 5)))
    assert len(sizes) == 1
    assert durations[-1] > 2 * durations[0] and len(set(durations[:-1])) == 1
    np.testing.assert_allclose(levels, [0, 80, 120, 250], atol=3)


def test_captions_tell_the_step(tmp_path: Path) -> None:
    # Equal grids, so frames can differ only by what is written under them.
    for step in (0, 100):
        path = tmp_path / f"step-{step:07d}.png"
        save_picture(np.zeros((8, 8, 1), np.uint8), path, step=step, epoch=0)
    write_gif(tmp_path, tmp_path / "samples.gif")
    with Image.open(tmp_path / "samples.gif") as animation:
        first = np.asarray(animation.convert("L"))
        animation.seek(1)
        second = np.asarray(animation.convert("L"))
    width = first.shape[1]
    np.testing.assert_array_equal(first[:width], second[:width])
    assert (first[width:] != second[width:]).any()


def test_last_step_of_an_epoch_has_that_epoch_done(tmp_path: Path) -> None:
    def film(epochs: dict[str, int]) -> np.ndarray:
        folder = tmp_path / "-".join(epochs)
        folder.mkdir()
        for name, epoch in epochs.items():
            save_picture(np.zeros((8, 8, 1), np.uint8), folder / name, step=2000, epoch=epoch)
        write_gif(folder, folder / "samples.gif")
        with Image.open(folder / "samples.gif") as animation:
            return np.asarray(animation.convert("L"))

    both = film({"epoch-0010.png": 10, "step-0002000.png": 9})
    np.testing.assert_array_equal(both, film({"epoch-0010.png": 10}))
    assert (both != film({"step-0002000.png": 9})).any()


def test_long_run_is_thinned_to_its_ends(tmp_path: Path) -> None:
    draw_samples(tmp_path, steps=range(200))
    write_gif(tmp_path, tmp_path / "samples.gif")
    with Image.open(tmp_path / "samples.gif") as animation:
        assert animation.n_frames == 40


def test_no_samples_are_refused(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "other.png")
    with pytest.raises(ValueError, match="no sample grids"):
        write_gif(tmp_path, tmp_path / "samples.gif")


# === Page ===


def test_page_refers_to_nothing_outside(tmp_path: Path) -> None:
    page = report(finished_run(tmp_path))
    assert page.source.startswith("<!DOCTYPE html>")
    assert page.addresses and all(address.startswith("data:image/") for address in page.addresses)
    assert not {"script", "link", "iframe", "a"} & set(page.tags)
    assert all("url(" not in style and "@import" not in style for style in page.styles)


def test_page_shows_the_whole_run(tmp_path: Path) -> None:
    page = report(finished_run(tmp_path, seed=17), notice="Drawn stand-ins.")
    for expected in (
        "A run It went well. Why it stopped: all 3 epochs are done Drawn stand-ins.",
        "error 0.12346 on validation modes 9 of 10",
        "epochs 3 preset seed 17 test",
        "python recipes/dcgan.py --resume",
        'tf.saved_model.load("export/1")',
        "fingerprint-1",
        "tensorflow 2.",
    ):
        assert expected in page.text


def test_pictures_are_those_of_the_run(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    page = report(run)
    pictures = [base64.b64decode(image["src"].split(",")[1]) for image in page.images]
    files = [*sorted(run.samples.iterdir()), run.samples_gif, run.curves_png]
    assert pictures == [file.read_bytes() for file in files]
    assert all(image["alt"] for image in page.images)
    assert "image/gif" in page.images[3]["src"]
    assert Image.open(io.BytesIO(pictures[3])).n_frames == 3


def test_health_is_told(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    run.health_json.write_text(json.dumps({"looks": 1, "findings": []}))
    assert "Nothing went wrong in the game that 1 look could see." in report(run).text
    finding = {"title": "It fell", "step": 1200, "epoch": 3, "seen": "x < 1", "remedy": "Hold it."}
    run.health_json.write_text(json.dumps({"looks": 4, "findings": [finding]}))
    assert "It fell 1,200 (epoch 3) x < 1 Hold it. Of 4 looks." in report(run).text


def test_text_is_escaped(tmp_path: Path) -> None:
    evil = '<script>alert("1")</script> & more'
    run = finished_run(tmp_path, **{evil: evil})
    page = report(
        run,
        title=evil,
        outcome=evil,
        stop_reason=evil,
        summary_rows=[(evil, evil, evil)],
        resume_command=evil,
        load_example=evil,
        notice=evil,
    )
    assert "script" not in page.tags
    assert page.text.count(evil) >= 9


def test_resumes_are_told(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    resumed = RunFolder.resume(
        run.path, "dcgan", {"epochs": HyperParameter(8, "command line")}
    ).begin()
    assert "Resumed after epoch 0, to train 8." in report(resumed).text


def test_unfinished_run_has_a_page_too(tmp_path: Path) -> None:
    run = RunFolder.start(tmp_path, "dcgan", {"epochs": HyperParameter(3)}).begin()
    page = report(run, stop_reason="interrupted")
    assert page.images == [] and "Why it stopped: interrupted" in page.text
    assert "Curves" not in page.text


def test_page_fits_phones_and_dark_rooms(tmp_path: Path) -> None:
    page = report(finished_run(tmp_path))
    assert 'name="viewport" content="width=device-width' in page.source
    assert "prefers-color-scheme: dark" in "".join(page.styles)
