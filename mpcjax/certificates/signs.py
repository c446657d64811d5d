"""Every coordinate is +1 or -1: sum_k rho_k (x_k^2 - 1) = 0 for random public rho_k."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from mpcjax.certificates.base import Certificate, Dealt, Equation
from mpcjax.fields import Field, kernels
from mpcjax.prg import Stream
from mpcjax.protocols import random_form
from mpcjax.runtime import Runtime


@dataclasses.dataclass(frozen=True)
class Signs(Certificate):
    """Accepts exactly the messages in {-1, +1}^d, up to an error of 2**-SECURITY_BITS per peer.

    Cost: one quadratic form of the message per peer and repetition, which the peer proves. Revealed: accepted or not.
    """

    name = "signs"
    coordinatewise = True
    spreads = True
    filler = 1

    def fraction_bits(self, field: Field, length: int, peers: int) -> int:
        return 0

    def bound(self, bits: int, length: int) -> int:
        return 1

    def holds(self, field: Field, message: Any, bits: int, sums: tuple[Any, ...] = ()) -> Any:
        return kernels.all_true(jnp.abs(message) == 1)

    def equations(self, rt: Runtime, agreed: Any, second: Stream, dealt: Dealt) -> list[Equation]:
        length, repeats, spread = dealt.message.shape[-1], rt.repetitions(1 / rt.field.modulus), rt.spread
        forms = [random_form(rt.scheme, second, f"signs {r}", length, spread=spread) for r in range(repeats)]
        sums = [form.sum_of_weights(rt.field, length, spread) for form in forms]
        return [Equation(one, ("message",), form) for one, form in zip(sums, forms, strict=True)]
