"""Exact truncation."""

from __future__ import annotations

import numpy as np
import pytest

from mpcjax import circuits
from mpcjax.circuits import Mask
from mpcjax.errors import BoundError
from mpcjax.offline import Demand
from tests.circuits._stock import cost, edges, evaluate, randoms, scheme_of, whole_field, with_every_mask

HALF = 2**60 - 1


def test_exhaustively():
    """Every value of the whole field under every mask, every number of bits, also more than there are."""
    scheme = scheme_of(5)
    x, r, bits = with_every_mask(scheme, whole_field(scheme))
    drops = (0, 1, 2, 3, 6)

    def circuit(rt, x, r, bits):
        mask = Mask(r, bits)
        return [circuits.truncate(rt, x, k, scheme.field.modulus // 2, mask=mask) for k in drops]

    for k, found in zip(drops, evaluate(scheme, circuit, x, r, bits), strict=True):
        assert (found == x // 2**k).all(), k


def test_in_the_large_field():
    scheme = scheme_of(61)
    x = np.concatenate([edges(scheme), randoms(HALF, 50)])
    (found,) = evaluate(scheme, lambda rt, x: circuits.truncate(rt, x, 20, HALF), x)
    assert (found == x // 2**20).all()


@pytest.mark.long
def test_of_a_small_bound():
    scheme, bound = scheme_of(61), 2**19 - 1
    x = np.concatenate([np.arange(-9, 10), [bound, -bound, 2**18, -(2**18)], randoms(bound, 30)])

    def circuit(rt, x):
        return circuits.truncate(rt, x, 7, bound), circuits.truncate(rt, x, 19, bound)

    few, all_of_them = evaluate(scheme, circuit, x)
    assert (few == x // 2**7).all()
    assert (all_of_them == -(x < 0).astype(int)).all()


def test_nearest():
    """Halves are rounded up."""
    scheme = scheme_of(61)
    x = np.concatenate([np.arange(-40, 41), randoms(2**15, 20)])
    (found,) = evaluate(scheme, lambda rt, x: circuits.truncate_nearest(rt, x, 4, 2**15), x)
    assert (found == (x + 8) // 16).all()


@pytest.mark.parametrize(
    ("bits", "bound", "products", "random_bits", "levels"),
    [
        (20, HALF, 89, 61, 7),
        (30, HALF, 89, 61, 6),
        (8, 2**18, 8, 60, 3),
        (60, HALF, 86, 61, 6),
        (9, 2**8, 9, 50, 4),
    ],
)
def test_cost(bits, bound, products, random_bits, levels):
    found = cost(scheme_of(61, 5, 2), lambda rt, x: circuits.truncate(rt, x, bits, bound), (1,))
    assert found == (Demand(double=products, bit=random_bits), 2 + 3 * levels)


def test_nothing_to_do_is_free():
    assert cost(scheme_of(61), lambda rt, x: circuits.truncate(rt, x, 0, HALF), (1,)) == (Demand(), 0)


def test_bounds_are_checked():
    with pytest.raises(BoundError, match="fewer fractional bits"):
        cost(scheme_of(61), lambda rt, x: circuits.truncate(rt, x, 3, HALF + 1), (1,))
    with pytest.raises(BoundError, match="fewer fractional bits"):
        cost(scheme_of(61), lambda rt, x: circuits.truncate_nearest(rt, x, 3, HALF - 3), (1,))
    with pytest.raises(ValueError, match="bits=-1"):
        cost(scheme_of(61), lambda rt, x: circuits.truncate(rt, x, -1, 5), (1,))
