"""Runs a recipe in a process of its own, so that each run starts with a clean memory."""

import collections
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_LAST_LINES = 8


class RunFailedError(Exception):
    """A run that leaves nothing to use; the message says why, in as many lines as it takes.

    Attributes:
        exit_code: of its process; `None` if that ended well.
    """

    def __init__(self, message: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def arguments_of(preset: str, configuration: Mapping[str, Any]) -> list[str]:
    """Returns a recipe's command line for a configuration, whatever its preset says.

    Args:
        preset: name of the preset.
        configuration: every hyper-parameter by name.
    """
    others = {name: value for name, value in configuration.items() if name != "dataset"}
    return [
        f"--preset={preset}",
        f"--dataset={configuration['dataset']}",
        *(f"--set={name}={value}" for name, value in others.items()),
    ]


def run_recipe(recipe: str, arguments: Sequence[str], show: Callable[[str], None]) -> None:
    """Runs a recipe, of this installation, in the folder where one is.

    Args:
        recipe: name of the recipe.
        arguments: of its command line.
        show: called with each line that the run writes.

    Raises:
        RunFailedError: with its last lines, if it ends with an error.
    """
    last_lines: collections.deque[str] = collections.deque(maxlen=_LAST_LINES)
    path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    with subprocess.Popen(
        [sys.executable, "-m", f"recipes.{recipe}", *arguments],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in process.stdout:
                last_lines.append(line.rstrip())
                show(line.strip())
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise RunFailedError(
            "\n".join([f"its process ended with exit code {process.returncode}", *last_lines]),
            process.returncode,
        )
