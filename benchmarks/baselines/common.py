"""What the engines share: who they are, the jobs, rows that say under which guarantees, and how their answer is written."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import importlib.util
import json
import platform
import resource
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.rows import Row, row

NO_SOCKETS = "none: all parties in one process, no sockets"
LOCAL = "sockets of one machine, a process per party"
PRIME = 2**61 - 1

MEANS = ((100, 1_000), (100, 10_000), (100, 100_000), (10, 100_000), (30, 100_000))  # n, d
NORMS = ((100, 10_000), (100, 100_000))  # n, d
PRODUCTS = (10_000, 100_000, 1_000_000)
COMPARISONS = (1_000, 10_000, 100_000)


@dataclasses.dataclass(frozen=True)
class Engine:
    """An engine and the guarantees its rows are measured under; `module` is what has to be importable."""

    name: str
    module: str
    install: str
    security: str
    field: str
    transport: str
    package: str = ""

    def row(self, job: str, value: float, *, n: int, d: int, m: int, unit: str = "s", **more: Any) -> Row:
        """One number for `job` on n vectors of length d by m parties (0 for plaintext).

        `more` goes into the row, also in place of what the engine says.
        """
        said: dict[str, Any] = {
            "engine": self.name,
            "security": self.security,
            "field": self.field,
            "transport": self.transport,
        }
        shape = f"n={n:,} d={d:,} m={m}"
        said |= {"parties": m, "n": n, "d": d, "m": m} | more
        return row(job, value, unit, shape=shape, **said)

    def missing(self) -> str | None:
        """The line that is printed instead of rows when the engine is not installed."""
        if importlib.util.find_spec(self.module) is not None:
            return None
        return f"{self.name} is not installed: {self.install}"

    def version(self) -> str:
        try:
            return importlib.metadata.version(self.package or self.module)
        except importlib.metadata.PackageNotFoundError:
            return "unknown"


def seconds(call: Callable[[], Any], repeats: int = 3) -> float:
    """Median wall-clock seconds of `call`, after one call that warms it."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


Run = Callable[[bool], Iterable[Row]]


def answer(
    engine: Engine, run: Run, quick: bool, keep: Callable[[dict[str, Any]], None] = lambda _: None
) -> dict[str, Any]:
    """Rows with what they cost, as in a result of `python -m benchmarks`; or the line that says why there are none.

    `keep` gets what there is after every row, so that an engine stopped by its time limit leaves what it measured.
    """
    line = engine.missing()
    if line is not None:
        return {"skipped": line}
    start, rows = time.perf_counter(), []
    versions = {engine.name: engine.version(), "python": platform.python_version()}
    result: dict[str, Any] = {"rows": rows, "versions": versions, "seconds": 0.0, "peak_bytes": 0}
    for measured in run(quick):
        rows.append(measured)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        result |= {"seconds": time.perf_counter() - start, "peak_bytes": peak}
        keep(result)
    return result


def main(engine: Engine, run: Run) -> None:
    """Command line of an engine's file: `--into FILE` writes the answer, without it the answer is printed."""
    parser = argparse.ArgumentParser(description=f"Measure {engine.name} on the jobs of benchmarks.peers.")
    parser.add_argument("--into", type=Path)
    parser.add_argument("--long", action="store_true", help="more sizes and repetitions")
    options = parser.parse_args()

    def write(result: dict[str, Any]) -> None:
        if options.into:
            part = options.into.with_suffix(".part")
            part.write_text(json.dumps(result))
            part.replace(options.into)

    result = answer(engine, run, not options.long, write)
    write(result)
    if not options.into:
        print(json.dumps(result, indent=1))
