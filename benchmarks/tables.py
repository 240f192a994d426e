"""Tables of results, drawn from records as `Measures` says, whatever the recipe."""

import collections
from collections.abc import Iterable, Iterator, Sequence

from benchmarks.cells import NOTHING, markdown_table, score_cell, span, title_of
from benchmarks.configurations import (
    Row,
    axis_value,
    comparable_key,
    grouped,
    has_gpu,
    legend,
    measures_of,
    rows_of,
    shown_protocol,
)
from benchmarks.records import Record
from recipes.common.measures import Measures, Reported
from zoo.datasets.catalogue import OWN_DATASETS, base_name
from zoo.metrics import Stamp, refuse_different

# === Tables ===


def draw_tables(records: Iterable[Record]) -> list[str]:
    """Returns a table for each recipe, data set, preset and protocol.

    Args:
        records: complete, as `benchmarks.registry.refuse_incomplete` asks.

    Raises:
        ValueError: if scores of a table were not taken on the same, naming the difference.
    """
    groups = grouped(records, comparable_key)
    titles = collections.Counter(map(_title, groups))
    return [
        _draw_table(
            group, _title(group) + (_measured_on(group) if titles[_title(group)] > 1 else "")
        )
        for group in groups
    ]


def _title(records: Sequence[Record]) -> str:
    first = records[0]
    return f"{first.recipe} on {first.configuration['dataset']}, preset {first.preset}"


def _measured_on(records: Sequence[Record]) -> str:
    """Tells tables apart that have the same title, by the dates of their runs."""
    days = sorted(record.date for record in records)
    return f", measured on {days[0]}" + (f" to {days[-1]}" if days[-1] != days[0] else "")


def _draw_table(records: Sequence[Record], title: str) -> str:
    first = records[0]
    dataset = first.configuration["dataset"]
    measures = measures_of(first)
    _refuse_different_stamps(records, measures)
    rows = rows_of(records)
    papers = _papers_beside(dataset, measures)
    lines = [
        *legend(records),
        f"- Protocol: {shown_protocol(records)}",
        *_tested(records, measures),
        *_ran_on(records),
    ]
    paragraphs = [
        f"### {title}",
        _draw_rows(rows, measures, papers),
        "\n".join(lines),
        *_early_ends(rows, measures),
        *(f"[{number}] {_note(paper[0])}" for number, paper in enumerate(papers, start=1)),
        *_note_on_stand_in(dataset),
    ]
    return "\n\n".join(paragraphs) + "\n"


def _refuse_different_stamps(records: Sequence[Record], measures: Measures) -> None:
    """Refuses to show scores in one column that were not taken on the same.

    Older records, and measures that need none, have no stamp: their protocol is the same.
    """
    prefixes = measures.parts.names if measures.parts else ("",)
    # Where another classifier is tolerated, so is its digest.
    tolerated = {"extractor": "any"} if measures.same_protocol_but_for else {}
    for score in {prefix + column.score for column in measures.columns for prefix in prefixes}:
        stamps = {
            f"{score} of run {number}": Stamp(**record.details["stamps"][score] | tolerated)
            for number, record in enumerate(records, start=1)
            if score in record.details.get("stamps", {})
        }
        refuse_different(stamps)


# === Rows ===


def _draw_rows(rows: Sequence[Row], measures: Measures, papers: Sequence[list[Reported]]) -> str:
    texts = [*([measures.parts.column] if measures.parts else []), "Configuration"]
    heading = [
        *texts,
        *(axis.column for axis in measures.row_axes),
        *("Epochs", "Seeds"),
        *(title_of(column, rows[0].runs) for column in measures.columns),
        *(f"{_heading(paper[0])} [{number}]" for number, paper in enumerate(papers, start=1)),
        *("Seconds a run", "Steps a second"),
    ]
    return markdown_table(heading, _lines(rows, measures, papers), num_texts=len(texts))


