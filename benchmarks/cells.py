"""What stands in a cell of a table, and the table as Markdown."""

import math
import statistics
from collections.abc import Iterable, Sequence

from benchmarks.records import Record
from recipes.common.measures import Column, Counts, Mean, Ratio, Span

NOTHING = "–"


def title_of(column: Column, records: Sequence[Record]) -> str:
    """Returns the heading of a column of these records' scores."""
    if isinstance(column, Counts):
        return column.title.format(f"{records[0].details[column.of]:,}")
    return column.title


def score_cell(column: Column, records: Sequence[Record], prefix: str = "") -> str:
    """Returns a cell of the scores of some runs; a dash if one of them lacks the score.

    Args:
        column: says which score, and how it is shown.
        records: of the runs of a row.
        prefix: before the score's name.
    """
    values = _values(records, prefix + column.score)
    if values is None:
        return NOTHING
    match column:
        case Mean():
            shown = [column.factor * value for value in values]
            return mean_and_deviation(shown, column.unit, column.decimals)
        case Span():
            return span(values, column.digits)
        case Ratio():
            others = _values(records, prefix + column.over)
            return f"{sum(values) / sum(others):.2f}" if others and sum(others) else NOTHING
        case Counts():
            numbers = [record.details[column.of] for record in records]
            counts = [round(v * n) for v, n in zip(values, numbers, strict=True)]
            return ", ".join(map(str, counts))


def _values(records: Sequence[Record], score: str) -> list[float] | None:
    values = [record.scores[score] for record in records if score in record.scores]
    return values if len(values) == len(records) else None


def mean_and_deviation(values: Sequence[float], unit: str = "", decimals: int | None = None) -> str:
    """Returns mean ± sample standard deviation over seeds; of one seed, the value.

    Args:
        values: one a seed.
        unit: what stands behind the numbers.
        decimals: of both numbers. Defaults to as many as give the larger one three digits.
    """
    mean = statistics.fmean(values)
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    if decimals is None:
        decimals = _decimals_of_three_digits(max(abs(mean), deviation))
    if len(values) == 1:
        return f"{mean:.{decimals}f}{unit}"
    return f"{mean:.{decimals}f} ± {deviation:.{decimals}f}{unit}"


def _decimals_of_three_digits(value: float) -> int:
    return max(0, 2 - math.floor(math.log10(value))) if value else 2


def span(values: Iterable[float | None], digits: str = ".1f") -> str:
    """Returns the least and the largest value that is known, or the one if these look equal."""
    known = [value for value in values if value is not None]
    if not known:
        return "unknown"
    least, most = f"{min(known):{digits}}", f"{max(known):{digits}}"
    return least if least == most else f"{least} to {most}"


def markdown_table(heading: Sequence[str], rows: Iterable[Sequence[str]], num_texts: int) -> str:
    """Returns a table of columns of text, aligned left, and then of numbers, aligned right.

    Args:
        heading: titles of the columns.
        rows: their cells.
        num_texts: how many columns are text.
    """
    alignment = [":---"] * num_texts + ["---:"] * (len(heading) - num_texts)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heading, alignment, *rows))
