"""Random and double sharings made by the parties themselves (Beerliova-Trubiniova, Hirt 2008; Damgard, Nielsen 2007).

Every party deals random values; a hyper-invertible matrix maps the m dealings to m - t that are uniform whatever the t
corrupt dealers did, because any m - t of its rows are invertible. Before they are used, a random combination of the
dealt sharings, masked by one that is thrown away, is opened: it has degree t (and 2t), and both halves of a double
sharing agree. At m = 2t + 1 a sharing of degree 2t has no redundancy: a wrong one is then the same thing as an error at
its opening, which the verification of products catches.

Of a dealer's shares of degree t those of t other parties, and of degree 2t those of 2t others, are expanded by these
parties from keys that the dealer sent them: at m = 2t + 1 nothing else of degree 2t is sent.

Cost per random sharing and party: (m - t - 1) / (m - t) elements; per double sharing (m - 2t - 1) / (m - t) more. 3 or 4
rounds and a coin.
Revealed: nothing. Guarantee: each wrong dealing passes with probability at most 2**-SECURITY_BITS.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np

from mpcjax.fields import kernels, linalg
from mpcjax.offline.demand import Stock
from mpcjax.offline.keys import exchanged
from mpcjax.prg import Stream, uniform_of_several
from mpcjax.protocols.coin import first_coin
from mpcjax.protocols.weights import missed, weights_of
from mpcjax.runtime import Runtime
from mpcjax.sharing import expanding, share_to_others

LOW, HIGH = "degree t", "degree 2t"


def make_sharings(rt: Runtime, random: int, double: int, zero: int = 0) -> Stock:
    """A stock of verified `random`, `double` and `zero` sharings. One of zero is the difference of two halves."""
    outputs = rt.scheme.parties - rt.scheme.threshold
    masks = rt.repetitions(missed(rt.field))
    pairs, singles = -(-(double + zero) // outputs), -(-random // outputs)
    low, high = _deal_all(rt, masks + pairs, singles)
    _check(rt, first_coin(rt), low, high, masks)
    sharings, other = _extract(rt, low[..., masks:]), _extract(rt, high[..., masks:])
    start, both = outputs * pairs, slice(double, double + zero)
    gaps = rt.field.sub(other[:, both], sharings[:, both])
    halves = sharings[:, :double], other[:, :double]
    return Stock({"random": (sharings[:, start : start + random],), "double": halves, "zero": (gaps,)})


def _deal_all(rt: Runtime, pairs: int, singles: int) -> tuple[Any, Any]:
    """Every party deals random values: `[rows, dealer, pairs + singles]` of degree t, the first `pairs` of degree 2t too."""
    t, rows, both = rt.scheme.threshold, len(rt.fabric.rows), pairs + singles
    sent = rt.stream.words(rt.fresh("keys"), 16 * t).reshape(rows, 2 * t, 8)
    received = _exchanged(rt, sent) if t else sent
    first, every = Stream(sent[:, :t].reshape(-1, 8)), Stream(sent.reshape(-1, 8))
    values, *noise = uniform_of_several(
        rt.field, (rt.stream, rt.fresh("values"), both), (first, LOW, both), (every, HIGH, pairs)
    )

    @cache
    def of_others() -> list[Any]:
        theirs = Stream(received.reshape(-1, 8))
        return uniform_of_several(rt.field, (theirs, LOW, both), (theirs, HIGH, pairs))

    low = _deal(rt, values, noise[0], LOW, lambda: of_others()[0])
    return low, _deal(rt, values[:, :pairs], noise[1], HIGH, lambda: of_others()[1])


def _exchanged(rt: Runtime, keys: Any) -> Any:
    """Every party sends `keys [rows, 2t, 8]` to the first 2t others: `[rows, dealer, 8]`, zeros from the rest."""
    receivers = expanding(rt.scheme.parties, keys.shape[1])
    slots = jnp.asarray(np.cumsum(receivers, axis=1, dtype=np.int32))[rt.fabric.rows]  # 1, 2, ... at who gets one
    gets = jnp.asarray(receivers)[rt.fabric.rows]
    placed = jnp.take_along_axis(keys, jnp.maximum(slots - 1, 0)[..., None], axis=1)
    return exchanged(rt, jnp.where(gets[..., None], placed, np.uint32(0)))


def _deal(rt: Runtime, values: Any, noise: Any, label: str, of_others: Callable[[], Any]) -> Any:
    """Every party deals `values [rows, count]` with `noise [rows degree, count]`: `[rows, dealer, count]`."""
    m, (rows, count), degree = rt.scheme.parties, values.shape, len(noise) // len(values)
    noise = noise.reshape(rows, degree, count)
    shares = share_to_others(rt.field, m, rt.fabric.rows, values, noise)
    if not degree:
        return rt.fabric.exchange(shares, rt.fresh(f"deal {label}"))
    return rt.fabric.exchange_rest(
        shares, rt.fresh(f"deal {label}"), expanding(m, degree), lambda: of_others().reshape(rows, m, count)
    )


def _extract(rt: Runtime, dealt: Any) -> Any:
    """`[rows, dealer, B]` to `[rows, (m - t) B]` by the hyper-invertible matrix, block by block in a fixed order."""
    m, outputs = rt.scheme.parties, rt.scheme.parties - rt.scheme.threshold
    mixed = linalg.apply_static(rt.field, linalg.hyper_invertible(rt.field, outputs, m), dealt, axis=1)
    return jnp.swapaxes(mixed, 1, 2).reshape(dealt.shape[0], -1)


def _check(rt: Runtime, public: Stream, low: Any, high: Any, masks: int) -> None:
    """Open masked random combinations of every dealer's dealings; the first `masks` columns are the masks.

    The halves of a double sharing are compared through their difference, a sharing of zero of degree 2t. Its mask is
    again a difference of two masks with independent noise, so the two openings together reveal nothing.
    """
    weights = weights_of(public, "weights", rt.field, masks, low.shape[-1] - masks)
    pairs = high.shape[-1]
    sums = _combined(rt, low, weights)
    gaps = _combined(rt, rt.field.sub(low[..., :pairs], high), weights[:, : pairs - masks])
    opened = rt.fabric.broadcast(jnp.stack([sums, gaps], axis=1), rt.fresh("check dealings"))
    rt.check("double degree", rt.scheme.consistent(opened[:, 0], rt.scheme.threshold))
    rt.check("double degree", rt.scheme.consistent(opened[:, 1], 2 * rt.scheme.threshold))
    rt.check("double value", rt.scheme.reconstruct(opened[:, 1], 2 * rt.scheme.threshold) == 0)


def _combined(rt: Runtime, dealt: Any, weights: Any) -> Any:
    """`[rows, dealer, R + B]` with weights `[R, B]`: mask r + sum_b weights[r, b] dealt[b], `[rows, dealer, R]`."""
    repeats = weights.shape[0]
    sums = kernels.inner(rt.field, dealt[..., None, repeats:], weights)
    return rt.field.add(dealt[..., :repeats], sums)
