"""Committee sizes against an independent tail, and the public drawing."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from mpcjax.committee import committee_size, draw, tolerated


@pytest.mark.parametrize(
    ("peers", "corrupt", "protocol", "size"),
    [
        (100, 0.1, "spdz", 10),
        (100, 0.1, "shamir", 21),
        (1000, 0.1, "spdz", 12),
        (1000, 0.1, "shamir", 45),
        (25, 5, "shamir", 11),
    ],
)
def test_published_sizes(peers, corrupt, protocol, size):
    assert committee_size(peers, corrupt, protocol=protocol) == size


@pytest.mark.parametrize("protocol", ["shamir", "robust", "spdz"])
@pytest.mark.parametrize(("peers", "bad"), [(40, 4), (100, 20), (300, 15)])
def test_smallest_by_the_hypergeometric_tail(peers, bad, protocol):
    size = committee_size(peers, bad, protocol=protocol, security_bits=20)
    tail = [scipy.stats.hypergeom.sf(tolerated(m, protocol), peers, bad, m) for m in range(2, size + 1)]
    assert tail[-1] <= 2**-20 * (1 + 1e-9)
    assert all(t > 2**-20 * (1 - 1e-9) for t in tail[(1 if protocol != "spdz" else 0) : -1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((10, 0.6), "even a committee of all of them withstands 4"),
        ((1, 0), "peers=1"),
        ((10, 1.5), "corrupt=1.5"),
        ((10, -1), "corrupt=-1"),
        ((10, 10), "corrupt=10"),
        ((10, math.nan), "corrupt=nan"),
        ((10, 5), "of 10 peers 5 would be corrupt.*protocol 'shamir'.*legal are fewer"),
        ((10, "1"), "corrupt='1'"),
        (("10", 1), "peers='10'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        committee_size(*arguments)


def test_protocol_is_checked():
    with pytest.raises(ValueError, match="legal are"):
        committee_size(10, 1, protocol="yao")


def test_drawing_is_a_fair_function_of_the_seed():
    draws = [draw(k.to_bytes(4, "big"), 6, 3) for k in range(4000)]
    assert draws[0] == draw((0).to_bytes(4, "big"), 6, 3)
    counts = Counter(draws)
    assert len(counts) == math.comb(6, 3)
    assert scipy.stats.chisquare(list(counts.values())).pvalue > 1e-6


def test_drawing_leaves_out_who_was_caught():
    assert all(not {1, 4} & set(draw(bytes([k]), 8, 3, [1, 4])) for k in range(100))
    assert draw(b"", 3, 3, [0, 1]) == (0, 1, 2), "who was caught sits again when too few are left"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=4), st.data())
def test_corrupt_peers_gain_nothing_by_getting_themselves_excluded(seed, data):
    """Whatever part of them is excluded, and also when it is so many that they may sit again."""
    corrupt = data.draw(st.sets(st.integers(0, 8), max_size=5))
    excluded = data.draw(st.sets(st.sampled_from(sorted(corrupt)))) if corrupt else set()
    size = data.draw(st.integers(3, 9))
    assert len(corrupt & set(draw(seed, 9, size, sorted(excluded)))) <= len(corrupt & set(draw(seed, 9, size)))


def test_who_is_excluded_is_replaced_by_one_other():
    before = draw(b"seed", 20, 7)
    after = draw(b"seed", 20, 7, [before[2]])
    assert len(set(before) & set(after)) == 6 and before[2] not in after
