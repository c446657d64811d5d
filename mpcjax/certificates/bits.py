"""Bits a peer deals, the one quadratic form that shows they are bits, and messages that are nothing else."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from mpcjax.certificates.base import Certificate, Dealt, Equation
from mpcjax.fields import Field, kernels
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
    return [Equation(field.mul(form.sum_of_weights(field, length), quarter), about, form) for form in forms]


@dataclasses.dataclass(frozen=True)
class Bits(Certificate):
    """Accepts exactly the messages in {0, 1}^d, up to an error of 2**-SECURITY_BITS per peer.

    Every number of so many bits can be spelled so: what peers deal bit by bit needs no further proof of its range.
    Cost: one quadratic form of the message per peer and repetition, which the peer proves. Revealed: accepted or not.
    """

    name = "bits"
    coordinatewise = True

    def fraction_bits(self, field: Field, length: int, peers: int) -> int:
        return 0

    def bound(self, bits: int, length: int) -> int:
        return 1

    def holds(self, field: Field, message: Any, bits: int, sums: tuple[Any, ...] = ()) -> Any:
        return kernels.all_true((message == 0) | (message == 1))

    def equations(self, rt: Runtime, agreed: Any, second: Stream, dealt: Dealt) -> list[Equation]:
        return booleanity(rt, second, ("message",), dealt.message.shape[-1])
