"""Words of 64 and 128 bits mod p = 2**e - 1, as they come from ChaCha20: the primes of `mpcjax.fields`, any word."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np


def joined(words) -> list:
    """Words low, high, low, high, ... -> uint64."""
    return [
        low.astype(jnp.uint64) | (high.astype(jnp.uint64) << np.uint64(32))
        for low, high in zip(words[::2], words[1::2], strict=True)
    ]


def _limbs(word, e: int, shift: int = 0):
    """uint64 `word` 2**shift as a sum of at most four numbers of e bits, congruent mod p = 2**e - 1; e >= 31."""
    p, ends = np.uint64((1 << e) - 1), range(e - shift, 64, e)
    return sum(((word >> np.uint64(end)) & p for end in ends), (word << np.uint64(shift)) & p)


def _reduced(total, e: int):
    """A sum of limbs mod p: after one fold it is less than 2 p."""
    p = np.uint64((1 << e) - 1)
    total = (total & p) + (total >> np.uint64(e))
    return jnp.where(total >= p, total - p, total)


def mod64(word, e: int):
    """uint64 -> mod p."""
    return word % np.uint64((1 << e) - 1) if e < 31 else _reduced(_limbs(word, e), e)


def mod128(low, high, e: int):
    """The number of 128 bits (low, high), uint64 each, mod p: 2**64 is 2**(64 % e)."""
    if e < 31:
        return mod64(mod64(low, e) + mod64(mod64(high, e) << np.uint64(64 % e), e), e)
    return _reduced(_limbs(low, e) + _limbs(high, e, 64 % e), e)
