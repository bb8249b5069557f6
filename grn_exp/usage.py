"""What the command line says of itself: the choices in ``--help``, completion in a shell."""

import contextlib
import io
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator

from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

PROGRAM = "grn-exp"
_WIDTH = 80
_ORDER = ("model", "data", "split", "prior", "retriever", "pool", "decoder", "trainer")
_OF_HYDRA = ("hydra/launcher", "hydra/sweeper")
# the group in which a choice is named with its folder: experiment=smoke/..., elsewhere a folder
# within a group is a group itself: model/optimizer=...
_WITH_FOLDERS = "experiment"


def register() -> None:
    """Make ``${choices:}`` known to Hydra, for the text of ``--help``."""
    OmegaConf.register_new_resolver("choices", _choices, replace=True)


def _choices() -> str:
    """Return every group with its choices, those of folders that the command adds too."""
    loader = GlobalHydra.instance().config_loader()
    found: dict[str, list[str]] = {}
    for path in sorted(_groups(loader, "")):
        names = loader.get_group_options(path)
        group, _, folder = path.partition("/")
        if group == _WITH_FOLDERS and folder:
            found.setdefault(group, []).extend(f"{folder}/{name}" for name in names)
        elif names and group != "presets" and (group != "hydra" or path in _OF_HYDRA):
            found[path] = names
    place = {group: number for number, group in enumerate(_ORDER)}
    ordered = sorted(
        found,
        key=lambda path: (path in _OF_HYDRA, place.get(path.partition("/")[0], len(_ORDER))),
    )
    return "\n".join(
        textwrap.fill(
            f"{path}: {', '.join(found[path])}",
            _WIDTH,
            subsequent_indent="    ",
            break_on_hyphens=False,
        )
        for path in ordered
    )


def _groups(loader: ConfigLoader, parent: str) -> Iterator[str]:
    for name in loader.list_groups(parent):
        path = f"{parent}/{name}" if parent else name
        yield path
        yield from _groups(loader, path)


def complete(answer: Callable[[], None]) -> None:
    """Print how a command may go on, as Hydra does, also where a choice lies in a folder.

    Parameters
    ----------
    answer
        Runs Hydra, which reads ``COMP_LINE`` and prints what fits its last word.
    """
    line = re.sub(r"^\s*\S*python\S*\s+-m\s+grn_exp\b", PROGRAM, os.environ.get("COMP_LINE", ""))
    word = re.split(r"\s", line)[-1]
    key, equals, value = word.rpartition("=")
    folder, slash, begun = value.rpartition("/")
    asked = [word]
    if equals and slash:  # what is experiment=smoke/x here is experiment/smoke=x for Hydra
        asked = [f"{key}/{folder}={begun}"]
    elif key == _WITH_FOLDERS:
        asked.append(f"{key}/{value}")
    found: list[str] = []
    for each in asked:
        os.environ["COMP_LINE"] = line.removesuffix(word) + each
        out = io.StringIO()
        # a command that is wrong so far goes on with nothing, and no error comes to the prompt
        with contextlib.redirect_stdout(out), contextlib.suppress(Exception):
            answer()
        found += out.getvalue().split()
    names = (re.sub(rf"^{re.escape(key)}/([^=]+)=", rf"{key}=\1/", each) for each in found)
    names = (re.sub(rf"^{_WITH_FOLDERS}$", rf"{_WITH_FOLDERS}=", name) for name in names)
    sys.stdout.writelines(f"{name}\n" for name in names)
