"""A language model as an encoder of texts: find it, load it, keep it quiet."""

import contextlib
import hashlib
import logging
import pickle
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError

log = logging.getLogger(__name__)

Pooling = Literal["mean", "cls", "max"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]

_TALKATIVE = ("transformers", "sentence_transformers", "huggingface_hub", "httpx", "httpx2")
_WEIGHTS = (".safetensors", ".bin")
_OF_A_MODEL = (".json", ".txt", ".model", *_WEIGHTS)
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_UNLOADABLE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError),
    *(EOFError, pickle.UnpicklingError),
)


class TextEncoder:
    """A model with its tokenizer, on a device.

    Parameters
    ----------
    folder
        The model's files.
    name
        What the user calls it, for messages.
    pooling, lower_case, max_length, device
        As in :class:`~grn_exp.priors.text.TextPrior`.
    precision
        ``float32``, ``bfloat16`` or ``float16``.

    Raises
    ------
    InputError
        If the model cannot be loaded, lacks weights, takes fewer than ``max_length`` tokens, or
        the device is not there.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        pooling: Pooling,
        lower_case: bool,
        max_length: int | None,
        precision: str,
        device: str,
    ) -> None:
        log.info("loading %s", name)
        with _quiet():
            transformer = _load(folder, name=name, lower_case=lower_case, precision=precision)
            from sentence_transformers import SentenceTransformer
            from sentence_transformers.sentence_transformer.modules import Pooling as PoolingModule

            pool = PoolingModule(transformer.get_embedding_dimension(), pooling)
            self._network = SentenceTransformer(
                modules=[transformer, pool], device=str(find_device(device))
            )
        self.name = name
        self.precision = precision
        self.lower_case = lower_case
        self._tokenizer: Any = transformer.tokenizer
        self.max_length = int(transformer.max_seq_length)
        if max_length is not None:
            if max_length > self.max_length:
                raise InputError(
                    f"prior.max_length={max_length}: {name} takes {self.max_length} tokens; give "
                    "that or less"
                )
            self.max_length = self._network.max_seq_length = max_length

    def check(self, texts: Sequence[str]) -> None:
        """Say how many texts will be cut off, and refuse a model that cannot read them.

        Raises
        ------
        InputError
            If more than half of the texts have a token that the model does not know.
        """
        with _quiet():
            tokens = self._tokenizer(list(texts), truncation=False)["input_ids"]
        unknown = self._tokenizer.unk_token_id
        unreadable = [text for text, ids in zip(texts, tokens, strict=True) if unknown in ids]
        if len(unreadable) > len(texts) / 2:
            raise InputError(
                f"prior.lower_case={str(self.lower_case).lower()}: {self.name} does not know "
                f"all characters of {len(unreadable)} of {len(texts)} texts (such as "
                f"{unreadable[0][:40]!r}); give prior.lower_case="
                f"{str(not self.lower_case).lower()}, or another model"
            )
        n_long = sum(len(text) > self.max_length for text in tokens)
        if n_long:
            log.warning(
                "%d of %d texts have more than %d tokens; the rest of them is not read",
                *(n_long, len(texts), self.max_length),
            )

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of one batch, shape ``(len(texts), width)``.

        Raises
        ------
        InputError
            If the memory does not suffice, or a vector is not finite.
        """
        import torch

        try:
            with _quiet():
                vectors = self._network.encode(
                    list(texts),
                    batch_size=len(texts),
                    show_progress_bar=False,
                    convert_to_numpy=True,
                )
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"prior.batch_size: {len(texts)} texts do not fit into the memory of the device; "
                "give a smaller prior.batch_size, or prior.device=cpu"
            ) from error
        found = np.asarray(vectors, dtype=np.float32)
        if not np.isfinite(found).all():
            raise InputError(
                f"prior.model={self.name}: a vector in {self.precision} is not finite; give "
                "prior.precision=float32, or another model"
            )
        return found


def _load(folder: Path, *, name: str, lower_case: bool, precision: str) -> Any:  # noqa: ANN401
    """Return the model with its tokenizer as a module of sentence-transformers."""
    import torch
    from safetensors import SafetensorError
    from sentence_transformers.sentence_transformer.modules import Transformer
    from transformers import AutoModel

    try:
        # transformers would draw missing weights at random, and only a warning would say so
        _, report = AutoModel.from_pretrained(folder, output_loading_info=True)
        # the pooler reads the first token's vector once more, which no pooling here uses
        lost = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
        transformer: Any = Transformer(
            str(folder),
            model_kwargs={"dtype": getattr(torch, precision)},
            processor_kwargs={"do_lower_case": lower_case},
        )
    except (*_UNLOADABLE, SafetensorError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"prior.model={name}: cannot load it ({reason[0][:200]}); give a whole model in the "
            "form of transformers"
        ) from error
    tokenizer = transformer.tokenizer
    if len(tokenizer) <= len(tokenizer.all_special_tokens):  # transformers makes an empty one
        raise InputError(
            f"prior.model={name}: its files lack the tokenizer's vocabulary; give a whole model"
        )
    if lost:
        raise InputError(
            f"prior.model={name}: its files lack {len(lost)} weights (such as {lost[0]}); give a "
            "whole model"
        )
    return transformer


