"""Shares of a dealing that do not fit together: is the dealer corrupt, or a member that says something false of its share?

The dealer knows what every member should have said, and names those that said something else. Who is named shows all
members what it was sent, of which they know the digest; they compute what it should have said. Either it lied, or the
dealer did, or the dealing is bad. Of an honest dealer nothing is shown but what corrupt members have.

Guarantee (t < m/2, a synchronous network): an honest dealer that computes as many dealing phases as there are members within a
patience (members may ask a patience apart, and wait for two) is not left out, and a member that lies about it is proven
corrupt or ends the attempt: it can keep some from seeing the proof, as by keeping an echo back, and then it is not named. Cost,
only where shares do not fit: these phases at the dealer, one for each member that is named at all of them, and two broadcasts.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from mpcjax.peers.answers import LABEL, NAMED, Answers, question
from mpcjax.peers.dealings import Dealings
from mpcjax.peers.replay import Parts
from mpcjax.peers.talk import Talk, pieces

Named = dict[int, list[int]]  # seats that a dealer names, by dealer


class Disputes:
    """Of one attempt. `answered`: dealers that have said whom they blame, also nobody: their dealing is bad if it does not fit
    all the same."""

    def __init__(self, talk: Talk, answers: Answers, dealings: Dealings, corrupt: int):
        self.talk, self.answers, self.dealings, self.corrupt = talk, answers, dealings, corrupt
        self.answered: set[int] = set()

    def settle(self, label: str, said: np.ndarray, disputed: np.ndarray, told: bytes) -> np.ndarray:
        """`said [member, peer, R]` in the check of the dealings, and what those should have said whom a dealer names; of peers
        that are `disputed [peer]`. `told`: all coins until then."""
        named = self._named(label, said, disputed, told)
        self._require_few(label, named)
        shown, right = self._shown(label, named), said.copy()
        for seat in sorted({seat for seats in named.values() for seat in seats}):
            dealings = {peer: shown[peer, seat] for peer, seats in named.items() if seat in seats}
            should = self.answers.replay.said(seat, dealings, told)
            for peer in dealings:
                right[seat, peer] = should[peer]
        return right

    def _require_few(self, label: str, named: Named) -> None:
        """Of more dealers than are corrupt one is honest, so whom they name is proven to lie, and must show nothing: were it an
        honest one whose machine computes otherwise, it would show what honest peers dealt to it."""
        times = Counter(seat for seats in named.values() for seat in seats)
        many = [seat for seat, count in times.items() if count > self.corrupt]
        if many:
            self.talk.blame("member", label, many, proven=True)

    def _named(self, label: str, said: np.ndarray, disputed: np.ndarray, told: bytes) -> Named:
        """Whom each dealer names, as more than t members have heard it: at most t, or it says nothing."""
        talk, peers = self.talk, np.flatnonzero(disputed).tolist()
        own = self.answers.ask(NAMED, {peer: question(said[:, peer].tobytes(), told) for peer in peers})
        likes = {peer: np.empty(len(talk.members), np.uint8) for peer in peers}
        held = talk.from_some({peer: (peer, LABEL[NAMED], like) for peer, like in likes.items()}, own)
        heard = talk.spread(f"{label}/named", held, likes)
        self.answered |= set(heard)
        named = {peer: np.flatnonzero(who).tolist() for peer, who in heard.items()}
        return {peer: seats for peer, seats in named.items() if len(seats) <= talk.threshold}

    def _shown(self, label: str, named: Named) -> dict[tuple[int, int], Parts]:
        """What each member that is named was sent, by dealer and seat. A member that does not show it ends the attempt."""
        talk, found = self.talk, dict[tuple[int, int], Parts]()
        pairs = [(peer, seat) for peer, seats in named.items() for seat in seats]
        own, most = dict[str, np.ndarray](), self.answers.dealing.most
        for peer, seat in pairs:
            if seat == talk.seat:
                own |= pieces(f"{label}/shown/{peer}", self.dealings.packed(peer), most)
        for name, x in own.items():
            for seat in talk.others:
                talk.send(talk.members[seat], name, x)
        size = self.answers.dealing.size
        due = {(peer, s): (talk.members[s], f"{label}/shown/{peer}", size(s, vectors=False)) for peer, s in pairs}
        for (peer, seat), packed in talk.agreed(f"{label}/shown", due, most, own).items():
            parts = self.dealings.shown(peer, seat, packed)
            if parts is not None:
                found[peer, seat] = parts
        missing = {seat for peer, seat in pairs if (peer, seat) not in found}
        if missing:
            talk.blame("member", label, missing, proven=False)
        return found
