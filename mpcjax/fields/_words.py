"""The word-level code of the field operations: functions of the exponent and of arrays, nothing checked.

``bound`` in this file is the largest value a word can have. It is tracked in Python while tracing, so that exactly
as many folds are emitted as are needed, for every exponent.

Word type: elements are uint32 for e <= 31. Sums and products of them are held in uint64, except that products of
2e <= 32 bits stay in uint32.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

U32 = np.dtype(np.uint32)
U64 = np.dtype(np.uint64)


def element_type(e: int) -> np.dtype:
    return U64 if e > 31 else U32


def fold_bound(e: int, bound: int) -> int:
    """Largest value after one fold of a value of at most ``bound``."""
    return bound if bound < 1 << e else ((1 << e) - 1) + (bound >> e)


def fold(e: int, u: jax.Array) -> jax.Array:
    """Same residue, bits above e added to the bits below."""
    t = u.dtype.type
    return (u & t((1 << e) - 1)) + (u >> t(e))


def canonical(e: int, u: jax.Array) -> jax.Array:
    """[0, 2p) to [0, p): adding 1 carries into bit e exactly when u >= p. Needs no comparison."""
    t = u.dtype.type
    return (u + ((u + t(1)) >> t(e))) & t((1 << e) - 1)


def finish(e: int, u: jax.Array, bound: int) -> jax.Array:
    """A word of at most ``bound`` to its representative in [0, p), in the element type."""
    p = (1 << e) - 1
    while bound >= 2 * p:
        u, bound = fold(e, u), fold_bound(e, bound)
    if bound >= p:
        u = canonical(e, u)
    return u.astype(element_type(e))


def add(e: int, a: jax.Array, b: jax.Array) -> jax.Array:
    return canonical(e, a + b)


def sub(e: int, a: jax.Array, b: jax.Array) -> jax.Array:
    return canonical(e, a + (b ^ element_type(e).type((1 << e) - 1)))


def neg(e: int, a: jax.Array) -> jax.Array:
    return canonical(e, a ^ element_type(e).type((1 << e) - 1))


def reduce(e: int, u: jax.Array) -> jax.Array:
    return finish(e, u, int(np.iinfo(u.dtype).max))


def rotate(e: int, a: jax.Array, j: int) -> jax.Array:
    """a * 2**j for a in [0, p)."""
    t, j = a.dtype.type, j % e
    if j == 0:
        return a
    return ((a << t(j)) & t((1 << e) - 1)) | (a >> t(e - j))


def halves(a: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Low and high 32 bits. Narrowing and widening tells the compiler that a 32-bit multiplier is enough, even
    where it has turned the shift into a variable."""
    return a.astype(U32).astype(U64), (a >> np.uint64(32)).astype(U32).astype(U64)


def product(e: int, a: jax.Array, b: jax.Array) -> tuple[jax.Array, int]:
    """a * b with its residue right but not yet reduced, and its bound; a and b at most p.

    For e = 61 the four 32-bit partial products are added with their weights 1, 2**32, 2**64 = 8 taken mod p.
    """
    p = (1 << e) - 1
    if 2 * e <= 32:
        return a * b, p * p
    if e <= 31:
        return a.astype(U64) * b.astype(U64), p * p
    t = np.uint64
    (a0, a1), (b0, b1) = halves(a), halves(b)
    middle, low = a1 * b0 + a0 * b1, a0 * b0
    u = (a1 * b1 << t(3)) + (middle >> t(29)) + ((middle & t((1 << 29) - 1)) << t(32))
    return u + (low & t(p)) + (low >> t(61)), 3 * p + (1 << 34)


def mul(e: int, a: jax.Array, b: jax.Array) -> jax.Array:
    return finish(e, *product(e, a, b))


def loose(e: int, a: jax.Array, b: jax.Array) -> jax.Array:
    """a * b folded once: at most 2p, and at most p + 4 for e = 61, where it still fits ``product``, as both operands.

    A product of it with an element fits a word twice: it is at most 2p**2 (e <= 31), or as ``product`` says.
    """
    return fold(e, product(e, a, b)[0])


