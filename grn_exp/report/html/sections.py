"""An experiment's part of the page: what was found, its figures and tables."""

import base64
import dataclasses
import inspect
import io
from contextlib import suppress

import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.metrics.titles import TITLES, title
from grn_exp.report import compare, experiments, figures, layout, tables
from grn_exp.report.layout import Cell, Table, line_of
from grn_exp.report.names import dataset_name
from grn_exp.runs.methods import display_name

# what the papers print, in tables of their own; the rest is in the table of all numbers
_FAMILIES = (
    ("exact_match", "coverage"),
    ("strict_coverage_at_k",),
    ("recall_at_k",),
    ("ap", "hit_at_1pct"),
)
_MAIN = ("exact_match", "strict_coverage_at_k", "recall_at_k", "ap")  # the first that is there
# of an experiment's figures the first that its runs allow stands above its table
_MAIN_FIGURES = (
    *("downsampled_training", "embeddings_compared", "fewer_cells", "exact_matches"),
    *("retrieval_scaling", "retrieval_coverage", "seen_against_unseen"),
)
_USUAL_LENGTH = 80  # of recall at k
_NO_TEST = "val"
_FOLDED = ("tests", "counts", "seeds", "all")
_DOTS_PER_INCH = 130  # sharp on a screen, and 50 kB a figure


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page with a heading of its own.

    Attributes
    ----------
    name, title
        Its anchor and its heading.
    tables
        The first stands below the main figure, those that are folded at the end.
    found
        What was found, in sentences.
    pictures
        Caption and PNG in base64 of each, the main one first.
    undrawn
        Why figures are missing.
    experiment
        Whose runs the tables' cells lead to.
    """

    name: str
    title: str
    tables: list[Table]
    found: list[str] = dataclasses.field(default_factory=list)
    pictures: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    undrawn: list[str] = dataclasses.field(default_factory=list)
    experiment: str = ""


def experiment_section(name: str, rows: pd.DataFrame) -> Section:
    """Return the tables and figures of an experiment.

    Parameters
    ----------
    name
        The folder of its runs.
    rows
        Of the experiment, labelled; not empty.
    """
    main, datasets = main_rows(rows), _datasets(rows)
    compared = layout.comparison_tables(compare.beside_paper(rows), note=compare.PAPER_NOTE)
    found = {
        **_of_paper(rows),
        **{f"paper-{number}": table for number, table in enumerate(compared)},
    }
    with suppress(InputError):  # too few splits
        found["tests"] = layout.plain_table(
            compare.paired_tests(main),
            name="paired tests of the main measure",
            notes=[compare.TEST_NOTE],
        )
    with suppress(InputError):  # no sets, or runs from before there was a table of targets
        found["counts"] = layout.plain_table(
            compare.paired_counts(main),
            name="the main measure, target by target",
            notes=[compare.COUNTS_NOTE],
        )
    with suppress(InputError):  # one seed
        found["seeds"] = layout.seeds_table(tables.spread_over_seeds(rows))
    found["all"] = _all_numbers(tables.summarise(rows))
    made = [
        dataclasses.replace(table, name=f"{name}-{part}", folded=part in _FOLDED)
        for part, table in found.items()
    ]
    pictures, undrawn = _pictures(rows, datasets)
    return Section(
        name=f"experiment-{name}",
        title=f"{experiments.heading(name)}: {datasets}",
        tables=made,
        found=_headlines(tables.summarise(main)),
        pictures=pictures,
        undrawn=undrawn,
        experiment=name,
    )


def _datasets(rows: pd.DataFrame) -> str:
    names = [dataset_name(label) for label in sorted(rows["data"].unique())]
    return ", ".join(names)


def _headlines(summary: pd.DataFrame) -> list[str]:
    """Say in a sentence per measure and test set which methods are best, and where."""
    found, labels = [], layout.Labels()
    for key, part in summary.sort_values("subset", ascending=False).groupby(
        ["metric", "subset"], sort=False
    ):
        metric, subset = map(str, key)  # type: ignore[arg-type]
        best = part.loc[part["place"] == 1].sort_values("dataset")
        if best.empty or part["method"].nunique() < 2:
            continue
        places: dict[str, list[str]] = {}
        for entry in best.to_dict("records"):
            value = layout.with_error(entry["mean"], entry["standard_error"])
            where = f"{labels.dataset(entry['dataset'])}: {value}"
            places.setdefault(labels.method(entry["method"]), []).append(where)
        winners = ", ".join(f"{method} ({'; '.join(of)})" for method, of in places.items())
        k = best["k"].iloc[0]
        what = _short(title(metric, None if pd.isna(k) else k))
        ties = sorted(map(labels.dataset, set(part["dataset"]) - set(best["dataset"])))
        tied = f"; no single best on {', '.join(ties)}" if ties else ""
        found.append(f"Best {what} on {layout.spaced(subset)}: {winners}{tied}.")
    return [*found, *labels.notes]


def _short(text: str) -> str:
    """Return a metric's title without its second name and its conditions."""
    return text.partition(" (")[0].partition(",")[0]


