"""Cutting long inner products into pieces that a public challenge folds into one: what `verify` and `proof` share.

For a vector x in c pieces x_0, ..., x_{c-1}, X(v) = sum_i v^i x_i has 1/c of the length, and products of such polynomials
have 2c - 1 coefficients. Whoever knows these before v is drawn has bound itself to the products.
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from mpcjax.fields import Field, kernels

MANY = 1 << 16  # up to this length a level cuts into sixteen pieces, not four
FEW = 1 << 12  # up to this length two levels do, of as many pieces as the square root of the length


def pieces(field: Field, length: int) -> int:
    """Into how many pieces a level cuts: many save rounds, few save passes over long vectors and error in small fields.

    A level of c pieces computes c N products locally and shares 2 c - 2.
    """
    if field.exponent < 31:
        return 2
    if length > FEW:
        return 4 if length > MANY else 16
    return length if length <= math.isqrt(FEW) else math.isqrt(length - 1) + 1


def in_pieces(x: Any, count: int) -> Any:
    """`x [..., N]` as `[..., count, ceil(N / count)]`, filled up with zeros."""
    size = -(-x.shape[-1] // count)
    width = [(0, 0)] * (x.ndim - 1) + [(0, count * size - x.shape[-1])]
    return jnp.pad(x, width).reshape(*x.shape[:-1], count, size)


def product_table(field: Field, xs: Any, ys: Any) -> Any:
    """xs[i] . ys[j] for `[..., c, L]`: `[..., c, c]`."""
    return kernels.inner(field, xs[..., :, None, :], ys[..., None, :, :])


def by_power(field: Field, table: Any) -> Any:
    """Coefficients of sum_ij v^(i + j) table[i, j] for `[..., c, c]`: `[..., 2 c - 1]`."""
    lead, count = table.shape[:-2], table.shape[-1]
    # shear the table so that the terms of one power of v stand in one column
    wide = jnp.pad(table, [(0, 0)] * len(lead) + [(0, 0), (0, count)]).reshape(*lead, -1)
    sheared = wide[..., : count * (2 * count - 1)].reshape(*lead, count, 2 * count - 1)
    return field.sum(sheared, axis=-2)
