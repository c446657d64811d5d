"""What became of an attempt: the same at every honest peer, whatever corrupt members sign, to whom, and when.

Members that reach the end *vouch* for the digest of the outcome, others *abort*; a slot after the start they say who of them
was *silent*, having said neither. A claim that t + 1 members signed has an honest one among them. But a corrupt member can
sign late, or for some only; so a peer that accepts a claim signs that too and sends everybody all signatures, and in slot s
a claim counts only if s peers besides have accepted it, from slot f + 1 on f + 1 peers, f being the most that may be
corrupt. What an honest peer accepts before, all accept one slot later; what it accepts then bears the signature of an honest
peer, which has sent it to all (Dolev, Strong 1983, signed messages). So all have decided after f + 2 slots.

Time is counted from when a peer knows that t + 1 members have done with the attempt. One of them is honest, and has done with
it only after 2 f + 1 peers had begun (`Node`): so at least f + 1 honest peers are not late, and what these accept has the
f + 1 acceptances that a late one needs. It tells everybody how it knows, so
all honest peers start within the time of a message. A peer that begins with the attempt later than others counts from when
the notices had come: it is too late for signatures that were held back for it alone. But what it knows it may know alone, and
tells only when it begins: so it ends as long after that as if it had started then, when all others have ended.

Where more than t members have died, nobody ever knows that. Not having heard is no knowledge either: a peer may have been
away, or a signature is held back and comes a moment after it gave up. So whoever has waited its whole time signs that for it
the attempt *expired*, and q such signatures, q the larger of n - f and f + 1, start the count as well and are told to
everybody: again all honest peers start within the time of a message. Peers that f + 1 honest ones are ahead of cannot start it
with the corrupt ones. Who gets no start at all is `Lost`: it asks the others for what they have, or stops.

A member that computes, or waits for others to begin, when slot 1 begins says then that it aborts: it is not silent, and may
still vouch. Silent is who has begun and says nothing at all, and of whom more than t members say that it did not show what it
must, or complained about more than f peers (`Talk.blame`).

For outcomes slot 0 lasts one slot longer, in which the slower members finish; for silence, so long that all are heard. An
outcome is accepted at once: in a round that nobody disturbs nothing is waited for.

Members sign what they broadcast, by the number of the broadcast. Who gets two signatures of one member for one broadcast
shows them to everybody, and the members sign that it is *caught*: t + 1 of them, one of them honest, have seen the proof. So do
they of a member that a check or a dispute proves corrupt.

A member says that it has *opened* before it sends its share of the output, and sends it when it has accepted that t + 1 say so.
So all agree, too, on whether anybody may have seen an output of an attempt that failed; corrupt members cannot claim it alone.

Guarantee: if one honest peer accepts an outcome, all do, and the same one; if nobody honest does, all agree on who was silent
and who is caught, and no honest member is caught. Assumes synchrony: a notice between honest peers takes less than
`Links.slot`. A slot of the count is twice that: they start as far apart as one takes, and what one sends must come in the next
slot of all. At most t of the members and f of the peers corrupt or gone, else nothing; and for a peer that was late, f + 1
honest ones that were not. A claim about an outcome is only as good as its members: see `mpcjax.committee_size`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np

from mpcjax.peers.claims import (
    ABORT,
    ACCEPT,
    CAUGHT,
    EXPIRED,
    NUMBER,
    OPENED,
    SILENT,
    TOLD,
    VOUCH,
    Claim,
    Signed,
    notices,
    of_members,
    records,
    statement,
)
from mpcjax.peers.early import room_of_one
from mpcjax.peers.links import Links, Lost

NOTICES = 2  # that may follow each other in a slot of the count
DONE = (VOUCH, ABORT)  # each says that its member has done with the attempt, or that all are about to
RELAYED = 4  # signatures of a kind, of one member, that are taken from one peer: an honest one has no more to pass on
LATER = {VOUCH: 1, OPENED: 1, SILENT: 3, CAUGHT: 3}  # slots after the start from which claims of a kind are counted


class Decision:
    """Of one attempt, `when`, by the committee of `members`. `corrupt`: f.

    `early`: notices that came before, the oldest first: when each came, from whom, and what it is. Time is counted from when
    they came, but nothing is accepted before all of them are heard: what one peer has had alone for long is not new.
    `owes(member)`: whether this peer may call it silent. Corrupt members can end an attempt before an honest one has begun.
    """

    def __init__(
        self, links: Links, members: tuple[int, ...], threshold: int, corrupt: int, when: tuple[int, int],
        early: Iterable[tuple[float, int, np.ndarray]] = (), owes: Callable[[int], bool] = lambda who: True,
    ):  # fmt: skip
        self.owes = owes
        self.links, self.members, self.threshold, self.corrupt, self.when = links, members, threshold, corrupt, when
        self._changed = threading.Condition()
        self._signatures: dict[Signed, bytes] = {}
        self._signers: dict[Claim, set[int]] = {}
        self._claims: dict[Claim, Claim] = {}  # what may be accepted, by the claim that it is
        self._touched: set[Claim] = set()  # of these, what has got a signature since it was looked at
        self._accepted: dict[Claim, None] = {}
        self._start: float | None = None
        self._started = 0.0  # when it told everybody so
        self._heard, self._room = Counter[int](), room_of_one(links.peers, len(members))  # bytes, by peer
        self._taken: Counter[tuple[int, bytes, int]] = Counter()
        self._forgers: set[int] = set()  # peers that passed on what nobody has signed, which no honest one does
        self._done: dict[int, Signed] = {}
        self._told: dict[tuple[int, bytes], Claim] = {}  # by member and number of the broadcast
        self._proven: dict[int, tuple[Claim, Claim]] = {}  # members, and two things that they said in one broadcast
        self._shown: set[int] = set()
        self._passed_on = self._answers = False
        with self._changed:
            for at, peer, notice in early:
                self._hear(peer, notice)
                self._count(at)
            self._consider()

    def say(self, claim: Claim) -> None:
        """Signs and tells everybody. Of a member only: others have nothing to say."""
        with self._changed:
            if (claim, self.links.me) not in self._signatures:
                self._sign([claim])

    def signature(self, claim: Claim) -> bytes:
        return self.links.sign(statement(claim, self.when))

    def signed(self, records: dict[Signed, bytes]) -> bool:
        """Whether all these signatures are right."""
        return all(
            self.links.signed(who, statement(claim, self.when), found) for (claim, who), found in records.items()
        )

    def show(self, records: dict[Signed, bytes]) -> None:
        """What members broadcast, as they signed it for this one. All of them do this when two did not hear the same."""
        with self._changed:
            right = {one: found for one, found in records.items() if self.signed({one: found})}
            for one, found in right.items():
                self._add(one, found)
            self._tell(list(right))
            self._consider()

    def started(self) -> bool:
        """Whether what became of the attempt is being agreed upon."""
        with self._changed:
            return self._start is not None

    def over(self) -> bool:
        """Whether there is no use in waiting for the protocol's messages any more."""
        with self._changed:
            return self._slot() >= 1 or Claim(ABORT) in self._signers

    def hear(self, peer: int, notice: np.ndarray) -> None:
        """Signatures from a peer. Those that are not right, or of another attempt, are passed over."""
        with self._changed:
            self._hear(peer, notice)
            self._consider()

    def _hear(self, peer: int, notice: np.ndarray) -> None:
        self._heard[peer] += len(notice)
        if self._heard[peer] > self._room:
            return  # no honest peer has so much to say
        for one, signature in records(notice, self.when):
            if peer not in self._forgers and one not in self._signatures and self._wanted(peer, *one):
                self._take(peer, one, signature)

    def _wanted(self, peer: int, claim: Claim, signer: int) -> bool:
        """Whether a signature is about anything. What one peer can have kept here is bounded."""
        if claim.kind in (ACCEPT, EXPIRED):  # who accepts something first passes on that t + 1 members have signed it
            known = claim == Claim(EXPIRED) or self._claimed(self._claims.get(claim))
            return signer < self.links.peers and known
        few = claim.kind in (SILENT, CAUGHT) or self._taken[peer, claim.kind, signer] < RELAYED
        return signer in self.members and of_members(claim, self.members) and few

    def _take(self, peer: int, one: Signed, signature: bytes) -> None:
        claim, signer = one
        if self.links.signed(signer, statement(claim, self.when), signature):
            self._add(one, signature)
            self._taken[peer, claim.kind, signer] += 1
        else:
            self._forgers.add(peer)

    def _add(self, one: Signed, signature: bytes) -> None:
        claim, signer = one
        self._signatures[one] = signature
        self._signers.setdefault(claim, set()).add(signer)
        if claim.kind in DONE:
            self._done[signer] = one
        if claim.kind in LATER:
            self._claims.setdefault(claim.accepted, claim)
            self._touched.add(claim)
        elif claim.kind == ACCEPT:
            self._touched.add(self._claims[claim])
        elif claim.kind == TOLD:
            first = self._told.setdefault((signer, claim.subject[:NUMBER]), claim)
            if first != claim:
                self._proven.setdefault(signer, (first, claim))

    def result(
        self, until: float, last: float, behind: Callable[[], bool] = lambda: False
    ) -> tuple[bytes | None, tuple[int, ...]]:
        """Waits. The digest of the outcome that all accept; or None, all agree that there is none, and who was silent.

        Where nothing starts the count until `until`, this peer says so. Raises `Lost` where nothing does until `last`, or
        where this peer is `behind()` the others.
        """
        with self._changed:
            while (found := self._found(until)) is None:
                if self._start is None and (behind() or time.monotonic() >= last):
                    raise Lost(
                        self.links.me,
                        "decision",
                        f"what became of attempt {self.when} was not heard: the others may know it",
                    )
                self._changed.wait(self.links.slot / 8)
            return found

    def _found(self, until: float) -> tuple[bytes | None, tuple[int, ...]] | None:
        """What `result` gives, once it is known."""
        outcome = [claim.subject for claim in self._accepted if claim.kind == VOUCH]
        if outcome:
            return min(outcome), ()
        slot = self._slot()
        if self._start is not None and self._slots(self._started) >= self.corrupt + 2 + LATER[SILENT]:
            return None, self._named(SILENT)
        if 2 <= slot <= LATER[SILENT]:
            self._say_who_is_silent()
        expired = Claim(EXPIRED)
        if self._start is None and time.monotonic() >= until and (expired, self.links.me) not in self._signatures:
            self._sign([expired])
        return None

    def may_open(self, until: float) -> bool:
        """Waits until that time. Whether this peer has accepted that members open, which all honest ones then do."""
        with self._changed:
            while not self.opened() and not self.over() and time.monotonic() < until:
                self._changed.wait(self.links.slot / 8)
            return self.opened()

    def opened(self) -> bool:
        """Whether all agree, once there is a result, that a member may have shown its share of the output."""
        with self._changed:
            return Claim(OPENED) in self._accepted

    def caught(self) -> tuple[int, ...]:
        """Members of whom all agree, once there is a result, that they are proven corrupt."""
        with self._changed:
            return self._named(CAUGHT)

    def _named(self, kind: bytes) -> tuple[int, ...]:
        return tuple(sorted(int.from_bytes(c.subject, "big") for c in self._accepted if c.kind == kind))

    def _sign(self, claims: Iterable[Claim]) -> None:
        mine = [(claim, self.links.me) for claim in claims]
        for one in mine:
            self._add(one, self.signature(one[0]))
        self._tell(mine)
        self._consider()

    def _count(self, at: float) -> None:
        """Begins to count from the time `at`, if what is known by then is enough."""
        if not self._passed_on and Claim(ABORT) in self._signers:
            self._passed_on = True
            self._tell(list(self._done.values()))
        expired = [(Claim(EXPIRED), who) for who in self._signers.get(Claim(EXPIRED), ())]
        quorum = max(self.links.peers - self.corrupt, self.corrupt + 1)  # more than are corrupt or behind
        for enough, known in ((self.threshold + 1, list(self._done.values())), (quorum, expired)):
            if self._start is None and len(known) >= enough:
                self._start, self._started = at, time.monotonic()
                self._tell(known)

    def _answer_in_time(self) -> None:
        """A member that has not said by the end of slot 0 how it has ended says then that it aborts: its main thread, which
        computes or waits, cannot."""
        if self._start is None or self._answers or self.links.me not in self.members:
            return
        self._answers = True
        left = self._start + NOTICES * self.links.slot - time.monotonic()
        if left > 0:
            self.links.later(left, self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        with self._changed:
            if self.links.me not in self._done:
                self._sign([Claim(ABORT)])

    def _consider(self) -> None:
        self._count(time.monotonic())
        self._answer_in_time()
        self._say_who_is_caught()
        while self._touched:
            claim = self._touched.pop()
            if claim not in self._accepted and self._supported(claim):
                self._accept(claim)
        self._changed.notify_all()

    def _slot(self) -> int:
        return 0 if self._start is None else self._slots(self._start)

    def _slots(self, since: float) -> int:
        return int((time.monotonic() - since) / (NOTICES * self.links.slot))

    def _say_who_is_silent(self) -> None:
        quiet = [who for who in self.members if who not in self._done and who != self.links.me]
        claims = [Claim.silent(who) for who in quiet if self.owes(who)]
        if self.links.me in self.members and any((claim, self.links.me) not in self._signatures for claim in claims):
            self._sign(claims)

    def _say_who_is_caught(self) -> None:
        """Whoever has signed two things for one broadcast; with the proof, so that all members can say it."""
        for who in sorted(self._proven.keys() - self._shown):
            self._shown.add(who)
            self._tell([(claim, who) for claim in self._proven[who]])
            if self.links.me in self.members:
                self._sign([Claim.caught(who)])

    def _claimed(self, claim: Claim | None) -> bool:
        """Whether more than t have signed it, who are members: `_wanted` takes a claim from no others."""
        return claim is not None and len(self._signers[claim]) > self.threshold

    def _supported(self, claim: Claim) -> bool:
        others = len(self._signers.get(claim.accepted, ()))
        slot = max(self._slot() - LATER[claim.kind], 0)
        return self._claimed(claim) and others >= min(slot, self.corrupt + 1)

    def _accept(self, claim: Claim) -> None:
        """And tells everybody, with no more signatures than anybody needs to accept it too."""
        self._accepted[claim] = None
        members = sorted(self._signers[claim])[: self.threshold + 1]
        others = sorted(self._signers.get(claim.accepted, ()))[: self.corrupt + 1]
        self._add((claim.accepted, self.links.me), self.signature(claim.accepted))
        self._tell([*((claim, who) for who in members), *((claim.accepted, who) for who in (*others, self.links.me))])

    def _tell(self, which: list[Signed]) -> None:
        for notice in notices(self.when, ((one, self._signatures[one]) for one in which)):
            for peer in set(range(self.links.peers)) - {self.links.me}:
                self.links.notify(peer, notice)
