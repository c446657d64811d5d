"""What a peer that was away asks for: the outcomes of the rounds that it missed, as most others have them.

A record is believed when f + 1 peers give the same: one of them is honest, and all honest peers have the same outcome.
"""

from __future__ import annotations

import dataclasses
import math
import struct
import time
from collections import OrderedDict
from collections.abc import Iterable

import numpy as np

from mpcjax.peers.conduct import Conduct
from mpcjax.peers.links import TIMELESS, Links, Lost
from mpcjax.peers.outcome import Outcome

KEPT = 256  # rounds
OFTEN = 0.25  # slots between two questions
_ASK = struct.Struct("<cII")  # "H", round, which time it is asked


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
        self._records: OrderedDict[int, np.ndarray] = OrderedDict()
        self._asked = 0
        self._unknown = blank.packed(links.peers) * np.uint8(0)
        self._answered: dict[int, float] = {}

    def takes_over(self, before: History) -> None:
        """The records of rounds of other shapes, which who is behind still asks for, in the shape that it knows them to be."""
        self._records, self._answered = before._records, before._answered

    def add(self, number: int, record: Record) -> None:
        self._records[number] = record.packed(self.links.peers)
        while len(self._records) > KEPT:
            self._records.popitem(last=False)

    def answer(self, peer: int, notice: bytes) -> bool:
        """Whether the notice was a question; a round that is not finished here is answered with zeros.

        Whoever asks more often than an honest peer does wants this peer's time and memory, and gets no answer.
        """
        if notice[:1] != b"H" or len(notice) != _ASK.size:
            return False
        _, number, turn = _ASK.unpack(notice)
        now = time.monotonic()
        if now - self._answered.get(peer, -math.inf) >= self.links.slot * OFTEN / 2:
            self._answered[peer] = now
            self.links.send(peer, TIMELESS, f"history/{number}/{turn}", self._records.get(number, self._unknown))
        return True

    def ask(self, number: int, until: float) -> tuple[Record, bool]:
        """The record of round `number` as f + 1 peers have it, waiting for it; and whether f + 1 did not have it at first.

        Raises `Lost` where too few answer or agree until the time `until`.
        """
        running = False
        while time.monotonic() < until:
            answers = list(self._answers(number))
            for answer in answers:
                if sum(np.array_equal(answer, other) for other in answers) > self.corrupt:
                    if answer[0]:
                        return self.blank.unpacked(answer, self.links.peers), running
                    running = True
            time.sleep(self.links.slot * OFTEN)
        raise Lost(
            self.links.me, f"history/{number}", f"fewer than {self.corrupt + 1} peers gave the same outcome of it"
        )

    def _answers(self, number: int) -> Iterable[np.ndarray]:
        self._asked += 1
        others = [peer for peer in range(self.links.peers) if peer != self.links.me and self.links.present(peer)]
        for peer in others:
            self.links.notify(peer, np.frombuffer(_ASK.pack(b"H", number, self._asked), np.uint8))
        due, like = time.monotonic() + 2 * self.links.slot, self.blank.packed(self.links.peers)
        for peer in others:
            try:
                yield self.links.receive(peer, TIMELESS, f"history/{number}/{self._asked}", like, due)
            except Lost:
                continue
