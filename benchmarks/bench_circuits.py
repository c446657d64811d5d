"""A million verified multiplications and 20,000 exact comparisons, offline and online apart.

With `--long` 100,000 comparisons, and the multiplications with 3 to 41 parties.

Offline is everything that does not need the inputs: the parties make double sharings, random bits and masks themselves
and verify them, exactly as many as the online phase takes. Online is the circuit and its verification, so that what it
hands on could be opened at once. All parties are computed in this process and nothing goes through a socket: `transport`
in a row says so. Bytes are counted while tracing, also for committees that are not run here.
"""

from __future__ import annotations

import dataclasses
import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import harness
from mpcjax._compat import x64_scope
from mpcjax.circuits import is_negative
from mpcjax.fabric import Simulated
from mpcjax.fields import F61
from mpcjax.offline import Demand, Stock, count, prepare
from mpcjax.prg import Stream
from mpcjax.protocols import multiply, verify, weighted_squares
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir

QUICK, LONG = (3, 5, 11), (3, 5, 11, 21, 41)  # parties whose bytes are counted; tracing 41 takes a while
RUN = 3  # parties of the committee that is run
ALSO = {"multiplications": LONG}  # with `--long` these committees are run too
SECONDS = {"comparisons": 1.0}  # aimed at for 100,000 by `RUN` parties, offline and online together
MODEL: dict[str, Any] = {
    "engine": "mpcjax",
    "security": "active, honest majority, with abort (2^-40)",
    "field": "2^61-1",
    "transport": "none: all parties in one process, no sockets",
}


def product(rt: Runtime, x: Any, y: Any) -> Any:
    """Verified products; what is returned may be opened."""
    z = multiply(rt, x, y)
    verify(rt)
    return z


def sign(rt: Runtime, x: Any) -> Any:
    """Verified signs, exact on the whole range |x| < p/2."""
    bit = is_negative(rt, x)
    verify(rt)
    return bit


def norms(rt: Runtime, x: Any) -> Any:
    """Verified squared norms of `x [rows, n, d]`."""
    z = weighted_squares(rt, x, F61.ones(x.shape[2:]))
    verify(rt)
    return z


@dataclasses.dataclass(frozen=True)
class Job:
    """`amount` operations of `program(rt, *shares)`, which takes `inputs` shared arrays of that length, or of `shape`."""

    name: str
    unit: str
    program: Callable[..., Any]
    inputs: int
    amount: int
    shape: tuple[int, ...] = ()

    @property
    def shape_of_inputs(self) -> tuple[int, ...]:
        return self.shape or (self.amount,)


def jobs(quick: bool) -> list[Job]:
    comparisons = 20_000 if quick else 100_000  # fewer, for the time and memory of their bits
    return [
        Job("multiplications", "multiplication", product, 2, 1_000_000),
        Job("comparisons", "comparison", sign, 1, comparisons),
    ]


@x64_scope
def run(quick: bool) -> list[harness.Row]:
    rows = []
    for job in jobs(quick):
        for parties in (RUN,) if quick else ALSO.get(job.name, (RUN,)):
            rows += timed(job, scheme_of(parties), repeats=5 if quick else 9)
        rows += [row for parties in (QUICK if quick else LONG) for row in traffic(job, scheme_of(parties))]
    return rows


