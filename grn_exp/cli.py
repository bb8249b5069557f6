"""The command line: ``python -m grn_exp model=infosem_bc data=mesc``."""

import gc
import itertools
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import hydra
import yaml
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from grn_exp import __version__, config, usage
from grn_exp.config import refuse_other_places
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
_WAYS_OUT = {  # of what Hydra says without one
    "Config group override": "give the name of a choice for each group, or leave the group out",
    "Expecting one subcommand": "as in --shell-completion install=bash",
    "Interpolation key 'paths.": "--cfg all --resolve knows them all",
    "requires --multirun": "add -m, and for an interval hydra/sweeper=tune_optuna",
    "cannot read this command": "HYDRA_FULL_ERROR=1 shows where",
}
_FLAGS_THAT_SHOW = ("--cfg", "-c", "--info", "-i", "--shell-completion", "-sc")
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
    identity = config.identify(cfg, **config.names_of(HydraConfig.get().runtime.choices))
    folder = RunFolder(identity.folder)
    if folder.state() == "finished" and not cfg.force:
        log.info("already done: %s (force=true runs it again)", folder.path)
        warn_if_changed(folder, identity.config)
        rows = folder.metrics()
    else:
        run = _import_run()
        spec = config.build_spec(identity)
        spec.refuse_idle()  # not of a retriever, whose configuration is its selector's
        rows = run(spec, force=cfg.force, wait=sweeping)
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


