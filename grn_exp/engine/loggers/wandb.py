"""Weights & Biases."""

import contextlib
import dataclasses
import logging
import os
import re
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from grn_exp.core import extras
from grn_exp.core.errors import InputError
from grn_exp.core.home import expanded, make_writable
from grn_exp.engine.loggers import results
from grn_exp.engine.loggers.base import EpochLogger, described, display_name
from grn_exp.engine.spec import RunIdentity
from grn_exp.runs.folder import RunFolder

log = logging.getLogger(__name__)

_OF_ONE_RUN = (
    *("WANDB_NAME", "WANDB_RUN_ID", "WANDB_RESUME"),
    *("WANDB_RESUME_FROM", "WANDB_FORK_FROM"),
)
_WRITTEN = ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR")
_PATIENCE = 30.0


@dataclasses.dataclass(frozen=True)
class WandbMirror:
    """Weights & Biases; offline by itself where there is no key.

    The run's group is the experiment, its job type the method, its id the experiment and the key.
    A run that goes on from a checkpoint goes on there too; one that is done afresh replaces the
    one before. What is not given is taken from the environment, as W&B reads it (``WANDB_MODE``,
    ``WANDB_RUN_GROUP``, ...), except for a run's name and id.

    Parameters
    ----------
    project, entity
        As in ``wandb.init``; ``grn_exp`` where the environment names no project.
    tags
        As in ``wandb.init``; the names of data and method are tags too.
    mode
        ``auto`` is online where a key is set and offline elsewhere; nothing is ever asked.
    patience
        Seconds to wait for the server when a run starts, and when it ends; 30 by itself.

    Raises
    ------
    InputError
        If an option, or what the environment says of W&B, cannot be used.
    """

    project: str | None = None
    entity: str | None = None
    tags: tuple[str, ...] = ()
    mode: Literal["auto", "online", "offline"] = "auto"
    patience: float | None = None

    def __post_init__(self) -> None:
        if self.patience is not None and not self.patience > 0:
            raise InputError(f"logger.patience={self.patience}: give seconds, more than 0")
        wandb: Any = extras.load("wandb", "logger=wandb", "wandb")
        given = {
            "logger.project": ("WANDB_PROJECT", self.project),
            "logger.entity": ("WANDB_ENTITY", self.entity),
            "logger.tags": ("WANDB_TAGS", ",".join(self.tags) or None),
            **{key: (key, value) for key, value in os.environ.items() if key[:6] == "WANDB_"},
        }
        for key, (variable, value) in given.items():
            if value is not None:
                with _refusing(key, value):
                    _check(wandb, variable, value)
        # a sweep of W&B's own has an agent, which says what run it is
        foreign = () if "WANDB_SWEEP_ID" in os.environ else _OF_ONE_RUN
        dropped = [name for name in foreign if os.environ.pop(name, None) is not None]
        if dropped:
            log.warning(
                "W&B: %s not used, since a run's name and id say what it is", ", ".join(dropped)
            )
        with _refusing("logger", "wandb"):
            self._mode()

    def open(self, identity: RunIdentity) -> EpochLogger:
        """Start a W&B run below the run folder; offline where the server does not answer."""
        run = _Run(self._started(identity, self._mode()))
        for curves in ("train/*", "val/*"):
            run.wandb.define_metric(curves, step_metric="epoch")
        return EpochLogger(run, run.wandb.log, first_epoch=run.wandb.starting_step)

    def _started(self, identity: RunIdentity, mode: str) -> Any:  # noqa: ANN401 - wandb's run
        import wandb

        found = _environment()
        tags = (identity.data, identity.model, *(self.tags or found.run_tags or ()))
        try:
            # offline, the epochs before a cut are logged again: each folder holds the whole run
            resumes = mode == "online" and RunFolder(identity.folder).checkpoint.is_file()
            return wandb.init(
                dir=os.environ.get("WANDB_DIR") or identity.folder,
                project=self.project or found.project or "grn_exp",
                entity=self.entity,
                id=f"{identity.experiment}-{identity.run_key}",
                name=display_name(identity),
                group=found.run_group or identity.experiment,
                job_type=found.run_job_type or identity.model,
                tags=list(dict.fromkeys(tags)),
                config=described(identity),
                mode=mode,  # type: ignore[arg-type] - wandb itself judges WANDB_MODE
                resume="allow" if resumes else None,
                reinit="create_new",  # members of an ensemble run inside its run
                settings=self._settings(),
            )
        except Exception as error:  # the client may raise anything
            reason = " ".join(str(error).split())
            if reason == "<no message>":
                reason = "the server refuses, without a reason"
            if mode not in ("online", "shared"):
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

    def _settings(self) -> dict[str, Any]:
        """Return what the client is told beside what the environment says."""
        usual = {"console": "off", "init_timeout": _PATIENCE, "finish_timeout": _PATIENCE}
        chosen = {name: usual[name] for name in usual if f"WANDB_{name.upper()}" not in os.environ}
        if self.patience is not None:
            chosen |= {"init_timeout": self.patience, "finish_timeout": self.patience}
        return {"silent": True, "finish_timeout_raises": True, **chosen}

    def _mode(self) -> str:
        """Return the mode; a key that can be none is an error."""
        import wandb

        _environment()
        if self.mode == "offline":
            return self.mode
        if self.mode == "auto" and "WANDB_MODE" in os.environ:
            mode = os.environ["WANDB_MODE"]
            return {"run": "online", "dryrun": "offline"}.get(mode, mode)  # what they once were
        try:
            has_key = wandb.login(verify=False, prompt=False)
        except (OSError, RuntimeError):  # a home folder that is not there, or not to be read
            has_key = False
        return "online" if has_key or self.mode == "online" else "offline"


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


def _environment() -> Any:  # noqa: ANN401 - wandb's settings
    """Start the client; return what the environment says, and W&B's own files."""
    import wandb

    return wandb.setup(wandb.Settings(silent=True)).settings


def _check(wandb: Any, variable: str, value: str) -> None:  # noqa: ANN401 - the module
    """Raise what there is to say against a variable, or an option in its place."""
    wandb.Settings().update_from_env_vars({variable: value})
    if variable in _WRITTEN:
        make_writable(value, variable)
    elif variable == "WANDB_CONFIG_DIR":
        expanded(value, variable)
    elif variable == "WANDB_IDENTITY_TOKEN_FILE" and not expanded(value, variable).is_file():
        raise ValueError("no such file")
    elif variable == "WANDB_ENTITY" and not re.fullmatch(r"[\w.-]*", value):
        raise ValueError("a user or team has letters, digits, -, _ and . in its name")


@contextlib.contextmanager
def _refusing(key: str, value: str) -> Iterator[None]:
    """Say in one line what the client says against a value."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # the client's, pydantic's or the system's
        listed = getattr(error, "errors", None)  # pydantic's, which name the setting instead
        reason = " ".join(str(listed()[0]["msg"] if listed else error).split())
        shown = "***" if key == "WANDB_API_KEY" else value
        raise InputError(f"{key}={shown}: {reason}; correct or drop it") from error
