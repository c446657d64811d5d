"""Arithmetic modulo a Mersenne prime p = 2**e - 1 on arrays of unsigned words.

Because 2**e = 1 mod p, a number is reduced by adding the bits above position e to those below ("folding"), and
multiplying by a power of two is a rotation of e bits; nothing here divides. Every operation is element-wise integer
code that XLA fuses and vectorises, so one pass costs about as much as moving its bytes.

Elements are uint32 for e <= 31 and uint64 for e = 61, always reduced to [0, p). The 64-bit type exists only inside
``mpcjax._compat.x64()``; callers enter that scope, and nothing here changes a setting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.fields import _sums, _words

EXPONENTS = (3, 5, 7, 13, 31, 61)

Array = jax.Array | np.ndarray
Operand = jax.Array | np.ndarray | np.generic | int
Axes = int | Sequence[int]


def _static_field(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Compile with the exponent fixed; inside a caller's trace the operations are inlined and fuse with its own."""
    return jax.jit(function, static_argnums=0, inline=True)


_add = _static_field(_words.add)
_sub = _static_field(_words.sub)
_neg = _static_field(_words.neg)
_mul = _static_field(_words.mul)
_reduce = _static_field(_words.reduce)
_pow = jax.jit(_words.power, static_argnums=(0, 2))
_repeated_square = jax.jit(_words.repeated_square, static_argnums=(0, 2))
_inverse = _static_field(_words.inverse)
_scale = jax.jit(_words.scale, static_argnums=(0, 2), inline=True)
_sum = jax.jit(_sums.total, static_argnums=(0, 2), inline=True)
_dot = jax.jit(_sums.products, static_argnums=(0, 3), inline=True)
_lift = _static_field(_words.lift)
_from_signed = _static_field(_words.from_signed)


