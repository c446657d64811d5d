"""Public numbers among secrets: on a fixed-point grid, with a bound that is known when the program is traced."""

from __future__ import annotations

import dataclasses
import math
import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import _compat
from mpcjax.errors import BoundError
from mpcjax.fields import Field, fixed
from mpcjax.secret.unreadable import Unreadable

FACTOR_BITS = 16  # significant bits of a public factor that is no dyadic fraction
TERM_BITS = 16  # fractional bits of a public term or threshold, or those of the secret where it has more


def public(x: Any, *, bits: int | None = None, bound: float | None = None) -> Known:
    """The public number or array `x`, clipped to [-bound, bound] and rounded to `bits` fractional bits, as an operand.

    Numbers and arrays with known values need neither: operators take them as they are. A traced array (what follows
    from `public.weights`, say) needs both, an array of integers only `bound`, one of booleans neither; NaN counts as 0.
    Beside plain arrays it is an array of the rounded values. Local.
    """
    if isinstance(x, Known):
        return x
    if _compat.is_concrete(x):
        return dataclasses.replace(_concrete(x, "public", bits, bound), stated=bound is not None)
    dtype = x.dtype
    if dtype == np.bool_:
        return Known(x, 0, 1, True)
    whole = jnp.issubdtype(dtype, jnp.signedinteger)
    if bound is None or (bits is None and not whole):
        said = "large they can be, mpcjax.secret.public(x, bound=1000)"
        if not whole:
            said = "large and how fine they can be, mpcjax.secret.public(x, bits=16, bound=1000.0)"
        raise TypeError(
            f"a public array of {dtype} whose values are not known while tracing: say how {said}, for numbers up to 1000; or, "
            "if it is a constant, compute it with NumPy"
        )
    bits = 0 if bits is None else bits
    limit = math.ceil(float(np.float32(bound)) * 2.0**bits)
    if not 0 < limit <= 1 << 62:
        raise BoundError(f"public: bound={bound} at {bits} fractional bits; legal are up to 2^62 units, above 0")
    if whole:
        return Known(jnp.clip(x, -math.floor(bound), math.floor(bound)), 0, math.floor(bound))._at_least(bits)
    real = jnp.where(jnp.isnan(x), 0, x).astype(np.float32)
    grid = jnp.round(jnp.clip(real, -np.float32(bound), np.float32(bound)) * np.float32(2.0**bits))
    return Known(grid * np.float32(2.0**-bits), bits, limit)


def known(x: Any, operation: str, most: int | None = None) -> Known:
    """An operand of `operation`: exact where it has at most `most` fractional bits, otherwise rounded to them.

    By default (for factors) these are as many as leave the largest value FACTOR_BITS significant bits.
    """
    if isinstance(x, Known):
        return x
    if isinstance(x, bool | int | float | np.ndarray | np.generic | jax.Array):
        return _concrete(x, operation, None, None, most) if _compat.is_concrete(x) else public(x)
    raise _no_operand(type(x).__name__, operation)


def _no_operand(kind: Any, operation: str) -> TypeError:
    return TypeError(
        f"{operation} of a secret and {kind}: legal are secrets, Python numbers and public arrays, and "
        "mpcjax.secret.public(x, bits=, bound=) of an array whose values are not known while tracing"
    )


def _concrete(x: Any, operation: str, bits: int | None, bound: float | None, most: int | None = None) -> Known:
    values = np.asarray(x, object) if isinstance(x, int) else np.asarray(x)
    real = jnp.issubdtype(values.dtype, np.floating)
    if not (real or values.dtype.kind in "biu" or isinstance(x, int)):
        raise _no_operand(values.dtype, operation)
    if values.dtype == bool or isinstance(x, bool):
        return Known(values.astype(bool), 0, 1, True, values.astype(np.int64))
    if real:
        return _rounded(values.astype(np.float64), operation, bits, bound, most)
    limit = int(max((abs(int(v)) for v in (values.min(), values.max())), default=0)) if values.size else 0
    integers = values if limit >= 1 << 62 else values.astype(np.int64)
    if bound is not None:
        limit, integers = math.floor(bound), np.clip(integers, -math.floor(bound), math.floor(bound))
    return Known(integers, 0, limit, False, integers)._at_least(bits or 0)


def _rounded(values: np.ndarray, operation: str, bits: int | None, bound: float | None, most: int | None) -> Known:
    if bound is not None:
        bound = float(np.float32(bound))  # as where the values are not known
        values = np.clip(np.where(np.isnan(values), 0, values), -bound, bound)
    if not np.all(np.isfinite(values)):
        raise ValueError(f"{operation} of a secret and a public number that is not finite: legal are finite numbers")
    largest = float(np.max(np.abs(values), initial=0.0))
    if most is None:
        most = max(0, FACTOR_BITS - math.frexp(largest)[1])
    bits = min(_needed(values), most) if bits is None else bits
    scaled = np.round(values * 2.0**bits)
    wide = largest * 2.0**bits >= 2.0**62
    integers = np.array([int(v) for v in scaled.ravel()], object).reshape(values.shape) if wide else scaled.astype(int)
    limit = math.ceil((largest if bound is None else bound) * 2.0**bits)
    return Known(scaled / 2.0**bits, bits, limit, False, integers)


