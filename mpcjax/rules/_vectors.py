"""Plain vector helpers that several rules share."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.fields import kernels

ROW = 32  # numbers that are added up one after the other


def norm(x: Any) -> Any:
    """Euclidean norm of `x [d]` in float32, summed in stages and scaled, so that d = 10^6 loses no accuracy."""
    x, largest = scaled(x)
    return largest * _length(x)


def clipped(x: Any, limit: float) -> Any:
    """x min(1, limit / |x|)."""
    length = norm(x)
    return x * jnp.where(length > limit, limit / jnp.where(length > 0, length, 1), 1)


def unit(x: Any) -> Any:
    """x / |x|, and zero for zero. Not x times 1 / |x|, which may be less than the least float32."""
    x, _ = scaled(x)
    length = _length(x)
    return x / jnp.where(length > 0, length, 1)


def scaled(x: Any) -> tuple[Any, Any]:
    """x by its largest magnitude, and that; by 1 if it is zero."""
    largest = kernels.largest_magnitudes(x)
    safe = jnp.where(largest > 0, largest, 1)
    return x / safe, safe


def inner_products(*pairs: tuple[Any, Any]) -> list[Any]:
    """x . y of every pair `[d]` in one pass over all, row by row, then of the sums of rows, and so on: where all products are
    alike, the errors of one long sum would add up.

    One reduction of several sums: XLA's CPU compiler takes their operands' arithmetic into its loop, of a single sum not.
    """
    terms = tuple(x * y for x, y in pairs)
    zeros = tuple(np.zeros((), term.dtype) for term in terms)
    while len(terms[0]) > 1:
        row = _row(len(terms[0]))
        rows = tuple(jnp.pad(term, (0, -len(term) % row)).reshape(-1, row) for term in terms)
        sums = jax.lax.reduce(rows, zeros, lambda a, b: tuple(p + q for p, q in zip(a, b, strict=True)), (1,))
        terms = jax.lax.optimization_barrier(tuple(sums))  # the compiler would else make one long sum of them
    return [term[0] for term in terms]


def _row(length: int) -> int:
    """How many numbers a row has: a divisor if there is one, as a loop that fills up what it computes is not vectorised."""
    return next((size for size in range(ROW, ROW // 4, -1) if length % size == 0), ROW)


def _length(x: Any) -> Any:
    """|x| of an x of largest magnitude 1 (or zero)."""
    halves = jnp.pad(x, (0, x.shape[0] % 2)).reshape(2, -1)
    return jnp.sqrt(sum(inner_products(*((half, half) for half in halves))))
