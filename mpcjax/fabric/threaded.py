"""One thread a party, one-row arrays: what is right only when all rows share a process goes wrong here.

The threads meet at a barrier for every step. A party that stops breaks the barrier, and the others abort.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from mpcjax import _compat
from mpcjax.checks import verdict
from mpcjax.errors import Abort
from mpcjax.fabric.base import Fabric, Message, Tamper


class Hub:
    """Where the threads of one committee meet."""

    def __init__(self, parties: int, deadline: float = 60.0):
        self.parties = parties
        self.barrier = threading.Barrier(parties, timeout=deadline)
        self.slots: list[Any] = [None] * parties

    def swap(self, party: int, item: Any) -> list[Any]:
        """Put `item` down and take everybody's, in party order."""
        try:
            self.slots[party] = item
            self.barrier.wait()
        except threading.BrokenBarrierError as broken:
            raise Abort("echo", phase="exchange", remedy="another party stopped; repeat the round") from broken
        items = list(self.slots)
        with contextlib.suppress(threading.BrokenBarrierError):  # who stops now does so after everybody has its items
            self.barrier.wait()
        return items


class Threaded(Fabric):
    """The end of one party at a hub. Values are concrete: protocol code runs eagerly, and a failed check raises."""

    def __init__(self, hub: Hub, party: int, tamper: Tamper | None = None):
        super().__init__(hub.parties, np.array([party], np.int32), tamper)
        self.hub, self.party = hub, party

    def _exchange(self, x: Any, label: str) -> Any:
        rows = self.hub.swap(self.party, np.asarray(x[0]))
        return jnp.stack([jnp.asarray(row[self.party]) for row in rows])[None]

    def _exchange_rest(self, x: Any, label: str, known: np.ndarray, expand: Callable[[], Any]) -> Any:
        own, expanded = np.asarray(x[0]), expand()[0]
        if not np.delete(~known[self.party], self.party).any():  # nobody sends anything
            parts = [expanded[sender] if sender != self.party else own[sender] for sender in range(self.parties)]
            return jnp.stack(parts)[None]
        sent = self.hub.swap(self.party, [None if known[self.party, j] else own[j] for j in range(self.parties)])
        received = (row[self.party] for row in sent)
        return jnp.stack([e if row is None else jnp.asarray(row) for e, row in zip(expanded, received, strict=True)])[
            None
        ]

    def _broadcast(self, x: Any, label: str) -> Any:
        copies = np.broadcast_to(np.asarray(x), (self.parties, *x.shape[1:]))[None]
        if self.tamper is not None:
            copies = np.asarray(self.tamper(Message(self.ledger.phase, label, "copies", self.rows), copies))
        received = np.stack([row[self.party] for row in self.hub.swap(self.party, copies[0])])
        self._echo(received, label)
        return jnp.asarray(received)

    def _echo(self, received: np.ndarray, label: str) -> None:
        """All digests of what was received are equal, or everybody stops before using it."""
        digests = self.hub.swap(self.party, hashlib.sha256(received.tobytes()).digest())
        if not verdict("echo", len(set(digests)) == 1):
            raise Abort("echo", phase=self.ledger.phase, remedy=f"a party told different things in {label!r}")


def run(parties: int, program: Callable[[Threaded], Any], tamper: dict[int, Tamper] | None = None) -> list[Any]:
    """Run `program(fabric)` once per party, each in its own thread; what each returned, or the exception it raised."""
    hub = Hub(parties)
    outcomes: list[Any] = [None] * parties

    def body(party: int) -> None:
        try:
            with _compat.x64():
                outcomes[party] = program(Threaded(hub, party, (tamper or {}).get(party)))
        except Exception as failure:  # the caller looks at the outcomes of all threads
            outcomes[party] = failure
            hub.barrier.abort()

    threads = [threading.Thread(target=body, args=(party,)) for party in range(parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
