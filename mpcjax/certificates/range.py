"""Every coordinate is a number of so many bits, shown by the bits themselves."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax.numpy as jnp

from mpcjax.certificates.base import Certificate, Dealt
from mpcjax.certificates.bits import booleanity, joined, split
from mpcjax.fields import Field
from mpcjax.prg import Stream
from mpcjax.runtime import Runtime


@dataclasses.dataclass(frozen=True)
class Range(Certificate):
    """Accepts exactly the messages with -limit <= x_k <= limit - 2^-f, where limit is rounded up to a power of two.

    The peer deals the bits of x_k + 2^(w-1); they are bits, and they add up to the message. Error at most
    2 p^-repetitions per peer. Cost: w d further values dealt per peer, one inner product of that length.
    Revealed: accepted or not.
    """

    limit: float
    width: int = 20
    name = "range"

    def __post_init__(self) -> None:
        if not self.limit > 0:
            raise ValueError(f"limit={self.limit}: a range needs limit > 0")
        if not 2 <= self.width <= 31:
            raise ValueError(f"width={self.width}: legal are 2 to 31 bits per coordinate")

    def fraction_bits(self, field: Field, length: int, peers: int) -> int:
        if self.width > field.exponent - 2:
            raise ValueError(
                f"width={self.width} bits do not fit the field of {field.exponent} bits; use at most {field.exponent - 2}"
            )
        _, exponent = _frexp(self.limit)
        if exponent > self.width - 1:
            raise ValueError(
                f"limit={self.limit:g} needs {exponent + 1} bits and width is {self.width}: use a larger width or a lower limit"
            )
        return self.width - 1 - exponent

    def bound(self, bits: int, length: int) -> int:
        return 1 << (self.width - 1)

    def holds(self, field: Field, message: Any, bits: int) -> Any:
        half = 1 << (self.width - 1)
        return jnp.all((message >= -half) & (message < half), axis=-1)

    def helpers(self, field: Field, message: Any, bits: int) -> Any:
        offset = jnp.clip(message.astype(jnp.int64) + (1 << (self.width - 1)), 0, (1 << self.width) - 1)
        return split(field, offset, self.width).reshape(message.shape[0], -1)

    def tests(self, rt: Runtime, agreed: Any, second: Stream, dealt: Dealt) -> Any:
        field = rt.field
        repeats = rt.repetitions(1 / field.modulus)
        weights = second.uniform("range", field, (repeats, dealt.message.shape[-1]))[0]
        spelled = joined(field, dealt.helpers, self.width)
        gap = field.sub(field.sub(spelled, dealt.message), field.asarray(1 << (self.width - 1)))
        linear = [field.dot(gap, weights[r], axis=-1) for r in range(repeats)]
        return jnp.stack(linear + booleanity(rt, second, dealt.helpers), axis=-1)


def _frexp(value: float) -> tuple[float, int]:
    """value <= 2**exponent, the smallest such exponent."""
    mantissa, exponent = math.frexp(value)
    return (mantissa, exponent - 1) if mantissa == 0.5 else (mantissa, exponent)
