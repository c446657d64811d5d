"""Sums with public weights, and what else the members do alone."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from mpcjax import _compat
from mpcjax.fields import fixed, kernels
from mpcjax.secret.array import Secret


def weighted_sum(weights: Any, x: Any, *, bits: int, largest: float = 1.0) -> Any:
    """sum_i weights[i] x[i] for public `weights [n]`, clipped to [-largest, largest] and rounded to `bits` fractional bits.

    `x [n, d]` secret or plain (the weights are rounded all the same); local (no communication). Weights of 0 and 1 need
    no fractional bits. `ValueError` for weights that are known and larger than `largest`.
    """
    if _compat.is_concrete(weights) and bool(np.any(np.abs(np.asarray(weights)) > largest)):
        raise ValueError(
            f"weighted_sum: a weight is larger than {largest:g}; divide them by the largest, or set largest="
        )
    grid = jnp.clip(jnp.asarray(weights, jnp.float32), -largest, largest)
    grid = jnp.round(grid * 2.0**bits) / np.float32(2.0**bits)
    if not isinstance(x, Secret):
        return grid.astype(x.dtype) @ x
    field = x.rt.field
    encoded = fixed.encode(field, grid, bits)
    bound = math.ceil(largest * 2**bits) * x.bound * x.shape[0]
    scale = x.scale + bits
    refused_early = Secret(x.rt, x.shares, scale, bound, "weighted sum")
    shares = kernels.combine(field, encoded, refused_early.shares, axis=1)
    return Secret(x.rt, shares, scale, bound, "weighted sum")


def project(x: Any, direction: Any, *, bits: int, bound: float) -> Any:
    """Inner products of every row of `x [n, d]` with a public `direction [d]` at `bits` fractional bits: `[n]`. Local.

    `bound` is what the caller knows about their size as real numbers (for unit vectors: 1, and rounding).
    """
    if not isinstance(x, Secret):
        return x @ jnp.asarray(direction, x.dtype)
    x.rt.spread.refuse("projection")
    direction = jnp.asarray(direction, jnp.float32)
    encoded = kernels.encoded_once(lambda d: fixed.encode(x.rt.field, d, bits), direction)  # not anew for every row
    limit, scale = math.ceil(bound * 2.0 ** (x.scale + bits)), x.scale + bits
    refused_early = Secret(x.rt, x.shares, scale, limit, "projection")
    return Secret(x.rt, kernels.inner(x.rt.field, refused_early.shares, encoded), scale, limit, "projection")


def mask(x: Any, kept: Any) -> Any:
    """`x [n, ...]` with the rows that are not publicly `kept [n]` set to zero. Local."""
    if not isinstance(x, Secret):
        return jnp.where(kept.reshape(-1, *(1,) * (x.ndim - 1)), x, 0)
    column = kept.reshape(1, -1, *(1,) * (x.ndim - 1))
    return x._like(jnp.where(column, x.shares, jnp.zeros_like(x.shares)), x.scale, x.bound, "mask", bit=x.bit)


def off_diagonal(x: Any) -> Any:
    """`x [n, n]` without its diagonal: `[n, n - 1]`, row i has the columns other than i in order. Local."""
    if isinstance(x, Secret):
        return x._like(_off_diagonal(x.shares), x.scale, x.bound, "off diagonal")
    return _off_diagonal(x)


def _off_diagonal(x: Any) -> Any:
    lead, n = x.shape[:-2], x.shape[-1]
    return x.reshape(*lead, -1)[..., 1:].reshape(*lead, n - 1, n + 1)[..., :-1].reshape(*lead, n, n - 1)
