"""Small tables for the run folder."""

from collections.abc import Sequence

# header and rows, written as csv under a name of the giver's choice
Table = tuple[list[str], list[Sequence[object]]]
