"""Docstrings taken apart: paragraphs, sections and their entries, references, commands."""

from benchmarks.docstrings import entries, first_link, indented_block, read_docstring


class Documented:
    """Makes images
    of noise.

    A paragraph, and then

        a formula = of two
        lines

    Args:
        size: of an image. Defaults to 3,
            as in the paper.
        first, second: networks.

    Returns:
        float32 `(batch, size)`: all
        of them.

    Raises:
        ValueError: if it is
            too large.

    Differs from the paper: it is
    smaller.

    References: [Doe et al.,
    2019](https://example.org/1), and [another](https://example.org/2).
    """


def test_paragraphs_and_sections_are_told_apart() -> None:
    docstring = read_docstring(Documented)
    assert docstring.summary == "Makes images of noise."
    assert docstring.body == "A paragraph, and then\n\n    a formula = of two\n    lines"
    assert list(docstring.sections) == ["Args", "Returns", "Raises"]
    assert docstring.sections["Returns"] == "float32 `(batch, size)`: all\nof them."
    assert docstring.differences == "Differs from the paper: it is\nsmaller."
    assert first_link(docstring.references) == "[Doe et al., 2019](https://example.org/1)"


def test_entries_are_names_and_texts_of_one_line() -> None:
    sections = read_docstring(Documented).sections
    assert entries(sections["Args"]) == [
        ("size", "of an image. Defaults to 3, as in the paper."),
        ("first, second", "networks."),
    ]
    assert entries(sections["Raises"]) == [("ValueError", "if it is too large.")]


def test_commands_are_the_first_indented_block() -> None:
    assert indented_block(Documented) == "a formula = of two\nlines"


def test_what_is_absent_is_empty() -> None:
    class Undocumented:
        pass

    docstring = read_docstring(Undocumented)
    assert (
        docstring.summary == docstring.body == docstring.differences == docstring.references == ""
    )
    assert docstring.sections == {}
    assert first_link(docstring.references) == indented_block(Undocumented) == ""
