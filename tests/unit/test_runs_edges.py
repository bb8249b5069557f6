"""The table of edges that a run leaves, read back."""

import numpy as np
import pandas as pd
import pytest

from grn_exp.runs.edges import ALL_EDGES, COLUMNS, DTYPES, EDGES, read_edges, short_list
from grn_exp.runs.files import UnreadableError
from grn_exp.runs.folder import RunFolder
from tests.messages import naming


@pytest.fixture
def edges() -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "source": ["NA", "1", "NA", "B"],
            "target": ["X", "nan", "Y", "Z"],
            "score": [3.0, 2.0, 1.0, 0.5],
            "rank": [1, 2, 3, 4],
            "sign": [1, -1, 0, 1],
            "correlation": [0.5, -0.25, 0.0, 0.125],
            "stability": [1.0, 0.5, 0.9, np.nan],
            "known": [1, None, 0, None],
        }
    )
    return table.astype(DTYPES)


@pytest.mark.parametrize("name", [EDGES, ALL_EDGES])
def test_edges_come_back_as_they_were_written(name, edges, tmp_path):
    if name == EDGES:
        edges.to_csv(tmp_path / name, index=False)
    else:
        edges.to_parquet(tmp_path / name, index=False)
    pd.testing.assert_frame_equal(read_edges(RunFolder(tmp_path)), edges)


def test_all_edges_are_preferred_to_the_best(edges, tmp_path):
    edges.to_parquet(tmp_path / ALL_EDGES)
    edges.head(1).to_csv(tmp_path / EDGES, index=False)
    assert len(read_edges(RunFolder(tmp_path))) == len(edges)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (EDGES, b""),
        (EDGES, b"\x1f\x8bcut"),
        (EDGES, b"regulator,target,score\nA,B,1\n"),
        (EDGES, b"source,target,score,rank,sign,correlation,stability,known\nA,B,x,1,1,0,,\n"),
        (ALL_EDGES, b"PAR1"),
    ],
)
def test_a_broken_file_is_named(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableError, match=naming(name)):
        read_edges(RunFolder(tmp_path))


def test_a_run_without_a_network_says_so(tmp_path):
    with pytest.raises(UnreadableError, match=naming(EDGES)):
        read_edges(RunFolder(tmp_path))


def test_the_short_list_is_stable_or_ten_a_regulator(edges):
    assert short_list(edges)["rank"].tolist() == [1, 3]
    assert short_list(edges, stability=0.5)["rank"].tolist() == [1, 2, 3]
    assert short_list(edges, top=2)["rank"].tolist() == [1, 2]
    assert short_list(edges, top=2, stability=0.8)["rank"].tolist() == [1, 3]
    many = pd.concat([edges] * 20).assign(stability=np.nan)
    assert len(short_list(many)) == 30
    assert len(short_list(many, top=4)) == 4
    assert tuple(short_list(many)) == COLUMNS
