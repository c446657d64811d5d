"""Notices about attempts that have not begun here: kept by peer, with when each came; and how far the others are.

Whoever sends many fills only its own room; then what comes last is refused, and it is known for which attempts, because a peer
that has not had everything must not decide by what it has.
"""

from __future__ import annotations

import threading
import time
from collections import deque

import numpy as np

from mpcjax.peers.claims import RECORD_BYTES, about

KEPT_BYTES = 256  # what Python keeps for a notice besides its bytes
OTHERS = 4  # notices of a peer about no attempt: that it takes part again, or a question
ATTEMPTS = 8  # of which the most that an honest peer can say has room


def room(peers: int, members: int) -> int:
    """Bytes of the notices of one peer: of no more attempts than these, which are under way and not over for f + 1 peers."""
    return ATTEMPTS * room_of_one(peers, members)


def room_of_one(peers: int, members: int) -> int:
    """The same about one attempt: an honest peer says, passes on and accepts some 4 m + 8 things, each with at most m + n
    signatures."""
    return (4 * members + 8) * ((members + peers) * RECORD_BYTES + KEPT_BYTES)


class Early:
    """Any thread may call any method. `corrupt`: f. `room`: bytes kept of each peer."""

    def __init__(self, peers: int, corrupt: int, room: int):
        self.corrupt, self.room = corrupt, room
        self._lock = threading.Lock()
        self._kept: dict[int, list[tuple[tuple[int, int], float, np.ndarray]]] = {peer: [] for peer in range(peers)}
        self._others = {peer: deque[bytes](maxlen=OTHERS) for peer in range(peers)}
        self._used = dict.fromkeys(range(peers), 0)
        self._reached = dict.fromkeys(range(peers), -1)
        self._refused: dict[int, tuple[tuple[int, int], tuple[int, int]]] = {}  # by peer, the first and last attempt
        self._floor = -1

    def keep(self, peer: int, notice: np.ndarray) -> None:
        """What is about a round that is over is dropped; of what is about no attempt the last are kept apart."""
        when = about(notice)
        if when is None:
            with self._lock:
                self._others[peer].append(notice.tobytes())
            return
        with self._lock:
            self._reached[peer] = max(self._reached[peer], when[0])
            size = notice.nbytes + KEPT_BYTES
            if when[0] < max(self._floor, self._begun()):
                return
            if self._used[peer] + size > self.room:
                first, last = self._refused.get(peer, (when, when))
                self._refused[peer] = min(first, when), max(last, when)
                return
            self._kept[peer].append((when, time.monotonic(), notice))
            self._used[peer] += size

    def others(self) -> list[tuple[int, bytes]]:
        """What came that is about no attempt, and from whom; each is given out once."""
        with self._lock:
            found = [(peer, one) for peer, kept in self._others.items() for one in kept]
            for kept in self._others.values():
                kept.clear()
        return found

    def reached(self, peer: int, number: int) -> None:
        """The peer has said something about round `number`."""
        with self._lock:
            self._reached[peer] = max(self._reached[peer], number)

    def begun(self) -> int:
        """A round that an honest peer has begun, so that all before are over: f + 1 peers say that they are in it or on."""
        with self._lock:
            return self._begun()

    def _begun(self) -> int:
        return sorted(self._reached.values())[-1 - self.corrupt]

    def whole(self, when: tuple[int, int]) -> bool:
        """Whether nothing of an honest peer about this attempt was refused, if at most f are corrupt."""
        with self._lock:
            return sum(first <= when <= last for first, last in self._refused.values()) <= self.corrupt

    def about(self, when: tuple[int, int]) -> list[tuple[float, int, np.ndarray]]:
        """When each notice about this attempt came, from whom, and what it is; the oldest first."""
        with self._lock:
            found = [(at, peer, one) for peer, kept in self._kept.items() for about, at, one in kept if about == when]
        return sorted(found, key=lambda notice: notice[0])

    def forget(self, number: int) -> None:
        """What is about rounds before this one."""
        with self._lock:
            self._floor = max(self._floor, number)
            for peer, kept in self._kept.items():
                self._kept[peer] = [entry for entry in kept if entry[0][0] >= self._floor]
                self._used[peer] = sum(one.nbytes + KEPT_BYTES for _, _, one in self._kept[peer])
            self._refused = {who: span for who, span in self._refused.items() if span[1][0] >= self._floor}
