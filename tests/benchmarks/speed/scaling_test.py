"""What the page says of growth, and that a process's own memory is measured."""

import resource
from pathlib import Path

import numpy as np
import pytest

from benchmarks.speed import scaling
from benchmarks.speed.alone import call_alone, peak_mb
from benchmarks.speed.scaling import Point


def test_a_row_has_the_powers_with_which_time_and_memory_grow():
    points = [Point(size, 0.01 * size**2, 3.0 * size) for size in (8, 16, 32)]
    streamed = [Point(size, 1e-4 * size, 0.0) for size in (10**3, 10**4)]
    *_, batch, records = scaling.block({"batch": points, "records": streamed}).splitlines()
    cells = "| 8 / 16 / 32 | 0.64 / 2.6 / 10 | 2.00 | 24 / 48 / 96 | 1.00 |"
    assert batch == f"| images of a batch {cells}"
    assert records.endswith("| 1,000 / 10,000 | 0.1 / 1 | 1.00 | 1 / 1 | 0.00 |")


def test_memory_given_back_still_counts_at_its_peak():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    held_mb = pages * resource.getpagesize() / 1e6
    np.ones(2 * 10**8, np.uint8)
    # The process may have held more before, so that there is no upper bound.
    assert peak_mb() > held_mb + 150


@pytest.mark.slow
def test_what_the_parent_holds_is_not_the_childs():
    held = np.ones(10**9, np.uint8)
    assert call_alone(peak_mb) < 1000 < peak_mb()
    assert held[0]


@pytest.mark.slow
@pytest.mark.parametrize("measure", [scaling.of_records, scaling.of_folder])
def test_a_pass_goes_through_so_many_images(measure):
    point = measure(250)
    assert point.size == 250 and point.seconds > 0 and point.megabytes >= 0
