"""Comparisons, choices and order."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from mpcjax import circuits
from mpcjax.secret.array import Secret


def relu(x: Any) -> Any:
    """max(x, 0) elementwise: one exact comparison and one product each."""
    if not isinstance(x, Secret):
        return jnp.maximum(x, 0)
    return Secret(x.rt, circuits.relu(x.rt, x.shares), x.scale, x.bound, "relu")


def where(condition: Secret | Any, x: Any, y: Any) -> Any:
    """`x` where the secret bit `condition` is one, else `y`."""
    if not isinstance(condition, Secret):
        return jnp.where(condition, x, y)
    if condition.scale or condition.bound != 1:
        raise ValueError(
            f"where: the condition has scale {condition.scale}, bound {condition.bound}; legal is a secret bit"
        )
    scale = max(x.scale, y.scale)
    x, y = x._at_scale(scale), y._at_scale(scale)
    shares = circuits.select(x.rt, condition.shares, x.shares, y.shares)
    return Secret(x.rt, shares, scale, max(x.bound, y.bound), "where")


def others_last(x: Any, kept: Any) -> Any:
    """`x` with the entries that are not publicly `kept` (broadcast) made larger than any that are. Local."""
    if not isinstance(x, Secret):
        return jnp.where(kept, x, jnp.inf)
    last = Secret(x.rt, x.shares, x.scale, x.bound + 1, "others last")
    return last._like(jnp.where(kept, x.shares, x.rt.field.asarray(last.bound)), x.scale, last.bound, "others last")


def sort(x: Any) -> Any:
    """`x [..., n]` ascending along the last axis. About t (t + 1) / 4 comparisons per element for t = log2 n."""
    if not isinstance(x, Secret):
        return jnp.sort(x, axis=-1)
    _require_comparable(x, "sort")
    return x._like(circuits.sort(x.rt, x.shares), x.scale, x.bound, "sort")


def sum_of_smallest(x: Any, count: Any) -> Any:
    """Sum of the `count` (public, at most n) smallest along the last axis of `x [..., n]`. Cost: `sort`."""
    first = jnp.arange(x.shape[-1]) < count
    ordered = sort(x)
    if not isinstance(x, Secret):
        return jnp.sum(jnp.where(first, ordered, 0), axis=-1)
    return ordered._like(jnp.where(first, ordered.shares, 0), x.scale, x.bound, "sum").sum(axis=-1)


def smallest(x: Any, count: Any) -> Any:
    """1 for the `count` (public) smallest of `x [n]`, ties by index, and 0 for the others.

    n (n - 1) / 2 comparisons for the ranks, then one each.
    """
    if not isinstance(x, Secret):
        return (jnp.argsort(jnp.argsort(x, stable=True), stable=True) < count).astype(x.dtype)
    _require_comparable(x, "smallest")
    field, places = x.rt.field, circuits.ranks(x.rt, x.shares)
    first = circuits.less_than(x.rt, places, field.from_signed(jnp.asarray(count, jnp.int32)))
    return Secret(x.rt, first, 0, 1, "smallest")


def _require_comparable(x: Secret, operation: str) -> None:
    Secret(x.rt, x.shares, x.scale, 2 * x.bound, operation)  # of differences
