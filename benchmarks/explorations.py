"""Tables of what was found in trained runs, out of what `python -m zoo.explore` wrote.

    python -m zoo.explore probe RUN --out=found
    cp found/probe.json benchmarks/explorations/dcgan_svhn_0_probe.json

`python -m benchmarks.pages` then makes the tables of docs/experiments/explore.md anew.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cells import NOTHING, markdown_table

FOLDER = Path(__file__).resolve().parent / "explorations"

Facts = dict[str, Any]


def read_findings(folder: Path = FOLDER) -> list[Facts]:
    """Reads all JSONs of a folder, in the order of their names; none if there is no folder.

    Raises:
        ValueError: if one is no exploration's.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            found.append({**facts, "command": facts["command"]})
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is no JSON that `python -m zoo.explore` wrote.") from error
    return found


def exploration_tables(findings: Iterable[Facts]) -> dict[str, str]:
    """Returns the table of each command that has one, by the command.

    Args:
        findings: as `read_findings` gives them.
    """
    findings = list(findings)
    return {
        command: _table([each for each in findings if each["command"] == command], heading, rows)
        for command, (heading, rows) in _TABLES.items()
    }


def _table(
    findings: Sequence[Facts],
    heading: Sequence[str],
    rows: Callable[[Facts], Iterable[Sequence[str]]],
) -> str:
    if not findings:
        return "Nothing is recorded yet."
    cells = [[*_run_cells(facts), *row] for facts in findings for row in rows(facts)]
    return markdown_table([*_RUN, *heading], cells, num_texts=len(_RUN) + 1)


_RUN = ("Model", "trained on", "run")


def _run_cells(facts: Facts) -> list[str]:
    seed, step = facts.get("training_seed"), facts.get("step")
    run = f"seed {seed}, {step:,} steps" if step is not None else NOTHING
    return [f"`{facts['model']}`", f"`{facts.get('trained_on')}`", run]


def _probe_rows(facts: Facts) -> Iterable[Sequence[str]]:
    def cell(name: str) -> str:
        scores = facts["scores"].get(name)
        if scores is None:
            return NOTHING
        number = len(scores["test_errors"])
        return f"{100 * scores['mean']:.2f} ± {100 * scores['deviation']:.2f} % ({number})"

    names = ("discriminator", "untrained discriminator", "raw pixels", "supervised network")
    data = f"{facts['num_labels']:,} of `{facts['dataset']}`"
    yield [data, *map(cell, names)]


def _arithmetic_rows(facts: Facts) -> Iterable[Sequence[str]]:
    for attribute, scores in facts["sums"].items():
        pairs = [
            (scores[name], scores["control"][name])
            for name in ("has_attribute", "others_agree_with_base")
        ]
        yield [attribute, *(f"{share:.1%}" for pair in pairs for share in pair)]


def _forget_rows(facts: Facts) -> Iterable[Sequence[str]]:
    yield [
        facts["attribute"],
        f"{facts['num_dropped']} of {facts['num_maps']} of `{facts['layer']}`",
        f"{facts['share_before']:.1%}",
        f"{facts['share_after']:.1%}",
        f"{facts['fall_of_share']:.0%}",
        f"{facts['rise_of_kernel_distance']:+.0%}",
    ]


def _project_rows(facts: Facts) -> Iterable[Sequence[str]]:
    errors, own = facts["errors"], facts["own_samples_over_start"]
    yield [
        f"{facts['num_images']} of {facts['held_out_split']}",
        f"{facts['start_error']:.3f}",
        *(f"{errors[name]:.3f}" for name in ("optimisation", "network", "hybrid")),
        f"{facts['hybrid_over_optimisation']:.2f}",
        f"{facts['hybrid_over_network']:.2f}",
        *(f"{own[name]:.0%}" for name in ("optimisation", "hybrid")),
    ]


# Of each command the headings beside those of the run, and what makes its rows.
_TABLES: dict[str, tuple[Sequence[str], Callable[[Facts], Iterable[Sequence[str]]]]] = {
    "probe": (
        ("labels", "discriminator", "untrained", "raw pixels", "supervised network"),
        _probe_rows,
    ),
    "arithmetic": (
        ("added", "shown", "by chance", "others as in base", "by chance"),
        _arithmetic_rows,
    ),
    "forget": (
        ("object", "maps dropped", "had it", "have it", "fall", "kernel distance of the rest"),
        _forget_rows,
    ),
    "project": (
        (
            "images",
            "start",
            "optimisation",
            "network",
            "hybrid",
            "hybrid / optimisation",
            "hybrid / network",
            "own, optimisation",
            "own, hybrid",
        ),
        _project_rows,
    ),
}
