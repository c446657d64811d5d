"""The class itself: shares, a static scale and a static bound; operators."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mpcjax import circuits
from mpcjax.errors import BoundError
from mpcjax.protocols import multiply
from mpcjax.runtime import Runtime
from mpcjax.secret.public import TERM_BITS, Known, known
from mpcjax.secret.unreadable import Unreadable


class Secret(Unreadable):
    """Secret-shared numbers of shape `shape`; see the module's text. Arithmetic needs no rounding until `rescale`.

    Operands are secrets, Python numbers and public arrays, broadcast as in NumPy; nothing reaches the axis of the
    parties. Rounded are only public numbers that are no short dyadic fraction: factors to FACTOR_BITS significant bits
    (those of the largest in an array), terms and thresholds to TERM_BITS fractional ones or those of the secret;
    `mpcjax.secret.public` sets others.

    `bit`: every number is known to be 0 or 1, the result of a comparison. `shares` and `rt` are for `mpcjax.secret`.
    """

    def __init__(
        self, rt: Runtime, shares: Any, scale: int, bound: int, operation: str = "input", *, bit: bool = False
    ):
        if 2 * bound >= rt.field.modulus:
            raise BoundError(
                f"{operation}: the result may reach {bound:.4g} = 2^{math.log2(bound):.1f} in units of 2^-{scale}, the "
                f"field of {rt.field.exponent} bits holds less than 2^{rt.field.exponent - 1}. Clip or rescale the "
                "operands to fewer fractional bits before this operation"
            )
        self.rt, self.shares, self.scale, self.bound, self.bit = rt, shares, scale, bound, bit

    def __repr__(self) -> str:
        return f"Secret(shape={self.shape}, scale={self.scale}, bound={self.bound})"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape without the party axis."""
        return self.shares.shape[1:]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len of a secret scalar: legal is an array with at least one axis")
        return self.shape[0]

    def _like(self, shares: Any, scale: int, bound: int, operation: str, *, bit: bool = False) -> Secret:
        return Secret(self.rt, shares, scale, bound, operation, bit=bit)

    def counted(self) -> Secret:
        """The same as a number, whose sums count bits. Local."""
        return self._like(self.shares, self.scale, self.bound, "number")

    def _at_scale(self, scale: int) -> Secret:
        up = scale - self.scale
        if not up:
            return self
        refused_early = self._like(self.shares, scale, self.bound << up, f"alignment to {scale} fractional bits")
        refused_early.shares = self.rt.field.scale_small(self.shares, 1 << up)
        return refused_early

    def _constant(self, other: Any, operation: str) -> Secret:
        """`other`, secret or not, as a secret to add to this one; a public one has a single row for all parties."""
        if isinstance(other, Secret):
            return other
        x = known(other, operation, max(self.scale, TERM_BITS))
        if x.shape and x.shape[-1] > 1:
            self.rt.spread.refuse("a public vector in combine")
        return self._like(x.elements(self.rt.field)[None], x.bits, x.bound, operation, bit=x.bit)

    __array_ufunc__ = None  # NumPy leaves the operators to this class

    def __add__(self, other: Any) -> Secret:
        """Sum, local. `other`: a secret, a Python number or a public array (see the class)."""
        other = self._constant(other, "addition")
        require_numbers("a sum", "`x | y`", self, other)
        return _added(self, other, "addition")

    __radd__ = __add__

    def __neg__(self) -> Secret:
        return self._like(self.rt.field.neg(self.shares), self.scale, self.bound, "negation")

    def __sub__(self, other: Any) -> Secret:
        """Difference, local; 1 less a bit is a bit."""
        return _added(self, -self._constant(other, "subtraction"), "subtraction")

    def __rsub__(self, other: Any) -> Secret:
        if self.bit and type(other) is int and other == 1:
            return ~self
        return _added(-self, self._constant(other, "subtraction"), "subtraction")

    def __mul__(self, other: Any) -> Secret:
        """Elementwise product: exact, the scales add up. One opening per element; none if `other` is public."""
        if not isinstance(other, Secret):
            return self._times(known(other, "product"))
        bound, scale = self.bound * other.bound, self.scale + other.scale
        self._like(self.shares, scale, bound, "product")  # refuse before anything is sent
        x, y = facing("product", self, other)
        return self._like(multiply(self.rt, x, y), scale, bound, "product", bit=self.bit and other.bit)

    __rmul__ = __mul__

    def _times(self, factor: Known) -> Secret:
        if factor.shape and factor.shape[-1] > 1:
            self.rt.spread.refuse("a public vector in combine")
        bound, scale = self.bound * max(factor.bound, 1), self.scale + factor.bits
        refused_early = self._like(self.shares, scale, bound, "product")
        if factor.integers is not None and not factor.shape:
            refused_early.shares = self.rt.field.scale_small(self.shares, int(factor.integers))
        else:
            one_row = self._like(factor.elements(self.rt.field)[None], 0, 0, "product")
            refused_early.shares = self.rt.field.mul(*facing("product", self, one_row))
        refused_early.bit = self.bit and factor.bit
        return refused_early

    def __truediv__(self, other: Any) -> Secret:
        """Quotient by public numbers known while tracing, as the product with their inverses. Local."""
        divisor = None if isinstance(other, Secret) else known(other, "division")
        if divisor is None or divisor.integers is None:
            raise TypeError(
                "division by a secret: use mpcjax.secret.divide(x, y, least=), where `least` is the smallest that y can be"
                if divisor is None
                else "division by an array whose values are not known while tracing: multiply by "
                "mpcjax.secret.public(1 / y, bits=, bound=)"
            )
        values = np.asarray(other.values if isinstance(other, Known) else other, np.float64)
        if not np.all(values):
            raise ZeroDivisionError("division of a secret by a public zero")
        return self * (1 / values)

    def __rtruediv__(self, other: Any) -> Secret:
        raise TypeError(
            "division by a secret: use mpcjax.secret.divide(x, y, least=), where `least` is the smallest that y can be"
        )

    def __pow__(self, exponent: Any) -> Secret:
        """A power with a positive Python int: exponent - 1 products, exact."""
        if type(exponent) is not int or exponent < 1:
            raise TypeError(
                f"power {exponent!r} of a secret: legal are Python ints from 1; use mpcjax.secret.sqrt, divide for others"
            )
        power = self
        for _ in range(exponent - 1):
            power = power * self
        return power

    def __lt__(self, other: Any) -> Secret:
        """Secret bit [x < y]: exact, one comparison each (`circuits.is_negative`); a public y is rounded as in a sum."""
        return (self - other)._negative()

    def __gt__(self, other: Any) -> Secret:
        return (-self + other)._negative()

    def __le__(self, other: Any) -> Secret:
        return ~(self > other)

    def __ge__(self, other: Any) -> Secret:
        return ~(self < other)

    def _negative(self) -> Secret:
        return self._like(circuits.is_negative(self.rt, self.shares), 0, 1, "comparison", bit=True)

    def __invert__(self) -> Secret:
        """1 - x of a bit. Local."""
        bit = self._require_bit("~")
        return self._like(bit.rt.field.sub(1, bit.shares), 0, 1, "not", bit=True)

    def __and__(self, other: Any) -> Secret:
        """Both of two bits: their product, local if one is public."""
        return self._require_bit("&") * _bit(other, "&")

    def __or__(self, other: Any) -> Secret:
        """One of two bits or both: a product, local if one is public."""
        other = _bit(other, "|")
        return ~(~self._require_bit("|") * (~other if isinstance(other, Secret) else known(~other.values, "|")))

    __rand__, __ror__ = __and__, __or__

    def _require_bit(self, operation: str) -> Secret:
        if not self.bit:
            raise TypeError(f"{operation} of a secret: legal are bits, the results of comparisons, and public booleans")
        return self

    def __abs__(self) -> Secret:
        return _functions().abs(self)

    def __matmul__(self, other: Any) -> Secret:
        """See `mpcjax.secret.dot`."""
        return _functions().dot(self, other)

    def __rmatmul__(self, other: Any) -> Secret:
        return _functions().dot(other, self)

    def __getitem__(self, key: Any) -> Secret:
        """Static indices as in NumPy: ints, slices, None, ..., integer and boolean arrays. Local."""
        return _functions().shaping.index(self, key)

    @property
    def T(self) -> Secret:
        """All axes in reverse order. Local."""
        return _functions().shaping.transposed(self)

    def reshape(self, *shape: Any) -> Secret:
        return _functions().reshape(self, shape[0] if len(shape) == 1 else shape)

    def ravel(self) -> Secret:
        return self.reshape(-1)

    def dot(self, other: Any) -> Secret:
        return _functions().dot(self, other)

    def sum(self, axis: Any = None, *, keepdims: bool = False) -> Secret:
        return _functions().sum(self, axis, keepdims=keepdims)

    def mean(self, axis: Any = None, *, keepdims: bool = False) -> Secret:
        return _functions().mean(self, axis, keepdims=keepdims)

    def max(self, axis: Any = None, *, keepdims: bool = False) -> Secret:
        return _functions().max(self, axis, keepdims=keepdims)

    def min(self, axis: Any = None, *, keepdims: bool = False) -> Secret:
        return _functions().min(self, axis, keepdims=keepdims)


