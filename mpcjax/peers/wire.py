"""What a peer does at a mark of its program: it sends, waits, compares.

Guarantee (t corrupt members, any number of corrupt peers): what comes out of a broadcast is the same at all honest members,
or they stop. A member that does not send what is due, or something of another shape, ends the attempt; a peer that does
not is left out of it, by all members alike. Nothing is broadcast before all members have received what was sent before.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from mpcjax.checks import verdict
from mpcjax.errors import Abort
from mpcjax.fabric import Mark
from mpcjax.peers.claims import OPENED, Claim
from mpcjax.peers.decision import Decision
from mpcjax.peers.links import Links, Lost, Stopped
from mpcjax.phases import ALL
from mpcjax.segments import Outside


class Wire(Outside):
    """One attempt; what becomes of it is up to `decision`. `told`: see `Programs`. At the time `long` all waiting ends.
    `absent(peer)`: it was not there before, and has not said that it is back; then it is not waited for.

    `missed`: peers of whom something did not come. `least`: so many must have dealt well, or the attempt ends.

    A member that waits in vain for a peer is late for the other members and for those it tells something. So deadlines are
    counted from when all were heard last, one patience more with each meeting since then: otherwise a peer that is silent
    towards one member could end every attempt, or have honest members left out.

    Before a broadcast that follows private messages the members tell each other that they have them (or wait no more for
    them). A coin opened earlier than that would let a peer deal to the last member what suits the coin. One message and a
    latency more, which the ledger does not count.
    """

    def __init__(
        self,
        links: Links,
        decision: Decision,
        told: dict[str, frozenset[str]],
        long: float,
        least: int,
        absent: Callable[[int], bool],
    ):
        self.links, self.decision, self.told, self.long, self.least, self.absent = (
            links,
            decision,
            told,
            long,
            least,
            absent,
        )
        self.members, self.threshold, self.when = decision.members, decision.threshold, decision.when
        self.seat: Any = self.members.index(links.me) if links.me in self.members else None
        self.missed: dict[int, str] = {}
        self._opened, self._broadcasts, self._private = False, 0, False
        self._together()

    def meet(self, mark: Mark, step: str, due: Any, *x: Any) -> Any:
        label = f"{mark.phase}/{mark.label}{step}"
        if mark.phase == ALL[-1] and not self._opened and self.seat is not None:
            if self._stopped():  # the others may have agreed already that nobody has opened, and repeat the round
                raise Stopped(label)
            self._opened = True
            self.decision.say(Claim(OPENED))
            if not self.decision.may_open(self._due()):
                raise Stopped(label)
        if mark.kind == "told" and self.seat is None:
            return self._hear(label, due)
        return getattr(self, "_" + mark.kind)(mark, label, *(np.asarray(part) for part in x))

    # members among each other

    def _exchange(self, mark: Mark, label: str, x: np.ndarray, expanded: np.ndarray | None = None) -> np.ndarray:
        known, parts, self._private = mark.known, {}, True
        for seat in self._others():
            if not known or not known[self.seat][seat]:
                self._send(self.members[seat], label, x[0, seat])
        parts[self.seat] = x[0, self.seat]
        until = self._due()
        for seat in self._others():
            if known and known[seat][self.seat]:
                assert expanded is not None
                parts[seat] = expanded[0, seat]
            else:
                parts[seat] = self._receive(self.members[seat], label, x[0, seat], until)
        if not known:
            self._together()
        return np.stack([parts[seat] for seat in range(len(self.members))])[None]

    def _broadcast(self, mark: Mark, label: str, x: np.ndarray) -> np.ndarray:
        if self._private:
            self._private = False
            self._from_all(f"{label}/received", np.zeros(1, np.uint8))
        received = self._from_all(label, x[0])
        self._echo(label, received)
        return received

    def _echo(self, label: str, received: np.ndarray) -> None:
        """Whoever told two members different things is found out before anybody uses them, and has signed both."""
        claims = [Claim.told(self._broadcasts, one.tobytes()) for one in received]
        self._broadcasts += 1
        own = self.decision.signature(claims[self.seat])
        digest = hashlib.sha256(received.tobytes()).digest()
        echoes = self._from_all(f"{label}/echo", np.frombuffer(digest + own, np.uint8))
        signed = {
            (c, who): echo[len(digest) :].tobytes() for c, who, echo in zip(claims, self.members, echoes, strict=True)
        }
        same = bool((echoes[:, : len(digest)] == np.frombuffer(digest, np.uint8)).all())
        if not verdict("echo", same and self.decision.signed(signed)):
            self.decision.show(signed)
            raise Abort(
                "echo", phase=label, remedy="a member told different things; another committee repeats the round"
            )

    def _from_all(self, label: str, own: np.ndarray) -> np.ndarray:
        """`own` to every other member, and what each of them sends: `[member, ...]`."""
        for seat in self._others():
            self._send(self.members[seat], label, own)
        until = self._due()
        found = np.stack(
            [
                own if seat == self.seat else self._receive(who, label, own, until)
                for seat, who in enumerate(self.members)
            ]
        )
        self._together()
        return found

    def require_same(self, label: str, what: bytes) -> None:
        """`Abort` at every honest member, where two of them would go on with different bytes.

        They compute the same from the same messages, but in floating point, and not all machines round alike.
        """
        told = self._from_all(label, np.frombuffer(what, np.uint8))
        if not verdict("echo", bool((told == told[self.seat]).all())):
            raise Abort(
                "echo",
                phase=label,
                round=self.when[0],
                remedy="members came to different outcomes: one cheats, or their machines round differently (processor, flags of "
                "XLA, version of jax); if it happens again, compare these",
            )

    def _check(self, mark: Mark, label: str, ok: np.ndarray, named: np.ndarray) -> None:
        if not ok.all():
            parties = [self.members[seat] for seat in np.flatnonzero(named)]
            raise Abort(mark.label, phase=mark.phase, round=self.when[0], parties=parties)

    # peers and members

    def _peers(self, mark: Mark, label: str, x: np.ndarray) -> np.ndarray | None:
        for seat in range(*mark.to):
            if seat != self.seat:
                self._send(self.members[seat], label, x[seat, 0])
        due, self._meetings, self._private = self._due(), self._meetings + 1, True
        if self.seat is None:
            return None
        if self.seat not in range(*mark.to):
            return np.zeros((1, self.links.peers, *x.shape[2:]), x.dtype)
        return self._of_peers(label, x[self.seat, 0], due)[None]

    def _of_peers(self, label: str, own: np.ndarray, until: float) -> np.ndarray:
        """What every peer sends, `[n, ...]`; zeros from those that do not, who are not waited for again."""
        found = np.zeros((self.links.peers, *own.shape), own.dtype)
        for peer in range(self.links.peers):
            if peer == self.links.me:
                found[peer] = own
            elif self.absent(peer):
                self.missed[peer] = "it is away"
            elif peer not in self.missed:
                try:
                    found[peer] = self.links.receive(peer, self.when, label, own, until, self._stopped)
                except Lost as lost:
                    self.missed[peer] = lost.why
        return found

    def _said(self, mark: Mark, label: str, said: np.ndarray) -> np.ndarray | None:
        """Members vote: a peer is present if none misses it, and has said what most heard."""
        if self.seat is None:
            for who in self.members:
                self._send(who, label, said[0])
            return None
        for seat in self._others():
            self._send(self.members[seat], label, said[0])
        due, self._meetings = self._due(), self._meetings + 1
        heard = self._of_peers(label, said[0], due)
        heard[list(self.missed)] = True  # of who did not come nothing else is said
        here = np.array([peer not in self.missed for peer in range(self.links.peers)])
        votes = self._broadcast(mark, f"{label}/votes", np.concatenate([here[:, None], heard], axis=1)[None])
        counts = votes.astype(np.int64).sum(axis=0)
        present = counts[:, :1] == len(self.members)
        return np.concatenate([present, 2 * counts[:, 1:] > len(self.members)], axis=1)

    def _told(self, mark: Mark, label: str, x: np.ndarray) -> np.ndarray:
        if mark.label in self.told[mark.phase]:
            for peer in set(range(self.links.peers)) - set(self.members):
                self._send(peer, label, x)
        return x

    def _hear(self, label: str, due: Any) -> np.ndarray:
        """What t + 1 members tell alike: one of them is honest."""
        heard, labels = dict[bytes, int](), dict.fromkeys(self.members, label)
        for _, x in self.links.each(labels, self.when, due, self._due(), self._stopped):
            heard[x.tobytes()] = heard.get(x.tobytes(), 0) + 1
            if heard[x.tobytes()] > self.threshold:
                self._together()
                return x
        raise Abort("echo", phase=label, remedy="too few members told the same; another committee repeats the round")

    def _shown(self, mark: Mark, label: str, x: np.ndarray, disputed: np.ndarray) -> np.ndarray:
        """Dealings are not signed yet: a disputed dealer is left out, as if it had shown shares that do not fit."""
        shown = np.zeros((len(self.members), *x.shape[1:]), x.dtype)
        shown[0, disputed] = 1
        return shown

    def _stopped(self) -> bool:
        return self.decision.over() or time.monotonic() > self.long

    def _others(self) -> list[int]:
        return [seat for seat in range(len(self.members)) if seat != self.seat]

    def _together(self) -> None:
        """All members have been heard: they are at the same place of their programs, but for the time of a message."""
        self._since, self._meetings = time.monotonic(), 0

    def _due(self) -> float:
        """When a message must have come that is waited for from now on."""
        return max(self.links.due(), self._since + (self._meetings + 1) * self.links.patience)

    def _send(self, peer: int, label: str, x: np.ndarray) -> None:
        self.links.send(peer, self.when, label, np.ascontiguousarray(x))

    def _receive(self, peer: int, label: str, like: Any, until: float) -> np.ndarray:
        return self.links.receive(peer, self.when, label, like, until, self._stopped)
