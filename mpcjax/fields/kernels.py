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

_HORNER = 8  # pieces up to which a fold is one loop over them; more of them are many operations to compile
_ONCE = 1 << 16  # elements from which computing something twice costs more than a branch
_MANY = 1 << 12  # the same for something that may be used many times


def inner(field: Field, x: Array, w: Array) -> jax.Array:
    """x [..., d], w [d] or broadcastable: sum_k w_k x_k -> [...]."""
    return field.dot(x, w)


def weighted_squares(field: Field, x: Array, w: Array) -> jax.Array:
    """x [..., d], w [d] or broadcastable: sum_k w_k x_k**2 -> [...]."""
    return _weighted_squares(field, field.asarray(x), field.asarray(w))


def combine(field: Field, weights: Operand, x: Array, axis: int = 0) -> jax.Array:
    """``Field.combine``: weights [n] or [..., n] (public or shares alike), x [..., n, d] -> [..., d]."""
    return field.combine(weights, x, axis)


def fold_pieces(field: Field, x: Array, v: Operand, count: int = 4) -> jax.Array:
    """x [..., d] in ``count`` pieces of L = ceil(d / count): sum_c v**c piece_c -> [..., L], for a scalar v.

    What the last piece lacks counts as zero.
    """
    if count < 1:
        raise ValueError(f"count is {count}: legal is 1 or more")
    return _fold_pieces(field, field.asarray(x), field.asarray(v), count)


def folded(field: Field, x: Array, v: Operand, count: int) -> jax.Array:
    """``fold_pieces``, computed once where it is long and may be used twice (``materialized``)."""
    if x.size < _ONCE:
        return fold_pieces(field, x, v, count)
    v = field.asarray(v)
    return materialized(lambda v, x: fold_pieces(field, x, v, count), v, x)


def combined_once(field: Field, weights: Array, x: Array, axis: int) -> jax.Array:
    """``combine``, computed once where it is long and used twice."""
    if x.size < _ONCE:
        return combine(field, weights, x, axis)
    return materialized(lambda w, x: combine(field, w, x, axis), weights, x)


def product_once(field: Field, a: Array, b: Array) -> jax.Array:
    """a b, computed once where it is long and used in many sums."""
    return field.mul(a, b) if max(a.size, b.size) < _ONCE else materialized(field.mul, a, b)


def shifted(field: Field, x: Array, shift: Array | None = None) -> jax.Array:
    """Elements or signed integers x, plus ``shift``, if it is given."""
    found = field.from_signed(x) if jnp.issubdtype(x.dtype, jnp.signedinteger) else x
    return field.asarray(found) if shift is None else field.add(found, shift)


def square_terms(field: Field, x: Array, w: Array | None = None, shift: Array | None = None) -> jax.Array:
    """x [..., d] in 4 pieces of L = ceil(d / 4) (as in ``fold_pieces``), w [L], ones by default -> [..., 9].

    Of ``shifted`` x: piece by piece, as what all pieces have in common would be written to memory first.

    With B_ij = sum_k w_k x_i,k x_j,k: the numbers B00, B11, B22, B33, then 2 B01, 2 B02, 2 (B03 + B12), 2 B13, 2 B23,
    which are what the coefficients of v, v**2, ..., v**5 of Q(x0 + v x1 + v**2 x2 + v**3 x3), for
    Q(y) = sum_k w_k y_k**2, hold besides the four Q(x_i).
    """
    return _square_terms(field, x, w, shift)


def all_finite(x: Any) -> Any:
    """Floating point x [..., d] -> whether all are numbers and finite [...]."""
    return jnp.isfinite(largest_magnitudes(x))


@jax.jit
def largest_magnitudes(x: Any) -> Any:
    """Floating point x [..., d] -> the largest |x_k| [...], or NaN where one is: by their bits, which are in the same order."""
    integer = np.dtype(f"int{8 * x.dtype.itemsize}")
    bits = jax.lax.bitcast_convert_type(x, integer) & np.iinfo(integer).max
    return jax.lax.bitcast_convert_type(_by_halves(jnp.maximum, bits), x.dtype)


@jax.jit
def all_true(x: Any) -> Any:
    """Booleans x [..., d] -> whether all are true [...]."""
    return _by_halves(jnp.bitwise_or, (~x).astype(np.uint32)) == 0


