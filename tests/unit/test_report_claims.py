"""What the papers claim is decided by the runs, and left open without them."""

import math

import numpy as np
import pytest
import yaml
from scipy import stats

from grn_exp.core.errors import InputError
from grn_exp.report import claims
from grn_exp.report.claims import DECISIONS, checks_table, claims_table, verdicts
from grn_exp.report.collect import collect
from grn_exp.report.published import published
from grn_exp.storage.conf import conf_dir
from tests.messages import naming

UNSEEN = {"split_kind": "seen_unseen", "subset": "test_unseen", "metric": "ap"}


@pytest.fixture
def decide(monkeypatch, tmp_path):
    """Return a function that decides one claim on the runs below ``tmp_path``."""

    def run(**claim):
        paper = {
            "paper": "P",
            "settings": {"split.downsample": "none"},
            "preferred": {"data.expression": None, "gene_set": "tfs500"},
            "claims": [
                {"id": "x", "where": "table 1", "text": "A is better.", "command": "-m a", **claim}
            ],
        }
        monkeypatch.setattr(claims, "_papers", lambda: (paper,))
        (found,) = verdicts(collect(tmp_path / "outputs"))
        return found

    return run


@pytest.fixture
def write(write_run):
    """Return a function that writes a run per value, each of another split."""

    def make(values, **options):
        for split, value in enumerate(values):
            if value is not None:
                write_run({"test_unseen": value}, split=split, **options)

    return make


A, B = {"model": "infosem_b"}, {"model": "deepsem"}
GREATER = {"same": {**UNSEEN, "data": "hesc"}, "greater": [A, B]}


@pytest.mark.parametrize(
    ("gains", "decision"),
    [
        ([0.1, 0.11, 0.12], "holds"),
        ([-0.1, -0.11, -0.12], "does not hold"),
        ([0.3, 0.01, -0.1], "does not hold (within the error)"),
        ([0.0, 0.0, 0.0], "does not hold (within the error)"),
        ([0.1, None, None], "cannot be tested here"),
        ([None, None, None], "cannot be tested here"),
    ],
)
def test_a_comparison_is_paired_and_has_an_error(decide, write, gains, decision):
    # the splits differ by much more than the methods
    level = (0.2, 0.4, 0.6)
    write(level, model="deepsem")
    write(
        [None if g is None else x + g for x, g in zip(level, gains, strict=True)],
        model="infosem_b",
    )
    found = decide(**GREATER)
    assert found.decision == decision
    if None in gains:
        wanted = "common splits: 1" if gains[0] else "no run of InfoSEM-B on hESC"
        assert wanted in found.reason
        return
    interval = stats.ttest_1samp(gains, 0.0).confidence_interval(0.95)
    if all(gains):
        assert f"interval {interval.low:.3f} to {interval.high:.3f} (3 splits)" in found.reason


def test_a_margin_moves_the_border(decide, write):
    write([0.2, 0.3, 0.4], model="deepsem")
    write([0.17, 0.271, 0.369], model="infosem_b")
    assert decide(**GREATER).decision == "does not hold"
    assert decide(**GREATER, margin=-0.05).decision == "holds"
    less = {"same": GREATER["same"], "less": [B, A]}
    assert decide(**less).decision == "does not hold"
    assert decide(**less, margin=0.05).decision == "holds"
    # 0.2 of the pairs are positive
    random = {"same": GREATER["same"], "less": [A, "prevalence"]}
    assert decide(**random, margin=0.5).decision == "holds"
    assert decide(**random).decision == "does not hold (within the error)"
    constant = {"same": GREATER["same"], "greater": [B, 0.9]}
    assert decide(**constant).decision == "does not hold"


