"""InfoSEM (Cui et al. 2025): DeepSEM with informative priors on the edges."""

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from grn_exp.core.errors import InputError
from grn_exp.core.ranges import require_in
from grn_exp.core.views import UNKNOWN, GeneEmbedding, TrainView
from grn_exp.models.edges.deepsem import DeepSEM, absolute_sum

_LOGIT_95 = float(np.log(0.95 / 0.05))
# spread of the label logits at the start: near 0, so that every probability starts near 1/2
_INITIAL_LOGIT_SPREAD = 0.1


class InfoSEM(DeepSEM):
    """InfoSEM with whatever priors the view holds; with neither it is DeepSEM.

    With an embedding, edges have a prior mean that is additive over the two genes,
    ``m_ik = h_i w_1 + h_k w_2`` (eq. 9). With labels, ``A = A^e * sigmoid(A^l)`` (eq. 10), where
    the logits ``A^l = A_a A_b`` of rank ``h`` are pulled to those of 0.95 and 0.05 for known
    pairs and left alone for all others (eq. 13). All are MAP estimates (eq. 14 and 15).

    The loss adds the negative logarithms of the priors, each over the same divisor D: ``alpha sum
    |A^e - M| / D``, ``sum w^2 / (2 sigma_w^2 D)`` and ``sum_known (a^l - logit)^2 / (2 sigma_l^2
    D)``.

    The ELBO (eq. 14) adds the log-priors of all pairs to the log-likelihoods of all ``n_cells
    n_genes`` values. The loss has the *mean* of the squared errors, which is that of a Gaussian's
    negative log-likelihoods with variance 1/2, up to a constant, and the mean of the KL terms. It
    is the negative ELBO over ``n_cells n_genes``, so this is the ELBO's D, and ``alpha`` is then
    ``1 / sigma_a``. DeepSEM's mean over pairs has ``D = n_genes^2``: the ELBO's priors weigh
    ``n_genes / n_cells`` times as much, 1.1 (hESC) to 3.2 (mESC) on the paper's data, so the two
    differ little. A sum as it is (D = 1) beside the mean weighs ``n_genes^2`` times as much, about
    a million: it is no ELBO, and the priors dominate.

    Parameters
    ----------
    parametrisation
        ``centred`` (eq. 9 as written): A^e is free and pulled to M. ``non_centred``:
        ``A^e = M + E`` with the pull on E; the same optimum, another path to it, since the
        reconstruction then trains w.
    prior_scale
        D: ``per_pair`` (``n_genes^2``), ``sum`` (``n_cells n_genes``, the ELBO; what
        ``standardise=nonzero`` leaves out of the error is not taken off) or ``undivided`` (1).
    embedding_scaling
        What is done to the embedding first: ``none``, ``unit`` (divide each gene's vector by its
        length, so that every prior moves A at a like rate), ``centre`` (subtract the mean gene)
        or ``zscore`` (each coordinate to mean 0 and standard deviation 1).
    w_start
        ``zero``: M starts at 0. ``linear``: w is drawn as a linear layer of torch would be,
        uniformly within ``1 / sqrt(2 width)`` on both sides of 0.
    sigma_w, sigma_l, h
        Of the priors of w and A^l, and the rank of A^l (Appendix C).
    embedding_learning_rate, label_learning_rate
        Of w (None: that of A; 0 leaves w as it starts) and of the factors of A^l; the paper names
        none of its own.
    options
        As in :class:`DeepSEM`.

    Notes
    -----
    Assumes that genes with like embeddings regulate alike. Reads expression and, by the class,
    a gene embedding and training labels. Costs what :class:`DeepSEM` costs, and ``n_genes^2 h``
    operations a step for A^l.

    Raises
    ------
    InputError
        If the scaling leaves a gene without a direction, or all genes with the same vector.

    References
    ----------
    - Cui et al. (2025), InfoSEM: a deep generative model with informative priors for gene
      regulatory network inference.
    """

    free_effects: ClassVar[bool] = False
    embedding: Tensor | None
    labelled_rows: Tensor
    known_rows: Tensor
    known_columns: Tensor
    wanted_logits: Tensor

    def __init__(
        self,
        *,
        parametrisation: Literal["centred", "non_centred"] = "centred",
        prior_scale: Literal["per_pair", "sum", "undivided"] = "per_pair",
        embedding_scaling: Literal["none", "unit", "centre", "zscore"] = "unit",
        w_start: Literal["zero", "linear"] = "zero",
        sigma_w: float = 1.0,
        embedding_learning_rate: float | None = None,
        sigma_l: float = 0.1,
        h: int = 128,
        label_learning_rate: float = 1e-3,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if embedding_learning_rate is not None:
            require_in("[0, inf)", embedding_learning_rate=embedding_learning_rate)
        require_in("(0, inf)", sigma_w=sigma_w, sigma_l=sigma_l, h=h)
        require_in("(0, inf)", label_learning_rate=label_learning_rate)
        self.centred = parametrisation == "centred"

    def build(self, view: TrainView) -> None:
        """Add what the priors need: w where there is an embedding, A^l where there are labels."""
        super().build(view)
        self._add_gene_effects(view)
        self._add_label_logits(view)

    def _add_gene_effects(self, view: TrainView) -> None:
        """Add w_1 and w_2; without an embedding they are free effects, or absent."""
        self.gene_weights: nn.Parameter | None = None
        self.register_buffer("embedding", None, persistent=False)
        if self.free_effects:
            self.gene_weights = self._first_weights(self.n_genes)
        elif view.embedding is not None:
            vectors = scale_embedding(view.embedding, self.options.embedding_scaling)
            self.embedding = torch.from_numpy(vectors)
            self.gene_weights = self._first_weights(vectors.shape[1])

    def _first_weights(self, width: int) -> nn.Parameter:
        if self.options.w_start == "zero":
            return nn.Parameter(torch.zeros(2, width))
        bound = 1 / (2 * width) ** 0.5
        return nn.Parameter(bound * (2 * torch.rand(2, width) - 1))

    def _add_label_logits(self, view: TrainView) -> None:
        """Add the factors of A^l and the known pairs, if the view has labels."""
        self.logit_rows: nn.Parameter | None = None
        self.logit_columns: nn.Parameter | None = None
        if view.labels is None:
            return
        rows, columns = np.nonzero(view.labels != UNKNOWN)
        labels = view.labels[rows, columns]
        positions = view.regulator_positions
        labelled = np.arange(len(positions)) if self.known_only else positions
        wanted = np.where(labels == 1, _LOGIT_95, -_LOGIT_95).astype(np.float32)
        self.hold(labelled_rows=labelled)
        self.hold(known_rows=rows, known_columns=columns, wanted_logits=wanted)
        spread = (_INITIAL_LOGIT_SPREAD / self.options.h**0.5) ** 0.5
        self.logit_rows = nn.Parameter(spread * torch.randn(self.n_rows, self.options.h))
        self.logit_columns = nn.Parameter(spread * torch.randn(self.options.h, self.n_genes))
        with torch.no_grad():
            self.edge_effects.mul_(2)  # sigmoid(0) = 1/2: A starts where DeepSEM's does

    def prior_mean(self) -> Tensor | None:
        """Return ``M = [h_i, h_k] w``, shape ``(n_rows, n_genes)``; None without a prior."""
        if self.gene_weights is None:
            return None
        weights, vectors = self.gene_weights, self.embedding
        as_regulator, as_target = weights if vectors is None else weights @ vectors.T
        return as_regulator[self.own_columns][:, None] + as_target[None, :]

    def label_logits(self) -> Tensor | None:
        """Return ``A^l``, shape ``(n_rows, n_genes)``; None without labels."""
        if self.logit_rows is None or self.logit_columns is None:
            return None
        return self.logit_rows @ self.logit_columns

    def effects(self) -> Tensor:
        """Return A (eq. 10), self-pairs not yet masked."""
        effects = self.edge_effects
        if not self.centred:
            mean = self.prior_mean()
            effects = effects if mean is None else effects + mean
        logits = self.label_logits()
        return effects if logits is None else effects * torch.sigmoid(logits)

    def adjacency_terms(self) -> dict[str, Tensor]:
        """Return the negative log-priors of A^e, w and A^l (eq. 9, 11, 13)."""
        divisor = self._prior_divisor()
        deviation = self.edge_effects
        mean = self.prior_mean()
        if self.centred and mean is not None:
            deviation = deviation - self.without_self_pairs(mean)
        terms = {"sparsity": self.options.alpha * absolute_sum(deviation) / divisor}
        if self.gene_weights is not None:
            scale = 2 * self.options.sigma_w**2 * divisor
            terms["gene_weights"] = self.gene_weights.square().sum() / scale
        if self.logit_rows is not None and self.logit_columns is not None:
            # rows of A^l with labels are few, and another product of all would cost as much again
            logits = self.logit_rows[self.labelled_rows] @ self.logit_columns
            error = logits[self.known_rows, self.known_columns] - self.wanted_logits
            terms["labels"] = error.square().sum() / (2 * self.options.sigma_l**2 * divisor)
        return terms

    def _prior_divisor(self) -> int:
        """Return what the sums of the log-priors are divided by; see the class."""
        n_cells, n_genes = self.n_items, self.n_genes
        of = {"per_pair": n_genes**2, "sum": n_cells * n_genes, "undivided": 1}
        return of[self.options.prior_scale]

    def how_to_converge(self) -> str:
        """Say which options to change after a training that diverged."""
        rates = super().how_to_converge()
        if self.options.prior_scale == "per_pair":
            return rates
        return f"give model.prior_scale=per_pair, or {rates}"

    def adjacency_groups(self) -> list[dict[str, Any]]:
        """Return the groups of A^e, w and A^l, each with its own rate."""
        groups = super().adjacency_groups()
        if self.gene_weights is not None:
            rate = self.options.embedding_learning_rate
            rate = self.options.adjacency_learning_rate if rate is None else rate
            groups.append({"params": [self.gene_weights], "lr": rate})
        if self.logit_rows is not None:
            factors = [self.logit_rows, self.logit_columns]
            groups.append({"params": factors, "lr": self.options.label_learning_rate})
        return groups


class InfoSEMB(InfoSEM):
    """InfoSEM-B: the gene embedding as prior, no labels (eq. 9 and 14)."""

    reads_embedding: ClassVar[bool] = True


class InfoSEMBC(InfoSEM):
    """InfoSEM-BC: the gene embedding and the training labels as priors (eq. 10 to 15)."""

    reads_embedding: ClassVar[bool] = True
    reads_labels: ClassVar[bool] = True


class InfoSEMFree(InfoSEM):
    """The control for InfoSEM-B: a free effect of each gene as regulator and as target.

    The same additive prior mean without any text; InfoSEM-B with one-hot vectors is this.
    """

    free_effects: ClassVar[bool] = True


def scale_embedding(embedding: GeneEmbedding, scaling: str) -> "np.ndarray":
    """Return the vectors in another scale; coordinates that are constant z-score to 0.

    Parameters
    ----------
    embedding
        A vector a gene, of which two differ.
    scaling
        ``none``, ``unit``, ``centre`` or ``zscore``, as of :class:`InfoSEM`.

    Raises
    ------
    InputError
        With ``unit``, if a vector has length 0 or all have the same direction.
    """
    values = embedding.values
    if scaling == "none":
        return values
    if scaling == "unit":
        return _unit_vectors(embedding)
    centred = values - values.mean(axis=0)
    if scaling == "centre":
        return centred
    spread = values.std(axis=0)
    return np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0)


def _unit_vectors(embedding: GeneEmbedding) -> "np.ndarray":
    lengths = np.linalg.norm(embedding.values, axis=1, keepdims=True)
    zero = np.flatnonzero(lengths == 0)
    if len(zero):
        names = ", ".join(repr(embedding.genes.symbols[row]) for row in zero[:3])
        raise InputError(
            f"{embedding.source}: {len(zero)} vectors have length 0 (of {names}), by which "
            "model.embedding_scaling=unit cannot divide; leave these genes out, or give "
            "model.embedding_scaling=none"
        )
    vectors = embedding.values / lengths
    if len(vectors) > 1 and np.allclose(vectors, vectors[0], rtol=0, atol=1e-6):
        raise InputError(
            f"{embedding.source}: the vectors of all {len(vectors)} genes differ in length alone, "
            "which model.embedding_scaling=unit takes away; give model.embedding_scaling=none or "
            "another prior"
        )
    return vectors
