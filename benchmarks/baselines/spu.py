"""SecretFlow SPU with ABY3: three parties, semi-honest. Its simulator: a thread per party, messages in memory.

Timed is what its simulator does from plain inputs to plain outputs: sharing, computing, opening; compiled before.
SPU wants JAX and NumPy of its own (older ones), and so an environment of its own.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.baselines import common

PARTIES = 3
ENGINE = common.Engine(
    name="SPU (ABY3)",
    module="spu",
    install="make peers-spu, or pip install spu into an environment of its own and SPU_PYTHON=that/bin/python",
    security="semi-honest, honest majority (1 of 3)",
    field="2^64 (ring), 18 fractional bits",
    transport=common.NO_SOCKETS,
)


def run(quick: bool) -> Iterator[common.Row]:
    import jax.numpy as jnp
    import numpy as np

    rng, time_of = np.random.default_rng(0), _timer(1 if quick else 5)
    ring = {"field": "2^64 (ring), integers"}
    for d in common.PRODUCTS:
        x = rng.integers(0, 1 << 15, d).astype(np.int32)
        yield _row("multiplications", time_of(lambda x, y: x * y, x, x), 1, d, **ring)
    for d in common.COMPARISONS:
        x = rng.integers(-(1 << 30), 1 << 30, d).astype(np.int32)
        yield _row("comparisons", time_of(lambda x: x < 0, x), 1, d, **ring)
    for n, d in common.MEANS:
        x = rng.normal(size=(n, d)).astype(np.float32)
        yield _row("mean", time_of(lambda x: jnp.mean(x, 0), x), n, d)
    for n, d in common.NORMS:
        x = rng.normal(size=(n, d)).astype(np.float32)
        yield _row("squared norms", time_of(lambda x: jnp.sum(x * x, 1), x), n, d)


def _row(job: str, taken: float, n: int, d: int, **more: Any) -> common.Row:
    return ENGINE.row(job, taken, n=n, d=d, m=PARTIES, **more)


def _timer(repeats: int) -> Callable[..., float]:
    """`time_of(function, *inputs)`: seconds of a run, without the tracing and compilation that `sim_jax` repeats."""
    spu: Any = importlib.import_module("spu")
    simulation: Any = importlib.import_module("spu.utils.simulation")

    class Timed(simulation.Simulator):
        taken = 0.0

        def __call__(self, executable: Any, *inputs: Any) -> Any:
            start = time.perf_counter()
            outputs = super().__call__(executable, *inputs)
            self.taken = time.perf_counter() - start
            return outputs

    simulator = Timed.simple(PARTIES, spu.ProtocolKind.ABY3, spu.FieldType.FM64)

    def time_of(function: Callable[..., Any], *inputs: Any) -> float:
        times = []
        for _ in range(repeats + 1):
            simulation.sim_jax(simulator, function)(*inputs)
            times.append(simulator.taken)
        return sorted(times[1:])[repeats // 2]

    return time_of


if __name__ == "__main__":
    common.main(ENGINE, run)
