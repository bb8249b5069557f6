"""``python -m grn_exp.data list | fetch NAME | check``: the files behind the benchmarks."""

import argparse
import dataclasses
import logging
import sys
from typing import NoReturn

from rich.console import Console
from rich.table import Table

from grn_exp.core import home, streams
from grn_exp.core.errors import InputError
from grn_exp.data import catalogue
from grn_exp.storage import store


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 140)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are the user's to mend, like all others."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; {self.prog} --help shows how it is called")


def main() -> None:
    """Run the command; bad input ends in one line and exit code 2."""
    streams.protect()
    home.lend()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = _Parser(prog="python -m grn_exp.data", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="show each dataset and what of it is here")
    fetch = commands.add_parser("fetch", help="download what datasets need")
    fetch.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help="as data= takes it; all; sergio_ds3_published with its authors' cells",
    )
    commands.add_parser("check", help="compare with the InfoSEM paper's tables B.1 and B.2")
    try:
        arguments = parser.parse_args()
        if arguments.command == "list":
            list_datasets()
        elif arguments.command == "fetch":
            fetch_datasets(arguments.names)
        else:
            check_datasets()
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


def list_datasets() -> None:
    """Print where each file lies, or that it is not here."""
    console = _console()
    table = Table("data=", "gene set", "expression", "networks", "missing")
    for choice, dataset in catalogue.datasets().items():
        for gene_set in catalogue.GENE_SETS:
            places = {key: store.locate(key) for key in catalogue.keys(dataset, gene_set)}
            expression, *networks = places
            here = [key.split("/")[3] for key in networks if places[key]]
            missing = sum(place is None for place in places.values())
            table.add_row(
                choice,
                gene_set,
                "yes" if places[expression] else "no",
                ", ".join(here) or "none",
                f"{missing} of {len(places)}" if missing else "",
            )
    console.print(table)
    console.print(_sergio_table())
    console.print(_mccalla_table())
    biobert = [key for key in store.registry() if key.startswith("biobert/")]
    here = sum(store.locate(key) is not None for key in biobert)
    console.print(
        f"BioBERT vectors (prior=biobert_published): {here} of {len(biobert)} files are here"
    )
    try:
        cache = f"cache: {store.cache_dir()}"
    except InputError as error:
        cache = str(error)
    console.print(f"GRN_EXP_DATA: {store.data_dir() or 'not set'}; {cache}")
    console.print("get what is missing with: python -m grn_exp.data fetch NAME")


def _sergio_table() -> Table:
    table = Table("data=", "interactions", "master regulators", "published simulations")
    for choice, network in catalogue.sergio_networks().items():
        needed = [
            "no" if store.locate(key) is None else "yes" for key in catalogue.network_keys(network)
        ]
        published = catalogue.published_keys(network)
        here = sum(store.locate(key) is not None for key in published)
        table.add_row(choice, *needed, f"{here} of {len(published)}")
    return table


def _mccalla_table() -> Table:
    table = Table("data=", "expression", "networks", "missing")
    for choice, keys in catalogue.mccalla_keys().items():
        expression, *networks = (store.locate(key) is not None for key in keys)
        missing = len(keys) - expression - sum(networks)
        table.add_row(
            choice,
            "yes" if expression else "no",
            f"{sum(networks)} of {len(networks)}",
            f"{missing} of {len(keys)}" if missing else "",
        )
    return table


def fetch_datasets(names: list[str]) -> None:
    """Download every file of the named datasets; what is here is verified and kept."""
    console = _console()
    keys = list(dict.fromkeys(key for name in names for key in catalogue.keys_named(name)))
    for number, key in enumerate(keys, start=1):
        path = store.fetch(key)
        console.print(f"[{number}/{len(keys)}] {path}", markup=False, soft_wrap=True)


def check_datasets() -> None:
    """Print each benchmark's size, and by how much it differs from the published one."""
    console = _console()
    table = Table(
        "data", "network", "gene set", "genes", "cells", "positive", "negative", "degree"
    )
    for (dataset, network), published in catalogue.PUBLISHED.items():
        row = dataclasses.astuple(published)
        table.add_row(dataset, network, "paper", *(f"{p:,}" for p in row), style="bold")
        for gene_set in catalogue.GENE_SETS:
            found = catalogue.count(dataset, gene_set, network)
            if found is None:
                table.add_row("", "", gene_set, "not here")
                continue
            ours = dataclasses.astuple(found)
            # counts are whole numbers, the degree is not
            forms = [",d"] * 4 + [".1f"]
            cells = [
                f"{o:{form}} ({o - p:+{form}})"
                for o, p, form in zip(ours, row, forms, strict=True)
            ]
            table.add_row("", "", gene_set, *cells)
    console.print(table)
    console.print(
        "In brackets: the difference to the paper, which dropped the genes without a text "
        "embedding. Its hESC and hHEP fit tfs500, its mDC and mESC fit tfs1000."
    )


if __name__ == "__main__":
    main()
