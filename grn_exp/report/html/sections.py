"""An experiment's tables and figures."""

import base64
import io
from typing import TYPE_CHECKING

import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.metrics.titles import TITLES, title
from grn_exp.report import compare, layout, tables
from grn_exp.report.html.blocks import Cell, Groups, HtmlTable, Line, Picture, Section, from_text
from grn_exp.report.names import display_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# what the papers print, in tables of their own; the rest is in the table of all numbers
_FAMILIES = (
    ("ap", "hit_at_1pct"),
    ("exact_match", "coverage"),
    ("recall_at_k",),
    ("strict_coverage_at_k",),
)
_MAIN = ("exact_match", "strict_coverage_at_k", "recall_at_k", "ap")  # the first that is there
_USUAL_LENGTH = 80  # of recall at k
_NO_TEST = "val"
_DOTS_PER_INCH = 130  # sharp on a screen, and 50 kB a figure


def experiment_section(name: str, rows: pd.DataFrame, groups: Groups) -> Section:
    """Return the tables and figures of an experiment.

    Parameters
    ----------
    rows
        Of the experiment, labelled; not empty.
    groups
        Numbers the runs that values are means of.
    """
    tested = rows.loc[rows["subset"] != _NO_TEST]
    summary = tables.summarise(rows)
    made = _Tables(name, groups)
    found = made.of_paper(tables.summarise(_families(tested)) if len(tested) else summary.head(0))
    found += made.beside_paper(rows)
    found += made.tests(main_rows(rows))
    found += made.seeds(rows)
    found.append(made.all_numbers(summary))
    pictures, undrawn = _pictures(rows)
    notes = _headlines(tables.summarise(main_rows(rows)))
    return Section(f"experiment-{name}", f"Experiment {name}", found, pictures, undrawn, notes)


def _headlines(summary: pd.DataFrame) -> list[str]:
    """Say in a line per measure and test set which methods are best, and on how many datasets."""
    found, labels = [], layout.Labels()
    for key, part in summary.groupby(["metric", "subset"], sort=False):
        metric, subset = map(str, key)  # type: ignore[arg-type]
        wins = part.loc[part["place"] == 1, "method"].value_counts().to_dict()
        if wins and part["method"].nunique() > 1:
            n = part["dataset"].nunique()
            best = ", ".join(
                f"{labels.method(method)} on {count}" for method, count in wins.items()
            )
            what = f"{TITLES[metric].format(k='k')}, {layout.spaced(subset)}"
            found.append(f"Best {what}, {n} dataset{'s' * (n > 1)}: {best}.")
    return [*found, *labels.notes]


def main_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each dataset's main measure on its test sets.

    For regulator sets that is the exact match of all sizes together, for pairs the AUPRC.
    """
    tested = rows.loc[(rows["subset"] != _NO_TEST) & rows["set_size"].isna()]
    tested = _one_length(tested.loc[tested["metric"].isin(_MAIN)])
    rank = pd.Series([_MAIN.index(metric) for metric in tested["metric"]], tested.index)
    best = rank.groupby([tested["data"], tested["model"]]).transform("min")
    return tested.loc[rank == best]


def _named(metrics: pd.Series) -> str:
    """Return the metrics' titles, whatever the length of their lists."""
    return ", ".join(TITLES[metric].format(k="k") for metric in metrics.unique())


