"""Figures are written as PNGs, at their own size."""

import pytest
from matplotlib.figure import Figure
from PIL import Image

from recipes.common.figures import write_figure


def test_a_figure_has_its_own_resolution_and_a_white_ground(tmp_path):
    write_figure(Figure(figsize=(2, 1), dpi=50), tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as picture:
        assert picture.size == (100, 50)
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_a_figure_that_can_not_be_written_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_figure(Figure(), tmp_path / "missing" / "figure.png")
    assert not list(tmp_path.iterdir())
