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
    given = {name: value for name in _FLAGS if (value := getattr(arguments, name)) is not None}
    chosen = {name: figures[name] for name in arguments.only or figures}
    for option, value in given.items():
        able = [name for name, draw in figures.items() if _takes(draw, option)]
        if not set(able) & set(chosen):
            raise InputError(
                f"{_FLAGS[option]} {value}: {', '.join(chosen)} cannot use it; it is for "
                f"{', '.join(able)}"
            )
    return {
        name: functools.partial(draw, **{k: v for k, v in given.items() if _takes(draw, k)})
        for name, draw in chosen.items()
    }


def _takes(draw: Draw, option: str) -> bool:
    return option in inspect.signature(draw).parameters
