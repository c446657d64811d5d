"""The same protocols with one party a thread: what a sender can do only where its receivers are apart."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import protocols
from mpcjax.errors import Abort
from mpcjax.fabric import Hub, Message, Tamper, Threaded, run, threaded
from mpcjax.fields import Field
from mpcjax.offline import Stock, count
from mpcjax.prg import Stream
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir
from tests.tamper.attack import switched_off, switches
from tests.tamper.case import small_paths
from tests.tamper.material import dealt

SCHEME = Shamir(Field(61), 3, 1)
VALUES = 6


def protocol(rt: Runtime) -> Any:
    """A product and a bulk opening, verified, and the output: shares of a, b, ab and what was opened of a."""
    a, b = rt.take("random", (VALUES,)), rt.take("random", (VALUES,))
    z = protocols.multiply(rt, a, b)
    bulk = protocols.open_many(rt, a, "bulk")
    protocols.verify(rt)
    out = protocols.open_now(rt, jnp.stack([a, b, z], axis=1), "output", output=True)
    return jnp.concatenate([out, bulk[None]])


@cache
def material() -> dict[str, Any]:
    with small_paths():
        demand, _ = count(protocol, SCHEME)
    return jax.tree.map(np.asarray, dealt(SCHEME, jax.random.key(7), demand).arrays)


def play(
    tamper: dict[int, Tamper] | None = None, off: Any = None, deadline: float = 60.0, leaver: int | None = None
) -> list[Any]:
    """What every party returned or raised.

    `deadline` in seconds for a party that does not come; `leaver` crashes as soon as it has the output.
    """
    arrays = material()

    def party(fabric: Threaded) -> np.ndarray:
        own = {kind: tuple(jnp.asarray(part[fabric.rows]) for part in parts) for kind, parts in arrays.items()}
        stream = Stream.from_seed(bytes(range(32))).per_row("party", fabric.rows)
        found = np.asarray(protocol(Runtime(SCHEME, fabric, stream, Stock(own))))
        if fabric.party == leaver:
            crash()
        return found

    make, threaded.Hub = Hub, lambda parties: Hub(parties, deadline)
    try:
        with small_paths(), switched_off({} if off is None else switches(off)):
            return run(SCHEME.parties, party, tamper)
    finally:
        threaded.Hub = make


def right(outcome: np.ndarray) -> bool:
    a, b, z, bulk = (row.astype(object) for row in outcome)
    return bool(np.all(a * b % SCHEME.field.modulus == z) and np.all(a == bulk))


def fate(outcomes: list[Any], corrupt: int) -> str:
    """Of the honest: "right" if all have the same right outputs, "abort" if all aborted, else what went wrong."""
    honest = [outcome for party, outcome in enumerate(outcomes) if party != corrupt]
    stopped = [isinstance(outcome, Abort) for outcome in honest]
    strange = [outcome for outcome in honest if isinstance(outcome, Exception) and not isinstance(outcome, Abort)]
    if strange:
        return f"error: {strange}"
    if all(stopped):
        return "abort"
    if any(stopped):
        return "disagreement"
    same = all(np.array_equal(outcome, honest[0]) for outcome in honest)
    return "disagreement" if not same else "right" if right(honest[0]) else "wrong"


def labels(kind: str) -> list[str]:
    """Labels of the messages of a kind ("copies" are those of broadcasts) that one party sends."""
    found: list[str] = []

    def listen(message: Message, x: Any) -> Any:
        found.extend([message.label] if message.kind == kind else [])
        return x

    assert fate(play({0: listen}), corrupt=-1) == "right"
    return found


def shifted(label: str, kind: str, receiver: int, error: int = 1) -> Tamper:
    """Adds `error` to what `receiver` gets of message `label`."""

    def tamper(message: Message, x: Any) -> Any:
        if (message.label, message.kind) != (label, kind):
            return x
        x = np.array(x)
        p = SCHEME.field.modulus
        x[0, receiver] = ((x[0, receiver].astype(object) + error) % p).astype(x.dtype)
        return jnp.asarray(x) if kind == "exchange" else x

    return tamper


def at_message(number: int, act: Callable[[], None]) -> Tamper:
    """Does `act` before it sends its message of this number."""
    sent = 0

    def tamper(message: Message, x: Any) -> Any:
        nonlocal sent
        if message.kind != "copies":
            if sent == number:
                act()
            sent += 1
        return x

    return tamper


def crash() -> None:
    raise ConnectionError("this party is gone")


def hang(seconds: float) -> Callable[[], None]:
    return lambda: time.sleep(seconds)


def honest_disagree(off: Any) -> bool:
    """Party 0 tells party 1 another output share than party 2."""
    label = next(name for name in reversed(labels("copies")) if name.startswith("output"))
    return fate(play({0: shifted(label, "copies", 1)}, off), corrupt=0) == "disagreement"


def alive() -> int:
    return threading.active_count()
