"""Regulator sets of own cells: known sets are learnt from, those of other genes are asked for."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl

import grn_exp
from grn_exp import compose
from grn_exp.config import build_spec
from grn_exp.core.errors import InputError
from grn_exp.core.scores import EdgeScores
from grn_exp.data.cells.sets import CellSetsDataModule
from grn_exp.data.sets.pools import RetrievedPool
from grn_exp.data.sets.splitting import TargetSplitter
from grn_exp.decode.exact import Exact
from grn_exp.models.sets.pairs2 import PairS2
from grn_exp.models.sets.training_sets import NearestTargetSet
from tests.messages import naming

REGULATORS = [f"TF{number}" for number in range(8)]
KNOWN = [f"K{number}" for number in range(14)]
NEW = [f"N{number}" for number in range(4)]
N_OF_TWO = 8  # of the known sets; the others have three members
OPTIONS = {"regulators": REGULATORS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Cells whose known targets are sums of their sets; N0 is nearly K0, N1 nearly K9."""
    path = tmp_path_factory.mktemp("cells")
    rng = np.random.default_rng(0)
    tfs = rng.gamma(2.0, 1.0, size=(120, len(REGULATORS)))
    sets = [
        sorted(rng.choice(len(REGULATORS), 2 if row < N_OF_TWO else 3, replace=False).tolist())
        for row in range(len(KNOWN))
    ]
    targets = np.stack([tfs[:, each].sum(axis=1) for each in sets], axis=1)
    new = targets[:, [0, 9, 3, 10]] + rng.normal(0, 0.01, size=(120, len(NEW))) ** 2
    cells = ad.AnnData(np.log1p(np.hstack([tfs, targets, new])).astype(np.float32))
    cells.var_names = [*REGULATORS, *KNOWN, *NEW]
    cells.write_h5ad(path / "cells.h5ad")
    rows = [(REGULATORS[tf], gene) for gene, each in zip(KNOWN, sets, strict=True) for tf in each]
    write_known(path / "known.csv", rows)
    return path


def write_known(path, rows):
    pd.DataFrame(rows, columns=["source", "target"]).to_csv(path, index=False)


def known_of(folder):
    return [tuple(row) for row in pd.read_csv(folder / "known.csv").to_numpy().tolist()]


def module(folder, known="known.csv", **options):
    known = None if known is None else str(folder / known)
    options = {**OPTIONS, "known": known, **options}
    data = CellSetsDataModule(str(folder / "cells.h5ad"), **options)
    data.setup()
    return data


def refused(folder, *parts, **options):
    with pytest.raises(InputError, match=naming(*parts)):
        module(folder, **options).set_view(None)


def flat(data):
    """Scores that rank the regulators as they are listed."""
    genes = data.expression.genes
    values = np.repeat(-np.arange(8, dtype=np.float32)[:, None], len(genes), axis=1)
    return EdgeScores(data.cells.regulators, genes, values)


def test_known_sets_are_shown_and_all_other_genes_asked_for(folder):
    data = module(folder)
    view = data.set_view(None)
    shown = {
        target: {view.regulators.symbols[place] for place in members}
        for target, members in zip(view.train.targets, view.train.members, strict=True)
    }
    wanted: dict = {}
    for source, target in known_of(folder):
        wanted.setdefault(target, set()).add(source)
    assert shown == wanted
    # regulators may be targets too
    assert set(view.queries) == {*REGULATORS, *NEW}
    assert set(view.sizes.tolist()) == {2}  # what most known sets have
    assert (view.labels[:, view.genes.positions(NEW)] == -1).all()


def test_the_targets_and_the_size_that_are_asked_for(folder, tmp_path):
    (tmp_path / "targets.txt").write_text("n1\nN0\n")
    for targets in (["n1", "N0"], str(tmp_path / "targets.txt")):
        view = module(folder, targets=targets, set_size=3).set_view(None)
        assert view.queries.symbols == ("N1", "N0")
        assert view.sizes.tolist() == [3, 3]
    view = module(folder, targets=["N0"], set_sizes=[3]).set_view(None)
    assert set(view.train.sizes.tolist()) == set(view.sizes.tolist()) == {3}


def test_sets_are_handed_out_with_margins_the_surest_first(folder):
    data = module(folder, targets=NEW)
    method = NearestTargetSet().attach(data.view_for(NearestTargetSet()))
    method.fit()
    found = method.prediction()
    assert data.evaluate(found) == []
    tables = data.tables(found)
    header, rows = tables["sets.csv"]
    lines = [dict(zip(header, row, strict=True)) for row in rows]
    by_target = {line["target"]: line for line in lines}
    of_k0 = ";".join(sorted(source for source, target in known_of(folder) if target == "K0"))
    assert by_target["N0"]["predicted"] == of_k0
    assert {line["subset"] for line in lines} == {"asked"}
    assert {(line["true"], line["exact"], line["covered"]) for line in lines} == {("", "", "")}
    margins = [line["margin"] for line in lines]
    assert margins == sorted(margins, reverse=True)
    assert min(margins) >= 0
    # the best score less the best of the other training sets, by hand
    correlations = np.abs(np.corrcoef(data.expression.values.T))
    genes = data.expression.genes
    sets = {t: frozenset(s for s, o in known_of(folder) if o == t) for t in KNOWN[:N_OF_TWO]}
    n0 = genes.positions(["N0"])[0]
    best: dict = {}
    for target, each in sets.items():
        value = correlations[n0, genes.positions([target])[0]]
        best[each] = max(best.get(each, 0.0), value)
    first, second, *_ = sorted(best.values(), reverse=True)
    assert by_target["N0"]["margin"] == pytest.approx(first - second, abs=1e-4)
    assert "audit.csv" in tables
    assert set(data.tables(flat(data))) == {"audit.csv"}  # nothing to judge a retriever by


