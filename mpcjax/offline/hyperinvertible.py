"""Random and double sharings made by the parties themselves (Beerliova-Trubiniova, Hirt 2008; Damgard, Nielsen 2007).

Every party deals random values; a hyper-invertible matrix maps the m dealings to m - t that are uniform whatever the t
corrupt dealers did, because any m - t of its rows are invertible. Before they are used, a random combination of the
dealt sharings, masked by one that is thrown away, is opened: it has degree t (and 2t), and both halves of a double
sharing agree. At m = 2t + 1 a sharing of degree 2t has no redundancy: a wrong one is then the same thing as an error at
its opening, which the verification of products catches.

Cost per double sharing and party: 2 (m - 1) / (m - t) elements; per random sharing half of it. 3 rounds and a coin.
Revealed: nothing. Guarantee: each wrong dealing passes with probability at most 2**-SECURITY_BITS.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from mpcjax.fields import kernels, linalg
from mpcjax.offline.demand import Stock
from mpcjax.prg import Stream
from mpcjax.protocols.coin import first_coin
from mpcjax.runtime import Runtime


def make_sharings(rt: Runtime, random: int, double: int) -> Stock:
    """A stock of verified `random` and `double` sharings."""
    outputs = rt.scheme.parties - rt.scheme.threshold
    masks = rt.repetitions(1 / rt.field.modulus)
    pairs, singles = -(-double // outputs), -(-random // outputs)
    low, high = _deal_all(rt, masks + pairs, singles)
    _check(rt, first_coin(rt), low, high, masks)
    sharings = _extract(rt, low[..., masks:])
    start = outputs * pairs
    halves = sharings[:, :double], _extract(rt, high[..., masks:])[:, :double]
    return Stock({"random": (sharings[:, start : start + random],), "double": halves})


def _deal_all(rt: Runtime, pairs: int, singles: int) -> tuple[Any, Any]:
    """Every party deals random values: `[rows, dealer, pairs + singles]` of degree t, the first `pairs` of degree 2t too."""
    t, count = rt.scheme.threshold, pairs + singles
    own = rt.stream.uniform(rt.fresh("deal"), rt.field, ((t + 1) * count + 2 * t * pairs,))  # one keystream for all
    values, low, high = jnp.split(own, [count, (t + 1) * count], axis=1)
    return _deal(rt, values, low, t, "degree t"), _deal(rt, values[:, :pairs], high, 2 * t, "degree 2t")


def _deal(rt: Runtime, values: Any, noise: Any, degree: int, label: str) -> Any:
    """Every party deals `values [rows, count]` with `noise [rows, degree * count]`: `[rows, dealer, count]`."""
    shares = rt.scheme.share(values, jnp.moveaxis(noise.reshape(noise.shape[0], degree, values.shape[1]), 1, 0))
    return rt.fabric.exchange(jnp.moveaxis(shares, 0, 1), rt.fresh(f"deal {label}"))


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
    weights = public.uniform("weights", rt.field, (masks, low.shape[-1] - masks))[0]
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
