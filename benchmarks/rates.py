"""What this machine does in a second: moves, adds, multiplies and expands, each measured alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import floors, harness
from benchmarks.bench_prg import keystream_only
from mpcjax._compat import program_options, x64_scope
from mpcjax.fields import F61

MOVED, STREAM = 1 << 28, 1 << 27  # bytes
ROWS, LENGTH = 16, 1 << 16  # elements, 8 MB: in the cache of a processor, enough to keep an accelerator busy
CHAIN = 8  # operations on an element between reading and writing it


@x64_scope
def measured() -> floors.Rates:
    """Rates of the default device: of additions and products the best of two forms, chained and summed up."""
    x = F61.reduce(jnp.arange(ROWS * LENGTH, dtype=F61.dtype) * F61.dtype.type(0x9E3779B97F4A7C15)).reshape(ROWS, -1)
    addition = max(chained(F61.add, x), x.size / _seconds(F61.sum, x))
    product = max(chained(F61.mul, x), x.size / _seconds(F61.dot, x, x[0]))
    return floors.Rates(copy_rate(), addition, product, STREAM / harness.seconds(keystream_only(STREAM), repeats=9))


@x64_scope
def copy_rate(nbytes: int = MOVED) -> float:
    """Bytes read and written in a second by one pass in place: no new memory has to be found for its result."""
    passed = jax.jit(lambda x: x ^ np.uint64(1), donate_argnums=0, compiler_options=program_options())
    held = [jnp.zeros(nbytes // 8, jnp.uint64)]

    def once() -> Any:
        held[0] = passed(held[0])
        return held[0]

    return 2 * nbytes / harness.seconds(once, repeats=9)


def chained(operation: Callable[[Any, Any], Any], x: Any) -> float:
    """Operations on field elements in a second, `CHAIN` on each between reading and writing it."""

    def chain(x: Any, y: Any) -> Any:
        for _ in range(CHAIN):
            x = operation(x, y)
        return x

    return CHAIN * x.size / _seconds(chain, x, x[0, 7])


def _seconds(function: Callable[..., Any], *args: Any) -> float:
    """The fewest of two ways to compile it, the programs' own and JAX's."""
    ways = [jax.jit(function, compiler_options=options) for options in (program_options(), {})]
    return min(harness.seconds(way, *args, repeats=99, budget=0.5) for way in ways)
