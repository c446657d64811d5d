"""Random and double sharings: consistent, and uniform however the corrupt parties deal."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from mpcjax.fabric import Simulated
from mpcjax.fields import F31, F61, Field
from mpcjax.offline import Stock
from mpcjax.offline.hyperinvertible import _extract, make_sharings
from mpcjax.prg import Stream
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir
from tests.sharing._haste import hasty

SEED = np.arange(8, dtype=np.uint32)  # an argument of programs: a constant would be folded


def runtime(scheme: Shamir, seed: Any = SEED) -> Any:
    streams: Any = Stream.from_seed(seed).per_row("party", range(scheme.parties))
    return Runtime(scheme, Simulated(scheme.parties), streams, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scheme", "amounts"),
    [
        (Shamir(F61, 5, 2), (7, 4, 3)),
        (Shamir(F31, 3, 1), (5, 0, 0)),
        (Shamir(Field(5), 4, 1), (0, 3, 2)),
        (Shamir(F61, 2, 0), (2, 3, 1)),
    ],
    ids=str,
)
def test_sharings_are_consistent(scheme: Shamir, amounts: tuple[int, int, int]) -> None:
    def make(seed: Any) -> tuple[Stock, Any]:
        rt = runtime(scheme, seed)
        return make_sharings(rt, *amounts), rt.verified

    stock, verified = hasty(make)(SEED)
    random, double, zero = amounts
    assert bool(verified)
    assert stock.arrays["random"][0].shape == (scheme.parties, random)
    low, high = stock.arrays["double"]
    assert low.shape == high.shape == (scheme.parties, double)
    gaps = stock.arrays["zero"][0]
    assert gaps.shape == (scheme.parties, zero)
    assert np.all(scheme.consistent(gaps, 2 * scheme.threshold))
    assert not np.any(scheme.reconstruct(gaps, 2 * scheme.threshold))
    everything = np.concatenate([stock.arrays["random"][0], low], axis=1)
    assert np.all(scheme.consistent(everything))
    assert np.all(scheme.consistent(high, 2 * scheme.threshold))
    assert np.array_equal(scheme.reconstruct(low), scheme.reconstruct(high, 2 * scheme.threshold))
    if scheme.field.exponent > 30:
        secrets = np.asarray(scheme.reconstruct(everything))
        assert len(np.unique(secrets)) == random + double
        lower = 2 * scheme.threshold - 1
        assert double == 0 or lower < 0 or not np.any(scheme.consistent(high, lower)), "not of a lower degree"


def polynomials(degree: int) -> np.ndarray:
    """The values at 1, 2, 3 of all polynomials of `degree` over the field of 7 elements: `[7 ** (degree + 1), 3]`."""
    coefficients = np.array(list(itertools.product(range(7), repeat=degree + 1)))
    return coefficients @ np.array([[x**k for x in (1, 2, 3)] for k in range(degree + 1)]) % 7


@pytest.mark.parametrize("corrupt", range(3))
@pytest.mark.parametrize("said", [(0, 0, 0), (1, 3, 5), (6, 1, 4)])
def test_extracted_sharings_are_jointly_uniform(corrupt: int, said: tuple[int, int, int]) -> None:
    """Two honest dealers' 49 sharings each: whatever the third deals, every pair of results occurs exactly once."""
    scheme = Shamir(Field(3), 3, 1)
    sharings, pairs = polynomials(1), list(itertools.product(range(49), repeat=2))
    dealt = np.zeros((3, 3, len(pairs)), np.uint32)  # [receiver, dealer, run]
    honest = [dealer for dealer in range(3) if dealer != corrupt]
    for position, dealer in enumerate(honest):
        dealt[:, dealer] = sharings[[pair[position] for pair in pairs]].T
    dealt[:, corrupt] = np.array(said)[:, None]
    found = np.asarray(_extract(runtime(scheme), dealt)).reshape(3, len(pairs), 2)
    assert len({run.tobytes() for run in np.moveaxis(found, 1, 0)}) == 49 * 49
    secrets = np.asarray(scheme.reconstruct(found))
    counts = np.zeros((7, 7), int)
    np.add.at(counts, (secrets[:, 0], secrets[:, 1]), 1)
    assert np.all(counts == 49)


@pytest.mark.parametrize("corrupt", range(3))
def test_what_the_corrupt_party_sees_says_nothing_about_the_results(corrupt: int) -> None:
    """Given its shares of the honest dealings, both secrets are still uniform: exact, over all dealings of degree 2t."""
    scheme = Shamir(Field(3), 3, 1)
    for degree in (1, 2):
        sharings = polynomials(degree)
        kept = sharings[sharings[:, corrupt] == 4]  # all dealings that give the corrupt party this share
        first, second = (side.reshape(-1) for side in np.meshgrid(np.arange(len(kept)), np.arange(len(kept))))
        dealt = np.zeros((3, 3, len(first)), np.uint32)
        honest = [dealer for dealer in range(3) if dealer != corrupt]
        dealt[:, honest[0]], dealt[:, honest[1]] = kept[first].T, kept[second].T
        found = np.asarray(_extract(runtime(scheme), dealt)).reshape(3, len(first), 2)
        secrets = np.asarray(scheme.reconstruct(found, degree))
        counts = np.zeros((7, 7), int)
        np.add.at(counts, (secrets[:, 0], secrets[:, 1]), 1)
        assert np.all(counts == len(first) // 49)
