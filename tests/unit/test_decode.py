"""Decoders against every set tried in a loop."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grn_exp.core.errors import InputError
from grn_exp.decode.base import Decoder, PooledScore
from grn_exp.decode.beam import Beam
from grn_exp.decode.exact import Exact, subset_batches, subsets
from grn_exp.decode.local_search import LocalSearch
from grn_exp.decode.sample_rerank import SampleRerank
from grn_exp.decode.top_r import TopR
from tests.messages import naming

APPROXIMATE = [Beam, LocalSearch, SampleRerank]


def random_score(n_candidates, *, seed=0, additive=True, residual=True):
    """Parts of single candidates plus a term of every pair and a product of the whole set."""
    rng = np.random.default_rng(seed)
    parts = torch.from_numpy(rng.standard_normal(n_candidates))
    pairs = torch.from_numpy(rng.standard_normal((n_candidates, n_candidates)))
    factors = torch.from_numpy(rng.uniform(-1.5, 1.5, n_candidates))

    def of_the_set(sets):
        of_pairs = pairs[sets[:, :, None], sets[:, None, :]].sum(dim=(1, 2))
        return of_pairs + factors[sets].prod(dim=1)

    return PooledScore(n_candidates, parts if additive else None, of_the_set if residual else None)


def best_by_loop(score, size):
    """The first best set in the order of itertools."""
    best, best_set = -math.inf, None
    for members in itertools.combinations(range(score.n_candidates), size):
        value = float(score(torch.tensor([members]))[0])
        if value > best:
            best, best_set = value, members
    return list(best_set), best


def second_by_loop(score, size, best):
    """The best score of another set than ``best``."""
    others = itertools.combinations(range(score.n_candidates), size)
    values = [float(score(torch.tensor([s]))[0]) for s in others if list(s) != best]
    return max(values, default=-math.inf)


@pytest.mark.parametrize("batch_sets", [1, 7, 1000])
@pytest.mark.parametrize(("n_candidates", "size"), [(1, 1), (6, 1), (8, 3), (9, 4), (5, 5)])
def test_the_second_best_set(n_candidates, size, batch_sets):
    for seed in range(5):
        score = random_score(n_candidates, seed=seed)
        found = Exact(batch_sets=batch_sets).decode(score, size, seed=0)
        wanted = second_by_loop(score, size, found.members.tolist())
        assert found.second_score == pytest.approx(wanted)
        of_sums = random_score(n_candidates, seed=seed, residual=False)
        found = TopR().decode(of_sums, size, seed=0)
        wanted = second_by_loop(of_sums, size, found.members.tolist())
        assert found.second_score == pytest.approx(wanted)


@pytest.mark.parametrize("additive", [True, False])
@pytest.mark.parametrize("kind", APPROXIMATE)
def test_approximate_decoders_know_a_second_best_set(kind, additive):
    for seed in range(5):
        score = random_score(9, seed=seed, additive=additive)
        found = kind().decode(score, 3, seed=1)
        assert found.second_score <= found.score
        best_of_others = second_by_loop(score, 3, found.members.tolist())
        # one that was looked at, so it is no better than the best of all
        assert found.second_score <= best_of_others + 1e-9
    effort = {Beam: {"width": 10_000}, SampleRerank: {"n_samples": 20_000, "temperature": 9.0}}
    if kind in effort:
        found = kind(**effort[kind]).decode(score, 3, seed=1)
        wanted = second_by_loop(score, 3, found.members.tolist())
        assert found.second_score == pytest.approx(wanted)
    alone = kind().decode(random_score(3, additive=additive), 3, seed=1)
    assert alone.second_score == -math.inf


def test_equal_sets_have_no_margin():
    score = PooledScore(4, additive=torch.tensor([1.0, 0.0, 0.0, 0.0]))
    for decoder in (Exact(), TopR()):
        found = decoder.decode(score, 2, seed=0)
        assert found.score - found.second_score == 0


@given(st.integers(1, 12), st.data())
@settings(max_examples=60, deadline=None)
def test_enumeration_is_that_of_itertools(n_candidates, data):
    size = data.draw(st.integers(1, n_candidates))
    expected = list(itertools.combinations(range(n_candidates), size))
    start = data.draw(st.integers(0, len(expected) - 1))
    stop = data.draw(st.integers(start + 1, len(expected)))
    found = subsets(n_candidates, size, start, stop)
    assert found.dtype == torch.int64
    assert list(map(tuple, found.tolist())) == expected[start:stop]


def test_ranks_beyond_the_binomials_of_64_bits():
    found = subsets(200, 198, 0, 3)  # C(200, 100) fits no integer of the machine
    expected = list(itertools.islice(itertools.combinations(range(200), 198), 3))
    assert list(map(tuple, found.tolist())) == expected
    last = subsets(200, 198, math.comb(200, 198) - 1, math.comb(200, 198))
    assert last[0].tolist() == list(range(2, 200))


@pytest.mark.parametrize("batch_sets", [1, 7, 10**6])
def test_batches_hold_every_set_once_whether_kept_or_not(monkeypatch, batch_sets):
    expected = list(itertools.combinations(range(9), 4))
    for kept in (10**6, 0):
        monkeypatch.setattr("grn_exp.decode.exact._KEPT_ENTRIES", kept)
        batches = list(subset_batches(9, 4, batch_sets))
        assert max(map(len, batches)) <= batch_sets
        assert list(map(tuple, torch.cat(batches).tolist())) == expected


@pytest.mark.parametrize("batch_sets", [1, 7, 10**6])
@pytest.mark.parametrize(("n_candidates", "size"), [(1, 1), (6, 1), (8, 2), (8, 4), (7, 7)])
def test_exact_finds_what_a_loop_finds(n_candidates, size, batch_sets):
    for seed in range(3):
        score = random_score(n_candidates, seed=seed, additive=seed != 1)
        members, value = best_by_loop(score, size)
        found = Exact(batch_sets=batch_sets).decode(score, size, seed=0)
        assert found.members.tolist() == members
        assert found.members.dtype == np.int64
        assert found.score == found.best_score == pytest.approx(value)


@pytest.mark.parametrize("batch_sets", [1, 2, 100])
def test_exact_takes_the_first_of_ties(batch_sets):
    score = PooledScore(5, torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0]))
    found = Exact(batch_sets=batch_sets).decode(score, 2, seed=0)
    assert found.members.tolist() == [1, 2]


@pytest.mark.parametrize("bad", [0, 13, 20])
def test_exact_does_not_hide_a_score_that_is_no_number(bad):
    def residual(sets):
        rank = sets[:, 0] * 7 + sets[:, 1]
        return torch.where(rank == rank[0] if bad == 0 else rank == bad, torch.nan, 1.0)

    found = Exact(batch_sets=4).decode(PooledScore(7, residual=residual), 2, seed=0)
    assert math.isnan(found.score)


@pytest.mark.parametrize("size", [1, 3, 11, 15])
def test_top_r_is_exact_for_sums(size):
    score = random_score(15, residual=False)
    assert score.decomposable
    found = TopR().decode(score, size, seed=0)
    expected = Exact().decode(score, size, seed=0)
    assert found.members.tolist() == expected.members.tolist()
    assert found.score == found.best_score == pytest.approx(expected.score)


def test_top_r_refuses_other_scores():
    assert TopR.needs_decomposable
    assert not Exact.needs_decomposable
    choices = naming("decoder=top_r", "decoder=exact", "decoder=beam")
    with pytest.raises(InputError, match=choices):
        TopR().decode(random_score(6), 2, seed=0)


@pytest.mark.parametrize("additive", [True, False])
@pytest.mark.parametrize(
    "decoder", [Beam(width=1000), LocalSearch(n_starts=30), SampleRerank(5000, temperature=5.0)]
)
def test_approximate_decoders_with_effort_find_the_best_of_a_small_pool(decoder, additive):
    for seed in range(3):
        score = random_score(9, seed=seed, additive=additive)
        members, value = best_by_loop(score, 3)
        found = decoder.decode(score, 3, seed=seed)
        assert found.members.tolist() == members
        assert found.score == pytest.approx(value)
        assert found.best_score is None


@pytest.mark.parametrize("size", [1, 5, 11, 19, 20])
@pytest.mark.parametrize("kind", APPROXIMATE)
def test_approximate_decoders_take_sets_of_any_size(kind, size):
    score = random_score(20)
    found = kind().decode(score, size, seed=3)
    assert len(np.unique(found.members)) == size
    assert (np.diff(found.members) > 0).all()
    assert 0 <= found.members.min() <= found.members.max() < 20
    again = score(torch.from_numpy(found.members)[None])
    assert found.score == pytest.approx(float(again[0]))


@pytest.mark.parametrize("kind", APPROXIMATE)
def test_approximate_decoders_are_exact_for_sums(kind):
    score = random_score(15, residual=False)
    expected = TopR().decode(score, 6, seed=0)
    found = kind().decode(score, 6, seed=0)
    assert found.members.tolist() == expected.members.tolist()


@pytest.mark.parametrize("kind", APPROXIMATE)
def test_comparison_with_all_sets(kind):
    score = random_score(12)
    expected = Exact().decode(score, 3, seed=0)
    found = kind(1, compare_with_exact=True).decode(score, 3, seed=0)
    assert found.best_score == pytest.approx(expected.score)
    assert found.score <= found.best_score + 1e-9
    too_many = kind(1, compare_with_exact=True, max_subsets=219).decode(score, 3, seed=0)
    assert too_many.best_score is None
    assert too_many.members.tolist() == found.members.tolist()


@pytest.mark.parametrize("additive", [True, False])
@pytest.mark.parametrize("kind", [LocalSearch, SampleRerank])
def test_random_decoders_repeat_by_seed(kind, additive):
    score = random_score(40, additive=additive)
    decoder = kind(3)
    found = [decoder.decode(score, 4, seed=seed).members.tolist() for seed in range(6)]
    again = [decoder.decode(score, 4, seed=seed).members.tolist() for seed in range(6)]
    assert found == again
    if kind is SampleRerank:  # the starts of a local search may all lead to one place
        assert len(set(map(tuple, found))) > 1


def test_decoding_leaves_the_random_numbers_of_others_alone():
    state = torch.get_rng_state()
    for kind in APPROXIMATE:
        kind().decode(random_score(10), 3, seed=1)
    assert torch.equal(torch.get_rng_state(), state)


def test_local_search_is_never_worse_than_the_best_candidates_one_by_one():
    for seed in range(5):
        score = random_score(15, seed=seed)
        start = score.additive.topk(4).indices.sort().values
        found = LocalSearch(n_starts=1).decode(score, 4, seed=0)
        assert found.score >= float(score(start[None])[0])


def test_samples_follow_the_proposal():
    drawn = []

    def remember(sets):
        drawn.append(sets)
        return torch.zeros(len(sets))

    additive = torch.tensor([0.0, 0.0, 0.0, 0.0, 200.0, 200.0])
    SampleRerank(500).decode(PooledScore(6, additive, remember), 3, seed=0)
    assert sorted(map(tuple, torch.cat(drawn).tolist())) == [(i, 4, 5) for i in range(4)]


@pytest.mark.parametrize("decoder", [Exact(), TopR(), Beam(), LocalSearch(), SampleRerank()])
@pytest.mark.parametrize("size", [0, 6])
def test_every_decoder_refuses_a_pool_that_is_too_small(decoder, size):
    assert isinstance(decoder, Decoder)
    decoder.check(5, 5)
    message = naming("decoder", f"{size} regulators", "5 candidates")
    with pytest.raises(InputError, match=message):
        decoder.check(5, size)
    with pytest.raises(InputError, match=message):
        decoder.decode(random_score(5, residual=False), size, seed=0)


def test_exact_refuses_too_many_sets_before_it_scores_any():
    limit = "decoder.max_subsets=20000000"
    with pytest.raises(InputError, match=naming("C(80, 11)", limit, "decoder=beam")):
        Exact().check(80, 11)
    Exact().check(55, 4)
    Exact(max_subsets=10).check(5, 2)
    with pytest.raises(InputError, match=naming("C(5, 2)", "decoder.max_subsets=9")):
        Exact(max_subsets=9).check(5, 2)


@pytest.mark.parametrize(
    ("build", "part"),
    [
        (lambda: Exact(batch_sets=0), "decoder.batch_sets=0"),
        (lambda: Exact(max_subsets=0), "decoder.max_subsets=0"),
        (lambda: Beam(width=0), "decoder.width=0"),
        (lambda: LocalSearch(n_starts=0), "decoder.n_starts=0"),
        (lambda: SampleRerank(n_samples=0), "decoder.n_samples=0"),
        (lambda: SampleRerank(temperature=0.0), "decoder.temperature=0.0"),
        (lambda: SampleRerank(temperature=math.nan), "decoder.temperature=nan"),
    ],
)
def test_options_out_of_range_are_refused(build, part):
    with pytest.raises(InputError, match=naming(part)):
        build()


def test_a_score_without_parts_is_a_defect():
    with pytest.raises(ValueError, match="additive part, a residual"):
        PooledScore(3)
    with pytest.raises(ValueError, match="for 3 candidates"):
        PooledScore(3, torch.zeros(4))
