"""What figures have in common: sizes, looks, captions, files. No pyplot: nothing stays open."""

import functools
import math
import textwrap
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np
import pandas as pd

from grn_exp.core.splits import Subset
from grn_exp.runs.methods import colour
from grn_exp.storage.atomic import write_with

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.3, 5.5
WIDTHS = {"column": COLUMN, "page": PAGE}  # inches
_SMALL = 0.9
_SMALL_TEXTS = (
    *("axes.titlesize", "xtick.labelsize", "ytick.labelsize"),
    *("legend.fontsize", "legend.title_fontsize"),
)
# Okabe and Ito (2008): told apart by colour-blind readers
OKABE_ITO = ("#0072B2", "#009E73", "#56B4E9", "#CC79A7", "#D55E00", "#E69F00", "#F0E442")
BLUE, GREEN, _, _, VERMILION, *_ = OKABE_ITO
BLACK = "#000000"
GREY = "#999999"
SUBSETS: dict[Subset, str] = {"test_seen": "seen genes", "test_unseen": "unseen genes"}
AUPRC_UNSEEN = "AUPRC\nunseen genes"  # too long for one line beside an axis
RANDOM = "random ranking"
MOST_LINES = 7  # that can be told apart in one panel
DASHED: dict[str, Any] = {"color": BLACK, "linestyle": "--", "linewidth": 0.8}
STYLE: dict[Any, Any] = {
    "axes.labelsize": "medium",
    "figure.titlesize": "medium",
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,  # text that can be edited
}
# what a model's colour is mixed with for its variants, and their line and marker
_VARIANTS = (("", "-", "o"), (BLACK, (0, (4, 1.5)), "s"), (GREY, (0, (1, 1)), "^"),
             ("#FFFFFF", (0, (5, 1, 1, 1)), "D"))  # fmt: skip

P = ParamSpec("P")


def styled(draw: Callable[P, "Figure"]) -> Callable[P, "Figure"]:
    """Let a function draw in the style of these figures, and leave the user's as it was."""

    @functools.wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> "Figure":
        import matplotlib as mpl

        width: Any = kwargs.get("width", (draw.__kwdefaults__ or {}).get("width"))
        # points; a page is also read on a telephone, 400 dots wide, where 10 points are 10 dots
        size = 7.0 if is_narrow(width) else 10.0
        style = {**STYLE, **dict.fromkeys(_SMALL_TEXTS, _SMALL * size), "font.size": size}
        with mpl.rc_context(style):
            figure = draw(*args, **kwargs)
            # ticks and layout are made here: in another style they would come out otherwise
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
            return figure

    return inside


def small_font() -> float:
    """Return the size of notes and of names beside axes, in points."""
    import matplotlib as mpl

    return _SMALL * float(mpl.rcParams["font.size"])


def letters(inches: float) -> int:
    """Return how many letters of the small font fit."""
    return int(inches * 135 / small_font())


def line_height(n_lines: float) -> float:
    """Return the height of lines of the small font, inches."""
    return n_lines * 1.25 * small_font() / 72


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure, in inches, that arranges itself."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def is_narrow(width: float) -> bool:
    """Say whether a figure is for one column of text."""
    return width < 5


