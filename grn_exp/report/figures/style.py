"""What figures have in common: sizes, colours, captions, files. No pyplot: nothing stays open."""

import functools
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from grn_exp.core.splits import Subset
from grn_exp.storage.atomic import write_with

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTHS = {"column": 3.3, "page": 7.0}  # inches
# Okabe and Ito (2008): told apart by colour-blind readers
BLUE, ORANGE, GREEN, SKY, VERMILION, PURPLE, YELLOW, BLACK = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#56B4E9",
    "#D55E00",
    "#CC79A7",
    "#F0E442",
    "#000000",
)
GREY = "#999999"
# yellow is too pale for lines
LINE_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
SUBSETS: dict[Subset, str] = {"test_seen": BLUE, "test_unseen": ORANGE}
DASHED: dict[str, Any] = {"color": BLACK, "linestyle": "--", "linewidth": 0.8}
FONT_SIZE, SMALL_FONT_SIZE = 7, 6
STYLE: dict[Any, Any] = {
    "font.size": FONT_SIZE,
    "axes.titlesize": FONT_SIZE,
    "axes.labelsize": FONT_SIZE,
    "figure.titlesize": FONT_SIZE,
    "xtick.labelsize": SMALL_FONT_SIZE,
    "ytick.labelsize": SMALL_FONT_SIZE,
    "legend.fontsize": SMALL_FONT_SIZE,
    "legend.title_fontsize": SMALL_FONT_SIZE,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.0,
    "pdf.fonttype": 42,  # text that can be edited
}
_LETTERS_PER_INCH = 20  # of the small font
_TITLE_LETTERS_PER_INCH = 16

P = ParamSpec("P")


def styled(draw: Callable[P, "Figure"]) -> Callable[P, "Figure"]:
    """Let a function draw in the style of these figures, and leave the user's as it was."""

    @functools.wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> "Figure":
        import matplotlib as mpl

        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return inside


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure, in inches, that arranges itself."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def headline(name: str, width: float) -> str:
    """Break a title of a whole figure into lines."""
    return wrapped(name, int(_TITLE_LETTERS_PER_INCH * width))


def panel_title(name: str, width: float) -> str:
    """Break a title of one of the panels of :func:`grid` into lines."""
    return wrapped(name, 22 if is_narrow(width) else 25)


def is_narrow(width: float) -> bool:
    """Say whether a figure is for one column of text."""
    return width < 5


def grid(
    width: float, n_panels: int, *, height: float, extra: float, shared: bool = False
) -> tuple["Figure", list["Axes"]]:
    """Return a figure with a panel each: two side by side in a column, four on a page.

    Parameters
    ----------
    height, extra
        Of a line of panels, and of what stands around them, inches.
    shared
        All panels have the same axes.
    """
    n_columns = min(n_panels, 2 if is_narrow(width) else 4)
    n_lines = -(-n_panels // n_columns)
    figure = new_figure(width, n_lines * height + extra)
    panels = figure.subplots(
        n_lines, n_columns, squeeze=False, sharex=shared, sharey=shared
    ).ravel()
    for axes in panels[n_panels:]:
        axes.remove()
    # a shared axis is numbered in the last line, which may be shorter than the others
    for axes in panels[max(0, n_panels - n_columns) : n_panels]:
        axes.xaxis.set_tick_params(labelbottom=True)
    return figure, list(panels[:n_panels])


def caption(figure: "Figure", label: str, notes: Sequence[str] = (), *, axis: bool = True) -> None:
    """Write what all panels' x axis shows, and below it what a reader has to know.

    Parameters
    ----------
    label
        Of the axis; with ``axis=False`` one of the notes.
    """
    lines = [label] if axis else []
    text = "; ".join(note for note in [*([] if axis else [label]), *notes] if note)
    lines += textwrap.wrap(text, int(figure.get_figwidth() * _LETTERS_PER_INCH))
    size = FONT_SIZE if axis and len(lines) == 1 else SMALL_FONT_SIZE
    figure.supxlabel("\n".join(lines), fontsize=size)


def legend_above(figure: "Figure", axes: "Axes", *, n_columns: int, title: str = "") -> None:
    """Put the legend of one panel above all."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=min(n_columns, max(1, len(labels))),
        handlelength=1.4,
        columnspacing=1.2,
        title=title or None,
    )


def few_ticks() -> Any:  # noqa: ANN401 - matplotlib's own
    """Return a locator for a narrow axis."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4, steps=[1, 2, 5, 10])


def wrapped(name: str, width: int) -> str:
    """Break a name into lines of ``width`` letters."""
    return "\n".join(textwrap.wrap(name, width)) or name


def spaced(subset: str) -> str:
    """Return a subset's name as a reader writes it."""
    return subset.replace("_", " ")


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
    import matplotlib as mpl

    paths = path.with_name(f"{path.name}.png"), path.with_name(f"{path.name}.pdf")
    with mpl.rc_context(STYLE):
        write_with(paths[0], lambda file: figure.savefig(file, format="png", dpi=200))
        no_date = {"CreationDate": None}  # the same figure is the same file
        write_with(paths[1], lambda file: figure.savefig(file, format="pdf", metadata=no_date))
    return paths
