"""Order among secrets: sorting networks, and the rank of each of a few.

Shares are `[rows, ..., n]` of centred values. A comparator is one comparison and one product, min = b + [a < b] (a - b)
and max = a + b - min. All levels of a network are one compiled program (`repeat`), so all have the same number of
comparators; where one has fewer, an element is compared with itself, and the result is dropped. To have little of that,
comparators are moved between levels, and there may be a seventh more of these: for n = 99, 32 levels of 34 instead of 28
of up to 49, which saves a fifth of the material.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np

from mpcjax.circuits.compare import less_than
from mpcjax.protocols import multiply, repeat, upper_triangle
from mpcjax.runtime import Runtime

Level = list[tuple[int, int]]


def sort(rt: Runtime, x: Any, *, width: int | None = None) -> Any:
    """`x [rows, ..., n]` ascending along the last axis, for differences below p/2, or below 2^width.

    Cost for t = ceil(log2 n): at most 4 t (t + 1) / 7 levels, of a comparison and a product each. For n = 99: 32 levels,
    1088 comparators, of which 1064 sort (a bitonic network would take 28 and 1792); for n = 19: 16, 96, 91.
    Revealed: nothing. Guarantee: exact. Source: Batcher 1968, in the form of Knuth 5.2.2M.
    """
    return repeat(rt, _comparators(width), x, tables(x.shape[-1]))


def _comparators(width: int | None) -> Any:
    """One level: `(inner, x [rows, ..., n], (low [w], high [w], source [n]))`."""

    def level(inner: Runtime, x: Any, table: Any) -> Any:
        low, high, source = table
        a, b = x[..., low], x[..., high]
        first = less_than(inner, a, b, width=width)
        moved = multiply(inner, first, inner.field.sub(a, b))
        smaller, larger = inner.field.add(b, moved), inner.field.sub(a, moved)
        return jnp.concatenate([x, smaller, larger], axis=-1)[..., source]

    return level


def network(n: int) -> list[Level]:
    """Batcher's odd-even merge sort for any n: levels of disjoint comparators (i, j), i < j, the smaller goes to i."""
    levels: list[Level] = []
    top = 1 << max(n - 1, 0).bit_length() >> 1
    p = top
    while p:
        q, r, distance = top, 0, p
        while True:
            levels.append([(i, i + distance) for i in range(n - distance) if i & p == r])
            if q == p:
                break
            distance, q, r = q - p, q >> 1, p
        p >>= 1
    return levels


def packed(levels: list[Level], n: int) -> list[Level]:
    """The comparators of a network of n lanes in levels as narrow as a seventh more of these allows."""
    pairs, after, urgency = [pair for level in levels for pair in level], [0] * n, []
    for i, j in reversed(pairs):
        after[i] = after[j] = 1 + max(after[i], after[j])  # how many wait for one another from here on
        urgency.append(after[i])
    order = sorted(range(len(pairs)), key=lambda k: -urgency[-1 - k])
    for width in range(1, n):
        found = _first_fit([pairs[k] for k in order], n, width)
        if len(found) <= len(levels) * 8 // 7:
            return found
    return levels


def _first_fit(pairs: Level, n: int, width: int) -> list[Level]:
    levels: list[Level] = []
    free = [0] * n  # the first level in which a lane may be used again
    for i, j in pairs:
        k = max(free[i], free[j])
        while k < len(levels) and len(levels[k]) == width:
            k += 1
        if k == len(levels):
            levels.append([])
        levels[k].append((i, j))
        free[i] = free[j] = k + 1
    return levels


@lru_cache(maxsize=64)
def tables(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Level by level: `low [levels, w]`, `high [levels, w]`, and where each element comes from, `source [levels, n]`.

    `source` counts the n elements, then the w smaller and the w larger results.
    """
    levels = packed(network(n), n)
    w = max((len(level) for level in levels), default=0)
    low, high = np.zeros((len(levels), w), np.int32), np.zeros((len(levels), w), np.int32)
    source = np.tile(np.arange(n, dtype=np.int32), (len(levels), 1))
    for k, level in enumerate(levels):
        for c, (i, j) in enumerate(level):
            low[k, c], high[k, c] = i, j
            source[k, i], source[k, j] = n + c, n + w + c
    return low, high, source


def ranks(rt: Runtime, x: Any, *, width: int | None = None) -> Any:
    """How many come before each of `x [rows, n]` in ascending order, ties by index: shares of 0 .. n-1.

    i comes before j > i unless x_j < x_i. Cost: n (n - 1) / 2 comparisons, all at once. Revealed: nothing.
    """
    field, n = rt.field, x.shape[-1]
    i, j = upper_triangle(n, 1)
    later = less_than(rt, x[..., j], x[..., i], width=width)  # for every pair i < j: j comes before i
    place, above = np.zeros((n, n), np.int32), np.triu(np.ones((n, n), bool), 1)
    place[i, j] = place[j, i] = np.arange(len(i))
    table = later[..., place] if len(i) else field.zeros((*x.shape, n))
    before = jnp.where(above, table, jnp.where(above.T, field.sub(1, table), field.zeros(())))
    return field.sum(before, axis=-1)