def scheme_of(parties: int) -> Shamir:
    return Shamir(F61, parties, (parties - 1) // 2)


@functools.cache
def counted(job: Job, scheme: Shamir) -> tuple[Demand, Any, Any]:
    """The offline material of `job`, and the ledgers of both phases, without computing anything."""
    shape = (scheme.parties, *job.shape_of_inputs)
    demand, ledger = count(lambda rt: job.program(rt, *[F61.zeros(shape)] * job.inputs), scheme)
    _, before = count(lambda rt: prepare(rt, demand), scheme)
    return demand, before, ledger


def phases(job: Job, scheme: Shamir, demand: Demand) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """`offline(seed) -> (stock, verified)` and `online(seed, stock, *shares) -> (result, verified)`, compiled."""

    def runtime(seed: Any, label: str, stock: Any) -> Runtime:
        fabric = Simulated(scheme.parties)
        return Runtime(scheme, fabric, Stream.from_seed(seed).child(label).per_row("party", fabric.rows), stock)

    def offline(seed: Any) -> Any:
        rt = runtime(seed, "offline", None)
        return prepare(rt, demand), rt.verified

    def online(seed: Any, stock: Stock, *shares: Any) -> Any:
        rt = runtime(seed, "online", stock)
        return job.program(rt, *shares), rt.verified

    return jax.jit(offline), jax.jit(online)


def dealt(job: Job, scheme: Shamir) -> list[Any]:
    """Shares of inputs as a benchmark needs them: full-size values of both signs."""
    streams = [Stream.from_seed(bytes([k + 1] * 32)) for k in range(job.inputs)]
    drawn = [stream.uniform("input", F61, (scheme.threshold + 1, *job.shape_of_inputs))[0] for stream in streams]
    return [jax.jit(scheme.share)(values[0], values[1:]) for values in drawn]


@x64_scope
def measured(job: Job, scheme: Shamir, repeats: int) -> list[tuple[float, float]]:
    """Seconds offline and online of each run; the first compiles. Every verdict is looked at."""
    demand, _, _ = counted(job, scheme)
    seed, shares = jnp.arange(8, dtype=jnp.uint32), dealt(job, scheme)
    offline, online = phases(job, scheme, demand)
    times: list[tuple[float, float]] = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        stock, made = jax.block_until_ready(offline(seed))
        middle = time.perf_counter()
        _, held = jax.block_until_ready(online(seed, stock, *shares))
        times.append((middle - start, time.perf_counter() - middle))
        if not (bool(made) and bool(held)):
            raise RuntimeError(f"{job.name}: an honest run was not verified")
    return times


def timed(job: Job, scheme: Shamir, repeats: int) -> list[harness.Row]:
    """Median seconds of both phases and of their sum, and of the first call."""
    times = measured(job, scheme, repeats)
    halves = {"offline": [t[0] for t in times], "online": [t[1] for t in times], "all": [sum(t) for t in times]}
    rows = []
    for part, taken in halves.items():
        median = statistics.median(taken[1:])
        rows.append(_row(job, scheme, part, median, "s", seconds_of_each=taken[1:], **_target(job, scheme, part)))
    rate = job.amount / rows[-1]["value"] / 1e6
    return [
        *rows,
        _row(job, scheme, "all, rate", rate, "million/s"),
        _row(job, scheme, "first call", halves["all"][0], "s"),
    ]


def _target(job: Job, scheme: Shamir, part: str) -> dict[str, Any]:
    aimed = SECONDS.get(job.name)
    if aimed is None or part != "all" or (job.amount, scheme.parties) != (100_000, RUN):
        return {}
    return {"floor": aimed, "floor_name": "target"}


@x64_scope
def traffic(job: Job, scheme: Shamir) -> list[harness.Row]:
    """Bytes each party sends per operation, and rounds; counted while tracing."""
    _, before, during = counted(job, scheme)
    rows = []
    for part, ledger in (("offline", before), ("online", during)):
        sent = ledger.sent / job.amount
        rows.append(_row(job, scheme, f"sent, {part}", sent, f"bytes/{job.unit}", rounds=ledger.rounds))
    return rows


def _row(job: Job, scheme: Shamir, part: str, value: float, unit: str, **more: Any) -> harness.Row:
    shape = f"{job.amount:,}, m={scheme.parties}"
    name = f"circuits/{job.name}, {part}"
    return harness.row(
        name, value, unit, shape=shape, parties=scheme.parties, threshold=scheme.threshold, **MODEL, **more
    )
