"""The only file that branches on a JAX version.

Field elements of 61 bits need 64-bit integers. The library never changes `jax_enable_x64` for its user: it works inside
a scope of its own, entered by every public function, and hands back arrays of the user's own types.
"""

from __future__ import annotations

import functools
import os
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


def as_here(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """`function` for another thread, in the scope of `x64` and with the default device of this thread."""
    device: Any = jax.config.jax_default_device  # type: ignore[attr-defined] # read, never set: a thread begins without

    @functools.wraps(function)
    def scoped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with x64(), jax.default_device(device):
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


def program_options(platform: str | None = None) -> dict[str, Any]:
    """Options of `jax.jit` for the programs of a round on a CPU; none where `platform` (by default JAX's) is another.

    Vectors of 512 bits, where a CPU has them: rounds a tenth to a sixth faster on an Intel Xeon, no slower elsewhere. And no
    MLIR pipeline for each fused loop, a third of the time to compile many short operations, which run as fast without; not
    since jax 0.11, as 0.12 refuses that option. Level 2 of the backend compiles a tenth faster than 3 and runs as fast.
    """
    if (platform or jax.default_backend()) != "cpu":
        return {}  # its compiler may refuse them
    found: dict[str, Any] = {"xla_cpu_prefer_vector_width": 512, "xla_backend_optimization_level": 2}
    if tuple(int(part) for part in jax.__version__.split(".")[:2]) < (0, 11):
        found["xla_cpu_use_fusion_emitters"] = False
    said = os.environ.get("XLA_FLAGS", "")  # what the user says holds
    return {name: value for name, value in found.items() if name not in said}


def products_of_bytes_on_cpu() -> bool:
    """Whether XLA has matrix products of signed bytes in 32 bits on a CPU that are faster than those of float64.

    Five times faster with jax 0.10.2 on a CPU with AVX-512 (its library has kernels for these), 2.5 times slower with 0.7.2.
    """
    return tuple(int(part) for part in jax.__version__.split(".")[:2]) >= (0, 10)


def x32() -> AbstractContextManager[Any]:
    """A scope in which JAX has no 64-bit types, whatever is around it."""
    return _enable_x64(False)


def bind(eqn: Any, *operands: Any, **changed: Any) -> Any:
    """What an equation of a jaxpr does, to other operands: its result, or the list of them."""
    found = eqn.primitive.get_bind_params({**eqn.params, **changed})
    functions, params = found if isinstance(found, tuple) else ((), found)  # one dictionary since jax 0.10
    return eqn.primitive.bind(*functions, *operands, **params)


_CALLS = {  # and the parameter that holds the jaxpr
    "jit": "jaxpr",
    "closed_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "checkpoint": "jaxpr",
    "remat2": "jaxpr",
}


def called(eqn: Any) -> tuple[Any, Any] | None:
    """Jaxpr and constants of a call that does no more than run a jaxpr; None for any other equation."""
    if eqn.primitive.name not in _CALLS:
        return None
    return opened(eqn.params[_CALLS[eqn.primitive.name]])


def opened(jaxpr: Any) -> tuple[Any, Any]:
    """A jaxpr, closed or not, and its constants."""
    return (jaxpr.jaxpr, jaxpr.consts) if isinstance(jaxpr, jax.extend.core.ClosedJaxpr) else (jaxpr, ())


def frames(eqn: Any) -> list[tuple[str, int]]:
    """File and line of the calls that an equation was traced in, the innermost first."""
    traceback = eqn.source_info.traceback
    return [] if traceback is None else [(frame.file_name, frame.line_num) for frame in traceback.frames]


def file_of(jaxpr: Any) -> str:
    """Where the function stands that a jaxpr was made of; empty if that is not known."""
    return jaxpr.debug_info.func_filename or ""
