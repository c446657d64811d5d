"""Members that do not have what a peer has dealt say so, and what becomes of its dealing is the same at all of them.

All members say which digests of a dealing they had in time. What more than t say the dealer is committed to; of an honest
one all honest members say the same. Whom more than t do not have, or who has committed to nothing, is left out. Where fewer
complain, the dealer seals what they should have to keys that they make for that, and sends it to all members: so none of
them can deny that it came, and nobody else reads it. Who finds something else in it shows the key, and all see who lied.

Guarantee (t < m/2, a synchronous network): an honest dealer is not left out, whatever corrupt members say, and its update is
seen by nobody. A member that denies what was sealed for it is named, as is a dealer whose sealed parts are wrong; who
complains in vain is not, up to `corrupt` dealers a round.
Cost, only where somebody complains: three broadcasts, and the parts of those that complain to all members.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from mpcjax.checks import verdict
from mpcjax.net.sealing import KEY, MORE, fresh, opened, public
from mpcjax.peers.answers import LABEL, SEALED, Answers
from mpcjax.peers.dealings import Dealings
from mpcjax.peers.talk import Talk, common

Pair = tuple[int, int]  # a dealer and the seat of a member that complains about it


class Complaints:
    """`corrupt`: no honest member has reason to complain about more peers. `false`: dealers proven corrupt, so far."""

    def __init__(self, talk: Talk, answers: Answers, dealings: Dealings, corrupt: int):
        self.talk, self.answers, self.dealings, self.corrupt = talk, answers, dealings, corrupt
        self.false: set[int] = set()

    def settle(self, label: str, votes: np.ndarray) -> tuple[np.ndarray, bool]:
        """`votes [member, peer, 1 + 32]`: has it all, and what it says was committed to. Who has dealt, `[peer]` bool; and
        whether this member's parts have changed.
        """
        committed = self._committed(votes[..., 1:])
        pending = dict[int, list[int]]()
        for peer, commitment in committed.items():
            has = [bool(vote[peer, 0]) and vote[peer, 1:].tobytes() == commitment for vote in votes]
            pending[peer] = [seat for seat, fine in enumerate(has) if not fine]
        pending = {peer: seats for peer, seats in pending.items() if len(seats) <= self.talk.threshold}
        here = {peer for peer, seats in pending.items() if not seats}
        pairs = [(peer, seat) for peer, seats in pending.items() for seat in seats]
        changed = False
        if pairs:
            self._require_few(label, pairs)
            settled, changed = self._settled(label, pairs, committed)
            here |= settled
        return np.isin(np.arange(votes.shape[1]), sorted(here)), changed

    def _committed(self, votes: np.ndarray) -> dict[int, bytes]:
        """By peer, if it is committed to one thing. Only who is corrupt is committed to two."""
        peers, threshold = range(votes.shape[1]), self.talk.threshold
        found = {peer: common((vote[peer].tobytes() for vote in votes), threshold) for peer in peers}
        self.false |= {peer for peer, each in found.items() if len(each) > 1}
        return {peer: each[0] for peer, each in found.items() if len(each) == 1}

    def _require_few(self, label: str, pairs: list[Pair]) -> None:
        """A member that complains about more peers than are corrupt is so itself, or cut off: it must not cost all the time."""
        times = Counter(seat for _, seat in pairs)
        many = [seat for seat, count in times.items() if count > self.corrupt]
        if many:
            self.talk.blame("dealing", label, many, proven=False)

    def _settled(self, label: str, pairs: list[Pair], committed: dict[int, bytes]) -> tuple[set[int], bool]:
        """Which of the dealers in `pairs` have dealt after all. A member that shows no key complains of nothing."""
        secret = {pair: fresh() for pair in pairs if pair[1] == self.talk.seat}
        keys = self._told(f"{label}/keys", pairs, {pair: public(key) for pair, key in secret.items()})
        sealed = self._asked(label, keys)
        found = {pair: opened(sealed[pair], key) for pair, key in secret.items() if pair in sealed}
        right = {pair: self._parts(pair, packed, committed) for pair, packed in found.items()}
        unfit = {pair: secret[pair] for pair, parts in right.items() if parts is None}
        self._judge(label, self._told(f"{label}/shown", list(sealed), unfit), keys, sealed, committed)
        settled = {peer for peer, _ in pairs} - {pair[0] for pair in keys if pair not in sealed} - self.false
        good = {peer: parts for (peer, _), parts in right.items() if parts is not None and peer in settled}
        if good:
            self.dealings.replace(good)
        return settled, bool(good)

    def _told(self, label: str, pairs: list[Pair], mine: dict[Pair, bytes]) -> dict[Pair, bytes]:
        """A key of each pair's member, as it tells all; zeros say nothing."""
        if not pairs:
            return {}
        own = np.stack([np.frombuffer(mine.get(pair, bytes(KEY)), np.uint8) for pair in pairs])
        said = self.talk.broadcast(label, own)
        keys = {pair: said[pair[1], k].tobytes() for k, pair in enumerate(pairs)}
        return {pair: key for pair, key in keys.items() if any(key)}

    def _asked(self, label: str, keys: dict[Pair, bytes]) -> dict[Pair, bytes]:
        """The sealed parts, the same at all members, of the dealers that answer more than t of them."""
        dealing = self.answers.dealing
        own = self.answers.ask(SEALED, {peer: self._question(peer, keys) for peer, _ in keys})
        due = {(peer, seat): (peer, f"{LABEL[SEALED]}/{seat}", MORE + dealing.size(seat)) for peer, seat in keys}
        return self.talk.agreed(f"{label}/sealed", due, dealing.most, own)

    def _question(self, peer: int, keys: dict[Pair, bytes]) -> bytes:
        return b"".join(keys.get((peer, seat), bytes(KEY)) for seat in range(len(self.talk.members)))

    def _parts(self, pair: Pair, packed: bytes | None, committed: dict[int, bytes]) -> Any:
        return None if packed is None else self.dealings.unpacked(packed, committed[pair[0]], pair[1])

    def _judge(
        self, label: str, shown: dict[Pair, bytes], keys: dict[Pair, bytes], sealed: dict[Pair, bytes], committed: Any
    ) -> None:
        """Of who says that it cannot use what was sealed for it: either the dealer is proven corrupt or the member."""
        liars = []
        for pair, key in shown.items():
            right = self._parts(pair, opened(sealed[pair], key), committed) is not None
            if not verdict("member", public(key) == keys[pair] and not right):
                liars.append(pair[1])
            else:
                self.false.add(pair[0])
        if liars:
            self.talk.blame("member", label, liars, proven=True)
