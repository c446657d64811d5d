"""Every coordinate is +1 or -1: sum_k rho_k (x_k^2 - 1) = 0 for independent public rho_k."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from mpcjax.certificates.base import Certificate, Dealt
from mpcjax.fields import Field
from mpcjax.prg import Stream
from mpcjax.protocols import weighted_squares
from mpcjax.runtime import Runtime


@dataclasses.dataclass(frozen=True)
class Signs(Certificate):
    """Accepts exactly the messages in {-1, +1}^d, up to an error of p^-repetitions <= 2**-SECURITY_BITS per peer.

    Cost: one inner product of length d per peer and repetition. Revealed: accepted or not.
    """

    name = "signs"

    def fraction_bits(self, field: Field, length: int, peers: int) -> int:
        return 0

    def bound(self, bits: int, length: int) -> int:
        return 1

    def holds(self, field: Field, message: Any, bits: int) -> Any:
        return jnp.all(jnp.abs(message) == 1, axis=-1)

    def tests(self, rt: Runtime, agreed: Any, second: Stream, dealt: Dealt) -> Any:
        repeats = rt.repetitions(1 / rt.field.modulus)
        weights = second.uniform("signs", rt.field, (repeats, dealt.message.shape[-1]))[0]
        tests = [
            rt.field.sub(weighted_squares(rt, dealt.message, weights[r]), rt.field.sum(weights[r]))
            for r in range(repeats)
        ]
        return jnp.stack(tests, axis=-1)
