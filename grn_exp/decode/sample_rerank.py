"""Draw sets from a proposal, score them, take the best."""

import dataclasses

import torch

from grn_exp.decode.approximate import ApproximateDecoder
from grn_exp.decode.base import Decoded, PooledScore, score_batches, second_best


@dataclasses.dataclass(eq=False)
class SampleRerank(ApproximateDecoder):
    """Sample and rerank (Residual HOS2, scalability note).

    Members are drawn one after the other without replacement, each with a probability
    proportional to ``exp(additive / temperature)`` among those left: the R highest of the
    additive parts with Gumbel noise. A score without additive parts gets uniform draws. The set
    of the R highest parts without noise is always among those scored.

    Parameters
    ----------
    n_samples
        Sets to draw; sets drawn twice are scored once.
    temperature
        Higher draws more widely.
    compare_with_exact, max_subsets
        See :class:`ApproximateDecoder`.
    """

    n_samples: int = 4096
    temperature: float = 1.0

    def search(self, score: PooledScore, size: int, *, seed: int) -> Decoded:
        """Return the best of the sets drawn; of ties, the first in lexicographic order."""
        generator = torch.Generator().manual_seed(seed)
        if score.additive is None:
            logits = torch.zeros(score.n_candidates)
        else:
            logits = score.additive.detach().cpu().float() / self.temperature
        noise = torch.empty(self.n_samples + 1, score.n_candidates)
        noise.exponential_(generator=generator).log_().neg_()  # Gumbel
        noise[0] = 0
        drawn = (logits + noise).topk(size, dim=1).indices.sort(dim=1).values
        sets = torch.unique(drawn, dim=0)
        scores = score_batches(score, sets)
        first = int(torch.argmax(scores))
        return Decoded(sets[first].numpy(), float(scores[first]), None, second_best(scores, first))
