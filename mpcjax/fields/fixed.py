"""Fixed-point numbers in the field: x is stored as round(x * 2**bits), a negative one as p - |.|.

The caller sees to it that |x| * 2**bits < p / 2 and that x is finite: a larger number wraps around, and NaN and
infinities become some unspecified element.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.fields.mersenne import Array, Field

_MAX_BITS = 126  # 2**-126 is the smallest normal float32


def encode(field: Field, x: Array, bits: int) -> jax.Array:
    """float32 array to field elements, rounded half to even: error at most 2**-(bits+1), none if representable.

    Multiplying by 2**bits is exact in float32, and so is its rounding: nothing here needs float64.
    """
    _check_bits(bits)
    if getattr(x, "dtype", None) != np.float32:
        raise ValueError(f"encode got dtype {getattr(x, 'dtype', type(x).__name__)}: legal is float32")
    return _encode(field, jnp.asarray(x), bits)


def to_integers(x: Array, bits: int, inward: bool = False) -> jax.Array:
    """float32 array to int32 round(x * 2**bits), half to even; what `encode` reads mod p. |x| * 2**bits < 2**31.

    `inward`: rounded toward zero instead."""
    _check_bits(bits)
    scaled = x * np.float32(2.0**bits)
    return (jnp.trunc(scaled) if inward else jnp.round(scaled)).astype(np.int32)


def decode(field: Field, a: Array, bits: int) -> jax.Array:
    """Field elements, read as centred integers, divided by 2**bits: float32, rounded once (half to even)."""
    _check_bits(bits)
    return _decode(field, field.lift(a), bits)


@functools.partial(jax.jit, static_argnums=(0, 2), inline=True)
def _encode(field: Field, x: jax.Array, bits: int) -> jax.Array:
    scaled = jnp.round(x * np.float32(2.0**bits))
    return field.from_signed(scaled.astype(np.int64))


@functools.partial(jax.jit, static_argnums=(0, 2), inline=True)
def _decode(field: Field, lifted: jax.Array, bits: int) -> jax.Array:
    return lifted.astype(np.float32) * np.float32(2.0**-bits)


def _check_bits(bits: int) -> None:
    if isinstance(bits, bool) or not isinstance(bits, (int, np.integer)) or not 0 <= bits <= _MAX_BITS:
        raise ValueError(f"bits is {bits!r}: the number of fractional bits is an int from 0 to {_MAX_BITS}")
