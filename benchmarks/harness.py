"""What every benchmark shares: timing, the machine's own speed beside it, rows, and a description of the machine.

A benchmark is a file `bench_NAME.py` with one function `run(quick: bool) -> list[dict]`, whose rows come from `row`.
Its `run` enters the scope it measures: `@x64_scope` for internal code, nothing for the public API. Numbers of different
runs on a shared machine are hard to compare, so each stands beside a floor measured in the same run.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.rows import Row, row

__all__ = ["ROOT", "Row", "addition", "growth", "machine", "peak_memory", "race", "row", "seconds"]

ROOT = Path(__file__).parents[1]


def seconds(function: Callable[..., Any], *args: Any, repeats: int = 7, budget: float = 3.0) -> float:
    """Median wall-clock seconds of `function(*args)`, waiting for its arrays; compiled and warmed by one call before.

    Stops after `repeats` calls, or sooner once `budget` seconds are spent (never before the first).
    """
    return race({"": lambda: function(*args)}, repeats=repeats, budget=budget)[""]


def race(contenders: Mapping[str, Callable[[], Any]], repeats: int = 7, budget: float = 6.0) -> dict[str, float]:
    """Median seconds of each contender, called in turns so that a slow moment of the machine hits all of them."""
    for call in contenders.values():
        jax.block_until_ready(call())
    times: dict[str, list[float]] = {name: [] for name in contenders}
    end = time.perf_counter() + budget
    for _ in range(repeats):
        for name, call in contenders.items():
            start = time.perf_counter()
            jax.block_until_ready(call())
            times[name].append(time.perf_counter() - start)
        if time.perf_counter() > end:
            break
    return {name: statistics.median(values) for name, values in times.items()}


def addition(nbytes: int, dtype: Any = np.uint32) -> Callable[[], jax.Array]:
    """One plain integer addition that writes `nbytes` and reads twice as many: the speed of memory, as a contender."""
    length = nbytes // np.dtype(dtype).itemsize
    a, b = jnp.arange(length, dtype=dtype), jnp.ones(length, dtype)
    add = jax.jit(jnp.add)
    return lambda: add(a, b)


def peak_memory() -> int:
    """The most bytes that this process has held in main memory so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def growth(call: Callable[[], Any]) -> int | None:
    """The most bytes that the process holds during a call beyond those it held before; None where Linux is not asked."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")

    def field(name: str) -> int:
        return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith(name))

    try:
        reset.write_text("5")  # the peak is now what is held now
        before = field("VmRSS")
        jax.block_until_ready(call())
        return max(0, field("VmHWM") - before)
    except (OSError, StopIteration):
        return None


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> str:
    """The commit of the working tree, with a "+" where files differ from it; "" outside a repository."""

    def git(*args: str) -> str:
        return subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def machine() -> dict[str, Any]:
    """Where and on what the numbers were measured."""
    device = jax.devices()[0]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": _cpu_model(),
        "cores": cores,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "platform": device.platform,
        "device": device.device_kind,
        "devices": jax.device_count(),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "numpy": np.__version__,
        "commit": _commit(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
