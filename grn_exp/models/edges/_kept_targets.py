"""Columns of scores that are finished, in a file that grows: what a fit goes on from."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grn_exp.storage.atomic import make_folder, unwritable


class KeptTargets:
    """The scores of a fit that goes from target to target.

    A record a target, each with the hash of what it depends on. A process that is killed leaves
    whole records and perhaps a part of one, which is dropped.

    Parameters
    ----------
    path
        The file; None keeps nothing.
    shape
        Regulators and genes.
    depends_on
        All that can change a score.

    Attributes
    ----------
    scores
        Shape ``(n_regulators, n_genes)``, float32; 0 where a target is not done.
    done
        Shape ``(n_genes,)``: which targets are.
    """

    def __init__(self, path: Path | None, shape: tuple[int, int], depends_on: object) -> None:
        self.scores = np.zeros(shape, dtype=np.float32)
        self.done = np.zeros(shape[1], dtype=np.bool_)
        self._path = path
        self._key = hashlib.sha256(repr(depends_on).encode()).digest()
        self._record = np.dtype([("key", "V32"), ("gene", "<i8"), ("scores", "<f4", (shape[0],))])
        if path is not None and path.is_file():
            self._read(path)

    def _read(self, path: Path) -> None:
        records = np.fromfile(path, dtype=self._record)
        records = records[[record.tobytes() == self._key for record in records["key"]]]
        records.tofile(path)  # without a part of a record, and without another fit's
        self.scores[:, records["gene"]] = records["scores"].T
        self.done[records["gene"]] = True

    def add(self, genes: NDArray[np.integer], columns: NDArray[np.floating]) -> None:
        """Take finished targets; ``columns`` has shape ``(n_regulators, len(genes))``.

        Raises
        ------
        InputError
            If the disk is full.
        """
        self.scores[:, genes] = columns
        self.done[genes] = True
        if self._path is None:
            return
        records = np.zeros(len(genes), dtype=self._record)
        records["key"], records["gene"] = np.void(self._key), genes
        records["scores"] = self.scores[:, genes].T
        make_folder(self._path.parent)
        try:
            with self._path.open("ab") as stream:
                stream.write(records.tobytes())
        except OSError as error:
            raise unwritable(self._path, error) from error