def test_all_comparisons_have_to_hold_or_as_many_as_the_claim_says(decide, write):
    for data, gain in (("hesc", 0.1), ("mdc", 0.1), ("mesc", -0.1)):
        write([0.2, 0.3], model="deepsem", data=data)
        write([0.2 + gain, 0.3 + gain], model="infosem_b", data=data)
    claim = {"same": UNSEEN, "greater": [A, B], "each": {"data": ["hesc", "mdc", "mesc", "hhep"]}}
    found = decide(**claim)
    assert [check.outcome for check in found.checks] == ["holds", "holds", "fails", "not here"]
    assert found.decision == "does not hold"
    assert found.reason.startswith("2 of 4 comparisons hold (4 have to)")
    assert decide(**claim, needed=2).decision == "holds"
    undecided = decide(**claim, needed=3)
    assert undecided.decision == "undecided"
    assert "InfoSEM-B on hHEP" in undecided.reason


def test_the_best_two(decide, write):
    for model, level in (("infosem_bc", 0.5), ("infosem_b", 0.4), ("deepsem", 0.3)):
        write([level, level + 0.101, level + 0.2], model=model)
    same = GREATER["same"]

    def best(model, place, *others):
        of = [{"model": name} for name in (model, *others)]
        return decide(same=same, top={"place": place, "of": of}).decision

    assert best("infosem_bc", 1, "infosem_b", "deepsem") == "holds"
    assert best("infosem_b", 1, "infosem_bc", "deepsem") == "does not hold"
    assert best("infosem_b", 2, "infosem_bc", "deepsem") == "holds"
    assert best("infosem_b", 2, "infosem_bc", "deepsem", "scgreat") == "cannot be tested here"
    assert best("deepsem", 2, "infosem_bc", "infosem_b", "scgreat") == "does not hold"


def test_a_gain_that_grows(decide, write):
    for data, gain in (("hesc", 0.1), ("mdc", 0.3)):
        write([0.2, 0.31, 0.42], model="deepsem", data=data)
        write([0.2 + gain, 0.3 + gain, 0.42 + gain], model="infosem_b", data=data)
    pairs = [[A, B], [A, B]]
    grows = decide(same=UNSEEN, gain=pairs, each={"left.data": ["mdc"], "right.data": ["hesc"]})
    assert grows.decision == "holds"
    assert "gains +0.297 and +0.097; difference 0.200 ± 0.000" in grows.reason
    shrinks = {"left.data": ["hesc"], "right.data": ["mdc"]}
    assert decide(same=UNSEEN, gain=pairs, each=shrinks).decision == "does not hold"


def test_a_relative_change(decide, write):
    write([0.2, 0.4], model="deepsem")
    write([0.3, 0.58], model="infosem_b")
    claim = {"same": GREATER["same"], "change": [A, B]}
    found = decide(**claim, at_least=0.25)
    # the delta method by hand: residuals left - ratio * right, over the mean of right
    ratio = 0.88 / 0.6
    residuals = (np.array([0.3, 0.58]) - ratio * np.array([0.2, 0.4])) / 0.3
    width = stats.t.ppf(0.975, 1) * residuals.std(ddof=1) / math.sqrt(2)
    low, high = ratio - 1 - width, ratio - 1 + width
    assert f"{ratio - 1:+.1%}, interval {low:+.1%} to {high:+.1%} (2 splits)" in found.reason
    assert found.decision == "holds"
    assert low < 0.5 < high
    assert decide(**claim, at_least=0.5).decision == "does not hold (within the error)"
    assert decide(**claim, at_least=2.0).decision == "does not hold"
    drop = {"same": GREATER["same"], "change": [B, A]}
    assert decide(**drop, at_most=-0.3).decision == "holds"
    assert decide(**drop, at_most=-0.9).decision == "does not hold"


def test_a_mean_change_over_some_of_the_datasets_is_said_and_decides_nothing(decide, write):
    write([0.2, 0.4], model="deepsem")
    write([0.3, 0.6], model="infosem_b")
    found = decide(same=UNSEEN, change=[A, B], each={"data": ["hesc", "mdc"]}, at_least=0.25)
    assert found.decision == "cannot be tested here"
    assert "1 of 2" in found.reason
    assert "+50.0%" in found.reason


