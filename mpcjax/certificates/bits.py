"""Bits a peer deals, and the one quadratic form that shows they are bits."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from mpcjax.certificates.base import Equation
from mpcjax.fields import Field
from mpcjax.prg import Stream
from mpcjax.protocols import random_form
from mpcjax.runtime import Runtime


def split(field: Field, value: Any, width: int) -> Any:
    """Bits of non-negative integers `value [...] < 2**width`, lowest first: `[..., width]` field elements."""
    shifts = jnp.arange(width, dtype=value.dtype)
    return ((value[..., None] >> shifts) & 1).astype(field.dtype)


def powers(field: Field, width: int) -> Any:
    """1, 2, 4, ... mod p: `[width]`."""
    return field.asarray(field.from_int([pow(2, k, field.modulus) for k in range(width)]))


def booleanity(rt: Runtime, public: Stream, about: tuple[str, ...], length: int) -> list[Equation]:
    """The `length` elements `about` are bits: sum_k rho_k (b_k - 1/2)^2 = sum_k rho_k / 4 for random public rho_k."""
    field, repeats = rt.field, rt.repetitions(1 / rt.field.modulus)
    half = pow(2, -1, field.modulus)
    shift = jnp.broadcast_to(field.neg(half), (length,))
    forms = [random_form(rt.scheme, public, f"booleanity {r}", length, shift) for r in range(repeats)]
    quarter = half * half % field.modulus
    return [Equation(field.mul(field.sum(form.weights(field, length)), quarter), about, form) for form in forms]