class OwnPlaces(Callback):
    """Refuse other folders than ours before Hydra makes them."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ANN401
        """End the command; Hydra would make a warning of an error."""
        del kwargs
        try:
            refuse_other_places(config)
        except InputError as error:
            _refuse(_one_line(error))

    on_multirun_start = on_run_start


def main() -> None:
    """Run the command line; bad input ends in one line and exit code 2."""
    global _show_traceback  # noqa: PLW0603 - Hydra calls the task, so it cannot be handed over
    streams.protect()
    home.lend()
    before = os.environ.get("HYDRA_FULL_ERROR")
    _show_traceback = before == "1"  # as for Hydra
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands its errors on instead of printing them
    try:
        with stopping.stoppable():
            sys.argv[1:] = _ordered(sys.argv[1:])
            _refuse_paths(sys.argv[1:])
            conf.search_in(_added_folders(sys.argv[1:]))
            config.register()
            usage.register()
            _start()
    except (InputError, HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        if _show_traceback:
            raise
        _refuse(_one_line(error))
    except stopping.Stopped as error:
        sys.stderr.write(
            f"{error}; the same command goes on, from the last checkpoint if there is one\n"
        )
        sys.exit(error.exit_code)
    except Exception as error:
        if _show_traceback or not _is_hydras(error):
            raise
        _refuse(_one_line(error))
    finally:
        if before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before


def _is_hydras(error: Exception) -> bool:
    """Say whether Hydra found no answer to a command, rather than our code or what that calls."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    rooms = [frame.f_globals.get("__name__", "").partition(".")[0] for frame in frames]
    known = [room for room in rooms if room in ("grn_exp", "hydra_plugins", "hydra", "omegaconf")]
    return bool(known) and known[-1] in ("hydra", "omegaconf")


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
    parser = get_args_parser()  # of its own, which would print how it is called in many lines
    parser.error = _refuse_flag
    parser.parse_args()
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
        If a plan is asked for with no truth value, a choice like a value, or a run by a file.
    """
    flags, rest, plan = [], [], []
    words = list(arguments)
    while words:
        word = words.pop(0)
        if re.fullmatch(r"\+*hydra\.(launcher|sweeper|\w+_logging)=\w+", word):
            raise InputError(f"{word}: a choice has a slash, {word.replace('.', '/', 1)}")
        if word.partition("=")[0] == "--experimental-rerun":
            raise InputError(
                f"{word}: no run leaves the file it reads; give the run's command again"
            )
        if re.match(r"\+*plan=", word):
            plan.append(word)
        elif not word.startswith("-"):
            rest.append(word)
        else:
            flags.append(word)
            is_optional = word in ("--info", "-i")
            if word in _FLAGS_WITH_VALUE and words and not (is_optional and "=" in words[0]):
                flags.append(words.pop(0))
    if plan:
        value = plan[-1].partition("=")[2]
        if value not in ("true", "false"):
            raise InputError(f"{plan[-1]}: give true or false")
        rest.append(f"hydra.sweeper.plan={value}")
    keys = {word.partition("=")[0].lstrip("+") for word in rest}
    grouped = "data.groupby" in keys and "data.group" not in keys
    several = any(re.match("hydra/sweeper=tune|experiment=.*,", word) for word in rest)
    shows = any(flag.partition("=")[0] in _FLAGS_THAT_SHOW for flag in flags)
    if (plan or grouped or several) and not shows:
        flags.append("-m")
    return flags + rest


def _refuse_paths(arguments: Sequence[str]) -> None:
    """Refuse a choice by its path, which may bring other errors before its name is looked at."""
    for argument in arguments:
        group, _, name = argument.lstrip("+").partition("=")
        # cells of one's own have a message of their own
        is_own = group == "data" and (Path(name).suffix or Path(name).exists())
        if name.startswith((".", "/")) and not is_own and config.choices(group):
            raise InputError(f"{argument}: give the name of a file in {group}/, not a path")


def _refuse_flag(message: str) -> NoReturn:
    raise InputError(f"{message}; --hydra-help lists Hydra's flags")


def _refuse(message: str) -> NoReturn:
    sys.stderr.write(f"error: {' '.join(message.split())}\n")
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
    if isinstance(error, MissingConfigException) and "/" in (error.missing_cfg_file or ""):
        return _unknown_choice(str(error.missing_cfg_file), error.options or [])
    key = re.search(r"Could not override '([^']+)'", text)
    if key:
        return f"{key.group(1)}: no such key; {_nearby_keys(key.group(1))}"
    if isinstance(error, OverrideParseException):
        key, _, value = str(error.override).partition("=")
        # the outer quotes are the shell's
        way = f"a value with special characters is '{key}=\"{value}\"'"
        if "interval(" in value:
            way = f"an interval is {key}=interval(0.1,10)"
        return f"{error.override}: does not parse; {way}"
    if isinstance(error.__cause__, OmegaConfBaseException):
        text += f": {error.__cause__}".partition("\n")[0]  # why it could not be merged
    group = re.search(r"Multiple values for ([\w/]+)\.|force-add .*: '\+\+([\w/]+)=", text)
    words = [w for w in sys.argv if group and w.lstrip("+").startswith(f"{group[1] or group[2]}=")]
    if words and words[0].startswith("+"):
        text = f"{words[0]}: there is one already; write it without +, {words[0].lstrip('+')}"
    listed = re.search(r"Ambiguous value for argument '(([^']*?)=([^']*))'", text)
    if listed:
        whole, name, values = listed.groups()
        text = f"{whole}: several values are a sweep, add --multirun (-m)"
        text += f"; one list is {name}=[{values}]"
    if not isinstance(error, HydraException | OmegaConfBaseException | ValueError):
        text = f"Hydra cannot read this command, {type(error).__name__}: {text}"
    text = text.split(" Set the environment variable")[0][:400]
    return "; ".join([text, *(way for sign, way in _WAYS_OUT.items() if sign in text)])


def _unknown_choice(path: str, of_hydra: Sequence[str]) -> str:
    """Return the choices of the group that lacks ``group/name``."""
    group, _, name = path.rpartition("/")
    for argument in sys.argv[1:]:
        key, _, value = argument.partition("=")
        for each in value.split(","):
            if f"{key.lstrip('+')}/{each}" == path:  # groups and names may both have a slash
                group, name = key.lstrip("+"), each
    if group == "data" and (Path(name).suffix or Path(name).expanduser().exists()):
        return f"data={name}: to use your own cells, give data=anndata data.path={name}"
    folder = name.rpartition("/")[0]
    known = [f"{folder}/{each}" for each in config.choices(f"{group}/{folder}") if folder]
    known = known or (of_hydra if group.startswith("hydra/") else config.choices(group))
    choice = f"choose from {', '.join(known)}" if known else "no such file; --help lists what is"
    return f"{group}={name}: {close_matches(name, known)}{choice}"


def _nearby_keys(path: str) -> str:
    """Return close matches for a misspelt key among those of the command's configuration."""
    if re.match(r"hydra\b", path):
        return "see --cfg hydra; what is not in it needs a + in front"
    from grn_exp.compose import compose, nearby

    group = r"(model|data|prior|retriever|trainer|callbacks|model/\w+)=\w+$"
    groups = [argument for argument in sys.argv[1:] if re.match(group, argument)]
    try:
        added = ",".join(f"file://{folder}" for folder in _added_folders(sys.argv[1:]))
        cfg, _ = compose([*groups, f"hydra.searchpath=[{added}]"])
    except (HydraException, OmegaConfBaseException):
        return "see --cfg job"
    if path in ("decoder", "retriever", "pool", "prior"):
        return f"this command's model or benchmark takes none; drop {path}=..."
    name = path.rpartition(".")[2]  # if it exists, then not with another choice of this command
    of_some = f"not every choice of this command has {name} (controls have no epochs); drop it"
    return nearby(cfg, path) or of_some
