"""The table of exports: what it measures is true of a small model."""

import dataclasses

import pytest

from benchmarks import exports
from tests.cases.semi_supervised_gan import CASE as SEMI_SUPERVISED


@pytest.mark.slow
def test_a_row_tells_what_the_table_shows():
    row = exports.measure(SEMI_SUPERVISED.build(), seconds=0.01)
    assert (row.variant, row.function) == ("SemiSupervisedGAN", "classify")
    assert row.parity < 1e-5 and row.size > 10_000
    assert row.load > 0 and row.alone[1] < row.first
    assert 0 < row.check < row.verify and list(row.checks) == [1, 8, 64]
    for times in (row.live, row.alone, row.onnx, row.litert):
        assert list(times) == [1, 8, 64] and all(seconds > 0 for seconds in times.values())


def test_the_page_gives_times_for_each_image():
    times = {1: 0.002, 64: 0.064}
    row = exports.Row(
        "DCGAN", "from_latents", (32, 32, 3), 3_500_000, 2e-7, 0.012, 5.0, 0.5, 0.25,
        times, times, times, times, {1: 0.004, 64: -0.001}, "a processor, 2 cores",
    )  # fmt: skip
    row = dataclasses.replace(row, pytorch={1: 0.004, 64: 0.064})
    lines = [line for line in exports.render([row]).splitlines() if line.startswith("|")]
    heads, rows = lines[::3], lines[2::3]
    assert [head.count("|") for head in heads] == [row.count("|") for row in rows]
    assert rows == [
        "| DCGAN | `from_latents` | 32×32×3 | 3.5 | 2e-07 | 0.012 | 5.0 | 0.50 | 0.25 |",
        "| DCGAN | `from_latents` | 2 / 1 | 2 / 1 | 2 / 1 | 2 / 1 | 4 / 1 | +0.4 / -0.1 "
        "| a processor, 2 cores |",
    ]


def test_rows_are_kept_and_one_alone_can_be_measured_anew(tmp_path, monkeypatch):
    times = {1: 0.002, 64: 0.064}

    def row(model, seconds, torch_python):
        shape = tuple(model.image_shape)
        return exports.Row(
            type(model).__name__, "from_latents", shape, 1000, 0.0, 0.0, 1.0, seconds, 0.1,
            times, times, times, times, times, "a processor",
        )  # fmt: skip

    monkeypatch.setattr(exports, "measure", row)
    where = [f"--out={tmp_path / 'page.md'}", f"--rows={tmp_path / 'rows.json'}"]
    exports.main(["--variants", "VanillaGAN", "DCGAN", "--seconds=2", *where])
    exports.main(["--variants", "DCGAN", "--seconds=3", *where])
    rows = exports.read_rows(tmp_path / "rows.json")
    assert {name: each.load for name, each in rows.items()} == {"VanillaGAN": 2.0, "DCGAN": 3.0}
    assert rows["DCGAN"].live == times
    *_, first, second = (tmp_path / "page.md").read_text().splitlines()
    assert first.startswith("| DCGAN |") and second.startswith("| VanillaGAN |")
