"""Opened random field elements as a key for public randomness."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from mpcjax.fields import Field
from mpcjax.prg import Stream

KEY_BITS = 256


def key_elements(field: Field) -> int:
    """How many uniform field elements make a 256-bit key."""
    return -(-KEY_BITS // field.exponent)


def stream_from_elements(field: Field, elements: Any) -> Stream:
    """Public stream keyed by the bits of `elements [key_elements]`."""
    shifts = jnp.arange(field.exponent, dtype=field.dtype)
    bits = ((elements[:, None] >> shifts) & 1).reshape(-1)[:KEY_BITS].reshape(8, 32).astype(jnp.uint32)
    words = jnp.sum(bits << jnp.arange(32, dtype=jnp.uint32), axis=1, dtype=jnp.uint32)
    return Stream(words[None])
