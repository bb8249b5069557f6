"""Negative sets: never the true one, of its size, near misses as asked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grn_exp.core.errors import InputError
from grn_exp.models.sets.negatives import NegativeSets
from tests.messages import naming


def make(n_negatives=32, near_miss_start=0.5, near_miss_end=0.9, n_confusers=20):
    return NegativeSets(n_negatives, near_miss_start, near_miss_end, n_confusers)


@given(
    size=st.integers(1, 5),
    n_pool=st.integers(2, 12),
    offset=st.integers(0, 12),
    share=st.floats(0, 1),
    seed=st.integers(0, 100),
)
def test_negatives_are_sets_of_that_size_and_never_the_true_one(size, n_pool, offset, share, seed):
    true = np.arange(size)
    pool = np.arange(offset, offset + n_pool)[::-1]
    if np.isin(pool, true).all():
        return
    rng = np.random.default_rng(seed)
    found = make(n_negatives=16).sample(true, pool, share=share, rng=rng)
    assert found.shape == (16, size)
    for each in found:
        assert len(set(each)) == size
        assert set(each) != set(true)
        assert set(each) <= set(true) | set(pool)


def test_a_near_miss_swaps_one_member_for_a_confuser():
    true, pool = np.array([3, 50, 7]), np.arange(40)
    sampler = make(n_negatives=200, n_confusers=5)
    found = sampler.sample(true, pool, share=1.0, rng=np.random.default_rng(0))
    swapped_in = [set(each) - set(true) for each in found]
    assert all(len(each) == 1 for each in swapped_in)
    assert set().union(*swapped_in) == {0, 1, 2, 4, 5}  # the pool's best five that are wrong


def test_random_negatives_come_from_the_whole_pool():
    true, pool = np.array([3, 50, 7]), np.arange(40)
    sampler = make(n_negatives=500, n_confusers=5)
    found = sampler.sample(true, pool, share=0.0, rng=np.random.default_rng(0))
    assert set(found.ravel().tolist()) == set(range(40))  # 50 is not in the pool


def test_the_curriculum_goes_from_start_to_end():
    sampler = make(near_miss_start=0.2, near_miss_end=0.8)
    shares = [sampler.near_miss_share(epoch, 4) for epoch in range(4)]
    np.testing.assert_allclose(shares, [0.2, 0.4, 0.6, 0.8])
    assert sampler.near_miss_share(0, 1) == 0.2


def test_a_pool_without_a_wrong_set_is_refused():
    with pytest.raises(InputError, match=naming("2 candidates", "pool.size")):
        make().sample(np.arange(3), np.arange(2), share=0.5, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    "options", [{"n_negatives": 0}, {"near_miss_end": 1.5}, {"n_confusers": 0}]
)
def test_numbers_out_of_range_are_refused(options):
    with pytest.raises(
        InputError, match=naming(*(f"model.{name}={value}" for name, value in options.items()))
    ):
        make(**options)
