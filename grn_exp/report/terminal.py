"""What the commands that read runs have in common: how they are called, how they print."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import pandas as pd
from rich.console import Console

from grn_exp.core import home, streams
from grn_exp.core.errors import InputError
from grn_exp.report import layout, render


class Parser(argparse.ArgumentParser):
    """A parser whose errors are the user's to mend, like all others."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the command line."""
        raise InputError(f"{message}; {self.prog} --help shows how it is called")


def run(parser: Parser, words: Sequence[str]) -> None:
    """Do what the command asks for; bad input ends in one line and exit code 2."""
    streams.protect()
    home.lend()
    try:
        arguments = parser.parse_args(words)
        arguments.run(arguments)
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


def say(line: object) -> None:
    """Print a line as it is, whatever its length."""
    _console().print(str(line), soft_wrap=True, highlight=False, markup=False)


def write_csv(frame: pd.DataFrame) -> None:
    """Print a table as csv."""
    sys.stdout.write(frame.to_csv(index=False, lineterminator="\n"))


def write_tables(found: list[layout.Table], form: str, *, folded: bool = False) -> None:
    """Print tables; ``folded`` breaks the lines of long cells instead of splitting the table."""
    if form != "text":
        sys.stdout.write("\n".join(getattr(render, form)(each) for each in found))
        return
    console = _console()
    for table in found:
        for part in render.rich_tables(table, sys.maxsize if folded else console.width):
            for column in part.columns if folded else ():
                column.overflow, column.justify = "fold", "left"
            console.print(part)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 140)
