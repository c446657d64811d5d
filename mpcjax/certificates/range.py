"""Every coordinate is a number of so many bits, shown by the bits themselves."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax.numpy as jnp

from mpcjax.certificates.base import Certificate, Dealt, Equation
from mpcjax.certificates.bits import booleanity, powers, split
from mpcjax.fields import Field, kernels
from mpcjax.prg import Stream
from mpcjax.protocols.weights import missed, weights_of
from mpcjax.runtime import Runtime
from mpcjax.spreading import WHOLE, Spread


@dataclasses.dataclass(frozen=True)
class Range(Certificate):
    """Accepts exactly the messages with -limit <= x_k <= limit - 2^-f, where limit is rounded up to a power of two.

    A peer that clips itself clips to limit - 2^-f. With fewer fractional bits than `width` has room for, fewer bits are
    dealt, and the interval stays. The peer deals the bits of x_k + 2^(w-1); they are bits, and they add up to the message.
    Error below 2**-SECURITY_BITS per peer. Cost: w <= width further values dealt per coordinate, one quadratic form of
    these, which the peer proves. Revealed: accepted or not.
    """

    limit: float
    width: int = 20
    name = "range"
    coordinatewise = True

    def __post_init__(self) -> None:
        if not 0 < self.limit < math.inf:
            raise ValueError(f"limit={self.limit}: a range needs a finite limit > 0")
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

    def width_at(self, bits: int) -> int:
        """Bits of a coordinate with so many fractional bits; `width` at the most of them."""
        width = _frexp(self.limit)[1] + 1 + bits
        if width < 1:
            raise ValueError(
                f"fraction_bits={bits}: limit={self.limit:g} needs at least {bits + 1 - width} to be told from 0"
            )
        return width

    def bound(self, bits: int, length: int) -> int:
        return 1 << (self.width_at(bits) - 1)

    def holds(self, field: Field, message: Any, bits: int, sums: tuple[Any, ...] = ()) -> Any:
        half = self.bound(bits, message.shape[-1])
        return kernels.all_true((message >= -half) & (message < half))

    def helpers(self, field: Field, message: Any, bits: int, sums: tuple[Any, ...] = (), spread: Spread = WHOLE) -> Any:
        width = self.width_at(bits)
        offset = jnp.clip(message.astype(jnp.int64) + (1 << (width - 1)), 0, (1 << width) - 1)
        return split(field, offset, width).reshape(message.shape[0], -1)

    def equations(self, rt: Runtime, agreed: Any, second: Stream, dealt: Dealt) -> list[Equation]:
        """Random sums of the gaps between the messages and what the bits spell, and that they are bits."""
        field, width, length = rt.field, self.width_at(dealt.bits), dealt.message.shape[-1]
        repeats = rt.repetitions(missed(field))
        weights = weights_of(second, "range", field, repeats, length)
        gaps = [self._gap(field, weights[r], width) for r in range(repeats)]
        return [*gaps, *booleanity(rt, second, ("helpers",), length * width)]

    def _gap(self, field: Field, weights: Any, width: int) -> Equation:
        spelled = field.mul(weights[:, None], powers(field, width)).reshape(-1)
        constant = field.neg(field.scale_small(field.sum(weights), 1 << (width - 1)))
        return Equation(constant, message=field.neg(weights), helpers=spelled)


def _frexp(value: float) -> tuple[float, int]:
    """value <= 2**exponent, the smallest such exponent."""
    mantissa, exponent = math.frexp(value)
    return (mantissa, exponent - 1) if mantissa == 0.5 else (mantissa, exponent)
