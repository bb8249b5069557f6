"""Matrix completion of the adjacency, by fancyimpute."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.ranges import require_in
from grn_exp.core.views import UNKNOWN, TrainView
from grn_exp.models.closed_form import EdgeScorer

Variant = Literal["matrix_factorization", "iterative_svd", "soft_impute"]


class MatComp(EdgeScorer):
    """MatComp (InfoSEM section 5 and appendix C): the labels completed at low rank, nothing else.

    The matrix has the regulators and the targets that have training pairs; every other entry of
    it is missing. A pair with a gene that is not in the matrix scores the mean training label:
    the prediction of an untrained random vector would mean nothing.

    Parameters
    ----------
    variant
        ``matrix_factorization``: gene biases and factors by stochastic gradient descent on the
        known entries (runs at any rank); ``iterative_svd``: truncated SVD of the matrix whose
        missing entries start at 0, repeated; ``soft_impute``: soft-thresholded SVD.
    rank
        Of the factors (paper: 128); for ``soft_impute`` the largest.
    max_iters
        Sweeps over the known entries, or SVDs.

    Raises
    ------
    InputError
        If the training labels are all the same, or the rank is too
        large for the variant.

    Notes
    -----
    Assumes that the network is of low rank. Reads training labels alone. A sweep costs ``known
    pairs x rank`` operations, an SVD of the matrix ``R T min(R, T)``, with T targets.

    References
    ----------
    - Cui et al. (2025), InfoSEM: a deep generative model with informative priors for gene
      regulatory network inference, section 5.
    - Troyanskaya et al. (2001), Missing value estimation methods for DNA microarrays,
      Bioinformatics 17. doi:10.1093/bioinformatics/17.6.520 (``iterative_svd``)
    - Mazumder, Hastie and Tibshirani (2010), Spectral regularization algorithms for learning
      large incomplete matrices, Journal of Machine Learning Research 11 (``soft_impute``)
    """

    reads_labels: ClassVar[bool] = True
    needs_negatives: ClassVar[bool] = True

    def __init__(
        self,
        *,
        variant: Variant = "matrix_factorization",
        rank: int = 128,
        max_iters: int = 50,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        require_in("(0, inf)", rank=rank, max_iters=max_iters)

    def build(self, view: TrainView) -> None:
        """Check that there is something to complete, at this rank."""
        labels = view.known_labels()
        known = labels != UNKNOWN
        if len(np.unique(labels[known])) < 2:
            raise InputError(
                f"model=matcomp: all {int(known.sum())} training labels are the same, there is "
                "nothing to complete; take another split.seed or a larger network"
            )
        shape = (int(known.any(axis=1).sum()), int(known.any(axis=0).sum()))
        rank = self.options.rank
        if self.options.variant == "iterative_svd" and rank >= min(shape):
            raise InputError(
                f"model.rank={rank}: iterative_svd needs a rank below {min(shape)} on the "
                f"{shape[0]} x {shape[1]} training labels; lower it, or choose "
                "model.variant=matrix_factorization, which runs at any rank"
            )

    def score(self, view: TrainView) -> np.ndarray:
        """Complete the matrix."""
        labels = view.known_labels()
        known = labels != UNKNOWN
        block = np.ix_(known.any(axis=1), known.any(axis=0))
        observed = np.where(known, labels, np.nan).astype(np.float64)[block]
        with _seeded(self.seed), warnings.catch_warnings():
            # scikit-learn renamed an argument that fancyimpute passes
            warnings.filterwarnings("ignore", message=".*force_all_finite.*")
            completed = self._completed(observed)
        scores = np.full(labels.shape, labels[known].mean())
        scores[block] = completed
        return scores

    def _completed(self, observed: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the fit at all entries, known ones too."""
        import fancyimpute

        own = self.options
        shared: dict[str, Any] = {"max_iters": own.max_iters, "verbose": False}
        if own.variant == "matrix_factorization":
            solver = fancyimpute.MatrixFactorization(rank=own.rank, **shared)
            solver.fit_transform(observed)
            return solver.predict_all()
        if own.variant == "iterative_svd":
            return fancyimpute.IterativeSVD(rank=own.rank, **shared).fit_transform(observed)
        return fancyimpute.SoftImpute(max_rank=own.rank, **shared).fit_transform(observed)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, which is what fancyimpute draws from, and put it back."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
