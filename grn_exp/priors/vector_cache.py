"""Vectors of texts on disk, added chunk by chunk, so that encoding goes on where it stopped."""

import contextlib
import hashlib
import logging
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grn_exp.storage.atomic import make_folder, unwritable, write_npz

log = logging.getLogger(__name__)

# what NumPy and zipfile raise for a file of which any one byte is another
_BROKEN = (
    *(OSError, ValueError, KeyError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError),
)

Vectors = Mapping[str, NDArray[np.float32]]


class VectorCache:
    """A folder of npz files, each the vectors of some texts.

    Parameters
    ----------
    folder
        Named after all that decides a vector but the text; made when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self) -> dict[str, NDArray[np.float32]]:
        """Return every vector by its text's hash. A broken file is deleted: it is encoded anew."""
        found: dict[str, NDArray[np.float32]] = {}
        for path in sorted(self.folder.glob("*.npz")):
            try:
                # opened here: NumPy leaves a broken file open
                with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                    hashes, vectors = arrays["hashes"].tolist(), arrays["vectors"]
                if vectors.dtype != np.float32 or vectors.ndim != 2:
                    raise ValueError(f"vectors are {vectors.dtype}{vectors.shape}")
                found.update(zip(hashes, vectors, strict=True))
            except _BROKEN as error:
                log.warning("%s is broken (%s): its texts are encoded again", path, error)
                with contextlib.suppress(OSError):
                    path.unlink()
        return found

    def lacking(self, texts: Iterable[str], found: Vectors) -> list[str]:
        """Return the texts that have no vector among those found."""
        return [text for text in texts if _hash(text) not in found]

    def of(self, texts: Iterable[str], found: Vectors) -> dict[str, NDArray[np.float32]]:
        """Return the vectors by text."""
        return {text: found[_hash(text)] for text in texts}

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

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from adding; wait for one that does.

        Raises
        ------
        InputError
            If the folder may not be written.
        """
        from filelock import FileLock, Timeout

        make_folder(self.folder)
        lock = FileLock(self.folder / ".lock")
        try:
            try:
                lock.acquire(timeout=0)
            except Timeout:
                log.info("waiting: another process is encoding into %s", self.folder)
                lock.acquire()
        except OSError as error:
            raise unwritable(self.folder, error) from error
        try:
            yield
        finally:
            lock.release()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
