"""Comparisons, and what is built on one: select, relu, maximum, minimum."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax import circuits
from mpcjax.circuits import bits
from mpcjax.fabric import Simulated, run
from mpcjax.offline import Demand, Stock, count
from mpcjax.protocols import verify
from tests.circuits._stock import (
    QUICK,
    HostDealer,
    cost,
    edges,
    evaluate,
    masked,
    randoms,
    reveal,
    runtime,
    scheme_of,
    whole_field,
    with_every_mask,
)


@pytest.mark.parametrize("exponent", [5, 7])
def test_exhaustively(exponent):
    """Every value under every mask."""
    scheme = scheme_of(exponent)
    x, r, bits = with_every_mask(scheme, whole_field(scheme))

    def circuit(rt, *shares):
        return masked(circuits.is_negative)(rt, *shares), masked(circuits.is_zero)(rt, *shares)

    negative, zero = evaluate(scheme, circuit, x, r, bits)
    assert (negative == (x < 0)).all()
    assert (zero == (x == 0)).all()


@pytest.mark.parametrize("exponent", [31, 61])
def test_in_the_large_fields(exponent):
    scheme = scheme_of(exponent)
    x = np.concatenate([edges(scheme), randoms(scheme.field.modulus // 2, 100)])
    mask = np.random.default_rng(4).integers(0, scheme.field.modulus, len(x)).astype(object)
    bits = np.stack([mask >> i & 1 for i in range(exponent)], axis=-1)
    (found,) = evaluate(scheme, masked(circuits.is_negative), x, mask, bits)
    assert (found == (x < 0)).all()


@pytest.mark.parametrize("width", [1, 7, 19])
def test_small(width):
    scheme = scheme_of(61)
    limit = 2**width - 1
    x = np.concatenate([np.arange(-min(limit, 5), min(limit, 5) + 1), [limit, -limit], randoms(limit, 20)])
    (found,) = evaluate(scheme, lambda rt, x: circuits.is_negative_small(rt, x, width), x)
    assert (found == (x < 0)).all()


def test_choices():
    scheme = scheme_of(61)
    x, y = np.array([3, -7, 0, 6, 6]), np.array([4, 7, 0, 6, 5])

    def circuit(rt, x, y):
        chosen = circuits.minimum(rt, x, y, width=4), circuits.maximum(rt, x, y, width=4)
        return *chosen, circuits.less_than(rt, x, y, width=4), circuits.relu(rt, x, width=4)

    small, large, smaller, positive = evaluate(scheme, circuit, x, y)
    assert (smaller == (x < y)).all()
    assert (small == np.minimum(x, y)).all() and (large == np.maximum(x, y)).all()
    assert (positive == np.maximum(x, 0)).all()


@pytest.mark.parametrize(
    ("circuit", "products", "bits", "levels"),
    [
        (circuits.is_negative, 86, 61, 6),
        (circuits.is_zero, 60, 61, 6),
        (lambda rt, x: circuits.is_negative_small(rt, x, 19), 23, 60, 5),
        (lambda rt, x: circuits.is_negative(rt, x, width=19), 23, 60, 5),
        (lambda rt, x: circuits.is_negative(rt, x, width=20), 86, 61, 6),
        (lambda rt, x: circuits.is_negative_small(rt, x, 7), 7, 48, 3),
        (lambda rt, x: circuits.less_than(rt, x, x), 86, 61, 6),
        (circuits.relu, 87, 61, 7),
        (lambda rt, x: circuits.maximum(rt, x, x), 87, 61, 7),
        (lambda rt, x: circuits.minimum(rt, x, x, width=7), 8, 48, 4),
    ],
)
def test_cost(circuit, products, bits, levels):
    """Products and bits per value; 2 rounds for the opening and 3 a level."""
    assert cost(scheme_of(61, 5, 2), circuit, (1,)) == (Demand(double=products, bit=bits), 2 + 3 * levels)


def test_cost_of_many_and_of_other_committees():
    """Nothing but the opening changes from 64 values on; nothing depends on the committee's size."""
    many = cost(scheme_of(61, 5, 2), circuits.is_negative, (10, 10))
    assert many == (Demand(double=8600, bit=6100), 3 + 3 * 6)
    assert cost(scheme_of(61, 3, 1), circuits.is_negative, (10, 10)) == many


