"""Methods are compared on each regulator's pairs: a small one counts like a large one."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score

from grn_exp.core.errors import InputError
from grn_exp.report.collect import collect
from grn_exp.report.regulators import paired_regulators
from tests.messages import naming
from tests.unit.test_report_figures_runs import add_scores

METHODS = ("pearson", "spearman")
SPLITS = (0, 1)


@pytest.fixture
def rows(write_run, tmp_path):
    """Rows of two methods on two splits, whose scores are random."""
    for number, model in enumerate(METHODS):
        for split in SPLITS:
            folder = write_run(
                {"test_seen": 0.5}, model=model, split=split, metric="ap_per_regulator"
            )
            add_scores(folder, seed=10 * number + split)
    return collect(tmp_path / "outputs").rows


def by_hand(rows, model):
    """Return each split's average precisions by regulator, by scikit-learn."""
    found = {}
    for folder, split in rows.loc[rows["model"] == model, ["folder", "split_seed"]].to_numpy():
        with np.load(f"{folder}/split.npz") as of, np.load(f"{folder}/scores.npz") as scored:
            mask, labels, scores = of["test_seen"], of["labels"], scored["scores"]
            for r, name in enumerate(of["regulators"]):
                true = labels[r, mask[r]]
                if true.any() and not true.all():
                    value = average_precision_score(true, scores[r, mask[r]])
                    found[split, str(name)] = value
    return pd.Series(found)


def test_a_comparison_by_hand(rows):
    (found,) = paired_regulators(rows).to_dict("records")
    difference = by_hand(rows, METHODS[0]) - by_hand(rows, METHODS[1])
    of_regulator = difference.groupby(level=1).mean()
    assert (found["method"], found["other"]) == METHODS
    assert found["n_splits"] == len(SPLITS)
    assert found["n_regulators"] == len(of_regulator) > 2
    assert found["mean_difference"] == pytest.approx(of_regulator.mean())
    assert found["method_better"] == (of_regulator > 0).sum()
    assert found["other_better"] == (of_regulator < 0).sum()
    assert found["p"] == pytest.approx(stats.wilcoxon(of_regulator).pvalue)
    assert found["p_holm"] == found["p"]


def test_only_splits_of_both_methods_count(rows):
    one = rows.loc[(rows["model"] == METHODS[0]) | (rows["split_seed"] == 1)]
    (found,) = paired_regulators(one).to_dict("records")
    assert found["n_splits"] == 1


def test_a_method_and_its_reference_change_places(rows):
    (first,) = paired_regulators(rows, reference=METHODS[0]).to_dict("records")
    (second,) = paired_regulators(rows, reference=METHODS[1]).to_dict("records")
    assert first["mean_difference"] == -second["mean_difference"]
    assert (first["method_better"], first["p"]) == (second["other_better"], second["p"])
    with pytest.raises(InputError, match=naming("--reference nobody", *METHODS)):
        paired_regulators(rows, reference="nobody")


def test_without_two_methods_there_is_nothing_to_compare(rows):
    with pytest.raises(InputError, match=naming("regulator")):
        paired_regulators(rows.loc[rows["model"] == METHODS[0]])
