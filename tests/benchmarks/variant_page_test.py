"""The page of a variant: what it takes from docstrings, recipe and records."""

from pathlib import Path

import pytest

from benchmarks.registry import RECIPES
from benchmarks.variant_page import file_name, render_variant
from tests.benchmarks.hand_made import record_of

RECIPE = RECIPES["semi_supervised"]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    repository = tmp_path_factory.mktemp("repository")
    for name in ("images/semi_supervised.png", "experiments/semi_supervised_gan.md"):
        path = repository / "docs" / name
        path.parent.mkdir(parents=True)
        path.touch()
    return render_variant([RECIPE], [record_of(), record_of(seed=1, smoke=True)], repository)


def test_page_is_called_as_the_module() -> None:
    assert file_name(RECIPE.model) == "semi_supervised_gan.md"


@pytest.mark.parametrize(
    "line",
    [
        "# SemiSupervisedGAN",
        "## The game",
        "    L_labelled   = −E log p(label | x, real)",
        "- Recipe: [`recipes/semi_supervised.py`](../../recipes/semi_supervised.py)",
        "- What was tried: [experiments](../experiments/semi_supervised_gan.md)",
        "python recipes/semi_supervised.py --num_labels=20 --epochs=300",
        "model = zoo.SemiSupervisedGAN(",
        "    average_decay=0.9999,",
        '- `class_names`: K names for the export. Defaults to "0" … "K−1".',
        "| `epochs` | **75** | 300 | code of Salimans et al. 2016 |",
        "| `adam_beta_1` | 0.5 | 0.5 | code of Salimans et al. 2016 |",
        "## Results",
        "### semi_supervised on mnist_small, preset quick",
    ],
)
def test_page_has_the_line(page: str, line: str) -> None:
    assert line in page.splitlines()


def test_smoke_runs_are_not_shown(page: str) -> None:
    (row,) = [line for line in page.splitlines() if line.startswith("| preset |")]
    assert row.startswith("| preset | 100 | 75 | 1 |")


def test_pictures_and_experiments_are_linked_where_they_are(page: str, tmp_path: Path) -> None:
    assert "(../images/semi_supervised.png)" in page
    assert "_curves.png" not in page
    bare = render_variant([RECIPE], [], tmp_path)
    assert "../images/" not in bare and "../experiments/" not in bare
    assert "No run is recorded yet." in bare


def test_numbers_of_papers_are_told_with_their_protocol(page: str) -> None:
    (row,) = [line for line in page.splitlines() if "MNIST | test error, num_labels=100" in line]
    assert "| 0.93 ± 0.07 % | the whole of the data to train and to test on" in row
