"""The array that rules compute with: shares, a static scale and a static bound.

A `Secret` stands for real numbers v / 2^scale with integers |v| <= bound. Scale and bound are Python integers, known
while tracing; an operation whose result could reach p / 2 is refused there with a `BoundError` that names the operation,
the bound and the fix, so that overflow cannot happen silently.

The functions of this module take secrets and plain `jax.numpy` arrays alike: a rule's `combine`, written once, runs on
both, and its plain run is its specification.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import _compat, circuits
from mpcjax.errors import BoundError
from mpcjax.fields import fixed, kernels
from mpcjax.protocols import combination, dot, gram, multiply
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


def weighted_sum(weights: Any, x: Any, *, bits: int, largest: float = 1.0) -> Any:
    """sum_i weights[i] x[i] for public `weights [n]`, clipped to [-largest, largest] and rounded to `bits` fractional bits.

    `x [n, d]` secret or plain (the weights are rounded all the same); local (no communication). Weights of 0 and 1 need
    no fractional bits. `ValueError` for weights that are known and larger than `largest`.
    """
    if _compat.is_concrete(weights) and bool(np.any(np.abs(np.asarray(weights)) > largest)):
        raise ValueError(
            f"weighted_sum: a weight is larger than {largest:g}; divide them by the largest, or set largest="
        )
    grid = jnp.clip(jnp.asarray(weights, jnp.float32), -largest, largest)
    grid = jnp.round(grid * 2.0**bits) / np.float32(2.0**bits)
    if not isinstance(x, Secret):
        return grid.astype(x.dtype) @ x
    field = x.rt.field
    encoded = fixed.encode(field, grid, bits)
    bound = math.ceil(largest * 2**bits) * x.bound * x.shape[0]
    scale = x.scale + bits
    refused_early = Secret(x.rt, x.shares, scale, bound, "weighted sum")
    shares = kernels.combine(field, encoded, refused_early.shares, axis=1)
    return Secret(x.rt, shares, scale, bound, "weighted sum")


def project(x: Any, direction: Any, *, bits: int, bound: float) -> Any:
    """Inner products of every row of `x [n, d]` with a public `direction [d]` at `bits` fractional bits: `[n]`. Local.

    `bound` is what the caller knows about their size as real numbers (for unit vectors: 1, and rounding).
    """
    if not isinstance(x, Secret):
        return x @ jnp.asarray(direction, x.dtype)
    x.rt.spread.refuse("projection")
    direction = jnp.asarray(direction, jnp.float32)
    encoded = kernels.encoded_once(lambda d: fixed.encode(x.rt.field, d, bits), direction)  # not anew for every row
    limit, scale = math.ceil(bound * 2.0 ** (x.scale + bits)), x.scale + bits
    refused_early = Secret(x.rt, x.shares, scale, limit, "projection")
    return Secret(x.rt, kernels.inner(x.rt.field, refused_early.shares, encoded), scale, limit, "projection")


def rescale(x: Any, bits: int) -> Any:
    """`x` with `bits` fractional bits, rounded to nearest by exact truncation; plain arrays are rounded the same way."""
    if not isinstance(x, Secret):
        return jnp.floor(x * 2.0**bits + 0.5) / 2.0**bits
    down = x.scale - bits
    if down <= 0:
        return x._at_scale(bits)
    shares = circuits.truncate_nearest(x.rt, x.shares, down, x.bound)
    return Secret(x.rt, shares, bits, (x.bound >> down) + 1, "rescale")


def relu(x: Any) -> Any:
    """max(x, 0) elementwise: one exact comparison and one product each."""
    if not isinstance(x, Secret):
        return jnp.maximum(x, 0)
    return Secret(x.rt, circuits.relu(x.rt, x.shares), x.scale, x.bound, "relu")


def where(condition: Secret | Any, x: Any, y: Any) -> Any:
    """`x` where the secret bit `condition` is one, else `y`."""
    if not isinstance(condition, Secret):
        return jnp.where(condition, x, y)
    if condition.scale or condition.bound != 1:
        raise ValueError(
            f"where: the condition has scale {condition.scale}, bound {condition.bound}; legal is a secret bit"
        )
    scale = max(x.scale, y.scale)
    x, y = x._at_scale(scale), y._at_scale(scale)
    shares = circuits.select(x.rt, condition.shares, x.shares, y.shares)
    return Secret(x.rt, shares, scale, max(x.bound, y.bound), "where")


def mask(x: Any, kept: Any) -> Any:
    """`x [n, ...]` with the rows that are not publicly `kept [n]` set to zero. Local."""
    if not isinstance(x, Secret):
        return jnp.where(kept.reshape(-1, *(1,) * (x.ndim - 1)), x, 0)
    column = kept.reshape(1, -1, *(1,) * (x.ndim - 1))
    return Secret(x.rt, jnp.where(column, x.shares, jnp.zeros_like(x.shares)), x.scale, x.bound, "mask")


def proportions(x: Any, bits: int) -> Any:
    """x_i / sum_j x_j for non-negative `x [n]`, at `bits` fractional bits; all zero when the sum is zero.

    One reciprocal of a scalar, n products and n truncations. Error 2^-bits per entry.
    """
    total = x.sum(axis=0)
    if not isinstance(x, Secret):
        return x / jnp.where(total > 0, total, 1)
    # 1 / total at `out` bits has a relative error below 2^-bits even at the largest total; x_i <= total bounds x_i / total.
    out = bits + 2 + max(total.bound.bit_length() - total.scale, 0)
    inverse = circuits.reciprocal(x.rt, total.shares[:, None], scale=total.scale, bound=total.bound, out_bits=out)
    quotient = multiply(x.rt, x.shares, inverse)
    scale = x.scale + out
    return rescale(Secret(x.rt, quotient, scale, (1 << scale) + (1 << (scale - bits)), "proportions"), bits)


def squared_distances(x: Any, *, norm: float) -> Any:
    """|x_i - x_j|^2 for all pairs of rows of `x [n, d]`, of Euclidean norm at most `norm`: `[n, n]`.

    n (n + 1) / 2 openings, for the Gram matrix; exact. On plain arrays from the differences, where nothing cancels.
    """
    if not isinstance(x, Secret):
        return jax.lax.map(lambda row: jnp.sum(jnp.square(x - row), axis=1), x)
    limit, scale = math.ceil(norm * 2.0**x.scale) ** 2, 2 * x.scale
    refused_early = Secret(x.rt, x.shares, scale, 4 * limit, "squared distances")
    products, field = gram(x.rt, refused_early.shares), x.rt.field
    squares = jnp.diagonal(products, axis1=1, axis2=2)
    both = field.add(squares[:, :, None], squares[:, None])
    return Secret(x.rt, field.sub(both, field.double(products)), scale, 4 * limit, "squared distances")


def others_last(x: Any, kept: Any) -> Any:
    """`x` with the entries that are not publicly `kept` (broadcast) made larger than any that are. Local."""
    if not isinstance(x, Secret):
        return jnp.where(kept, x, jnp.inf)
    last = Secret(x.rt, x.shares, x.scale, x.bound + 1, "others last")
    return last._like(jnp.where(kept, x.shares, x.rt.field.asarray(last.bound)), x.scale, last.bound, "others last")


def sort(x: Any) -> Any:
    """`x [..., n]` ascending along the last axis. About t (t + 1) / 4 comparisons per element for t = log2 n."""
    if not isinstance(x, Secret):
        return jnp.sort(x, axis=-1)
    _require_comparable(x, "sort")
    return x._like(circuits.sort(x.rt, x.shares), x.scale, x.bound, "sort")


def sum_of_smallest(x: Any, count: Any) -> Any:
    """Sum of the `count` (public, at most n) smallest along the last axis of `x [..., n]`. Cost: `sort`."""
    first = jnp.arange(x.shape[-1]) < count
    ordered = sort(x)
    if not isinstance(x, Secret):
        return jnp.sum(jnp.where(first, ordered, 0), axis=-1)
    return ordered._like(jnp.where(first, ordered.shares, 0), x.scale, x.bound, "sum").sum(axis=-1)


def smallest(x: Any, count: Any) -> Any:
    """1 for the `count` (public) smallest of `x [n]`, ties by index, and 0 for the others.

    n (n - 1) / 2 comparisons for the ranks, then one each.
    """
    if not isinstance(x, Secret):
        return (jnp.argsort(jnp.argsort(x, stable=True), stable=True) < count).astype(x.dtype)
    _require_comparable(x, "smallest")
    field, places = x.rt.field, circuits.ranks(x.rt, x.shares)
    first = circuits.less_than(x.rt, places, field.from_signed(jnp.asarray(count, jnp.int32)))
    return Secret(x.rt, first, 0, 1, "smallest")


def _require_comparable(x: Secret, operation: str) -> None:
    Secret(x.rt, x.shares, x.scale, 2 * x.bound, operation)  # of differences


def off_diagonal(x: Any) -> Any:
    """`x [n, n]` without its diagonal: `[n, n - 1]`, row i has the columns other than i in order. Local."""
    if isinstance(x, Secret):
        return x._like(_off_diagonal(x.shares), x.scale, x.bound, "off diagonal")
    return _off_diagonal(x)


def _off_diagonal(x: Any) -> Any:
    lead, n = x.shape[:-2], x.shape[-1]
    return x.reshape(*lead, -1)[..., 1:].reshape(*lead, n - 1, n + 1)[..., :-1].reshape(*lead, n, n - 1)
