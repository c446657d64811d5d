"""What the results of primitives lie between, from what their operands lie between; infinite where nothing is said here.

Nothing rests on it but precision: `mpcjax.secret.divide` and `public` clip to what they are told.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from mpcjax.jaxprs.values import Span, Value

ANY: Span = (-math.inf, math.inf)


def span_of(name: str, params: dict[str, Any], values: list[Value]) -> Span:
    """Of every result of the primitive."""
    return SPANS[name](params, *values) if name in SPANS else ANY


def _times(a: float, b: float) -> float:
    return a * b if a and b else 0.0


def _corners(x: Span, y: Span) -> Span:
    found = [_times(a, b) for a in x for b in y]
    return min(found), max(found)


def _quotient(x: Span, y: Span) -> Span:
    if not (y[0] > 0 or y[1] < 0):
        return ANY
    return _corners(x, (1 / y[1], 1 / y[0]))


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


SPANS: dict[str, Callable[..., Span]] = {
    "add": lambda p, x, y: (x.span[0] + y.span[0], x.span[1] + y.span[1]),
    "sub": lambda p, x, y: (x.span[0] - y.span[1], x.span[1] - y.span[0]),
    "neg": lambda p, x: (-x.span[1], -x.span[0]),
    "mul": lambda p, x, y: _power(x.span, 2) if x is y else _corners(x.span, y.span),
    "div": lambda p, x, y: _quotient(x.span, y.span),
    "max": lambda p, x, y: (max(x.span[0], y.span[0]), max(x.span[1], y.span[1])),
    "min": lambda p, x, y: (min(x.span[0], y.span[0]), min(x.span[1], y.span[1])),
    "clamp": lambda p, low, x, high: (max(low.span[0], min(x.span[0], high.span[0])), high.span[1]),
    "abs": lambda p, x: _absolute(x.span),
    "sqrt": lambda p, x: _root(x.span),
    "square": lambda p, x: _power(x.span, 2),
    "integer_pow": lambda p, x: _power(x.span, p["y"]),
    "floor": lambda p, x: (x.span[0] - 1, x.span[1]),
    "reduce_sum": _counted,
    "select_n": lambda p, which, *cases: _hull(*(case.span for case in cases)),
    "concatenate": lambda p, *parts: _hull(*(part.span for part in parts)),
    "stack": lambda p, *parts: _hull(*(part.span for part in parts)),
} | dict.fromkeys(
    ("reduce_max", "reduce_min", "sort", "reshape", "squeeze", "transpose", "tile", "broadcast_in_dim", "slice",
     "dynamic_slice", "gather", "rev", "split", "copy", "stop_gradient", "convert_element_type"), _same
)  # fmt: skip
