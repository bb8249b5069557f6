"""What the command line may ask of figures."""

import argparse
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from grn_exp.core.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FLAGS = {"run_key": "--run", "dataset": "--dataset", "gene": "--gene"}

Draw = Callable[..., "Figure"]


def add_options(parser: argparse.ArgumentParser, figures: Mapping[str, Draw]) -> None:
    """Add the options of ``figures`` to a command."""
    parser.add_argument("--only", nargs="+", choices=list(figures), metavar="FIGURE", default=[])
    parser.add_argument("--run", dest="run_key", metavar="KEY", help="where one run is shown")
    parser.add_argument("--dataset", help="where one dataset is shown; named as in the tables")
    parser.add_argument("--gene", help="of network_view")
    parser.epilog = f"figures: {', '.join(figures)}"


def asked_for(arguments: argparse.Namespace, figures: Mapping[str, Draw]) -> dict[str, Draw]:
    """Return the figures that are asked for, with those of the options that each takes.

    Raises
    ------
    InputError
        If an option is given that none of them takes.
    """
    chosen = {name: figures[name] for name in arguments.only or figures}
    for option, flag in _FLAGS.items():
        if (value := getattr(arguments, option)) is None:
            continue
        able = [n for n, draw in figures.items() if option in inspect.signature(draw).parameters]
        if not set(able) & set(chosen):
            raise InputError(
                f"{flag} {value}: {', '.join(chosen)} cannot use it; it is for {', '.join(able)}"
            )
        for name in chosen.keys() & able:
            chosen[name] = functools.partial(chosen[name], **{option: value})
    return chosen
