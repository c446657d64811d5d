"""Random and double sharings of three parties, expanded from keys that two of them have in common: nothing else is sent.

Party j sends the next one a key, once; what the two expand from it they both know, and the third does not. Each of these
values n is shared by a polynomial that is 0 at the third party, n times x_3 - x or a multiple, so everybody computes its
share of the sum alone; of degree 2, the differences of what a party has in common with the next and with the one before
add up to 0 (Cramer, Damgard, Ishai 2005, sections 3 and 4; Gennaro et al. 2001 call the sharing replicated).

Guarantee (t = 1, m = 3, active): the values of the two honest parties alone are those of one of each sharing, and nobody
else knows the key that they have in common, so that it is uniform whatever keys the third has sent. There is nothing to check:
the shares of two parties lie on a line, whatever they are, and a wrong share of degree 2 is an error at its opening, which the
verification of products catches. Of more parties the keys would be many: C(m, t), each known to m - t.
Cost: one key and one round. Revealed: nothing.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np

from mpcjax.offline.demand import Stock
from mpcjax.offline.keys import exchanged
from mpcjax.prg import Stream, uniform_of_several
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir


def suits(scheme: Shamir) -> bool:
    """Whether these are three parties of which one may be corrupt."""
    return (scheme.parties, scheme.threshold) == (3, 1)


def make_sharings(rt: Runtime, random: int, double: int, zero: int = 0) -> Stock:
    """A stock of `random`, `double` and `zero` sharings."""
    of_one, of_two = _common(rt, _keys(rt), {"degree t": double + random, "zero of degree 2t": double + zero})
    low, gaps = _of_degree_one(rt, *of_one), _zero_of_degree_two(rt, *of_two)
    halves = low[:, :double], rt.field.add(low[:, :double], gaps[:, :double])
    return Stock({"random": (low[:, double:],), "double": halves, "zero": (gaps[:, double:],)})


def _keys(rt: Runtime) -> tuple[Any, Any]:
    """What every party has in common with the next, and with the one before it: `[rows, 8]` each."""
    own = rt.stream.words(rt.fresh("keys"), 8)
    is_next = jnp.asarray(_NEXT)[rt.fabric.rows]
    received = exchanged(rt, jnp.where(is_next[..., None], own[:, None], np.uint32(0)))
    return own, _from_previous(rt, received)


_NEXT = np.roll(np.eye(3, dtype=bool), 1, axis=1)  # [party, party]


def _common(rt: Runtime, keys: tuple[Any, Any], counts: dict[str, int]) -> list[tuple[Any, Any]]:
    """The same elements of each label, `[rows, count]` both. Where all parties are in one process they are expanded once."""
    rows, parties = len(rt.fabric.rows), rt.scheme.parties

    def expanded(key: Any) -> list[Any]:
        stream = Stream(key)
        found = uniform_of_several(rt.field, *((stream, label, count) for label, count in counts.items()))
        return [jnp.broadcast_to(values[:, None], (rows, parties, values.shape[1])) for values in found]

    known, of_previous = ~np.eye(parties, dtype=bool), cache(lambda: expanded(keys[1]))

    def received(k: int, label: str, own: Any) -> Any:
        return _from_previous(rt, rt.fabric.exchange_rest(own, rt.fresh(label), known, lambda: of_previous()[k]))

    own = expanded(keys[0])
    return [(own[k][:, 0], received(k, label, own[k])) for k, label in enumerate(counts)]


def _from_previous(rt: Runtime, x: Any) -> Any:
    """Of `x [rows, sender, ...]` what comes from the party before: `[rows, ...]`."""
    rows = _as(x[:, 0], jnp.asarray(rt.fabric.rows))
    return jnp.where(rows == 0, x[:, 2], jnp.where(rows == 1, x[:, 0], x[:, 1]))


def _as(x: Any, per_row: Any) -> Any:
    return per_row.reshape(-1, *(1,) * (x.ndim - 1))


def _of_degree_one(rt: Runtime, own: Any, before: Any) -> Any:
    """3 - x at 1 and 2 times what parties 1 and 2 know, x - 1 at 2 and 3, x - 2 at 3 and 1: 2 and 1, 1 and 2, 1 and -1."""
    field, rows = rt.field, _as(own, jnp.asarray(rt.fabric.rows))
    own = jnp.where(rows == 0, field.double(own), own)
    before = jnp.where(rows == 0, field.neg(before), jnp.where(rows == 2, field.double(before), before))
    return field.add(own, before)


def _zero_of_degree_two(rt: Runtime, own: Any, before: Any) -> Any:
    """Own less before, d, adds up to 0. The weights of reconstruction are 3, -3, 1, so shares d, -d, 3 d are of 0."""
    field, rows = rt.field, _as(own, jnp.asarray(rt.fabric.rows))
    gap = field.sub(jnp.where(rows == 1, before, own), jnp.where(rows == 1, own, before))
    return jnp.where(rows == 2, field.scale_small(gap, 3), gap)
