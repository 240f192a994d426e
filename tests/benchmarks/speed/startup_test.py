"""What the page says of starts."""

import pytest

from benchmarks.speed.alone import call_alone
from benchmarks.speed.startup import Start, block, start_of


def test_a_row_has_both_first_steps_and_imports_are_compared_in_turn():
    imports = {"keras": [4.0, 5.0, 6.0], "zoo": [4.4, 5.0, 9.0]}
    starts = {"DCGAN": {False: Start(1.0, 8.0, 0.5, 0.0123), True: Start(1.0, 31.0, 0.25, 0.02)}}
    text = block(imports, starts)
    assert "takes 5.0 s, `import zoo` 1.10 times that (1.00 to 1.50)" in text
    assert text.endswith("| `DCGAN` | 1 s | 8 s | 31 s | 0.5 s | 0.25 s | 12 ms |")


@pytest.mark.slow
def test_the_first_step_traces_and_the_second_does_not():
    start = call_alone(start_of, "ModeLabGAN", False, 2)
    assert start.first > 2 * start.second > 2 * start.end > 0
