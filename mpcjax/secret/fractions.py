"""Rounding and division."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from mpcjax import circuits
from mpcjax.protocols import multiply
from mpcjax.secret.array import Secret


def rescale(x: Any, bits: int) -> Any:
    """`x` with `bits` fractional bits, rounded to nearest by exact truncation; plain arrays are rounded the same way."""
    if not isinstance(x, Secret):
        return jnp.floor(x * 2.0**bits + 0.5) / 2.0**bits
    down = x.scale - bits
    if down <= 0:
        return x._at_scale(bits)
    shares = circuits.truncate_nearest(x.rt, x.shares, down, x.bound)
    return Secret(x.rt, shares, bits, (x.bound >> down) + 1, "rescale")


def proportions(x: Any, bits: int) -> Any:
    """x_i / sum_j x_j for non-negative `x [n]`, at `bits` fractional bits; all zero when the sum is zero.

    One reciprocal of a scalar, n products and n truncations. Error 2^-bits per entry.
    """
    total = x.sum(axis=0)
    if not isinstance(x, Secret):
        return x / jnp.where(total > 0, total, 1)
    # 1 / total at `out` bits has a relative error below 2^-bits even at the largest total; x_i <= total bounds x_i / total.
    out = bits + 2 + max(total.bound.bit_length() - total.scale, 0)
    inverse = circuits.reciprocal(x.rt, total.shares[:, None], scale=total.scale, bound=total.bound, out_bits=out)
    quotient = multiply(x.rt, x.shares, inverse)
    scale = x.scale + out
    return rescale(Secret(x.rt, quotient, scale, (1 << scale) + (1 << (scale - bits)), "proportions"), bits)
