"""Your own cells: from a file to a log-normalised matrix, its regulators and known edges."""

from grn_exp.data.cells.module import CellsDataModule

__all__ = ["CellsDataModule"]