def square(e: int, a: jax.Array) -> jax.Array:
    return mul(e, a, a)


def scale(e: int, a: jax.Array, k: int) -> jax.Array:
    """a * k, |k| <= p // 2 a Python int."""
    if k < 0:
        return neg(e, scale(e, a, -k))
    if k == 0:
        return jnp.zeros_like(a)
    if k & (k - 1) == 0:
        return rotate(e, a, k.bit_length() - 1)
    p = (1 << e) - 1
    wide = a if (p - 1) * k < 1 << 32 and e <= 31 else a.astype(U64)
    if (p - 1) * k < 1 << 64:
        return finish(e, wide * wide.dtype.type(k), (p - 1) * k)
    if k < 1 << 32:
        t = np.uint64
        low, high = (half * t(k) for half in halves(a))
        u = (low & t(p)) + (low >> t(61)) + (high >> t(29)) + ((high & t((1 << 29) - 1)) << t(32))
        return finish(e, u, 2 * p + (1 << 33))
    return mul(e, a, jnp.asarray(np.asarray(k, element_type(e))))


def repeated_square(e: int, a: jax.Array, times: int) -> jax.Array:
    """a**(2**times): loops of some squarings each keep the program small and still make few passes over memory."""
    return _settled(e, _squared(e, a, times))


def _squared(e: int, a: jax.Array, times: int) -> jax.Array:
    burst = 4

    def step(_: int, x: jax.Array) -> jax.Array:
        for _ in range(burst):
            x = _link(e, x, x)
        return x

    if times >= 2 * burst:
        a = lax.fori_loop(np.int32(0), np.int32(times // burst), step, a)
        times %= burst
    for _ in range(times):
        a = _link(e, a, a)
    return a


def _link(e: int, a: jax.Array, b: jax.Array) -> jax.Array:
    """A product within a chain of them: for e = 61 ``loose``, whose operands may be so too; the end is to be ``_settled``."""
    return loose(e, a, b) if e > 31 else mul(e, a, b)


def _settled(e: int, a: jax.Array) -> jax.Array:
    return canonical(e, a) if e > 31 else a


def power(e: int, a: jax.Array, k: int) -> jax.Array:
    """a**k, k >= 0: left to right over the bits of k, runs of squarings together."""
    if k == 0:
        return jnp.ones_like(a)
    if k & (k + 1) == 0:
        return all_ones(e, a, k.bit_length())
    result, pending = a, 0
    for bit in bin(k)[3:]:
        pending += 1
        if bit == "1":
            result = _link(e, _squared(e, result, pending), a)
            pending = 0
    return _settled(e, _squared(e, result, pending))


def all_ones(e: int, a: jax.Array, length: int) -> jax.Array:
    """a**(2**length - 1): such powers double in length with one multiplication."""
    ones, reached = a, 1
    for bit in bin(length)[3:]:
        ones, reached = _link(e, _squared(e, ones, reached), ones), 2 * reached
        if bit == "1":
            ones, reached = _link(e, _link(e, ones, ones), a), reached + 1
    return _settled(e, ones)


def inverse(e: int, a: jax.Array) -> jax.Array:
    """a**(p-2), and p - 2 = 4 (2**(e-2) - 1) + 1."""
    return mul(e, repeated_square(e, all_ones(e, a, e - 2), 2), a)


def lift(e: int, a: jax.Array) -> jax.Array:
    signed = np.dtype(np.int64 if e > 31 else np.int32)
    p = signed.type((1 << e) - 1)
    value = a.astype(signed)
    return jnp.where(value > p // 2, value - p, value)


def from_signed(e: int, x: jax.Array) -> jax.Array:
    wide = x.astype(np.int64)
    magnitude = jnp.where(wide < 0, -wide, wide).astype(U64)  # -2**63 negates to itself, which is 2**63 unsigned
    bound = 1 << (8 * x.dtype.itemsize - 1)
    reduced = finish(e, magnitude, bound)
    return jnp.where(wide < 0, neg(e, reduced), reduced)
