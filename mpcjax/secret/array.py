"""The class itself: shares, a static scale and a static bound; operators."""

from __future__ import annotations

import math
from typing import Any

from mpcjax.errors import BoundError
from mpcjax.protocols import combination, dot, multiply
from mpcjax.runtime import Runtime


class Secret:
    """Secret-shared numbers of shape `shape`; see the module's text. Arithmetic needs no rounding until `rescale`."""

    def __init__(self, rt: Runtime, shares: Any, scale: int, bound: int, operation: str = "input"):
        if 2 * bound >= rt.field.modulus:
            raise BoundError(
                f"{operation}: the result may reach {bound:.4g} = 2^{math.log2(bound):.1f} in units of 2^-{scale}, the "
                f"field of {rt.field.exponent} bits holds less than 2^{rt.field.exponent - 1}. Clip or rescale the "
                "operands to fewer fractional bits before this operation"
            )
        self.rt, self.shares, self.scale, self.bound = rt, shares, scale, bound

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape without the party axis."""
        return self.shares.shape[1:]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def _like(self, shares: Any, scale: int, bound: int, operation: str) -> Secret:
        return Secret(self.rt, shares, scale, bound, operation)

    def _at_scale(self, scale: int) -> Secret:
        up = scale - self.scale
        shares = self.rt.field.scale_small(self.shares, 1 << up) if up else self.shares
        return self._like(shares, scale, self.bound << up, f"alignment to {scale} fractional bits")

    __array_ufunc__ = None  # NumPy leaves the operators to this class

    def __add__(self, other: Secret) -> Secret:
        _require_secret(other, "addition")
        scale = max(self.scale, other.scale)
        x, y = self._at_scale(scale), other._at_scale(scale)
        return self._like(self.rt.field.add(x.shares, y.shares), scale, x.bound + y.bound, "addition")

    def __neg__(self) -> Secret:
        return self._like(self.rt.field.neg(self.shares), self.scale, self.bound, "negation")

    def __sub__(self, other: Secret) -> Secret:
        _require_secret(other, "subtraction")
        return self + (-other)

    def __mul__(self, other: Secret | int) -> Secret:
        """Elementwise product: exact, the scales add up. One opening per element; none for a Python int."""
        if isinstance(other, int):
            return self._like(
                self.rt.field.scale_small(self.shares, other), self.scale, self.bound * max(abs(other), 1), "product"
            )
        _require_secret(other, "product")
        bound, scale = self.bound * other.bound, self.scale + other.scale
        checked = self._like(self.shares, scale, bound, "product")  # refuse before anything is sent
        return self._like(multiply(self.rt, checked.shares, other.shares), scale, bound, "product")

    __rmul__ = __mul__

    def sum(self, axis: int) -> Secret:
        count = self.shape[axis]
        axis = axis % self.ndim + 1
        return self._like(self.rt.field.sum(self.shares, axis=axis), self.scale, self.bound * max(count, 1), "sum")

    def __matmul__(self, other: Secret) -> Secret:
        """Inner product `[n] @ [n]`, or weighted sum of rows `[n] @ [n, d]`. One opening per result."""
        _require_secret(other, "matrix product")
        bound = self.bound * other.bound * max(self.shape[-1], 1)
        scale = self.scale + other.scale
        self._like(self.shares, scale, bound, "matrix product")
        product = combination if other.ndim == 2 else dot
        return self._like(product(self.rt, self.shares, other.shares), scale, bound, "matrix product")

    def __bool__(self) -> bool:
        raise TypeError(
            "a secret has no truth value: Python control flow cannot depend on it. Use mpcjax.secret.relu or "
            "mpcjax.secret.where, which choose without revealing the condition"
        )

    def __eq__(self, other: object) -> bool:
        raise TypeError("secrets are not compared with ==: the result would be public")

    __hash__ = object.__hash__


def _require_secret(other: Any, operation: str) -> None:
    if not isinstance(other, Secret):
        raise TypeError(
            f"{operation} of a secret and {type(other).__name__}: legal are two secrets (and a Python int as a factor). "
            "Bring public numbers in with mpcjax.secret.weighted_sum or project, or in Rule.local or Rule.finish"
        )
