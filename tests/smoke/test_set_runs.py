"""Runs that choose regulator sets: shared retrieval, files, and input that is refused."""

import csv
import json

import pytest

from tests.smoke.test_bad_input import assert_refused

SETS = (
    "data=toy_sets",
    "data.n_cells_per_type=12",
    "data.set_sizes=[1,2]",
    "pool.size=12",
    "trainer=cpu",
)


def folders_of(outcome, model):
    return sorted(path for path in outcome.outputs.glob(f"*/*/{model}/*") if path.is_dir())


def test_selectors_share_one_retrieval(command):
    retrieval = ("retriever=dot_product", "retriever.trainer.max_epochs=2")
    first = command(*SETS, "model=stage1_top_r", *retrieval)
    assert first.code == 0, first.err
    (folder,) = folders_of(first, "dot_product")
    written = (folder / "metrics.json").stat().st_mtime_ns
    second = command(*SETS, "model=best_subset", "pool=oracle", *retrieval)
    assert second.code == 0, second.err
    assert folders_of(second, "dot_product") == [folder]
    alone = command(*SETS, "model=dot_product", "trainer.max_epochs=2")
    assert alone.code == 0
    assert folders_of(alone, "dot_product") == [folder]
    assert (folder / "metrics.json").stat().st_mtime_ns == written


def test_other_options_of_the_retriever_are_another_retrieval(command):
    for width in (8, 16):
        outcome = command(
            *SETS,
            "model=stage1_top_r",
            "retriever=dot_product",
            f"retriever.model.embedding_dim={width}",
            "retriever.trainer.max_epochs=1",
        )
        assert outcome.code == 0, outcome.err
    assert len(folders_of(outcome, "dot_product")) == 2
    assert len(folders_of(outcome, "stage1_top_r")) == 2


def test_selectors_share_the_retrievers_of_out_of_fold_pools(command):
    retrieval = ("retriever=regulator_frequency", "pool.training=out_of_fold", "split.n_folds=2")
    choices = ("model=stage1_top_r", "pool=retrieved,oracle")
    first = command("-m", *SETS, *choices, *retrieval)
    assert first.code == 0, first.err
    folds = sorted(first.outputs.glob(".folds/*/*/regulator_frequency/*"))
    assert len(folds) == 2
    written = [(fold / "metrics.json").stat().st_mtime_ns for fold in folds]
    second = command(*SETS, "model=best_subset", *retrieval)
    assert second.code == 0, second.err
    assert sorted(first.outputs.glob(".folds/*/*/*/*")) == folds
    assert [(fold / "metrics.json").stat().st_mtime_ns for fold in folds] == written
    in_sample = command(*SETS, "model=stage1_top_r", "retriever=regulator_frequency")
    assert in_sample.code == 0, in_sample.err
    assert len(folders_of(in_sample, "regulator_frequency")) == 2  # n_folds is an option of both
    assert len(folders_of(in_sample, "stage1_top_r")) == 3


def test_the_oracle_retrieves_and_chooses_everything_right(command):
    outcome = command(*SETS, "model=stage1_top_r", "retriever=oracle")
    assert outcome.code == 0, outcome.err
    (folder,) = folders_of(outcome, "stage1_top_r")
    rows = json.loads((folder / "metrics.json").read_text())["rows"]
    values = {row["metric"]: row["value"] for row in rows if row["set_size"] is None}
    assert values["exact_match"] == values["coverage"] == values["jaccard"] == values["f1"] == 1
    with (folder / "sets.csv").open() as stream:
        lines = list(csv.DictReader(stream))
    assert all(line["predicted"] == line["true"] for line in lines)
    (retrieval,) = folders_of(outcome, "oracle")
    with (retrieval / "recall_curve.csv").open() as stream:
        curve = {(row["set_size"], int(row["k"])): row["recall"] for row in csv.DictReader(stream)}
    assert float(curve["2", 1]) == 0
    assert float(curve["2", 2]) == 1


def test_oracle_pools_hold_every_true_set(command):
    outcome = command(*SETS, "model=stage1_top_r", "retriever=random", "pool=oracle")
    assert outcome.code == 0, outcome.err
    (folder,) = folders_of(outcome, "stage1_top_r")
    rows = json.loads((folder / "metrics.json").read_text())["rows"]
    coverage = [row["value"] for row in rows if row["metric"] == "coverage"]
    assert set(coverage) == {1.0}