def _lines(
    rows: Sequence[Row], measures: Measures, papers: Sequence[list[Reported]]
) -> Iterator[list[str]]:
    """Gives the cells of each line: part by part, what is compared with first."""
    parts = measures.parts.names if measures.parts else {"": None}
    no_numbers = [NOTHING] * (len(measures.row_axes) + 2)
    behind = [NOTHING] * (len(papers) + 2)
    for prefix, part in parts.items():
        part_cell = [part] if part else []

        def scores(runs: Sequence[Record], prefix: str = prefix) -> list[str]:
            return [score_cell(column, runs, prefix) for column in measures.columns]

        for companion in measures.untrained_companions:
            own = scores(rows[0].runs[:1], companion.prefix + prefix)
            yield [*part_cell, companion.title, *no_numbers, *own, *behind]
        for row in rows:
            for companion in measures.trained_companions:
                if trained := row.runs_with(companion):
                    numbers = _numbers(trained, trained[0].configuration[companion.epochs])
                    own = scores(trained, companion.prefix + prefix)
                    yield [*part_cell, row.name_beside(companion), *numbers, *own, *behind]
            numbers = _numbers(row.runs, row.runs[0].configuration["epochs"])
            reported = [_value(paper, row) for paper in papers]
            timed, where = row.timed_runs
            seconds = span(run.seconds for run in timed) + where
            speeds = span(run.steps_per_second for run in row.runs if has_gpu(run) == bool(where))
            times = [seconds, speeds + where]
            yield [*part_cell, row.name, *numbers, *scores(row.runs), *reported, *times]


def _numbers(runs: Sequence[Record], epochs: int) -> list[str]:
    axes = measures_of(runs[0]).row_axes
    return [*(str(axis_value(runs[0], axis)) for axis in axes), str(epochs), str(len(runs))]


# === Below a table ===


def _tested(records: Iterable[Record], measures: Measures) -> list[str]:
    if "weights" not in measures.details:
        return []
    # Whether weights are averaged is a setting, and so no other protocol.
    return [f"- Tested: {_distinct(record.details['weights'] for record in records)}"]


def _ran_on(records: Sequence[Record]) -> list[str]:
    return [
        f"- Devices: {_distinct(_devices(record) for record in records)}",
        f"- Versions: {_distinct(_versions(record) for record in records)}",
        f"- Commits: {_distinct(_commit(record) for record in records)}",
        f"- Dates: {_distinct(record.date for record in records)}",
        f"- Data: {(records[0].dataset_fingerprint or 'unknown')[:12]}",
    ]


def _distinct(values: Iterable[str]) -> str:
    return "; ".join(sorted(set(values)))


def _devices(record: Record) -> str:
    return f"{', '.join(record.devices)} ({record.cpus} CPUs)"


def _versions(record: Record) -> str:
    names = {"tensorflow": "TensorFlow", "keras": "Keras", "python": "Python"}
    return ", ".join(f"{shown} {record.versions.get(name)}" for name, shown in names.items())


def _commit(record: Record) -> str:
    if record.git_commit is None:
        return "unknown"
    commit, plus, changes = record.git_commit.partition("+")
    return commit[:10] + plus + changes


def _early_ends(rows: Sequence[Row], measures: Measures) -> list[str]:
    """Gives a paragraph on the runs that trained fewer epochs than asked for, if there are any."""
    early = [
        f"- {_run_name(row, run, measures)}: "
        f"{run.details['epochs']} epochs, {run.details['stop_reason']}"
        for row in rows
        for run in row.runs
        if run.details["epochs"] < run.configuration["epochs"]
    ]
    return ["Ended early:\n\n" + "\n".join(early)] if early else []


def _run_name(row: Row, run: Record, measures: Measures) -> str:
    numbers = [f"{axis_value(run, axis)} {axis.column.lower()}" for axis in measures.row_axes]
    return ", ".join([row.name, *numbers, f"seed {run.configuration['seed']}"])


def _note_on_stand_in(dataset: str) -> list[str]:
    own = OWN_DATASETS.get(base_name(dataset))
    return [f"`{dataset}`: {own.stand_in}"] if own else []


# === Beside papers ===


def _papers_beside(dataset: str, measures: Measures) -> list[list[Reported]]:
    """Gives what is reported of this data set or the one it stands in for, paper by paper."""
    own = OWN_DATASETS.get(base_name(dataset))
    original = own.replaces if own else dataset
    scores = {column.score for column in measures.columns}
    papers: dict[str, list[Reported]] = {}
    for reported in measures.reported:
        if reported.dataset == original and reported.score in scores:
            papers.setdefault(reported.by, []).append(reported)
    return list(papers.values())


def _heading(reported: Reported) -> str:
    return f"{reported.by}, on {reported.shown_dataset}"


def _value(paper: Sequence[Reported], row: Row) -> str:
    configuration = row.runs[0].configuration
    values = [reported.value for reported in paper if reported.belongs_to(configuration)]
    return values[0] if values else "not quoted"


def _note(reported: Reported) -> str:
    return (
        f"Another protocol: {reported.measure} as {reported.by} report it, with "
        f"{reported.protocol}. It stands beside ours for orientation; the two are not comparable "
        "one to one."
    )
