"""A table as text, Markdown or LaTeX."""

from collections.abc import Callable
from typing import Literal

import rich.box
import rich.table
from rich.text import Text

from grn_exp.report.layout import Table

Format = Literal["text", "markdown", "latex", "csv"]

_LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "±": r"$\pm$", "†": r"\textdagger{}"}
)
_MARKDOWN = str.maketrans({character: f"\\{character}" for character in "\\|*_<"})
_STYLES = ("", "bold", "underline")
_SIGNS = ("", " *", " +")  # where a text loses its styles


def rich_tables(table: Table, width: int) -> list[rich.table.Table]:
    """Return a table for a terminal, in several where the columns do not fit side by side.

    ``*`` and ``+`` mark the best and the second best, where a text loses its styles.
    """
    beside = 5 if table.is_ranked else 3  # marks, and the space between columns
    texts = [table.header, *([cell.text for cell in line] for line in table.lines)]
    widths = [
        max(len(part) for text in column for part in text.split("\n")) + beside
        for column in zip(*texts, strict=True)
    ]
    names = list(range(table.n_names))
    blocks: list[list[int]] = []
    for number in range(table.n_names, len(widths)):
        used = sum(widths[i] for i in (*names, *(blocks[-1] if blocks else ())))
        if not blocks or used + widths[number] > width + 3:
            blocks.append([])
        blocks[-1].append(number)
    found = [_rich_table(table, [*names, *block]) for block in blocks or [[]]]
    found[0].title, found[0].title_justify = table.title, "left"
    found[-1].caption = _sentences(_notes(table, "* best, + second best"))
    found[-1].caption_justify = "left"
    return found


def _rich_table(table: Table, columns: list[int]) -> rich.table.Table:
    found = rich.table.Table(box=rich.box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for number in columns:
        side = "left" if number < table.n_names else "right"
        found.add_column(Text(table.header[number]), justify=side)
    for line in table.lines:
        cells = [line[number] for number in columns]
        found.add_row(*(Text(c.text + _SIGNS[c.place], style=_STYLES[c.place]) for c in cells))
    return found


def markdown(table: Table) -> str:
    """Return a table in GitHub's Markdown: best bold, second best in italics."""
    lines = _marked(table, _MARKDOWN, (str, "**{}**".format, "*{}*".format))
    header = [text.translate(_MARKDOWN).replace("\n", "<br>") for text in table.header]
    rule = ["---"] * table.n_names + ["---:"] * (len(header) - table.n_names)
    body = "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *lines))
    notes = [table.title, *_notes(table, "bold: best, italics: second best")]
    return f"{body}\n\n{_sentences(notes).translate(_MARKDOWN)}\n"


def latex(table: Table) -> str:
    """Return a LaTeX table (package booktabs): best bold, second best underlined."""
    marks = (str, r"\textbf{{{}}}".format, r"\underline{{{}}}".format)
    lines = [" & ".join(cells) + r" \\" for cells in _marked(table, _LATEX, marks)]
    columns = "l" * table.n_names + "r" * (len(table.header) - table.n_names)
    heads = [text.translate(_LATEX).replace("\n", r"\\") for text in table.header]
    header = " & ".join(rf"\shortstack{{{text}}}" for text in heads)
    body = "\n".join(lines)
    notes = [table.title, *_notes(table, "Bold: best, underlined: second best")]
    return rf"""\begin{{table}}
\centering
\caption{{{_sentences(notes).translate(_LATEX)}}}
\begin{{tabular}}{{{columns}}}
\toprule
{header} \\
\midrule
{body}
\bottomrule
\end{{tabular}}
\end{{table}}
"""


def _notes(table: Table, legend: str) -> list[str]:
    return [legend, *table.notes] if table.is_ranked else table.notes


def _sentences(parts: list[str]) -> str:
    """Join notes, which may or may not end with a full stop, as sentences."""
    return " ".join(part if part.endswith(".") else f"{part}." for part in parts)


def _marked(
    table: Table, escapes: dict[int, str], marks: tuple[Callable[[str], str], ...]
) -> list[list[str]]:
    return [
        [marks[cell.place](cell.text.translate(escapes)) for cell in line] for line in table.lines
    ]
