"""Euclidean norm at most B, with a proof that the squared norm did not wrap around the modulus.

The exact inner product x.x mod p alone is unsound: huge field elements can have squares that wrap to a small number. So
the message is first shown to be short as a vector of integers, by random projections (the wrap-around test of PINE:
Rothblum, Omri, Chen, Talwar 2023, arXiv 2311.10237 and IETF draft-chen-cfrg-vdaf-pine; the constants here are our own).

Derivation. Let R have independent entries -1, 0, 0, 1, and let W = 2^w. A test passes if R.x mod p lies in [-W, W).

1. *Completeness*: R is half the sum of two sign vectors, so P(|R.x| >= W) <= 2 exp(-W^2 / |x|^2) (Hoeffding). With tau
   tests and n honest peers of norm at most W / alpha, alpha^2 = ln(2 tau n 2^40), all pass but with chance 2^-40.
2. *Soundness*: if |x| >= 9 W, one test passes with probability at most 1/2.
   (a) If some |x_k| > 2 W, fix the other entries: of the values s, s + x_k, s - x_k (mod p) the window of 2 W integers
   cannot hold s together with another, so at most probability 1/2 is in it.
   (b) Else take coordinates S until |x_S| >= 9 W; then |x_S|^2 < 85 W^2 and Z = R_S.x_S has sigma = |x_S| / sqrt(2) >=
   6.36 W. By Berry-Esseen (Shevtsova 2010, constant 0.56) and E|R_k x_k|^3 <= 2 W E(R_k x_k)^2, an interval of 2 W
   integers has probability at most (2 / sqrt(2 pi) + 2 * 0.56 * 2) W / sigma < 0.479. Z itself wraps only if |Z| >= p/2
   - 2 W, of probability below 2 exp(-(p/2 - 2 W)^2 / (170 W^2)) < 0.001 as W <= p / 128.
   So tau = 41 + log2(n) tests leave 2^-41 over all n peers.
3. Hence x.x < 81 W^2 as an integer. The peer deals the bits of the slack s = B'^2 - x.x; s >= 0 and
   x.x + s = B'^2 mod p imply the same over the integers, because 81 W^2 + 2^bits(B'^2) < p.

The peer knows R.x, so it deals the bits of R.x + W (their number is the range proof), and proves the linear relations
R.x of all tau rows at once, in a random combination, together with x.x: they are one quadratic form.
"""

from __future__ import annotations

import dataclasses
import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax._compat import products_of_bytes_on_cpu
from mpcjax.certificates.base import Certificate, Dealt, Equation
from mpcjax.certificates.bits import booleanity, powers, split
from mpcjax.fields import Field, kernels
from mpcjax.prg import Stream
from mpcjax.protocols import Form
from mpcjax.runtime import SECURITY_BITS, Runtime
from mpcjax.spreading import WHOLE, Spread

MARGIN = 2.0**-14  # room for the float32 error of a peer's own clipping
PACKED = 16  # entries of R in a word of coins
BLOCK = 1 << 13  # coordinates projected at a time: sixteen times as many took six times as long


