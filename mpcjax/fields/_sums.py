"""Long sums of words, one pass over memory each. Functions of the exponent and of arrays, nothing checked.

Two forms, after what XLA's CPU compiler does with them:

- along the last axis, *one* reduction over the pairs (low half, high half) of all sums wanted. It is vectorised and
  takes its operands' arithmetic into its loop. Separate reductions read their operands again for each half; and a
  reduction of a single array first writes that array to memory, which costs up to ten times as much.
- along another axis, up to ``UNROLL`` terms are added element by element in one loop over the axes that remain
  (if the last of these is short, few terms, and none for small arrays: the rest is not worth compiling). A loop over
  dynamic slices would not be vectorised.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mpcjax.fields._words import U64, add, finish, fold, fold_bound, halves, product, rotate

UNROLL = 128
_UNROLL_SHORT = 8
_SHORT = 256
_FEW = 1 << 20  # elements up to which code size matters more than speed
SMALL = 1 << 30  # weights that add up to less are small: their sum with the halves of words fits a word
_LANES = 16  # pieces into which one long row is cut, so that the cores can share it
_SPLIT_FROM = 1 << 16

Words = tuple[jax.Array, int]


def total(e: int, a: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """Sum of words in [0, p) over ``axes``."""
    if len(axes) != 1 or not _unrolls(a.shape, axes[0]):
        return reduced(e, [a], axes)[0]

    def cpu(a: jax.Array) -> jax.Array:
        return unrolled(e, lambda k: (_piece(a, k, axes[0]), (1 << e) - 2), a.shape[axes[0]], axes[0])

    return lax.platform_dependent(a, cpu=cpu, default=lambda a: reduced(e, [a], axes)[0])


def products(e: int, a: jax.Array, b: jax.Array, axis: int) -> jax.Array:
    """Sum of a * b over one axis; a and b of equal rank, in [0, p)."""
    shape = np.broadcast_shapes(a.shape, b.shape)
    length = shape[axis]
    if _unrolls(shape, axis):

        def cpu(a: jax.Array, b: jax.Array) -> jax.Array:
            return unrolled(e, lambda k: product(e, _piece(a, k, axis), _piece(b, k, axis)), length, axis)

        return lax.platform_dependent(a, b, cpu=cpu, default=partial(_products, e, axis=axis, length=length))
    return _products(e, a, b, axis=axis, length=length)


def _products(e: int, a: jax.Array, b: jax.Array, axis: int, length: int) -> jax.Array:
    if a.shape[axis] != b.shape[axis]:  # the product must have the axis's full length, whichever operand has it
        a, b = (jnp.broadcast_to(v, v.shape[:axis] + (length,) + v.shape[axis + 1 :]) for v in (a, b))
    if axis == a.ndim - 1 and length >= _SPLIT_FROM:
        return _long_rows(e, lambda s: [product(e, a[..., s], b[..., s])[0]], length)[0]
    return reduced(e, [product(e, a, b)[0]], (axis,))[0]


def _unrolls(shape: tuple[int, ...], axis: int) -> bool:
    most = UNROLL if shape[-1] >= _SHORT else _UNROLL_SHORT
    return axis != len(shape) - 1 and 0 < shape[axis] <= most and math.prod(shape) >= _FEW


def unrolled(e: int, term: Callable[[int], Words], length: int, axis: int) -> jax.Array:
    """Sum of term(0), ..., term(length-1), each (words, bound) with length 1 on ``axis``, which is dropped."""
    total_, bound = term(0)
    limit = int(np.iinfo(total_.dtype).max)
    for k in range(1, length):
        words, more = term(k)
        while bound + more > limit:
            total_, bound = fold(e, total_), fold_bound(e, bound)
        total_, bound = total_ + words, bound + more
    return finish(e, lax.squeeze(total_, (axis,)), bound)


def rows(e: int, terms: Callable[[slice], Sequence[jax.Array]], length: int) -> list[jax.Array]:
    """Sums along the last axis, of ``length``: terms(slice) gives arrays of words with that slice of the axis."""
    if length >= _SPLIT_FROM:
        return _long_rows(e, terms, length)
    words = terms(slice(0, length))
    return reduced(e, words, (words[0].ndim - 1,))


def _long_rows(e: int, terms: Callable[[slice], Sequence[jax.Array]], length: int) -> list[jax.Array]:
    words = terms(slice(0, length))
    if words[0].size // length >= _LANES:
        return reduced(e, words, (words[0].ndim - 1,))
    cut = length - length % _LANES
    pieces = [w.reshape(*w.shape[:-1], _LANES, -1) for w in terms(slice(0, cut))]
    sums = [total(e, s, (s.ndim - 1,)) for s in reduced(e, pieces, (pieces[0].ndim - 1,))]
    if cut == length:
        return sums
    rest = reduced(e, terms(slice(cut, length)), (words[0].ndim - 1,))
    return [add(e, s, r) for s, r in zip(sums, rest, strict=True)]


def reduced(e: int, words: Sequence[jax.Array], axes: tuple[int, ...]) -> list[jax.Array]:
    """Sum mod p over ``axes`` of each array of words (any value of their type), of up to 2**32 terms."""
    sums = exact(words, axes)
    limit = min(math.prod(words[0].shape[axis] for axis in axes) << 32, 1 << 64) - 1
    low = [finish(e, s, limit) for s in sums[0::2]]
    high = [finish(e, s, limit) for s in sums[1::2]]
    return [add(e, lo, rotate(e, hi, 32)) for lo, hi in zip(low, high, strict=True)]


def exact(words: Sequence[jax.Array], axes: tuple[int, ...]) -> list[jax.Array]:
    """Sums over ``axes`` of the low and of the high halves of each array of words, one after the other; not mod p."""
    parts = [half for w in words for half in halves(w.astype(U64))]
    # by the platform that the program is lowered for, not the one that it is traced on
    return lax.platform_dependent(parts, cpu=partial(_together, axes), default=partial(_apart, axes))


def small_weights(e: int, x: jax.Array, weights: np.ndarray) -> jax.Array:
    """Sum of x * weights over the last axis, for host integers of either sign, of which each sum has at most ``SMALL``."""
    wide = jnp.asarray(weights.astype(np.int32)).astype(np.int64).astype(U64)  # constants of 64 bits: see `Field`
    axes, terms = (x.ndim - 1,), [part * wide for part in _parts(e, x)]
    sums = lax.platform_dependent(terms, cpu=partial(_together, axes), default=partial(_apart, axes))
    return _signed(e, sums, int(np.abs(weights).sum(-1).max()))


def small_weights_unrolled(e: int, columns: Sequence[jax.Array], weights: Sequence[int]) -> jax.Array:
    """The same for one row of weights, not all zero, over a list of arrays, in one loop over their elements."""
    pairs = [(_parts(e, column), weight) for column, weight in zip(columns, weights, strict=True) if weight]
    places = range(len(pairs[0][0]))
    sums = [sum(parts[k] * np.uint64(weight % (1 << 64)) for parts, weight in pairs) for k in places]
    return _signed(e, sums, sum(map(abs, weights)))


def digit_weights_unrolled(e: int, columns: Sequence[jax.Array], digits: Any) -> jax.Array:
    """The same for digits, uint32 without sign that add up to less than 2**32, so that nothing has to be made positive."""
    weights = [digit.astype(U64) for digit in digits]
    parts = zip(*[_parts(e, column) for column in columns], strict=True)
    sums = [reduce(jnp.add, [part * weight for part, weight in zip(each, weights, strict=True)]) for each in parts]
    low, *high = [finish(e, each, (1 << 32 + min(e, 32)) - 1) for each in sums]
    return add(e, low, rotate(e, high[0], 32)) if high else low


def _parts(e: int, x: jax.Array) -> list[jax.Array]:
    return [x.astype(U64)] if e <= 32 else list(halves(x))


def _signed(e: int, sums: Sequence[Any], largest: int) -> jax.Array:
    """Sums of ``_parts`` with signed weights, ``largest`` in all: right mod 2**64, made positive by a multiple of p."""
    p, words = (1 << e) - 1, []
    for total_, top in zip(sums, (e,) if e <= 32 else (32, e - 32), strict=True):
        most = largest << top
        offset = -(-most // p) * p
        words.append(finish(e, total_ + np.uint64(offset), offset + most))
    return words[0] if e <= 32 else add(e, words[0], rotate(e, words[1], 32))


def _together(axes: tuple[int, ...], parts: Sequence[jax.Array]) -> list[jax.Array]:
    zeros = (np.uint64(0),) * len(parts)
    return list(lax.reduce(tuple(parts), zeros, lambda x, y: tuple(i + j for i, j in zip(x, y, strict=True)), axes))


def _apart(axes: tuple[int, ...], parts: Sequence[jax.Array]) -> list[jax.Array]:
    """Other compilers fuse sibling reductions by themselves."""
    return [jnp.sum(part, axes, dtype=U64) for part in parts]


def _piece(a: jax.Array, k: int, axis: int) -> jax.Array:
    return a if a.shape[axis] == 1 else lax.slice_in_dim(a, k, k + 1, axis=axis)
