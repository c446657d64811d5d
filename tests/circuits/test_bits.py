"""Masks with known bits, borrow chains, prefix products, bits of a number."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax import circuits
from mpcjax._compat import x64
from mpcjax.circuits import bits as bits_module
from mpcjax.circuits import spelling
from mpcjax.errors import Abort, BoundError
from mpcjax.offline import Demand, count
from tests.circuits._stock import (
    HostDealer,
    bits_of,
    cost,
    edges,
    evaluate,
    masked,
    randoms,
    runtime,
    scheme_of,
    whole_field,
    with_every_mask,
)


def mask_of(rt, like):
    return circuits.solved_bits(rt, like.shape[1:])


def mask_and_comparison(rt, x):
    mask = mask_of(rt, x)
    return *mask, circuits.is_negative(rt, x, mask=mask)


@pytest.mark.parametrize("width", [1, 7, 8, 9, 61])
def test_many_bits_spell_the_same_number(width, monkeypatch):
    field = scheme_of(61).field
    digits = field.from_int(np.random.default_rng(width).integers(0, 1 << 60, (3, 5, width)))
    with x64():
        expected = spelling.from_bits(field, jnp.asarray(digits))
        monkeypatch.setattr(spelling, "MANY", 0)
        assert (spelling.from_bits(field, jnp.asarray(digits)) == expected).all()


def test_rejected_candidates_are_those_that_spell_p(monkeypatch):
    """All patterns among the candidates: the kept ones are the first that are not all ones, in order."""
    scheme, amount = scheme_of(5), 31
    x = whole_field(scheme)
    demand, _ = cost(scheme, mask_of, (amount,))
    patterns = bits_of(np.arange(demand.bit // 5)[::-1] % 32, 5)
    given = {"bit": patterns.ravel(), "random": np.ones(demand.random, object)}
    monkeypatch.setattr(bits_module, "verify", lambda rt: None)  # see the next test
    value, bits, negative = evaluate(scheme, mask_and_comparison, x, **given)
    kept = patterns[patterns.sum(axis=1) < 5][:amount]
    assert (bits == kept).all()
    assert (value % 31 == (kept << np.arange(5)).sum(axis=1)).all()
    assert (negative == (x < 0)).all()


def test_masks_are_verified_before_they_are_handed_out():
    """A forged flag could choose the mask; so nothing is pending when a mask is there to be used."""

    def circuit(rt, x):
        rt.zeros.append(x.reshape(x.shape[0], -1))  # something pending from before is settled with it
        mask_of(rt, x)
        rt.require_settled("mask")

    demand, _ = cost(scheme_of(5), circuit, (3,))
    assert demand.random > 3  # coins and challenges of the verification


def test_too_few_masks_abort():
    scheme = scheme_of(5)
    shares = scheme.field.zeros((3, 1))
    demand, _ = count(lambda rt: mask_of(rt, shares), scheme)
    stock = HostDealer(scheme).stock(demand, bit=np.ones(demand.bit, object))
    with pytest.raises(Abort, match="mask"):
        mask_of(runtime(scheme, stock), shares)


def test_masks_of_the_large_field_are_free_up_to_two_to_the_21():
    """N 2^-61 <= 2^-40 for N <= 2^21; one more, and candidates are tested."""
    scheme = scheme_of(61)
    assert cost(scheme, mask_of, (1 << 21,)) == (Demand(bit=61 << 21), 0)
    demand, rounds = cost(scheme, mask_of, ((1 << 21) + 1,))
    assert demand.double > 1 << 21 and rounds > 0
    assert cost(scheme_of(31), mask_of, (1,))[0].double > 0  # 2^-31 is too much for even one


def test_less_than_public_exhaustively():
    scheme = scheme_of(5)
    c, r = (v.ravel() for v in np.mgrid[0:32, 0:32])
    known = bits_of(c, 5)

    def circuit(rt, r):
        return circuits.less_than_public(rt, scheme.field.asarray(known), r)

    (found,) = evaluate(scheme, circuit, bits_of(r, 5))
    assert (found == (c < r)).all()
    assert cost(scheme_of(61, 5, 2), lambda rt, r: circuits.less_than_public(rt, rt.field.zeros((61,)), r), (61,)) == (
        Demand(double=85),
        18,
    )


def test_prefix_products():
    scheme = scheme_of(13)
    x = np.random.default_rng(3).integers(0, scheme.field.modulus, (2, 11)).astype(object)
    (found,) = evaluate(scheme, circuits.prefix_products, x)
    assert (found % scheme.field.modulus == np.multiply.accumulate(x, axis=1) % scheme.field.modulus).all()


@pytest.mark.parametrize("exponent", [5, 7])
def test_decompose_exhaustively(exponent):
    """Every value under every mask."""
    scheme = scheme_of(exponent)
    x, r, bits = with_every_mask(scheme, whole_field(scheme))
    (found,) = evaluate(scheme, masked(circuits.decompose), x, r, bits)
    assert (found == bits_of(x % scheme.field.modulus, exponent)).all()


def test_decompose_to_fewer_bits_exhaustively():
    scheme = scheme_of(5)
    x, r, bits = with_every_mask(scheme, np.arange(8).astype(object))
    (found,) = evaluate(scheme, masked(lambda rt, x, mask: circuits.decompose(rt, x, width=3, mask=mask)), x, r, bits)
    assert (found == bits_of(x, 3)).all()


def test_decompose_in_the_large_field():
    scheme = scheme_of(61)
    x = np.concatenate([edges(scheme), randoms(scheme.field.modulus // 2, 50)])
    small = abs(x) % 2**16

    def circuit(rt, x, small):
        return circuits.decompose(rt, x), circuits.decompose(rt, small, width=16)

    whole, short = evaluate(scheme, circuit, x, small)
    assert (whole == bits_of(x % scheme.field.modulus, 61)).all()
    assert (short == bits_of(small, 16)).all()


def test_short_masks_are_refused_where_they_do_not_fit():
    scheme = scheme_of(61)
    cost(scheme, lambda rt, x: bits_module.short_mask(rt, (), 20).value, ())
    with pytest.raises(BoundError, match="21 \\+ 40"):
        cost(scheme, lambda rt, x: bits_module.short_mask(rt, (), 21).value, ())


def test_decompose_cost():
    scheme = scheme_of(61, 5, 2)
    assert cost(scheme, circuits.decompose, (1,)) == (Demand(double=249, bit=61), 2 + 3 * 7)
    assert cost(scheme, circuits.decompose, (100,)) == (Demand(double=24900, bit=6100), 3 + 3 * 7)
    short = cost(scheme, lambda rt, x: circuits.decompose(rt, x, width=16), (1,))
    assert short == (Demand(double=42, bit=56), 2 + 3 * 4)
