"""Counting what a program needs and handing it out: exact, in order, every item once."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax import protocols
from mpcjax.errors import OrderError
from mpcjax.fabric import Simulated
from mpcjax.fields import F31, F61, Field
from mpcjax.offline import Counter, Demand, Stock, count
from mpcjax.offline.demand import KINDS, PARTS, merge
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir

SCHEME = Shamir(F31, 3, 1)
DEMAND = Demand(random=5, double=4, zero=6, bit=3, triple=2)


def numbered(demand: Demand) -> Stock:
    """A stock whose items are the numbers 0, 1, ... (plus 100 per part and 1000 per row)."""
    arrays = {}
    for kind in KINDS:
        amount = getattr(demand, kind)
        base = np.arange(amount) + 1000 * np.arange(3)[:, None]
        arrays[kind] = tuple(jnp.asarray((base + 100 * part).astype(np.uint32)) for part in range(PARTS[kind]))
    return Stock(arrays)


@pytest.mark.parametrize("kind", KINDS)
def test_every_item_is_handed_out_once(kind: str) -> None:
    stock, amount = numbered(DEMAND), getattr(DEMAND, kind)
    takes = [stock.take(kind, shape) for shape in [(1,), (), (amount - 2, 1)]]
    for part in range(PARTS[kind]):
        handed = np.concatenate([np.asarray(take[part]).reshape(3, -1) for take in takes], axis=1)
        assert np.array_equal(handed, stock.arrays[kind][part]), "all of it, in order, the same columns of every row"
    with pytest.raises(OrderError, match=f"1 more of kind '{kind}' asked for, 0 of {amount} left"):
        stock.take(kind, (1,))


def test_too_much_is_refused_and_takes_nothing() -> None:
    stock = numbered(DEMAND)
    with pytest.raises(OrderError, match="6 more of kind 'random' asked for, 5 of 5 left"):
        stock.take("random", (2, 3))
    assert np.array_equal(stock.take("random", (5,))[0][0], np.arange(5))


def test_a_kind_that_was_not_prepared() -> None:
    with pytest.raises(OrderError, match="0 of 0 left"):
        Stock({}).take("bit", (1,))


def test_split_hands_every_part_its_own() -> None:
    demands = [Demand(random=2, bit=1), Demand(), Demand(random=3, double=4, bit=2, triple=2)]
    parts = numbered(DEMAND).split(demands)
    assert [sorted(part.arrays) for part in parts] == [["bit", "random"], [], ["bit", "double", "random", "triple"]]
    assert np.array_equal(
        jnp.concatenate([parts[0].arrays["random"][0], parts[2].arrays["random"][0]], axis=1)[0], range(5)
    )
    with pytest.raises(OrderError):
        numbered(DEMAND).split([*demands, Demand(random=1)])


def test_merge_and_the_way_through_a_compiled_program() -> None:
    parts = numbered(DEMAND).split([Demand(random=5), Demand(double=4)])
    stock = merge(parts)
    again = jax.jit(lambda s: s)(stock)
    assert sorted(again.arrays) == ["double", "random"]
    assert np.array_equal(again.take("double", (4,))[1], stock.take("double", (4,))[1])


@pytest.mark.parametrize("scheme", [SCHEME, Shamir(Field(5), 4, 1)], ids=str)
def test_what_is_counted_is_what_is_taken(scheme: Shamir) -> None:
    """A program runs with exactly its counted demand, and with one item less of any kind it does not."""

    def program(rt: Runtime) -> None:
        x = rt.take("bit", (2,))
        z = protocols.multiply(rt, x, rt.take("random", (2,)))
        protocols.beaver(rt, z, x)

    demand, _ = count(program, scheme)
    robust = scheme.robust
    assert (demand.bit, demand.double, demand.triple) == (2, 0 if robust else 2, 4 if robust else 2)

    def traced(stock: Stock) -> dict[str, int]:
        rt = Runtime(scheme, Simulated(scheme.parties), None, stock)  # type: ignore[arg-type]
        jax.eval_shape(lambda: program(rt))
        return stock.used

    stock = zeros(scheme, demand)
    assert traced(stock) == {kind: getattr(demand, kind) for kind in KINDS}
    for kind in KINDS:
        if getattr(demand, kind):
            less = Demand(**{k: getattr(demand, k) - (k == kind) for k in KINDS})
            with pytest.raises(OrderError, match=f"kind '{kind}'"):
                traced(zeros(scheme, less))


def zeros(scheme: Shamir, demand: Demand) -> Stock:
    held = {kind: scheme.field.zeros((scheme.parties, getattr(demand, kind))) for kind in KINDS}
    return Stock({kind: (held[kind],) * PARTS[kind] for kind in KINDS})


def test_the_counter_hands_out_zeros_of_the_right_shape() -> None:
    counter = Counter(F61, 3)
    low, high = counter.take("double", (2, 4))
    assert low.shape == high.shape == (3, 2, 4)
    assert low.dtype == F61.dtype
    assert counter.demand == Demand(double=8)
    assert counter.demand + Demand(bit=1) == Demand(double=8, bit=1)
