"""The command line: ``python -m grn_exp model=infosem_bc data=mesc``."""

import gc
import itertools
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import hydra
import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from grn_exp import __version__, config, usage
from grn_exp.core import home, streams
from grn_exp.core.errors import InputError, close_matches
from grn_exp.engine import stopping
from grn_exp.runs.folder import RunFolder
from grn_exp.runs.source import warn_if_changed
from grn_exp.storage import conf
from grn_exp.tuning.trials import validation_score

log = logging.getLogger("grn_exp")

_BAD_INPUT = 2
_FLAGS_WITH_VALUE = (
    *("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn"),
    *("--package", "-p", "--cfg", "-c", "--info", "-i", "--experimental-rerun"),
)
# Hydra's keys for folders that we name ourselves
_OWN_PLACES = (
    *("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir"),
    *("hydra.output_subdir", "hydra.job.chdir"),
)
_show_traceback = False


@hydra.main(version_base="1.3", config_path=str(config.conf_dir()), config_name="config")
def _task(cfg: DictConfig) -> float | None:
    """Do one run; Hydra calls this once for a run, once a job for a sweep."""
    streams.protect()  # a sweep's worker is a process of its own
    home.lend()
    config.register()
    sources = HydraConfig.get().runtime.config_sources
    conf.search_in(Path(each.path) for each in sources if each.schema == "file")
    if HydraConfig.get().mode is not RunMode.MULTIRUN:
        try:
            _refuse_unasked_sweep()
            return _do(cfg, sweeping=False)
        except (InputError, OmegaConfBaseException) as error:
            if _show_traceback:
                raise
            _refuse(_one_line(error))  # leaves before Hydra adds its own line
    # in a sweep the other jobs go on, so say what is wrong now and not at the end
    job = " ".join(HydraConfig.get().overrides.task)
    try:
        return _do(cfg, sweeping=True)
    except (InputError, OmegaConfBaseException) as error:
        log.error("failed: %s: %s", job, _one_line(error))  # noqa: TRY400
        raise
    except Exception:
        log.exception("failed: %s", job)
        raise


def _refuse_unasked_sweep() -> None:
    """Refuse a single run of an experiment that lists the values of a sweep."""
    params = HydraConfig.get().sweeper.get("params")
    if params:
        raise InputError(
            f"hydra.sweeper.params has {', '.join(params)}: a sweep, but the command is of one "
            "run; add -m, or hydra: {mode: MULTIRUN} to the experiment"
        )


def _do(cfg: DictConfig, *, sweeping: bool) -> float | None:
    identity = config.identify(cfg, **HydraConfig.get().runtime.choices)
    folder = RunFolder(identity.folder)
    if folder.state() == "finished" and not cfg.force:
        log.info("already done: %s (force=true runs it again)", folder.path)
        warn_if_changed(folder, identity.config)
        rows = folder.metrics()
    else:
        run = _import_run()
        rows = run(config.build_spec(identity), force=cfg.force, wait=sweeping)
    from grn_exp.engine.table import show, show_line

    (show_line if sweeping else show)(rows, identity)
    best = validation_score(rows)  # what a sweeper may look at: never a test value
    return best[1] if best else None


def _import_run() -> Callable[..., list[dict[str, Any]]]:
    """Import torch and Lightning without garbage collection, which takes a fifth of that time."""
    gc.disable()
    try:
        from grn_exp.engine.run import run
    finally:
        gc.freeze()  # nor are these modules ever garbage
        gc.enable()
    return run


