"""1/x and 1/sqrt(x), against exact integers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcjax import circuits
from mpcjax.circuits.newton import plan
from mpcjax.errors import BoundError
from mpcjax.fields import F31, F61, Field
from mpcjax.offline import Demand
from tests.circuits._stock import cost, evaluate, randoms, scheme_of

WIDTH, SCALE, OUT = 40, 21, 25  # results need 46 bits
BOUND = 2**WIDTH - 1


def is_close_to_reciprocal(found: int, x: int, scale: int, out: int, error: Fraction) -> bool:
    exact = Fraction(1 << (scale + out), x)
    return abs(found - exact) <= error * exact + 1


def is_close_to_root(found: int, x: int, scale: int, out: int, error: Fraction) -> bool:
    """|Y - s| <= error s + 1 for s = sqrt(2^(scale + 2 out) / x), by comparing squares."""
    square = Fraction(1 << (scale + 2 * out), x)
    below, above = (found - 1) / (1 + error), (found + 1) / (1 - error)
    return max(below, 0) ** 2 <= square <= above**2


def check(circuit, close, root: bool) -> None:
    scheme = scheme_of(61)
    powers = [2**j + d for j in range(1, WIDTH) for d in (-1, 0, 1)]
    x = np.array([0, 1, BOUND, *powers, *(abs(randoms(BOUND - 1, 60)) + 1)], object)
    (found,) = evaluate(scheme, lambda rt, x: circuit(rt, x, SCALE, BOUND, OUT), x)
    error = Fraction(circuits.relative_error(scheme.field, root=root))
    assert found[0] == 0
    wrong = [(x[k], found[k]) for k in range(1, len(x)) if not close(int(found[k]), int(x[k]), SCALE, OUT, error)]
    assert not wrong


def test_reciprocal():
    check(circuits.reciprocal, is_close_to_reciprocal, False)


def test_inverse_sqrt():
    check(circuits.inverse_sqrt, is_close_to_root, True)


def test_stated_errors():
    """What the docstrings say; a float32 has 2^-24."""
    assert circuits.relative_error(F61, root=False) < 2**-28
    assert circuits.relative_error(F61, root=True) < 2**-25
    assert circuits.relative_error(F31, root=False) < 2**-13
    assert circuits.relative_error(F31, root=True) < 2**-10
    with pytest.raises(ValueError, match="13 bits"):
        circuits.relative_error(Field(13), root=False)


def iterate(how, nu: Fraction) -> Fraction:
    """The plan carried out on one number in [1/2, 1), or [1/4, 1) for the root, in exact integers."""
    cut = lambda bits: math.floor(nu * 2**bits)  # noqa: E731
    leading = 1 if nu >= Fraction(1, 2) else 2
    bit = lambda k: cut(leading + k) & 1  # noqa: E731
    selectors = [leading - 1, bit(1), bit(2)] if how.root else [bit(1), bit(2), bit(3)]
    products = [math.prod(s for k, s in enumerate(selectors) if code >> k & 1) for code in range(8)]
    a, b = (sum(c * s for c, s in zip(table, products, strict=True)) for table in (how.table_a, how.table_b))
    y = Fraction(a + b * cut(how.argument), 2**how.start)
    for last, bits in ((False, how.coarse), (True, how.fine)):
        near = Fraction(2 * cut(bits - 1) + 1, 2**bits)
        if last and how.root:
            assert abs(y * (1 - near * y * y)) <= how.residue
        y = y * (3 - near * y * y) / 2 if how.root else y * (2 - near * y)
        assert 0 < y < 2
        if not last:
            y = Fraction(math.floor(y * 2**how.middle + Fraction(1, 2)), 2**how.middle)
    return Fraction(math.floor(y * 2**how.last), 2**how.last)


@given(st.integers(0, 2**40 - 1), st.sampled_from([(31, False), (31, True), (61, False), (61, True)]))
def test_the_plan_keeps_its_promises(fraction, field_and_root):
    """Bounds and error of every step, in exact arithmetic, for arguments over the whole range."""
    exponent, root = field_and_root
    how = plan(exponent, root)
    low = Fraction(1, 4) if root else Fraction(1, 2)
    nu = low + (1 - low) * Fraction(fraction, 2**40)
    y, error = iterate(how, nu), Fraction(how.error)
    if root:
        assert (1 - error) ** 2 <= y * y * nu <= (1 + error) ** 2
    else:
        assert abs(y * nu - 1) <= error


def test_cost():
    scheme = scheme_of(61, 5, 2)

    def one(circuit):
        return cost(scheme, lambda rt, x: circuit(rt, x, 0, 2**60 - 1, 59), (1,))

    assert one(circuits.reciprocal) == (Demand(double=781, bit=183), 3 * 2 + 3 * 35)
    assert one(circuits.inverse_sqrt) == (Demand(double=845, bit=244), 4 * 2 + 3 * 42)


@pytest.mark.parametrize(
    ("circuit", "scale", "bound", "out", "least"),
    [
        (circuits.reciprocal, 0, 2**60, 10, 1),
        (circuits.reciprocal, 30, 100, 30, 1),
        (circuits.reciprocal, 30, 100, 31, 2),
        (circuits.inverse_sqrt, 0, 2**60, 10, 1),
        (circuits.inverse_sqrt, 40, 100, 40, 1),
    ],
)
def test_results_that_do_not_fit_are_refused(circuit, scale, bound, out, least):
    with pytest.raises(BoundError, match="larger `least`"):
        cost(scheme_of(61), lambda rt, x: circuit(rt, x, scale, bound, out, least=least), (1,))
