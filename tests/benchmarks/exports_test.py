"""The table of exports: what it measures is true of a small model."""

import pytest

from benchmarks import exports
from tests.cases.semi_supervised_gan import CASE as SEMI_SUPERVISED


@pytest.mark.slow
def test_a_row_tells_what_the_table_shows():
    row = exports.measure(SEMI_SUPERVISED.build(), seconds=0.01)
    assert (row.variant, row.function) == ("SemiSupervisedGAN", "classify")
    assert row.parity < 1e-5 and row.size > 10_000
    assert row.load > 0 and row.alone[1] < row.first
    for times in (row.live, row.alone, row.onnx, row.litert):
        assert list(times) == [1, 64] and all(seconds > 0 for seconds in times.values())


def test_the_page_gives_times_for_each_image():
    times = {1: 0.002, 64: 0.064}
    row = exports.Row(
        "DCGAN", "from_latents", (32, 32, 3), 3_500_000, 2e-7, 0.5, 0.25,
        times, times, times, times, "a processor, 2 cores",
    )  # fmt: skip
    *_, head, _, line = exports.render([row]).splitlines()
    assert head.startswith("| variant | function |")
    assert line == (
        "| DCGAN | `from_latents` | 32×32×3 | 3.5 | 2e-07 | 0.50 | 0.25 "
        "| 2 / 1 | 2 / 1 | 2 / 1 | 2 / 1 | a processor, 2 cores |"
    )
