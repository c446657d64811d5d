"""Rounding, division and roots."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from mpcjax import _compat, circuits
from mpcjax.protocols import multiply
from mpcjax.secret.array import Secret, facing
from mpcjax.secret.order import maximum
from mpcjax.secret.public import Known, plain, public

MOST_BITS = 60  # more no field holds beside a sign


def rescale(x: Any, bits: int) -> Any:
    """`x` with `bits` fractional bits, rounded to nearest by exact truncation; plain arrays are rounded the same way."""
    _require_bits("rescale", bits)
    return at_scale(x, bits) if isinstance(x, Secret) else jnp.floor(x * 2.0**bits + 0.5) / 2.0**bits


def at_scale(x: Secret, bits: int) -> Secret:
    """`x` in units of 2^-bits, rounded to nearest. `bits` may be negative: of large numbers that is enough."""
    down = x.scale - bits
    if down <= 0:
        return x._at_scale(bits)
    shares = circuits.truncate_nearest(x.rt, x.shares, down, x.bound)
    return Secret(x.rt, shares, bits, (x.bound >> down) + 1, "rescale")


def _require_bits(operation: str, bits: Any) -> None:
    if isinstance(bits, bool) or not isinstance(bits, int | np.integer) or not 0 <= bits <= MOST_BITS:
        raise ValueError(
            f"{operation}: bits={bits!r}; legal are whole numbers of fractional bits from 0 to {MOST_BITS}"
        )


def proportions(x: Any, bits: int) -> Any:
    """x_i / sum_j x_j for non-negative `x [n]`, at `bits` fractional bits; all zero when the sum is zero.

    One reciprocal of a scalar, n products and n truncations. Error 2^-28 x_i / sum + 2^-bits per entry.
    """
    _require_bits("proportions", bits)
    total = x.sum(axis=0)
    if not isinstance(x, Secret):
        return x / jnp.where(total > 0, total, 1)
    # 1 / total at `out` bits has a relative error below 2^-bits + 2^-28 even at the largest total; x_i <= total bounds the rest
    out = bits + 2 + max(total.bound.bit_length() - total.scale, 0)
    inverse = circuits.reciprocal(x.rt, total.shares[:, None], scale=total.scale, bound=total.bound, out_bits=out)
    quotient = multiply(x.rt, x.shares, inverse)
    scale = x.scale + out
    return rescale(Secret(x.rt, quotient, scale, (1 << scale) + (1 << (scale - bits)), "proportions"), bits)


def quotients(x: Any, y: Any, *, bits: int, most: float) -> Any:
    """x_k / y for `x [d]` and one non-negative `y [1]`, zero where y is zero, if the caller knows that |x_k| <= `most` y.

    Not rounded: the result has some `bits` + log2 of the largest y more fractional bits than x. Error of an entry
    (2^-28 + 2^-bits) |x_k / y|. Cost: one reciprocal of a scalar, d products.
    """
    if not isinstance(x, Secret):
        return jnp.where(y > 0, x / jnp.where(y > 0, y, 1), 0)
    _require_bits("quotients", bits)
    out = bits + _whole_bits(y)  # so that 1 / y has `bits` significant ones even at the largest
    scale = x.scale + out
    at_most = math.ceil(most * 2.0**scale * (1 + 2.0**-20)) + x.bound
    x._like(x.shares, scale, at_most, "quotients")  # refuse before anything is sent
    inverse = circuits.reciprocal(x.rt, y.shares, scale=y.scale, bound=y.bound, out_bits=out)
    return x._like(multiply(x.rt, x.shares, inverse), scale, at_most, "quotients")


def divide(x: Any, y: Any, *, bits: int = 16, least: float) -> Any:
    """x / max(y, least) elementwise (broadcast), at `bits` fractional bits, for a secret `y` and a public `least` > 0.

    `least` is the smallest that y can be, and keeps the quotient in bounds: a smaller y counts as `least` (rounded to the
    scale of y). Error at most 2^-28 |x / y| + 2^-bits; plain arrays are not rounded. Of a public y the inverse is rounded, to
    as many bits as that takes.
    Cost per quotient: a comparison, `circuits.reciprocal` (dearest: 781 products), a product, a truncation.
    """
    if not (isinstance(x, Secret) or isinstance(y, Secret)):
        return plain(x) / jnp.maximum(plain(y), least)
    _require_bits("divide", bits)
    if not least > 0:
        raise ValueError(f"divide: least={least}; legal is the smallest positive number that the divisor can be")
    if not isinstance(y, Secret):
        return _by_public(x, y, bits, least)
    smallest = round(least * 2.0**y.scale)
    if not 1 <= smallest <= y.bound:
        raise ValueError(
            f"divide: least={least} of a divisor of {y.scale} fractional bits and up to {y.bound / 2.0**y.scale:g}; legal is "
            f"{2.0**-y.scale:g} to that"
        )
    x = y._constant(x, "division")
    out = bits + 2 + _whole_bits(x)
    at_most = math.ceil(x.bound * 2**out * 2**y.scale / smallest * (1 + 2.0**-20)) + x.bound
    x._like(x.shares, x.scale + out, at_most, "division")  # refuse before anything is sent
    y = maximum(y, smallest / 2.0**y.scale)
    inverse = circuits.reciprocal(y.rt, y.shares, y.scale, y.bound, out, least=smallest)
    numerator, inverse = facing("division", x, y._like(inverse, 0, 0, "division"))
    return rescale(y._like(multiply(y.rt, numerator, inverse), x.scale + out, at_most, "division"), bits)


def _by_public(x: Secret, y: Any, bits: int, least: float) -> Secret:
    """`divide` by public numbers that are known while tracing. Local but for the rounding."""
    y = y.values if isinstance(y, Known) else y
    if not _compat.is_concrete(y):
        raise TypeError(
            "divide: the divisor is public, and its values are not known while tracing; multiply by mpcjax.secret.public("
            "1 / y, bits=, bound=)"
        )
    inverse = 1 / np.maximum(np.asarray(y, np.float64), least)
    fine = bits + 1 + _whole_bits(x)  # or those of 28 significant ones, if that is less
    fine = max(0, min(fine, 28 - math.floor(math.log2(float(np.min(inverse, initial=1.0))))))
    return rescale(x * public(inverse, bits=fine), bits)


def sqrt(x: Any, *, bits: int = 16) -> Any:
    """sqrt(max(x, 0)) elementwise at `bits` fractional bits: error at most 2^-25 sqrt(x) + 2^-bits.

    Plain arrays are not rounded. Cost each: a comparison, `circuits.inverse_sqrt` (dearest: 845 products), a product, a
    truncation.
    """
    if not isinstance(x, Secret):
        return jnp.sqrt(jnp.maximum(plain(x), 0))
    _require_bits("square root", bits)
    out, largest = bits + 2 + _whole_bits(x), max(x.bound, 1)
    at_most = math.ceil(math.sqrt(largest) * 2.0 ** (out + x.scale / 2) * (1 + 2.0**-20)) + largest
    positive = x._like(x.shares, x.scale + out, at_most, "square root")  # refuse before anything is sent
    positive.shares = circuits.relu(x.rt, x.shares)
    inverse = circuits.inverse_sqrt(x.rt, positive.shares, x.scale, largest, out)
    return rescale(x._like(multiply(x.rt, positive.shares, inverse), x.scale + out, at_most, "square root"), bits)


def _whole_bits(x: Secret) -> int:
    """Bits before the point of the largest that x can be."""
    return max(x.bound.bit_length() - x.scale, 0)
