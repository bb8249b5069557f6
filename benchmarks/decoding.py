"""Time exact decoding as the package does it and as :mod:`benchmarks.plain_decoding` does."""

import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from benchmarks.plain_decoding import PlainSetScore
from benchmarks.processes import seconds_since
from grn_exp.decode.exact import subset_batches
from grn_exp.nn.set_transformer import SetTransformer

SIZES = ((80, 2), (80, 3), (55, 4))
# the paper scores sets in large batches; a small one stays in a core's cache
SMALL_BATCH, LARGE_BATCH = 512, 16384


@dataclasses.dataclass
class Decoding:
    """What scoring one pool's sets cost in both forms.

    Attributes
    ----------
    n_candidates, size, n_sets
        M, R and how many of the C(M, R) sets were scored.
    fast
        Sets a second of the package, enumeration and preparation included.
    plain
        Sets a second of the plain form, by ``(fused, sets in a batch)``: with and without
        torch's own fused encoder layer.
    same_best
        Whether all forms found the same best set.
    largest_difference
        Of the scores, as a fraction of their standard deviation.
    """

    n_candidates: int
    size: int
    n_sets: int
    fast: float
    plain: dict[tuple[bool, int], float]
    same_best: bool
    largest_difference: float

    def ratio(self) -> float:
        """Return how much faster the package is than the fastest plain form."""
        return self.fast / max(self.plain.values())

    def ratio_at_large_batches(self) -> float:
        """Return how much faster it is than the better plain form in large batches."""
        rates = [rate for (_, batch), rate in self.plain.items() if batch == LARGE_BATCH]
        return self.fast / max(rates)


def measure(*, n_sets: int = 16384, repeats: int = 3, n_layers: int = 1) -> list[Decoding]:
    """Time both forms, one thread, for every pool and set size of the paper.

    Seconds are of the processor, so what else runs on the machine counts for little.

    Parameters
    ----------
    n_sets
        The most sets to score of each pool: the first ones in lexicographic order.
    repeats
        Forms are timed in turns, this many times; the fastest counts.
    n_layers
        Layers of the Set Transformer; its widths are the defaults.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [_measure(*pair, n_sets, repeats, n_layers) for pair in SIZES]
    finally:
        torch.set_num_threads(n_threads)


def _measure(n_candidates: int, size: int, n_sets: int, repeats: int, n_layers: int) -> Decoding:
    torch.manual_seed(0)
    model = SetTransformer(n_layers=n_layers, zero_head=False).eval()
    z_target, z_pool = torch.randn(model.head.in_features), torch.randn(n_candidates, 128)
    n_sets = min(n_sets, math.comb(n_candidates, size))
    forms = _forms(model, z_target, z_pool, size, n_sets)
    rates = dict.fromkeys(forms, 0.0)
    scores: dict[object, Tensor] = {}
    for name, form in list(forms.items()) * repeats:
        start = time.process_time()
        scores[name] = form()
        rates[name] = max(rates[name], n_sets / seconds_since(start))
    fast = scores["fast"]
    gaps = [float((each - fast).abs().max() / fast.std()) for each in scores.values()]
    same = {int(each.argmax()) for each in scores.values()}
    plain = {name: rate for name, rate in rates.items() if isinstance(name, tuple)}
    return Decoding(n_candidates, size, n_sets, rates["fast"], plain, len(same) == 1, max(gaps))


def _forms(
    model: SetTransformer, z_target: Tensor, z_pool: Tensor, size: int, n_sets: int
) -> dict[object, Callable[[], Tensor]]:
    """Return what to time: each enumerates the sets and scores them."""

    def fast() -> Tensor:
        batches = subset_batches(len(z_pool), size, LARGE_BATCH)
        return _score_first(model.pool_score(z_target, z_pool), batches, n_sets)

    def plain(*, fused: bool, batch_sets: int) -> Tensor:
        torch.backends.mha.set_fastpath_enabled(fused)
        try:
            batches = subset_batches(len(z_pool), size, batch_sets)
            return _score_first(PlainSetScore(model, z_target, z_pool), batches, n_sets)
        finally:
            torch.backends.mha.set_fastpath_enabled(True)

    forms: dict[object, Callable[[], Tensor]] = {"fast": fast}
    for fused, batch in itertools.product((True, False), (SMALL_BATCH, LARGE_BATCH)):
        forms[fused, batch] = lambda f=fused, b=batch: plain(fused=f, batch_sets=b)
    return forms


def _score_first(
    score: Callable[[Tensor], Tensor], batches: Iterable[Tensor], n_sets: int
) -> Tensor:
    found, left = [], n_sets
    for sets in batches:
        found.append(score(sets[:left]))
        left -= len(found[-1])
        if left == 0:
            break
    return torch.cat(found)
