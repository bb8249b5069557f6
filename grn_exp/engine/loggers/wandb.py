"""Weights & Biases."""

import dataclasses
import logging
import netrc
import os
from typing import Any, Literal
from urllib.parse import urlparse

import numpy as np

from grn_exp.core.errors import InputError
from grn_exp.engine.loggers import results
from grn_exp.engine.loggers.base import EpochLogger, described, display_name
from grn_exp.engine.spec import RunIdentity
from grn_exp.runs.folder import RunFolder

log = logging.getLogger(__name__)

_MODES = ("online", "offline", "shared", "disabled", "dryrun", "run")  # what wandb takes


@dataclasses.dataclass(frozen=True)
class WandbMirror:
    """Weights & Biases; offline by itself where there is no key.

    The run's group is the experiment, its job type the method, its id the experiment and the key.
    A run that goes on from a checkpoint goes on there too; one that is done afresh replaces the
    one before.

    Parameters
    ----------
    project, entity, tags
        As in ``wandb.init``; the names of data and method are tags too.
    mode
        ``auto`` is online where a key is set and offline elsewhere; nothing is ever asked.
        ``WANDB_MODE`` in the environment goes before it.
    patience
        Seconds to wait for the server when a run starts, and when it ends.

    Raises
    ------
    InputError
        If the patience is none, or what the environment says of W&B cannot be used.
    """

    project: str = "grn_exp"
    entity: str | None = None
    tags: tuple[str, ...] = ()
    mode: Literal["auto", "online", "offline"] = "auto"
    patience: float = 30.0

    def __post_init__(self) -> None:
        if not self.patience > 0:
            raise InputError(f"logger.patience={self.patience}: give seconds, more than 0")
        self._mode()
        url = os.environ.get("WANDB_BASE_URL", "https://")
        if urlparse(url).scheme not in ("http", "https"):
            raise InputError(f"WANDB_BASE_URL={url}: give an address that begins with https://")

    def open(self, identity: RunIdentity) -> EpochLogger:
        """Start a W&B run below the run folder; offline where the server does not answer."""
        run = _Run(self._started(identity, self._mode()))
        for curves in ("train/*", "val/*"):
            run.wandb.define_metric(curves, step_metric="epoch")
        return EpochLogger(run, run.wandb.log, first_epoch=run.wandb.starting_step)

    def _started(self, identity: RunIdentity, mode: str) -> Any:  # noqa: ANN401 - wandb's run
        import wandb
        from wandb.errors import Error as WandbError

        wandb.setup(wandb.Settings(silent=True))
        try:
            # offline, the epochs before a cut are logged again: each folder holds the whole run
            resumes = mode == "online" and RunFolder(identity.folder).checkpoint.is_file()
            return wandb.init(
                dir=identity.folder,
                project=self.project,
                entity=self.entity,
                id=f"{identity.experiment}-{identity.run_key}",
                name=display_name(identity),
                group=identity.experiment,
                job_type=identity.model,
                tags=[identity.data, identity.model, *self.tags],
                config=described(identity),
                mode=mode,  # type: ignore[arg-type] - wandb itself judges WANDB_MODE
                resume="allow" if resumes else None,
                reinit="create_new",  # members of an ensemble run inside its run
                settings={
                    "silent": True,
                    "console": "off",
                    "init_timeout": self.patience,
                    "finish_timeout": self.patience,
                    "finish_timeout_raises": True,
                },
            )
        except (WandbError, OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            if reason == "<no message>":
                reason = "the server refuses, without a reason"
            if mode != "online":
                raise InputError(f"logger=wandb: {reason}") from error
            log.warning("W&B: %s; going offline (WANDB_MODE=offline saves the wait)", reason)
            wandb.teardown()  # or the run that did not start keeps the id
            return self._started(identity, "offline")

    def close(self, logger: EpochLogger, folder: RunFolder, *, exit_code: int) -> None:
        """Hand over metrics, curves, edges and code version; say what is left to upload."""
        run: _Run = logger.service
        try:
            if exit_code == 0:
                _show(run.wandb, folder)
        finally:
            run.finish(exit_code)

    def _mode(self) -> str:
        demanded = os.environ.get("WANDB_MODE")
        if demanded and demanded not in _MODES:
            raise InputError(
                f"WANDB_MODE={demanded}: choose from {', '.join(_MODES)}, or unset it"
            )
        if demanded or self.mode != "auto":
            return demanded or self.mode
        return "online" if _has_key() else "offline"


class _Run:
    """A W&B run, and the client's warnings meanwhile that its upload has failed."""

    def __init__(self, run: Any) -> None:  # noqa: ANN401 - wandb's run
        self.wandb = run
        self.failures: list[str] = []
        self._listen()

    def finish(self, exit_code: int) -> None:
        """End the run; say in one line where it is, or how to upload what is not uploaded."""
        settings, address = self.wandb.settings, self.wandb.url
        self._listen()  # again: an ensemble's members have runs of their own
        try:
            self.wandb.finish(exit_code=exit_code)
        except TimeoutError:
            self.failures.insert(0, "the server does not answer")
        if settings.mode == "offline":
            log.info("W&B is offline; upload with: wandb sync %s", settings.sync_dir)
        elif self.failures:
            log.warning(
                "W&B: %s; the run's own files are complete; upload with: "
                "wandb sync --include-online %s",
                *(self.failures[0], settings.sync_dir),
            )
        elif address:
            log.info("W&B: %s", address)

    def _listen(self) -> None:
        import wandb

        wandb.termsetup(wandb.Settings(silent=True), self)

    def info(self, msg: str) -> None:
        """Let it go."""

    def warning(self, msg: str) -> None:
        """Take it down if it is that the upload failed."""
        if "wandb sync" in msg:
            self.failures.append("the server broke off the upload")
        else:
            log.debug("%s", msg)

    error = warning


def _show(run: Any, folder: RunFolder) -> None:  # noqa: ANN401 - wandb's run
    """Hand over what a finished run's folder holds."""
    import wandb

    facts = folder.facts()
    run.summary.update(results.flat_metrics(folder.metrics()) | results.cost(facts))
    inputs = {key: facts[key] for key in facts.keys() - {"seconds", "peak_memory_mb"}}
    run.config.update({"provenance": inputs}, allow_val_change=True)
    tables: dict[str, Any] = {}
    for subset, (recall, precision) in results.precision_recall(folder).items():
        header, points = ["recall", "precision"], np.column_stack((recall, precision))
        tables[f"pr_curve/{subset}"] = wandb.plot.line(
            _table(header, points.tolist()),
            *header,
            title=f"precision against recall, {subset}",
        )
    edges = results.top_edges(folder)
    if edges is not None:
        tables["top_edges"] = _table(*edges)
    if tables:
        run.log(tables)


def _table(header: Any, rows: Any) -> Any:  # noqa: ANN401 - wandb's types are narrower than it
    import wandb

    return wandb.Table(columns=header, data=[list(row) for row in rows])


def _has_key() -> bool:
    """Say whether a key is set, without asking anybody for one."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host or "") is not None
    except (OSError, netrc.NetrcParseError):
        return False
