"""Outcomes on their way from members to the others: sent unasked by one member, asked for where that one does not."""

from __future__ import annotations

import struct
import threading
import time

import numpy as np

from mpcjax.peers.links import Links, Lost
from mpcjax.peers.outcome import digest

SOON = 4  # slots, in which an outcome that is on its way arrives
GIVEN, AGAIN = "outcome", "outcome again"
_WANTED = struct.Struct("<cIH")  # an outcome, by round and attempt
When = tuple[int, int]


class Giving:
    """The packed outcomes that this peer has, by round and attempt, and who was given one that it asked for."""

    def __init__(self, links: Links):
        self.links = links
        self._packed: dict[When, np.ndarray] = {}
        self._given: set[tuple[int, When]] = set()
        self._lock = threading.Lock()  # notices come in the network's thread

    def keep(self, when: When, packed: np.ndarray) -> None:
        self._packed[when] = packed

    def give(self, when: When, members: tuple[int, ...], packed: np.ndarray) -> None:
        """As a member: to its part of the peers without a seat, each of which is given one by one member."""
        for peer in range(members.index(self.links.me), self.links.peers, len(members)):
            if peer not in members:
                self.links.send(peer, when, GIVEN, packed)

    def fetch(self, when: When, members: tuple[int, ...], wanted: bytes, blank: np.ndarray) -> np.ndarray:
        """The outcome that all accepted, from a member that has it: the digest says that it is the right one.

        If the one that comes unasked does not come soon the others are asked, all at once: at first, or every member would
        send it to everybody. `blank`: its shape and dtype.
        """
        first = None if self.links.me in members else members[self.links.me % len(members)]
        labels = {} if first is None else {first: GIVEN}
        found = self._right(labels, when, wanted, blank, time.monotonic() + SOON * self.links.slot)
        if found is None:
            others = {who: AGAIN for who in members if who not in (self.links.me, first)}
            for who in others:
                self.links.notify(who, np.frombuffer(_WANTED.pack(b"W", *when), np.uint8))
            found = self._right(labels | others, when, wanted, blank, self.links.due())
        if found is None:
            raise Lost(members[0], GIVEN, "nobody who has it gave the outcome of this round")
        self.keep(when, found)
        return found

    def _right(
        self, labels: dict[int, str], when: When, wanted: bytes, blank: np.ndarray, until: float
    ) -> np.ndarray | None:
        """What comes from any of these peers by then and has this digest. Those that may still come are left in `labels`."""
        return next(
            (packed for _, packed in self.links.each(labels, when, blank, until) if digest(packed) == wanted), None
        )

    def answer(self, peer: int, data: bytes) -> bool:
        """Whether a notice asks for an outcome. Given once: whoever asks for more wants this peer's memory, not the outcome."""
        if data[:1] != b"W" or len(data) != _WANTED.size:
            return False
        _, number, attempt = _WANTED.unpack(data)
        when = (number, attempt)
        with self._lock:
            packed = self._packed.get(when)
            if packed is None or (peer, when) in self._given:
                return True
            self._given.add((peer, when))
        self.links.send(peer, when, AGAIN, packed)
        return True

    def forget(self, number: int) -> None:
        """What is of rounds before `number`."""
        with self._lock:
            for when in [when for when in self._packed if when[0] < number]:
                del self._packed[when]
            self._given = {one for one in self._given if one[1][0] >= number}