def _needed(values: np.ndarray) -> int:
    """The fractional bits at which all `values` are exact."""
    mantissa, exponent = np.frexp(values[values != 0])
    whole = np.abs(mantissa * 2.0**53).astype(np.int64)
    zeros = np.log2((whole & -whole).astype(np.float64)).astype(int)
    return int(np.max(53 - exponent - zeros, initial=0))


def _operator(name: str, swapped: bool) -> Any:
    """An operator beside plain arrays; beside secrets it is theirs."""
    function = getattr(operator, name)

    def method(self: Known, other: Any) -> Any:
        if isinstance(other, Unreadable):
            return NotImplemented
        own, other = plain(self), plain(other)
        return function(other, own) if swapped else function(own, other)

    return method


@dataclasses.dataclass(frozen=True, eq=False)
class Known:
    """A public array on the grid of 2^-bits, |values| 2^bits <= `bound`; see `public`, which makes it.

    `bit`: it is boolean. `integers`: the values in units, on the host, where they are known while tracing. `stated`: the
    bound is the caller's, and what follows from it must be the same whether the values are known or not.
    """

    values: Any
    bits: int
    bound: int
    bit: bool = False
    integers: np.ndarray | None = None
    stated: bool = False

    __array_ufunc__ = None  # NumPy and JAX leave the operators to this class or to `Secret`

    __add__, __radd__ = _operator("add", False), _operator("add", True)
    __sub__, __rsub__ = _operator("sub", False), _operator("sub", True)
    __mul__, __rmul__ = _operator("mul", False), _operator("mul", True)
    __truediv__, __rtruediv__ = _operator("truediv", False), _operator("truediv", True)
    __matmul__, __rmatmul__ = _operator("matmul", False), _operator("matmul", True)
    __lt__, __le__, __gt__, __ge__ = (_operator(name, False) for name in ("lt", "le", "gt", "ge"))
    __eq__, __ne__ = _operator("eq", False), _operator("ne", False)
    __and__, __or__ = _operator("and_", False), _operator("or_", False)
    __pow__, __hash__ = _operator("pow", False), object.__hash__

    def __neg__(self) -> Any:
        return -plain(self)

    def __abs__(self) -> Any:
        return abs(plain(self))

    def __invert__(self) -> Any:
        return ~plain(self)

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.values)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __jax_array__(self) -> jax.Array:
        if self.bit:
            return jnp.asarray(self.values)
        values = self.values.astype(np.float64) if isinstance(self.values, np.ndarray) else self.values
        return jnp.asarray(values, np.float32)

    def _at_least(self, bits: int) -> Known:
        """With `bits` fractional bits, where it has fewer."""
        up = max(bits - self.bits, 0)
        integers = None if self.integers is None else _shifted(self.integers, up, self.bound)
        return dataclasses.replace(self, bits=self.bits + up, bound=self.bound << up, integers=integers)

    def __getitem__(self, key: Any) -> Known:
        integers = None if self.integers is None else np.asarray(self.integers[key])
        return dataclasses.replace(self, values=self.values[key], integers=integers)

    @property
    def T(self) -> Known:
        integers = None if self.integers is None else self.integers.T
        return dataclasses.replace(self, values=self.values.T, integers=integers)

    def elements(self, field: Field) -> Any:
        """Field elements, of the shape of the values."""
        if self.integers is not None:
            return field.asarray(field.from_int(self.integers))
        if jnp.issubdtype(self.values.dtype, jnp.floating):
            return fixed.encode(field, self.values, self.bits)
        small = self.values.astype(np.int32) if self.bit else self.values
        return field.scale_small(field.from_signed(small), 1 << self.bits)

    def weight(self, axis: int) -> int:
        """At most sum_i |values_i| 2^bits along `axis`."""
        if self.stated or self.bit or self.integers is None or not self.integers.size:
            return self.bound * max(self.shape[axis], 1)
        return int(np.max(np.sum(np.abs(self.integers.astype(object)), axis=axis)))


def plain(x: Any) -> Any:
    """`x`, as an array if it was made by `public`."""
    return x.__jax_array__() if isinstance(x, Known) else x


def _shifted(integers: np.ndarray, up: int, bound: int) -> np.ndarray:
    wide = integers if bound << up < 1 << 62 else integers.astype(object)
    return np.asarray(wide * (1 << up)) if up else integers
