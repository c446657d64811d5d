"""Exact division by powers of two: what rescales fixed-point numbers after a product.

Shares are `[rows, ...]` of centred values. Costs count products and levels as in `circuits.bits`.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from mpcjax.circuits.bits import Mask, fold, short_mask, solved_bits, subtraction
from mpcjax.circuits.compare import is_negative, low_part
from mpcjax.circuits.spelling import from_bits, public_bits
from mpcjax.errors import BoundError
from mpcjax.fields import Field
from mpcjax.protocols import dot, open_many
from mpcjax.runtime import SECURITY_BITS, Runtime


def truncate(rt: Runtime, x: Any, bits: int, bound: int, *, mask: Mask | None = None) -> Any:
    """floor(x / 2^bits), exactly, for |x| <= bound < p/2 and static `bits`, `bound`.

    Where the bound leaves 42 bits of the field free, x is masked statistically; otherwise, or with a `mask` given, by a
    uniform mask.

    Cost for e = 61 and `bits` = 20 of a bound of 60 bits: 1 opening, 7 levels, 89 products, 61 bits; for `bits` = 8 of
    a bound of 2^18: 1 opening, 3 levels, 8 products, 60 bits. Revealed: nothing; what is opened is uniform, or within
    2^-40 of a distribution that does not depend on x. Guarantee: exact.
    Source: Catrina, de Hoogh 2010; the exact form in one opening is derived in `_remainder`.
    """
    _require_bound(rt.field, bound, "truncate")
    if bits < 0:
        raise ValueError(f"bits={bits}: truncation drops 0 bits or more")
    if bits == 0 or bound == 0:
        return x
    length = bound.bit_length()
    if bits >= length:  # every |x| is below 2^bits: what is left is 0 or -1
        return rt.field.neg(is_negative(rt, x, width=length, mask=mask))
    if mask is None and length + SECURITY_BITS + 2 <= rt.field.exponent:
        rest = _remainder_short(rt, x, bits, length)
    else:
        rest = _remainder(rt, x, bits, solved_bits(rt, x.shape[1:]) if mask is None else mask)
    return rt.field.mul(rt.field.sub(x, rest), pow(2, -bits, rt.field.modulus))


def truncate_nearest(rt: Runtime, x: Any, bits: int, bound: int) -> Any:
    """x / 2^bits rounded to the nearest integer, halves up: exact for |x| <= bound, bound + 2^(bits-1) < p/2."""
    half = (1 << bits) >> 1
    _require_bound(rt.field, bound + half, "truncate_nearest")
    return truncate(rt, rt.field.add(x, rt.field.asarray(half)), bits, bound + half)


def _remainder_short(rt: Runtime, x: Any, bits: int, length: int) -> Any:
    """x mod 2^bits for |x| < 2^length: x + 2^length is not negative and leaves the remainder as it is."""
    field = rt.field
    mask = short_mask(rt, x.shape[1:], length + 1)
    c = open_many(rt, field.add(field.add(x, field.asarray(1 << length)), mask.value), "truncate small")
    return low_part(rt, c, mask, bits)


def _remainder(rt: Runtime, x: Any, bits: int, mask: Mask) -> Any:
    """x mod 2^bits for any |x| < p/2 and bits < e.

    x' = x + 2^(e-1) is in [1, p] and leaves the same remainder. Open x' - 1 + r mod p and let c be that plus 1, so that
    x' = c - r + w p with w = [c <= r], and mod 2^bits, where p = -1: x' = c - r - w. So a borrow w enters the lowest
    `bits` positions, and 2^bits is to be added where one leaves them, l. With (G, P) of these positions and (G', P') of
    those above: w = G' + P' (G + P), and l = G + P w = G + P (G' + P') because P G = 0. The remainder is then linear in
    -P' (G + P) + 2^bits P (G' + P'), one inner product.
    """
    field, e = rt.field, rt.field.exponent
    shifted = field.add(x, field.asarray((1 << (e - 1)) - 1))
    c = open_many(rt, field.add(shifted, mask.value), "truncate") + field.dtype.type(1)  # in [1, p], not reduced
    known, secret = public_bits(field, c, e), mask.bits
    low = subtraction(known[..., :bits], secret[..., :bits])
    high = subtraction(known[..., bits:], secret[..., bits:])
    (g, p), (g_high, p_high) = fold(rt, [low, high], [True, True])
    scale = (1 << bits) % field.modulus
    left = jnp.stack([field.neg(p_high), field.mul(p, scale)], axis=-1)
    right = jnp.stack([field.add(g, p), field.add(g_high, p_high)], axis=-1)
    borrows = field.add(dot(rt, left, right), field.sub(field.mul(g, scale), g_high))
    spelled = field.sub(from_bits(field, known[..., :bits]), from_bits(field, secret[..., :bits]))
    return field.add(spelled, borrows)


def _require_bound(field: Field, bound: int, name: str) -> None:
    if not 0 <= bound <= field.modulus // 2:
        raise BoundError(
            f"{name} of numbers up to {bound}: the field of {field.exponent} bits holds {field.modulus // 2}; "
            f"use fewer fractional bits, or a tighter bound on the inputs"
        )