def test_another_setting_is_another_claim(decide, write):
    write([0.2, 0.3], model="deepsem")
    write([0.9, 0.9], model="infosem_b", config={"split.downsample": "per_regulator"})
    assert "no run of InfoSEM-B" in decide(**GREATER).reason
    named = {"model": "infosem_b", "split.downsample": "per_regulator"}
    assert decide(same=GREATER["same"], greater=[named, B]).decision == "holds"
    write([0.9, 0.95, 0.97], model="infosem_b", config={"split.downsample": "none"})
    assert "0.925 and 0.250" in decide(**GREATER).reason  # the two splits that both have


def test_of_several_settings_none_is_taken_unasked(decide, write):
    write([0.2, 0.3], model="deepsem")
    write([0.5, 0.6], model="infosem_b")
    write([0.1, 0.2], model="infosem_b", config={"data.gene_set": "tfs1000"})
    assert decide(**GREATER).decision == "holds"  # the preferred gene set
    write([0.5, 0.6], model="infosem_b", config={"model.alpha": 2.0})
    found = decide(**GREATER)
    assert found.decision == "cannot be tested here"
    assert "model.alpha=1.0; model.alpha=2.0" in found.reason


def test_runs_on_a_users_own_file_stand_in_for_a_dataset_and_are_named(decide, write):
    own = {"config": {"data.expression": "/here/part.csv"}}
    write([0.2, 0.3, 0.4], model="deepsem", **own)
    write([0.3, 0.41, 0.5], model="infosem_b", **own)
    found = decide(**GREATER)
    assert found.decision == "holds"
    assert dict(found.stand_ins) == {"hesc": "data.expression=part.csv"}
    assert "data.expression=part.csv" in found.reason
    write([0.5, 0.6, 0.7], model="deepsem")  # the dataset itself goes first
    mixed = decide(**GREATER)
    assert mixed.decision == "cannot be tested here"
    assert "part.csv" in mixed.reason
    write([0.4, 0.51, 0.6], model="infosem_b")
    whole = decide(**GREATER)
    assert (whole.decision, whole.stand_ins) == ("does not hold", ())


def test_claims_are_decided_on_some_datasets_alone(write, tmp_path, monkeypatch):
    for data, gain in (("hesc", 0.1), ("mdc", 0.1), ("mesc", -0.1)):
        write([0.2, 0.3], model="deepsem", data=data)
        write([0.2 + gain, 0.3 + gain], model="infosem_b", data=data)
    base = {"where": "table 1", "text": "A is better.", "command": "-m a"}
    each = {"data": ["hesc", "mdc", "mesc", "hhep"]}
    of_all = {**base, "id": "x", "same": UNSEEN, "greater": [A, B], "each": each, "needed": 3}
    of_one = {**base, "id": "y", "same": {**UNSEEN, "data": "mesc"}, "greater": [A, B]}
    paper = {"paper": "P", "settings": {}, "preferred": {}, "claims": [of_all, of_one]}
    monkeypatch.setattr(claims, "_papers", lambda: (paper,))
    collected = collect(tmp_path / "outputs")

    def decisions(*data):
        return {verdict.name: verdict.decision for verdict in verdicts(collected, data)}

    assert decisions() == {"x": "undecided", "y": "does not hold"}
    assert decisions("hesc", "mdc") == {"x": "holds"}
    assert decisions("mesc", "mdc") == {"x": "does not hold", "y": "does not hold"}
    with pytest.raises(InputError, match=naming("--data mesk", "'mesc'")):
        decisions("mesk")


def test_left_out_runs_decide_nothing(decide, write, write_run):
    write([0.2, 0.3], model="deepsem")
    for split in range(2):
        folder = write_run({"test_unseen": 0.9}, model="infosem_b", split=split)
        (folder / "status.json").write_text('{"state": "failed"}')
    assert decide(**GREATER).decision == "cannot be tested here"


# -- the claims that are written down ----------------------------------------------------------


@pytest.fixture
def papers():
    return claims._papers()


def test_every_claim_is_open_without_its_runs(write_run, tmp_path):
    write_run(data="toy", model="pearson")
    found = verdicts(collect(tmp_path / "outputs"))
    assert len(found) > 30
    assert {verdict.decision for verdict in found} == {"cannot be tested here"}
    assert len({verdict.name for verdict in found}) == len(found)
    for verdict in found:
        assert "no run of" in verdict.reason
        assert verdict.commands
    text = "\n".join(claims_table(found).notes)
    assert "python -m grn_exp -m experiment=infosem_table2" in text
    table = checks_table(found)
    assert len(table.lines) == sum(len(verdict.checks) for verdict in found)


