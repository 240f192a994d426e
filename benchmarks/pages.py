"""Makes every page that is generated: of results, of each variant, and tables within others.

    python -m benchmarks.pages

They are made from the recipes, the docstrings of the variants, the records of measured runs and
what was found in trained ones. The tables are those of README.md, the verdicts of docs/tricks.md
and, within docs/experiments, the tables of mode_lab.md, stabilisers.md, few_images.md,
semi_supervised_gan.md, divergences.md, two_numbers.md and explore.md.
"""

from recipes.common import command_line  # first: it keeps TensorFlow's import quiet

# isort: split
import re
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from benchmarks.ablation import ablation_table, verdicts
from benchmarks.divergences import gaussians_table, lines_table, normals_table, read_runs
from benchmarks.explorations import exploration_tables, read_findings
from benchmarks.few_images import few_images_table
from benchmarks.long_games import long_table, read_games
from benchmarks.mode_lab import method_table, published_table
from benchmarks.readme_tables import in_order_of_papers, result_table, variant_table
from benchmarks.records import FOLDER, Record, read_records
from benchmarks.registry import RECIPES, refuse_incomplete
from benchmarks.results import render_results
from benchmarks.two_numbers import averaging_table, game_table, read_results
from benchmarks.variant_page import file_name, render_variant
from zoo.common.command_errors import one_line_errors
from zoo.common.files import write_atomically

REPOSITORY = FOLDER.parent.parent
VARIANTS = Path("docs", "variants")
TRICKS = Path("docs", "tricks.md")
EXPERIMENTS = Path("docs", "experiments")
MODE_LAB = EXPERIMENTS / "mode_lab.md"
STABILISERS = EXPERIMENTS / "stabilisers.md"
FEW_IMAGES = EXPERIMENTS / "few_images.md"
SEMI_SUPERVISED = EXPERIMENTS / "semi_supervised_gan.md"
DIVERGENCES = EXPERIMENTS / "divergences.md"
TWO_NUMBERS = EXPERIMENTS / "two_numbers.md"
EXPLORE = EXPERIMENTS / "explore.md"


def render_pages(records: Sequence[Record], repository: Path = REPOSITORY) -> dict[Path, str]:
    """Returns the text of each page by its path within the repository.

    Args:
        records: of measured runs; those of smoke runs are left out.
        repository: holds README.md and perhaps the experiments that have tables, of which only
            these are made anew, and pictures.

    Raises:
        ValueError: if a record lacks what tables show, or a page a table's place.
        OSError: if README.md can't be read.
    """
    for record in records:
        refuse_incomplete(record)
    recipes = in_order_of_papers(RECIPES.values())
    readme = (repository / "README.md").read_text(encoding="utf-8")
    readme = replace_block(readme, "variants", variant_table(recipes))
    readme = replace_block(readme, "results", result_table(recipes, records))
    pages = {Path("benchmarks", "RESULTS.md"): render_results(records), Path("README.md"): readme}
    lessons, smallest = read_runs(), read_results()
    blocks = {
        MODE_LAB: {"methods": method_table(records), "published": published_table()},
        TRICKS: {"verdicts": verdicts(records)},
        STABILISERS: {"stabilisers": ablation_table(records)},
        FEW_IMAGES: {"few images": few_images_table(records)},
        SEMI_SUPERVISED: {"long games": long_table(read_games())},
        DIVERGENCES: {
            "lines": lines_table(lessons),
            "gaussians": gaussians_table(lessons),
            "normals": normals_table(),
        },
        TWO_NUMBERS: {"games": game_table(smallest), "averaging": averaging_table(smallest)},
        EXPLORE: exploration_tables(read_findings(repository / "benchmarks" / "explorations")),
    }
    for path in (path for path in blocks if (repository / path).exists()):
        page = (repository / path).read_text(encoding="utf-8")
        for name, block in blocks[path].items():
            page = replace_block(page, name, block, path)
        pages[path] = page
    for model in dict.fromkeys(recipe.model for recipe in recipes):
        own = [recipe for recipe in recipes if recipe.model is model]
        pages[VARIANTS / file_name(model)] = render_variant(own, records, repository)
    return pages


def replace_block(
    text: str,
    name: str,
    block: str,
    page: Path = Path("README.md"),
    maker: str = "benchmarks.pages",
) -> str:
    """Returns a page with another block between the comments that mark its place.

    Args:
        text: with `<!-- name: … -->` and `<!-- end of name -->`, each in a line of its own.
        name: of the block.
        block: the new one.
        page: which page it is, for the message.
        maker: the module that makes the block.

    Raises:
        ValueError: if the place is not marked once.
    """
    start, end = f"<!-- {name}: made by `python -m {maker}` -->", f"<!-- end of {name} -->"
    pattern = rf"(?<={re.escape(start)}\n).*?(?={re.escape(end)})"
    made, count = re.subn(pattern, lambda _: f"\n{block}\n\n", text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(
            f"{page} should mark the place of the table of {name} once, by the lines {start} "
            f"and {end}. Found: {count} such places."
        )
    return made


def main() -> None:
    """Writes the pages, and removes those of variants that are no more."""
    with one_line_errors():
        repository = Path(flags.FLAGS.repository)
        pages = render_pages(read_records(flags.FLAGS.records), repository)
        for path, text in pages.items():
            (repository / path).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(repository / path, text)
        for path in sorted((repository / VARIANTS).glob("*.md")):
            if path.relative_to(repository) not in pages:
                path.unlink()
    print(f"Made {len(pages)} pages: {', '.join(map(str, pages))}")


if __name__ == "__main__":
    flags.DEFINE_string("records", str(FOLDER), "Folder of the records.")
    flags.DEFINE_string("repository", str(REPOSITORY), "Folder to write the pages in.")
    command_line.run(main)
