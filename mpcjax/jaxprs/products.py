"""Products, elementwise and of matrices of any axes, with the factors rounded as `Run.rounded` says."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from mpcjax import secret as ms
from mpcjax.jaxprs.refusals import refuse
from mpcjax.jaxprs.values import Value, counted, factor, moved
from mpcjax.secret import Secret

BITS = "jnp.any(x[:, :, None] & y, axis=1) for that, or x.astype(jnp.float32) @ y to count"


def product(run: Any, x: Value, y: Value) -> Any:
    """Elementwise."""
    return _factor(run, x, y) * _factor(run, y, x)


def _factor(run: Any, x: Value, other: Value) -> Any:
    """As a factor beside `other`: a secret is rounded where both are."""
    return run.rounded(x.x) if x.secret and other.secret else factor(x)


def summed(run: Any, factors: tuple[Secret, Secret], axes: tuple[int, ...], shape: tuple[int, ...]) -> Secret:
    """The sum along `axes` of a product of secrets that broadcast to `shape`: one opening per result, none per product."""
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    lanes = [_arranged(_wide(x, shape), (*kept, *axes), (*(shape[a] for a in kept), -1)) for x in factors]
    return ms.inner(*lanes)


def _wide(x: Any, shape: tuple[int, ...]) -> Any:
    return Value(x, shape).full


def _arranged(x: Any, order: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """Axes in another order, then reshaped; of a secret or a public array."""
    if isinstance(x, Secret):
        return moved(x, lambda row: jnp.transpose(row, order).reshape(shape), "product")
    return x.transpose(order).reshape(shape)


def dot_general(run: Any, eqn: Any, x: Value, y: Value) -> Any:
    """Sums of products along any axes, for pairs of all others or side by side (batches, as `jax.vmap` makes them)."""
    if eqn.outvars[0].aval.dtype == bool:
        refuse("dot_general", "of bits, which in JAX says whether any product is 1", BITS)
    (sums_x, sums_y), (batch_x, batch_y) = eqn.params["dimension_numbers"]
    left, right = (
        Value(_factor(run, a, b) if a.secret else a.x, a.shape, *a.span, a.fixed) for a, b in ((x, y), (y, x))
    )
    free_x = tuple(a for a in range(len(x.shape)) if a not in (*sums_x, *batch_x))
    free_y = tuple(a for a in range(len(y.shape)) if a not in (*sums_y, *batch_y))
    lead, rows, columns = ([v.shape[a] for a in axes] for v, axes in ((x, batch_x), (x, free_x), (y, free_y)))
    if batch_x:
        size = math.prod(x.shape[a] for a in sums_x)
        left = _side(left, (*batch_x, *free_x, *sums_x), (*lead, *rows, *[1] * len(columns), size))
        right = _side(right, (*batch_y, *free_y, *sums_y), (*lead, *[1] * len(rows), *columns, size))
        return _side_by_side(left, right)
    size = math.prod(x.shape[a] for a in sums_x)
    left = _side(left, (*free_x, *sums_x), (-1, size) if rows else (size,))
    right = _side(right, (*sums_y, *free_y), (size, -1) if columns else (size,))
    return ms.reshape(ms.dot(counted(factor(left)), counted(factor(right))), (*rows, *columns))


def _side(value: Value, order: tuple[int, ...], shape: tuple[int, ...]) -> Value:
    found = _arranged(value.x, order, shape)
    return Value(found, found.shape, value.low, value.high, value.fixed)


def _side_by_side(x: Value, y: Value) -> Any:
    if x.secret and y.secret:
        return ms.inner(x.x, y.x)
    found = factor(x) * factor(y)
    return ms.sum(found, -1)
