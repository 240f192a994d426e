"""What commands share that put named variations of a recipe side by side: flags, measuring."""

import signal
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from benchmarks.configurations import comparable_key, grouped, of_training
from benchmarks.measure import Run, has_record, measure
from benchmarks.records import FOLDER, Record
from zoo.common.command_errors import one_line_errors

# Flags defined on behalf of a command are its own, so that its --help shows them.
flags.disclaim_key_flags()

# The name of a variation, and a run of it.
Planned = tuple[str, Run]

_NOT_OF_THE_VARIATION = {"seed", "smoke"}


def refuse_unknown(flag: str, given: Iterable[str], known: Collection[str]) -> None:
    """Refuses names that there are not.

    Raises:
        ValueError: naming the flag, what it may be and the first that it may not.
    """
    unknown = [each for each in given if each not in known]
    if unknown:
        raise ValueError(f"--{flag} may be: {', '.join(known)}. Received: {unknown[0]!r}")


def without_seed(configuration: dict[str, Any]) -> dict[str, Any]:
    """Returns what runs have in common that differ in their seed alone.

    What is off is left out, for older runs do not have it at all.
    """
    trained = of_training(configuration)
    return {name: value for name, value in trained.items() if name not in _NOT_OF_THE_VARIATION}


def variation_of(
    record: Record,
    recipe: str,
    names: Iterable[str],
    configuration_of: Callable[[str], dict[str, Any]],
) -> str | None:
    """Returns the variation that a run is of, as it is set now; None if it is of none.

    Args:
        record: of the run.
        recipe: whose preset `quick` is varied.
        names: of the variations.
        configuration_of: returns every hyper-parameter of one, of any seed.
    """
    if record.recipe != recipe or record.preset != "quick" or record.smoke:
        return None
    found = without_seed(record.configuration)
    return next((name for name in names if without_seed(configuration_of(name)) == found), None)


def tables_of(
    records: Iterable[Record],
    name_of: Callable[[Record], str | None],
    draw: Callable[[Sequence[Record]], str],
) -> str:
    """Returns the tables of runs that are of a variation.

    Runs that do not compare, for their data or protocol differ, have tables of their own.

    Args:
        records: of any runs.
        name_of: returns the variation of a run, or None.
        draw: returns the table of runs that compare, or "" if it would say nothing.
    """
    runs = [record for record in records if name_of(record)]
    tables = [draw(comparable) for comparable in grouped(runs, comparable_key)]
    return "\n\n".join(filter(None, tables)) or "No run is recorded yet."


def define_flags(num_seeds: int) -> None:
    """Defines `--seeds`, `--records` and `--dry_run`; the names have a flag of each command's own.

    Args:
        num_seeds: how many there are by default.
    """
    flags.DEFINE_list("seeds", list(map(str, range(num_seeds))), "Seeds; some have fewer.")
    flags.DEFINE_string("records", str(FOLDER), "Folder of the records.")
    flags.DEFINE_bool("dry_run", False, "Say what would be measured, and measure nothing.")


def seeds_asked_for() -> list[int]:
    """Returns what `--seeds` says.

    Raises:
        ValueError: if it is no list of whole numbers.
    """
    texts: Sequence[str] = flags.FLAGS.seeds
    if not all(text.isdecimal() for text in texts):
        raise ValueError(f"--seeds should be whole numbers such as 0,1. Received: {texts}")
    return list(map(int, texts))


def run_command(plan: Callable[[], list[Planned]]) -> None:
    """Measures what is planned, or says what that is; ends with 1 if a run failed.

    Args:
        plan: returns the runs that the flags ask for.
    """
    # As an exception it ends the run under way too, and removes its folder.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    records = Path(flags.FLAGS.records)
    with one_line_errors():
        planned = plan()
        records.mkdir(parents=True, exist_ok=True)
    if flags.FLAGS.dry_run:
        for name, run in planned:
            print(f"{run}: {name}{' (recorded)' if has_record(run, records) else ''}")
        return
    failed = measure([run for _, run in planned], records)
    if failed:
        print(f"{len(failed)} of {len(planned)} runs failed.", file=sys.stderr)
        sys.exit(1)
    print("Every run has a record. `python -m benchmarks.pages` makes the pages.")
