"""A file is written completely or not at all."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from grn_exp.core.errors import InputError
from grn_exp.storage import atomic
from tests.messages import naming


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_text_json_and_arrays_come_back(tmp_path):
    atomic.write_text(tmp_path / "a" / "b" / "t.txt", "é µ\n")
    assert (tmp_path / "a" / "b" / "t.txt").read_text(encoding="utf-8") == "é µ\n"
    atomic.write_json(tmp_path / "j.json", {"x": [1, None, 0.1]})
    assert json.loads((tmp_path / "j.json").read_text()) == {"x": [1, None, 0.1]}
    atomic.write_npz(tmp_path / "n.npz", {"x": np.arange(3), "s": np.array(["a", "bc"])})
    with np.load(tmp_path / "n.npz", allow_pickle=False) as arrays:
        assert arrays["x"].tolist() == [0, 1, 2]
        assert arrays["s"].tolist() == ["a", "bc"]
    assert names(tmp_path) == ["a", "j.json", "n.npz"]


def test_a_second_write_replaces_the_first(tmp_path):
    atomic.write_text(tmp_path / "t.txt", "a long first text")
    atomic.write_text(tmp_path / "t.txt", "second")
    assert (tmp_path / "t.txt").read_text() == "second"
    assert names(tmp_path) == ["t.txt"]


def test_others_may_read_the_file_as_the_umask_says(tmp_path):
    before = os.umask(0o027)
    try:
        atomic.write_text(tmp_path / "t.txt", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "t.txt").stat().st_mode & 0o777 == 0o640


def fail_half_way(path):
    path.write_text("half of")
    raise RuntimeError("stopped")


@pytest.mark.parametrize("existing", [True, False])
def test_a_failure_inside_leaves_the_old_file_and_no_temporary(tmp_path, existing):
    if existing:
        (tmp_path / "t.txt").write_text("old")
    with pytest.raises(RuntimeError, match="stopped"):
        atomic.write_with(tmp_path / "t.txt", fail_half_way)
    assert names(tmp_path) == (["t.txt"] if existing else [])
    if existing:
        assert (tmp_path / "t.txt").read_text() == "old"


def test_an_interruption_leaves_the_old_file_and_no_temporary(tmp_path):
    (tmp_path / "t.txt").write_text("old")

    def interrupted(path):
        path.write_text("half of")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic.write_with(tmp_path / "t.txt", interrupted)
    assert (tmp_path / "t.txt").read_text() == "old"
    assert names(tmp_path) == ["t.txt"]


def test_the_final_name_is_not_there_before_the_end(tmp_path):
    with atomic.replacing(tmp_path / "t.txt") as temporary:
        temporary.write_text("whole")
        assert not (tmp_path / "t.txt").exists()
        assert temporary.parent == tmp_path  # a rename over file systems would copy
    assert (tmp_path / "t.txt").read_text() == "whole"


def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "t.txt").write_text("old")
    write_text = Path.write_text

    def full(path, text, **options):
        write_text(path, text[:2], **options)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    parts = (tmp_path / "t.txt", "No space left", "paths.outputs", "GRN_EXP_CACHE")
    with pytest.raises(InputError, match=naming(*parts)):
        atomic.write_text(tmp_path / "t.txt", "new text")
    monkeypatch.undo()
    assert (tmp_path / "t.txt").read_text() == "old"
    assert names(tmp_path) == ["t.txt"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_refuses_what_json_has_not(tmp_path, value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        atomic.write_json(tmp_path / "j.json", {"rows": [{"value": value}]})
    assert names(tmp_path) == []


def test_a_path_below_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for write in (lambda path: atomic.write_text(path, "x"), atomic.make_folder):
        with pytest.raises(InputError, match=naming(tmp_path / "file", "paths.outputs")):
            write(tmp_path / "file" / "t.txt")
