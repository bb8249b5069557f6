"""What a page is made of: tables whose cells may lead to runs, figures, sections."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from grn_exp.report.layout import TextTable

Group = tuple[str, str, str]  # experiment, dataset, method


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes
    ----------
    text
        What it says.
    place
        1 for the best of its column, 2 for the second best.
    group
        Number of the group of runs that the value is made of; None for none.
    link
        Where the text leads; empty for nowhere.
    details
        Lines that unfold below the text.
    kind
        A class of the style sheet.
    """

    text: str
    place: int = 0
    group: int | None = None
    link: str = ""
    details: tuple[str, ...] = ()
    kind: str = ""


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of a table; the first of a group of runs is where links to the group lead."""

    cells: list[Cell]
    group: int | None = None
    is_first: bool = False


@dataclasses.dataclass(frozen=True)
class HtmlTable:
    """A table that is sorted and filtered in the browser.

    Attributes
    ----------
    name
        Unique on the page.
    title, notes
        What it shows, and what the reader has to know.
    header
        One text per column; lines of a text are separated by line feeds.
    lines
        As many cells in a line as in the header.
    n_names
        How many of the first columns are texts.
    folded
        Show the title alone until it is clicked.
    """

    name: str
    title: str
    header: list[str]
    lines: list[Line]
    notes: list[str] = dataclasses.field(default_factory=list)
    n_names: int = 1
    folded: bool = False


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure: its name, and a PNG in base64."""

    name: str
    data: str


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page with a heading of its own."""

    name: str
    title: str
    tables: list[HtmlTable]
    pictures: list[Picture] = dataclasses.field(default_factory=list)
    undrawn: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)


class Groups:
    """Numbers the groups of runs that values are means of."""

    def __init__(self) -> None:
        self._numbers: dict[Group, int] = {}

    def number(self, experiment: str, dataset: str, method: str) -> int:
        """Return the number of a group; a new one where it has none."""
        return self._numbers.setdefault((experiment, dataset, method), len(self._numbers))


def from_text(
    table: TextTable,
    name: str,
    *,
    group_of: Callable[[str, str], int] | None = None,
    folded: bool = False,
) -> HtmlTable:
    """Return a text table whose cells lead to the group of runs of their dataset and method."""
    lines = []
    for number, (texts, places) in enumerate(zip(table.lines, table.places, strict=True)):
        sources = table.sources[number] if group_of and table.sources else [None] * len(texts)
        groups = [None if of is None or group_of is None else group_of(*of) for of in sources]
        cells = [Cell(*part) for part in zip(texts, places, groups, strict=True)]
        lines.append(Line(cells))
    return HtmlTable(
        name, table.title, table.header, lines, table.notes, table.n_names, folded=folded
    )


def relative_link(path: Path, page: Path) -> str:
    """Return the address of a file or folder as seen from the page, its characters escaped."""
    return quote(Path(os.path.relpath(path.absolute(), page.absolute().parent)).as_posix())
