"""Factors that shorten vectors to a limit, from their squared lengths."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from mpcjax import circuits
from mpcjax.protocols import multiply
from mpcjax.secret.array import Secret
from mpcjax.secret.fractions import rescale
from mpcjax.secret.rows import FACTOR_BITS, PRODUCT_BITS, public_number, short

# For squares X < 2^38: Y = 2^40 / sqrt(X) has 21 bits at least, and X Y and (2^18 sqrt(T)) Y for T <= X are below 2^59.
INVERSE_BITS = 2 + PRODUCT_BITS
LENGTH_BITS = 18


def to_limit(squares: Any, limit: Any) -> Any:
    """min(1, limit / sqrt(squares)) `[n]` for a public positive `limit`.

    2 n truncations, n comparisons and inverse square roots, 2 n products. Error: 2^-18, and that of squares rounded to 2^-37
    of the largest there can be; factors of 1 are exact.
    """
    if not isinstance(squares, Secret):
        return jnp.where(squares > jnp.square(limit), limit / jnp.sqrt(jnp.maximum(squares, jnp.square(limit))), 1)
    x = short(squares, PRODUCT_BITS)
    longest = np.float32(2.0**PRODUCT_BITS - 1)  # a longer limit changes nothing
    square = jnp.minimum(jnp.square(jnp.asarray(limit, jnp.float32)) * np.float32(2.0**x.scale), longest)
    length = public_number(x.rt.field, jnp.sqrt(square), LENGTH_BITS)
    return _factors(x, public_number(x.rt.field, square, 0), lambda inverse: x.rt.field.mul(inverse, length))


def to_longest(squares: Any, square: Any) -> Any:
    """min(1, sqrt(square / squares)) `[n]` for a secret `square []`, one of the squares. As `to_limit`; an inverse more."""
    if not isinstance(squares, Secret):
        larger = squares > square
        return jnp.where(larger, jnp.sqrt(square / jnp.where(larger, squares, 1)), 1)
    rt = squares.rt
    both = jnp.concatenate([squares.shares, square.shares[:, None]], axis=1)
    x = short(squares._like(both, squares.scale, max(squares.bound, square.bound), "squares"), PRODUCT_BITS)
    limit, n = x.shares[:, -1:], squares.shape[0]

    def ratio(inverse: Any) -> Any:
        length = Secret(rt, multiply(rt, inverse[:, n:], limit), INVERSE_BITS, 1 << (INVERSE_BITS + PRODUCT_BITS // 2))
        return multiply(rt, inverse[:, :n], rescale(length, LENGTH_BITS).shares)

    return _factors(x._like(x.shares[:, :n], x.scale, x.bound, "squares"), limit, ratio, limit)


def _factors(x: Secret, limit: Any, ratio: Any, more: Any = None) -> Secret:
    """1 where `x [n]` is at most `limit` (shares `[rows, 1]` or public), elsewhere ratio(2^40 / sqrt(x)).

    The inverse roots of `more` follow those of x."""
    rt, field = x.rt, x.rt.field
    longer = circuits.less_than(rt, limit, x.shares)
    larger = circuits.select(rt, longer, x.shares, limit)
    rooted = larger if more is None else jnp.concatenate([larger, more], axis=1)
    inverse = circuits.inverse_sqrt(rt, rooted, 0, (1 << PRODUCT_BITS) + 1, INVERSE_BITS)
    scale = INVERSE_BITS + LENGTH_BITS
    found = Secret(rt, ratio(inverse), scale, (1 << scale) + (1 << (scale - FACTOR_BITS + 4)), "factors")
    rounded = rescale(found, FACTOR_BITS)
    shares = circuits.select(rt, longer, rounded.shares, field.asarray(1 << FACTOR_BITS))
    return rounded._like(shares, FACTOR_BITS, rounded.bound, "factors")