def _by_halves(pick: Callable[..., Any], x: Any) -> Any:
    """Integers x [..., d], none negative, reduced to one [...] by `pick`, to which 0 makes no difference.

    Of two halves at once: such a reduction takes in what x is made of and is vectorised; of a single one XLA's CPU compiler
    does one or the other.
    """
    halves = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, x.shape[-1] % 2)]).reshape(*x.shape[:-1], 2, -1)

    def both(a: Any, b: Any) -> Any:
        return tuple(pick(p, q) for p, q in zip(a, b, strict=True))

    return pick(*jax.lax.reduce((halves[..., 0, :], halves[..., 1, :]), (x.dtype.type(0),) * 2, both, (x.ndim - 1,)))


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
    return _branch(first >> (8 * first.dtype.itemsize - 1) == 0, first, function, x, *more)


def once(x: jax.Array) -> jax.Array:
    """Field elements x, computed once however often they are used, if they are so many that it matters."""
    return materialized(lambda same: same, x) if x.size >= _MANY else x


def encoded_once(function: Callable[..., jax.Array], x: Array, *more: Array) -> jax.Array:
    """``function(x, ...)``, integers, for x of float32, computed once in the same way: a bit is less than 2."""
    bit = jax.lax.bitcast_convert_type(x.ravel()[0], np.uint32) >> np.uint32(31)
    return _branch(bit < np.uint32(2), bit, function, x, *more)


def unhoisted(i: Any) -> Any:
    """The loop counter `i`, by way of a sort of two numbers.

    XLA for CPU since jax 0.12 turns a loop without sorts, scatters or custom calls into one sequential kernel, in which
    nothing is vectorised or spread over the cores: ten times slower for the loops of this package.
    """
    return jax.lax.sort(jnp.stack([i, i]))[0]


def _branch(taken: jax.Array, some: jax.Array, function: Callable[..., jax.Array], *args: Array) -> jax.Array:
    """On a CPU. Other compilers do not fuse so, and what goes into a branch has two copies more on a TPU, of 64 bits."""
    out = jax.eval_shape(function, *args)
    once = jax.jit(function)  # traced once

    def branch(taken: jax.Array, some: jax.Array, *args: Array) -> jax.Array:
        # no constant of 64 bits: it would be cut to 32 inside a jit of the user's (jax 0.7)
        return jax.lax.cond(taken, once, lambda *_: jnp.broadcast_to((some ^ some).astype(out.dtype), out.shape), *args)

    return jax.lax.platform_dependent(taken, some, *args, cpu=branch, default=lambda _, __, *args: once(*args))


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
def _fold_pieces(field: Field, x: jax.Array, v: jax.Array, count: int) -> jax.Array:
    if count > _HORNER:
        size = -(-x.shape[-1] // count)
        padded = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, count * size - x.shape[-1])])
        return field.combine(powers(field, v, count), padded.reshape(*x.shape[:-1], count, size), axis=-2)
    result, *others = reversed(_pieces(x, count))
    for piece in others:
        result = field.add(field.mul(result, v), piece)
    return result


@functools.partial(jax.jit, static_argnums=0, inline=True)
def _square_terms(field: Field, x: jax.Array, w: jax.Array | None, shift: jax.Array | None) -> jax.Array:
    shifts = [None] * 4 if shift is None else _pieces(shift, 4)
    e, pieces = field.exponent, [shifted(field, *piece) for piece in zip(_pieces(x, 4), shifts, strict=True)]

    def terms(s: slice) -> list[jax.Array]:
        x0, x1, x2, x3 = right = [piece[..., s] for piece in pieces]
        left = right if w is None else [_words.loose(e, piece, w[..., s]) for piece in right]
        w0, w1, w2, w3 = left
        pairs = [[(w0, x1)], [(w0, x2)], [(w0, x3), (w1, x2)], [(w1, x3)], [(w2, x3)]]
        squares = [_words.product(e, a, b)[0] for a, b in ((w0, x0), (w1, x1), (w2, x2), (w3, x3))]
        # two products fit one word: at most 2 (3p + 2**34) < 2**64 for e = 61, 4 p**2 < 2**64 for e = 31
        return squares + [functools.reduce(jnp.add, [_words.product(e, a, b)[0] for a, b in pair]) for pair in pairs]

    sums = _sums.rows(e, terms, pieces[0].shape[-1])
    return jnp.stack([*sums[:4], *map(field.double, sums[4:])], -1)


def _pieces(x: jax.Array, count: int) -> list[jax.Array]:
    size = -(-x.shape[-1] // count)
    pieces = [x[..., c * size : (c + 1) * size] for c in range(count)]
    lead = [(0, 0)] * (x.ndim - 1)
    return [jnp.pad(p, [*lead, (0, size - p.shape[-1])]) if p.shape[-1] < size else p for p in pieces]
