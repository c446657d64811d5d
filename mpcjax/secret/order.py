"""Comparisons, choices and order."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from mpcjax import circuits
from mpcjax.secret.array import Secret, aligned, facing
from mpcjax.secret.public import plain
from mpcjax.secret.shaping import axis_of


def relu(x: Any) -> Any:
    """max(x, 0) elementwise: one exact comparison and one product each."""
    if not isinstance(x, Secret):
        return jnp.maximum(x, 0)
    return x._like(circuits.relu(x.rt, x.shares), x.scale, x.bound, "relu", bit=x.bit)


def abs(x: Any) -> Any:
    """|x| elementwise: exact, one comparison and one product each."""
    if not isinstance(x, Secret):
        return jnp.abs(x)
    field, positive = x.rt.field, circuits.relu(x.rt, x.shares)
    return x._like(field.sub(field.double(positive), x.shares), x.scale, x.bound, "abs", bit=x.bit)


def maximum(x: Any, y: Any) -> Any:
    """The larger of `x` and `y`, elementwise (broadcast): one comparison and one product each.

    Exact for secrets; a public number is rounded as in a sum (see `Secret`).
    """
    if not (isinstance(x, Secret) or isinstance(y, Secret)):
        return jnp.maximum(plain(x), plain(y))
    x, y = _both(x, y, "maximum")
    return _larger(x, y, "maximum")


def minimum(x: Any, y: Any) -> Any:
    """The smaller of `x` and `y`, elementwise: as `maximum`."""
    if not (isinstance(x, Secret) or isinstance(y, Secret)):
        return jnp.minimum(plain(x), plain(y))
    x, y = _both(x, y, "minimum")
    found = -_larger(-x, -y, "minimum")
    found.bit = x.bit and y.bit
    return found


def clip(x: Any, low: Any, high: Any) -> Any:
    """`x`, at least `low` and then at most `high`: as `maximum` and `minimum`."""
    return minimum(maximum(x, low), high)


def _larger(x: Secret, y: Secret, operation: str) -> Secret:
    bound = max(x.bound, y.bound)
    x._like(x.shares, x.scale, x.bound + y.bound, operation)  # of the difference
    shares = circuits.maximum(x.rt, *facing(operation, x, y))
    return x._like(shares, x.scale, bound, operation, bit=x.bit and y.bit)


def equal(x: Any, y: Any) -> Any:
    """Secret bit [x = y], elementwise: exact, about the cost of a comparison; a public number is rounded as in a sum."""
    if not (isinstance(x, Secret) or isinstance(y, Secret)):
        return jnp.equal(plain(x), plain(y))
    x, y = _both(x, y, "equal")
    difference = x - y
    return x._like(circuits.is_zero(x.rt, difference.shares), 0, 1, "equal", bit=True)


def where(condition: Any, x: Any, y: Any) -> Any:
    """`x` where `condition` is one, else `y`. A secret bit: one product each. A public boolean array: local.

    `x`, `y`: secrets or public, a public one rounded as in a sum (see `Secret`).
    """
    if not any(isinstance(part, Secret) for part in (condition, x, y)):
        return jnp.where(plain(condition), plain(x), plain(y))
    if not isinstance(condition, Secret):
        return _chosen(condition, *_both(x, y, "where"))
    if not condition.bit:
        raise TypeError(
            f"where: the condition is a secret of scale {condition.scale}, bound {condition.bound}; legal is a secret bit, "
            "the result of a comparison, or a public boolean array"
        )
    x, y = aligned(condition._constant(x, "where"), condition._constant(y, "where"))
    shares = circuits.select(x.rt, *facing("where", condition, x, y))
    return condition._like(shares, x.scale, max(x.bound, y.bound), "where", bit=x.bit and y.bit)


def _chosen(condition: Any, x: Secret, y: Secret) -> Secret:
    """By a public condition. Local."""
    condition = jnp.asarray(plain(condition))
    if condition.dtype != bool:
        raise TypeError(f"where: the public condition has type {condition.dtype}; legal are booleans")
    if condition.ndim and condition.shape[-1] > 1:
        x.rt.spread.refuse("a public vector in combine")
    found = x._like(x.shares, x.scale, max(x.bound, y.bound), "where", bit=x.bit and y.bit)
    one_row = x._like(condition[None], 0, 0, "where")
    found.shares = jnp.where(*facing("where", one_row, x, y))
    return found


def _both(x: Any, y: Any, operation: str) -> tuple[Secret, Secret]:
    """As secrets of one scale, where one of them is a secret."""
    first = x if isinstance(x, Secret) else y
    return aligned(first._constant(x, operation), first._constant(y, operation))


def others_last(x: Any, kept: Any) -> Any:
    """`x` with the entries that are not publicly `kept` (broadcast) made larger than any that are. Local."""
    if not isinstance(x, Secret):
        return jnp.where(kept, x, jnp.inf)
    last = Secret(x.rt, x.shares, x.scale, x.bound + 1, "others last")
    return last._like(jnp.where(kept, x.shares, x.rt.field.asarray(last.bound)), x.scale, last.bound, "others last")


def sort(x: Any, axis: int = -1) -> Any:
    """`x` ascending along an axis: exact. About t (t + 1) / 4 comparisons per element for t = log2 n."""
    if not isinstance(x, Secret):
        return jnp.sort(x, axis=axis)
    place = axis_of(x, axis, "sort")
    if place == x.ndim - 1:
        x.rt.spread.refuse("sort along parameters in combine")
    require_comparable(x, "sort")
    lanes = jnp.moveaxis(x.shares, place + 1, -1)
    shares = jnp.moveaxis(circuits.sort(x.rt, lanes), -1, place + 1)
    return x._like(shares, x.scale, x.bound, "sort", bit=x.bit)


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
    require_comparable(x, "smallest")
    field, places = x.rt.field, circuits.ranks(x.rt, x.shares)
    first = circuits.less_than(x.rt, places, field.from_signed(jnp.asarray(count, jnp.int32)))
    return Secret(x.rt, first, 0, 1, "smallest", bit=True)


def require_comparable(x: Secret, operation: str) -> None:
    Secret(x.rt, x.shares, x.scale, 2 * x.bound, operation)  # of differences