@pytest.mark.parametrize(
    "circuit",
    [circuits.is_negative, circuits.decompose, lambda rt, x: circuits.truncate(rt, x, 20, 2**59), circuits.is_zero],
)
def test_few_numbers_take_the_same_rounds_and_at_most_half_as_many_products_more(circuit):
    scheme = scheme_of(61, 5, 2)
    (least, rounds), (few, as_loops) = (cost(scheme, circuit, (25,), few=few) for few in (0, bits.FEW))
    assert rounds == as_loops
    assert (least.random, least.bit) == (few.random, few.bit)
    assert least.double <= few.double <= 1.5 * least.double


def test_both_fabrics_give_the_same_bits():
    scheme = scheme_of(5)
    dealer = HostDealer(scheme)
    x = np.arange(-15, 16, 5)
    mask = np.arange(7) * 4
    inputs = [jnp.asarray(dealer.share(v)) for v in (x, mask, mask[:, None] >> np.arange(5) & 1)]
    demand, ledger = count(lambda rt: masked(circuits.is_negative)(rt, *inputs), scheme)
    stock = dealer.stock(demand)

    def party(fabric):
        mine = slice(None) if len(fabric.rows) == 3 else slice(fabric.rows[0], fabric.rows[0] + 1)
        own = Stock({kind: tuple(part[mine] for part in parts) for kind, parts in stock.arrays.items()})
        found = masked(circuits.is_negative)(runtime(scheme, own, fabric), *(v[mine] for v in inputs))
        assert fabric.ledger.rounds == ledger.rounds
        return found

    together, apart = np.asarray(jax.jit(lambda: party(Simulated(3)))()), run(3, party)
    assert all(not isinstance(outcome, Exception) for outcome in apart), apart
    assert (np.concatenate(apart) == together).all()
    assert (reveal(scheme, jnp.asarray(together)) == (x < 0)).all()


def test_verification_catches_a_lying_king():
    """One wrong value told by one king inside the comparison; without it everything passes."""
    scheme, x = scheme_of(61), np.array([5, -5])
    dealer = HostDealer(scheme)
    shares = jnp.asarray(dealer.share(x))

    def circuit(rt, shares):
        found = circuits.is_negative(rt, shares)
        verify(rt)
        return found

    def program(stock, error):
        def tamper(message, values):
            wrong = message.label.startswith("multiply#3") and message.label.endswith("from king")
            return values.at[1, 0].set(scheme.field.add(values[1, 0], error)) if wrong else values

        rt = runtime(scheme, stock, Simulated(3, tamper))
        return circuit(rt, shares), rt.verified

    demand, _ = count(lambda rt: circuit(rt, shares), scheme)
    play = jax.jit(program, compiler_options=QUICK)
    found, verified = play(dealer.stock(demand), jnp.uint64(0))
    assert bool(verified) and (reveal(scheme, found) == (x < 0)).all()
    for error in (1, 2, scheme.field.modulus - 1):
        _, verified = play(dealer.stock(demand), jnp.uint64(error))
        assert not bool(verified)


def test_robust_mode():
    """Beaver triples instead of double sharings (4 parties, one of them may be wrong)."""
    scheme = scheme_of(13, 4, 1)
    known = np.array([1, 0, 1])

    def circuit(rt, r):
        return circuits.less_than_public(rt, scheme.field.asarray(known), r)

    (found,) = evaluate(scheme, circuit, np.array([0, 1, 1]))
    assert found == 1
    demand, _ = cost(scheme, circuit, (3,))
    assert (demand.triple, demand.double) == (2, 0)
