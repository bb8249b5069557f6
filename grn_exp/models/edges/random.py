"""The control that knows nothing."""

import numpy as np

from grn_exp.core.scores import EdgeScores
from grn_exp.models.closed_form import ClosedFormModel


class Random(ClosedFormModel):
    """Uniform random scores: average precision comes out at the prevalence.

    Notes
    -----
    A control. Reads the number of genes and nothing else.

    References
    ----------
    - Cui et al. (2025), InfoSEM: a deep generative model with informative priors for gene
      regulatory network inference, the rows "Random" of its tables.
    """

    def predict(self) -> EdgeScores:
        """Return independent uniform numbers, drawn with the model's seed."""
        rng = np.random.default_rng([self.seed, 0x7A4D])
        return self.as_scores(rng.random((len(self.view.regulators), len(self.view.genes))))