def test_a_selector_by_lightning(folder):
    data = grn_exp.load_benchmark(
        "anndata_sets",
        path=str(folder / "cells.h5ad"),
        known=str(folder / "known.csv"),
        targets=NEW,
        **OPTIONS,
    )
    data.setup()
    data.use_candidates(flat(data))
    trainer = pl.Trainer(
        max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, accelerator="cpu", limit_val_batches=0,
    )  # fmt: skip
    model = PairS2(dim=8, encoder_width=8)
    trainer.fit(model, datamodule=data)
    found = trainer.predict(model, datamodule=data)[0]
    assert found.targets.symbols == tuple(NEW)
    assert {len(each) for each in found.members} == {2}
    assert (found.margins >= 0).all()


def test_with_a_split_known_sets_are_judged(folder):
    data = module(folder, splitter=TargetSplitter(seed=1), targets=["N0"])
    method = NearestTargetSet().attach(data.view_for(NearestTargetSet()))
    method.fit()
    found = method.prediction()
    held = data.split.targets.array[data.split.test].tolist()
    assert set(found.targets) == {*held, "N0"}
    assert {row.metric for row in data.evaluate(found)} >= {"exact_match", "jaccard"}
    _, rows = data.tables(found)["sets.csv"]
    assert [row[0] for row in rows] == ["test"] * len(held) + ["asked"]
    alone = module(folder, splitter=TargetSplitter(seed=1)).set_view(None)
    assert set(alone.queries) == set(held)


def test_a_set_that_is_not_whole(folder, caplog):
    write_known(folder / "more.csv", [*known_of(folder), ("XYZ", "K0"), ("K1", "K1")])
    refused(folder, "'K0'", "'XYZ'", "incomplete=leave_out", known="more.csv")
    data = module(folder, known="more.csv", incomplete="leave_out")
    assert "K0" not in data.sets.targets
    assert "K1" in data.sets.targets
    assert "K0" not in data.set_view(None).queries  # it is known to be regulated
    assert "1 of 14 targets" in caplog.text


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"known": None}, ("data.known",)),
        ({"set_size": 5}, ("5 regulators", "8 of 2")),
        ({"set_sizes": [2, 4]}, ("4 regulators", "6 of 3")),
        ({"set_sizes": [2], "set_size": 3}, ("data.set_size=3", "data.set_sizes")),
        ({"targets": ["N99"]}, ("'N99'", "audit.csv")),
        ({"targets": ["K0"]}, ("'K0'", "known set")),
        ({"targets": "NKG7"}, ("data.targets=NKG7", "data.targets=[A,B]")),
        ({"pool": RetrievedPool(size=2)}, ("pool.size=2", "3")),
        ({"pool": RetrievedPool(training="out_of_fold")}, ("out_of_fold", "split=targets")),
    ],
)
def test_what_cannot_be_used(folder, options, parts):
    refused(folder, *parts, **options)


def test_targets_are_refused_where_pairs_are_scored(folder):
    options = {"path": str(folder / "cells.h5ad"), "known": str(folder / "known.csv")}
    keys = {f"data.{name}": value for name, value in {**options, "targets": ["N0"]}.items()}
    chosen = {"data": "anndata_sets", "model": "dot_product"}
    alone = build_spec(compose.identify(chosen, {}, keys, sections=("data",)))
    with pytest.raises(InputError, match=naming("data.targets", "model=dot_product")):
        alone.refuse_idle()
    chosen["model"] = "pairs2"
    build_spec(compose.identify(chosen, {}, keys, sections=("data",))).refuse_idle()


def test_a_decoder_that_cannot_search_says_how_many_sets_there_are(folder):
    data = module(folder, set_size=3)
    data.check_decoder(Exact(max_subsets=56))
    with pytest.raises(InputError, match=naming("35", "max_subsets=34")):
        # a regulator is asked for too, and is no candidate of its own: C(7, 3)
        data.check_decoder(Exact(max_subsets=34))


def test_no_network_comes_of_sets(folder):
    with pytest.raises(InputError, match=naming("pairs2", "anndata_sets")):
        grn_exp.infer(folder / "cells.h5ad", "pairs2", known=folder / "known.csv")
