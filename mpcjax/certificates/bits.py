"""Bits a peer deals, and the one inner product that shows they are bits."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from mpcjax.fields import Field
from mpcjax.prg import Stream
from mpcjax.protocols import weighted_squares
from mpcjax.runtime import Runtime


def split(field: Field, value: Any, width: int) -> Any:
    """Bits of non-negative integers `value [...] < 2**width`, lowest first: `[..., width]` field elements."""
    shifts = jnp.arange(width, dtype=value.dtype)
    return ((value[..., None] >> shifts) & 1).astype(field.dtype)


def powers(field: Field, width: int) -> Any:
    """1, 2, 4, ... mod p: `[width]`."""
    return field.asarray(field.from_int([pow(2, k, field.modulus) for k in range(width)]))


def joined(field: Field, bits: Any, width: int) -> Any:
    """Shares `[..., k * width]` of bits to shares `[..., k]` of the numbers they spell (linear, local)."""
    return field.dot(bits.reshape(*bits.shape[:-1], -1, width), powers(field, width), axis=-1)


def booleanity(rt: Runtime, public: Stream, bits: Any) -> list[Any]:
    """sum_k rho_k (b_k^2 - b_k) for every peer's `bits [rows, n, K]`: sharings `[rows, n]`, zero if all are bits.

    Error p^-repetitions <= 2**-SECURITY_BITS; one squares product per peer and repetition.
    """
    repeats = rt.repetitions(1 / rt.field.modulus)
    weights = public.uniform("booleanity", rt.field, (repeats, bits.shape[-1]))[0]
    return [
        rt.field.sub(weighted_squares(rt, bits, weights[r]), rt.field.dot(bits, weights[r], axis=-1))
        for r in range(repeats)
    ]
