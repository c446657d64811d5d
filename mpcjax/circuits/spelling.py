"""Numbers and their bits, lowest first along the last axis: what is local."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from mpcjax.fields import Field

MANY = 1 << 20  # shares of bits from which spelling a number by rotations is worth its longer program
AT_ONCE = 8


def public_bits(field: Field, c: Any, width: int) -> Any:
    """The lowest `width` bits of public words `c [...]`, as field elements `[..., width]`."""
    return (c[..., None] >> jnp.arange(width, dtype=field.dtype)) & field.dtype.type(1)


def from_bits(field: Field, bits: Any) -> Any:
    """sum_i 2^i bits_i over the last axis (linear, local); up to e bits. For many, `AT_ONCE` digits make one, by doubling."""
    if bits.size < MANY:
        return field.dot(bits, field.from_int([1 << i for i in range(bits.shape[-1])]), axis=-1)
    digits, width = jnp.moveaxis(bits, -1, 0), 1
    while len(digits) > 1:
        digits = jnp.pad(digits, [(0, -len(digits) % AT_ONCE)] + [(0, 0)] * (digits.ndim - 1))
        digits = digits.reshape(-1, AT_ONCE, *digits.shape[1:])
        total = digits[:, -1]
        for k in reversed(range(AT_ONCE - 1)):
            total = field.add(field.scale_small(total, 1 << width), digits[:, k])
        digits, width = total, AT_ONCE * width
    return digits[0]
