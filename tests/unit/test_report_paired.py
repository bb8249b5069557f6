"""Methods compared target by target."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from grn_exp.core.errors import InputError
from grn_exp.core.versions import METRICS_SCHEMA
from grn_exp.report import claims
from grn_exp.report.claims import verdicts
from grn_exp.report.collect import collect
from grn_exp.report.compare import beside_paper, paired_counts
from grn_exp.report.layout import comparison_tables
from grn_exp.report.paired import UNIT, Counts, on_common_targets, outcomes
from grn_exp.report.tables import labelled
from tests.messages import naming

HOS2 = {
    "split": {"_target_": "grn_exp.data.sets.splitting.TargetSplitter", "kind": "random"},
    "data": {"network": "simulated"},
    "prior": None,
    "retriever": {
        "model": {"_target_": "grn_exp.models.edges.context_attention.ContextAttentionRetriever"}
    },
}


def mcnemar(left, right):
    """The exact test written out: twice the smaller tail of a fair coin, 1 at most."""
    n = left + right
    tail = sum(math.comb(n, k) for k in range(min(left, right) + 1))
    return min(1.0, 2 * tail / 2**n)


@pytest.mark.parametrize("left", range(0, 12, 3))
@pytest.mark.parametrize("right", range(0, 14, 2))
def test_mcnemar_against_the_sum_of_binomials(left, right):
    counts = Counts(both=5, left=left, right=right, neither=9)
    assert counts.p == pytest.approx(mcnemar(left, right))
    low, high = counts.interval()
    assert low <= counts.difference <= high
    # the interval and the test decide alike
    assert (low > 0 or high < 0) == (counts.p < 0.05)
    below, above = counts.change_interval()
    assert (below > 0) == (low > 0)
    assert (above < 0) == (high < 0)


def test_an_interval_by_hand():
    # 8 of 8: the lowest share that has 8 heads in 2.5 % of the cases
    counts = Counts(both=2, left=8, right=0, neither=10)
    share = 0.025 ** (1 / 8)
    assert counts.interval() == pytest.approx(((2 * share - 1) * 8 / 20, 8 / 20))
    assert counts.shares == (0.5, 0.1)
    below = 2 + 8 * (1 - share)
    assert counts.change_interval() == pytest.approx(((2 + 8 * share) / below - 1, 10 / 2 - 1))


def test_intervals_hold_what_they_promise():
    rng = np.random.default_rng(0)
    shares, held = [0.3, 0.25, 0.1, 0.35], 0  # both, left, right, neither: 0.15
    for drawn in rng.multinomial(115, shares, size=400):
        low, high = Counts(*drawn.tolist()).interval()
        held += low <= 0.15 <= high
    assert held / 400 > 0.93


@pytest.fixture
def write(write_run):
    """Return a function that writes a run that is right on some of the targets a, b, ... j."""

    def make(name, right, *, split=0, seed=0, **config):
        by_size = right if isinstance(right, dict) else {2: right}
        folder = write_run(
            {"test": 0.0},
            model=name,
            data="sergio_ds3",
            split=split,
            seed=seed,
            config={**HOS2, "split.seed": split, **config},
        )
        row = {"metric": "exact_match", "subset": "test", "n": 10}
        rows = [
            {**row, "set_size": size, "value": len(found) / 10} for size, found in by_size.items()
        ]
        (folder / "metrics.json").write_text(json.dumps({"schema": METRICS_SCHEMA, "rows": rows}))
        lines = [
            f"test,{target}{size},{size},x,1.0,x,{int(target in found)},{int(target != 'j')}"
            for size, found in by_size.items()
            for target in "abcdefghij"
        ]
        header = "subset,target,set_size,predicted,score,true,exact,covered"
        (folder / "sets.csv").write_text("\n".join([header, *lines, "val,z,2,x,1,x,1,1"]))
        return folder

    return make


def counted(tmp_path, **options):
    return paired_counts(collect(tmp_path / "outputs").rows, **options)


def test_targets_of_common_splits_are_counted(write, tmp_path):
    for split in (0, 1):
        write("residual_hos2", "abcd", split=split)
        write("pairs2", "abe", split=split)
    write("residual_hos2", "abcdefghij", split=2)  # pairs2 has no such split
    found = counted(tmp_path).iloc[0]
    assert found["method"] == "pairs2"
    names = ["n_splits", "n_targets", "both", "method_alone", "other_alone", "neither"]
    assert found[names].tolist() == [2, 20, 4, 2, 4, 10]
    assert found["p"] == pytest.approx(mcnemar(2, 4))
    other = counted(tmp_path, reference="pairs2").iloc[0]
    assert other[names].tolist() == [2, 20, 4, 4, 2, 10]
    with pytest.raises(InputError, match=naming("--reference x", "pairs2")):
        counted(tmp_path, reference="x")


def test_seeds_are_paired_where_a_split_has_several(write, tmp_path):
    for seed in (0, 1):
        write("residual_hos2", "ab" if seed else "a", seed=seed)
        write("pairs2", "ab" if seed else "b", seed=seed)
    found = counted(tmp_path).iloc[0]
    assert found[["both", "method_alone", "other_alone"]].tolist() == [2, 1, 1]
    # one seed a split each: they may be called differently
    one = pd.Series([True], index=pd.MultiIndex.from_tuples([(0, 42, "a")], names=UNIT))
    two = pd.Series([False], index=pd.MultiIndex.from_tuples([(0, 0, "a")], names=UNIT))
    assert len(on_common_targets(one, two)) == 1


def test_what_a_run_says_of_its_targets(write, tmp_path):
    folder = write("pairs2", "aj")
    rows = collect(tmp_path / "outputs").rows
    assert outcomes(rows).sum() == 2
    assert outcomes(rows.assign(metric="coverage")).sum() == 9
    covered = outcomes(rows.assign(metric="exact_match_covered"))
    assert (len(covered), covered.sum()) == (9, 1)
    (folder / "ranks.csv").write_text(
        "subset,target,set_size,worst_rank\ntest,a,2,5\ntest,b,2,6\ntest,c,3,1\nval,d,2,1\n"
    )
    assert outcomes(rows.assign(metric="recall_at_k", k=5)).tolist() == [True, False]
    with pytest.raises(InputError, match="jaccard"):
        outcomes(rows.assign(metric="jaccard"))
    (folder / "sets.csv").unlink()
    with pytest.raises(InputError, match=r"sets\.csv"):
        outcomes(rows)


@pytest.fixture
def decide(monkeypatch, tmp_path):
    def run(**claim):
        same = {"data": "sergio_ds3", "split_kind": "random", "subset": "test"}
        same |= {"metric": "exact_match"} | claim.pop("same", {})
        claim = {"id": "x", "where": "w", "text": "t", "command": "-m a", "same": same, **claim}
        paper = {"paper": "P", "settings": {}, "preferred": {}, "claims": [claim]}
        monkeypatch.setattr(claims, "_papers", lambda: (paper,))
        return verdicts(collect(tmp_path / "outputs"))[0]

    return run


A, B = {"model": "residual_hos2"}, {"model": "pairs2"}


def test_a_claim_counts_targets(write, decide):
    write("residual_hos2", "abcdefgh")  # one split is enough
    write("pairs2", "ab")
    found = decide(same={"set_size": 2}, greater=[A, B])
    assert found.decision == "holds"  # 6 to 0: p = 2 / 64
    for text in ("0.800 and 0.200", "of 10 targets (1 split)", "both 2", "first alone 6"):
        assert text in found.reason
    assert f"p = {mcnemar(6, 0):.2g}" in found.reason
    assert decide(same={"set_size": 2}, greater=[B, A]).decision == "does not hold"
    assert decide(same={"set_size": 2}, greater=[A, B], margin=0.5).decision.startswith("does not")
    assert decide(same={"set_size": 2}, less=[B, A]).decision == "holds"
    assert decide(same={"set_size": 2}, less=[A, B], margin=0.7).decision == "holds"
    assert decide(same={"set_size": 2}, greater=[A, 0.4]).decision == "holds"
    assert decide(same={"set_size": 2}, greater=[A, 0.9]).reason.startswith("8 of 10 targets")
    change = decide(same={"set_size": 2}, change=[A, B], at_least=2.5)
    assert change.decision == "holds"  # 4 times as many
    assert "+300.0%" in change.reason


def test_a_gain_on_other_targets(write, decide):
    write("residual_hos2", {2: "ab", 4: "abcdefghij"})
    write("pairs2", {2: "a", 4: "a"})
    pairs = [
        [{**A, "set_size": 4}, {**B, "set_size": 4}],
        [{**A, "set_size": 2}, {**B, "set_size": 2}],
    ]
    found = decide(gain=pairs)
    assert found.decision == "holds"
    assert "gains +0.900" in found.reason
    assert decide(gain=pairs[::-1]).decision == "does not hold"


def test_without_tables_of_targets_splits_are_compared(write, decide):
    for split in (0, 1, 2):
        folders = [write("residual_hos2", "abcd", split=split), write("pairs2", "a", split=split)]
        for folder in folders:
            (folder / "sets.csv").unlink()
    found = decide(same={"set_size": 2}, greater=[A, B])
    assert "(3 splits)" in found.reason
    assert "targets" not in found.reason


def test_numbers_of_one_split_have_the_mean_over_splits_beside_them(write, tmp_path):
    for split, right in ((42, "ab"), (43, "abcd")):
        for setting in (0, 500):
            config = {"model": {"_target_": "x.pure_hos2", "warmup_steps": setting}}
            write("pure_hos2", right if setting else "a", split=split, **config)
    rows = labelled(collect(tmp_path / "outputs").rows)
    found = beside_paper(rows).set_index("published")
    # settings B and A of table 4, each beside its own runs alone
    numbers = ["split_seed", "mean", "n_splits", "over_splits", "n_over_splits"]
    assert found.loc[0.0175, numbers].tolist() == pytest.approx([42, 0.2, 1, 0.3, 2])
    assert found.loc[0.0877, numbers].tolist() == pytest.approx([42, 0.1, 1, 0.1, 2])
    (table,) = comparison_tables(found.reset_index(), note="n")
    assert {line[1].text for line in table.lines} == {
        "0.200 | 0.018; 0.300 ± 0.100",
        "0.100 | 0.088; 0.100 ± 0.000",
    }
    assert "split 42" in table.notes[0]
