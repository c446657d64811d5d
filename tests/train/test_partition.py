"""Partitions: everybody's samples together are the data set, and alpha makes them skewed."""

from __future__ import annotations

import numpy as np
import pytest

from mpcjax import train

LABELS = np.random.default_rng(0).integers(0, 10, 1000)
MAKERS = {
    "iid": lambda labels, peers, seed=0: train.iid(labels, peers, seed=seed),
    "dirichlet 0.1": lambda labels, peers, seed=0: train.dirichlet(labels, peers, alpha=0.1, seed=seed),
    "dirichlet 100": lambda labels, peers, seed=0: train.dirichlet(labels, peers, alpha=100.0, seed=seed),
    "dirichlet 1e-6": lambda labels, peers, seed=0: train.dirichlet(labels, peers, alpha=1e-6, seed=seed),
}


def skew(parts):
    """Largest class share of a peer, averaged over peers."""
    return np.mean([np.bincount(LABELS[part], minlength=10).max() / len(part) for part in parts])


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("peers", [1, 7, 25])
def test_every_sample_has_one_owner_and_nobody_is_empty(make, peers):
    parts = make(LABELS, peers)
    assert len(parts) == peers
    assert min(map(len, parts)) >= 1
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(LABELS)))


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_seed_decides(make):
    first, again, other = make(LABELS, 5, 1), make(LABELS, 5, 1), make(LABELS, 5, 2)
    assert all(map(np.array_equal, first, again))
    assert not all(map(np.array_equal, first, other))


def test_iid_sizes_differ_by_one_at_most():
    sizes = [len(part) for part in train.iid(LABELS, 7)]
    assert max(sizes) - min(sizes) <= 1


def test_small_alpha_is_skewed_and_large_is_not():
    iid, even, uneven = (skew(MAKERS[name](LABELS, 10)) for name in ("iid", "dirichlet 100", "dirichlet 0.1"))
    assert even < iid + 0.1
    assert uneven > even + 0.2


def test_at_least():
    parts = train.dirichlet(LABELS, 20, alpha=0.05, at_least=32)
    assert min(map(len, parts)) >= 32


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: train.iid(LABELS, 0), "peers=0"),
        (lambda: train.iid(LABELS, 1001), "1..1000"),
        (lambda: train.dirichlet(LABELS, 5, alpha=0.0), "alpha=0.0"),
        (lambda: train.dirichlet(LABELS, 100, alpha=1.0, at_least=11), "100 peers 11"),
    ],
)
def test_bad_arguments_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
