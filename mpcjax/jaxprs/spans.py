"""What the results of primitives lie between, from what their operands lie between; infinite where nothing is said here.

`mpcjax.secret.divide` and `public` clip to what they are told, so a span must never be too narrow, but for rounding. Integers
truncate and wrap around: where JAX would, nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.jaxprs.values import Span, Value

ANY: Span = (-math.inf, math.inf)
MOVES = ("reshape", "squeeze", "transpose", "tile", "broadcast_in_dim", "slice", "dynamic_slice", "rev", "split", "copy",
         "stop_gradient")  # fmt: skip
EDGE = 2.0**-16  # what rounding may have done to a number before it is truncated, of itself or of one
PICKS = (
    *MOVES,
    "max",
    "min",
    "clamp",
    "select_n",
    "concatenate",
    "stack",
    "sort",
    "reduce_max",
    "reduce_min",
    "gather",
)


def span_of(eqn: Any, values: list[Value]) -> Span:
    """Of every result of an equation."""
    name, kind = eqn.primitive.name, eqn.outvars[0].aval.dtype
    if name not in SPANS:
        return ANY
    span = SPANS[name](eqn.params, *values)
    if name in PICKS:
        return span
    if jnp.issubdtype(kind, jnp.integer):
        return _whole(name, kind, eqn.invars[0].aval.dtype, span)
    coarse = jnp.issubdtype(kind, jnp.floating) and kind.itemsize < 4  # its rounding is no matter of a few last bits
    return ANY if coarse else span


def _whole(name: str, kind: Any, old: Any, span: Span) -> Span:
    """Of integers: quotients and what is converted are truncated; what does not fit wraps around to anything."""
    low, high = span
    if not (math.isfinite(low) and math.isfinite(high)):
        return span if name == "convert_element_type" and old == kind else ANY
    if name == "div":
        low, high = float(math.trunc(low)), float(math.trunc(high))
    elif jnp.issubdtype(old, jnp.floating):
        low, high = (float(math.trunc(x + s * EDGE * max(1.0, abs(x)))) for x, s in ((low, -1), (high, 1)))
    limits = np.iinfo(kind)
    return (low, high) if limits.min <= low and high <= limits.max else ANY


def _times(a: float, b: float) -> float:
    return a * b if a and b else 0.0


def _corners(x: Span, y: Span) -> Span:
    found = [_times(a, b) for a in x for b in y]
    return min(found), max(found)


def _quotient(x: Span, y: Span) -> Span:
    if not (y[0] > 0 or y[1] < 0):
        return ANY
    found = [0.0 if math.isinf(b) else a / b for a in x for b in y]  # one division each, so that 3 / 3 is 1
    return min(found), max(found)


def _power(x: Span, exponent: int) -> Span:
    if exponent < 1:
        return ANY
    ends = sorted(_raised(a, exponent) for a in x)
    low = 0.0 if exponent % 2 == 0 and x[0] <= 0 <= x[1] else ends[0]
    return low, ends[1]


def _raised(a: float, exponent: int) -> float:
    try:
        return a**exponent
    except OverflowError:
        return math.inf if a > 0 or exponent % 2 == 0 else -math.inf


def _absolute(x: Span) -> Span:
    ends = sorted(map(abs, x))
    return (0.0 if x[0] <= 0 <= x[1] else ends[0]), ends[1]


def _root(x: Span) -> Span:
    return math.sqrt(max(x[0], 0)), math.sqrt(max(x[1], 0))


def _hull(*spans: Span) -> Span:
    return min(low for low, _ in spans), max(high for _, high in spans)


def _counted(params: dict[str, Any], value: Value) -> Span:
    count = math.prod(value.shape[axis] for axis in params["axes"])
    return _times(count, value.span[0]), _times(count, value.span[1])


def _same(params: dict[str, Any], value: Value, *_: Value) -> Span:
    return value.span


def _extreme(params: dict[str, Any], value: Value) -> Span:
    """Of nothing it is what JAX begins with."""
    return value.span if math.prod(value.shape) else ANY


def _gathered(params: dict[str, Any], value: Value, *_: Value) -> Span:
    """Of a secret no place is out of range; of public integers those that are get the least of their type."""
    if value.secret or params["mode"] != jax.lax.GatherScatterMode.FILL_OR_DROP:
        return value.span
    return ANY if jnp.issubdtype(value.x.dtype, jnp.integer) else value.span


def _clamped(low: Span, x: Span, high: Span) -> Span:
    """Where the limits cross, JAX takes the upper one."""
    return min(max(x[0], low[0]), high[0]), min(max(x[1], low[1]), high[1])


SPANS: dict[str, Callable[..., Span]] = {
    "add": lambda p, x, y: (x.span[0] + y.span[0], x.span[1] + y.span[1]),
    "add_any": lambda p, x, y: (x.span[0] + y.span[0], x.span[1] + y.span[1]),
    "sub": lambda p, x, y: (x.span[0] - y.span[1], x.span[1] - y.span[0]),
    "neg": lambda p, x: (-x.span[1], -x.span[0]),
    "mul": lambda p, x, y: _power(x.span, 2) if x is y else _corners(x.span, y.span),
    "div": lambda p, x, y: _quotient(x.span, y.span),
    "max": lambda p, x, y: (max(x.span[0], y.span[0]), max(x.span[1], y.span[1])),
    "min": lambda p, x, y: (min(x.span[0], y.span[0]), min(x.span[1], y.span[1])),
    "clamp": lambda p, low, x, high: _clamped(low.span, x.span, high.span),
    "abs": lambda p, x: _absolute(x.span),
    "sqrt": lambda p, x: _root(x.span),
    "square": lambda p, x: _power(x.span, 2),
    "integer_pow": lambda p, x: _power(x.span, p["y"]),
    "floor": lambda p, x: (x.span[0] - 1, x.span[1]),
    "reduce_sum": _counted,
    "select_n": lambda p, which, *cases: _hull(*(case.span for case in cases)),
    "concatenate": lambda p, *parts: _hull(*(part.span for part in parts)),
    "stack": lambda p, *parts: _hull(*(part.span for part in parts)),
    "sort": lambda p, *parts: _hull(*(part.span for part in parts)),
    "reduce_max": _extreme,
    "reduce_min": _extreme,
    "gather": _gathered,
    "convert_element_type": _same,
} | dict.fromkeys(MOVES, _same)
