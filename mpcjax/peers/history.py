"""What a peer that was away asks for: the outcomes of the rounds that it missed, as most others have them.

A record is believed when f + 1 peers say that they have it, by its digest: one of them is honest, and all honest peers have
the same. Then one of them gives it.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import secrets
import struct
import time
from collections.abc import Iterator

import numpy as np

from mpcjax.peers.conduct import Conduct
from mpcjax.peers.links import TIMELESS, Links, Lost
from mpcjax.peers.outcome import Outcome, digest

KEPT, KEPT_BYTES = 256, 1 << 28  # rounds, and of what size together at most (but always the last)
OFTEN = 0.25  # slots between two questions
NEWS = 30  # seconds between two lines of log of a peer that waits for answers
LOG = logging.getLogger("mpcjax.peers")
ASK, GIVE = b"H", b"G"  # notices: what somebody has of a round, in few bytes; and all of it
_ASK = struct.Struct("<cII")  # one of these, round, which time it is asked
HISTORY, RECORD = "history", "record"  # labels of the answers
UNKNOWN, FINISHED, FORGOTTEN = (
    b"\0",
    b"\1",
    b"\2",
)  # what somebody has of a round: it may be running, or be too long ago
REMEDY = ": remove the session's file everywhere and start from a checkpoint"


@dataclasses.dataclass(frozen=True, eq=False)
class Record:
    """Of a finished round: who sat in which attempt, the outcome, and what all agreed on about each other after it."""

    attempt: int
    members: tuple[int, ...]
    conduct: Conduct
    outcome: Outcome
    stands: bool = True  # or there is no outcome, and nobody has one

    def packed(self, peers: int) -> np.ndarray:
        """A first byte of 1, or 2 where there is no outcome, then all of it: uint8, of a length that shapes alone decide."""
        head = struct.pack(f"<BH{len(self.members)}H", 1 if self.stands else 2, self.attempt, *self.members)
        return np.concatenate([np.frombuffer(head, np.uint8), self.conduct.packed(peers), self.outcome.packed()])

    def unpacked(self, packed: np.ndarray, peers: int) -> Record:
        """One of the shapes of this one."""
        form = struct.Struct(f"<BH{len(self.members)}H")
        stands, attempt, *members = form.unpack(packed[: form.size].tobytes())
        rest = form.size + self.conduct.packed(peers).size
        conduct, outcome = Conduct.unpacked(packed[form.size : rest]), self.outcome.unpacked(packed[rest:])
        return Record(attempt, tuple(members), conduct, outcome, stands == 1)


class History:
    """`corrupt`: f, the most peers that may be corrupt."""

    def __init__(self, links: Links, corrupt: int, blank: Record):
        self.links, self.corrupt, self.blank = links, corrupt, blank
        self._records: dict[int, np.ndarray] = {}  # by round, the oldest first
        self._digests: dict[
            int, bytes
        ] = {}  # of these; made once, as the network's thread answers, in which notices wait
        self._forgotten = 0  # rounds before this one are not kept any more
        # where this peer begins to count questions is not where a process before it did: late answers to that are no answers
        self._turn, self._paced = secrets.randbits(31), -math.inf
        self._answered: dict[
            tuple[int, bytes, int], float
        ] = {}  # when last, by peer, kind, and round of what was given

    def add(self, number: int, record: Record) -> None:
        packed = record.packed(self.links.peers)
        self._digests[number], self._records[number] = digest(packed), packed
        while len(self._records) > KEPT or sum(one.nbytes for one in self._records.values()) > max(
            KEPT_BYTES, self._records[number].nbytes
        ):
            oldest = next(iter(self._records))
            del self._records[oldest], self._digests[oldest]
            for peer in range(self.links.peers):
                self._answered.pop((peer, GIVE, oldest), None)
            self._forgotten = max(self._forgotten, oldest + 1)

    def takes_over(self, before: History) -> None:
        """What a history of other shapes knows: whoever asks for it has those shapes."""
        self._digests = before._digests | self._digests
        self._records, self._forgotten = before._records | self._records, max(before._forgotten, self._forgotten)
        self._turn = max(before._turn, self._turn)  # or an answer would have the name of one that was had before

    def answer(self, peer: int, notice: bytes) -> bool:
        """Whether the notice was a question: what this peer has of a round, in few bytes, or all of it.

        Whoever asks more often than an honest peer does wants this peer's time and memory, and gets no answer.
        """
        if notice[:1] not in (ASK, GIVE) or len(notice) != _ASK.size:
            return False
        kind, number, turn = _ASK.unpack(notice)
        packed = self._records.get(number)
        if kind == ASK and self._is_due((peer, ASK, 0), self.links.slot * OFTEN):
            self.links.send(peer, TIMELESS, f"{HISTORY}/{number}/{turn}", self._summary(number))
        elif kind == GIVE and packed is not None and self._is_due((peer, GIVE, number), self.links.patience):
            self.links.send(peer, TIMELESS, f"{RECORD}/{number}/{turn}", packed)
        return True

    def _is_due(self, what: tuple[int, bytes, int], often: float) -> bool:
        """Whether an honest peer may ask this again, which waits so long between two times; half of it is allowed."""
        now = time.monotonic()
        if now - self._answered.get(what, -math.inf) < often / 2:
            return False
        self._answered[what] = now
        return True

    def _summary(self, number: int) -> np.ndarray:
        """A first byte, and the digest of the record where there is one."""
        if (found := self._digests.get(number)) is not None:
            return np.frombuffer(FINISHED + found, np.uint8)
        return np.frombuffer((FORGOTTEN if number < self._forgotten else UNKNOWN) + bytes(32), np.uint8)

    def ask(self, number: int, until: float) -> tuple[Record, bool]:
        """The record of round `number` as f + 1 peers have it, waiting for it; and whether f + 1 did not have it at first.

        Raises `Lost` where too few answer or agree until the time `until`, or f + 1 have forgotten it.
        """
        running = False
        with self.links.asking():
            for summary, givers in self._told(number, until):
                if summary[:1] == FINISHED and (packed := self._fetched(number, summary[1:], givers)) is not None:
                    return self.blank.unpacked(packed, self.links.peers), running
                if summary[:1] == FORGOTTEN:
                    raise Lost(
                        self.links.me, f"{HISTORY}/{number}", f"the others have forgotten it; begin anew{REMEDY}"
                    )
                running = running or summary[:1] == UNKNOWN
        raise Lost(
            self.links.me, f"{HISTORY}/{number}", f"fewer than {self.corrupt + 1} peers gave the same outcome of it"
        )

    def finished(self, number: int, until: float) -> bool:
        """Whether round `number` has ended, with an outcome or without, as f + 1 peers say. `Lost` where too few say either."""
        with self.links.asking():
            for summary, _ in self._told(number, until):
                return summary[:1] != UNKNOWN
        raise Lost(
            self.links.me, f"{HISTORY}/{number}", f"fewer than {self.corrupt + 1} peers say whether it has ended"
        )

    def _told(self, number: int, until: float) -> Iterator[tuple[bytes, list[int]]]:
        """What f + 1 peers say alike, and who, asked until the time `until`: of a record rather than that they have none."""
        begun, waited = time.monotonic(), 1
        while time.monotonic() < until:
            if time.monotonic() - begun > waited * NEWS:
                LOG.warning(
                    "round=%d: %d s, and too few peers answer; if they have ended, stop this one", number, waited * NEWS
                )
                waited += 1
            said: dict[bytes, list[int]] = {}
            for who, summary in self._asked(ASK, HISTORY, number, self._others(), np.zeros(33, np.uint8)):
                said.setdefault(summary.tobytes(), []).append(who)
                if summary[0] and len(said[summary.tobytes()]) > self.corrupt:
                    break
            alike = [(summary, who) for summary, who in said.items() if len(who) > self.corrupt]
            yield from sorted(alike, key=lambda one: one[0][:1] == UNKNOWN)[:1]

    def _fetched(self, number: int, wanted: bytes, givers: list[int]) -> np.ndarray | None:
        """The record of this digest, from one of those who say that they have it."""
        like = self.blank.packed(self.links.peers)
        for giver in givers:
            for _, packed in self._asked(GIVE, RECORD, number, [giver], like, self.links.patience):
                if digest(packed) == wanted:
                    return packed
        return None

    def _asked(
        self, kind: bytes, label: str, number: int, whom: list[int], like: np.ndarray, more: float = 0.0
    ) -> Iterator[tuple[int, np.ndarray]]:
        """What these peers answer, as it comes. Asks no more often than an honest peer is answered."""
        if kind == ASK:
            time.sleep(max(0.0, self._paced + self.links.slot * OFTEN - time.monotonic()))
            self._paced = time.monotonic()
        self._turn += 1
        labels = dict.fromkeys(whom, f"{label}/{number}/{self._turn}")
        for peer in whom:
            self.links.notify(peer, np.frombuffer(_ASK.pack(kind, number, self._turn), np.uint8))
        try:
            yield from self.links.each(labels, TIMELESS, like, time.monotonic() + 2 * self.links.slot + more)
        finally:
            for who, late in labels.items():
                self.links.forget(who, TIMELESS, late)  # or answers that come too late would fill the inbox

    def _others(self) -> list[int]:
        return [peer for peer in range(self.links.peers) if peer != self.links.me and self.links.present(peer)]
