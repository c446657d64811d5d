"""Sorting networks and ranks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mpcjax.circuits import ranks, sort
from mpcjax.circuits.sort import network, packed
from tests.circuits._stock import cost, evaluate, randoms, scheme_of

QUARTER = scheme_of(61).field.modulus // 4


@pytest.mark.parametrize("n", range(11))
def test_every_pattern_of_zeros_and_ones_is_sorted(n: int) -> None:
    """And so is everything else (Knuth 5.3.4, theorem Z)."""
    for levels in (network(n), packed(network(n), n)):
        _require_sorting(levels, n)


def _require_sorting(levels: list[list[tuple[int, int]]], n: int) -> None:
    x = np.array(list(itertools.product((0, 1), repeat=n)))
    for level in levels:
        lanes = [lane for pair in level for lane in pair]
        assert len(set(lanes)) == len(lanes) and all(i < j < n for i, j in level)
        for i, j in level:
            x[:, i], x[:, j] = np.minimum(x[:, i], x[:, j]), np.maximum(x[:, i], x[:, j])
    assert (np.diff(x, axis=1) >= 0).all()


@pytest.mark.parametrize(("n", "depth", "paid", "sorting"), [(7, 6, 18, 16), (19, 16, 96, 91), (99, 32, 1088, 1064)])
def test_levels_are_narrow(n: int, depth: int, paid: int, sorting: int) -> None:
    levels = packed(network(n), n)
    assert (len(levels), len(levels) * max(map(len, levels)), sum(map(len, levels))) == (depth, paid, sorting)


@pytest.mark.parametrize(("exponent", "n"), [(61, 1), (61, 5), pytest.param(5, 4, marks=pytest.mark.long)])
def test_sort(exponent: int, n: int) -> None:
    scheme = scheme_of(exponent)
    x = randoms(scheme.field.modulus // 4, 3 * n).reshape(3, n)
    x[0] = x[0, 0]
    (found,) = evaluate(scheme, sort, x)
    assert np.array_equal(found, np.sort(x, axis=1))


def test_sort_of_small_numbers() -> None:
    """Under short masks, which verify all levels before them."""
    x = np.array([[9, -3, 0, 9, 1]], object)
    (found,) = evaluate(scheme_of(61), lambda rt, x: sort(rt, x, width=5), x)
    assert np.array_equal(found, np.sort(x, axis=1))


def test_ranks_break_ties_by_index() -> None:
    x = np.array([QUARTER, 2, -7, 2, 2, -7], object)
    (found,) = evaluate(scheme_of(61), ranks, x)
    assert found.tolist() == [5, 2, 0, 3, 4, 1]


def test_what_it_costs() -> None:
    """A level for n = 7 has three comparators, each of a comparison (86 products) and a product."""
    demand, rounds = cost(scheme_of(61), sort, (7,))
    assert (demand.bit, demand.double) == (6 * 3 * 61, 6 * 3 * 87)
    assert rounds == 6 * (2 + 6 * 3 + 3)
    assert cost(scheme_of(61), ranks, (4,))[0].bit == 6 * 61