def main() -> None:
    """Run the command line; bad input ends in one line and exit code 2."""
    global _show_traceback  # noqa: PLW0603 - Hydra calls the task, so it cannot be handed over
    streams.protect()
    home.lend()
    before = os.environ.get("HYDRA_FULL_ERROR")
    _show_traceback = bool(before)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands its errors on instead of printing them
    try:
        with stopping.stoppable():
            sys.argv[1:] = _ordered(sys.argv[1:])
            conf.search_in(_added_folders(sys.argv[1:]))
            config.register()
            usage.register()
            _start()
    except (InputError, HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        if _show_traceback:
            raise
        _refuse(_one_line(error))
    except ValueError as error:  # Hydra's own kind for model=null
        if _show_traceback or "Config group override" not in str(error):
            raise
        _refuse(f"{error}; give the name of a choice for each group")
    except stopping.Stopped as error:
        sys.stderr.write(
            f"{error}; the same command goes on, from the last checkpoint if there is one\n"
        )
        sys.exit(error.exit_code)
    finally:
        if before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before


def _added_folders(arguments: list[str]) -> Iterator[Path]:
    """Yield the folders of ``--config-dir``."""
    for word, after in itertools.pairwise([*arguments, ""]):
        flag, _, folder = word.partition("=")
        if flag in ("--config-dir", "-cd"):
            yield Path(folder or after).absolute()


def _start() -> None:
    """Hand over to Hydra, less what it would answer for itself and not for us."""
    words = set(sys.argv[1:])
    if "--version" in words:
        sys.stdout.write(f"grn_exp {__version__} (Hydra {hydra.__version__})\n")
        return
    if {"-sc", "--shell-completion"} & words:
        sys.argv[0] = usage.PROGRAM  # what the shell is to complete
        if any(word.startswith("query=") for word in words):
            usage.complete(_task)
            return
    _task()


def _ordered(arguments: list[str]) -> list[str]:
    """Return the command line as Hydra takes it.

    Flags go first: argparse takes no overrides after a flag that has overrides before it. A plan
    (``+plan=true``) is the sweeper's, tuning is one and so are several experiments or groups of
    cells, so they make a sweep of the command.

    Raises
    ------
    InputError
        If a plan is asked for with no truth value, or another folder than ours for a run.
    """
    flags, rest, plan = [], [], []
    words = list(arguments)
    while words:
        word = words.pop(0)
        key = word.partition("=")[0].lstrip("+")
        if key in _OWN_PLACES:
            raise InputError(
                f"{word}: a run's folder is named after its configuration, so that the same "
                "command finds it again; paths.outputs=... and paths.experiment=... move it"
            )
        if re.match(r"\+*plan=", word):
            plan.append(word)
        elif not word.startswith("-"):
            rest.append(word)
        else:
            flags.append(word)
            if word in _FLAGS_WITH_VALUE and words and "=" not in words[0]:
                flags.append(words.pop(0))
    if plan:
        value = plan[-1].partition("=")[2]
        if value not in ("true", "false"):
            raise InputError(f"{plan[-1]}: give true or false")
        rest.append(f"hydra.sweeper.plan={value}")
    keys = {word.partition("=")[0].lstrip("+") for word in rest}
    grouped = "data.groupby" in keys and "data.group" not in keys
    several = any(re.match("hydra/sweeper=tune|experiment=.*,", word) for word in rest)
    if plan or grouped or several:
        flags.append("-m")
    return flags + rest


def _refuse(message: str) -> NoReturn:
    sys.stderr.write(f"error: {message}\n")
    sys.exit(_BAD_INPUT)


def _one_line(error: Exception) -> str:
    """Say what is wrong with a command in one line, with close matches."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, InputError):
            return " ".join(str(cause).split())
        cause = cause.__cause__
    text = " ".join(str(error).split())
    if isinstance(error, yaml.YAMLError):
        return f"a file of the configuration is not YAML: {text}"
    choice = re.search(r"Could not find '([^']*/[^']*)'", text)
    if choice:
        return _unknown_choice(choice.group(1))
    key = re.search(r"Could not override '([^']+)'", text)
    if key:
        return f"{key.group(1)}: no such key; {_nearby_keys(key.group(1))}"
    if isinstance(error, OverrideParseException):
        return f"{error.override}: does not parse; give key=value, special characters in quotes"
    return text.split(" Set the environment variable")[0][:400]


def _unknown_choice(path: str) -> str:
    """Return the choices of the group that lacks ``group/name``."""
    group, _, name = path.rpartition("/")
    for argument in sys.argv[1:]:
        key, _, value = argument.partition("=")
        for each in value.split(","):
            if f"{key.lstrip('+')}/{each}" == path:  # groups and names may both have a slash
                group, name = key.lstrip("+"), each
    if group == "data" and Path(name).expanduser().exists():
        return f"data={name}: to use your own cells, give data=anndata data.path={name}"
    folder = name.rpartition("/")[0]
    names = config.choices(f"{group}/{folder}" if folder else group)
    known = [f"{folder}/{each}" if folder else each for each in names]
    return f"{group}={name}: {close_matches(name, known)}choose from {', '.join(known)}"


def _nearby_keys(path: str) -> str:
    """Return close matches for a misspelt key among those of the command's configuration."""
    if path.startswith("hydra."):
        return "see --cfg hydra"
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    group = r"(model|data|prior|retriever|trainer|callbacks|model/\w+)=\w+$"
    groups = [argument for argument in sys.argv[1:] if re.match(group, argument)]
    try:
        with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
            added = ",".join(f"file://{folder}" for folder in _added_folders(sys.argv[1:]))
            node: Any = compose("config", overrides=[*groups, f"hydra.searchpath=[{added}]"])
    except (HydraException, OmegaConfBaseException):
        return "see --cfg job"
    if path in ("decoder", "retriever", "pool", "prior"):
        return f"this command's model or benchmark takes none; drop {path}=..."
    parent, _, name = path.rpartition(".")
    for part in parent.split(".") if parent else []:
        if not isinstance(node, DictConfig) or part not in node:
            return f"{close_matches(part, map(str, node))}there is no {parent!r}; see --cfg job"
        node = node._get_node(part)
    known = [str(key) for key in node] if isinstance(node, DictConfig) else []
    if name in known:  # it exists, but not with another choice of this command
        return f"not every choice of this command has {name} (controls have no epochs); drop it"
    return f"{close_matches(name, known)}{parent or 'config'} has {', '.join(known)}"