def main_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each dataset's main measure on its test sets.

    For regulator sets that is the exact match of all sizes together, for pairs the AUPRC.
    """
    tested = rows.loc[(rows["subset"] != _NO_TEST) & rows["set_size"].isna()]
    tested = tested.loc[tested["metric"].isin(_MAIN)]
    tested = _one_length(_one_length(tested), "strict_coverage_at_k")
    rank = pd.Series([_MAIN.index(metric) for metric in tested["metric"]], tested.index)
    best = rank.groupby([tested["data"], tested["model"]]).transform("min")
    return tested.loc[rank == best]


def _one_length(rows: pd.DataFrame, metric: str = "recall_at_k") -> pd.DataFrame:
    """Keep one k of a metric: 80 as in the paper, the greatest where there is no 80."""
    measured = rows["metric"] == metric
    groups = rows.loc[measured].groupby("data")["k"]
    lengths = groups.agg(lambda ks: _USUAL_LENGTH if (ks == _USUAL_LENGTH).any() else ks.max())
    return rows.loc[~measured | (rows["k"] == rows["data"].map(lengths))]


# -- tables ------------------------------------------------------------------------------------


def _of_paper(rows: pd.DataFrame) -> dict[str, Table]:
    """Return methods x datasets for each test set and each group of metrics, by name."""
    tested = _one_length(rows.loc[rows["subset"] != _NO_TEST])
    found = {}
    for subset in sorted(tested["subset"].unique(), reverse=True):  # unseen genes first
        for family in _FAMILIES:
            part = tested.loc[(tested["subset"] == subset) & tested["metric"].isin(list(family))]
            if part.empty:
                continue
            metrics = [metric for metric in family if metric in set(part["metric"])]
            what = " and ".join(_short(TITLES[metric].format(k="k")) for metric in metrics)
            table = layout.paper_table(tables.summarise(part))
            title_of = f"{what} on {layout.spaced(subset)}, {_datasets(part)}"
            notes = [*table.notes, "bold: best of its column, underlined: second best"]
            found[f"{subset}-{metrics[0]}"] = dataclasses.replace(
                table, title=title_of, notes=notes
            )
    return found


def _all_numbers(summary: pd.DataFrame) -> Table:
    """Return every mean, one a line."""
    lines = []
    for entry in summary.to_dict("records"):
        k = None if pd.isna(entry["k"]) else entry["k"]
        size = "all" if pd.isna(entry["set_size"]) else str(entry["set_size"])
        names = dataset_name(entry["dataset"]), display_name(entry["method"])
        value = Cell(
            layout.with_error(entry["mean"], entry["standard_error"]),
            entry["place"],
            (entry["dataset"], entry["method"]),
        )
        measure = title(entry["metric"], k), layout.spaced(entry["subset"]), size
        lines.append([*line_of(*names, *measure), value, Cell(str(entry["n_splits"]))])
    header = ["dataset", "method", "measure", "subset", "R", "mean ± error", "splits"]
    return Table("all numbers", header, lines, n_names=5)


# -- figures -----------------------------------------------------------------------------------


def _pictures(rows: pd.DataFrame, datasets: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Draw the figures that the rows allow, the main one first; say why others are missing."""
    pictures, undrawn = [], []
    main = [name for name in _MAIN_FIGURES if name in figures.FIGURES]
    for name in dict.fromkeys([*main, *figures.FIGURES]):
        draw = figures.FIGURES[name]
        try:
            figure = draw(rows, width=figures.WIDTHS["page"])
        except InputError as error:
            undrawn.append(f"{name}: {error}")
        else:
            what = (inspect.getdoc(draw) or name).partition("\n")[0].removeprefix("Draw ")
            caption = f"{what[0].upper()}{what[1:].rstrip('.')}: {datasets}"
            written = io.BytesIO()
            figure.savefig(written, format="png", dpi=_DOTS_PER_INCH)
            pictures.append((caption, base64.b64encode(written.getvalue()).decode("ascii")))
    return pictures, undrawn
