"""A table as text, Markdown or LaTeX."""

from collections.abc import Callable
from typing import Literal

import rich.box
from rich.table import Table
from rich.text import Text

from grn_exp.report.layout import TextTable

Format = Literal["text", "markdown", "latex", "csv"]

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "†": r"\textdagger{}",
}
_STYLES = ("", "bold", "underline")
_SIGNS = ("", " *", " +")  # where a text loses its styles


def rich_tables(table: TextTable, width: int) -> list[Table]:
    """Return a table for a terminal, in several where the columns do not fit side by side.

    ``*`` and ``+`` mark the best and the second best, where a text loses its styles.
    """
    beside = 5 if table.is_ranked else 3  # marks, and the space between columns
    widths = [
        max(len(part) for text in column for part in text.split("\n")) + beside
        for column in zip(table.header, *table.lines, strict=True)
    ]
    names = list(range(table.n_names))
    blocks: list[list[int]] = []
    for number in range(table.n_names, len(widths)):
        used = sum(widths[i] for i in (*names, *(blocks[-1] if blocks else ())))
        if not blocks or used + widths[number] > width + 3:
            blocks.append([])
        blocks[-1].append(number)
    found = [_rich_table(table, [*names, *block]) for block in blocks]
    found[0].title, found[0].title_justify = table.title, "left"
    notes = ["* best, + second best", *table.notes] if table.is_ranked else table.notes
    found[-1].caption, found[-1].caption_justify = ". ".join(notes), "left"
    return found


def _rich_table(table: TextTable, columns: list[int]) -> Table:
    found = Table(box=rich.box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for number in columns:
        side = "left" if number < table.n_names else "right"
        found.add_column(Text(table.header[number]), justify=side)
    for line, places in zip(table.lines, table.places, strict=True):
        marks = [(line[number], places[number]) for number in columns]
        found.add_row(*(Text(cell + _SIGNS[place], style=_STYLES[place]) for cell, place in marks))
    return found


def markdown(table: TextTable) -> str:
    """Return a table in GitHub's Markdown: best bold, second best in italics."""
    marks = (str, "**{}**".format, "*{}*".format)
    lines = _marked(table, _markdown_text, marks)
    header = [_markdown_text(text).replace("\n", "<br>") for text in table.header]
    rule = ["---"] * table.n_names + ["---:"] * (len(header) - table.n_names)
    body = "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *lines))
    notes = ["bold: best, italics: second best", *table.notes] if table.is_ranked else table.notes
    return f"{body}\n\n{_markdown_text(table.title)}. {_markdown_text('. '.join(notes))}.\n"


def latex(table: TextTable) -> str:
    """Return a LaTeX table (package booktabs): best bold, second best underlined."""
    marks = (str, r"\textbf{{{}}}".format, r"\underline{{{}}}".format)
    lines = [" & ".join(cells) + r" \\" for cells in _marked(table, escape_latex, marks)]
    n_values = len(table.header) - table.n_names
    header = [r"\shortstack{" + _latex_lines(text) + "}" for text in table.header]
    notes = (
        ["Bold: best, underlined: second best", *table.notes] if table.is_ranked else table.notes
    )
    return "\n".join(
        (
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape_latex(table.title)}. {escape_latex('. '.join(notes))}.}}",
            r"\begin{tabular}{" + "l" * table.n_names + "r" * n_values + "}",
            r"\toprule",
            " & ".join(header) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        )
    )


def escape_latex(text: str) -> str:
    """Return ``text`` with LaTeX's own characters made printable."""
    return "".join(_LATEX.get(character, character) for character in text)


def _latex_lines(text: str) -> str:
    return r"\\".join(escape_latex(line) for line in text.split("\n"))


def _markdown_text(text: str) -> str:
    for character in ("\\", "|", "*", "_", "<"):
        text = text.replace(character, "\\" + character)
    return text


def _marked(
    table: TextTable, escape: Callable[[str], str], marks: tuple[Callable[[str], str], ...]
) -> list[list[str]]:
    return [
        [marks[place](escape(cell)) for cell, place in zip(line, places, strict=True)]
        for line, places in zip(table.lines, table.places, strict=True)
    ]
