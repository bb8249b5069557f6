"""The command line: ``python -m grn_exp model=infosem_bc data=mesc``."""

import logging
import os
import re
import sys
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from grn_exp import config
from grn_exp.core.errors import InputError, close_matches
from grn_exp.engine.folder import RunFolder

log = logging.getLogger("grn_exp")

_BAD_INPUT = 2


@hydra.main(version_base="1.3", config_path=str(config.conf_dir()), config_name="config")
def _task(cfg: DictConfig) -> float | None:
    """Do one run; Hydra calls this once for a run, once a job for a sweep."""
    config.register_resolvers()  # a sweep's worker is a process of its own
    chosen = HydraConfig.get().runtime.choices
    identity = config.identify(cfg, data=chosen["data"], model=chosen["model"])
    folder = RunFolder(identity.folder)
    try:
        if folder.state() == "finished" and not cfg.force:
            log.info("already done: %s (force=true runs it again)", folder.path)
            rows = folder.metrics()
        else:
            from grn_exp.engine.run import run

            rows = run(config.build_spec(identity), force=cfg.force)
    except InputError as error:
        # in a sweep the other jobs go on, so say it now and not at the end
        if HydraConfig.get().mode is RunMode.MULTIRUN:
            log.error("%s %s: %s", identity.data, identity.model, error)  # noqa: TRY400
        raise
    from grn_exp.engine.table import show, show_line

    if HydraConfig.get().mode is RunMode.MULTIRUN:
        show_line(rows, identity)
    else:
        show(rows, identity)
    return _validation_score(rows)


def _validation_score(rows: list[dict[str, Any]]) -> float | None:
    """Return what a sweeper may optimise: never a test value."""
    wanted = (row for row in rows if row["subset"] == "val" and row["metric"] == "ap")
    return next((row["value"] for row in wanted), None)


def main() -> None:
    """Run the command line; bad input ends in one line and exit code 2."""
    show_traceback = bool(os.environ.get("HYDRA_FULL_ERROR"))
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands its errors on instead of printing them
    config.register_resolvers()
    try:
        _task()
    except InputError as error:
        if show_traceback:
            raise
        _refuse(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        if show_traceback:
            raise
        _refuse(_one_line(error))


def _refuse(message: str) -> None:
    sys.stderr.write(f"error: {message}\n")
    sys.exit(_BAD_INPUT)


def _one_line(error: Exception) -> str:
    """Say what is wrong with a command in one line, with close matches."""
    if isinstance(error.__cause__, InputError):
        return str(error.__cause__)
    text = " ".join(str(error).split())
    choice = re.search(r"Could not find '(\w+)/([^']+)'", text)
    if choice:
        group, name = choice.groups()
        known = config.choices(group)
        return f"{group}={name}: {close_matches(name, known)}choose from {', '.join(known)}"
    key = re.search(r"Could not override '([^']+)'", text)
    if key:
        return f"{key.group(1)}: no such key; {_nearby_keys(key.group(1))}"
    return text.split(" Set the environment variable")[0][:400]


def _nearby_keys(path: str) -> str:
    """Return close matches for a misspelt key among those of the command's configuration."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    groups = [a for a in sys.argv[1:] if re.match(r"(model|data|prior|trainer)=\w+$", a)]
    try:
        with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
            node: Any = compose("config", overrides=groups)
    except (HydraException, OmegaConfBaseException):
        return "see --cfg job"
    parent, _, name = path.rpartition(".")
    for part in parent.split(".") if parent else []:
        if not isinstance(node, DictConfig) or part not in node:
            return f"{close_matches(part, node.keys())}there is no {parent!r}; see --cfg job"
        node = node._get_node(part)
    known = [str(key) for key in node] if isinstance(node, DictConfig) else []
    return f"{close_matches(name, known)}{parent or 'config'} has {', '.join(known)}"