def grid(
    width: float, n_panels: int, *, height: float, extra: float
) -> tuple["Figure", list["Axes"]]:
    """Return a figure of panels that have the same axes: two side by side in a column, or three.

    Parameters
    ----------
    height, extra
        Of a line of panels, and of what stands around them, inches.
    """
    n_columns = min(n_panels, 2 if is_narrow(width) or n_panels == 4 else 3)
    n_lines = -(-n_panels // n_columns)
    figure = new_figure(width, n_lines * height + extra)
    panels = figure.subplots(n_lines, n_columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes in panels[n_panels:]:
        axes.remove()
    # a shared axis is numbered in the last line, which may be shorter than the others
    for axes in panels[max(0, n_panels - n_columns) : n_panels]:
        axes.xaxis.set_tick_params(labelbottom=True)
    return figure, list(panels[:n_panels])


def looks(rows: pd.DataFrame, *, marker: bool = False) -> dict[str, dict[str, Any]]:
    """Return each method's look by its name: its model's colour, and what tells variants apart.

    Parameters
    ----------
    rows
        With ``method`` and ``model``.
    marker
        Variants of a model differ in their markers too.
    """
    from matplotlib.colors import to_hex, to_rgb

    found: dict[str, dict[str, Any]] = {}
    used: Counter[str] = Counter()
    pairs = dict(rows[["method", "model"]].drop_duplicates().itertuples(index=False))
    for method, model in pairs.items():
        shade = colour(model)
        towards, line, mark = _VARIANTS[used[shade] % len(_VARIANTS)]
        used[shade] += 1
        mixed: Any = 0.5 * np.add(to_rgb(shade), to_rgb(towards or shade))
        found[method] = {"color": to_hex(mixed), "linestyle": line}
        if marker:
            found[method]["marker"] = mark
    return found


def caption(figure: "Figure", label: str, notes: Iterable[str] = ()) -> None:
    """Write what all panels' x axis shows, if anything, and below it what a reader has to know."""
    text = "; ".join(filter(None, notes))
    lines = [label, *textwrap.wrap(text, letters(figure.get_figwidth() - 0.1))]
    figure.supxlabel("\n".join(filter(None, lines)), fontsize=small_font())


def legend_above(figure: "Figure", panels: Sequence["Axes"], *, title: str = "") -> None:
    """Put one legend of all panels above them, in as many columns as fit."""
    found: dict[str, Any] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    found |= {name: found.pop(name) for name in (RANDOM,) if name in found}  # last
    legend(figure, found, title=title)


def legend_lines(names: Collection[str], width: float) -> int:
    """Return how many lines a legend of these names has in a figure of a width."""
    fit = letters(width) // (max(map(len, names)) + 6)
    return -(-len(names) // max(1, fit))


def legend(figure: "Figure", handles: Mapping[str, Any], *, title: str = "") -> None:
    """Put a legend above all panels, in as many columns as fit."""
    n_lines = legend_lines(handles, figure.get_figwidth())
    place: dict[str, Any] = {"loc": "outside upper center", "ncols": -(-len(handles) // n_lines)}
    look: dict[str, Any] = {"handlelength": 1.6, "columnspacing": 1.2, "labelspacing": 0.3}
    figure.legend([*handles.values()], [*handles], title=title or None, **place, **look)


def few_ticks(*, whole: bool = False) -> Any:  # noqa: ANN401 - matplotlib's own
    """Return a locator for a narrow axis; ``whole`` for epochs and counts."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4, integer=whole, steps=[1, 2, 5, 10])


def log_axis(axes: "Axes", low: float, high: float) -> None:
    """Let the x axis be logarithmic, from a power of ten at most ``low`` to ``high``."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.set_xlim(10 ** math.floor(math.log10(low)), high)
    axes.xaxis.set_major_locator(LogLocator(numticks=5))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def share_axis(axis: Any) -> None:  # noqa: ANN401 - matplotlib's own
    """Let an axis reach from 0 to 1, in three ticks."""
    axis.axes.set(**{f"{axis.axis_name}lim": (0, 1.02)})
    axis.set_ticks([0, 0.5, 1], ["0", "0.5", "1"])


def wrapped(name: str, width: int) -> str:
    """Break a name between its words into lines of about ``width`` letters."""
    lines = textwrap.wrap(name, width, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines) or name


def save(figure: "Figure", path: Path) -> tuple[Path, Path]:
    """Write a figure as PNG (200 dots per inch) and PDF.

    Parameters
    ----------
    path
        Without ending.

    Returns
    -------
    tuple of Path
        The two files.
    """
    paths = path.with_name(f"{path.name}.png"), path.with_name(f"{path.name}.pdf")
    for each in paths:
        write(figure, each)
    return paths


def write(figure: "Figure", path: Path) -> None:
    """Write a figure as what its ending says, ``.png`` or ``.pdf``."""
    import matplotlib as mpl

    form = path.suffix[1:].lower()
    no_date = {"CreationDate": None} if form == "pdf" else None  # the same figure is the same file
    with mpl.rc_context(STYLE):
        write_with(path, lambda file: figure.savefig(file, format=form, dpi=200, metadata=no_date))
