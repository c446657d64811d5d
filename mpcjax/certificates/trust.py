"""An update of length at most its trust score, which is its agreement with a public direction: FLTrust's weights, proven.

A message is x = (y, t), in integers of f fractional bits: an update y that its owner has already multiplied by its trust
score t = relu(<u, r>), y = t u for a u of length 1 at most and the public r, rounded to integers rho. It passes if

1. 0 <= t < 2^(f+1), and t is the number that bits spell;
2. |y|^2 < (t + 1)^2, so that u = y / t is no longer than 1, but for one unit of y: no y_k is larger than t, and y = 0 for t = 0;
3. <y, rho> and t^2 differ by at most a tolerance, so that t = <u, r> where it is not zero.

Derivation. Let W = 2^w, tau the rows of `norm`, and x.x, <y, rho> integers.

- *Soundness*. The projections of `norm` show |x| < 9 W, so that |y|^2 < 81 W^2 and |<y, rho>| < 9 W |rho|; with the widths of
  the bits dealt, no side of 2. or 3. reaches p, and what holds mod p holds. The peer deals t, and bits of t, of q = t^2, of
  s = (t + 1)^2 - 1 - |y|^2 and of s' = <y, rho> + tolerance - t^2; that s, s' are numbers of so many bits is 2. and 3. Then
  x.x = 2 q + 2 t - s, <y, rho> = q - tolerance + s', x_d = t and the relations R.x = z of the projections, all linear but
  for x.x, are one quadratic form in x, in a random combination; q = t^2, the spelling of t and that bits are bits another.
- *Completeness*. Messages are rounded toward zero (`inward`), so no vector gets longer, and t loses less than a unit: 2. holds
  where |u| < 1 in spite of float32 (the rule shortens it by 2^-20). In 3. each y_k has moved by less than a unit, rho_k by half
  of one, t by one, and float32 scores by less than 2^-17: (3/2 sqrt(d) + 3) 2^f + 2^(2f-17) at most.
- *Bound*. From 2. and 3. t^2 <= (t + 1) |rho| + tolerance, hence t <= |rho| + 1 + tolerance / |rho|, and |y_k| <= t.
- *What 3. lets through*. A u of agreement c may weigh the t with t^2 = c t + tolerance (of lengths 1): at most sqrt(tolerance)
  where c = 0, c + tolerance / c above, tolerance / |c| below. For f = 23 sqrt(tolerance) is 2^-8 up to d = 1000, 2^-6 for 10^6.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp

from mpcjax.certificates.base import Certificate, Dealt, Equation
from mpcjax.certificates.bits import powers, split
from mpcjax.certificates.norm import Norm, mixed
from mpcjax.fields import Field, kernels
from mpcjax.prg import Stream
from mpcjax.protocols import Form, random_form
from mpcjax.protocols.weights import weights_of
from mpcjax.runtime import SECURITY_BITS, Runtime
from mpcjax.spreading import WHOLE, Spread

COARSE = 6  # squares of trust scores are to be proven to 2^-6, at least
SCORE_ERROR = 17  # float32 trust scores are right to 2^-17


@dataclasses.dataclass(frozen=True)
class Trust(Norm):
    """Accepts messages (y, t), `[d + 1]`, with |y| <= t and t^2 = <y, r> for the unit vector r along the public reference.

    Up to encoding: the comparisons are those of the integers, as above. Soundness and completeness error: 2^-40 over all
    peers each. Cost: that of `Norm`, a product more per coordinate in public, and some 6 f bits dealt. Revealed: accepted or not.
    """

    limit: float = math.sqrt(2)
    peers: int = 1
    direction: Any = None  # rho, int32, in a round
    largest: Any = None  # coordinate of the reference, as its bits, int32
    name = "trust"
    spreads = False
    inward = True

    def given(self, public: Any, bits: int) -> Certificate:
        along = along_reference(public.reference)
        size = jnp.sqrt(kernels.squared_norms(along).astype(jnp.float64))  # of an exact sum: the same everywhere
        unit = along.astype(jnp.float64) / jnp.where(size > 0, size, 1)
        largest = jax.lax.bitcast_convert_type(jnp.max(jnp.abs(public.reference)), jnp.int32)
        return dataclasses.replace(self, direction=jnp.round(unit * 2.0**bits).astype(jnp.int32), largest=largest)

    def fingerprint(self, field: Field) -> Any:
        """A sum of rho and the largest coordinate, which tells the length that the result is multiplied by, by random numbers
        that everybody knows: of two references that nobody chose for it the same with chance 2^-40. It tells mistakes apart,
        not lies: who says the fingerprint of another direction only fails itself."""
        told = field.from_signed(jnp.append(self.direction, self.largest))
        weights = weights_of(Stream.from_seed(bytes(32)), "fingerprint", field, 1, len(told))[0]
        value = field.dot(told, weights)
        return split(field, value, min(SECURITY_BITS, field.exponent)) == 1

    def _along(self, field: Field, length: int) -> Any:
        """rho, and zeros for what else is in a message of `length`."""
        return field.from_signed(jnp.pad(self.direction, (0, length - self.direction.shape[0])))

    def widths(self, bits: int, length: int) -> tuple[int, int, int, int]:
        """Bits of t, t^2, s and s'."""
        return bits + 1, 2 * bits + 2, 2 * bits + 2, (2 * self._least_tolerance(bits, length)).bit_length()

    def _least_tolerance(self, bits: int, length: int) -> int:
        return math.ceil(2.0**bits * (1.5 * math.sqrt(length) + 3) + 2.0 ** (2 * bits - SCORE_ERROR))

    def least_bits(self, length: int) -> int:
        return next(bits for bits in range(64) if self._least_tolerance(bits, length) << COARSE <= 4**bits)

    def tolerance(self, bits: int, length: int) -> int:
        """Half of what the bits of s' can spell."""
        return (1 << self.widths(bits, length)[3]) - 1 >> 1

    def bound(self, bits: int, length: int) -> int:
        longest = (1 << bits) + math.ceil(math.sqrt(length))  # |rho|, at most
        return longest + 2 + self.tolerance(bits, length) // longest

    def sums(self, field: Field, message: Any) -> tuple[Any, ...]:
        """|x|^2, <y, rho> and t."""
        along = kernels.inner(field, field.from_signed(message), self._along(field, message.shape[-1]))
        return *super().sums(field, message), field.lift(along).astype(jnp.int64), message[:, -1].astype(jnp.int64)

    def _numbers(self, bits: int, length: int, sums: tuple[Any, ...]) -> tuple[Any, Any, Any, Any]:
        """t, t^2, s and s' of messages of `length` d + 1, int64 `[n]`; of what is longer than `reach` they mean nothing."""
        square, along, t = sums
        return t, t**2, 2 * (t**2 + t) - square, along + self.tolerance(bits, length) - t**2

    def holds(self, field: Field, message: Any, bits: int, sums: tuple[Any, ...] = ()) -> Any:
        length, sums = message.shape[-1], sums or self.sums(field, message)
        numbers, widths = self._numbers(bits, length, sums), self.widths(bits, length)
        fit = [(number >= 0) & (number < 1 << width) for number, width in zip(numbers, widths, strict=True)]
        return super().holds(field, message, bits, sums) & jnp.all(jnp.stack(fit), axis=0)

    def helpers(self, field: Field, message: Any, bits: int, sums: tuple[Any, ...] = (), spread: Spread = WHOLE) -> Any:
        """t, and bits of t, t^2, s and s'."""
        length, sums = message.shape[-1], sums or self.sums(field, message)
        numbers, widths = self._numbers(bits, length, sums), self.widths(bits, length)
        spelled = [split(field, jnp.clip(number, 0), width) for number, width in zip(numbers, widths, strict=True)]
        return jnp.concatenate([field.from_signed(numbers[0])[:, None], *spelled], axis=-1)

    def equations(self, rt: Runtime, agreed: Any, second: Stream, dealt: Dealt) -> list[Equation]:
        repeats = rt.repetitions(1 / rt.field.modulus)
        drawn = second.uniform("projections", rt.field, (repeats, self.rows + 3))[0]
        weights, spelling = drawn[:, :-1], drawn[:, -1]
        of_messages = [self._of_message(rt.field, agreed, weights[r], dealt) for r in range(repeats)]
        return [*of_messages, *(self._of_helpers(rt, second, r, spelling[r], dealt) for r in range(repeats))]

    def _of_message(self, field: Field, agreed: Any, weights: Any, dealt: Dealt) -> Equation:
        """With the weights c of the projections, a of <y, rho> and b of x_d, and h half of the vector they multiply x with:

        sum_l (x_l + h_l)^2 = h.h + (2 q + 2 t - s) + sum_j c_j z_j + a (q - tolerance + s') + b t.
        """
        length, window, halved = dealt.message.shape[-1], self.window(field), pow(2, -1, field.modulus)
        c, a, b = weights[: self.rows], weights[self.rows], weights[self.rows + 1]
        along = field.mul(field.mul(a, halved), self._along(field, length))
        half = field.add(mixed(field, field.mul(c, halved), agreed), along)
        half = half.at[-1].set(field.add(half[-1], field.mul(b, halved)))
        offset = field.add(
            field.scale_small(field.sum(c), 1 << window),
            field.mul(a, self.tolerance(dealt.bits, length) % field.modulus),
        )
        constant = field.sub(field.dot(half, half), offset)
        of_t, of_square, of_slack, of_rest = (powers(field, width) for width in self.widths(dealt.bits, length))
        helpers = jnp.concatenate([
            field.add(b, 2)[None], field.zeros(of_t.shape), field.mul(field.add(a, 2), of_square), field.neg(of_slack),
            field.mul(a, of_rest),
        ])  # fmt: skip
        spelled = field.mul(c[:, None], powers(field, window + 1)).reshape(-1)
        return Equation(constant, ("message",), Form(shift=half), helpers=helpers, responses=spelled)

    def _of_helpers(self, rt: Runtime, second: Stream, r: int, checked: Any, dealt: Dealt) -> Equation:
        """sum_k w_k (b_k - 1/2)^2 = sum_k w_k / 4 over all bits, w_0 t^2 = w_0 q, and the spelling of t, in one."""
        field, length = rt.field, dealt.helpers.shape[-1] + dealt.responses.shape[-1]
        half = pow(2, -1, field.modulus)
        shift = jnp.where(jnp.arange(length) == 0, field.zeros(()), field.neg(half))
        form = random_form(rt.scheme, second, f"booleanity {r}", length, shift)
        first = form.weights(field, length)[0]
        constant = field.mul(field.sub(form.sum_of_weights(field, length), first), half * half % field.modulus)
        of_t, of_square, *others = (powers(field, w) for w in self.widths(dealt.bits, dealt.message.shape[-1]))
        helpers = jnp.concatenate([
            checked[None], field.neg(field.mul(checked, of_t)), field.mul(first, of_square),
            *(field.zeros(other.shape) for other in others),
        ])  # fmt: skip
        return Equation(constant, ("helpers", "responses"), form, helpers=helpers)


def along_reference(reference: Any) -> Any:
    """`reference [d]` float32 as int32 of some 20 bits in units of its own, the same on every machine; zero for zero.

    No sum of floats goes in, whose last bits depend on the order of summation: members must agree on every bit. Numbers too small
    for all bits of a float32 count as zero, as on some machines they are.
    """
    fine = min(24, (61 - reference.shape[0].bit_length()) // 2)  # squares add up to less than 2^62
    reference = jnp.where(jnp.abs(reference) < jnp.finfo(jnp.float32).tiny, 0, reference)
    _, exponent = jnp.frexp(jnp.max(jnp.abs(reference)))
    return jnp.round(_shifted(reference, fine - exponent)).astype(jnp.int32)


def _shifted(x: Any, bits: Any) -> Any:
    """x 2^bits of float32, exact: the powers are made of their bits, as what a machine computes for 2^k may be rounded.

    Two of them: one alone may be more than float32 holds.
    """
    for part in (bits // 2, bits - bits // 2):
        x = x * jax.lax.bitcast_convert_type((part + 127) << 23, jnp.float32)
    return x
