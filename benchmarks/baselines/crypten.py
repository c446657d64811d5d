"""CrypTen: additive sharing over PyTorch with a trusted first party as dealer of triples; a process per party.

Its package names a dependency that no longer installs (`sklearn`), and it imports a module of PyTorch's ONNX exporter
that no longer exists; nothing measured here uses either, so an empty module stands in for the second.
"""

from __future__ import annotations

import importlib
import sys
import time
import types
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.baselines import common

PARTIES = (2, 3)
ENGINE = common.Engine(
    name="CrypTen",
    module="crypten",
    install="make peers-crypten (an environment of its own, without the dependency `sklearn`), or CRYPTEN_PYTHON=its/python",
    security="semi-honest, all but one, with a trusted dealer of triples",
    field="2^64 (ring), 16 fractional bits",
    transport=common.LOCAL,
)


def run(quick: bool) -> Iterator[common.Row]:
    sys.modules.setdefault("torch.onnx.symbolic_registry", types.ModuleType("torch.onnx.symbolic_registry"))
    for m in PARTIES:
        yield from _by_parties(m, 3 if quick else 9)


def _jobs() -> list[tuple[str, int, int, Callable[[Any], Any]]]:
    """`(job, n, d, function of a shared [n, d])`."""
    listed: list[tuple[str, int, int, Callable[[Any], Any]]] = [
        ("mean", n, d, lambda x: x.mean(0)) for n, d in common.MEANS
    ]
    listed += [("squared norms", n, d, lambda x: (x * x).sum(1)) for n, d in common.NORMS]
    listed += [("multiplications", 1, d, lambda x: x * x.clone()) for d in common.PRODUCTS]
    return listed + [("comparisons", 1, d, lambda x: x < 0) for d in common.COMPARISONS]


def _by_parties(m: int, repeats: int) -> list[common.Row]:
    """All jobs by `m` processes; the slowest party's time counts."""
    mpc: Any = importlib.import_module("crypten.mpc")

    jobs = _jobs()
    answers: Any = mpc.run_multiprocess(world_size=m)(lambda: [_timed(n, d, call, repeats) for _, n, d, call in jobs])()
    if answers is None:
        raise RuntimeError(f"CrypTen with {m} parties gave no answer: a party failed")
    slowest = [max(times) for times in zip(*answers, strict=True)]
    return [ENGINE.row(job, taken, n=n, d=d, m=m) for (job, n, d, _), taken in zip(jobs, slowest, strict=True)]


def _timed(n: int, d: int, call: Callable[[Any], Any], repeats: int) -> float:
    """Median seconds of sharing, computing and opening, in one party."""
    crypten: Any = importlib.import_module("crypten")
    torch: Any = importlib.import_module("torch")

    x, times = torch.randn(n, d), []
    for _ in range(repeats + 1):
        crypten.communicator.get().barrier()
        start = time.perf_counter()
        call(crypten.cryptensor(x, src=0)).get_plain_text()
        times.append(time.perf_counter() - start)
    return sorted(times[1:])[repeats // 2]


if __name__ == "__main__":
    common.main(ENGINE, run)