@dataclass(frozen=True)
class Field:
    """The integers modulo p = 2**exponent - 1, exponent one of 3, 5, 7, 13, 31, 61.

    Hashable, so it can be a static argument of ``jax.jit``. Operands are arrays of ``dtype`` with entries in [0, p)
    (not checked: a check would cost a pass), or Python ints, which are taken mod p. Operands broadcast as in NumPy.
    """

    exponent: int

    def __post_init__(self) -> None:
        if isinstance(self.exponent, bool) or self.exponent not in EXPONENTS:
            raise ValueError(f"exponent is {self.exponent!r}: legal exponents are {EXPONENTS} (p = 2**exponent - 1)")

    @property
    def modulus(self) -> int:
        return (1 << self.exponent) - 1

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint64 if self.exponent > 31 else np.uint32)

    @property
    def nbytes(self) -> int:
        """Bytes of one element in memory and on the wire."""
        return self.dtype.itemsize

    # -- element-wise ---------------------------------------------------------------------------------------------

    def add(self, a: Operand, b: Operand) -> jax.Array:
        return _add(self.exponent, self._operand(a), self._operand(b))

    def sub(self, a: Operand, b: Operand) -> jax.Array:
        return _sub(self.exponent, self._operand(a), self._operand(b))

    def neg(self, a: Operand) -> jax.Array:
        return _neg(self.exponent, self._operand(a))

    def mul(self, a: Operand, b: Operand) -> jax.Array:
        return _mul(self.exponent, self._operand(a), self._operand(b))

    def square(self, a: Operand) -> jax.Array:
        a = self._operand(a)
        return _mul(self.exponent, a, a)

    def double(self, a: Operand) -> jax.Array:
        return self.scale_small(a, 2)

    def scale_small(self, a: Operand, k: int) -> jax.Array:
        """k * a for a static Python int k of either sign, in the cheapest form (a rotation when k is +-2**j)."""
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)):
            raise ValueError(f"k is {k!r}: the factor is a Python int, known when the program is traced")
        return _scale(self.exponent, self._operand(a), self._centred(int(k)))

    def reduce(self, u: Operand) -> jax.Array:
        """Any word of ``dtype``, up to its last bit, to its representative in [0, p)."""
        return _reduce(self.exponent, self._operand(u))

    # -- contractions ---------------------------------------------------------------------------------------------

    def sum(self, a: Operand, axis: Axes = -1) -> jax.Array:
        """Exact sum mod p over one axis or several, of up to 2**32 elements."""
        a = self._operand(a)
        return _sum(self.exponent, a, _axes(axis, a.ndim))

    def dot(self, a: Operand, b: Operand, axis: int = -1) -> jax.Array:
        """Sum of products over one axis of the broadcast operands, of up to 2**32 terms."""
        a, b = self._operand(a), self._operand(b)
        ndim = max(a.ndim, b.ndim)
        a, b = (v.reshape((1,) * (ndim - v.ndim) + v.shape) for v in (a, b))
        return _dot(self.exponent, a, b, _axes(axis, ndim)[0])

    def matmul(self, a: Operand, b: Operand) -> jax.Array:
        """[..., i, k] @ [..., k, j] -> [..., i, j]; i j k multiplications, nothing of that size is stored."""
        a, b = self._operand(a), self._operand(b)
        if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
            raise ValueError(f"matmul of shapes {a.shape} and {b.shape}: legal is [..., i, k] @ [..., k, j]")
        return self.dot(a[..., :, None, :], jnp.swapaxes(b, -1, -2)[..., None, :, :])

    def combine(self, weights: Operand, x: Operand, axis: int = 0) -> jax.Array:
        """sum_i weights_i x_i along ``axis`` of x, made for x whose last, long axis stays.

        ``weights`` ends at that axis ([n], or [..., n] with axes broadcastable to those of x before it), or it has
        as many axes as x.
        """
        x, weights = self._operand(x), self._operand(weights)
        axis = _axes(axis, x.ndim)[0]
        if weights.ndim <= axis + 1:
            weights = weights.reshape(weights.shape + (1,) * (x.ndim - axis - 1))
        elif weights.ndim != x.ndim:
            raise ValueError(
                f"weights has {weights.ndim} axes: legal are up to {axis + 1}, ending at axis {axis} of x, or {x.ndim}"
            )
        return self.dot(weights, x, axis - x.ndim)

    # -- powers ---------------------------------------------------------------------------------------------------

    def pow(self, a: Operand, k: int) -> jax.Array:
        """a**k for a static int k; a negative k is a power of the inverse, 0**0 = 1."""
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)):
            raise ValueError(f"k is {k!r}: the power is a Python int, known when the program is traced")
        a = self._operand(a)
        return _pow(self.exponent, self.inv(a) if k < 0 else a, abs(int(k)))

    def inv(self, a: Operand) -> jax.Array:
        """1/a, and 0 for a = 0."""
        return _inverse(self.exponent, self._operand(a))

    def sqrt(self, a: Operand) -> jax.Array:
        """The square root of a that is itself a square, a**(2**(e-2)); meaningless unless a is a square."""
        return _repeated_square(self.exponent, self._operand(a), self.exponent - 2)

    def is_square(self, a: Operand) -> jax.Array:
        """Boolean array: a is 0 or a quadratic residue."""
        a = self._operand(a)
        return self.square(self.sqrt(a)) == a

    # -- in and out -----------------------------------------------------------------------------------------------

    def lift(self, a: Operand) -> jax.Array:
        """Centred representative in [-(p-1)/2, (p-1)/2] as int64 (e = 61) or int32."""
        return _lift(self.exponent, self._operand(a))

    def from_signed(self, x: Any) -> jax.Array:
        """Signed integers of any width, mod p."""
        x = jnp.asarray(x)
        if not jnp.issubdtype(x.dtype, jnp.signedinteger):
            raise ValueError(f"from_signed got dtype {x.dtype}: legal dtypes are int8, int16, int32, int64")
        return _from_signed(self.exponent, x)

    def from_int(self, x: Any) -> np.ndarray:
        """Python ints of any size and sign (nested lists, object arrays) or integer arrays, mod p, on the host."""
        values: Any = np.asarray(x) if isinstance(x, (np.ndarray, np.generic)) else np.asarray(x, object)
        kind = values.dtype.kind
        if kind not in "iuO" or (kind == "O" and not all(map(_is_int, values.ravel()))):
            raise ValueError(f"from_int got entries of type {_entry(values)}: legal are ints of any size and kind")
        wide = {"i": np.int64, "u": np.uint64, "O": object}[kind]
        p = self.modulus if kind == "O" else wide(self.modulus)
        return np.asarray(values.astype(wide) % p).astype(self.dtype)

    def asarray(self, x: Any) -> jax.Array:
        """Field elements from an array of ``dtype`` (unchanged), or from ints of any kind (mod p)."""
        if isinstance(x, jax.Array) or (isinstance(x, (np.ndarray, np.generic)) and x.dtype == self.dtype):
            return self._operand(x)
        return self._operand(self.from_int(x))

    def zeros(self, shape: int | Sequence[int]) -> jax.Array:
        return self._operand(np.zeros((), self.dtype)) + jnp.zeros(shape, self.dtype)

    def ones(self, shape: int | Sequence[int]) -> jax.Array:
        return self._operand(np.zeros((), self.dtype)) + jnp.ones(shape, self.dtype)

    def _centred(self, k: int) -> int:
        k %= self.modulus
        return k - self.modulus if k > self.modulus // 2 else k

    def _operand(self, a: Operand) -> jax.Array:
        if isinstance(a, int) and not isinstance(a, bool):
            a = np.asarray(a % self.modulus, self.dtype)
        given = getattr(a, "dtype", None)
        if given != self.dtype:
            raise ValueError(
                f"operand of type {type(a).__name__} and dtype {given}: elements of the field with exponent "
                f"{self.exponent} have dtype {self.dtype}; convert with Field.asarray, from_int or from_signed"
            )
        result = jnp.asarray(a)
        if result.dtype != self.dtype:
            raise ValueError(f"{self.dtype} arrays do not exist here: enter mpcjax._compat.x64() first")
        return _from_halves(a) if isinstance(a, np.ndarray) and a.ndim and a.dtype == np.uint64 else result


def _from_halves(a: np.ndarray) -> jax.Array:
    """A 64-bit host constant from two of 32 bits: as itself it would be cut to 32 inside a jit of the user's (jax 0.7)."""
    low, high = ((a >> np.uint64(shift)).astype(np.uint32) for shift in (0, 32))
    return jnp.asarray(low).astype(np.uint64) | (jnp.asarray(high).astype(np.uint64) << np.uint64(32))


def _is_int(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))


def _entry(values: Any) -> str:
    odd = (v for v in values.ravel() if not _is_int(v)) if values.dtype.kind == "O" else ()
    return next((type(v).__name__ for v in odd), str(values.dtype))


def _axes(axis: Axes, ndim: int) -> tuple[int, ...]:
    axes = tuple(axis) if isinstance(axis, Sequence) else (axis,)
    for a in axes:
        if not -ndim <= a < ndim:
            raise ValueError(f"axis is {a}: the array has {ndim} axes, legal is {-ndim} to {ndim - 1}")
    return tuple(sorted(a % ndim for a in axes))


F61 = Field(61)
F31 = Field(31)