@dataclasses.dataclass(frozen=True)
class Norm(Certificate):
    """Accepts messages with |x|_2 <= limit, up to encoding: exactly those whose integers have norm at most `reach`.

    Soundness error: 2^-40 over all peers. Completeness error (an honest peer is left out): 2^-40 over all peers.
    Cost: two quadratic forms per peer, of the message and of at most 49 + 28 tau bits dealt with it, both proven by the
    peer. Revealed: accepted or not.
    """

    limit: float
    peers: int
    name = "norm"
    spreads = True

    def __post_init__(self) -> None:
        if not (self.limit > 0 and math.isfinite(self.limit)):
            raise ValueError(f"limit={self.limit}: a norm bound is a positive number")
        if not self.peers > 0:
            raise ValueError(f"peers={self.peers}: legal is how many peers prove their norm, one at least")

    @property
    def rows(self) -> int:
        """tau, the number of projections."""
        return SECURITY_BITS + 1 + math.ceil(math.log2(max(self.peers, 2)))

    @property
    def alpha(self) -> float:
        return math.sqrt(math.log(2 * self.rows * self.peers) + SECURITY_BITS * math.log(2))

    def window(self, field: Field) -> int:
        """w: a projection must lie in [-2^w, 2^w). The largest with 81 * 4^w + 4^w < p and 2^w <= p / 128."""
        w = 0
        while 82 * 4 ** (w + 1) < field.modulus and 128 * 2 ** (w + 1) <= field.modulus:
            w += 1
        return w

    def fraction_bits(self, field: Field, length: int, peers: int) -> int:
        room = 2 ** self.window(field) / self.alpha - math.sqrt(length) / 2 - 1
        bits = math.floor(math.log2(room / (self.limit * (1 + MARGIN)))) if room > 1 else -1
        if bits < 0:
            raise ValueError(
                f"norm bound {self.limit:g} for messages of length {length} leaves no room in the field of "
                f"{field.exponent} bits: legal are bounds up to {max(room, 0):.3g}; scale the updates down or clip harder"
            )
        return min(bits, 60)

    def reach(self, bits: int, length: int) -> int:
        """B': the largest norm of an accepted integer vector: limit * 2^bits, and room for rounding."""
        return math.ceil(self.limit * 2.0**bits * (1 + MARGIN) + math.sqrt(length) / 2)

    def bound(self, bits: int, length: int) -> int:
        return self.reach(bits, length)

    def _slack_width(self, bits: int, length: int) -> int:
        return (self.reach(bits, length) ** 2).bit_length()

    def sums(self, field: Field, message: Any) -> tuple[Any, ...]:
        return (kernels.squared_norms(message).astype(jnp.int64),)

    def holds(self, field: Field, message: Any, bits: int, sums: tuple[Any, ...] = ()) -> Any:
        square, *_ = sums or self.sums(field, message)
        return square <= np.int64(self.reach(bits, message.shape[-1]) ** 2)  # < p / 82

    def helpers(self, field: Field, message: Any, bits: int, sums: tuple[Any, ...] = (), spread: Spread = WHOLE) -> Any:
        square, *_ = sums or self.sums(field, message)
        length = spread.whole(message.shape[-1])
        slack = jnp.clip(self.reach(bits, length) ** 2 - square, 0)
        return split(field, slack, self._slack_width(bits, length))

    def responses(self, field: Field, message: Any, bits: int, agreed: Any, spread: Spread = WHOLE) -> Any:
        projected = spread.summed(_project(agreed, self.rows, message))
        half = 1 << self.window(field)
        return split(field, jnp.clip(projected + half, 0, 2 * half - 1), self.window(field) + 1).reshape(
            message.shape[0], -1
        )

    def equations(self, rt: Runtime, agreed: Any, second: Stream, dealt: Dealt) -> list[Equation]:
        bits = dealt.helpers.shape[-1] + dealt.responses.shape[-1]
        repeats = rt.repetitions(1 / rt.field.modulus)
        weights = second.uniform("projections", rt.field, (repeats, self.rows))[0]
        norms = [self._norm(rt.field, agreed, weights[r], dealt, rt.spread) for r in range(repeats)]
        return [*norms, *booleanity(rt, second, ("helpers", "responses"), bits)]

    def _norm(self, field: Field, agreed: Any, weights: Any, dealt: Dealt, spread: Spread) -> Equation:
        """x.x + slack = B'^2 and sum_j c_j R_j.x = sum_j c_j z_j for the dealt z_j, in one: with h = sum_j c_j R_j / 2,

        sum_l (x_l + h_l)^2 = h.h + B'^2 - slack + sum_j c_j z_j. Once c is drawn, no choice of the slack undoes a wrong z_j.
        """
        length, window = spread.whole(dealt.message.shape[-1]), self.window(field)
        half = mixed(field, field.mul(weights, pow(2, -1, field.modulus)), agreed)
        reach = self.reach(dealt.bits, length) ** 2 % field.modulus
        offset = field.scale_small(field.sum(weights), 1 << window)
        constant = field.sub(field.add(spread.total(field, field.dot(half, half)), reach), offset)
        slack = field.neg(powers(field, dealt.helpers.shape[-1]))
        spelled = field.mul(weights[:, None], powers(field, window + 1)).reshape(-1)
        return Equation(constant, ("message",), Form(shift=half), helpers=slack, responses=spelled)

    def agree(self, public: Stream, length: int) -> Any:
        """R, packed: `[ceil(tau / 16), d]` uint32, of which bits 2 j and 2 j + 1 of word k are drawn for row 16 k + j."""
        return public.coins("projection", (-(-self.rows // PACKED), length))[0]


def entries(packed: Any, rows: int, dtype: Any) -> Any:
    """R, `[rows, d]` of -1, 0, 0, 1: one less than how many of its two bits are set."""
    pairs = packed[:, None] >> (2 * jnp.arange(PACKED, dtype=jnp.uint32))[:, None]
    ones = (pairs & np.uint32(1)) + ((pairs >> np.uint32(1)) & np.uint32(1))
    return (ones.astype(jnp.int32) - np.int32(1)).astype(dtype).reshape(-1, packed.shape[1])[:rows]


def _project(packed: Any, rows: int, message: Any) -> Any:
    """R x for every peer, of `[n, d]` int32: `[n, tau]` int64, exact."""
    forms = {"tpu": partial(_by_bytes, 1 << 23), "default": _by_floats}
    if products_of_bytes_on_cpu():
        forms["cpu"] = partial(_by_bytes, BLOCK)
    return jax.lax.platform_dependent(packed, message, **{name: partial(form, rows) for name, form in forms.items()})


def _by_bytes(block: int, rows: int, packed: Any, message: Any) -> Any:
    """By signed bytes, which a TPU multiplies (its float64 is two float32, of 48 bits), and many a CPU. For |x_k| <= 0x7f7f7f7f.

    Every x_k is a sum of digits -128 .. 127 times powers of 256; a sum of 2^23 of them fits 32 bits.
    """
    places = 8 * jnp.arange(4, dtype=jnp.uint32)[:, None, None]

    def product(message: Any, packed: Any) -> Any:
        shifted = message.astype(jnp.uint32) + np.uint32(0x80808080)
        digits = (((shifted >> places) & np.uint32(255)).astype(jnp.int32) - np.int32(128)).astype(jnp.int8)
        contracted = (((2,), (1,)), ((), ()))
        right = entries(packed, rows, jnp.int8)
        return jax.lax.dot_general(digits, right, contracted, preferred_element_type=jnp.int32).astype(jnp.int64)

    total = _in_blocks(product, block, message, packed)
    return jnp.sum(total << places.astype(jnp.int64), axis=0)


def _by_floats(rows: int, packed: Any, message: Any) -> Any:
    """As a product of float64, which holds |R x| < 2^53."""

    def product(message: Any, packed: Any) -> Any:
        right = entries(packed, rows, jnp.float64)
        return jax.lax.dot_general(message.astype(jnp.float64), right, (((1,), (1,)), ((), ())))

    return _in_blocks(product, BLOCK, message, packed).astype(jnp.int64)


def _in_blocks(product: Any, size: int, message: Any, packed: Any) -> Any:
    """The sum of `product` of so many coordinates at a time: what is unpacked for it stays in the cache."""

    def block(start: Any, size: int) -> Any:
        return product(*(jax.lax.dynamic_slice_in_dim(x, start, size, axis=1) for x in (message, packed)))

    steps, rest = divmod(message.shape[1], size)
    total = block(np.int32(steps * size), rest) if rest else block(np.int32(0), size)
    first = 0 if rest else 1
    if first >= steps:
        return total
    return jax.lax.fori_loop(
        np.int32(first), np.int32(steps), lambda k, total: total + block(k * np.int32(size), size), total
    )


def mixed(field: Field, weights: Any, packed: Any) -> Any:
    """sum_j weights[j] R_j: `[d]`, as what the set bits weigh, by tables of all subsets of eight, less every weight once."""
    bits = jnp.pad(jnp.repeat(weights, 2), (0, 2 * (packed.shape[0] * PACKED - weights.shape[0])))
    tables = field.zeros((bits.shape[0] // 8, 1))
    for j in range(8):  # a table of twice as many sums, with one weight more
        tables = jnp.concatenate([tables, field.add(tables, bits.reshape(-1, 8)[:, j : j + 1])], axis=1)

    def looked_up(total: Any, tables: Any, packed: Any) -> Any:
        for k in range(tables.shape[0]):
            chosen = (packed[k // 4] >> np.uint32(8 * (k % 4))) & np.uint32(255)
            total = field.add(total, tables[k].at[chosen].get(mode="promise_in_bounds"))
        return total

    return kernels.materialized(looked_up, field.neg(field.sum(weights)), tables, packed)
