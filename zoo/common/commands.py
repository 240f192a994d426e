"""The frame of a program of several commands: what each takes, and one line where it can't be done.

PROGRAM COMMAND ...
"""

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from zoo.common.command_errors import end, one_line_errors

# Defines a command's options; returns what does it.
Definition = Callable[[argparse.ArgumentParser], Callable[..., Any]]


def parser_of(
    program: str,
    description: str,
    commands: Mapping[str, tuple[str, Definition]],
    *,
    shared: Callable[[argparse.ArgumentParser], None] = lambda parser: None,
    elsewhere: Mapping[str, str] | None = None,
) -> argparse.ArgumentParser:
    """Makes the parser of a program. What it parses has `command` and `answer`, what does it.

    Args:
        program: its name.
        description: of it.
        commands: by name, what each does, a phrase without a capital, and its definition.
        shared: defines the options that all of them have. Defaults to none.
        elsewhere: commands that parse their own options, and what each does. Defaults to none.
    """
    parser = argparse.ArgumentParser(
        program,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    added = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (does, define) in commands.items():
        command = added.add_parser(
            name,
            help=does,
            description=does[0].upper() + does[1:] + ".",
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
            allow_abbrev=False,
        )
        shared(command)
        command.set_defaults(answer=define(command))
    for name, does in (elsewhere or {}).items():
        added.add_parser(name, help=does, add_help=False)
    return parser


def say(answer: Callable[[], str], *kinds: type[Exception], interrupted: str) -> None:
    """Prints an answer, or ends the program with one line where there is none.

    Args:
        answer: gives it.
        *kinds: as for `one_line_errors`.
        interrupted: what to say of an interruption, after which the exit code is 130.
    """
    try:
        with one_line_errors(*kinds):
            print(answer())
    except KeyboardInterrupt:
        end(130, interrupted)