# -- where a model is ------------------------------------------------------------------------


def model_fingerprint(model: str, revision: str | None) -> str:
    """Return what a model counts by: a folder's content, or name and revision on the hub."""
    folder = _own_folder(model, revision)
    if folder is None:
        return f"{model}@{revision or 'main'}"
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in _OF_A_MODEL:
            with path.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
            digest.update(f"{path.name} {content}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def local_folder(model: str, revision: str | None) -> Path:
    """Return the folder of a model; one on the hub is downloaded if it is not here.

    Raises
    ------
    InputError
        If there is no such folder or model, or it is not here and cannot be downloaded.
    """
    folder = _own_folder(model, revision)
    if folder is not None:
        return folder
    from huggingface_hub import errors

    with _quiet(), contextlib.suppress(errors.LocalEntryNotFoundError):
        held = _snapshot(model, revision, _OF_A_MODEL, local_files_only=True)
        if _has_weights(held):
            return held
    try:
        with _quiet(bars=True):
            return _download(model, revision)
    except errors.RevisionNotFoundError as error:
        raise InputError(
            f"prior.revision={revision}: {model} has no such revision; correct or drop it"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise InputError(
            f"prior.model={model}: the Hugging Face hub has no such model, or it needs a login; "
            "correct the name, log in with `hf auth login`, or give a local folder"
        ) from error
    except (
        errors.HfHubHTTPError,
        OSError,
    ) as error:  # no connection, the hub's or the disk's fault
        raise InputError(
            f"prior.model={model}: not on this machine, and it cannot be downloaded "
            f"({type(error).__name__}); run `hf download {model}` where there is a network and "
            "give that folder as prior.model=<folder>, or choose prior=biobert_published or "
            "prior=table"
        ) from error


def _download(model: str, revision: str | None) -> Path:
    """Download what a model needs, its weights in one form only."""
    folder = _snapshot(model, revision, [s for s in _OF_A_MODEL if s != ".bin"])
    if not _has_weights(folder):
        folder = _snapshot(model, revision, [".bin"])
    if not _has_weights(folder):
        raise InputError(f"prior.model={model}: that repository holds no weights; give another")
    return folder


def _snapshot(
    model: str, revision: str | None, endings: Sequence[str], *, local_files_only: bool = False
) -> Path:
    """Return the folder of a hub model's files, those with other endings left out."""
    from huggingface_hub import snapshot_download

    found = snapshot_download(
        model,
        revision=revision,
        allow_patterns=[f"*{ending}" for ending in endings],
        ignore_patterns=["*/*"],  # other forms of the model
        local_files_only=local_files_only,
    )
    return Path(found)


def _has_weights(folder: Path) -> bool:
    return any(path.suffix in _WEIGHTS for path in folder.iterdir())


def _own_folder(model: str, revision: str | None) -> Path | None:
    """Return the local folder that ``model`` names, None if it is a name on the hub."""
    path = Path(model).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise InputError(
                f"prior.model={model}: no config.json in that folder; give the folder of a model"
            )
        if revision is not None:
            raise InputError(
                f"prior.revision={revision}: prior.model={model} is a local folder, which has no "
                "revisions; drop prior.revision"
            )
        return path
    if not _HUB_ID.fullmatch(model) or model.startswith("."):
        raise InputError(
            f"prior.model={model}: no such folder, and no name on the Hugging Face hub "
            "(owner/model); correct it"
        )
    return None


# -- where it runs ---------------------------------------------------------------------------


def find_device(device: str) -> Any:  # noqa: ANN401 - a torch.device
    """Return the device that ``device`` names; ``auto`` is CUDA if there is one.

    Raises
    ------
    InputError
        If there is no such device.
    """
    import torch

    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(
            f"prior.device={device}: no such device here; give auto, cpu or cuda"
        ) from error
    return found


def resolve_precision(precision: Precision, device: str) -> str:
    """Return the precision that ``auto`` stands for.

    BERT-base, one thread: on a processor with AMX bfloat16 encodes 2.6 times as many texts a
    second as float32, on one without it an eighth.
    """
    if precision != "auto":
        return precision
    import torch

    if find_device(device).type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    on_cpu = find_device(device).type == "cpu"
    has_amx = getattr(torch.cpu, "_is_amx_tile_supported", None)  # no public name
    return "bfloat16" if on_cpu and has_amx is not None and has_amx() else "float32"


@contextlib.contextmanager
def _quiet(*, bars: bool = False) -> Iterator[None]:
    """Keep the libraries' own notices, warnings and bars off the terminal.

    ``bars`` keeps the hub's own, which it shows for a download where a terminal is watching.
    """
    import huggingface_hub.utils as hub
    from transformers.utils import logging as of_transformers

    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    shown = of_transformers.is_progress_bar_enabled()
    hub_shown = not hub.are_progress_bars_disabled()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        of_transformers.disable_progress_bar()  # and the hub's with it
        if bars and hub_shown:
            hub.enable_progress_bars()
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            if shown:
                of_transformers.enable_progress_bar()
            (hub.enable_progress_bars if hub_shown else hub.disable_progress_bars)()
