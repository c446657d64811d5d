"""Comparison of secrets. Values are centred: an element above p/2 stands for a negative number.

Shares are `[rows, ...]`; results are shares of 0 or 1. Costs count products and levels as in `circuits.bits`; c is
opened in 2 rounds, or 3 (through kings) from 64 values on.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from mpcjax.circuits.bits import (
    Chain,
    Mask,
    fold,
    joined,
    less_than_public,
    product,
    short_mask,
    solved_bits,
    subtraction,
)
from mpcjax.circuits.spelling import from_bits, public_bits
from mpcjax.protocols import open_many
from mpcjax.runtime import SECURITY_BITS, Runtime


def is_negative(rt: Runtime, x: Any, *, width: int | None = None, mask: Mask | None = None) -> Any:
    """[x < 0] for any |x| < p/2. With a static `width` promise |x| < 2^width, the cheaper of the two forms.

    x < 0 iff y = 2x mod p is odd. With c = y + r opened, the lowest bit of y is c_0 xor r_0 xor [c < r], as p is odd.
    The exclusive or is no extra level: r_0 xor w = r_0 + (1 - 2 r_0) w, and 1 - 2 r_0 joins the chain of [c < r] on
    top, as a position that generates nothing and propagates 1 - 2 r_0.

    Cost: ceil(log2 (e + 1)) levels; for e = 61, 1 opening, 6 levels, 86 products, 61 bits; for e = 31, 5, 42, 31.
    Revealed: nothing, c is uniform. Guarantee: exact. Source: Nishide, Ohta 2007; Reistad, Toft 2007.
    """
    if width is not None and mask is None and _fits_short(rt, width):
        return is_negative_small(rt, x, width)
    field = rt.field
    mask = solved_bits(rt, x.shape[1:]) if mask is None else mask
    c = open_many(rt, field.add(field.double(x), mask.value), "compare")
    digits, lowest = public_bits(field, c, field.exponent), mask.bits[..., :1]
    chain = subtraction(digits, mask.bits)
    flip = field.sub(1, field.double(lowest))
    top = Chain(flip, jnp.ones(flip.shape[1:], bool))
    flipped, _ = fold(rt, [joined(chain, top)], [False])[0]
    return _xor_public(rt, digits[..., 0], field.add(lowest[..., 0], flipped))


def is_negative_small(rt: Runtime, x: Any, width: int) -> Any:
    """[x < 0] for |x| < 2^width, `width` static and at most e - 42.

    x' = x + 2^width is in [0, 2^(width+1)), and x < 0 iff its top bit is 0. With c = x' + r opened, the other bits of
    x' are those of c less those of r, plus 2^width where that is negative: one comparison of `width` bits.

    Cost: 1 opening, ceil(log2 width) levels; for width = 19, 5 levels, 23 products, 60 bits; for 7: 3, 7, 48.
    Revealed: nothing; each c is within statistical distance 2^-40 of a distribution that does not depend on x.
    Guarantee: exact. Source: Catrina, de Hoogh 2010.
    """
    field = rt.field
    mask = short_mask(rt, x.shape[1:], width + 1)
    shifted = field.add(x, field.asarray(1 << width))
    c = open_many(rt, field.add(shifted, mask.value), "compare small")
    rest = low_part(rt, c, mask, width)
    top = field.mul(field.sub(shifted, rest), pow(2, -width, field.modulus))
    return field.sub(1, top)


def low_part(rt: Runtime, c: Any, mask: Mask, width: int) -> Any:
    """x mod 2^width for public c = x + r, a sum that did not wrap around: one comparison of `width` bits."""
    field = rt.field
    if width == 0:
        return field.zeros(mask.value.shape)
    known, secret = public_bits(field, c, width), mask.bits[..., :width]
    borrow = field.scale_small(less_than_public(rt, known, secret), 1 << width)
    return field.add(field.sub(from_bits(field, known), from_bits(field, secret)), borrow)


def less_than(rt: Runtime, x: Any, y: Any, *, width: int | None = None) -> Any:
    """[x < y] for |x - y| < p/2 (for instance both below p/4), or |x - y| < 2^width. Cost: `is_negative`."""
    return is_negative(rt, rt.field.sub(x, y), width=width)


def is_zero(rt: Runtime, x: Any, *, mask: Mask | None = None) -> Any:
    """[x = 0]: c = x + r equals r in every bit. Cost: 1 opening, ceil(log2 e) levels, e - 1 products, e bits.

    Revealed: nothing, c is uniform. Guarantee: exact. Source: Nishide, Ohta 2007.
    """
    field = rt.field
    mask = solved_bits(rt, x.shape[1:]) if mask is None else mask
    c = open_many(rt, field.add(x, mask.value), "is zero")
    return product(rt, subtraction(public_bits(field, c, field.exponent), mask.bits).propagates(field))


def _fits_short(rt: Runtime, width: int) -> bool:
    return width + SECURITY_BITS + 2 <= rt.field.exponent


def _xor_public(rt: Runtime, c: Any, bit: Any) -> Any:
    """c xor bit for a public c, local."""
    return jnp.where(c != 0, rt.field.sub(1, bit), bit)
