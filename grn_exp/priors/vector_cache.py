"""Vectors of texts on disk, added chunk by chunk, so that encoding goes on where it stopped."""

import contextlib
import hashlib
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grn_exp.storage.atomic import read_npz, write_npz

log = logging.getLogger(__name__)


class VectorCache:
    """A folder of npz files, each the vectors of some texts.

    Parameters
    ----------
    folder
        Named after all that decides a vector but the text; made when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._found: dict[str, NDArray[np.float32]] = {}
        self.read()

    def read(self) -> None:
        """Read every file there is now. A broken one is deleted: its texts are encoded anew."""
        for path in sorted(self.folder.glob("*.npz")):
            try:
                hashes, vectors = read_npz(path, "hashes", "vectors")
                if vectors.dtype != np.float32 or vectors.ndim != 2:
                    raise ValueError(f"vectors are {vectors.dtype}{vectors.shape}")
                self._found.update(zip(hashes.tolist(), vectors, strict=True))
            except ValueError as error:
                log.warning("%s is broken (%s): its texts are encoded again", path, error)
                with contextlib.suppress(OSError):
                    path.unlink()

    def lacking(self, texts: Iterable[str]) -> list[str]:
        """Return the texts that have no vector here."""
        return [text for text in texts if _hash(text) not in self._found]

    def of(self, texts: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """Return the vectors by text."""
        return {text: self._found[_hash(text)] for text in texts}

    def add(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Write the vectors of some texts, shape ``(len(texts), width)``, to a file of their own.

        Raises
        ------
        InputError
            If the disk is full or the folder may not be written.
        """
        hashes = [_hash(text) for text in texts]
        name = _hash(" ".join(hashes))[:16]
        write_npz(self.folder / f"{name}.npz", {"hashes": np.asarray(hashes), "vectors": vectors})
        self._found.update(zip(hashes, vectors, strict=True))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
