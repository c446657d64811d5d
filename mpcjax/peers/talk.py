"""How members of a committee talk: to each other, to all alike with an echo, and to the peers that deal to them.

Guarantee (t corrupt members, any number of corrupt peers): what comes out of a broadcast is the same at all honest members,
or they stop. A member that does not send what is due, or something of another shape, ends the attempt. No coin is opened before
all members have, or wait no more for, what was dealt before.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import numpy as np

from mpcjax.checks import verdict
from mpcjax.errors import Abort
from mpcjax.peers.claims import Claim
from mpcjax.peers.decision import Decision
from mpcjax.peers.links import Links, Lost

HASH = 32  # bytes of a SHA-256 digest
Due = tuple[int, str, Any]  # something that a peer sends under a label, of a shape and dtype


class Talk:
    """In one attempt; what becomes of it is up to `decision`. At the time `long` all waiting ends. `absent(peer)`: it was
    not there before, and has not said that it is back; then it is not waited for.

    `missed`: peers of whom something did not come.

    Deadlines are counted from when all members were heard last. Of what is broadcast each hears the last a patience later at
    most, and peers answer what more than t members tell: so for what peers send there is a patience more. A member that waits
    for one in vain is late for all others by as much, and so they wait, too: otherwise a peer that is silent towards one
    member could end every attempt, or a member that is slow towards one have honest peers left out.
    Peers without a seat wait for coins alone: of what one sends after a coin, each part is due a patience after the one before.
    Else who sends all but the last of several could keep the members for two patiences a part.

    Before a broadcast that follows private messages the members tell each other that they have them (or wait no more for
    them). A coin opened earlier than that would let a peer deal to the last member what suits the coin. One message and a
    latency more, which the ledger does not count.
    """

    def __init__(
        self, links: Links, decision: Decision, long: float, absent: Callable[[int], bool] = lambda peer: False
    ):
        self.links, self.decision, self.long, self.absent = links, decision, long, absent
        self.members, self.threshold, self.when = decision.members, decision.threshold, decision.when
        self.seat: Any = self.members.index(links.me) if links.me in self.members else None
        self.missed: dict[int, str] = {}
        self._broadcasts, self.private = 0, False
        self.together()

    @property
    def others(self) -> list[int]:
        """The seats of the other members."""
        return [seat for seat in range(len(self.members)) if seat != self.seat]

    def send(self, peer: int, label: str, x: np.ndarray) -> None:
        self.links.send(peer, self.when, label, np.ascontiguousarray(x))

    def receive(self, peer: int, label: str, like: Any, until: float) -> np.ndarray:
        return self.links.receive(peer, self.when, label, like, until, self.stopped)

    def stopped(self) -> bool:
        return self.decision.over() or time.monotonic() > self.long

    def together(self) -> None:
        """All members have been heard: they are at the same place of their programs, but for the time of a message."""
        self._since, self._meetings = time.monotonic(), 0

    def due(self, meeting: bool = False) -> float:
        """When a message must have come that is waited for from now on. `meeting`: what peers send, who may be silent."""
        until = max(self.links.due(), self._since + (self._meetings + 1 + meeting) * self.links.patience)
        self._meetings += 2 * meeting
        return until

    def dues(self) -> tuple[float, float]:
        """The same of what every peer sends: of peers without a seat, and of members."""
        alone = max(self.links.due(), self._since + 2 * self.links.patience)
        return alone, self.due(meeting=True)

    # members among each other

    def broadcast(self, label: str, own: np.ndarray) -> np.ndarray:
        """`own` to all members alike, and what each of them says: `[member, ...]`."""
        if self.private:
            self.private = False
            self.from_all(f"{label}/received", np.zeros(1, np.uint8))
        received = self.from_all(label, own)
        self._echo(label, received)
        return received

    def from_all(self, label: str, own: np.ndarray) -> np.ndarray:
        """`own` to every other member, and what each of them sends: `[member, ...]`. Not echoed."""
        for seat in self.others:
            self.send(self.members[seat], label, own)
        until = self.due()
        found = [
            own if seat == self.seat else self.receive(who, label, own, until) for seat, who in enumerate(self.members)
        ]
        self.together()
        return np.stack(found)

    def _echo(self, label: str, received: np.ndarray) -> None:
        """Whoever told two members different things is found out before anybody uses them, and has signed both."""
        claims = [Claim.told(self._broadcasts, one.tobytes()) for one in received]
        self._broadcasts += 1
        own = self.decision.signature(claims[self.seat])
        mine = digest(received)
        echoes = self.from_all(f"{label}/echo", np.concatenate([mine, np.frombuffer(own, np.uint8)]))
        signed = {(c, who): echo[HASH:].tobytes() for c, who, echo in zip(claims, self.members, echoes, strict=True)}
        same = bool((echoes[:, :HASH] == mine).all())
        if not verdict("echo", same and self.decision.signed(signed)):
            self.decision.show(signed)
            raise Abort(
                "echo", phase=label, remedy="a member told different things; another committee repeats the round"
            )

    def spread(self, label: str, held: dict[Any, np.ndarray], likes: dict[Any, Any]) -> dict[Any, np.ndarray]:
        """Members give each other what more than t of them have alike, so that an honest one does; nothing else is left.

        `held`: by name, what this member has. `likes`: shapes and dtypes of all that any may have, by the same names.
        """
        if not likes:
            return {}
        own = np.stack([digest(held[name]) if name in held else np.zeros(HASH, np.uint8) for name in likes])
        votes, found = self.broadcast(f"{label}/digests", own), {}
        for k, (name, like) in enumerate(likes.items()):
            most = common((vote[k].tobytes() for vote in votes), self.threshold)
            if len(most) == 1:
                holders = [seat for seat in range(len(self.members)) if votes[seat, k].tobytes() == most[0]]
                found[name] = self._handed(f"{label}/{k}", holders, held.get(name), like, most[0])
        return found

    def _handed(self, label: str, holders: list[int], own: Any, like: Any, wanted: bytes) -> np.ndarray:
        """Of t + 1 that hold it one is honest: these give it to those that do not."""
        givers = holders[: self.threshold + 1]
        if self.seat in holders:
            for seat in set(self.others) - set(holders) if self.seat in givers else ():
                self.send(self.members[seat], label, own)
            return own
        labels = {self.members[seat]: label for seat in givers}
        for _, x in self.links.each(labels, self.when, like, self.due(), self.stopped):
            if digest(x).tobytes() == wanted:
                for who in labels:  # or copies that nobody takes would leave no room for notices
                    self.links.forget(who, self.when, label)
                return x
        raise Lost(self.links.me, label, "no member gave what more than t of them say they have")

    def blame(self, check: str, label: str, seats: Iterable[int], proven: bool) -> NoReturn:
        """Ends the attempt. All honest members do, for the same members: who is `proven` corrupt is not drawn again, others
        not until they have dealt in a round."""
        parties = [self.members[seat] for seat in seats]
        for who in set(parties) - {self.links.me}:
            self.decision.say(Claim.caught(who) if proven else Claim.silent(who))
        raise Abort(check, phase=label, round=self.when[0], parties=parties if proven else ())

    # peers and members

    def of_peers(self, label: str, own: np.ndarray, until: tuple[float, float]) -> np.ndarray:
        """What every peer sends, `[n, ...]`; zeros from those that do not, who are not waited for again. `until`: see `dues`."""
        found = np.zeros((self.links.peers, *own.shape), own.dtype)
        for peer in range(self.links.peers):
            if peer == self.links.me:
                found[peer] = own
            elif self.absent(peer):
                self.missed[peer] = "it is away"
            elif peer not in self.missed:
                try:
                    found[peer] = self.receive(peer, label, own, until[peer in self.members])
                except Lost as lost:
                    self.missed[peer] = lost.why
        return found

    def from_some(self, due: dict[Any, Due], own: dict[str, np.ndarray]) -> dict[Any, np.ndarray]:
        """By name what peers send, of those that do in time. `own`: by label, what this one sends."""
        until, found = self.due(meeting=True), {}
        for name, (peer, label, like) in due.items():
            if peer == self.links.me:
                found |= {name: own[label]} if label in own else {}
                continue
            try:
                found[name] = self.receive(peer, label, like, until)
            except Lost as lost:
                self.missed[peer] = lost.why
        return found

    def agreed(
        self, label: str, due: dict[Any, tuple[int, str, int]], most: int, own: dict[str, np.ndarray]
    ) -> dict[Any, bytes]:
        """By name what peers have sent alike to more than t members, at all of them: so many bytes, by `pieces`.

        `due`: from whom, the label, how many. `own`: pieces that this peer sends itself, by label.
        """
        each: dict[Any, Due] = {}
        for name, (peer, at, size) in due.items():
            for k, piece in pieces(at, np.empty(size, np.uint8), most).items():
                each[name, k] = peer, k, piece
        found = self.spread(label, self.from_some(each, own), {name: like for name, (_, _, like) in each.items()})
        whole: dict[Any, bytes] = {}
        for name in due:
            parts = [found.get(key) for key in each if key[0] == name]
            if all(part is not None for part in parts):
                whole[name] = b"".join(part.tobytes() for part in parts if part is not None)
        return whole


def pieces(label: str, x: np.ndarray, most: int) -> dict[str, np.ndarray]:
    """`x`, uint8, in arrays of at most so many bytes: a channel takes no longer ones than it was made for. By label."""
    return {f"{label}/{k}": x[start : start + most] for k, start in enumerate(range(0, len(x), most))}


def digest(x: np.ndarray) -> np.ndarray:
    """SHA-256, as uint8."""
    return np.frombuffer(hashlib.sha256(np.ascontiguousarray(x).data).digest(), np.uint8)


def common(said: Iterable[bytes], threshold: int) -> list[bytes]:
    """What more than t of the members say, one of them honest; zeros say nothing."""
    return [what for what, count in Counter(said).items() if count > threshold and any(what)]
