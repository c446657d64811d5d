"""What stands for a variable of a jaxpr: a secret or a public array, and what its numbers lie between."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import secret as ms
from mpcjax.secret import Secret

FACTOR_BITS = 16  # significant bits of the least of the public factors whose values are not known while tracing
TERM_BITS = 16  # fractional bits of such terms and thresholds
NOT_FINITE = (
    "beside a secret a public number that is not finite: legal are finite numbers. Secrets are never infinite or NaN: "
    "use in place of inf a number above all that x can be, as jnp.where(c, x, 4.0), in place of NaN one that stands for it, "
    "as 0.0, and sums with jnp.where(c, x, 0) in place of nan-functions"
)
Span = tuple[float, float]


@dataclasses.dataclass(frozen=True, eq=False)
class Value:
    """`x`: a `Secret`, or a public array; it broadcasts to `shape` (as many axes, some of them 1), so that nothing is
    computed twice. `low`, `high`: what its numbers lie between, up to rounding. `fixed`: public and known while tracing.

    `factors`: of a product of secrets that is only summed up, in place of `x`.
    """

    x: Any
    shape: tuple[int, ...]
    low: float = -math.inf
    high: float = math.inf
    fixed: bool = False
    factors: tuple[Secret, Secret] | None = None

    @property
    def secret(self) -> bool:
        return isinstance(self.x, Secret) or self.factors is not None

    @property
    def span(self) -> Span:
        """As `low` and `high`, with what follows from the numbers or their bound."""
        if self.fixed:
            return _extremes(self.x)
        if isinstance(self.x, Secret):
            most = self.x.bound / 2.0**self.x.scale
            low = 0.0 if self.x.bit else -most
            return max(self.low, low), min(self.high, most)
        if self.factors is None and self.x.dtype == bool:
            return 0.0, 1.0
        return self.low, self.high

    @property
    def full(self) -> Any:
        """The secret or array in its whole shape."""
        if not isinstance(self.x, Secret):
            wide = np if self.fixed else jnp
            return self.x if self.x.shape == self.shape else wide.broadcast_to(self.x, self.shape)
        if self.x.shape == self.shape:
            return self.x
        return moved(self.x, lambda row: jnp.broadcast_to(row, self.shape), "broadcast")

    def only(self) -> Any:
        """The one number of an array whose numbers are known and all the same, else None."""
        if not self.fixed or not np.size(self.x):
            return None
        first = self.x.reshape(-1)[0]
        return first if np.all(self.x == first) else None


def _extremes(values: Any) -> Span:
    if not isinstance(values, np.ndarray) or not values.size or not np.all(np.isfinite(values)):
        return -math.inf, math.inf
    return float(values.min()), float(values.max())


def known(x: Any) -> Value:
    """A public array whose values are known while tracing: on the host, where no operation is traced (but random keys)."""
    return Value(np.asarray(x) if isinstance(x.dtype, np.dtype) else x, np.shape(x), fixed=True)


def moved(x: Secret, move: Any, name: str) -> Secret:
    """`x` with `move` applied to every party's shares: it only puts numbers elsewhere. Local."""
    return like(x, jax.vmap(move)(x.shares), name)


def like(x: Secret, shares: Any, name: str) -> Secret:
    """Shares of numbers of `x`."""
    return Secret(x.rt, shares, x.scale, x.bound, name, bit=x.bit)


def term(value: Value) -> Any:
    """An operand of a sum, a comparison or a choice."""
    return _operand(value, TERM_BITS)


def counted(x: Any) -> Any:
    """An operand of `term` or `factor` where bits count: JAX has made numbers of them before it adds them up."""
    return x.counted() if isinstance(x, Secret) else x


def factor(value: Value) -> Any:
    """An operand of a product: numbers not known while tracing get 16 significant bits of the least there can be, or of
    the largest if they may be zero."""
    low, high = value.span
    least = max(low, -high)
    size = least if least > 0 else max(-low, high)
    return _operand(value, max(0, FACTOR_BITS - math.frexp(size)[1]))


def _operand(value: Value, bits: int) -> Any:
    x = value.x
    if isinstance(x, Secret) or value.fixed:
        if value.fixed and not np.all(np.isfinite(x)):
            raise ValueError(NOT_FINITE)
        return x
    if x.dtype == bool:
        return ms.public(x)
    limit = max(*map(abs, value.span), 2.0**-FACTOR_BITS)
    if math.isinf(limit):
        raise TypeError(
            "a public number that is not known while tracing (it follows from `accepted`) and has no limits: state them by "
            "jnp.clip(x, low, high)"
        )
    whole = jnp.issubdtype(x.dtype, jnp.signedinteger)
    return ms.public(x, bound=limit) if whole else ms.public(x, bits=bits, bound=limit)
