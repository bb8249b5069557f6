"""Small tables for the run folder."""

from collections.abc import Sequence

# header and rows, written as csv; whoever makes the table names the file
Table = tuple[Sequence[str], Sequence[Sequence[object]]]
