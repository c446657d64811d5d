"""Contractions over arrays too large for the cache, each in one pass over its operands.

All are exact for every exponent and can be traced under jit, vmap and scan.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.fields import _sums, _words
from mpcjax.fields.mersenne import Array, Field, Operand


def inner(field: Field, x: Array, w: Array) -> jax.Array:
    """x [..., d], w [d] or broadcastable: sum_k w_k x_k -> [...]."""
    return field.dot(x, w)


def weighted_squares(field: Field, x: Array, w: Array) -> jax.Array:
    """x [..., d], w [d] or broadcastable: sum_k w_k x_k**2 -> [...]."""
    return _weighted_squares(field, field.asarray(x), field.asarray(w))


def combine(field: Field, weights: Operand, x: Array, axis: int = 0) -> jax.Array:
    """``Field.combine``: weights [n] or [..., n] (public or shares alike), x [..., n, d] -> [..., d]."""
    return field.combine(weights, x, axis)


def fold_groups(field: Field, x: Array, v: Operand, width: int = 4) -> jax.Array:
    """x [..., n, d] in ``width`` blocks of g = ceil(n / width) rows: sum_c v**c block_c -> [..., g, d].

    Row j of the result belongs to rows j, g + j, 2g + j, ... of x; rows that x lacks count as zero. v is a scalar of
    the field, or an array broadcastable to [..., g, d].
    """
    if width < 1:
        raise ValueError(f"width is {width}: legal is 1 or more")
    return _fold_groups(field, field.asarray(x), field.asarray(v), width)


def cross_terms(field: Field, x: Array, w: Array) -> jax.Array:
    """x [..., n, d] in 4 blocks of g = ceil(n / 4) rows (as in ``fold_groups``), w [d] -> [..., g, 5].

    With B_ij = sum_k w_k x_i,k x_j,k for the rows of one group: the numbers 2 B01, 2 B02, 2 (B03 + B12), 2 B13,
    2 B23. They are what the coefficients of v, v**2, ..., v**5 of Q(x0 + v x1 + v**2 x2 + v**3 x3), for
    Q(y) = sum_k w_k y_k**2, hold besides the four Q(x_i).
    """
    return _cross_terms(field, field.asarray(x), field.asarray(w))


@jax.jit
def squared_norms(x: Any) -> jax.Array:
    """Signed integers x [..., d], d < 2**31 -> sum_k x_k**2 [...] as uint64, exact below 2**62, and 2**62 from there on."""
    size = jnp.abs(jnp.clip(x.astype(jnp.int64), -(1 << 31), 1 << 31)).astype(jnp.uint64)
    low, high = _sums.exact([size * size], (x.ndim - 1,))
    high, low = high + (low >> np.uint64(32)), low & np.uint64(0xFFFFFFFF)
    top = np.uint64(1 << 30)
    return jnp.where(high < top, high << np.uint64(32) | low, top << np.uint64(32))


def powers(field: Field, v: Operand, count: int) -> jax.Array:
    """1, v, ..., v**(count - 1) for v [...]: [..., count]. A loop, for a few v: it compiles fast."""
    return _powers(field, field.asarray(v), count)


def materialized(function: Callable[..., jax.Array], x: Array, *more: Array) -> jax.Array:
    """``function(x, ...)`` for field elements x, computed once.

    Left to itself XLA's CPU compiler fuses a long sum into every later use, or into a loop in another order, and
    computes it there anew (20 times the time of a secret linear combination). It never fuses across a branch, so the
    function is put behind one that is always taken: the top bit of an element is zero.
    """
    first = x.ravel()[0]
    taken = first >> (8 * first.dtype.itemsize - 1) == 0
    out = jax.eval_shape(function, x, *more)
    # no constant of 64 bits: it would be cut to 32 inside a jit of the user's (jax 0.7)
    return jax.lax.cond(taken, function, lambda *_: jnp.broadcast_to(first ^ first, out.shape), x, *more)


@functools.partial(jax.jit, static_argnums=(0, 2))
def _powers(field: Field, v: jax.Array, count: int) -> jax.Array:
    _, found = jax.lax.scan(lambda power, _: (field.mul(power, v), power), field.ones(v.shape), None, length=count)
    return jnp.moveaxis(found, 0, -1)


@functools.partial(jax.jit, static_argnums=0, inline=True)
def _weighted_squares(field: Field, x: jax.Array, w: jax.Array) -> jax.Array:
    e = field.exponent
    w = jnp.broadcast_to(w, w.shape[:-1] + x.shape[-1:])

    def terms(s: slice) -> list[jax.Array]:
        return [_words.product(e, _words.loose(e, x[..., s], x[..., s]), w[..., s])[0]]

    return _sums.rows(e, terms, x.shape[-1])[0]


@functools.partial(jax.jit, static_argnums=(0, 3), inline=True)
def _fold_groups(field: Field, x: jax.Array, v: jax.Array, width: int) -> jax.Array:
    def fold(x: jax.Array, v: jax.Array) -> jax.Array:
        blocks = _blocks(x, width)
        result = blocks[-1]
        for block in reversed(blocks[:-1]):
            result = field.add(field.mul(result, v), block)
        return result

    return _party_by_party(fold, x, v)


@functools.partial(jax.jit, static_argnums=0, inline=True)
def _cross_terms(field: Field, x: jax.Array, w: jax.Array) -> jax.Array:
    e = field.exponent

    def sums(x: jax.Array, w: jax.Array) -> jax.Array:
        blocks = _blocks(x, 4)
        w = jnp.broadcast_to(w, w.shape[:-1] + x.shape[-1:])

        def terms(s: slice) -> list[jax.Array]:
            x0, x1, x2, x3 = (block[..., s] for block in blocks)
            w0, w1, w2 = (_words.loose(e, block, w[..., s]) for block in (x0, x1, x2))
            pairs = [[(w0, x1)], [(w0, x2)], [(w0, x3), (w1, x2)], [(w1, x3)], [(w2, x3)]]
            # two products fit one word: at most 2 (3p + 2**34) < 2**64 for e = 61, 4 p**2 < 2**64 for e = 31
            return [functools.reduce(jnp.add, [_words.product(e, a, b)[0] for a, b in pair]) for pair in pairs]

        return field.double(jnp.stack(_sums.rows(e, terms, x.shape[-1]), -1))

    return _party_by_party(sums, x, w)


def _party_by_party(function: Callable[..., jax.Array], x: jax.Array, y: jax.Array) -> jax.Array:
    """``function(x, y)``; on a TPU in a loop over the leading axis of x [..., n, d], if y has at most its last axis.

    Blocks of rows begin in the middle of a TPU's tiles of eight, so each is copied out: as much memory again as all
    shares. In the loop it is that of one party's.
    """
    if x.ndim < 3 or y.ndim > 1:
        return function(x, y)

    def looped(x: jax.Array, y: jax.Array) -> jax.Array:
        return jax.lax.map(lambda part: function(part, y), x)

    return jax.lax.platform_dependent(x, y, tpu=looped, default=function)


def _blocks(x: jax.Array, width: int) -> list[jax.Array]:
    n = x.shape[-2]
    g = -(-n // width)
    blocks = [x[..., c * g : (c + 1) * g, :] for c in range(width)]
    lead = [(0, 0)] * (x.ndim - 2)
    return [jnp.pad(b, [*lead, (0, g - b.shape[-2]), (0, 0)]) if b.shape[-2] < g else b for b in blocks]
