"""The sets that a run leaves: a table with a target a line."""

import csv
import itertools

from grn_exp.core.tables import Table
from grn_exp.runs.folder import RunFolder

SETS = "sets.csv"

# subset: val or test, or asked where nobody knows the true set. margin: the score less the best
# one of another set that the method looked at. true, exact, covered: empty where that is unknown
COLUMNS = (
    *("subset", "target", "set_size", "predicted", "score", "margin"),
    *("true", "exact", "covered"),
)
_SHOWN = ("predicted", "target", "score", "margin")


def best_sets(folder: RunFolder, n: int) -> Table | None:
    """Return the first sets as header and rows; None where the run left none."""
    path = folder / SETS
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8") as stream:
        lines = itertools.islice(csv.DictReader(stream), n)
        return list(_SHOWN), [
            (line["predicted"], line["target"], float(line["score"]), _number(line["margin"]))
            for line in lines
        ]


def _number(text: str) -> float | None:
    return float(text) if text else None