def test_every_claim_names_what_there_is(papers):
    models = {path.stem for path in (conf_dir() / "model").glob("*.yaml")}
    datasets = {path.stem for path in (conf_dir() / "data").glob("*.yaml")}
    experiments = {path.stem for path in (conf_dir() / "experiment").glob("*.yaml")}
    for paper in papers:
        for claim in paper["claims"]:
            commands = claim["command"]
            for command in [commands] if isinstance(commands, str) else commands:
                _, _, experiment = command.partition("experiment=")
                assert experiment.split()[0] in experiments
            named = yaml.safe_dump(claim)
            for kind, known in (("model", models), ("data", datasets)):
                assert set(_values(claim, kind)) <= known, named


def _values(node, name):
    """Return what a tree has below a key, or below a side's key."""
    if isinstance(node, list):
        return [value for item in node for value in _values(item, name)]
    if not isinstance(node, dict):
        return []
    found = []
    for key, value in node.items():
        if str(key).rpartition(".")[2] == name:
            found += value if isinstance(value, list) else [value]
        else:
            found += _values(value, name)
    return found


@pytest.mark.slow
def test_the_papers_own_means_agree_with_their_claims(papers, write_run, tmp_path):
    """Runs that have the published means, on two splits, decide most claims as the paper does."""
    entries = published()
    entries = entries.loc[(entries["setting"] == "") & (entries["data"] != "mesc_retrieval")]
    names = ["data", "network", "split_kind", "model", "retriever", "prior"]
    entries = entries.drop_duplicates([*names, "metric", "subset", "set_size", "k"])
    for key, part in entries.groupby(names, dropna=False):
        about = dict(zip(names, key, strict=True))
        for split in range(2):
            _published_run(write_run, about, part, split)
    decided = {v.name: v.decision for v in verdicts(collect(tmp_path / "outputs"))}
    for name in (
        "seen_supervised_ahead",
        "seen_matcomp_top_two",
        "unseen_deepsem_over_supervised",
        "unseen_b_over_deepsem",
        "unseen_b_gain_non_specific",
        "residual_over_pairs",
        "residual_gain_at_higher_order",
        "attention_retrieves_more",
        "attention_covers_more",
        "pairs_over_retrieval",
        "oracle_residual_over_pairs",
    ):
        assert decided[name] == "holds", name
    assert decided["attention_gain_grows"] == "does not hold"  # as the claim's text says
    assert decided["few_cells"] == "cannot be tested here"
    assert set(decided.values()) <= set(DECISIONS)


def _published_run(write_run, about, part, split):
    import json

    retriever = {
        "context_attention": "ContextAttentionRetriever",
        "dot_product": "DotProductRetriever",
    }
    config = {
        "data.network": about["network"],
        "split.kind": about["split_kind"],
        "split.downsample": "none",
    }
    if about["data"].startswith("sergio"):
        default = "" if about["model"] in retriever else "context_attention"
        chosen = about["retriever"] or default
        target = f"grn_exp.models.edges.{chosen}.{retriever.get(chosen)}"
        config |= {"prior": None}
        config |= {"retriever": {"model": {"_target_": target}}} if chosen else {}
    folder = write_run(model=about["model"], data=about["data"], split=split, config=config)
    rows = [
        {
            "metric": row["metric"],
            "subset": row["subset"],
            "value": abs(row["value"] - 1e-5 * split * (number % 3)),  # a share stays one
            "n": 10,
            "k": None if math.isnan(float(row["k"] or math.nan)) else int(row["k"]),
            "set_size": row["set_size"] if row["set_size"] == row["set_size"] else None,
        }
        for number, row in enumerate(
            part.astype(object).where(part.notna(), None).to_dict("records")
        )
    ]
    (folder / "metrics.json").write_text(json.dumps({"schema": 1, "rows": rows}))
