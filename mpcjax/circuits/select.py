"""Choosing between secrets by a secret bit."""

from __future__ import annotations

from typing import Any

from mpcjax.circuits.compare import is_negative, less_than
from mpcjax.protocols import multiply
from mpcjax.runtime import Runtime


def select(rt: Runtime, bit: Any, x: Any, y: Any) -> Any:
    """x where `bit` is 1, y where it is 0; `[rows, ...]` (broadcast). Cost: 1 level, 1 product. Revealed: nothing."""
    return rt.field.add(y, multiply(rt, bit, rt.field.sub(x, y)))


def relu(rt: Runtime, x: Any, *, width: int | None = None) -> Any:
    """max(x, 0) for |x| < p/2, or |x| < 2^width. Cost: `is_negative` and 1 level, 1 product. Revealed: nothing."""
    return multiply(rt, rt.field.sub(1, is_negative(rt, x, width=width)), x)


def maximum(rt: Runtime, x: Any, y: Any, *, width: int | None = None) -> Any:
    """The larger of two, for |x - y| < p/2, or |x - y| < 2^width. Cost: as `relu`. Revealed: nothing."""
    return select(rt, less_than(rt, x, y, width=width), y, x)


def minimum(rt: Runtime, x: Any, y: Any, *, width: int | None = None) -> Any:
    """The smaller of two, for |x - y| < p/2, or |x - y| < 2^width. Cost: as `relu`. Revealed: nothing."""
    return select(rt, less_than(rt, x, y, width=width), x, y)
