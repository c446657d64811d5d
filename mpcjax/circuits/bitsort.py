"""Sorting of numbers that are shared bit by bit: comparators that read the bits, and exchange them.

A sorting network of numbers alone (`sort`) opens every difference under a mask, for a hundred random bits a comparator.
Where the bits are shared already, of two numbers of k bits the bit that decides follows from k products and a tree of
some 2 k more, and k more exchange them: no masks, no random bits, no statistical error.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from mpcjax.circuits.sort import tables
from mpcjax.protocols import multiply, repeat
from mpcjax.runtime import Runtime


def sort_bits(rt: Runtime, planes: Any) -> Any:
    """Numbers whose bits are `planes [rows, k, ..., n]`, 0 or 1, lowest first, ascending along the last axis.

    Cost: `products(n, k)`, levels as of `sort`, each with 2 + log2 k calls of `multiply`. Revealed: nothing. Guarantee:
    exact. Source: as of `sort`; the comparison by generate and propagate is that of `bits`.
    """
    lanes = jnp.moveaxis(planes, -1, 1)  # then what a level picks and joins are whole stretches of memory
    return jnp.moveaxis(repeat(rt, _level, lanes, tables(planes.shape[-1])), 1, -1)


def _level(inner: Runtime, x: Any, table: Any) -> Any:
    """One level of comparators on `x [rows, n, k, ...]`."""
    low, high, source = table
    field, a, b = inner.field, _picked(x, low), _picked(x, high)
    both = multiply(inner, a, b)
    same = field.sub(1, field.sub(field.add(a, b), field.double(both)))
    larger = _decided(inner, field.sub(a, both), same)
    moved = multiply(inner, jnp.broadcast_to(larger, a.shape), field.sub(a, b))
    return _picked(jnp.concatenate([x, field.sub(a, moved), field.add(b, moved)], axis=1), source)


def _picked(x: Any, places: Any) -> Any:
    """`x[:, places]`, stretch by stretch: XLA's gather on a CPU takes every number for itself, and again for every use."""
    found = jax.lax.map(lambda k: jax.lax.dynamic_index_in_dim(x, k, axis=1, keepdims=False), places)
    return jnp.moveaxis(found, 0, 1)


def _decided(rt: Runtime, larger: Any, same: Any) -> Any:
    """[a > b] `[rows, w, 1, ...]` by the highest bit that differs, from `larger` and `same [rows, w, k, ...]` of all bits.

    Neighbouring stretches join as in a borrow chain; the lowest is never asked whether it is the same throughout.
    """
    while (size := larger.shape[2]) > 1:
        pairs = size // 2 * 2
        above, upper, rest = same[:, :, 1:pairs:2], larger[:, :, 1:pairs:2], slice(pairs, None)
        below = jnp.concatenate([larger[:, :, :pairs:2], same[:, :, 2:pairs:2]], axis=2)
        joint = multiply(rt, jnp.concatenate([above, above[:, :, 1:]], axis=2), below)
        larger = jnp.concatenate([rt.field.add(upper, joint[:, :, : size // 2]), larger[:, :, rest]], axis=2)
        unasked = joint[:, :, :1]
        same = jnp.concatenate([unasked, joint[:, :, size // 2 :], same[:, :, rest]], axis=2)
    return larger


def products(n: int, width: int) -> int:
    """How many products `sort_bits` of n numbers of `width` bits takes."""
    levels, wide = tables(n)[0].shape
    depth = (width - 1).bit_length()
    return levels * wide * (2 * width + 2 * (width - 1) - depth)
