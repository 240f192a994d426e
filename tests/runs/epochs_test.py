"""Which epochs are looked at."""

import pytest

from zoo.runs.epochs import is_due


@pytest.mark.parametrize(
    ("every", "epochs", "expected"),
    [(1, 3, [1, 2, 3]), (4, 10, [1, 4, 8, 10]), (4, None, [1, 4, 8]), (50, 3, [1, 3])],
)
def test_the_first_those_between_and_the_last(every, epochs, expected):
    assert [n for n in range(1, (epochs or 10) + 1) if is_due(n, every, epochs)] == expected