def _families(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep what the papers print."""
    return _one_length(rows.loc[rows["metric"].isin([m for family in _FAMILIES for m in family])])


def _one_length(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep one k of recall at k: 80 as in the paper, the greatest where there is no 80."""
    recall = rows["metric"] == "recall_at_k"
    lengths = (
        rows.loc[recall]
        .groupby("data")["k"]
        .agg(lambda ks: _USUAL_LENGTH if (ks == _USUAL_LENGTH).any() else ks.max())
    )
    return rows.loc[~recall | (rows["k"] == rows["data"].map(lengths))]


class _Tables:
    """The tables of an experiment; cells lead to the runs of their method and dataset."""

    def __init__(self, experiment: str, groups: Groups) -> None:
        self._experiment, self._groups = experiment, groups

    def _group(self, dataset: str, method: str) -> int:
        return self._groups.number(self._experiment, dataset, method)

    def _name(self, name: str) -> str:
        return f"{self._experiment}-{name}"

    def of_paper(self, summary: pd.DataFrame) -> list[HtmlTable]:
        """Return methods x datasets for each test set and each group of metrics."""
        found = []
        for subset in summary["subset"].unique():
            for family in _FAMILIES:
                part = summary.loc[
                    (summary["subset"] == subset) & summary["metric"].isin(list(family))
                ]
                if part.empty:
                    continue
                text = layout.paper_table(part, name=_named(part["metric"]))
                text.notes.append("bold: best of its column, underlined: second best")
                name = self._name(f"{subset}-{family[0]}")
                found.append(from_text(text, name, group_of=self._group))
        return found

    def beside_paper(self, rows: pd.DataFrame) -> list[HtmlTable]:
        """Return ours beside the published numbers."""
        comparison = compare.beside_paper(rows)
        found = layout.comparison_tables(comparison, note=compare.PAPER_NOTE)
        return [
            from_text(text, self._name(f"paper-{number}"), group_of=self._group)
            for number, text in enumerate(found)
        ]

    def tests(self, rows: pd.DataFrame) -> list[HtmlTable]:
        """Return paired tests of the main measure."""
        try:
            frame = compare.paired_tests(rows)
        except InputError:
            return []
        text = layout.plain_table(
            frame, name="paired tests of the main measure", notes=[compare.TEST_NOTE]
        )
        return [from_text(text, self._name("tests"), folded=True)]

    def seeds(self, rows: pd.DataFrame) -> list[HtmlTable]:
        """Return the spread over model seeds, which no standard error above holds."""
        try:
            text = layout.seeds_table(tables.spread_over_seeds(rows))
        except InputError:
            return []
        return [from_text(text, self._name("seeds"), folded=True)]

    def all_numbers(self, summary: pd.DataFrame) -> HtmlTable:
        """Return every mean, one a line."""
        lines = []
        for entry in summary.to_dict("records"):
            k = None if pd.isna(entry["k"]) else entry["k"]
            size = "all" if pd.isna(entry["set_size"]) else str(entry["set_size"])
            place = entry["place"] if entry["place"] <= 2 else 0
            value = Cell(
                layout.with_error(entry["mean"], entry["standard_error"]),
                place,
                self._group(entry["dataset"], entry["method"]),
            )
            method = display_name(entry["method"])
            names = [entry["dataset"], method, title(entry["metric"], k), entry["subset"]]
            cells = [*(Cell(text) for text in (*names, size)), value, Cell(str(entry["n_splits"]))]
            lines.append(Line(cells))
        header = ["dataset", "method", "measure", "subset", "R", "mean ± error", "splits"]
        return HtmlTable(self._name("all"), "all numbers", header, lines, n_names=5, folded=True)


def _pictures(rows: pd.DataFrame) -> tuple[list[Picture], list[str]]:
    """Draw the figures that the rows allow; tell why the others are missing."""
    from grn_exp.report import figures

    pictures, undrawn = [], []
    for name, draw in figures.FIGURES.items():
        try:
            drawn = _png(draw(rows, width=figures.WIDTHS["page"]))
        except InputError as error:
            undrawn.append(f"{name}: {error}")
        else:
            pictures.append(Picture(name, base64.b64encode(drawn).decode("ascii")))
    return pictures, undrawn


def _png(figure: "Figure") -> bytes:
    import matplotlib as mpl

    from grn_exp.report.figures.style import STYLE

    written = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(written, format="png", dpi=_DOTS_PER_INCH)
    return written.getvalue()
