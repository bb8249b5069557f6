"""A language model as an encoder of text: find it, load it, run it."""

import contextlib
import dataclasses
import hashlib
import json
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError, brief
from grn_exp.core.home import expanded

log = logging.getLogger(__name__)

_WEIGHTS = (".safetensors", ".bin")
_OTHER_FILES = (".json", ".txt", ".model")
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclasses.dataclass(frozen=True)
class LanguageModel:
    """Which model reads the text of a gene, and how.

    A model of the Hugging Face hub counts by name and revision, so pin ``revision`` where the
    repository may change; a local folder counts by the content of its files. The
    pooling, normalisation and casing that a sentence-transformers repository declares are not
    read; the arguments here decide.

    Parameters
    ----------
    model
        Id on the Hugging Face hub, or a local folder.
    revision
        Branch, tag or commit on the hub; None for the main branch.
    pooling
        ``mean`` over the tokens, including the two special ones; ``max`` over them; ``cls`` for
        the first one.
    lower_case
        Lower-case the text first. False for a cased model such as BioBERT, whose repository does
        not say so itself; True for an uncased one.
    max_length
        Number of tokens that are read, the rest is cut off; None for as many as the model takes.
    precision
        Of the encoding; the vectors are float32. ``auto`` takes half precision where it is
        faster (CUDA, and processors with AMX), else float32.
    device
        ``auto`` (CUDA if there is one), ``cpu``, ``cuda:1``, ...
    batch_size
        Texts encoded at once.
    """

    model: str = "dmis-lab/biobert-base-cased-v1.1"
    revision: str | None = None
    pooling: Literal["mean", "cls", "max"] = "mean"
    lower_case: bool = False
    max_length: int | None = None
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = "auto"
    batch_size: int = 32

    def key(self) -> str:
        """Hash everything but the text that decides a vector.

        A folder counts by its content, a model on the hub by name and revision.
        """
        import pooch

        folder = self._own_folder()
        if folder is None:
            model = f"{self.model}@{self.revision or 'main'}"
        else:
            paths = [p for p in sorted(folder.iterdir()) if p.suffix in (*_OTHER_FILES, *_WEIGHTS)]
            lines = [f"{p.name} {pooch.file_hash(p)}\n" for p in paths if p.is_file()]
            model = f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"
        parts = {
            "model": model,
            "pooling": self.pooling,
            "lower_case": self.lower_case,
            "max_length": self.max_length,
            "precision": self.found_precision(),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def error(self, option: str, reason: str) -> InputError:
        """Return the error about an option's value."""
        value = getattr(self, option)
        shown = str(value).lower() if isinstance(value, bool) else value
        return InputError(f"prior.{option}={shown}: {reason}")

    def found_device(self) -> Any:  # noqa: ANN401 - a torch.device
        """Return the device that ``device`` names; InputError if there is none."""
        import torch

        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            return torch.empty(0, device=self.device).device
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise self.error(
                "device", "this machine does not have that device; give auto, cpu or cuda"
            ) from error

    def found_precision(self) -> str:
        """Return the precision that ``auto`` stands for.

        BERT-base, one thread: on a processor with AMX bfloat16 encodes 2.6 times as many texts a
        second as float32, on one without it an eighth.
        """
        import torch

        if self.precision != "auto":
            return self.precision
        kind = self.found_device().type
        if kind == "cuda":
            return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
        has_amx = getattr(torch.cpu, "_is_amx_tile_supported", None)  # no public name
        return "bfloat16" if kind == "cpu" and has_amx is not None and has_amx() else "float32"

    def folder(self) -> Path:
        """Return the folder of the model's files; what is not here is downloaded."""
        own = self._own_folder()
        if own is not None:
            return own
        from huggingface_hub import errors

        try:
            return self._from_hub()
        except errors.RevisionNotFoundError as error:
            reason = f"{self.model} does not have that revision; correct or drop it"
            raise self.error("revision", reason) from error
        except errors.RepositoryNotFoundError as error:
            raise self.error(
                "model",
                "the Hugging Face hub does not have that model, or it needs a login; correct the "
                "name, log in with `hf auth login`, or give a local folder",
            ) from error
        except (errors.HfHubHTTPError, OSError) as error:  # the network's, hub's or disk's fault
            raise self.error(
                "model",
                f"not on this machine, and it cannot be downloaded ({type(error).__name__}); run "
                f"`hf download {self.model}` where there is a network and give that folder as "
                "prior.model=<folder>, or choose prior=biobert_published or prior=table",
            ) from error

    def _from_hub(self) -> Path:
        from huggingface_hub import errors, snapshot_download

        # what is held here, whatever its form; else the weights in one form only
        for held, weights in ((True, _WEIGHTS), (False, _WEIGHTS[:1]), (False, _WEIGHTS[1:])):
            try:
                found = snapshot_download(
                    self.model,
                    revision=self.revision,
                    allow_patterns=[f"*{ending}" for ending in (*_OTHER_FILES, *weights)],
                    ignore_patterns=["*/*"],  # other forms of the model
                    local_files_only=held,
                )
            except errors.LocalEntryNotFoundError:
                if not held:
                    raise
                continue
            if any(path.suffix in _WEIGHTS for path in Path(found).iterdir()):
                return Path(found)
        raise self.error("model", "that repository holds no weights; give another")

    def _own_folder(self) -> Path | None:
        """Return the local folder that ``model`` names, None if it is a name on the hub."""
        path = expanded(self.model, "prior.model")
        if not path.is_dir():
            if _HUB_ID.fullmatch(self.model) and not self.model.startswith("."):
                return None
            raise self.error(
                "model", "neither a folder nor a name on the Hugging Face hub (owner/model)"
            )
        if not (path / "config.json").is_file():
            raise self.error("model", "that folder has no config.json; give the folder of a model")
        if self.revision is not None:
            reason = f"prior.model={self.model} is a local folder; drop prior.revision"
            raise self.error("revision", reason)
        return path


class TextEncoder:
    """A loaded model with its tokenizer, on its device.

    Raises
    ------
    InputError
        If the model cannot be found or loaded, has weights missing, or takes fewer tokens than
        asked for.
    """

    def __init__(self, spec: LanguageModel) -> None:
        from sentence_transformers.sentence_transformer.modules import Pooling

        log.info("loading %s", spec.model)
        self.spec = spec
        network, self._tokenizer = _load(spec)
        self._network = network.to(spec.found_device()).eval()
        self._pooling = Pooling(network.config.hidden_size, pooling_mode=spec.pooling)
        most = self._tokenizer.model_max_length
        positions = getattr(network.config, "max_position_embeddings", -1)
        if positions > 0:  # XLNet says -1, for any number
            most = min(most, positions)
        if spec.max_length is not None and spec.max_length > most:
            raise spec.error("max_length", f"{spec.model} takes {most} tokens; give that or less")
        self._tokenizer.model_max_length = spec.max_length or most

    def check(self, texts: Sequence[str]) -> None:
        """Warn of texts that will be cut off; refuse a model that cannot read half of them."""
        tokens = self._tokenizer(list(texts), verbose=False)["input_ids"]
        unknown = self._tokenizer.unk_token_id
        unreadable = [text for text, ids in zip(texts, tokens, strict=True) if unknown in ids]
        if len(unreadable) > len(texts) / 2:
            raise self.spec.error(
                "lower_case",
                f"{self.spec.model} does not know all characters of {len(unreadable)} of "
                f"{len(texts)} texts (such as {unreadable[0][:40]!r}); give prior.lower_case="
                f"{str(not self.spec.lower_case).lower()}, or another model",
            )
        most = self._tokenizer.model_max_length
        n_long = sum(len(ids) > most for ids in tokens)
        if n_long:
            log.warning(
                "%d of %d texts have more than %d tokens; what comes after is not read",
                *(n_long, len(texts), most),
            )

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of one batch, shape ``(len(texts), width)``."""
        import torch

        batch = self._tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        try:
            with torch.inference_mode():
                batch = batch.to(self._network.device)
                tokens = self._network(**batch).last_hidden_state  # (n_texts, n_tokens, width)
                features = {"token_embeddings": tokens.float()}
                features["attention_mask"] = batch["attention_mask"]
                found = self._pooling(features)["sentence_embedding"].cpu()
        except torch.OutOfMemoryError as error:
            reason = "the device's memory is too small for it; give less, or prior.device=cpu"
            raise self.spec.error("batch_size", reason) from error
        if not found.isfinite().all():
            precision = self.spec.found_precision()
            raise self.spec.error(
                "model",
                f"a vector in {precision} is not finite; give prior.precision=float32, or another "
                "model",
            )
        return found.numpy()


def _load(spec: LanguageModel) -> tuple[Any, Any]:
    """Return the model and its tokenizer."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = spec.folder()
    dtype = getattr(torch, spec.found_precision())
    options = {"do_lower_case": spec.lower_case, "padding_side": "right"}
    try:
        with _quiet():
            tokenizer: Any = AutoTokenizer.from_pretrained(folder, **options)
            network, report = AutoModel.from_pretrained(
                folder, dtype=dtype, output_loading_info=True
            )
    except Exception as error:  # a broken file raises whatever its reader does
        reason = brief(error, longest=200)
        reason = f"cannot load it ({reason}); give a complete model for transformers"
        raise spec.error("model", reason) from error
    if len(tokenizer) <= len(tokenizer.all_special_tokens):  # transformers makes an empty one
        raise spec.error("model", "the tokenizer's vocabulary is missing; give a complete model")
    # transformers draws missing weights at random; no pooling here uses those of the pooler
    lost = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if lost:
        reason = f"{len(lost)} weights are missing (such as {lost[0]}); give a complete model"
        raise spec.error("model", reason)
    return network.get_encoder() if network.config.is_encoder_decoder else network, tokenizer


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' notices and its bar off the terminal."""
    from transformers.utils import logging as chatter

    level, has_bars = chatter.get_verbosity(), chatter.is_progress_bar_enabled()
    chatter.set_verbosity(logging.CRITICAL)
    chatter.disable_progress_bar()
    try:
        yield
    finally:
        chatter.set_verbosity(level)
        if has_bars:
            chatter.enable_progress_bar()
