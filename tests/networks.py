"""Run folders that hold a network, written as runs write them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from grn_exp.runs.edges import ALL_EDGES, AUDIT, COLUMNS, DTYPES, EDGES
from grn_exp.runs.folder import STABILITY
from grn_exp.storage.atomic import write_json, write_npz

N_TOP = 20
N_FITS = 20


def leave_network(
    folder: Path,
    *,
    scores=None,
    n_regulators: int = 3,
    n_genes: int = 12,
    seed: int = 0,
    symbol: str = "G{}",
    whole: bool = True,
    stability: bool = True,
    rank_mean=None,
    rank_sd=None,
    means=None,
    state: str = "finished",
) -> Path:
    """Write a run; genes are G0, G1, ..., the first of them regulators."""
    rng = np.random.default_rng(seed)
    if scores is None:
        scores = rng.gamma(1.0, size=(n_regulators, n_genes))
    scores = np.asarray(scores, np.float32)
    n_regulators, n_genes = scores.shape
    genes = np.array([symbol.format(number) for number in range(n_genes)])
    regulators = genes[:n_regulators]
    folder.mkdir(parents=True)
    arrays = {"regulators": regulators, "genes": genes}
    write_npz(folder / "scores.npz", {**arrays, "scores": scores})
    rows, columns = np.nonzero(regulators[:, None] != genes[None, :])
    correlation = rng.uniform(-1, 1, size=scores.shape)
    table = pd.DataFrame({"source": regulators[rows], "target": genes[columns]})
    table["score"], table["correlation"] = scores[rows, columns], correlation[rows, columns]
    table["sign"] = np.sign(table["correlation"])
    table = table.sort_values("score", ascending=False, kind="stable", ignore_index=True)
    table["rank"] = np.arange(1, len(table) + 1)
    table["stability"] = np.linspace(1, 0, len(table)) if stability else np.nan
    table["known"] = np.where(table["rank"] % 5 == 0, 1.0, np.nan)
    table = table.astype(DTYPES)[list(COLUMNS)]
    if whole:
        table.to_parquet(folder / ALL_EDGES, index=False)
    table.head(60).to_csv(folder / EDGES, index=False)
    if rank_mean is not None:
        spread = np.full_like(scores, 0.05) if rank_sd is None else rank_sd
        ranks = {"rank_mean": rank_mean, "rank_sd": spread, "share": scores * 0 + 0.5}
        ranks = {name: np.asarray(values, np.float32) for name, values in ranks.items()}
        write_npz(folder / STABILITY, {**arrays, **ranks})
    if means is not None:
        audit = pd.DataFrame({"gene": genes, "role": "gene", "status": "used", "mean": means})
        audit.to_csv(folder / AUDIT, index=False)
    write_json(folder / "status.json", {"state": state})
    facts = {"sign": "correlation", "n_edges": len(table), "top_edges": N_TOP}
    facts |= {"stability_fits": N_FITS} if rank_mean is not None else {}
    (folder / "provenance.json").write_text(json.dumps({"network": facts}))
    return folder
