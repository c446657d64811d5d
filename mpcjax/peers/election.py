"""Who sits on the committee: drawn from a seed that all peers make together before the first round.

Everybody commits to 32 random bytes, sees that all got the same commitments, and only then shows them. The seed is a hash of
all. Whoever holds back stops the start, for everybody to see, and nobody can see the seed before all are committed. Later
committees follow from seed, round and attempt: corrupt peers know them beforehand, which is no gain, because who is corrupt
does not depend on them (the adversary of the design corrupts before the committee is drawn).

Choosing to stop the start gives one more draw; `mpcjax.committee_size` bounds the chance of a bad committee for each.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterable

import numpy as np

from mpcjax import committee as committees
from mpcjax.checks import verdict
from mpcjax.errors import Abort
from mpcjax.peers.links import Links

START = (0, 0)  # the round and attempt of messages before the first round


@dataclasses.dataclass(frozen=True)
class Election:
    """`seed`: 32 bytes, the same at all honest peers."""

    seed: bytes
    peers: int
    size: int

    def members(self, when: tuple[int, int], excluded: Iterable[int] = ()) -> tuple[int, ...]:
        """The committee of a round and attempt, without the `excluded` as long as enough are left."""
        drawn = hashlib.sha256(b"mpcjax election" + self.seed + b"%d/%d" % when).digest()
        return committees.draw(drawn, self.peers, self.size, sorted(excluded))


def agree_on_seed(links: Links, own: bytes | None = None) -> bytes:
    """Needs all peers: raises `Lost` for one that does not come, `Abort` where somebody told different things.

    All honest peers that go on have the same seed. One corrupt peer can, in the last message, make some stop and others go on.
    """
    own = os.urandom(32) if own is None else own
    commitments = _from_all(links, "commitment", _commitment(own, links.me))
    _echo(links, "commitment", commitments)
    shown = _from_all(links, "opened", np.frombuffer(own, np.uint8))
    for peer, value in enumerate(shown):
        right = np.array_equal(_commitment(value.tobytes(), peer), commitments[peer])
        if not verdict("commitment", right):
            raise Abort("commitment", phase="start", parties=[peer], remedy="leave this peer out of the consortium")
    _echo(
        links, "opened", shown
    )  # all who go on have the same seed; others may stop where a peer tells only them of another
    return hashlib.sha256(b"mpcjax seed" + shown.tobytes()).digest()


def _commitment(value: bytes, peer: int) -> np.ndarray:
    return np.frombuffer(hashlib.sha256(b"mpcjax commitment %d " % peer + value).digest(), np.uint8)


def _echo(links: Links, label: str, received: np.ndarray) -> None:
    digest = np.frombuffer(hashlib.sha256(received.tobytes()).digest(), np.uint8)
    if not verdict("echo", bool((_from_all(links, f"{label}/echo", digest) == digest).all())):
        raise Abort("echo", phase="start", remedy="a peer told different things; find out which and start again")


def _from_all(links: Links, label: str, own: np.ndarray) -> np.ndarray:
    others = [peer for peer in range(links.peers) if peer != links.me]
    for peer in others:
        links.send(peer, START, f"start/{label}", own)
    until = links.due()
    return np.stack(
        [
            own if peer == links.me else links.receive(peer, START, f"start/{label}", own, until)
            for peer in range(links.peers)
        ]
    )
