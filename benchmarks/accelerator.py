"""The full size on an accelerator, beside what is aimed at: `python -m benchmarks.accelerator` (`make bench-accelerator`).

Rounds of 100 peers and a million parameters: RSA, centered clipping and FLTrust with a committee of 5, RSA with 21; medians
of five after the call that compiles, by stage. Then comparisons and triples a second with 5 parties, offline phase and
verification included. The targets are for the full size on one large accelerator.

On a machine without one it says so and ends, unless `--here` is given, with sizes that it can bear:

    python -m benchmarks.accelerator --here --rules rsa --peers 20 --length 10000 --comparisons 1000 --triples 10000
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from rich.console import Console

from benchmarks import __main__ as tables
from benchmarks import bench_circuits as circuits
from benchmarks import bench_round, floors, harness, rates
from mpcjax._compat import x64_scope
from mpcjax.offline import Demand

RESULTS = Path(__file__).parent / "results" / "accelerator"
MILLISECONDS = {"rsa": 60.0, "centered_clipping": 150.0, "fltrust": 200.0}
TIMES_LARGER = 5.0  # how much longer RSA may take with the large committee
FULL = (100, 1_000_000)
PARTIES, LARGER = 5, 21
RATES = {"comparisons": 20.0, "triples": 500.0}  # million a second
REPEATS = 5


def round_rows(rule: str, peers: int, length: int, parties: int, target: float | None) -> list[harness.Row]:
    """Milliseconds of a round, by stage and in all, the latter beside its target; and the first call."""
    rounds = bench_round.rounds(rule, peers, length, parties, REPEATS)
    shape: dict[str, Any] = {"shape": f"{rule} {peers} x {length:,}, m={parties}"}
    stages = [floors.by_stage(one) for one in rounds.times]
    rows = [
        harness.row(f"round/{stage}", 1e3 * statistics.median(one[stage] for one in stages), "ms", **shape)
        for stage in stages[0]
    ]
    total = harness.row(
        "round/all", 1e3 * rounds.median(), "ms", floor=target, floor_name="target" if target else "", **shape
    )
    return [*rows, total, harness.row("round/first call", rounds.first, "s", **shape)]


@x64_scope
def rate_row(kind: str, amount: int) -> harness.Row:
    """Million a second with `PARTIES` parties: comparisons with the material for them, or triples."""
    scheme = circuits.scheme_of(PARTIES)
    if kind == "comparisons":
        job = circuits.Job(kind, "comparison", circuits.sign, 1, amount)
        taken = statistics.median(sum(one) for one in circuits.measured(job, scheme, REPEATS)[1:])
    else:
        taken = _triples(amount, scheme)
    target = {"floor": RATES[kind], "floor_name": "target", "more_is_better": True}
    return harness.row(f"{kind}, verified", amount / taken / 1e6, "M/s", shape=f"{amount:,}, m={PARTIES}", **target)


def _triples(amount: int, scheme: Any) -> float:
    """Median seconds of making and verifying triples."""
    none = circuits.Job("triples", "triple", circuits.product, 2, amount)
    offline, _ = circuits.phases(none, scheme, Demand(triple=amount))
    seed, times = jnp.arange(8, dtype=jnp.uint32), []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        _, held = jax.block_until_ready(offline(seed))
        times.append(time.perf_counter() - start)
        if not bool(held):
            raise RuntimeError("triples: an honest run was not verified")
    return statistics.median(times[1:])


def rows(options: argparse.Namespace, console: Console) -> Iterator[harness.Row]:
    """Everything, row by row; what the device has no room for is said and left out."""
    yield harness.row("copy rate", rates.copy_rate() / 1e9, "GB/s", more_is_better=True)
    reached: dict[str, float] = {}
    for rule in options.rules:
        target = MILLISECONDS[rule] if (options.peers, options.length) == FULL else None
        found = round_rows(rule, options.peers, options.length, min(PARTIES, options.peers), target)
        reached[rule] = next(row["value"] for row in found if row["name"] == "round/all")
        yield from found
    if "rsa" in reached and options.peers >= LARGER:
        yield from round_rows("rsa", options.peers, options.length, LARGER, TIMES_LARGER * reached["rsa"])
    for kind in RATES:
        for amount in getattr(options, kind):
            try:
                yield rate_row(kind, amount)
            except jax.errors.JaxRuntimeError as error:
                console.print(f"{kind}, {amount:,}: {str(error)[:200]}", style="yellow", markup=False)
                break  # more of them would not fit either


def write(path: Path, found: list[harness.Row], seconds: float) -> dict[str, Any]:
    """The same layout as of the other results."""
    answer = {"rows": found, "seconds": seconds, "peak_bytes": harness.peak_memory()}
    result = {"quick": False, "machine": harness.machine(), "benchmarks": {"accelerator": answer}, "failed": []}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    return answer


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accelerator", description="The full size, and targets.")
    parser.add_argument("--here", action="store_true", help="run without an accelerator too")
    parser.add_argument("--rules", nargs="+", choices=list(MILLISECONDS), default=list(MILLISECONDS), metavar="RULE")
    parser.add_argument("--peers", type=int, default=FULL[0])
    parser.add_argument("--length", type=int, default=FULL[1], help="parameters of the model")
    sizes = [1_000_000, 3_000_000, 10_000_000]
    for kind in RATES:
        parser.add_argument(f"--{kind}", type=int, nargs="*", default=sizes, help="how many at a time, rising")
    parser.add_argument("--json", type=Path, help="where to write (default: benchmarks/results/accelerator/)")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    options = arguments(given)
    if jax.default_backend() == "cpu" and not options.here:
        print("no accelerator here: give --here and smaller sizes (--peers, --length, --comparisons, --triples)")
        return 2
    console = Console(width=None if sys.stdout.isatty() else tables.WIDTH)
    path = options.json or RESULTS / tables.file_name(harness.machine())
    start, found, answer = time.perf_counter(), [], {}
    for row in rows(options, console):
        found.append(row)
        answer = write(path, found, time.perf_counter() - start)  # a run that is stopped has told what it found
    console.print(tables.table("accelerator", answer))
    console.print(f"{tables.describe(harness.machine())}; written to {path}", soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
