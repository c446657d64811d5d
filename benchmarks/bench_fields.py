"""Field arithmetic: element-wise operations beside a plain integer addition, contractions beside the speed of reading.

`--long` measures the contractions at 100 peers, 1,000,000 parameters and 5 parties (4 GB of shares).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.harness import Row, addition, race, row
from mpcjax._compat import x64_scope
from mpcjax.fields import F31, F61, Field, kernels

SIZE = 1 << 24
PARTIES, PARAMETERS = 5, 1_000_000


@x64_scope
def run(quick: bool) -> list[Row]:
    rows = [r for field in (F61, F31) for r in elementwise(field)]
    rows += contractions(F61, 20 if quick else 100)
    return rows + small(F61)


def elementwise(field: Field) -> list[Row]:
    """Milliseconds of 2**24 elements; at most 1.3 times the addition of the same bytes is the aim."""
    a = field.reduce(jnp.arange(SIZE, dtype=field.dtype) * field.dtype.type(0x9E3779B97F4A7C15 % 2**32))
    b = field.add(a, 12345)
    operations = {"add": jax.jit(field.add), "sub": jax.jit(field.sub), "mul": jax.jit(field.mul)}
    calls = {name: partial(operation, a, b) for name, operation in operations.items()}
    times = race({"floor": addition(SIZE * field.nbytes, field.dtype), **calls}, repeats=9, budget=3)
    floor = {"floor": times["floor"] * 1e3, "floor_name": f"plain {field.dtype} addition"}
    return [row(f"{name}, e={field.exponent}", times[name] * 1e3, "ms", shape="2^24", **floor) for name in calls]


def contractions(field: Field, peers: int) -> list[Row]:
    """Milliseconds per pass over shares [parties, peers, parameters], beside one plain sum that reads them."""
    w = field.reduce(jnp.arange(PARAMETERS, dtype=field.dtype) * field.dtype.type(0x9E3779B97F4A7C15))
    base = jnp.arange(PARTIES * peers, dtype=field.dtype).reshape(PARTIES, peers, 1)
    x = jax.jit(lambda: field.mul(field.add(base, w), 0x1234567890ABCDEF))()
    public, secret, v = w[:peers], field.mul(base[..., 0], w[:peers]), w[7]
    jobs: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        "inner, public weights": (partial(kernels.inner, field), (x, w)),
        "weighted squares": (partial(kernels.weighted_squares, field), (x, w)),
        "combine, public weights": (partial(kernels.combine, field, axis=1), (public, x)),
        "combine, secret weights": (partial(kernels.combine, field, axis=1), (secret, x)),
        "fold 4 to 1": (partial(kernels.folded, field, count=4), (x, v)),
        "squares and cross terms of 4": (partial(kernels.square_terms, field), (x,)),
        "sum over parameters": (field.sum, (x,)),
    }
    calls = {name: partial(jax.jit(function), *arguments) for name, (function, arguments) in jobs.items()}
    read = jax.jit(lambda y: jnp.sum(y, -1))
    times = race({"floor": partial(read, x), **calls}, repeats=5, budget=8)
    floor = {"floor": times["floor"] * 1e3, "floor_name": f"reading {x.nbytes / 1e9:.1f} GB"}
    return [row(name, times[name] * 1e3, "ms", shape=x.shape, gigabytes=x.nbytes / 1e9, **floor) for name in calls]


def small(field: Field) -> list[Row]:
    """Costs that are arithmetic, not memory."""
    a = field.reduce(jnp.arange(300 * 300, dtype=field.dtype).reshape(300, 300) * field.dtype.type(0x9E3779B97F4A7C15))
    b = jnp.tile(a.reshape(-1), 2)[: 1 << 17]
    matmul, inverse, root = jax.jit(field.matmul), jax.jit(field.inv), jax.jit(field.sqrt)
    times = race(
        {"matmul": lambda: matmul(a, a), "inv": lambda: inverse(b), "sqrt": lambda: root(b)}, repeats=5, budget=3
    )
    rows = [row("matmul", times["matmul"] * 1e3, "ms", shape="300 x 300 x 300")]
    return rows + [row(name, times[name] / b.size * 1e9, "ns/element", shape="2^17") for name in ("inv", "sqrt")]


if __name__ == "__main__":
    import sys

    from benchmarks.__main__ import main

    sys.argv.insert(1, "fields")
    sys.exit(main())