def test_an_approximate_decoder_reports_its_gap(command):
    outcome = command(
        *SETS,
        "model=best_subset",
        "retriever=correlation",
        "decoder=sample_rerank",
        "decoder.n_samples=3",
        "decoder.compare_with_exact=true",
    )
    assert outcome.code == 0, outcome.err
    (folder,) = folders_of(outcome, "best_subset")
    rows = json.loads((folder / "metrics.json").read_text())["rows"]
    found = {(row["metric"], row["set_size"]): row["value"] for row in rows}
    assert 0 <= found["found_optimum", 2] < 1
    assert found["score_gap", 2] > 0


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ("model=residual_hos2 decoder=top_r", "decoder=top_r|model=residual_hos2|exact"),
        ("model=pairs2 retriever=pairs2", "retriever=pairs2"),
        ("model=pairs2 retriever=contxt_attention", "contxt|'context_attention'"),
        ("model=pairs2 decoder=exakt", "decoder=exakt|'exact'"),
        ("model=pairs2 pool=oracl", "pool=oracl|'oracle'"),
        ("model=pairs2 pool.size=1", "pool.size=1|2"),
        ("model=pairs2 pool.size=0", "pool.size=0"),
        ("model=pairs2 pool.training=oof", "pool.training=oof|out_of_fold"),
        ("model=pairs2 pool.training=out_of_fold split.n_folds=90", "split.n_folds=90|set_sizes"),
        ("model=pairs2 model.n_confusers=13", "model.n_confusers=13|12"),
        ("model=pure_hos2 model.confusers=score", "model.confusers=score|retriever"),
        ("model=pairs2 +pool.caps.2=1", "pool.caps.2=1"),
        ("model=pairs2 decoder=exact decoder.max_subsets=10", "max_subsets=10|beam"),
        ("model=pairs2 data.set_sizes=[1,7]", "data.set_sizes=[1, 7]|7"),
        ("model=pairs2 data.set_sizes=[8]", "data.set_sizes|2|8"),
        ("model=pairs2 prior=random", "prior"),
        ("model=pairs2 split=seen_unseen", "split|TargetSplitter"),
        ("model=pairs2 split.kind=unseen", "split.kind=unseen|'unseen_set'"),
        ("model=pairs2 split.test_fraction=1", "split.test_fraction=1"),
        ("model=infosem_b", "embedding"),
        ("model=pairs2 retriever=infosem_b", "embedding"),
        ("model=set_dictionary retriever=random", "retriever"),
        ("model=pairs2 model.margin=-1", "model.margin=-1"),
        ("model=pairs2 model.n_negatives=0", "model.n_negatives=0"),
        ("model=pairs2 model.encoder_dropout=2", "dropout"),
        ("model=residual_hos2 model.dim=0", "dim=0"),
        ("model=residual_hos2 model.ff_width=-1", "ff_width=-1"),
        ("model=residual_hos2 model.n_heads=3", "n_heads=3|dim=128"),
        ("model=pairs2 model.scorer_width=0", "model.scorer_width=0"),
        ("model=pairs2 model.learning_rate=-1", "model.learning_rate=-1"),
        ("model=pairs2 model.optimizer.weight_decay=-1", "weight_decay"),
        ("model=pure_hos2_warm model.warm_start_epochs=100", "warm_start_epochs=100"),
        ("model=pairs2 retriever=nearest_targets retriever.model.k=0", "retriever=nearest|k=0"),
        ("model=nearest_targets decoder=beam", "decoder="),
        ("model=pairs2 data.set_sizes=[1,1]", "data.set_sizes=[1, 1]"),
        ("model=pairs2 model.no_such=2", "model.no_such"),
        ("model=pairs2 retriever.trainer.max_epochs=0", "max_epochs=0"),
        ("model=pairs2 data.candidates=some", "data.candidates=some"),
    ],
)
def test_set_input_that_cannot_be_used(command, overrides, words):
    assert_refused(command(*SETS, *overrides.split()), *words.split("|"))


def test_a_set_method_on_an_edge_benchmark_is_refused(command):
    outcome = command("data=toy", "model=pairs2", "trainer=cpu")
    assert_refused(outcome, "model=pairs2", "data=toy", "deepsem")


@pytest.mark.parametrize(
    ("data", "overrides"),
    [
        ("toy", "model=degree +decoder=exact"),
        ("toy", "model=degree +decoder=top_r"),
        ("toy", "model=degree +retriever=random"),
        ("toy_sets", "model=set_dictionary +decoder=exact"),
    ],
)
def test_a_method_that_chooses_from_no_pool_is_given_nothing_to_choose(command, data, overrides):
    outcome = command(f"data={data}", *overrides.split(), "trainer=cpu")
    assert_refused(outcome, overrides.split("+")[1].split("=")[0])
