"""The small words: numbers with their noun, lists of names, first lines."""

import pytest

from zoo.common.messages import counted, first_line, listed, printable


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 epochs"), (1, "1 epoch"), (2, "2 epochs"), (2000, "2,000 epochs")],
)
def test_counted(number: int, text: str) -> None:
    assert counted(number, "epoch") == text


@pytest.mark.parametrize(
    ("names", "text"),
    [([], "none"), (["a"], "'a'"), (["a", "b", "c"], "'a', 'b' and 'c'")],
)
def test_listed(names: list[str], text: str) -> None:
    assert listed(names, " and ") == text


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("\nfirst\nsecond"), "first"),
        (ValueError("{{node Read}} no such file [Op:ReadFile] name: "), "no such file"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_first_line(error: Exception, line: str) -> None:
    assert first_line(error) == line


def test_printable() -> None:
    assert printable("caf\N{LATIN SMALL LETTER E WITH ACUTE}\udcff") == "café\\xff"