def _functions() -> Any:
    """The functions of `mpcjax.secret`, which are written with this class."""
    import mpcjax.secret as functions

    return functions


def _bit(x: Any, operation: str) -> Any:
    """`x`, secret or public, if it is a bit."""
    if isinstance(x, Secret):
        return x._require_bit(operation)
    if not (found := known(x, operation)).bit:
        raise TypeError(
            f"{operation} of a secret bit and {type(x).__name__}: legal are secret bits and public booleans"
        )
    return found


def require_numbers(operation: str, meant: str, *operands: Any) -> None:
    """`TypeError` where all `operands` are bits: of plain booleans `operation` would be no sum, but say whether any is 1."""
    if all(operand.bit for operand in operands):
        raise TypeError(
            f"{operation} of two bits: of plain booleans it is {meant}, of secret bits it would count. Write {meant} if that is "
            "meant; to count make one of them a number, `1.0 * bit`"
        )


def facing(operation: str, *parts: Secret) -> list[Any]:
    """Shares of all with as many axes, so that only those behind the parties' are broadcast; or `ValueError`."""
    shapes = [part.shape for part in parts]
    try:
        ndim = len(np.broadcast_shapes(*shapes))
    except ValueError:
        raise ValueError(
            f"{operation} of shapes {' and '.join(map(str, shapes))}: legal are shapes that broadcast as in NumPy; reshape "
            "one, for instance by x[:, None]"
        ) from None
    return [part.shares.reshape(part.shares.shape[0], *(1,) * (ndim - part.ndim), *part.shape) for part in parts]


def aligned(x: Secret, y: Secret) -> tuple[Secret, Secret]:
    """Both at the larger scale."""
    scale = max(x.scale, y.scale)
    return x._at_scale(scale), y._at_scale(scale)


def _added(x: Secret, y: Secret, operation: str) -> Secret:
    x, y = aligned(x, y)
    shares = facing(operation, x, y)
    refused_early = x._like(x.shares, x.scale, x.bound + y.bound, operation)
    refused_early.shares = x.rt.field.add(*shares)
    return refused_early
