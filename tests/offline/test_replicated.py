"""Sharings of three parties from keys that two of them have in common: right, uniform, and harmless whatever keys are sent."""

from __future__ import annotations

import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax.errors import Abort
from mpcjax.fabric import Message, Simulated, run
from mpcjax.fields import F31, F61, Field
from mpcjax.offline import Demand, count, prepare
from mpcjax.offline.replicated import _of_degree_one, _zero_of_degree_two, make_sharings, suits
from mpcjax.prg import Stream
from mpcjax.protocols import multiply, open_now, verify
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir
from tests.sharing._haste import hasty

SEED = bytes(range(32))
TINY = Shamir(Field(3), 3, 1)


def runtime(scheme: Shamir, fabric: Any, seed: Any = SEED) -> Runtime:
    return Runtime(scheme, fabric, Stream.from_seed(seed).per_row("party", fabric.rows), None)  # type: ignore[arg-type]


def test_whom_it_suits() -> None:
    assert suits(TINY)
    assert not any(suits(Shamir(F61, m, t)) for m, t in [(2, 0), (3, 0), (4, 1), (5, 2)])


@pytest.mark.parametrize("field", [F61, F31, Field(5)], ids=repr)
def test_sharings_are_right(field: Field) -> None:
    scheme, amounts = Shamir(field, 3, 1), (7, 5, 4)
    stock = hasty(lambda seed: make_sharings(runtime(scheme, Simulated(3), seed), *amounts))(
        np.arange(8, dtype=np.uint32)
    )
    (random,), (low, high), (zero,) = (stock.arrays[kind] for kind in ("random", "double", "zero"))
    assert (random.shape, low.shape, high.shape) == ((3, 7), (3, 5), (3, 5))
    everything = np.concatenate([random, low], axis=1)
    assert np.all(scheme.consistent(everything))
    assert np.array_equal(scheme.reconstruct(low), scheme.reconstruct(high, 2))
    assert zero.shape == (3, 4) and not np.any(scheme.reconstruct(zero, 2))
    if field.exponent > 30:
        assert len(np.unique(scheme.reconstruct(everything))) == 12
        assert not np.any(scheme.consistent(high)), "of degree 2, not 1"


@pytest.mark.parametrize("corrupt", range(3))
def test_what_a_party_knows_says_nothing_about_the_rest(corrupt: int) -> None:
    """All 7^6 values of the keys in common: given those that a party knows, the secret and the others' shares of degree 2
    are uniform, every one of the 49 possible once."""
    rt = runtime(TINY, Simulated(3))
    every = np.array(list(itertools.product(range(7), repeat=6)), np.uint32)
    values = every.T.reshape(2, 3, -1)  # [of degree 1 or of zero, key, run]
    own, before = values, np.roll(values, 1, axis=1)
    low = np.asarray(_of_degree_one(rt, own[0], before[0]))
    high = (low + np.asarray(_zero_of_degree_two(rt, own[1], before[1]))) % 7
    assert np.all(TINY.consistent(low))
    secret = np.asarray(TINY.reconstruct(low))
    assert np.array_equal(secret, TINY.reconstruct(high, 2))
    known = [values[k, key] for k in range(2) for key in (corrupt, (corrupt - 1) % 3)]
    codes = np.ravel_multi_index((*known, secret, high[corrupt - 1]), (7,) * 6)
    assert len(np.unique(codes)) == 7**6
    seen = np.ravel_multi_index((*known, low[corrupt], high[corrupt]), (7,) * 6)
    assert len(np.unique(seen)) == 7**4, "its shares follow from what it knows"


def test_one_key_is_all_that_is_sent() -> None:
    _, ledger = count(lambda rt: prepare(rt, Demand(random=50, double=70)), Shamir(F61, 3, 1))
    assert (ledger.rounds, ledger.sent) == (1, 2 * 32)


def test_the_same_in_one_process_and_between_parties() -> None:
    def material(fabric: Any) -> Any:
        stock = prepare(runtime(Shamir(F61, 3, 1), fabric), Demand(random=3, double=3))
        return [np.asarray(part) for kind in ("random", "double") for part in stock.arrays[kind]]

    apart = [np.concatenate(parts) for parts in zip(*run(3, material), strict=True)]
    for fabric in (Simulated(3), Simulated(3, lambda message, x: x)):
        for together, part in zip(material(fabric), apart, strict=True):
            np.testing.assert_array_equal(together, part)


def wrong_key(message: Message, x: Any) -> Any:
    """The first party sends the next another key than the one it uses."""
    return x.at[0, 1, 0].set(x[0, 1, 0] ^ 1) if message.label.startswith("keys") and 0 in message.rows else x


def test_a_wrong_key_is_no_wrong_result() -> None:
    """Two shares are always of some value. What the third says of a product then fails its verification."""

    def party(fabric: Any) -> Any:
        rt = runtime(Shamir(F61, 3, 1), fabric)
        stock = prepare(rt, Demand(random=30, double=40))
        x, y = stock.take("random", (2,))[0], stock.take("random", (2,))[0]
        rt.material = stock
        z = multiply(rt, x, y)
        verify(rt)
        return open_now(rt, rt.field.sub(z, z), "output", output=True)

    assert all(isinstance(outcome, Abort) for outcome in run(3, party, {0: wrong_key}))
    assert all(jnp.all(outcome == 0) for outcome in run(3, party))
