"""Decisions of several peers without threads: notices travel on a clock of the test's, corrupt peers say what it says."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mpcjax.peers import decision
from mpcjax.peers.claims import _RECORD, Claim, records, statement
from mpcjax.peers.decision import Decision
from mpcjax.peers.links import Links
from tests.peers._memory import _signature

WHEN, SLOT, DELAY = (3, 1), 1.0, 0.4  # `SLOT`: of the count
PROMISED = SLOT / 2  # in less than that a notice between honest peers arrives
NEVER = 1e9


class End(Links):
    """A peer's links, on the clock."""

    def __init__(self, world: World, me: int):
        super().__init__()
        self.world, self.me, self.peers, self.slot = world, me, world.peers, PROMISED

    def notify(self, peer: int, notice: np.ndarray) -> None:
        self.world.at(self.world.now + self.world.delay, self.me, peer, notice)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.world.call(self.world.now + seconds, call)

    def sign(self, statement: bytes) -> bytes:
        return _signature(self.me, statement)

    def signed(self, peer: int, statement: bytes, signature: bytes) -> bool:
        return signature == _signature(peer, statement)

    def send(self, *args: Any) -> None: ...
    def receive(self, *args: Any) -> Any: ...
    def advance(self, when: Any) -> None: ...


class World:
    """`honest` peers of `peers`, each with a decision; all others are corrupt and say what `inject` says for them, but for those
    that are `late`: they have one when they `begin`."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        honest: tuple[int, ...],
        peers: int = 5,
        members: tuple[int, ...] = (0, 1, 2),
        threshold: int = 1,
        corrupt: int = 1,
        delay: float = DELAY,
        now: float = 0.0,
        early: Any = (),
        late: tuple[int, ...] = (),
    ):
        self.now, self.peers, self.delay, self.notices = now, peers, delay, 0  # `notices`: how many there were
        monkeypatch.setattr(decision, "time", self)
        self._queue: list[Any] = []
        self._of = (members, threshold, corrupt, WHEN)
        self.decisions = {p: Decision(End(self, p), *self._of, early) for p in honest}
        self._early: dict[int, list[Any]] = {p: [] for p in late}
        self.found: dict[int, Any] = {}
        self.heard: dict[tuple[Claim, int], bytes] = {}  # what corrupt peers have been told
        self.patience: dict[int, float] = {}  # until when each waits for the count to start; without end by default

    def begin(self, peer: int) -> None:
        """A late one, with all that it was told until now."""
        self.decisions[peer] = Decision(End(self, peer), *self._of, self._early.pop(peer))

    def monotonic(self) -> float:
        return self.now

    def at(self, when: float, sender: int, receiver: int, notice: np.ndarray) -> None:
        self.notices += 1
        heapq.heappush(self._queue, (when, self.notices, sender, receiver, notice))

    def call(self, when: float, what: Callable[[], None]) -> None:
        self.notices += 1
        heapq.heappush(self._queue, (when, self.notices, -2, -1, what))

    def say(self, when: float, peer: int, claim: Claim) -> None:
        """An honest peer says `claim` then."""
        self.notices += 1
        heapq.heappush(self._queue, (when, self.notices, None, peer, claim))

    def inject(self, when: float, receiver: int, *signed: tuple[Claim, int], knowing: bool = False) -> None:
        """Corrupt peers tell `receiver` these, and if `knowing` all they have heard from honest peers till then."""
        self.notices += 1
        heapq.heappush(self._queue, (when, self.notices, -1, receiver, (signed, knowing)))

    def run(self, until: float = 20.0) -> dict[int, Any]:
        """What every honest peer has in the end: a digest or None, and who was silent."""
        while self.now < until:
            while self._queue and self._queue[0][0] <= self.now + 1e-9:
                _, _, sender, receiver, what = heapq.heappop(self._queue)
                self._happens(sender, receiver, what)
            for peer, one in self.decisions.items():
                if peer not in self.found and (known := found(one, self.patience.get(peer, NEVER))) is not None:
                    self.found[peer] = known
            self.now = round(min([self.now + SLOT / 8, *(e[0] for e in self._queue[:1] if e[0] > self.now)]), 9)
        return self.found

    def _happens(self, sender: Any, receiver: int, what: Any) -> None:
        if sender == -2:
            what()
            return
        if sender is None:
            self.decisions[receiver].say(what)
            return
        if sender == -1:
            signed, knowing = what
            said = [record(claim, who) for claim, who in signed]
            known = [record(*one) for one in self.heard] if knowing else []
            sender, what = self._some_corrupt(), np.frombuffer(b"".join(known + said), np.uint8)
        if receiver in self._early:
            self._early[receiver].append((self.now, sender, what))
        elif receiver in self.decisions:
            self.decisions[receiver].hear(sender, what)
        else:
            self.heard.update(records(what, WHEN))

    def _some_corrupt(self) -> int:
        return next(p for p in range(self.peers) if p not in self.decisions and p not in self._early)


def record(claim: Claim, signer: int, when: tuple[int, int] = WHEN, about: tuple[int, int] | None = None) -> bytes:
    """A signature in a notice about the attempt `when`; the signer has signed it about the attempt `about`."""
    return _RECORD.pack(claim.kind, *when, signer, claim.subject, _signature(signer, statement(claim, about or when)))


def found(one: Decision, until: float) -> Any:
    """What `one.result(until)` returns now; None where it would wait."""
    with one._changed:
        return one._found(until)
