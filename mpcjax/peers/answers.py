"""What a dealer says of its own dealing when members ask.

Asked by notices, of more than t members that ask alike: an honest one is among them. So nobody gets a member's part sealed
to a key that is not that member's, and nothing is computed for a corrupt member alone.
"""

from __future__ import annotations

import logging
import struct
import threading

import numpy as np

from mpcjax._compat import as_here
from mpcjax.net.sealing import KEY, seal
from mpcjax.peers.dealings import Dealing
from mpcjax.peers.links import Links
from mpcjax.peers.replay import Replay
from mpcjax.peers.talk import pieces

LOG = logging.getLogger("mpcjax.peers")
ASK = b"Q"
SEALED, NAMED = b"s", b"n"  # what is asked for
LABEL = {SEALED: "deal/sealed", NAMED: "deal/named"}
_ASKED = struct.Struct("<cIHc")
_SAID = struct.Struct("<I")  # bytes of what members said, before it and the coins
BYTES = 1 << 16  # of a question: a channel takes no longer notice, and an honest one is much shorter


class Answers:
    """Of one attempt, `when`, by the dealer of `dealing`, to these `members`."""

    def __init__(self, links: Links, when: tuple[int, int], members: tuple[int, ...], threshold: int, replay: Replay):
        self.links, self.when, self.members, self.threshold, self.replay = links, when, members, threshold, replay
        self.dealing = Dealing(len(members))
        self._asked: dict[bytes, dict[int, bytes]] = {SEALED: {}, NAMED: {}}
        self._answered: set[bytes] = set()
        self._run = as_here(self._answer)  # as the thread of the round computes

    def ask(self, kind: bytes, what: dict[int, bytes]) -> dict[str, np.ndarray]:
        """As a member: a question for each of these peers. What this one answers, by label, if it is among them."""
        me = self.links.me
        for peer in what.keys() - {me}:
            self.links.notify(peer, np.frombuffer(_ASKED.pack(ASK, *self.when, kind) + what[peer], np.uint8))
        if me not in what:
            return {}
        return self._answer(kind, what[me])

    def hear(self, peer: int, data: bytes) -> bool:
        """Whether a notice is a question. Called from the network's thread; what takes long is done in another.

        A member answers when it asks the others: once, and what all of them have agreed on.
        """
        if data[:1] != ASK or not _ASKED.size <= len(data) <= BYTES:
            return False
        _, number, attempt, kind = _ASKED.unpack(data[: _ASKED.size])
        asked, me = self._asked.get(kind), self.links.me
        if asked is None or (number, attempt) != self.when or peer not in self.members or me in self.members:
            return True
        asked[peer] = what = data[_ASKED.size :]
        if kind not in self._answered and sum(one == what for one in asked.values()) > self.threshold:
            self._answered.add(kind)
            threading.Thread(target=self._run, args=(kind, what), name="mpcjax-answer").start()
        return True

    def _answer(self, kind: bytes, what: bytes) -> dict[str, np.ndarray]:
        LOG.warning("disputed round=%d attempt=%d answer=%s", *self.when, LABEL[kind])
        try:
            answers = self.sealed(what) if kind == SEALED else {LABEL[NAMED]: self.named(what)}
            for label, answer in answers.items():
                for member in set(self.members) - {self.links.me}:
                    self.links.send(member, self.when, label, answer)
        except Exception:  # who has no answer is left out, and goes on
            LOG.exception("no answer round=%d attempt=%d", *self.when)
            return {}
        return answers

    def sealed(self, keys: bytes) -> dict[str, np.ndarray]:
        """What members complain not to have, each sealed to its key among `keys`, by seat; zeros for who has it."""
        found: dict[str, np.ndarray] = {}
        for seat in range(len(self.members)):
            key = keys[KEY * seat : KEY * seat + KEY]
            if any(key):
                sealed = np.frombuffer(seal(self.dealing.packed(seat), key), np.uint8)
                found |= pieces(f"{LABEL[SEALED]}/{seat}", sealed, self.dealing.most)
        return found

    def named(self, what: bytes) -> np.ndarray:
        """Which members said in the check what does not follow from what they were sent, `[m]` uint8. `what`: see `question`."""
        (size,) = _SAID.unpack(what[: _SAID.size])
        said, told = what[_SAID.size : _SAID.size + size], what[_SAID.size + size :]
        each, me, wrong = size // len(self.members), self.links.me, list[bool]()
        for seat in range(len(self.members)):
            right = self.replay.said(seat, {me: self.dealing.sent_to(seat)}, told)[me]
            wrong.append(right.tobytes() != said[seat * each : (seat + 1) * each])
        return np.array(wrong, np.uint8)


def question(said: bytes, told: bytes) -> bytes:
    """What a dealer is asked about: what all members said of its dealing in the check, by seat, and all coins."""
    return _SAID.pack(len(said)) + said + told
