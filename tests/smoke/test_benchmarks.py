"""Every benchmark of ``python -m benchmarks`` runs, in its smallest size."""

import importlib.util

import pytest

from benchmarks.__main__ import SECTIONS, main


@pytest.mark.parametrize("name", SECTIONS)
def test_a_benchmark_runs(name, capsys):
    main(["--smoke", "--only", name])
    printed = capsys.readouterr().out
    if name == "grnboost2" and importlib.util.find_spec("arboreto") is None:
        assert "arboreto" in printed
    elif name == "sweep":
        assert "2 finished runs" in printed
    else:
        assert "ratio" in printed
        assert "left out" not in printed
