"""What a round costs in seconds: networks, and how fast this machine computes.

`calibrate` runs small programs that each do one kind of work (`mpcjax.work`), and one that does all kinds as the protocols mix
them: verified products and bits of three parties. What a round computes, counted while tracing, divided by the rates so found
is the prediction. No round of any rule is measured.

Predicted compute is that of the simulator, one machine that does the work of all peers and of the whole committee. Between
real parties each does its own part, so this is more than any one of them would need.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax._compat import x64_scope
from mpcjax.fabric import Simulated
from mpcjax.fields import F61, kernels
from mpcjax.offline import Counter, count, prepare
from mpcjax.prg import Stream, field_elements
from mpcjax.protocols import multiply, verify
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir
from mpcjax.work import WORD, Work, counted


@dataclasses.dataclass(frozen=True)
class Network:
    """`latency`: seconds from sending to receiving a message, half a round trip. `bandwidth`: bytes a second that each party
    and each peer can send.

    A round of communication takes one latency; all parties send at once, so bytes per party count, not bytes in all. The
    presets are round numbers within what papers on MPC set up, chosen and not measured: `LAN` 1 Gbit/s and a round trip of 1
    ms, `WAN` 100 Mbit/s and 80 ms, `MOBILE` (4G, sending) 10 Mbit/s and 50 ms.
    """

    name: str
    latency: float
    bandwidth: float

    def __post_init__(self) -> None:
        if not (0 <= self.latency < math.inf and 0 < self.bandwidth < math.inf):
            raise ValueError(
                f"Network({self.name!r}): latency={self.latency!r}, bandwidth={self.bandwidth!r}; legal are seconds from 0 and "
                "bytes a second above 0, both finite"
            )

    def seconds(self, rounds: float, sent: float) -> float:
        """Of `rounds` in which a party sends `sent` bytes, nothing overlapping."""
        return rounds * self.latency + sent / self.bandwidth


LAN = Network("LAN", 0.0005, 125e6)
WAN = Network("WAN", 0.04, 12.5e6)
MOBILE = Network("4G", 0.025, 1.25e6)
NETWORKS = (LAN, WAN, MOBILE)


@dataclasses.dataclass(frozen=True)
class Rates:
    """What a machine does in a second of every kind of `mpcjax.work.Work`."""

    words: float
    products: float
    floats: float
    keystream: float
    rolled: float
    moved: float
    fresh: float
    kernels: float

    def terms(self, work: Work) -> dict[str, float]:
        """Seconds by kind."""
        done = dataclasses.asdict(work)
        return {kind: done[kind] / rate for kind, rate in dataclasses.asdict(self).items()}

    def seconds(self, work: Work) -> float:
        """All kinds one after the other."""
        return sum(self.terms(work).values())

    def slowed(self, times: float) -> Rates:
        return Rates(*(rate / times for rate in dataclasses.astuple(self)))


Program = tuple[str, Callable[..., Any], tuple[Any, ...]]
ROWS, LENGTH = 16, 1 << 14  # elements, 2 MB: enough for all cores, and in their cache
CHAIN, TIMES = 8, 32  # operations on an element between reading and writing it, and how often
MOVED, BLOCK = 1 << 27, 1 << 20  # bytes of an array that no cache holds; elements copied at a time
EXPANDED = 1 << 20  # elements of a key
PRODUCTS = 1 << 17  # that are verified where all kinds are mixed
MIXING = 4.0  # times as slow as one by one at most: more is noise


@x64_scope
def calibrate(repeats: int = 5) -> Rates:
    """The rates of the default device, from small programs of one kind each: some seconds, most of them compilation.

    Each is the median of `repeats` calls. On a machine with other work they say how fast it is with that work. Kinds one by one
    are as fast as can be; where they are mixed not all cores are busy all the time, and all rates are slower by what one such
    program shows.
    """
    known: dict[str, float] = {}
    for kind, function, args in _programs():
        _, work, _ = counted(function, *args)
        taken, done = _seconds(function, args, kind == IN_PLACE, repeats), dataclasses.asdict(work)
        rest = taken - sum(done[other] / rate for other, rate in known.items())
        known[kind] = done[kind] / max(rest, taken / 4)  # noise must not make a rate of nothing
    alone, seed = Rates(**known), jnp.arange(8, dtype=jnp.uint32)
    _, work, _ = counted(_mixed, seed)
    together = _seconds(_mixed, (seed,), False, repeats)
    return alone.slowed(min(max(together / alone.seconds(work), 1.0), MIXING))


def _mixed(seed: Any) -> Any:
    """Verified products of bits of three parties, and all that they take."""
    fabric, scheme = Simulated(3), Shamir(F61, 3, 1)

    def program(rt: Runtime) -> Any:
        bits = rt.take("bit", (2, PRODUCTS))
        found = multiply(rt, bits[:, 0], bits[:, 1])
        verify(rt)
        return found

    demand, _ = count(program, scheme)
    rt = Runtime(scheme, fabric, Stream.from_seed(seed).per_row("party", fabric.rows), Counter(F61, 3))
    rt.material = prepare(rt, demand)
    return program(rt), rt.verified


def _programs() -> Iterator[Program]:
    """One for every kind, each with nothing else in it but kinds that stand before it."""
    x = F61.reduce(jnp.arange(ROWS * LENGTH, dtype=F61.dtype) * F61.dtype.type(0x9E3779B97F4A7C15)).reshape(ROWS, -1)
    keys, nonces = jnp.arange(64, dtype=jnp.uint32).reshape(8, 8), jnp.arange(9, dtype=jnp.uint32).reshape(3, 3)
    floats = jnp.ones((128, LENGTH), jnp.float64)
    long = jnp.zeros(MOVED // WORD, jnp.uint64)
    yield "kernels", _many_small, (x[:, :2],)
    yield "words", _chained(F61.add), (x,)
    yield "products", _chained(F61.mul), (x,)
    yield "moved", _copied, (long,)
    yield "fresh", lambda x: jnp.concatenate([x[1:], x[:1]]), (long,)
    yield "floats", lambda a, b: a @ b.T, (floats, floats[:48])
    yield "rolled", lambda keys: field_elements(keys, nonces, F61, (1 << 14,)), (keys,)
    yield "keystream", lambda keys: field_elements(keys, nonces, F61, (EXPANDED,)), (keys,)


IN_PLACE = "moved"  # its program writes over what it is given, or new memory would be measured with it


def _copied(x: Any) -> Any:
    """Reads and writes all of x, block by block."""

    def block(step: Any, x: Any) -> Any:
        start = kernels.unhoisted(step) * BLOCK
        return jax.lax.dynamic_update_slice(x, jax.lax.dynamic_slice(x, (start,), (BLOCK,)) ^ np.uint64(1), (start,))

    return jax.lax.fori_loop(0, x.size // BLOCK, block, x)


def _many_small(x: Any) -> Any:
    return jax.lax.fori_loop(0, 1000, lambda _, x: jnp.flip(jnp.sort(x), 1), x)


def _chained(operation: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    def chain(_: Any, x: Any) -> Any:
        for _ in range(CHAIN):
            x = operation(x, x)
        return x

    return lambda x: jax.lax.fori_loop(0, TIMES, chain, x)


def _seconds(function: Callable[..., Any], args: tuple[Any, ...], in_place: bool, repeats: int) -> float:
    """Median of a call, after one that compiles. `in_place`: every call takes what the one before returned."""
    run, times = jax.jit(function, donate_argnums=0 if in_place else ()), []
    args = tuple(jnp.copy(x) for x in args) if in_place else args
    for _ in range(repeats + 1):
        start = time.perf_counter()
        result = jax.block_until_ready(run(*args))
        times.append(time.perf_counter() - start)
        args = (result,) if in_place else args
    return statistics.median(times[1:])
