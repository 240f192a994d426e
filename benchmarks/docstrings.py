"""Docstrings in the form of this repository (Google's), taken apart for pages."""

import dataclasses
import inspect
import re
import textwrap
from typing import Any

_SECTION = re.compile(r"^(Args|Call arguments|Returns|Raises):$")
_REFERENCE = re.compile(r"References?:\s+(\[.+?\]\(\S+?\))", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Docstring:
    """What a docstring says.

    Attributes:
        summary: its first paragraph, in one line.
        body: the paragraphs up to the first section or reference.
        sections: by title, such as "Args", without indentation.
        differences: the paragraph on what differs from the paper; "" if there is none.
        references: the paragraph that begins with "Reference"; "" if there is none.
    """

    summary: str
    body: str
    sections: dict[str, str]
    differences: str
    references: str


def read_docstring(documented: Any) -> Docstring:
    """Takes the docstring of a module or class apart; of none, everything is empty."""
    summary, _, rest = (inspect.getdoc(documented) or "").partition("\n\n")
    sections: dict[str, list[str]] = {}
    others: list[str] = []
    target = others
    for line in rest.splitlines():
        heading = _SECTION.match(line)
        if heading:
            target = sections.setdefault(heading[1], [])
        else:
            if line and not line.startswith(" "):
                target = others
            target.append(line)
    paragraphs = re.split(r"\n\n(?! )", "\n".join(others).strip("\n"))
    return Docstring(
        summary=" ".join(summary.split()),
        body="\n\n".join(p for p in paragraphs if not _is_apart(p)),
        sections={
            title: textwrap.dedent("\n".join(lines)).strip("\n")
            for title, lines in sections.items()
        },
        differences=_beginning_with(paragraphs, "Differs "),
        references=_beginning_with(paragraphs, "Reference"),
    )


def _is_apart(paragraph: str) -> bool:
    return paragraph.startswith(("Differs ", "Reference"))


def _beginning_with(paragraphs: list[str], start: str) -> str:
    return next((p for p in paragraphs if p.startswith(start)), "")


def entries(section: str) -> list[tuple[str, str]]:
    """Returns the entries `name: text` of a section, the text of each in one line."""
    found: list[list[str]] = []
    for line in section.splitlines():
        if line.startswith(" ") and found:
            found[-1].append(line.strip())
        elif line:
            found.append([line])
    pairs = (" ".join(lines).partition(": ") for lines in found)
    return [(name, text) for name, _, text in pairs]


def first_link(references: str) -> str:
    """Returns the first Markdown link of a paragraph of references; "" if there is none."""
    link = _REFERENCE.search(references)
    return " ".join(link[1].split()) if link else ""


def indented_block(documented: Any) -> str:
    """Returns the first indented block of a docstring, such as commands; "" if there is none."""
    paragraphs = (inspect.getdoc(documented) or "").split("\n\n")
    blocks = (p for p in paragraphs if p.startswith("    "))
    return textwrap.dedent(next(blocks, ""))
