"""Sums, means, extremes and medians along axes."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from mpcjax import circuits
from mpcjax.protocols import multiply
from mpcjax.secret.array import Secret
from mpcjax.secret.order import require_comparable, sort
from mpcjax.secret.shaping import at_end, axes_of, axis_of, with_axes


def sum(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Sum along all axes, one or several: exact, local."""
    if not isinstance(x, Secret):
        return jnp.sum(x, axis, keepdims=keepdims)
    axes = axes_of(x, axis, "sum")
    if not axes:
        return x
    _refuse_slices(x, axes, "a sum along parameters in combine")
    count = math.prod(x.shape[a] for a in axes)
    found = x._like(x.shares, x.scale, x.bound * (count or 1), "sum")
    found.shares = x.rt.field.sum(x.shares, axis=tuple(a + 1 for a in axes))
    return with_axes(found, x, axes, keepdims)


def mean(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Mean along all axes, one or several: the sum over their count, with the rounding of `/`. Local.

    Exact where the count is a power of two, otherwise with a relative error of 2^-16.
    """
    if not isinstance(x, Secret):
        return jnp.mean(x, axis, keepdims=keepdims)
    count = math.prod(x.shape[a] for a in axes_of(x, axis, "mean"))
    if not count:
        raise ValueError(f"mean along axis {axis} of shape {x.shape}: legal is at least one element")
    return sum(x, axis, keepdims=keepdims) / count


def max(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """The largest along all axes, one or several: exact. n - 1 comparisons and products in log2 n steps for each."""
    if not isinstance(x, Secret):
        return jnp.max(x, axis, keepdims=keepdims)
    axes = axes_of(x, axis, "max")
    if not axes:
        return x
    _refuse_slices(x, axes, "max along parameters in combine")
    candidates = _candidates(x, axes, "max")
    found = candidates._like(_tournament(candidates)[0], x.scale, x.bound, "max", bit=x.bit)
    return with_axes(found, x, axes, keepdims)


def min(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """The smallest along all axes, one or several: as `max`."""
    if not isinstance(x, Secret):
        return jnp.min(x, axis, keepdims=keepdims)
    found = -max(-x, axis, keepdims=keepdims)
    found.bit = x.bit
    return found


def argmax(x: Any, axis: int | None = None) -> Any:
    """Where the largest is, as bits: one for the largest (the first of equal ones), zero for the others; shape of `x`.

    The place as a number, which `jnp.argmax` gives, would be of no use: nothing can be indexed by it without revealing it.
    The bits choose by a product, `argmax(score) @ rows`. Plain arrays give booleans. Exact; n - 1 comparisons, 2 (n - 1)
    products in 2 log2 n steps. `axis=None`: over all of `x`.
    """
    if not isinstance(x, Secret):
        return _plain_argmax(x, axis)
    if not x.ndim:
        raise ValueError("argmax of a secret scalar: legal is an array with at least one axis")
    axes = axes_of(x, None, "argmax") if axis is None else (axis_of(x, axis, "argmax"),)
    _refuse_slices(x, axes, "argmax along parameters in combine")
    candidates = _candidates(x, axes, "argmax")
    bits = _winners(candidates, _tournament(candidates)[1])
    bits = bits.reshape(-1, *x.shape) if axis is None else jnp.moveaxis(bits, -1, axes[0] + 1)
    return x._like(bits, 0, 1, "argmax", bit=True)


def _plain_argmax(x: Any, axis: int | None) -> Any:
    if axis is None:
        return _plain_argmax(jnp.ravel(x), 0).reshape(x.shape)
    places = jnp.arange(x.shape[axis]).reshape([-1 if a == axis % x.ndim else 1 for a in range(x.ndim)])
    return places == jnp.argmax(x, axis, keepdims=True)


def median(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """The median along all axes, one or several; the mean of the two in the middle of an even number. Exact. Cost: `sort`."""
    if not isinstance(x, Secret):
        return jnp.median(x, axis, keepdims=keepdims)
    axes = axes_of(x, axis, "median")
    if not axes:
        return x
    _refuse_slices(x, axes, "median along parameters in combine")
    ordered, n = sort(_candidates(x, axes, "median")), math.prod(x.shape[a] for a in axes)
    upper = ordered[..., n // 2]
    found = upper if n % 2 else (ordered[..., n // 2 - 1] + upper) / 2
    return with_axes(found, x, axes, keepdims)


def _refuse_slices(x: Secret, axes: tuple[int, ...], operation: str) -> None:
    """Along the last axis a device of a mesh has a slice alone."""
    if x.ndim - 1 in axes:
        x.rt.spread.refuse(operation)


def _candidates(x: Secret, axes: tuple[int, ...], operation: str) -> Secret:
    require_comparable(x, operation)
    found = at_end(x, axes, operation)
    if not found.shape[-1]:
        raise ValueError(f"{operation} of shape {x.shape}: legal is at least one element")
    return found


def _tournament(x: Secret) -> tuple[Any, list[Any]]:
    """The largest along the last axis of `x`, and level by level which of two was larger: 1 for the later one.

    Of an odd number the last is compared with itself, and the earlier one of these wins.
    """
    values, later = x.shares, []
    while values.shape[-1] > 1:
        if values.shape[-1] % 2:
            values = jnp.concatenate([values, values[..., -1:]], axis=-1)
        first, second = values[..., 0::2], values[..., 1::2]
        later.append(circuits.less_than(x.rt, first, second))
        values = circuits.select(x.rt, later[-1], second, first)
    return values[..., 0], later


def _winners(x: Secret, later: list[Any]) -> Any:
    """One for the element of the last axis of `x` that won all its comparisons."""
    field, sizes = x.rt.field, [x.shape[-1]]
    while sizes[-1] > 1:
        sizes.append(-(-sizes[-1] // 2))
    won = field.ones((*x.shares.shape[:-1], 1))
    for level in reversed(range(len(later))):
        second = later[level] if level == len(later) - 1 else multiply(x.rt, won, later[level])
        both = jnp.stack([field.sub(won, second), second], axis=-1)
        won = both.reshape(*both.shape[:-2], -1)[..., : sizes[level]]
    return won
