"""The only file that branches on a JAX version.

Field elements of 61 bits need 64-bit integers. The library never changes `jax_enable_x64` for its user: it works inside
a scope of its own, entered by every public function, and hands back arrays of the user's own types.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, ParamSpec, TypeVar

import jax
import jax.core
import jax.extend.core

_P = ParamSpec("_P")
_R = TypeVar("_R")

try:  # a public name since jax 0.8
    _enable_x64: Any = jax.enable_x64
except AttributeError:
    from jax.experimental import enable_x64 as _enable_x64  # type: ignore[no-redef]


def x64() -> AbstractContextManager[Any]:
    """A scope in which JAX knows 64-bit integers; outside it nothing changes."""
    return _enable_x64(True)


def x64_scope(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Run `function` in the scope of `x64`."""

    @functools.wraps(function)
    def scoped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with x64():
            return function(*args, **kwargs)

    return scoped


def is_concrete(x: Any) -> bool:
    """Whether `x` has a value now (eager code) or only a shape (inside a trace)."""
    return not isinstance(x, jax.core.Tracer)


try:  # moved in jax 0.10
    _opaque_trace_state: Any = jax.extend.core.get_opaque_trace_state
except AttributeError:
    _opaque_trace_state = jax.core.get_opaque_trace_state


def trace_state() -> Any:
    """The trace that operations belong to now: equal while in the same trace, different inside a loop body or transform."""
    return _opaque_trace_state(convention="flax")
