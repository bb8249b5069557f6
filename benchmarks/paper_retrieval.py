"""``python -m benchmarks.paper_retrieval FOLDER``: drawn files of Residual HOS2's size.

Of its appendix I: 18,386 genes x 421 cells and a network of 229 regulators and 12,284 targets with
a mean in-degree of 65.7, as csv files, and the command that ranks the regulators. The paper's own
are not public, and what a run takes does not depend on the values.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray


class Size(NamedTuple):
    """Numbers of what is drawn, and the mean number of a target's regulators."""

    n_genes: int
    n_cells: int
    n_regulators: int
    n_targets: int
    in_degree: float


PAPER = Size(18_386, 421, 229, 12_284, 65.7)
SMALL = Size(120, 20, 12, 90, 3.0)


def main(given: Sequence[str] | None = None) -> None:
    """Write the files and print the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper_retrieval")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--small", action="store_true", help="some genes: does it run")
    arguments = parser.parse_args(given)
    size = SMALL if arguments.small else PAPER
    matrix, network, n_edges = write(arguments.folder, size)
    print(f"{size}: {n_edges:,} edges, {n_edges / size.n_targets:.1f} a target")
    print(
        "python -m grn_exp data=mesc_retrieval model=context_attention "
        f"data.expression={matrix} data.network_file={network}"
    )


def write(folder: Path, size: Size) -> tuple[Path, Path, int]:
    """Draw matrix and network; return their paths and the number of edges."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    genes = np.asarray([f"Gene{number:05d}" for number in range(size.n_genes)])
    edges = _edges(size, rng)
    counts = rng.poisson(rng.gamma(0.5, 4.0, size=(size.n_genes, 1)), (size.n_genes, size.n_cells))
    matrix, network = folder / "matrix.csv", folder / "network.csv"
    values = pd.DataFrame(np.log1p(counts).astype(np.float32), index=pd.Index(genes, name="gene"))
    values.to_csv(matrix, float_format="%.4g")
    pairs = {"Gene1": genes[edges[:, 0]], "Gene2": genes[edges[:, 1]]}
    pd.DataFrame(pairs).to_csv(network, index=False)
    return matrix, network, len(edges)


def _edges(size: Size, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return (regulator, target); regulators and targets differ in how many edges they have."""
    odds = rng.normal(0.0, 0.7, (size.n_regulators, 1)) + rng.normal(0.0, 0.7, size.n_targets)
    share = size.in_degree / size.n_regulators
    low, high = -10.0, 10.0
    for _ in range(50):  # of the intercept, so that the mean is right
        middle = (low + high) / 2
        above = (1 / (1 + np.exp(-(odds + middle)))).mean() > share
        low, high = (low, middle) if above else (middle, high)
    edges = np.argwhere(rng.random(odds.shape) < 1 / (1 + np.exp(-(odds + low))))
    edges[:, 1] += size.n_regulators  # targets are genes that regulate nothing
    return edges


if __name__ == "__main__":
    main()
