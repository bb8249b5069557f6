"""What a home folder is needed for, and who has none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from grn_exp.core import home
from grn_exp.core.errors import InputError
from tests.messages import naming

LENT = {"MPLCONFIGDIR", "NUMBA_CACHE_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    """Undo what is lent."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for name in LENT | {"WANDB_DATA_DIR"}:
        os.environ.pop(name, None)


def lent() -> set[str]:
    home.lend()
    return {name for name in LENT if os.environ.get(name)}


def test_a_path_without_a_home_folder_is_named(no_home):
    assert home.expanded("a/b") == Path("a/b")
    with pytest.raises(InputError, match=naming("prior.path=~/x")):
        home.expanded("~/x", "prior.path")


def test_libraries_are_lent_folders_where_there_is_no_home(no_home, monkeypatch):
    os.environ["MPLCONFIGDIR"] = "mine"
    assert lent() == LENT
    assert os.environ["MPLCONFIGDIR"] == "mine"
    assert Path(os.environ["NUMBA_CACHE_DIR"]).is_dir()


def test_a_home_that_cannot_be_written_is_still_read(tmp_path):
    (tmp_path / "home").touch()
    os.environ["HOME"] = str(tmp_path / "home")
    os.environ.pop("XDG_CACHE_HOME", None)
    assert lent() == LENT - {"WANDB_CONFIG_DIR"}


def test_nothing_is_lent_to_who_has_a_home(tmp_path):
    os.environ["HOME"] = str(tmp_path)
    os.environ.pop("XDG_CACHE_HOME", None)
    assert lent() == set()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=naming(f"WANDB_DIR={tmp_path / 'file'}")):
        home.make_writable(str(tmp_path / "file"), "WANDB_DIR")


NOBODY = """
import pwd
def unknown(uid):
    raise KeyError(uid)
pwd.getpwuid = unknown
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "-m grn_exp model=pearson data=toy data.n_genes=60 logger=wandb paths.outputs=o",
        "-m grn_exp -m model=random,pearson data=toy data.n_genes=60 paths.outputs=o",
        "-m grn_exp.data list",
    ],
)
def test_commands_do_without_a_home(tmp_path, command):
    (tmp_path / "sitecustomize.py").write_text(NOBODY)
    kept = {"PATH", "GRN_EXP_DATA", "OMP_NUM_THREADS"} & os.environ.keys()
    environment = {name: os.environ[name] for name in kept}
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, *command.split()],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "~").exists()
